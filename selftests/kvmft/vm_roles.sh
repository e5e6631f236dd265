#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=2 timeout=500 breaks either
#
# Who goes on: a standby takes over by itself when the VMM or the host of its primary dies,
# and has a standby itself soon after. A primary that comes back, or that was cut off or
# frozen, finds that it isn't to go on, and has let nothing out. Two that were both told to
# go on alone stop when they meet. Who lets go of its standby goes on when that knows.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/pairlab.sh
. "$(dirname "$0")/../lib/pairlab.sh"
# shellcheck source=../lib/vmlab.sh
. "$(dirname "$0")/../lib/vmlab.sh"

TIMEOUT=3
options=(--guest counter --seed 7 --vcpus 2 --hash)

load_module h1
load_module h2
make_key
check "the pair is up" pair_hosts timeout ${TIMEOUT}s

# attached NAME PRIMARY STANDBY [STANDBY-ARGUMENTS...]: VMMs that are there.
attached()
{
	local name=$1 primary=$2 standby=$3
	shift 3
	on "$standby" ftctl attach g pair alpha pid "$(<"$scratch/vmm_$standby")" role standby "$@"
	vm_there "$primary" ||
		on "$primary" ftctl attach g pair alpha pid "$(<"$scratch/vmm_$primary")"
	check "$name: it is protected" wait_until 40 guest_is "$primary" protected
	makes_output "$name: it makes output" "$primary"
}

# begin NAME [STANDBY-ARGUMENTS...]: both anew, on h1 and h2.
begin()
{
	end_vmms h1 h2
	wait_until 10 vm_gone h1
	wait_until 10 vm_gone h2
	both_vmms "${options[@]}"
	attached "$1" h1 h2 "${@:2}"
}

# standby_on NAME HOST OTHER: a fresh one.
standby_on()
{
	vmm "$2" --standby "${options[@]}"
	attached "$1" "$3" "$2"
}

generation()
{
	guest "$1" generation
}

# --- The VMM of the primary

begin "a VMM"
begun=$(date +%s%N)
on h1 pkill -9 -x flatvmm
check "a VMM dies: the standby goes on" wait_until 20 guest_is h2 solo
took=$((($(date +%s%N) - begun) / 1000000))
# That is what the time-out alone would be, with leases not waited out.
check "a VMM dies: that took $took ms" \
	awk "BEGIN { exit !($took < $TIMEOUT * 1000 * ${KVMFT_TIME_SCALE:-1}) }"
check_eq "a VMM dies: it is of the next generation" 2 "$(generation h2)"
makes_output "a VMM dies: it makes output" h2
check_eq "a VMM dies: its memory is what it was" equal "$(hashes)"
one_sequence "a VMM dies"
standby_on "a VMM dies, and another one comes" h1 h2

# --- The host of the primary, which is h2 by now

"$LAB" kill h2
check "a host dies: the standby goes on" wait_until 20 guest_is h1 solo
check_eq "a host dies: it is of the next generation" 3 "$(generation h1)"
makes_output "a host dies: it makes output" h1
reboot_into_pair h2 timeout ${TIMEOUT}s
standby_on "a host comes back" h2 h1
check_eq "a host comes back: nobody was promoted for that" 3 "$(generation h1)"

# --- Frozen

begin "frozen for a short time"
"$LAB" freeze h1
sleep 1
"$LAB" thaw h1
check "frozen for a short time: nobody minds" stays h2 protected
check_eq "frozen for a short time: nobody was promoted" 1 "$(generation h1)"

"$LAB" freeze h1
check "frozen: the standby goes on" wait_until 20 guest_is h2 solo
makes_output "frozen: it makes output" h2
"$LAB" thaw h1
check "thawed: the old one finds that it isn't to go on" wait_until 20 guest_is h1 fenced
check_has "thawed: it says why" "$(why h1)" "later generation"
check "thawed: it is quiet" is_quiet h1
one_sequence "thawed"
check "thawed: it is discarded" on h1 ftctl detach g
# shellcheck disable=SC2016
check "thawed: and can't run on" wait_until 10 sh -c '! "$LAB" exec -n h1 pgrep -x flatvmm'
check_has "thawed: that is why its VMM ended" "$(on h1 cat /tmp/vmm/said)" "Stale file handle"
standby_on "thawed" h1 h2

# --- Frozen, while the one that goes on is rebooted

begin "rebooted meanwhile"
"$LAB" freeze h1
check "rebooted meanwhile: the standby goes on" wait_until 20 guest_is h2 solo
makes_output "rebooted meanwhile: it makes output" h2
"$LAB" kill h2
"$LAB" thaw h1
check "rebooted meanwhile: the old one is held" wait_until 20 guest_is h1 held
reboot_into_pair h2 timeout ${TIMEOUT}s
check "rebooted meanwhile: they meet" wait_until 20 state_is h1 up
check "rebooted meanwhile: it can't know what became of its standby" stays h1 held
check "rebooted meanwhile: it is quiet" is_quiet h1
check "rebooted meanwhile: it is told to go on" on h1 ftctl solo g
makes_output "rebooted meanwhile: it does" h1

# --- A VMM that dies while its standby is made

begin "half a standby"
on h1 pkill -9 -x flatvmm
check "half a standby: the first one goes on" wait_until 20 guest_is h2 solo
check "half a standby: it is to be made slowly" on h2 ftctl set g rate 64K
vmm h1 --standby "${options[@]}"
on h1 ftctl attach g pair alpha pid "$(<"$scratch/vmm_h1")" role standby
check "half a standby: it is made" wait_until 20 guest_is h1 syncing
on h2 pkill -9 -x flatvmm
check "half a standby: it waits" wait_until 20 guest_is h1 waiting-peer
check "half a standby: it doesn't go on" stays h1 waiting-peer
check_has "half a standby: nor by force" "$(status on h1 ftctl failover g --force)" \
	"no committed epoch"

# --- Cut off, and told to go on at both ends

begin "cut off"
"$LAB" cut h1 h2 repl
check "cut off: the standby goes on" wait_until 20 guest_is h2 solo
check "cut off: the old one is held" wait_until 20 guest_is h1 held
check "cut off: it is quiet" is_quiet h1
one_sequence "cut off"
check_has "cut off: it isn't just let go" "$(status on h1 ftctl detach g)" "may take over"
check "cut off: it is told to go on alone" on h1 ftctl solo g
makes_output "cut off: it does" h1
"$LAB" heal
check "they meet: this one is held" wait_until 20 guest_is h1 held
check "they meet: that one is held" wait_until 20 guest_is h2 held
check_eq "they meet: that is why" "rival rival" "$(guest h1 reason) $(guest h2 reason)"
check "they meet: this one is quiet" is_quiet h1
check "they meet: that one is quiet" is_quiet h2
check "they meet: that one is to go on" on h2 ftctl solo g
check "they meet: this one finds that" wait_until 20 guest_is h1 fenced
makes_output "they meet: that one goes on" h2
check_has "they meet: there is nothing more to decide" "$(status on h2 ftctl solo g)" "isn't held"

# --- Somebody else decides

for promote in manual ask; do
	begin "$promote" promote $promote
	check_has "$promote: it says so" "$(on h2 ftctl show g)" "promote $promote"
	watch_events h2
	forget_events
	on h1 pkill -9 -x flatvmm
	check "$promote: the primary is gone" wait_until 20 guest_is h2 waiting-peer
	check "$promote: nobody goes on" stays h2 waiting-peer
	asked=$(events h2 | grep -o asks)
	check_eq "$promote: it asks, or doesn't" "$(sed -n s/ask/asks/p <<<$promote)" "$asked"
	on h2 pkill -x ftctl
	if [[ $promote == ask ]]; then
		check "$promote: it is decided" on h2 ftctl failover g --force
	else
		check "$promote: it is decided otherwise" on h2 ftctl set g promote auto
	fi
	check "$promote: it goes on" wait_until 20 guest_is h2 solo
	makes_output "$promote: it makes output" h2
	one_sequence "$promote"
done

# --- Let go

begin "let go"
check "let go: it is" on h1 ftctl detach g
makes_output "let go: it goes on" h1
on h1 pkill -9 -x flatvmm
check "let go: the standby knows that it isn't to take over" stays h2 waiting-peer
on h2 ftctl detach g

begin "given up" promote manual
"$LAB" cut h1 h2 repl
check "given up: it is held" wait_until 20 guest_is h1 held
ask h1 slot add >/dev/null
check "given up: it can't be told, so this one is quiet" is_quiet h1
"$LAB" heal
check "given up: it is told" wait_until 20 guest_is h1 unprotected
makes_output "given up: it goes on" h1
on h2 ftctl set g promote auto
on h1 pkill -9 -x flatvmm
check "given up: the standby knows that it isn't to take over" stays h2 waiting-peer

both_unload
done_testing
