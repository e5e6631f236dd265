#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# needs: host timeout=420 either
#
# Peers that have proved themselves and then break the rules, frame by frame: it costs
# them the connection, the reason is counted, and no guest has lost or gained a page.
exec python3 -B "$(dirname "$0")/../lib/wire_faults_frames.py"
