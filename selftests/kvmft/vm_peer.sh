#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=2 timeout=400 breaks either
#
# The peer goes while a guest is protected, at any moment, and comes back or doesn't. The
# guest is held at its next output until the same standby is back, or until somebody
# detaches it. Whoever goes on in the end, nothing is lost, contradicted, or out too early.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/pairlab.sh
. "$(dirname "$0")/../lib/pairlab.sh"
# shellcheck source=../lib/vmlab.sh
. "$(dirname "$0")/../lib/vmlab.sh"

CUTS=${KVMFT_CUTS:-2}
SEED=${KVMFT_SEED:-4711}
RANDOM=$SEED

load_module h1
load_module h2
watch_events h1 h2
make_key
check "the pair is up" pair_hosts timeout 2s

# begin OPTIONS...: a guest on both hosts.
begin()
{
	options=(--seed 7 --memory 32M --hash "$@")
	both_vmms "${options[@]}"
}

# is_held NAME: the primary is, and says nothing more.
is_held()
{
	check "$1: the primary is held" wait_until 20 guest_is h1 held
	check "$1: it makes no output" is_quiet h1
}

# is_back NAME: the same standby, which has all but what was written since.
is_back()
{
	check "$1: it is protected again" wait_until 20 guest_is h1 protected
	check "$1: the standby, too" wait_until 20 guest_is h2 protected
	makes_output "$1: it makes output" h1
	check_hasnt "$1: it wasn't copied" "$(events h1)$(events h2)" syncing
}

# --- Cut, and healed

# cuts MODE JUDGE-AND-VMM-OPTIONS...
cuts()
{
	local mode=$1 n before
	shift
	begin "$@"
	check "$mode: protected" protect mode "$mode"
	makes_output "$mode: it makes output" h1
	forget_events
	for ((n = 1; n <= CUTS; n++)); do
		sleep "0.$((RANDOM % 4))$((RANDOM % 10))"
		"$LAB" cut h1 h2 repl
		if (( n < CUTS )); then
			check "$mode, cut $n: the primary is held" wait_until 20 guest_is h1 held
			wait_until 20 guest_is h2 waiting-peer
		else
			# Once is enough, since it takes a second.
			is_held "$mode, cut $n"
			check_eq "$mode, cut $n: that is why" timeout "$(guest h1 reason)"
		fi
		"$LAB" heal
		is_back "$mode, cut $n"
	done

	# What had left the standby knows of: it repeats what was in its outbox, at most.
	"$LAB" cut h1 h2 repl
	wait_until 20 guest_is h1 held
	before=$(lines h1)
	check "$mode, cut for good: the standby goes on" on h2 ftctl failover g --force
	wait_until 20 guest_is h2 solo
	makes_output "$mode, cut for good: it makes output" h2
	check_eq "$mode, cut for good: its memory is what it was" equal "$(hashes)"
	check_has "$mode, cut for good: its outputs are one sequence" \
		"$(judge --seed 7 "$@" --duplicates "$(told h2 loaded)")" " outputs, "
	"$LAB" heal
	wait_until 20 state_is h1 up
	check "$mode, healed: the old one finds that it isn't to go on" wait_until 20 guest_is h1 fenced
	check_eq "$mode, healed: and said nothing" "$before" "$(lines h1)"
	on h1 ftctl detach g
	on h2 ftctl detach g
}

cuts sync --guest counter --vcpus 2
cuts async --guest counter --vcpus 1

# --- In the middle of a full copy, which takes its time to whatever is far away

begin --guest writer --pages 3072
makes_output "copying: there is something to copy" h1
"$LAB" delay h1 repl 300ms
on h2 ftctl attach g pair alpha pid "$(<"$scratch/vmm_h2")" role standby promote manual
on h1 ftctl attach g pair alpha pid "$(<"$scratch/vmm_h1")"
check "copying: it is" wait_until 20 guest_is h2 syncing
"$LAB" cut h1 h2 repl
check "copying: the peer is lost" wait_until 20 guest_is h1 waiting-peer
check "copying: here, too" wait_until 20 guest_is h2 waiting-peer
makes_output "copying: it was never protected, so it runs" h1
"$LAB" delay h1 repl off
check_has "copying: half a guest can't take over" "$(status on h2 ftctl failover g --force)" "1 "
"$LAB" heal
ask h1 dirty 20 >/dev/null
check "copying: it is protected" wait_until 20 guest_is h1 protected
makes_output "copying: it makes output" h1

# --- Frozen

forget_events
"$LAB" freeze h2
is_held "frozen"
"$LAB" thaw h2
is_back "thawed"

# --- The standby's VMM goes, and another one comes

on h2 pkill -9 -x flatvmm
is_held "killed"
check_eq "killed: that is why" gone "$(guest h1 reason)"
vmm h2 --standby "${options[@]}"
check "killed: another standby is there" on h2 ftctl attach g pair alpha \
	pid "$(<"$scratch/vmm_h2")" role standby promote manual
check "killed: it isn't the one that had the guest" wait_until 20 reason_of_vm_is h1 replaced
check_eq "killed: which is held" held "$(guest h1 state)"
check "killed: it is detached" on h1 ftctl detach g --force
makes_output "killed: and goes on" h1
check "killed: it is attached again" on h1 ftctl attach g pair alpha pid "$(<"$scratch/vmm_h1")" \
	mode async
check "killed: it is protected by the other one" wait_until 20 guest_is h1 protected
makes_output "killed: it makes output" h1

# --- Detached over there

on h2 ftctl detach g
is_held "the standby is detached"
on h1 ftctl detach g
makes_output "let go: it goes on" h1
check_has "its outputs are one sequence" \
	"$(judge --seed 7 --guest writer --duplicates 0)" " outputs, "

# --- The host

check "once more: protected" protect
"$LAB" kill h2
is_held "the host is dead"
check_has "the host is dead: it can't know that" "$(status on h1 ftctl detach g)" "may take over"
check "the host is dead: it is detached" on h1 ftctl detach g --force
makes_output "the host is dead: it goes on" h1
on h1 cat /tmp/vmm/out >"$scratch/out1"
check_has "the host is dead: its outputs are one sequence" \
	"$(python3 -B "$KVMFT_ROOT/selftests/lib/flat_judge.py" judge --seed 7 --guest writer \
		--duplicates 0 "$scratch/out1")" " outputs, "
on h1 pkill -9 -x flatvmm
check "the module unloads" wait_until 10 on h1 rmmod kvmft

done_testing
