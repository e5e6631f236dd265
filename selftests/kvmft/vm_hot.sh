#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=2 timeout=300 either
#
# Pages that are written in each epoch, of which there are more than the module keeps an eye on, and
# others all the time: the standby has them all as they were, whenever its primary dies. In both
# modes, with one vcpu and with four; and without the memory for it. In async mode only those are
# copied that are sent, for which the guest stands still.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/pairlab.sh
. "$(dirname "$0")/../lib/pairlab.sh"
# shellcheck source=../lib/vmlab.sh
. "$(dirname "$0")/../lib/vmlab.sh"

TIMEOUT=2
# More than KVMFT_HOT_MAX in three turns of the guest, so that some make place for others.
PAGES=200
rest=1000
declare -A options_of=(
	[one]="--vcpus 1 --pages $PAGES" [four]="--vcpus 4 --pages $((PAGES / 4))"
	[starved]="--vcpus 1 --pages $PAGES"
)

module=$KVMFT_KO_FAULTS
load_module h1
load_module h2
make_key
check "the pair is up" pair_hosts timeout ${TIMEOUT}s

# count_replaced: from now on, how often a page makes place for another.
# shellcheck disable=SC2317,SC2016
count_replaced()
{
	trace_anew && on h1 sh -c '
		cd /sys/kernel/tracing && echo "r:replaced kvmft:kvmft_hot_replace made=\$retval:u8" >kprobe_events &&
			echo hist:keys=made >events/kprobes/replaced/trigger'
}

replaced()
{
	on h1 sed -n 's/.*made: *1 .*hitcount: *\([0-9]*\)/\1/p' \
		/sys/kernel/tracing/events/kprobes/replaced/hist | grep . || echo 0
}

# since: pages that were copied and sent since this was asked last, more or less at one time.
before=(0 0)
since()
{
	local now
	mapfile -t now < <(on h1 sh -c 'cd /sys/class/kvmft/vm-g/counters && cat pages_copied pages_sent')
	copied=$((now[0] - before[0])) sent=$((now[1] - before[1]))
	before=("${now[@]}")
}

check "it is counted what makes place" count_replaced
for name in one four starved; do
	for mode in sync async; do
		read -r -a more <<<"${options_of[$name]}"
		options=(--guest wanderer --memory 32M --hash "${more[@]}")
		[[ $name != starved ]] || on h1 sh -c \
			'echo hot_add:error=12,skip=150 >/sys/module/kvmft/parameters/faults'
		protected_anew "$name, $mode" mode $mode
		on h2 ftctl set g promote auto
		# In the middle of a turn, and in the one after it: some are hot, and some not any more.
		check "$name, $mode: 60 epochs" wait_until 60 has_committed 60
		since
		epochs=$((20 + RANDOM % 40))
		check "$name, $mode: $epochs epochs more" some_epochs $epochs
		since
		check "$name, $mode: $copied pages were copied, and $sent sent" \
			test $((copied * 4)) -le $((sent * 5))
		goes_over "$name, $mode"
		on h1 sh -c 'echo off >/sys/module/kvmft/parameters/faults'
	done
done

check "pages have made place for others, $(replaced) of them" test "$(replaced)" -ge $PAGES
on h1 sh -c 'cd /sys/kernel/tracing && echo "!hist:keys=made" >events/kprobes/replaced/trigger &&
	echo >kprobe_events'

let_go
end_vmms h1 h2
done_testing
