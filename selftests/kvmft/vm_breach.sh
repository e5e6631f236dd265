#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=2 timeout=300 either
#
# A VMM that breaks its word while its guest is protected: the guest isn't protected any
# more, for a reason that is told, and runs on. What can be put right is put right.
# shellcheck disable=SC2317 # some functions are called through others
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/pairlab.sh
. "$(dirname "$0")/../lib/pairlab.sh"
# shellcheck source=../lib/vmslab.sh
. "$(dirname "$0")/../lib/vmslab.sh"

common="--guest idle --seed 7 --vcpus 2 --memory 32M"

# NAME / what the primary says
rows=$(
	cat <<-'END'
		blob / vmm .*its device state is longer than it said
		slot / layout .*it had 1 slots and has 2 now
		vcpu / config .*it got another vcpu
		irqfd / state .*it has irqfds, and the VMM doesn't declare them covered
		ioeventfd / state .*it has ioeventfds, and the VMM doesn't declare them covered
	END
)
names=$(cut -d' ' -f1 <<<"$rows")

load_module h1
load_module h2
make_key
check "the pair is up" pair_hosts timeout 5s

with_unlog()
{
	echo "$names"
	echo unlog
}

check "guests run" vmms h1 < <(with_unlog | sed "s/\$/ $common/")
check "they have standbys" vmms h2 < <(with_unlog | sed "s/\$/ $common --standby/")
attach_all h2 standby < <(with_unlog)
attach_all h1 primary < <(with_unlog)

# count HOST STATE
count()
{
	told "$1" | awk -v state="$2" '$2 == state' | wc -l
}
all_protected()
{
	[[ $(count h1 protected) == $(with_unlog | wc -l) ]]
}
one_protected()
{
	[[ $(count h1 protected) == 1 ]]
}
check "all of them are protected" wait_until 40 all_protected || told h1 | sed 's/^/# /'

resent=$(on h1 cat /sys/class/kvmft/vm-unlog/counters/pages_sent)
for name in $(with_unlog); do
	check_eq "$name: it breaks its word" ok "$(ask_vmm h1 "$name" breach "$name")"
done
check "all but one can't be protected any more" wait_until 30 one_protected
told h1 >"$scratch/told1"
made=$(on h1 sh -c 'wc -l /tmp/vms/*/out')

matches()
{
	grep -E -- "$1" <<<"$2" || { echo "$2"; return 1; }
}

while read -r line; do
	name=${line%% / *}
	check "$name: the kernel says why" matches "^unprotected ${line#* / }" \
		"$(of "$name" <"$scratch/told1")"
done <<<"$rows"

# --- The module asks for its log again, and sends all

all_sent_again()
{
	(( $(on h1 cat /sys/class/kvmft/vm-unlog/counters/pages_sent) >= resent + 8192 ))
}
check "unlog: all is sent again" wait_until 30 all_sent_again
check_has "unlog: it is protected" "$(told h1 | of unlog)" protected

more_made()
{
	local name now
	now=$(on h1 sh -c 'wc -l /tmp/vms/*/out')
	for name in $(with_unlog); do
		(( $(sed -n "s, */tmp/vms/$name/out,,p" <<<"$now") >
		   $(sed -n "s, */tmp/vms/$name/out,,p" <<<"$made") )) || return
	done
}
check "all of them run on" wait_until 30 more_made
check "all is let go here" detach_all h1 < <(with_unlog)
check "and there" detach_all h2 < <(with_unlog)
done_testing
