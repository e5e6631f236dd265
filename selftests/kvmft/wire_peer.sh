#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# needs: host timeout=240 either
#
# The protocol, spoken with another end that was written from Documentation/wire.rst
# alone: selftests/lib/peer.py.
exec python3 -B "$(dirname "$0")/../lib/wire_peer.py"
