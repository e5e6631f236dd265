#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=2 timeout=300 either
#
# Vcpus that are kicked late, at random, come to the hook all the same and lose nothing:
# a guest with four of them is protected, in both modes, and taken over.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/pairlab.sh
. "$(dirname "$0")/../lib/pairlab.sh"
# shellcheck source=../lib/vmlab.sh
. "$(dirname "$0")/../lib/vmlab.sh"

LATE_MS=15
OUTPUTS=10

KVMFT_KO_SHIPPED=$KVMFT_KO_FAULTS
load_module h1
load_module h2
make_key
check "the pair is up" pair_hosts timeout 5s

hits()
{
	on h1 sed -n 's/^kick .* hits=\([0-9]*\) .*/\1/p' /sys/module/kvmft/parameters/faults
}

# row MODE DIRTY: a guest is protected in that mode.
row()
{
	local what="$1, $2" before kicks
	local options=(--guest counter --seed 7 --vcpus 4 --memory 32M --dirty "$2" --pages 2)

	check "$what: it runs, and its standby waits" both_vmms "${options[@]}"
	kicks=$(hits)
	check "$what: it is protected" protect mode "$1"
	before=$(lines h1)
	check "$what: it makes output" wait_until 30 more_lines h1 $((before + OUTPUTS))
	# Each epoch takes kicks of three vcpus, which pass here twice.
	check "$what: kicks were late" test "$(hits)" -ge $((kicks + OUTPUTS))
	check "$what: the standby takes over" on h2 ftctl failover g --force
	check "$what: it has" wait_until 20 guest_is h2 solo
	check "$what: it goes on" wait_until 30 more_lines h2 4
	check_has "$what: its outputs are one sequence" \
		"$(judge --guest counter --seed 7 --vcpus 4 --pages 2 --duplicates 64)" " outputs, "
	let_go
}

on h1 sh -c "echo kick:error=$LATE_MS >/sys/module/kvmft/parameters/faults"
row sync ring
row async log
done_testing
