#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=2 timeout=300 either
#
# VMMs end, in whatever way, while their guest is attached: it is detached, both hosts
# say so, the VM goes when its last descriptor does, and the next one can be attached by
# the same name. As long as anybody holds the module it can't be unloaded.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/pairlab.sh
. "$(dirname "$0")/../lib/pairlab.sh"
# shellcheck source=../lib/vmlab.sh
. "$(dirname "$0")/../lib/vmlab.sh"

options=(--guest counter --seed 7 --vcpus 2 --memory 32M --hash)

load_module h1
load_module h2
watch_events h1 h2
make_key
check "the pair is up" pair_hosts timeout 4s

# What "users" says when none is left; the lab itself has a VM.
none=$(users h1)
check_has "nobody has the module" "$none" "0 "
one="1 $((${none#* } + 1))"

# shellcheck disable=SC2317
attach()
{
	on h1 ftctl attach g pair alpha pid "$(<"$scratch/vmm_h1")" "$@" &&
		wait_until 40 guest_is h1 protected
}

# begin NAME [ATTACH-ARGUMENTS...]: a guest on h1; the standby on h2 is always the same.
begin()
{
	local name=$1
	shift
	check "$name: the VMM runs" vmm h1 "${options[@]}"
	check "$name: it is protected" attach "$@"
	makes_output "$name: it makes output" h1
	forget_events
}

# has_ended NAME [USERS]
has_ended()
{
	check_events "$1: h1 tells" h1 "changed unprotected vmm-gone,detached unprotected vmm-gone"
	check "$1: there is no such guest" vm_gone h1
	check_events "$1: h2 tells" h2 "changed waiting-peer gone"
	wait_until 10 users_are h1 "${2:-$none}"
	check_eq "$1: who has the module, and VMs" "${2:-$none}" "$(users h1)"
}

vmm h2 --standby "${options[@]}"
check "the standby is attached" on h2 ftctl attach g pair alpha pid "$(<"$scratch/vmm_h2")" \
	role standby promote manual

begin "quit"
check_eq "quit: before it" "$one" "$(users h1)"
ask h1 quit >/dev/null
has_ended "quit"

begin "killed" mode async
on h1 pkill -9 -x flatvmm
has_ended "killed"

begin "exec"
ask h1 exec >/dev/null
has_ended "exec"
on h1 kill "$(<"$scratch/vmm_h1")"

begin "exec, keeping all" mode async
ask h1 exec keep >/dev/null
has_ended "exec, keeping all" "$one"
on h1 kill "$(<"$scratch/vmm_h1")"
check "exec, keeping all: its end is that of the VM" wait_until 10 users_are h1 "$none"

# --- Children

begin "a child"
child=$(ask h1 fork)
makes_output "a child: it makes output" h1
check_eq "a child: it is protected" protected "$(guest h1 state)"
on h1 kill -9 "$child"
makes_output "a child that went: it makes output" h1
check_eq "a child that went: it is protected" protected "$(guest h1 state)"
child=$(ask h1 fork)
on h1 pkill -9 -x flatvmm
has_ended "a child with all is left" "$one"
begin "beside a child with all"
check_eq "beside a child with all: two VMs" "2 $((${one#* } + 1))" "$(users h1)"
on h1 kill -9 "$child"
check "beside a child with all: its VM goes with it" wait_until 10 users_are h1 "$one"
makes_output "beside a child with all: it makes output" h1
check_eq "beside a child with all: it is protected" protected "$(guest h1 state)"

# The hook's descriptor alone holds the module, but neither VM nor guest.
child=$(ask h1 fork hook)
on h1 pkill -9 -x flatvmm
has_ended "a child with the hook is left" "1 ${none#* }"
begin "beside a child with the hook"
on h1 kill -9 "$child"
check "beside a child with the hook: nothing goes with it" wait_until 10 users_are h1 "$one"
makes_output "beside a child with the hook: it makes output" h1
check_eq "beside a child with the hook: it is protected" protected "$(guest h1 state)"

# --- In other states

on h2 ftctl detach g
check "held: it is" wait_until 10 guest_is h1 held
on h1 pkill -9 -x flatvmm
check "held: there is no such guest" wait_until 10 vm_gone h1
check "held: nobody has the module" wait_until 10 users_are h1 "$none"

vmm h1 "${options[@]}"
on h1 ftctl attach g pair alpha pid "$(<"$scratch/vmm_h1")"
check_eq "waiting: it is" waiting-peer "$(guest h1 state)"
on h1 pkill -9 -x flatvmm
check "waiting: there is no such guest" wait_until 10 vm_gone h1

# Whatever is far away takes its time to be copied to.
both_vmms --guest writer --seed 7 --memory 32M --pages 3072
makes_output "copying: there is something to copy" h1
"$LAB" delay h1 repl 300ms
on h2 ftctl attach g pair alpha pid "$(<"$scratch/vmm_h2")" role standby promote manual
on h1 ftctl attach g pair alpha pid "$(<"$scratch/vmm_h1")"
check "copying: it is" wait_until 10 guest_is h2 syncing
check_eq "copying: here, too" syncing "$(guest h1 state)"
forget_events
on h1 pkill -9 -x flatvmm
"$LAB" delay h1 repl off
has_ended "copying"
check_has "copying: half a guest can't take over" "$(status on h2 ftctl failover g --force)" "1 "

vmm h2 --standby "${options[@]}"
on h2 ftctl attach g pair alpha pid "$(<"$scratch/vmm_h2")" role standby promote manual
begin "the standby's end"
on h2 pkill -9 -x flatvmm
check_events "the standby's end: h2 tells" h2 \
	"changed unprotected vmm-gone,detached unprotected vmm-gone"
check_events "the standby's end: h1 tells" h1 "changed held gone"
check "the standby's end: nobody has its module" wait_until 10 users_are h2 "$none"
check "the standby's end: the primary is let go" on h1 ftctl detach g
makes_output "the standby's end: it makes output" h1
check_has "the standby's end: its outputs are one sequence" \
	"$(judge --seed 7 --vcpus 2 --duplicates 0)" " outputs, "

vmm h2 --standby "${options[@]}"
check "promoting: it is protected" protect
check "promoting: the standby is to go on" on h2 ftctl failover g --force
on h2 pkill -9 -x flatvmm
check "promoting: there is no such guest" wait_until 10 vm_gone h2
check "promoting: nobody has the module" wait_until 10 users_are h2 "$none"
let_go

# --- Its end is where the standby goes on

vmm h2 --standby "${options[@]}"
check "the last one: it is protected" protect mode async
ask h1 fork >/dev/null
makes_output "the last one: it makes output" h1
on h1 pkill -9 -x flatvmm
check "the last one: there is no such guest" wait_until 10 vm_gone h1
on h2 ftctl failover g --force
check "the last one: the standby goes on" wait_until 20 guest_is h2 solo
makes_output "the last one: it makes output" h2
check_eq "the last one: its memory is what it was" equal "$(hashes)"
check_has "the last one: its outputs are one sequence" \
	"$(judge --seed 7 --vcpus 2 --duplicates "$(told h2 loaded)")" " outputs, "
on h1 pkill -9 -x flatchild

# --- Who holds the module

# refused NAME: it can't be unloaded now.
refused()
{
	check_has "$1: the module can't be unloaded" "$(status on h2 rmmod kvmft)" "is in use"
	check "$1: it is there" on h2 test -d /sys/module/kvmft/holders
}

refused "a guest that was promoted"
check "it is detached" on h2 ftctl detach g
makes_output "detached: it makes output" h2
refused "a VMM that isn't attached"
on h2 pkill -9 -x flatvmm
check "without a VMM nobody has the module" wait_until 10 users_are h2 "$none"
for host in h1 h2; do
	check "$host: the module unloads" on $host rmmod kvmft
done

done_testing
