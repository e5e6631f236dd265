#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# needs: host timeout=240 either
#
# Strangers, and peers that do everything wrong that can be wrong around the handshake:
# each is refused with its reason, and none disturbs the good peer.
exec python3 -B "$(dirname "$0")/../lib/wire_faults.py"
