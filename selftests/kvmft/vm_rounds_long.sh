#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=2 long timeout=900
#
# vm_rounds with other seeds, and more: ten of these are a thousand rounds of each kind.
KVMFT_ROUNDS=100 exec bash "$(dirname "$0")/vm_rounds.sh"
