#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=2 debug timeout=400
#
# Memory runs out, now and then, for the kernel threads of a protected guest, on either
# host and in both modes. The guest stays protected or says that it isn't; what left was
# safe, and what the standby has is whole.
# shellcheck disable=SC2317 # some functions are called through others
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/pairlab.sh
. "$(dirname "$0")/../lib/pairlab.sh"
# shellcheck source=../lib/vmlab.sh
. "$(dirname "$0")/../lib/vmlab.sh"

# More failures than there can be, to be counted down.
TIMES=1000000
LEAST=20
OPTIONS=(--guest writer --seed 7 --vcpus 2 --memory 32M --pages 400 --hash --pace 20000)

# failures HOST PERCENT: of the allocations of kvmft's threads, also those that may wait.
failures()
{
	# shellcheck disable=SC2016
	on "$1" sh -c '
		cd /sys/kernel/debug || exit
		for pid in $(pgrep kvmft); do echo 1 >/proc/$pid/make-it-fail || exit; done
		for kind in failslab fail_page_alloc; do
			echo 0 >$kind/probability; echo 0 >$kind/verbose
			echo Y >$kind/task-filter; echo N >$kind/ignore-gfp-wait
			echo 1 >$kind/interval
			[ "$1" = 0 ] || echo "$2" >$kind/times
			echo "$1" >$kind/probability
		done
		echo N >fail_page_alloc/ignore-gfp-highmem
		echo 0 >fail_page_alloc/min-order' sh "$2" $TIMES
}

# failed HOST: how many did.
failed()
{
	# shellcheck disable=SC2016
	on "$1" sh -c 'cd /sys/kernel/debug &&
		echo $((2 * $1 - $(cat failslab/times) - $(cat fail_page_alloc/times)))' sh $TIMES
}

enough_failed()
{
	(( $(failed "$1") >= LEAST )) || [[ $(guest h1 state) == unprotected ]]
}

# It is one of both, for good.
settled()
{
	guest_is h1 protected || guest_is h1 unprotected
}

load_module h1
load_module h2
make_key
check "the pair is up" pair_hosts timeout 10s

# row MODE HOST PERCENT
row()
{
	local what="$1, $2, $3 %" state

	vmm h1 "${OPTIONS[@]}"
	vmm h2 --standby "${OPTIONS[@]}"
	check "$what: protected" protect mode "$1" converge
	failures "$2" "$3"
	check "$what: allocations fail" wait_until 60 enough_failed "$2"
	echo "# $what: $(failed "$2") failed, then it is $(guest h1 state) $(guest h1 reason)"
	failures "$2" 0
	check "$what: it settles" wait_until 60 settled
	state=$(guest h1 state)
	if [[ $state == unprotected ]]; then
		check_has "$what: it says why" "$(why h1)" "memory"
		makes_output "$what: it runs on" h1
		let_go
		check_has "$what: its outputs are one sequence" \
			"$(judge --guest writer --seed 7 --vcpus 2 --pages 400 --duplicates 0)" " outputs, "
		return
	fi
	makes_output "$what: it makes output" h1
	on h2 ftctl failover g --force
	check "$what: the standby goes on" wait_until 20 guest_is h2 solo
	makes_output "$what: it makes output there" h2
	check_eq "$what: its memory is what it was" equal "$(hashes)"
	check_has "$what: its outputs are one sequence" \
		"$(judge --guest writer --seed 7 --vcpus 2 --pages 400 --duplicates 64)" " outputs, "
	let_go
}

row sync h1 2
row sync h2 2
row async h1 2
row async h2 2
# So many that no epoch gets through.
row async h1 60
row sync h2 60

end_vmms h1 h2
done_testing
