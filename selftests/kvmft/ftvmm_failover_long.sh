#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=3 nodebug long timeout=2400 mem=3G breaks
#
# 50 kills in a run of this.
KVMFT_KILLS="25 25" exec bash "$(dirname "$0")/ftvmm_failover.sh"
