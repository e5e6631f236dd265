#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=3 nodebug timeout=1200 mem=3G breaks either
#
# One Linux guest, faults of all kinds, one after the other: hosts lose power, freeze, stand
# still with their clocks, are cut off in one direction or both; VMMs are killed; roles are
# exchanged; standbys die while they are made. Each strikes at a point of an epoch's way that
# is chosen at random, while two clients on a third host are at work. Their connections last;
# each gets all its answers, once and in order; what was acknowledged is on the disk; and who
# was replaced lets nothing out.
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

COUNT=${KVMFT_FAULTS:-10}
# Besides those: hosts that freeze for long and come back.
THAWS=${KVMFT_THAWS:-9}
seed=${KVMFT_SEED:-1}
RANDOM=$seed
KVMFT_STORM_RECORD=${KVMFT_STORM_RECORD:-$scratch/record}
touch "$KVMFT_STORM_RECORD"

module=$KVMFT_KO_FAULTS
storm_begin
storm_load
modes=(sync async)
# Each list is gone through before anything comes again.
faults=() phases=()
for ((n = 0; n * ${#FAULTS[@]} < COUNT; n++)); do
	read -r -a more <<<"$(shuffled "$seed.$n" "${FAULTS[@]}")"
	faults+=("${more[@]}")
done
for ((n = 0; n * ${#PHASES[@]} < COUNT; n++)); do
	read -r -a more <<<"$(shuffled "$seed,$n" "${PHASES[@]}")"
	phases+=("${more[@]}")
done
# By hand, instead.
[[ ${KVMFT_ONLY:-} ]] && read -r -a faults <<<"$KVMFT_ONLY"
[[ ${KVMFT_AT:-} ]] && read -r -a phases <<<"$KVMFT_AT"

for ((n = 0; n < COUNT; n++)); do
	phase=any
	if strikes_at_a_point "${faults[n]}"; then
		phase=${phases[0]}
		phases=("${phases[@]:1}")
	fi
	storm_fault $((n + 1)) "${faults[n]}" "$phase" "${modes[RANDOM % 2]}"
	[[ $tap_failed == 0 ]] || break
done

record=$(tail -n "$COUNT" "$KVMFT_STORM_RECORD")

# A host that froze, at any moment, and comes back.
for ((n = 1; n <= THAWS && tap_failed == 0; n++)); do
	storm_fault thaw$n freeze_long any "${modes[RANDOM % 2]}"
done
storm_end
# times FIELD WORD: how often that struck in this run.
times()
{
	cut -f"$1" <<<"$record" | grep -cx "$2"
}

for fault in "${FAULTS[@]}"; do
	check "$fault: $(times 3 "$fault") times" \
		test "$(times 3 "$fault")" -ge $((COUNT / ${#FAULTS[@]}))
done
for phase in "${PHASES[@]}"; do
	check "$phase: $(times 4 "$phase") times" \
		test "$(times 4 "$phase")" -ge $(((COUNT - 2) / ${#PHASES[@]} / 2))
done
done_testing
