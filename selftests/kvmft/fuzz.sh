#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: machine timeout=240
#
# The fuzzer finds nothing in a short run, reaches what it must, and would have
# found something: each target is given a module with a bug.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"

cd "$KVMFT_ROOT" || exit 1
scratch=$(mktemp -d "$KVMFT_BUILD/fuzz-test.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

# fuzz SECONDS NAME=VALUE...: exit status and what is said.
fuzz()
{
	local seconds=$1
	shift
	status env "$@" selftests/fuzz/run "$seconds" "$scratch"
}

said=$(fuzz 10 KVMFT_FUZZ_FLAGS=-seed=1)
check_eq "nothing is found in ten seconds each, and enough lines are reached" 0 "${said%% *}"
echo "# ${said//$'\n'/$'\n'# }"

# Nothing of the stage is reached when only frames are decoded.
said=$(fuzz 1 KVMFT_FUZZ_FLAGS=-runs=0 KVMFT_FUZZ_TARGETS=decode)
check_eq "that few lines are reached is an error" 1 "${said%% *}"
check_has "and is said" "$said" "less than 90 % of a file"

# finds TARGET RUNS FILE SED: the seeds don't meet the bug that sed makes, what is
# made of them does, within so many runs.
finds()
{
	local target=$1 runs=$2 file=$3
	local with=(KVMFT_FUZZ_TARGETS="$target" KVMFT_FUZZ_KMOD="$scratch/kmod")

	rm -rf "$scratch/kmod" "$scratch/fuzz"
	cp -r kmod "$scratch/kmod"
	sed -i "$4" "$scratch/kmod/$file"
	check_eq "$target: $file has a bug" "1 " "$(status cmp -s "kmod/$file" "$scratch/kmod/$file")"
	check_has "$target: the seeds don't meet it" "$(fuzz 1 "${with[@]}" KVMFT_FUZZ_FLAGS=-runs=0)" \
		"inputs in the corpus"
	check_eq "$target: no input that breaks anything is there" "" "$(ls "$scratch/fuzz/artifacts")"
	said=$(fuzz 60 "${with[@]}" KVMFT_FUZZ_FLAGS="-seed=1 -runs=$runs")
	check_has "$target: it is found" "$said" "$target: broken"
	check_has "$target: an input that shows it is kept" "$(ls "$scratch/fuzz/artifacts")" \
		"$target-crash-"
}

# A run of pages may begin, but not end, where no region ends.
finds decode 2000000 wire_epoch.c 's/size > KVMFT_WIRE_OFFSET_MAX - run.offset/size > KVMFT_WIRE_OFFSET_MAX/'
# The first page of the next 64 counts as one of these.
finds stage 200000 stage.c 's/leaf + LEAF_PAGES - 1,/leaf + LEAF_PAGES,/'
# A page's length may be longer than what is left.
finds pack 200000 pack.c 's/n > len - at)/n > len + 4096)/'
done_testing
