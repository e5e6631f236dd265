#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=3 nodebug timeout=1800 mem=3G breaks
#
# How long a guest doesn't answer when its VMM or its host dies, and what of that is what: until
# the other host has found that out, until it has made a running guest of its standby, until that
# guest's first answer leaves; and how fast a new standby is made. Time-out 2 s, leases of 1 s.
# shellcheck source=../benchlab.sh
. "$(dirname "$0")/../benchlab.sh"
# shellcheck source=../../lib/faultlab.sh
. "$(dirname "$0")/../../lib/faultlab.sh"
# shellcheck source=../../lib/stormlab.sh
. "$(dirname "$0")/../../lib/stormlab.sh"

if [[ ${KVMFT_FAST:-} ]]; then
	ROUNDS=1 VICTIMS=(vmm)
else
	ROUNDS=${KVMFT_ROUNDS:-5} VICTIMS=(vmm host)
fi

# parts_of VICTIM NAME: what of it took how long.
parts_of()
{
	local lost ours
	record answers "$mode" 2 "$1" "$round" $((took * 1000000))
	lost=$(became "$there" promoting)
	ours=$(became "$there" solo)
	check "$2: it was promoted" test "${ours:-0}" -gt "${lost:-0}"
	record promotes "$mode" 2 "$1" "$round" $(((ours - lost) * 1000))
	record detects "$mode" 2 "$1" "$round" $((took * 1000000 - (ours - lost) * 1000))
	echo "# $2: an answer after $took ms, of which $(((ours - lost) / 1000)) ms for the promotion"
}

bench_new
RANDOM=$KVMFT_SEED
storm_begin
prober 20
modes=(sync async)
for ((round = 1; round <= ROUNDS && tap_failed == 0; round++)); do
	for n in "${!VICTIMS[@]}"; do
		mode=${modes[(round + n) % 2]}
		name="${VICTIMS[n]} $round, $mode"
		copied "$name" "$here" resync "$mode" 2 0 $round
		timed "${VICTIMS[n]}" "$mode"
		check "$name: it answers" test -n "$took"
		[[ $tap_failed == 0 ]] || break
		parts_of "$n" "$name"
		[[ ${VICTIMS[n]} != host ]] || check "$name: the host is back" host_back "$here"
		swap
		protected_again "$name"
	done
done
end_linux h1 h2
bench_end
done_testing
