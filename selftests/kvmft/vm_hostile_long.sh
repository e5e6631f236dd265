#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=2 timeout=400 long
#
# vm_hostile.sh with rounds that the seed says.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/pairlab.sh
. "$(dirname "$0")/../lib/pairlab.sh"
# shellcheck source=../lib/vmlab.sh
. "$(dirname "$0")/../lib/vmlab.sh"
# shellcheck source=../lib/vmslab.sh
. "$(dirname "$0")/../lib/vmslab.sh"
# shellcheck source=../lib/hostile.sh
. "$(dirname "$0")/../lib/hostile.sh"

RANDOM=$KVMFT_SEED
ROUNDS=8

# one_of WORD...
one_of()
{
	picked=${*:$((RANDOM % $# + 1)):1}
}

load_module h1
load_module h2
make_key
check "the pair is up" pair_hosts timeout 5s

honest_begins
for (( round = 0; round < ROUNDS; round++ )); do
	arguments=()
	one_of primary standby both
	arguments+=("$picked")
	one_of bound attached protected protected promoting
	arguments+=("$picked")
	one_of sync async
	arguments+=("$picked")
	one_of ring log
	arguments+=("$picked" $((KVMFT_SEED * 100 + round)))
	for kind in area run rings ioctls dawdle unmap close; do
		one_of "$kind" ""
		[[ -z $picked ]] || arguments+=("$picked")
	done
	hostile_round "${arguments[@]}" area
done
honest_ends
done_testing
