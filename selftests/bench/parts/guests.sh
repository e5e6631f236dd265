#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=2 nodebug timeout=1800
#
# What depends on how large guests are, and on how many there are: for how long a guest stands
# still that writes as many pages in less memory or in more, and how long a checkpoint takes when
# several guests make them. In sync mode, and small guests without an operating system.
# shellcheck source=../benchlab.sh
. "$(dirname "$0")/../benchlab.sh"
# shellcheck source=../../lib/vmslab.sh
. "$(dirname "$0")/../../lib/vmslab.sh"

if [[ ${KVMFT_FAST:-} ]]; then
	SIZES=(64 512) TURNS=1 COUNTS=(2) ROUNDS=1 WINDOW=1
else
	SIZES=(64 512 8192) TURNS=20 COUNTS=(1 2 4 8) ROUNDS=${KVMFT_ROUNDS:-3} WINDOW=4
fi
# Of each guest in a turn: short ones, so that what else a host does meets all alike.
CHECKPOINTS=11
PAGES=16

# all_protected NAME...
# shellcheck disable=SC2317
all_protected()
{
	local name
	for name; do
		told h1 | grep -q "^$name protected" || return
	done
}

# guests OPTIONS: one for each line of $scratch/guests, "NAME OPTIONS...", protected.
guests()
{
	local names
	mapfile -t names < <(cut -d' ' -f1 "$scratch/guests")
	check "${names[*]}: VMMs" vmms h1 <"$scratch/guests"
	check "${names[*]}: for the standbys" vmms h2 < <(sed 's/$/ --standby/' "$scratch/guests")
	printf '%s promote manual\n' "${names[@]}" | attach_all h2 standby
	printf '%s mode sync\n' "${names[@]}" | attach_all h1 primary
	check "${names[*]}: protected" wait_until 60 all_protected "${names[@]}"
}

end_guests()
{
	local host
	for host in h1 h2; do
		check "they end on $host" detach_all $host --force < <(cut -d' ' -f1 "$scratch/guests")
	done
}

# has_parked NAME COUNT
# shellcheck disable=SC2317
has_parked()
{
	(( $(traced "$1" unpark ns | wc -l) >= $2 ))
}

# sizes: guests of all sizes, in turns. They write the same few pages all the time: one that comes
# to new ones would have both hosts find memory for them, until it has seen all that it has.
sizes()
{
	local size turn
	for size in "${SIZES[@]}"; do
		echo "s$size --guest counter --memory ${size}M --backing memfd"
	done >"$scratch/guests"
	guests
	for size in "${SIZES[@]}"; do
		ask_vmm h1 "s$size" pause >/dev/null
	done
	trace_on unpark
	for ((turn = 1; turn <= TURNS && tap_failed == 0; turn++)); do
		for size in "${SIZES[@]}"; do
			ask_vmm h1 "s$size" resume >/dev/null
			check "turn $turn, $size MiB: checkpoints" \
				wait_until 30 has_parked "s$size" $((turn * CHECKPOINTS))
			ask_vmm h1 "s$size" pause >/dev/null
		done
	done
	for size in "${SIZES[@]}"; do
		record parked_p50 sync 1 "$size" 1 "$(traced "s$size" unpark ns | quantile 50)"
	done
	end_guests
}

# committed: by all guests on h1.
committed()
{
	on h1 sh -c 'cat /sys/class/kvmft/vm-*/counters/committed' | awk '{ n += $1 } END { print n }'
}

# several COUNT ROUND: that many side by side.
several()
{
	local n before begun took
	for ((n = 1; n <= $1; n++)); do
		echo "n$n --guest writer --pages $PAGES --memory 64M"
	done >"$scratch/guests"
	guests
	sleep 1
	trace_on unpark
	before=$(committed)
	begun=$(date +%s%N)
	sleep $WINDOW
	took=$(($(committed) - before))
	check "$1 guests, round $2: $took checkpoints" test "$took" -ge "$1"
	# The time of one, and how long its guest stands still.
	record each sync 1 "$1" "$2" $((($(date +%s%N) - begun) / (took + !took)))
	record still_p50 sync 1 "$1" "$2" "$(traced '[a-z0-9]*' unpark ns | quantile 50)"
	end_guests
}

bench_begin
sizes
for ((round = 1; round <= ROUNDS && tap_failed == 0; round++)); do
	for count in "${COUNTS[@]}"; do
		several "$count" $round
	done
done
bench_end
done_testing
