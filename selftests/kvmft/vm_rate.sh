#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=2 timeout=200 either
#
# The copy of a guest's memory for a standby keeps to a rate, which can be changed and taken
# back while it runs.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/pairlab.sh
. "$(dirname "$0")/../lib/pairlab.sh"
# shellcheck source=../lib/vmlab.sh
. "$(dirname "$0")/../lib/vmlab.sh"

PAGES=6000
RATE=4
# What that takes by the rate alone, in ms.
LEAST=$((PAGES * 4096 * 1000 / (RATE << 20)))

load_module h1
load_module h2
make_key
check "the pair is up" pair_hosts

# begin [ATTACH-ARGUMENTS...]: a guest that has written so many pages, and its standby.
begin()
{
	let_go
	both_vmms --guest writer --memory 64M --pages $PAGES --spin 2000000
	makes_output "$*: it has written all of its pages" h1
	# Or it would write faster than that.
	ask h1 pause >/dev/null
	on h2 ftctl attach g pair alpha pid "$(<"$scratch/vmm_h2")" role standby promote manual
	begun=$(date +%s%N)
	on h1 ftctl attach g pair alpha pid "$(<"$scratch/vmm_h1")" "$@"
}

took_ms()
{
	echo $((($(date +%s%N) - begun) / 1000000))
}

begin rate none
check "without a rate: it is protected" wait_until 60 guest_is h1 protected
quick=$(took_ms)

begin rate ${RATE}M
check "with a rate: it is protected" wait_until 60 guest_is h1 protected
slow=$(took_ms)
check "with a rate: that takes $slow ms; $LEAST by the rate, $quick without" \
	test "$slow" -ge $((LEAST * 9 / 10)) -a "$slow" -gt "$quick"

begin rate ${RATE}M compress lz4
check "compressed: it is protected" wait_until 60 guest_is h1 protected
slow=$(took_ms)
check "compressed: the rate is of what leaves, so that it takes $slow ms" 	test "$slow" -lt $((LEAST / 2))
check_has "it is told" "$(on h1 ftctl --json show g)" "\"rate_limit\":$((RATE << 20)),"

begin rate 64K
sleep 2
check_eq "with next to nothing: it is copied" syncing "$(guest h1 state)"
check "with next to nothing: it may go on" on h1 ftctl set g rate none
check "with next to nothing: then it is protected" wait_until 30 guest_is h1 protected

let_go
end_vmms h1 h2
done_testing
