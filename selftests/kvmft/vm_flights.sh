#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=2 timeout=400 either
#
# In async mode a guest makes its next epoch while the one before is on its way: with a standby far
# away there are more of them than round trips, never more than two without an answer, and they are
# acknowledged in their order. Near by it does so only if it has to. And whatever strikes meanwhile,
# the standby has all of one epoch, and outputs stay one sequence: one of the two is refused, the
# cable breaks, the mode is changed, the guest is let go, its VMM dies.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/pairlab.sh
. "$(dirname "$0")/../lib/pairlab.sh"
# shellcheck source=../lib/vmlab.sh
. "$(dirname "$0")/../lib/vmlab.sh"
# shellcheck source=../lib/faultlab.sh
. "$(dirname "$0")/../lib/faultlab.sh"

TIMEOUT=4
DELAY=60
SECONDS_LONG=4
# Fast enough for an epoch to be there whenever one can be made.
rest=1000

module=$KVMFT_KO_FAULTS
load_module h1
load_module h2
make_key
check "the pair is up" pair_hosts heartbeat 100ms timeout ${TIMEOUT}s

# flies NAME: a guest in async mode, whose standby is far away.
flies()
{
	protected_anew "$1" mode async
	on h2 ftctl set g promote auto
	"$LAB" delay h1 repl ${DELAY}ms
}

# two_at_a_time NAME: the same, and two epochs are under way however long it takes to make one.
two_at_a_time()
{
	flies "$1"
	faults h1 fly:error=1
}

# goes_over_there NAME: its VMM dies, and all is there.
goes_over_there()
{
	goes_over "$1"
	makes_output "$1: it makes output there" h2
	one_sequence "$1"
	"$LAB" delay h1 repl off
}

# flights: of what was traced on h1, how many epochs were sent, how many of them while one was
# without an answer, how many were without one at most, and how often answers weren't in order.
flights()
{
	on h1 cat /sys/kernel/tracing/trace | awk '
		match($0, /kvmft_epoch_(commit|ack|abort): vm=g .*epoch=/) {
			what = substr($0, RSTART + 12, 3)
			epoch = substr($0, RSTART + RLENGTH) + 0
			if (what == "com") {
				sent[epoch] = 1
				all++
				both += open > 0
				most = ++open > most ? open : most
			} else if (epoch in sent) {
				for (other in sent)
					wrong += what == "ack" && other + 0 < epoch
				delete sent[epoch]
				open--
			}
		}
		END { print all + 0, both + 0, most + 0, wrong + 0 }'
}

# has_aborted COUNT: more than so many were thrown away.
# shellcheck disable=SC2317
has_aborted()
{
	(( $(counter h1 aborted) > $1 ))
}

# taken_too_soon: epochs that the standby has begun after it had refused one, and before its primary
# can have known that.
taken_too_soon()
{
	on h2 cat /sys/kernel/tracing/trace | awk -v delay="$DELAY" '
		match($0, /[0-9.]+: kvmft_epoch_/) {
			at = substr($0, RSTART) + 0
			if (/kvmft_epoch_abort/)
				refused = at
			else if (refused && at - refused < delay / 1000)
				count++
		}
		END { print refused ? count + 0 : "no refusal" }'
}

# epochs_in_time: in ms, how long SECONDS_LONG took, and how many were committed.
epochs_in_time()
{
	local begun count
	begun=$(on h1 cat /proc/uptime)
	count=$(counter h1 committed)
	sleep $SECONDS_LONG
	count=$(($(counter h1 committed) - count))
	awk -v a="${begun%% *}" -v b="$(on h1 cat /proc/uptime)" -v n="$count" \
		'BEGIN { split(b, t, " "); print int((t[1] - a) * 1000), n }'
}

# With epochs that are smaller than what TCP sends without having heard anything.
options=(--guest writer --vcpus 1 --pages 2 --memory 32M --hash)
flies "far away"
# It takes some heartbeats to know that.
sleep 2
check "far away: it is traced" trace_on epoch_commit epoch_ack epoch_abort
read -r ms count <<<"$(epochs_in_time)"
trace_off h1
read -r all both most wrong <<<"$(flights)"
check "far away: $count epochs in $ms ms, each with a round trip of more than $DELAY" \
	test $((count * DELAY)) -gt $((ms * 5 / 4))
check "far away: $both of $all were sent before the one before had an answer" \
	test "$both" -gt $((count / 2))
check_eq "far away: two at most had none" 2 "$most"
check_eq "far away: answers come in order" 0 "$wrong"
goes_over "far away"
"$LAB" delay h1 repl off

# What there is to do for an epoch takes longer than the way.
options=(--guest writer --vcpus 1 --pages 256 --memory 32M --hash)
protected_anew "near by" mode async
check "near by: it is traced" trace_on epoch_commit epoch_ack epoch_abort
check "near by: 40 epochs" some_epochs 40
trace_off h1
read -r all both most wrong <<<"$(flights)"
check "near by: one at a time, but for $both of $all" test "$all" -ge 40 -a "$both" -le 10
options=(--guest counter --seed 7 --vcpus 2 --hash)
two_at_a_time "sync"
check "sync: the mode is changed" on h1 ftctl set g mode sync
check "sync: it is traced" trace_on epoch_commit epoch_ack epoch_abort
check "sync: 20 epochs" some_epochs 20
trace_off h1
read -r all both most wrong <<<"$(flights)"
check_eq "sync: one at a time" 1 "$most"
for mode in async sync async sync async; do
	check "sync: the mode is changed to $mode" on h1 ftctl set g mode $mode
	check "$mode: 5 epochs" some_epochs 5
done
goes_over_there "sync"

check "the standby's host is traced" host_traces h2 epoch_begin epoch_abort
# Each time with another distance to the next epoch.
for skip in 0 1 2 7; do
	name="refused, $skip"
	two_at_a_time "$name"
	aborted=$(counter h1 aborted)
	trace_anew h2
	faults h2 "pin_pages:error=12,skip=$skip,times=1"
	check "$name: an epoch is" wait_until 20 has_aborted "$aborted"
	check "$name: it goes on" some_epochs 10
	check_eq "$name: and nothing that was made on top of it is taken" 0 "$(taken_too_soon)"
	check "$name: it is protected" guest_is h1 protected
	goes_over_there "$name"
done

trace_off h2

# For some seconds nothing else makes an epoch, in which its output could leave.
name="refused, alone"
options=(--guest writer --vcpus 1 --pages 2 --memory 32M --hash --spin 20000000)
two_at_a_time "$name"
aborted=$(counter h1 aborted)
count=$(lines h1)
faults h2 "pin_pages:error=12,times=1"
check "$name: an epoch is" wait_until 20 has_aborted "$aborted"
sleep 0.7
check "$name: its output leaves with another one" more_lines h1 "$count"
options=(--guest counter --seed 7 --vcpus 2 --hash)
"$LAB" delay h1 repl off

name="no memory here"
two_at_a_time "$name"
faults h1 "copy_pages:error=12,skip=5,times=20"
check "$name: it goes on" some_epochs 40
faults h1 copy_pages:off
goes_over_there "$name"

# Of two that are under way, the other end has committed one, both or none when the cable breaks.
for point in epoch_sent epoch_awaited epoch_whole epoch_committed epoch_acked; do
	name="cut, $point"
	two_at_a_time "$name"
	check "$name: some epochs" some_epochs 5
	host=$(host_of_point $point h1 h2)
	check "$name: it is there" reach_point "$host" $point
	sleep 0.$((RANDOM % 3))
	"$LAB" cut h1 h2 repl
	leave_points h1 h2
	sleep 0.5
	"$LAB" heal
	"$LAB" delay h1 repl ${DELAY}ms
	check "$name: it is protected again" wait_until 30 guest_is h1 protected
	check "$name: it goes on" some_epochs 10
	goes_over_there "$name"
done

# While the answer to one is under way, and another one has been sent in part, or whole.
for point in none epoch_sent epoch_awaited; do
	name="detached, $point"
	two_at_a_time "$name"
	check "$name: some epochs" some_epochs 5
	[[ $point == none ]] || check "$name: it is there" reach_point h1 $point
	on h1 sh -c 'ftctl detach g >/tmp/detached 2>&1; echo $? >>/tmp/detached' &
	sleep 0.1
	leave_points h1
	wait $!
	check_eq "$name: it is let go" 0 "$(on h1 tail -n 1 /tmp/detached)"
	makes_output "$name: it goes on here" h1
	"$LAB" delay h1 repl off
done

for turn in 1 2 3 4; do
	name="exchange, $turn"
	two_at_a_time "$name"
	check "$name: some epochs" some_epochs $((5 + RANDOM % 5))
	check "$name: the other host has it" on h1 ftctl failover g
	makes_output "$name: it goes on there" h2
	check_eq "$name: its memory is what it was" equal "$(hashes)"
	one_sequence "$name"
	"$LAB" delay h1 repl off
done

name="no standby"
two_at_a_time "$name"
check "$name: some epochs" some_epochs 5
on h2 pkill -9 -x flatvmm
check "$name: it waits" wait_until 20 guest_is h1 held
check "$name: and goes on alone" on h1 ftctl solo g
makes_output "$name: it makes output" h1
"$LAB" delay h1 repl off

let_go
both_unload
done_testing
