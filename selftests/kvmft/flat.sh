#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: host module=none timeout=300 either
#
# The guests of flatvmm, on which the tests of replication stand: without kvmft
# they say what they must, and if anything went wrong it would be noticed.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/flatlab.sh
. "$(dirname "$0")/../lib/flatlab.sh"

out=$flat_dir/out

# says NAME OUTPUTS GUEST OPTIONS...: so many outputs, all as they must be.
says()
{
	local name=$1 outputs=$2 guest=$3 said judged pages=
	shift 3
	[[ $1 != --pages ]] || pages=$2
	said=$(flat_run --guest "$guest" --outputs "$outputs" --seed 7 "$@")
	judged=$(flat_judge --guest "$guest" --seed 7 --vcpus 4 ${pages:+--pages "$pages"} "$out")
	check_eq "$name" " $outputs outputs, 0 duplicates" "$said $judged"
}

says "counter" 300 counter
says "counter with four vcpus" 300 counter --vcpus 4
says "counter of other pages" 100 counter --pages 50
says "counter in 32 bits" 300 counter32 --vcpus 2
says "counter by an alias" 300 counter --vcpus 2 --alias
says "counter in 32 bits, by an alias" 300 counter32 --vcpus 2 --alias
says "counter with a ROM" 100 counter --vcpus 2 --readonly-slot
says "counter for the dirty log" 100 counter --dirty log
says "counter with a small ring" 300 counter --ring 1024
says "writer" 60 writer --pages 300 --memory 36M
says "writer of no pages" 100 writer --pages 0
says "writer with two vcpus" 80 writer --vcpus 2 --memory 32M
says "writer in little memory" 20 writer --pages 300 --memory 16M
says "counter in little memory" 100 counter --vcpus 4 --memory 16M
says "idle" 10 idle
says "state" 100 state
says "state with two vcpus" 100 state --vcpus 2
says "dma" 30 dma --vcpus 2

check_has "64 vcpus need more than that" \
	"$(status flat_run --vcpus 64 --memory 16M)" "2 flatvmm: --memory of so many vcpus"

# outputs_are N: so many, or more.
# shellcheck disable=SC2317
outputs_are()
{
	(( $(wc -l <"$out") >= $1 ))
}

# Silence shows from a vcpu's 30th output on.
says "devices" 40 devices
flat_begin --guest devices --vcpus 2
for ((n = 0; n < 20; n++)); do
	sleep 0.15
	kill -STOP "$flat_pid"
	sleep 0.1
	kill -CONT "$flat_pid"
done
check "devices that are stopped now and then go on" wait_until 30 outputs_are 80
flat_end
check_has "without errors" "$(status flat_judge --guest devices --vcpus 2 --least 80 "$out")" \
	"0 duplicates"

# --- Memory: what is in it doesn't depend on where it comes from.

# step_through STEPS OPTIONS...: so many epochs of a counter in lockstep; then $last is
# the last line, "epoch hash".
step_through()
{
	local steps=$1 n
	shift
	flat_begin --lockstep "$flat_dir/lockstep" "$@"
	for ((n = 1; n < steps; n++)); do
		wait_until 20 lines_are "$n"
		flat_ask step >/dev/null
	done
	wait_until 20 lines_are "$steps"
	last=$(tail -n 1 "$flat_dir/lockstep")
}

# shellcheck disable=SC2317
lines_are()
{
	[[ $(wc -l <"$flat_dir/lockstep") == "$1" ]]
}

pages_before=$(cat /proc/sys/vm/nr_hugepages)
echo 40 >/proc/sys/vm/nr_hugepages
step_through 5
first=$last
check_has "a step has a hash" "$first" "0 "
check_eq "the guest's memory has it too" "${first#* }" "$(flat_ask hash)"
for backing in shmem memfd thp hugetlb; do
	step_through 5 --backing $backing
	check_eq "$backing: the same memory" "$first" "$last"
done
echo "$pages_before" >/proc/sys/vm/nr_hugepages
flat_ask forget 0x5000 >/dev/null
check "without a page it has another" test "$(flat_ask hash)" != "${first#* }"

flat_begin --backing memfd --memory 8G
check "a guest of 8 GiB runs" wait_until 20 test -s "$out"
flat_ask pause >/dev/null
check_eq "its hash is known, and stays" "$(flat_ask hash)" "$(flat_ask hash)"
check_eq "it can be dumped" ok "$(flat_ask dump "$flat_dir/dump")"
check "the dump is small" test "$(du -k "$flat_dir/dump" | cut -f1)" -lt 2048
check "and so is the guest" test "$(awk '/^VmRSS/ { print $2 }' "/proc/$flat_pid/status")" -lt 20000

# --- Being told

# shellcheck disable=SC2317
all_left()
{
	[[ $(flat_status made) == "$(flat_status left)" ]]
}
check "what it has made leaves" wait_until 20 all_left
left=$(flat_status left)
sleep 1
check_eq "paused, it says nothing" "$left" "$(flat_status left)"
flat_ask resume >/dev/null
# shellcheck disable=SC2317
goes_on()
{
	(( $(flat_status left) > left ))
}
check "resumed, it does" wait_until 20 goes_on
check_has "it has no area to scribble in" "$(flat_ask scribble 1)" "error: "
check_has "a counter can't be told how many pages" "$(flat_ask dirty 3)" "error: "
check_has "nor anybody what isn't there" "$(flat_ask nonsense)" "error: "

# page_of FILE LINES: numbers of the pages of which cmp has told bytes.
changed_pages()
{
	cmp -l "$1" "$2" | awk '{ page = int(($1 - 1) / 4096); if (!(page in seen)) n++; seen[page] = 1 }
		END { print n + 0 }'
}

# step_to LINES: one step in lockstep, and a dump.
step_to()
{
	flat_ask step >/dev/null
	wait_until 20 lines_are "$1"
	flat_ask dump "$flat_dir/dump$1" >/dev/null
}

flat_begin --guest writer --pages 3 --lockstep "$flat_dir/lockstep"
wait_until 20 lines_are 1
step_to 2
step_to 3
check_eq "a writer writes as many pages as it was told" 3 \
	"$(changed_pages "$flat_dir/dump2" "$flat_dir/dump3")"
flat_ask dirty 20 >/dev/null
step_to 4
step_to 5
step_to 6
check_eq "and then as many as it is told" 20 "$(changed_pages "$flat_dir/dump5" "$flat_dir/dump6")"

# --- What goes wrong is noticed: flat_judge.sh shows it of outputs, this of pages.

# loses NAME GUEST GPA OUTPUTS OPTIONS...: a guest that loses a page after so many outputs
# can't hide it in as many more.
loses()
{
	local name=$1 guest=$2 gpa=$3 outputs=$4
	shift 4
	flat_begin --guest "$guest" --seed 7 "$@"
	wait_until 20 outputs_are "$outputs"
	flat_ask pause >/dev/null
	left=$(flat_status left)
	flat_ask forget "$gpa" >/dev/null
	flat_ask resume >/dev/null
	wait_until 20 outputs_are $((left + outputs))
	flat_end
	check_has "$name that loses a page" "$(status flat_judge --guest "$guest" --seed 7 "$out")" \
		" said "
}

loses "a counter" counter 0x403000 150
loses "a counter in 32 bits" counter32 0x403000 150
loses "a counter, one of the shared," counter 0x143000 150
loses "a writer" writer 0x1401000 20 --pages 1000 --memory 36M

done_testing
