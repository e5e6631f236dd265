#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=3 nodebug long timeout=1800 mem=3G breaks
#
# The same with 20 rounds of work on the disk in either mode.
KVMFT_VERIFIES=20 exec bash "$(dirname "$0")/ftvmm_outputs.sh"
