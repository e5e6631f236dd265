#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=3 nodebug long timeout=3600 mem=3G breaks
#
# 25 faults in a run of this: all kinds, and all points, several times. What struck is kept
# from run to run.
KVMFT_FAULTS=25 KVMFT_THAWS=0 KVMFT_STORM_RECORD=$KVMFT_BUILD/storm.tsv exec bash "$(dirname "$0")/ftvmm_storm.sh"
