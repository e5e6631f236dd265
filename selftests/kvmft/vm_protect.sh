#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=2 timeout=600
#
# Guests are protected, and go on from the last commit: each row of selftests/flat/matrix.
# In each epoch memory is compared byte by byte, at promotion by its hash, and outputs
# are judged from the first to the last: nothing lost, nothing contradicted, nothing
# twice but what was in the last outbox.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/pairlab.sh
. "$(dirname "$0")/../lib/pairlab.sh"

load_module h1
load_module h2
make_key
# Another file has other rows: some of them, to look into these.
python3 -B "$KVMFT_ROOT/selftests/lib/vm_rows.py" matrix "${KVMFT_MATRIX:-$KVMFT_ROOT/selftests/flat/matrix}"
