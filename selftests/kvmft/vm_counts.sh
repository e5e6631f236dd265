#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=2 nodebug timeout=600 either
#
# What a checkpoint costs, in counts: pages found, sent ahead and copied, system calls
# of vcpus; and that async mode lets the guest go on, and never a page of the epoch
# that comes next.
# shellcheck disable=SC2317 # some functions are called through others
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/pairlab.sh
. "$(dirname "$0")/../lib/pairlab.sh"
# shellcheck source=../lib/vmlab.sh
. "$(dirname "$0")/../lib/vmlab.sh"

# asked HOST KEY: a number of the VMM's status.
asked()
{
	ask "$1" status | python3 -B -c 'import json, sys
print(json.load(sys.stdin)[sys.argv[1]])' "$2"
}

# counters HOST NAME...: all at one moment, on a line.
counters()
{
	on "$1" ftctl --json --stats show g | python3 -B -c 'import json, sys
vm = json.load(sys.stdin)[0]
print(*(vm["counters"][name] for name in sys.argv[1:]))' "${@:2}"
}

load_module h1
load_module h2
make_key
check "the pair is up" pair_hosts

# --- Pages that are found are those that the guest wrote, and next to no others

STEPS=8
PAGES=500
STRAYS=16

# steps N: so many epochs in lockstep; the guest stands still before and after.
stepped()
{
	(( $(on h1 sh -c 'wc -l </tmp/vmm/steps') > $1 ))
}

steps()
{
	local n lines
	for ((n = 0; n < $1; n++)); do
		lines=$(on h1 sh -c 'wc -l </tmp/vmm/steps')
		ask h1 step >/dev/null
		wait_until 20 stepped "$lines" || return
	done
}

# The epoch that follows the first commit is nobody's output, so it isn't one of the steps.
in_lockstep()
{
	stepped 0 && return
	[[ $(asked h1 held) == 0 ]] || ask h1 step >/dev/null
	false
}

for dirty in ring log; do
	vmm h1 --guest writer --memory 32M --pages $PAGES --dirty $dirty --lockstep steps
	vmm h2 --standby --guest writer --memory 32M --pages $PAGES --dirty $dirty --hash
	check "$dirty: protected" protect mode sync
	check "$dirty: in lockstep" wait_until 20 in_lockstep
	steps 2
	read -r before sent <<<"$(counters h1 pages_tracked pages_sent)"
	check "$dirty: $STEPS epochs" steps $STEPS
	read -r after now <<<"$(counters h1 pages_tracked pages_sent)"
	found=$((after - before))
	check "$dirty: $found pages are found where $((STEPS * PAGES)) were written" \
		test $found -ge $((STEPS * PAGES)) -a $found -le $((STEPS * (PAGES + STRAYS)))
	check "$dirty: $((now - sent)) are sent" test $((now - sent)) -ge $((STEPS * PAGES))
	let_go
done

# --- Pages that are written slowly have left before the guest is stopped

SLOW="--guest writer --memory 64M --pages 10000 --spin 4000000"

for mode in sync async; do
	# shellcheck disable=SC2086
	both_vmms $SLOW
	check "$mode, 10,000 pages: protected" protect mode $mode
	some_epochs 1
	read -r ahead sent <<<"$(counters h1 pages_ahead pages_sent)"
	check "$mode, 10,000 pages: an epoch" some_epochs 1
	read -r ahead_now sent_now <<<"$(counters h1 pages_ahead pages_sent)"
	check "$mode: $((ahead_now - ahead)) of $((sent_now - sent)) pages have left before" \
		test $(((ahead_now - ahead) * 10)) -ge $(((sent_now - sent) * 9))
	let_go
done

# --- Copies: none in sync mode; async mode makes some, which are seen

COPIES=$KVMFT_BUILD/$(on h1 uname -r)/fixtures/copies.ko
declare -A copied

for mode in sync async; do
	both_vmms --guest writer --memory 32M --pages 300 --spin 1000000
	check "$mode: protected" protect mode $mode
	some_epochs 2
	on h1 insmod "$COPIES" comm=kvmft-vm/
	read -r sent own <<<"$(counters h1 pages_sent pages_copied)"
	check "$mode: epochs" some_epochs 5
	read -r sent_now own_now <<<"$(counters h1 pages_sent pages_copied)"
	copied[$mode]=$(on h1 cat /sys/module/copies/parameters/bytes)
	copied[own_$mode]=$((own_now - own))
	copied[sent_$mode]=$((sent_now - sent))
	on h1 rmmod copies
	let_go
done
echo "# sync: ${copied[sync]} bytes copied for ${copied[sent_sync]} pages"
echo "# async: ${copied[async]} bytes for ${copied[sent_async]} pages," \
	"and ${copied[own_async]} pages by the module"
check "in sync mode the module copies no page" test "${copied[own_sync]}" -eq 0
check "nor does anybody else" test "${copied[sync]}" -lt $((copied[sent_sync] * 4096 / 100))
check "in async mode it does" test "${copied[own_async]}" -gt 1000

# --- System calls of vcpus

# calls: checkpoints and ioctls of vcpus but KVM_RUN while they were made.  Tasks are told
# apart here and not by set_event_pid, which has the kernel patch its scheduler while all
# processors are in it: TCG keeps a translation of the breakpoint now and then.
calls()
{
	# shellcheck disable=SC2016
	on h1 sh -c '
		cd /sys/kernel/tracing 2>/dev/null && [ -e trace ] ||
			mount -t tracefs nodev /sys/kernel/tracing
		cd /sys/kernel/tracing || exit
		echo 0 >tracing_on; echo 16384 >buffer_size_kb; echo >trace
		echo "cmd != 0xae80" >events/syscalls/sys_enter_ioctl/filter
		echo 1 >events/syscalls/sys_enter_ioctl/enable
		echo 1 >events/kvmft/kvmft_unpark/enable
		echo 1 >events/kvmft/kvmft_saved/enable
		echo 1 >tracing_on'
	some_epochs 20 >&2
	# shellcheck disable=SC2016
	on h1 sh -c '
		cd /sys/kernel/tracing && echo 0 >tracing_on
		ls /proc/$(pidof flatvmm)/task && cat trace
		echo 0 >events/enable; echo 0 >events/syscalls/sys_enter_ioctl/filter
		echo >trace; echo 1 >tracing_on' |
		awk '/^[0-9]+$/ { vmm[$1]; next }
			/kvmft_unpark:/ { n++ }
			/sys_ioctl\(/ && match($0, /-[0-9]+ +\[/) {
				calls += substr($0, RSTART + 1, RLENGTH - 2) + 0 in vmm
			}
			END { print n + 0, calls + 0 }'
}

for vcpus in 1 4; do
	both_vmms --guest counter --memory 32M --vcpus $vcpus
	check "$vcpus vcpus: protected" protect mode sync
	read -r made calls <<<"$(calls)"
	check "$vcpus vcpus: checkpoints" test "$made" -ge 20
	# One may be under way at the begin, one at the end. A vcpu that waits with output
	# of its own for the next checkpoint stays in its call, so it may well be less.
	least=$((made - 1)) most=$((made + 1))
	(( vcpus == 1 )) || most=$((made * (vcpus + 1) + 2 * vcpus))
	check "$vcpus vcpus: $calls calls for $made checkpoints" \
		test "$calls" -ge $least -a "$calls" -le $most
	let_go
done

# --- Async: the guest goes on while its output waits

declare -A advanced left

"$LAB" delay h1 repl 20ms
for how in "sync ring" "async ring" "async log"; do
	mode=${how% *}
	both_vmms --guest writer --memory 32M --pages 20 --spin 100000 --progress --dirty "${how#* }"
	check "20 ms away, $how: protected" protect mode "$mode"
	before=$(asked h1 advanced) out=$(asked h1 left)
	check "20 ms away, $how: outputs leave" some_epochs 20
	advanced[$how]=$(($(asked h1 advanced) - before))
	left[$how]=$(($(asked h1 left) - out))
	let_go
done
"$LAB" delay h1 repl off
how="sync ring"
check "$how: the guest waits with its output (${advanced[$how]} of ${left[$how]} times it didn't)" \
	test "${advanced[$how]}" -eq 0
for how in "async ring" "async log"; do
	check "$how: it goes on (${advanced[$how]} of ${left[$how]} times)" \
		test $((advanced[$how] * 2)) -ge "${left[$how]}"
done

# --- Async, and the other end reads slowly: no page of the next epoch

# All pages of the writer in each epoch, so that those of one are those of the next.
SLOWLY="--guest writer --memory 32M --pages 3072 --spin 500000 --hash"

# slow_link MBIT: a second.
slow_link()
{
	on h1 tc qdisc replace dev repl root tbf rate "$1mbit" burst 128kb limit 4mb
}

quick_link()
{
	on h1 tc qdisc del dev repl root
}

# shellcheck disable=SC2086
both_vmms $SLOWLY
check "a slow link: protected" protect mode async
slow_link 200
check "a slow link: epochs" some_epochs 6
quick_link
check_eq "a slow link: no epoch is refused" 0 "$(counter h1 aborted)"
check "a slow link: the standby takes over" on h2 ftctl failover g --force
check "a slow link: it has" wait_until 20 guest_is h2 solo
check_eq "a slow link: its memory is what it was" equal "$(hashes)"
let_go

# That this can fail: by reference, pages change under way, and the sum tells.
end_vmms h1 h2
on h1 ftctl pair del alpha
on h2 ftctl pair del alpha
for host in h1 h2; do
	# shellcheck disable=SC2016
	on $host sh -c 'rmmod kvmft && exec insmod "$1"' sh "$KVMFT_KO_FAULTS"
done
check "the pair is up again" pair_hosts
# shellcheck disable=SC2086
both_vmms $SLOWLY
check "by reference: protected" protect mode async
on h1 sh -c 'echo ahead_copies:error=5 >/sys/module/kvmft/parameters/faults'
refused()
{
	(( $(counter h1 aborted) > 0 ))
}

# The guest must be faster than the link: pages have to be under way when it
# comes to write them again. How fast that is depends on this machine.
noticed()
{
	local mbit

	for mbit in 200 100 50 25 400 12; do
		slow_link "$mbit"
		wait_until 15 refused && return
	done
	false
}
check "by reference, an epoch gets pages of the next, which is noticed" noticed
quick_link
let_go

end_vmms h1 h2
done_testing
