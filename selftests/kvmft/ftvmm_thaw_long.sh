#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=3 nodebug long timeout=3600 mem=3G breaks
#
# 50 hosts in a run of this that freeze at any moment and come back: they let nothing out.
KVMFT_FAULTS=0 KVMFT_THAWS=50 exec bash "$(dirname "$0")/ftvmm_storm.sh"
