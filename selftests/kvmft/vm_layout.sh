#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=2 timeout=300 either
#
# The memory of a guest changes while it is protected. Another layout ends protection,
# in words and with an event, and the guest runs on; attached again it is protected again.
# When it is only the logging of writes that got lost, it stays protected, and all of it
# is sent again. In either case the standby has every page.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/pairlab.sh
. "$(dirname "$0")/../lib/pairlab.sh"
# shellcheck source=../lib/vmlab.sh
. "$(dirname "$0")/../lib/vmlab.sh"

# Of the 8192 pages of a guest of 32M, more than this are zero. What epochs send isn't.
ZERO_PAGES=4000

load_module h1
load_module h2
watch_events h1 h2
make_key
check "the pair is up" pair_hosts timeout 4s

# begin OPTIONS...: a guest on both hosts, with memory that it doesn't use.
begin()
{
	both_vmms --seed 7 --memory 32M --hash "$@"
}

# shellcheck disable=SC2317
sent_zeroes()
{
	(( $(counter h1 pages_zero) > zeroes + ZERO_PAGES ))
}

# sends_all NAME COMMAND...: after it, all of the guest is sent again.
sends_all()
{
	local name=$1
	shift
	zeroes=$(counter h1 pages_zero)
	check "$name: it is done" "$@"
	check "$name: all is sent again" wait_until 20 sent_zeroes
}

# shellcheck disable=SC2317
all_left()
{
	[[ $(told h1 made) == "$(told h1 left)" ]]
}

# A slot goes and comes back while nothing else happens: no epoch is under way either.
# shellcheck disable=SC2317
blink()
{
	ask h1 pause && wait_until 20 all_left && ask h1 slot remove && ask h1 slot add &&
		ask h1 resume
}

# takes_over NAME JUDGE-OPTIONS...: the standby, and has all.
takes_over()
{
	local name=$1
	shift
	on h2 ftctl failover g --force
	check "$name: the standby goes on" wait_until 20 guest_is h2 solo
	makes_output "$name: it makes output" h2
	check_eq "$name: its memory is what it was" equal "$(hashes)"
	check_has "$name: its outputs are one sequence" \
		"$(judge --seed 7 --duplicates 64 "$@")" " outputs, "
	let_go
}

# --- The VMM ends the logging of writes

# keeps_on NAME MODE JUDGE-AND-VMM-OPTIONS...
keeps_on()
{
	local name=$1 mode=$2 n
	shift 2
	begin "$@"
	ask h1 slot add >/dev/null
	ask h2 slot add >/dev/null
	if ! check "$name: protected" protect mode "$mode"; then
		on h1 ftctl show; on h2 ftctl show
		let_go
		return
	fi
	forget_events
	for n in 1 2 3; do
		sends_all "$name: logging was ended ($n)" ask h1 unlog
	done
	sends_all "$name: a slot went and is back" blink
	check_eq "$name: it was protected all the time" "" "$(events h1)"
}

keeps_on "ring" sync --guest writer --pages 200
takes_over "ring" --guest writer --pages 200
keeps_on "ring, async" async --guest counter --vcpus 2
takes_over "ring, async" --guest counter --vcpus 2
keeps_on "log" sync --guest writer --pages 200 --dirty log
takes_over "log" --guest writer --pages 200

# In a full copy, which takes its time to whatever is far away.
for dirty in ring log; do
	begin --guest writer --pages 3072 --dirty $dirty
	makes_output "$dirty: there is something to copy" h1
	"$LAB" delay h1 repl 300ms
	on h2 ftctl attach g pair alpha pid "$(<"$scratch/vmm_h2")" role standby promote manual
	on h1 ftctl attach g pair alpha pid "$(<"$scratch/vmm_h1")"
	check "$dirty: it is copied" wait_until 20 guest_is h2 syncing
	check "$dirty: logging is ended" ask h1 unlog
	check_eq "$dirty: meanwhile" syncing "$(guest h1 state)"
	"$LAB" delay h1 repl off
	check "$dirty: it is protected all the same" wait_until 20 guest_is h1 protected
	takes_over "$dirty, ended during the copy" --guest writer
done

# --- Another layout

begin --guest counter --vcpus 2 --dirty ring

# changes HOW WORDS: a slot of the primary, and then of the standby.
changes()
{
	local how=$1 words=$2
	check "slot $how: protected before" protect
	forget_events
	check "slot $how: it is done" ask h1 slot "$how"
	check_events "slot $how: it is told" h1 "changed unprotected layout"
	check_has "slot $how: the words" "$(why h1)" "$words"
	check_eq "slot $how: that is its state" "unprotected layout" \
		"$(guest h1 state) $(guest h1 reason)"
	makes_output "slot $how: it runs on" h1
	check_events "slot $how: the standby waits" h2 "changed waiting-peer layout"
	# The standby has the old memory, and its primary the new.
	on h1 ftctl detach g
	on h1 ftctl attach g pair alpha pid "$(<"$scratch/vmm_h1")"
	check "slot $how: the other one isn't alike" wait_until 20 guest_is h1 unprotected
	check_eq "slot $how: that is why" layout "$(guest h1 reason)"
	makes_output "slot $how: and it runs" h1
	let_go
	check "slot $how: the standby's, too" ask h2 slot "$how"
}

changes add "it had 1 slots and has 2 now"
changes move "slot 1 at 0xcb000000 isn't what it was"
changes remove "it had 2 slots and has 1 now"
ask h1 slot add >/dev/null
ask h2 slot add >/dev/null
check "in the end: protected" protect mode async
takes_over "in the end" --guest counter --vcpus 2

# --- The standby's memory

begin --guest counter
ask h1 slot add >/dev/null
ask h2 slot add >/dev/null
check "the standby's: protected" protect
forget_events
check "the standby's: a slot is removed" ask h2 slot remove
check_events "the standby's: its primary is told" h1 "changed unprotected layout"
makes_output "the standby's: it runs on" h1
let_go
ask h2 slot add >/dev/null
check "the standby's: protected again" protect
ask h1 pause >/dev/null
check "the standby's: a slot is removed, with no epoch to come" ask h2 slot remove
forget_events
on h2 ftctl failover g --force
check_events "the standby's: it doesn't go on with less" h2 \
	"changed promoting,changed unprotected layout"
let_go
ask h1 resume >/dev/null
makes_output "the standby's: the primary does" h1
check_has "the standby's: its outputs are one sequence" \
	"$(judge --guest counter --seed 7 --duplicates 0)" " outputs, "

done_testing
