#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=3 nodebug timeout=1800 mem=3G
#
# How long a guest takes to answer by TCP, 64 bytes for 64, when its standby is 5 ms away: what
# that adds to what it takes alone, beside one round trip of as much as a page between
# the hosts; and how long for each answer if several ask at once. And what a guest costs that does
# nothing.
# shellcheck source=../benchlab.sh
. "$(dirname "$0")/../benchlab.sh"

PEERS=(none sync async)
DELAY=5
IDLE=10
if [[ ${KVMFT_FAST:-} ]]; then
	ROUNDS=1 REQUESTS=10 IDLE=2 PEERS=(none async)
else
	ROUNDS=${KVMFT_ROUNDS:-3} REQUESTS=100
fi
CLIENTS=8

# crowd PEER ROUND: so many clients ask at once, each time when it is answered.
crowd()
{
	local took each count=$((CLIENTS * (REQUESTS / 2)))
	took=$(answers $CLIENTS $((REQUESTS / 2)))
	check_eq "$1, round $2: it answers all of them" $((count + 1)) "$(wc -l <<<"$took")"
	each=$((${took##*$'\n'} / count))
	record crowd "$1" 1 $DELAY "$2" $each
	echo "# $CLIENTS clients: an answer each $each ns"
}

# idle_marks: checkpoints so far, how often threads of kvmft's have slept, and frames that were sent.
idle_marks()
{
	counter h1 committed
	times_slept h1
	on h1 cat /sys/class/kvmft/pair-alpha/tx_frames
}

# idle PEER ROUND: with nothing to do for the guest but its clock.
idle()
{
	local before after
	# Its kernel may ask for its neighbours once more.
	sleep $((IDLE * 2))
	mapfile -t before < <(idle_marks)
	sleep $IDLE
	mapfile -t after < <(idle_marks)
	record idle_checkpoints "$1" 1 0 "$2" $((after[0] - before[0]))
	record idle_wakes "$1" 1 0 "$2" $((after[1] - before[1]))
	record idle_beats "$1" 1 0 "$2" $((after[2] - before[2]))
	echo "# idle for $IDLE s: $((after[0] - before[0])) checkpoints, $((after[1] - before[1]))" \
		"wake-ups, $((after[2] - before[2])) frames"
}

# measure_all PEER ROUND
measure_all()
{
	linux_with "$@" serve --memory 256M
	[[ $tap_failed == 0 ]] || return
	"$LAB" delay h1 repl ${DELAY}ms
	asked "$1" 1 $DELAY "$2" $REQUESTS
	crowd "$@"
	trip=$(on h1 /tmp/vmm/plain send 10.77.1.2 $PLAIN_PORT 1 $REQUESTS | quantile 50)
	record trip "$1" 1 $DELAY "$2" "$trip"
	echo "# a round trip: $trip ns"
	"$LAB" delay h1 repl off
	[[ $1 == none ]] || idle "$@"
}

bench_begin
guest_places h1 h2
each_round
bench_end
done_testing
