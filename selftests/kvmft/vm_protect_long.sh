#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=2 long timeout=900
#
# All that vm_protect.sh has chosen from: each seed has the next combinations of a
# shuffled list of all.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/pairlab.sh
. "$(dirname "$0")/../lib/pairlab.sh"

ROWS=40

load_module h1
load_module h2
make_key
python3 -B "$KVMFT_ROOT/selftests/lib/vm_rows.py" slice "$KVMFT_SEED" $ROWS
