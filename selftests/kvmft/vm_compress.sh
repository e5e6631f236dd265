#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=2 timeout=500 breaks either
#
# A guest whose pages are sent compressed: the standby has them as they are, whenever it is
# promoted, in both modes, also if that is changed meanwhile, or if there is no memory for it.
# What leaves is less than half.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/pairlab.sh
. "$(dirname "$0")/../lib/pairlab.sh"
# shellcheck source=../lib/vmlab.sh
. "$(dirname "$0")/../lib/vmlab.sh"

TIMEOUT=2
options=(--guest wanderer --memory 32M --hash --vcpus 2 --pages 150)
rest=1000

module=$KVMFT_KO_FAULTS
load_module h1
load_module h2
make_key
check "the pair is up" pair_hosts timeout ${TIMEOUT}s

# more_epochs NAME COUNT
more_epochs()
{
	check "$1: $2 epochs" some_epochs "$2"
}

# packs NAME: pages do leave so.
packs()
{
	local before
	before=$(counter h1 pages_packed)
	more_epochs "$1" 10
	check "$1: pages are packed" test "$(counter h1 pages_packed)" -gt "$before"
}

# packs_none NAME: none does, once what is under way has left.
packs_none()
{
	local before
	more_epochs "$1" 3
	before=$(counter h1 pages_packed)
	more_epochs "$1" 10
	check_eq "$1: no page is packed" "$before" "$(counter h1 pages_packed)"
}

# dies NAME: the primary does, at some moment.
dies()
{
	on h2 ftctl set g promote auto
	sleep "0.$((RANDOM % 10))"
	goes_over "$1"
}

# bytes_of NAME: what leaves of so many pages, with one setting.
bytes_of()
{
	local pages bytes
	pages=$(($(counter h1 pages_sent) - $(counter h1 pages_zero)))
	bytes=$(counter h1 bytes)
	more_epochs "$1" 40 >&2
	pages=$(($(counter h1 pages_sent) - $(counter h1 pages_zero) - pages))
	echo $((($(counter h1 bytes) - bytes) / pages))
}

for mode in sync async; do
	protected_anew "$mode" mode $mode compress lz4
	packs "$mode, from the begin"
	some=$(bytes_of "$mode" 2>"$scratch/epochs")
	on h1 ftctl set g compress none
	packs_none "$mode, not any more"
	all=$(bytes_of "$mode" 2>>"$scratch/epochs")
	check "$mode: of each page $some bytes leave, with all of the state, instead of $all" \
		test $((some * 2)) -lt "$all"
	on h1 ftctl set g compress lz4
	packs "$mode, again"
	dies "$mode"

	protected_anew "$mode, later" mode $mode
	packs_none "$mode, not at first"
	on h1 ftctl set g compress lz4
	packs "$mode, then"
	dies "$mode, later"
done

# --- Without the memory for it they go as they are, until there is some

on h1 sh -c 'echo pack_alloc:error=12 >/sys/module/kvmft/parameters/faults'
protected_anew "without memory" mode sync compress lz4
packs_none "without memory"
check_eq "without memory: none of the full copy was" 0 "$(counter h1 pages_packed)"
on h1 sh -c 'echo off >/sys/module/kvmft/parameters/faults'
# It isn't tried all the time.
sleep 1
packs "with memory"
dies "with memory"

let_go
end_vmms h1 h2
done_testing
