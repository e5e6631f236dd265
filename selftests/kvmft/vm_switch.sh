#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=2 timeout=400 either
#
# Roles are exchanged on request: asked for on either host, in both modes, back and forth.
# Nothing is lost, and nothing leaves on the host that the guest has left. What comes in
# between leaves the guest where it is. A guest that was shut down isn't woken elsewhere.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/pairlab.sh
. "$(dirname "$0")/../lib/pairlab.sh"
# shellcheck source=../lib/vmlab.sh
. "$(dirname "$0")/../lib/vmlab.sh"

TIMEOUT=4
options=(--guest counter --seed 7 --vcpus 2 --hash)

load_module h1
load_module h2
make_key
check "the pair is up" pair_hosts timeout ${TIMEOUT}s

# is_one_of HOST STATE...
# shellcheck disable=SC2317
is_one_of()
{
	local state
	state=$(guest "$1" state)
	shift
	[[ " $* " == *" $state "* ]]
}

# as_number TEXT: the number before " ms".
as_number()
{
	sed -n 's/.*after \([0-9]*\)[.0-9]* ms.*/\1/p' <<<"$1"
}

for mode in sync async; do
	protected_anew "$mode" mode $mode
	said=$(on h1 ftctl failover g 2>&1)
	check_has "$mode: handed over" "$said" "runs on the other host"
	ms=$(as_number "$said")
	# A time-out, or a lease, was not waited for.
	check "$mode: it stood still for $ms ms" test "${ms:-99999}" -lt $((TIMEOUT * 1000 / 2))
	check "$mode: it runs there" wait_until 10 guest_is h2 solo
	makes_output "$mode: it makes output there" h2
	check_eq "$mode: here it is" "fenced switched" "$(guest h1 state) $(guest h1 reason)"
	check "$mode: here it is quiet" is_quiet h1
	check_eq "$mode: its memory is what it was" equal "$(hashes)"
	one_sequence "$mode"
	check_eq "$mode: of the next generation" 2 "$(guest h2 generation)"

	# And back, as the other host asks.
	on h1 ftctl detach g
	vmm h1 --standby "${options[@]}"
	check "$mode: a new standby" on h1 ftctl attach g pair alpha pid "$(<"$scratch/vmm_h1")" \
		role standby promote manual
	check "$mode: it is protected there" wait_until 40 guest_is h2 protected
	check "$mode: the standby knows" wait_until 10 guest_is h1 protected
	makes_output "$mode: its output goes on" h2
	check_has "$mode: asked for by the standby" "$(on h1 ftctl --json failover g 2>&1)" \
		'"name":"g","state":"solo"'
	makes_output "$mode: it makes output here" h1
	check "$mode: there it is fenced" wait_until 10 guest_is h2 fenced
	check "$mode: there it is quiet" is_quiet h2
	check_eq "$mode: of the next but one" 3 "$(guest h1 generation)"
done

# --- A standby in the place of the guest that was handed over, whose VMM is still there

protected_anew "in its place" compress lz4
check "in its place: handed over" on h1 ftctl failover g
# shellcheck disable=SC2016
other=$(on h1 sh -c '
	mkdir -p /tmp/other; cd /tmp/other
	setsid /tmp/vmm/flatvmm --output out --control control --standby "$@" >said 2>&1 </dev/null &
	for n in $(seq 200); do
		while read -r word pid more; do
			[ "$word" = ready ] && echo "$pid" && exit
		done <said
		sleep 0.05
	done' sh "${options[@]}")
check_has "in its place: nothing else takes it" \
	"$(status on h1 ftctl attach g pair alpha pid "$other")" "there is a guest of this name"
check "in its place: a standby does" on h1 ftctl attach g pair alpha pid "$other" \
	role standby promote manual
check "in its place: it is protected" wait_until 40 guest_is h2 protected
check_has "in its place: the old VMM has ended" "$(on h1 cat /tmp/vmm/said)" "Stale file handle"
check "in its place: the new one is there" on h1 kill -0 "$other"
# How the pages of a guest are sent isn't handed over with it.
check_has "in its place: pages are sent as they are" "$(on h2 ftctl --json show g)" \
	'"compress":"none"'
check "in its place: until something else is said" on h2 ftctl set g compress lz4
check_has "in its place: that is said where it runs" "$(status on h1 ftctl set g compress lz4)" \
	"compression are the primary's"
check_eq "in its place: and seen there" '"compress":"lz4" "compress":null' \
	"$(on h2 ftctl --json show g | grep -o '"compress":[^,]*') $(on h1 ftctl --json show g |
		grep -o '"compress":[^,]*')"
makes_output "in its place: it makes output" h2

# --- How long it stands still for that, by the time of a checkpoint of as many pages

# has_counted HOST COUNTER COUNT: so much more than before.
# shellcheck disable=SC2317
has_counted()
{
	(( $(counter "$1" "$2") >= $3 ))
}

# With a log nothing is sent ahead, so that a checkpoint is one of all of them. A kernel that
# checks itself is too slow for a guest that never rests.
[[ ${KVMFT_TIME_SCALE:-1} == 1 ]] && sizes="1024 4096" || sizes=
for pages in $sizes; do
	parked=() switched=()
	for round in 1 2 3; do
		vmms_anew --guest writer --memory 32M --pages "$pages" --dirty log --hash
		check "$pages pages, $round: protected" protect mode sync
		check "$pages pages, $round: checkpoints are made" wait_until 40 has_counted h1 committed \
			$(($(counter h1 committed) + 20))
		parked+=("$(counter h1 parked_p50_ns)")
		check "$pages pages, $round: handed over" on h1 ftctl failover g
		switched+=("$(counter h2 switched_ns)")
		check_eq "$pages pages, $round: its memory is what it was" equal "$(hashes)"
	done
	echo "# $pages pages: parked ${parked[*]} ns, switched ${switched[*]} ns"
	checkpoint=$(middle "${parked[@]}")
	pause=$(middle "${switched[@]}")
	check "$pages pages: $((pause / 1000)) us for the exchange, $((checkpoint / 1000)) us for a checkpoint" \
		test "$pause" -gt 0 -a "$pause" -lt $((3 * checkpoint))
done

# --- It stays where it is

protected_anew "stays"
on h2 ftctl detach g
check "stays: it is held without its standby, or waits" wait_until 10 is_one_of h1 held waiting-peer
check_has "stays: nobody to hand it over to" "$(status on h1 ftctl failover g)" "isn't protected"
check_has "stays: not by force either" "$(status on h1 ftctl failover g --force)" "it runs here"

protected_anew "cut off"
"$LAB" delay h1 repl 300ms
on h1 sh -c 'ftctl failover g >/tmp/failover 2>&1' &
sleep 0.2
"$LAB" cut h1 h2 repl
wait $!
"$LAB" delay h1 repl off
check "cut off: it is held here" wait_until 20 guest_is h1 held
check_eq "cut off: and the other one waits" waiting-peer "$(guest h2 state)"
check "cut off: it is quiet" is_quiet h1
# It isn't known if the other one was told just when the cable broke.
check "cut off: who has asked knows" on h1 grep -E "stays where it is|isn't over" /tmp/failover
"$LAB" heal
check "cut off: it is protected again" wait_until 20 guest_is h1 protected
makes_output "cut off: it goes on" h1
check_has "cut off: now it is handed over" "$(on h1 ftctl failover g 2>&1)" "runs on the other host"
one_sequence "cut off"

# --- The end of a guest

protected_anew "end"
on h2 ftctl set g promote auto
ask h1 pause >/dev/null
check_eq "end: its VMM says so" ok "$(ask h1 end)"
on h1 pkill -9 -x flatvmm
sleep $TIMEOUT
check_eq "end: the standby doesn't wake it" "waiting-peer shutdown" \
	"$(guest h2 state) $(guest h2 reason)"

let_go
both_unload
done_testing
