#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=2 timeout=300 breaks either
#
# Two hosts find each other within a second, and a lost peer is noticed in time,
# whichever way it was lost; the link comes back by itself. Times are those of the
# surviving host's own kernel.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/pairlab.sh
. "$(dirname "$0")/../lib/pairlab.sh"

# silence HOST: ms between the last heartbeat that was heard and the end of the link:
# both are in its kernel's log of trace events.
# shellcheck disable=SC2016
silence()
{
	on "$1" awk '
		/kvmft_heartbeat:/ { heard = stamp($0) }
		/kvmft_pair_state:.*state=down reason=3/ { print int((stamp($0) - heard) * 1000); exit }
		function stamp(line) { match(line, / [0-9]+\.[0-9]+: /); return substr(line, RSTART + 1) + 0 }
		' /sys/kernel/tracing/trace
}

watch()
{
	on "$1" sh -c 'cd /sys/kernel/tracing; echo nop >current_tracer; echo boot >trace_clock
		echo 1 >events/kvmft/kvmft_heartbeat/enable
		echo 1 >events/kvmft/kvmft_pair_state/enable; echo >trace'
	# Till a heartbeat is in it.
	sleep 1
}

# lost NAME HOST: HOST noticed, for "timeout", after the time-out and within 20 % more.
lost()
{
	local ms

	wait_until 20 state_is "$2" down || true
	check_eq "$1: the link is down, and why" "down timeout" \
		"$(sysfs "$2" state) $(sysfs "$2" reason)"
	ms=$(silence "$2")
	check "$1: after 1000 ms of silence, within 20 % more (${ms:-?} ms)" \
		test "${ms:-0}" -ge 1000 -a "${ms:-9999}" -le 1200
}

# shellcheck disable=SC2317
are_up()
{
	state_is h1 up && state_is h2 up
}

both_up()
{
	check "$1: up again" wait_until 20 are_up
}

# at_most MS LIMIT: a kernel that checks itself has as many times the time as it is slow.
# shellcheck disable=SC2317
at_most()
{
	awk "BEGIN { exit !($1 <= $2 * ${KVMFT_TIME_SCALE:-1}) }"
}

load_module h1
load_module h2
make_key
# The time to load the tool for the first time isn't the link's.
for host in h1 h2; do
	on $host ftctl pair show
done

# --- Up, from the side that comes last, however they come

pair_up h2 listen 10.77.1.2:7700
pair_up h1 connect 10.77.1.2:7700
both_up "listening first"
ms=$(took h1)
check "listening first: up within 1 s ($ms ms)" at_most "$ms" 1000
on h2 ftctl pair del alpha
wait_until 10 state_is h1 down
# It tries again soon, and then the reason is that nobody listens.
check_eq "the peer deleted the pair: that is counted" 1 "$(sysfs h1 errors/bye)"
check_has "and said" "$(on h1 dmesg | tail -n 5)" "pair alpha: down (bye): the peer says: "
wait_until 10 reason_is h1 nobody
pair_up h2 listen 10.77.1.2:7700
both_up "listening last"
ms=$(took h2)
check "listening last: up within 1.5 s, its longest pause included ($ms ms)" at_most "$ms" 1500

on h1 ftctl pair add six listen '[fd77:0:0:1::1]:7701' key /run/key
on h2 ftctl pair add six connect '[fd77:0:0:1::1]:7701' key /run/key
check "IPv6, with roles the other way round at the same time" \
	wait_until 10 sh -c "[ \$($LAB exec -n h2 cat /sys/class/kvmft/pair-six/state) = up ]"
on h1 ftctl pair del six
on h2 ftctl pair del six

# --- Losing the peer

watch h1
"$LAB" cut h1 h2 repl
lost "cut" h1
"$LAB" heal
both_up "healed"

watch h1
"$LAB" freeze h2
lost "frozen" h1
"$LAB" thaw h2
both_up "thawed"

watch h1
"$LAB" kill h2
lost "killed" h1

"$LAB" reboot h2
load_module h2
give_key h2
pair_up h2 listen 10.77.1.2:7700
both_up "rebooted"

watch h2
"$LAB" kill h1
lost "killed, seen by the one who listens" h2
"$LAB" reboot h1
load_module h1
give_key h1
pair_up h1 connect 10.77.1.2:7700
both_up "rebooted, the one who connects"

# --- A bad network isn't a lost one

"$LAB" delay h1 repl 200ms
sleep 3
check_eq "a delay of 200 ms is none" "up up" "$(sysfs h1 state) $(sysfs h2 state)"
check "a delay of 200 ms is in the round trip" \
	test "$(on h1 cat /sys/class/kvmft/pair-alpha/rtt_last_ns)" -ge 200000000
"$LAB" delay h1 repl off

on h2 ftctl pair del alpha
on h1 ftctl pair del alpha
for h in h1 h2; do
	check "$h: the module unloads" on $h rmmod kvmft
done

done_testing
