#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=2 timeout=300 either
#
# That what vm_protect.sh looks at would be noticed: pages are dropped, an epoch half
# applied, registers left out, output let out early, each time on purpose.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/pairlab.sh
. "$(dirname "$0")/../lib/pairlab.sh"

module=$KVMFT_KO_FAULTS
load_module h1
load_module h2
make_key
python3 -B "$KVMFT_ROOT/selftests/lib/vm_violations.py"
