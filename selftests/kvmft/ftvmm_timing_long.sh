#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=3 nodebug long timeout=1800 mem=3G breaks
#
# How long a guest doesn't answer when its host loses power, and when its VMM dies: medians of
# ten each, from the last answer of the one to the first of the other, asked each 20 ms.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/pairlab.sh
. "$(dirname "$0")/../lib/pairlab.sh"
# shellcheck source=../lib/vmlab.sh
. "$(dirname "$0")/../lib/vmlab.sh"
# shellcheck source=../lib/ftvmmlab.sh
. "$(dirname "$0")/../lib/ftvmmlab.sh"
# shellcheck source=../lib/faultlab.sh
. "$(dirname "$0")/../lib/faultlab.sh"
# shellcheck source=../lib/stormlab.sh
. "$(dirname "$0")/../lib/stormlab.sh"

COUNT=10
KVMFT_STORM_RECORD=$scratch/record
RANDOM=$KVMFT_SEED

module=$KVMFT_KO_FAULTS
storm_begin 20
modes=(sync async)
declare -A gaps
for ((n = 0; n < COUNT; n++)); do
	for fault in vmm_primary power_primary; do
		storm_fault $((n + 1)) $fault any "${modes[n % 2]}"
		[[ $tap_failed == 0 ]] || break 2
		gaps[$fault]+="$storm_gap "
	done
done
storm_end

# median NUMBER...
median()
{
	printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"
}

for fault in vmm_primary power_primary; do
	most=$([[ $fault == vmm_primary ]] && echo 500 || echo $((TIMEOUT * 1000 + 500)))
	# shellcheck disable=SC2086
	middle=$(median ${gaps[$fault]})
	echo "# $fault: ${gaps[$fault]}ms"
	check "$fault: $middle ms without an answer, at most $most" test "${middle:-99999}" -le "$most"
done
done_testing
