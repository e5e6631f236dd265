#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=2 timeout=600 either
#
# A guest that runs is attached and detached time and again: in peace, with epochs in
# between, and at any moment on both hosts. It always goes on, always right; what was there
# before is there afterwards, and nothing else; and it stands still no longer than in the
# beginning.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/pairlab.sh
. "$(dirname "$0")/../lib/pairlab.sh"
# shellcheck source=../lib/vmlab.sh
. "$(dirname "$0")/../lib/vmlab.sh"

ROUNDS=${KVMFT_ROUNDS:-10}
SEED=${KVMFT_SEED:-4711}
# Rounds after which all is there that the first ones have to make.
FIRST=5
# kB that may be more afterwards, of the kernel's own memory and of all.
KERNEL_MORE=256
ALL_MORE=24576

# rounds HOST WHAT ...: see there.
rounds()
{
	on "$1" env KVMFT_TIME_SCALE="${KVMFT_TIME_SCALE:-1}" \
		bash "$KVMFT_ROOT/selftests/lib/rounds.sh" "$2" "$(<"$scratch/vmm_$1")" "${@:3}"
}

load_module h1
load_module h2
make_key
check "the pair is up" pair_hosts timeout 4s

options=(--guest counter --seed 7 --vcpus 2 --memory 32M --ring 1024 --hash)
both_vmms "${options[@]}"

# count_left: files with what is left, called $1.
count_left()
{
	rounds h1 left >"$scratch/$1_h1"
	rounds h2 left >"$scratch/$1_h2"
}

# nothing_left NAME: between "before" and "after".
nothing_left()
{
	local host kernel all kernel_then all_then
	for host in h1 h2; do
		check_eq "$1: $host has what it had" "$(sed -n 1p "$scratch/before_$host")" \
			"$(sed -n 1p "$scratch/after_$host")"
		read -r kernel_then all_then <<<"$(sed -n 2p "$scratch/before_$host")"
		read -r kernel all <<<"$(sed -n 2p "$scratch/after_$host")"
		echo "# $1: $host: $((kernel - kernel_then)) kB more of the kernel's, $((all_then - all)) kB of all"
		check "$1: $host: the kernel's memory is no more" \
			test $((kernel - kernel_then)) -lt $KERNEL_MORE
		check "$1: $host: nor is all" test $((all_then - all)) -lt $ALL_MORE
	done
}

# median: of the lines.
median()
{
	sort -n | awk '{ line[NR] = $1 } END { print line[int((NR + 1) / 2)] }'
}

# --- In peace; the standby is there all the time

on h2 ftctl attach g pair alpha pid "$(<"$scratch/vmm_h2")" role standby promote manual
check "the first rounds" rounds h1 calm $FIRST
count_left before
rounds h1 calm "$ROUNDS" >"$scratch/parked"
check_eq "$ROUNDS rounds" "0 $ROUNDS" "$? $(grep -c '^[0-9]*$' "$scratch/parked")"
sed -n '/^[0-9]*$/!s/^/# /p' "$scratch/parked"
count_left after
nothing_left "$ROUNDS rounds"
begin=$(head -n $((ROUNDS / 2)) "$scratch/parked" | median)
end=$(tail -n $((ROUNDS / 2)) "$scratch/parked" | median)
check "it stands still no longer: $begin ns, $end ns" test "$end" -lt $((begin * 2))
on h2 ftctl detach g

# --- At any moment, here and there

count_left before
rounds h2 wild "$ROUNDS" "$SEED" standby >"$scratch/wild_h2" &
rounds h1 wild "$ROUNDS" $((SEED + 1)) primary >"$scratch/wild_h1"
check_eq "$ROUNDS wild rounds of the primary" "0 " "$? $(<"$scratch/wild_h1")"
wait $!
check_eq "$ROUNDS wild rounds of the standby" "0 " "$? $(<"$scratch/wild_h2")"
count_left after
nothing_left "$ROUNDS wild rounds"

# --- And it is what it was

check "in the end it is protected" protect
makes_output "in the end it makes output" h1
on h2 ftctl failover g --force
check "the standby goes on" wait_until 20 guest_is h2 solo
makes_output "it makes output" h2
check_eq "its memory is what it was" equal "$(hashes)"
check_has "its outputs are one sequence" \
	"$(judge --guest counter --seed 7 --vcpus 2 --duplicates "$(told h2 loaded)")" " outputs, "
let_go
both_unload
done_testing
