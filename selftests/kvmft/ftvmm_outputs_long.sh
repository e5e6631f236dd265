#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=3 nodebug long timeout=1800 mem=3G breaks
#
# The same with 20 rounds of work on the disk, and of a file through the guest, in either
# mode, on networks that lose and delay packets.
KVMFT_VERIFIES=20 KVMFT_NOISE=y exec bash "$(dirname "$0")/ftvmm_outputs.sh"
