#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=2 nodebug timeout=3600
#
# How long an output waits for its permission, when so many pages were written before: by each
# peer, and beside the same bytes over a plain connection. Round by round, all peers in each.
# shellcheck source=../benchlab.sh
. "$(dirname "$0")/../benchlab.sh"

PEERS=(none kemari kemari-batched sync-log sync async)
if [[ ${KVMFT_FAST:-} ]]; then
	ROUNDS=1 WINDOW=1 PAGES=(16 256) VCPUS=(1) PEERS=(kemari sync async)
else
	ROUNDS=${KVMFT_ROUNDS:-3} WINDOW=2 PAGES=(0 16 256 1024 4096)
	read -r -a VCPUS <<<"${KVMFT_VCPUS:-1 4}"
fi
# Rounds of the bare connection, and the first ones, in which it finds out how fast it may be.
SENDS=40
WARM=5

# warm: the first outputs have left; they have all that is new.
# shellcheck disable=SC2317
warm()
{
	waits console >>"$scratch/warm"
	(( $(wc -l <"$scratch/warm") >= 3 ))
}

# What is counted by a checkpoint, beside the time: in the order of "counts".
COUNTS=(pages_sent bytes_sent wire_bytes copied exits flushes)

# counts: CPU of both hosts in ms; checkpoints so far, and what COUNTS has, which only kvmft counts.
counts()
{
	cpu h1
	cpu h2
	# shellcheck disable=SC2016
	on h1 sh -c '
		cd /sys/class/kvmft/vm-g 2>/dev/null || exit 0
		cat counters/committed counters/pages_sent counters/bytes \
			/sys/class/kvmft/pair-alpha/tx_bytes counters/pages_copied
		cd /sys/kernel/debug/kvm/"$(pgrep -x ftvmm)"-* && cat exits remote_tlb_flush'
}

# measure PEER VCPUS PAGES ROUND
measure()
{
	local peer=$1 name="$1, $2 vcpus, $3 pages, round $4" before after count n
	check "$name: it runs" guest_with "$peer" --kernel pages --cmdline "$3" --vcpus "$2" \
		--memory 64M --output console --console file:console
	: >"$scratch/warm"
	check "$name: it makes outputs" wait_until 60 warm
	trace_on unpark
	waits console >/dev/null
	mapfile -t before < <(counts)
	# Nobody asks it anything meanwhile.
	sleep $WINDOW
	mapfile -t after < <(counts)
	waits console >"$scratch/waits"
	count=$(wc -l <"$scratch/waits")
	check "$name: $count outputs" test "$count" -ge 3
	[[ $tap_failed == 0 ]] || return
	record wait_p50 "$@" "$(quantile 50 <"$scratch/waits")"
	record wait_p99 "$@" "$(quantile 99 <"$scratch/waits")"
	# In ns for each output.
	record cpu_here "$@" $(((after[0] - before[0]) * 1000000 / count))
	record cpu_there "$@" $(((after[1] - before[1]) * 1000000 / count))
	echo "# p50 $(quantile 50 <"$scratch/waits") ns"
	[[ $peer == *sync* ]] || return
	check_eq "$name: it is known what that takes" $((3 + ${#COUNTS[@]})) ${#after[@]}
	record parked_p50 "$@" "$(traced g unpark ns | quantile 50)"
	count=$((after[2] - before[2]))
	(( count )) || return
	# For each checkpoint.
	for n in "${!COUNTS[@]}"; do
		record "${COUNTS[n]}" "$@" $(((after[n + 3] - before[n + 3]) / count))
	done
}

# wire VCPUS PAGES ROUND: the limit. Behind the pages there is as much as kvmft's state is: two pages
# for each vcpu, and three.
wire()
{
	local took
	took=$(on h1 /tmp/vmm/plain send 10.77.1.2 $PLAIN_PORT $(($2 + 3 + 2 * $1)) $((SENDS + WARM)) |
		tail -n +$((WARM + 1)))
	check_eq "wire, $2 pages, round $3: all were sent" $SENDS "$(wc -l <<<"$took")"
	record wait_p50 wire "$@" "$(quantile 50 <<<"$took")"
	record wait_p99 wire "$@" "$(quantile 99 <<<"$took")"
	echo "# wire, $2 pages: p50 $(quantile 50 <<<"$took") ns"
}

# measure_all VCPUS PAGES ROUND
measure_all()
{
	local peer
	for peer in "${PEERS[@]}"; do
		# Without streaming: it is there for how long a guest with many pages stands still.
		[[ $peer != sync-log || $2 == 4096 ]] || continue
		measure "$peer" "$@"
		[[ $tap_failed == 0 ]] || return
	done
	wire "$@"
}

bench_begin
for ((round = 1; round <= ROUNDS; round++)); do
	for vcpus in "${VCPUS[@]}"; do
		for pages in "${PAGES[@]}"; do
			measure_all "$vcpus" "$pages" $round
			[[ $tap_failed == 0 ]] || break 3
		done
	done
done
bench_end
done_testing
