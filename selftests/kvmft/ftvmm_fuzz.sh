#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: machine timeout=120
#
# What ftvmm believes of a guest, and of a device state: nothing that would have it read
# or write outside of guest memory, or keep a write to itself. selftests/ftvmm.
set -eu

disk=$(mktemp)
trap 'rm -f "$disk"' EXIT
truncate -s 1M "$disk"
"$KVMFT_BUILD/selftests/ftvmm/fuzz" 15 "${KVMFT_SEED:-$(date +%s)}" "$disk"
