#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=2 timeout=900
#
# Guests are protected, and go on from the last commit: each row of vm_protect.table
# is a guest on two hosts. Its memory is compared as a whole at promotion, and its
# outputs are judged from the first to the last: nothing lost, nothing contradicted,
# nothing twice but what was in the last outbox.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/pairlab.sh
. "$(dirname "$0")/../lib/pairlab.sh"
# shellcheck source=../lib/vmlab.sh
. "$(dirname "$0")/../lib/vmlab.sh"

TABLE=$KVMFT_ROOT/selftests/flat/matrix
PROTECTED_OUTPUTS=20

load_module h1
load_module h2
make_key
pair_up h2 listen 10.77.1.2:7700
pair_up h1 connect 10.77.1.2:7700
check "the pair is up" wait_until 20 state_is h1 up

# What the memory was when it was saved, and what the standby found.
hashes()
{
	ask h2 status | python3 -B -c 'import json, sys
h = json.load(sys.stdin)["hash"]
print("equal" if h["saved"] == h["found"] else "saved %(saved)s found %(found)s" % h)'
}

# row GUEST VCPUS DIRTY BACKING MEMORY MODE MORE...
row()
{
	local guest=$1 vcpus=$2 dirty=$3 backing=$4 memory=$5 mode=$6
	local what="$*" before
	shift 6
	local options=(--guest "$guest" --seed 7 --vcpus "$vcpus" --dirty "$dirty"
		--backing "$backing" --memory "$memory" --hash "$@")

	check "$what: it runs" vmm h1 "${options[@]}" || return
	check "$what: its standby waits" vmm h2 --standby "${options[@]}" || return
	if ! check "$what: it is protected" protect mode "$mode"; then
		on h1 ftctl show; on h1 cat /tmp/vmm/said
		on h2 ftctl show; on h2 cat /tmp/vmm/said
		let_go
		return
	fi
	before=$(lines h1)
	check "$what: it makes output" wait_until 30 more_lines h1 $((before + PROTECTED_OUTPUTS))
	check "$what: the standby takes over" on h2 ftctl failover g --force
	check "$what: it has" wait_until 20 guest_is h2 promoted
	check "$what: it goes on" wait_until 30 more_lines h2 $PROTECTED_OUTPUTS
	check_eq "$what: its memory is what it was" equal "$(hashes)"
	check_has "$what: its outputs are one sequence" \
		"$(judge --guest "$guest" --seed 7 --vcpus "$vcpus" --duplicates 64)" " outputs, "
	check_hasnt "$what: the old one makes none" "$(guest h1 state)" protected
	let_go
}

while read -r line; do
	[[ $line && $line != \#* ]] || continue
	# shellcheck disable=SC2086
	row $line </dev/null
done <"$TABLE"

# --- That the comparison can fail: a page that the replication loses

options=(--guest counter --seed 7 --vcpus 1 --hash)
vmm h1 "${options[@]}"
vmm h2 --standby "${options[@]}"
protect mode sync
ask h2 forget 0x10000 >/dev/null
on h2 ftctl failover g --force
wait_until 20 guest_is h2 promoted
check_hasnt "a page that is lost on the standby is noticed" "$(hashes)" equal
let_go

end_vmms h1 h2
done_testing
