#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=2 long timeout=400
#
# pair_cuts with other seeds: ten rounds are two hundred cuts.
exec bash "$(dirname "$0")/pair_cuts.sh"
