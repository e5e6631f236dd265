#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=2 nodebug timeout=400 breaks either
#
# What leaves by ftvmm's console, where that is output. A guest counts there and its VMM is
# killed at any moment, again and again, in the end cut off from the standby: nothing leaves
# then. All pieces together are what the guest had to say, byte by byte; twice is only what was
# in an outbox. Where the console isn't output, lines do leave, and the same judge complains.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/pairlab.sh
. "$(dirname "$0")/../lib/pairlab.sh"
# shellcheck source=../lib/vmlab.sh
. "$(dirname "$0")/../lib/vmlab.sh"
# shellcheck source=../lib/ftvmmlab.sh
. "$(dirname "$0")/../lib/ftvmmlab.sh"

KILLS=${KVMFT_KILLS:-3}
RANDOM=${KVMFT_SEED:-4711}
outputs=/tmp/vmm/console

load_module h1
load_module h2
make_key
check "the pair is up" pair_hosts timeout 2s
check "h1 has the guest" counter_place h1
check "h2 has the guest" counter_place h2

# begin NAME MODE KINDS: a guest of h1 whose outputs are these.
begin()
{
	options=(--output "$3")
	pieces=()
	loaded=()
	counter_guest h2 "${options[@]}" --standby
	counter_guest h1 "${options[@]}"
	check "$1: it is protected" protect mode "$2"
	makes_output "$1: it counts" h1
}

# ends HOST: its VMM is killed, and what it has let out is the next piece.
ends()
{
	end_linux "$1"
	pieces+=("$scratch/piece${#pieces[@]}")
	on "$1" cat "$outputs" >"${pieces[-1]}"
}

# console HOST WHAT: a number that its VMM tells.
console()
{
	linux_asks "$1" status | sed -n "s/.*\"console\": {[^}]*\"$2\": \([0-9]*\).*/\1/p"
}

# taken_over NAME PRIMARY STANDBY
taken_over()
{
	ends "$2"
	check "$1: the standby takes over" on "$3" ftctl failover g --force
	check "$1: it is promoted" wait_until 30 guest_is "$3" solo
	loaded+=("$(console "$3" loaded)")
}

# counts_on NAME STANDBY: farther than what was in the outbox.
counts_on()
{
	check "$1: it counts on" wait_until 20 more_lines "$2" $((loaded[-1] + 1))
}

# judge_pieces [FILE]: what the judge says of all of them, and its status.
judge_pieces()
{
	status python3 -B "$KVMFT_ROOT/selftests/lib/flat_judge.py" judge --stream \
		--duplicates "$(IFS=, && echo "${loaded[*]}")" "${pieces[@]}" "$@"
}

# good_pieces NAME [FILE]
good_pieces()
{
	local said
	said=$(judge_pieces "${@:2}" | paste -sd ';')
	check_eq "$1: ${said#* }" 0 "${said%% *}"
}

# shellcheck disable=SC2317
all_left()
{
	[[ $(console "$1" waiting) == 0 ]]
}

# cut_off NAME PRIMARY STANDBY: and killed. While the standby's vcpu is paused, what it lets
# out is its outbox alone; the primary can't have let out more.
cut_off()
{
	"$LAB" cut h1 h2 repl
	check "$1: cut off, nothing leaves" is_quiet "$2"
	check "$1: there is something that waits" test "$(console "$2" waiting)" -gt 0
	linux_asks "$3" pause >/dev/null
	taken_over "$1" "$2" "$3"
	check "$1: what is in its outbox leaves" wait_until 20 all_left "$3"
	on "$3" cat "$outputs" >"$scratch/outbox"
	good_pieces "$1: no more had left" "$scratch/outbox"
	linux_asks "$3" resume >/dev/null
	counts_on "$1" "$3"
	"$LAB" heal
}

# over HOST: the guest that runs there isn't needed any more.
over()
{
	ends "$1"
	let_go
	[[ $tap_failed == 0 ]] || { show h1; show h2; }
}

# row MODE
row()
{
	local here=h1 there=h2 kill name
	begin "$1" "$1" net,blk,console
	for ((kill = 1; kill < KILLS; kill++)); do
		name="$1, kill $kill"
		sleep "0.$((RANDOM % 10))$((RANDOM % 10))"
		taken_over "$name" "$here" "$there"
		counts_on "$name" "$there"
		counter_guest "$here" "${options[@]}" --standby
		on "$there" ftctl detach g
		check "$name: it is protected again" protects "$there" "$here" mode "$1"
		read -r here there <<<"$there $here"
	done
	cut_off "$1, kill $kill" "$here" "$there"
	over "$there"
	good_pieces "$1: all is as it must be, and ${loaded[*]} were in outboxes"
}

row sync
row async

# --- Where the console isn't output

check "the pair is up again" wait_until 20 state_is h1 up
begin "no output" sync net,blk
"$LAB" cut h1 h2 repl
makes_output "no output: cut off, its lines leave" h1
taken_over "no output" h1 h2
counts_on "no output" h2
"$LAB" heal
over h2
said=$(judge_pieces)
check_has "no output: the judge complains" "$said" "1 ${pieces[1]}: "
check_has "no output: of what is out twice" "$said" "duplicates, ${loaded[0]} were in the outbox"
# --- A standby that isn't the same

on h2 truncate -s 1M /tmp/vmm/disk
end_linux h1 h2
let_go
wait_until 20 state_is h1 up
counter_guest h2 --output net,blk,console --standby --disk disk
counter_guest h1 --output net,blk,console
check "another standby: it is protected, since its memory and vcpus are alike" protect
makes_output "another standby: it counts" h1
end_linux h1
check "another standby: it is to take over" on h2 ftctl failover g --force
# shellcheck disable=SC2317
said_why()
{
	on h2 grep -q "the device state can't be loaded: .*; this remains a standby" /tmp/vmm/said
}
check "another standby: it says why it doesn't" wait_until 20 said_why
check_eq "another standby: it is none that was promoted" promoting "$(guest h2 state)"
check "another standby: nothing leaves" is_quiet h2
check_eq "another standby: nothing has" 0 "$(lines h2)"
end_linux h2

done_testing
