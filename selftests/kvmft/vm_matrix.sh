#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: machine
#
# The matrix of vm_protect.sh is whole: every pair of values occurs in it that can be,
# and what is missing or can't be would be told.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"

FLAT=$KVMFT_ROOT/selftests/flat
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

matrix()
{
	python3 -B "$KVMFT_ROOT/selftests/lib/matrix.py" "$@"
}

check "every pair occurs" matrix check
check_eq "without any row they don't" "1 no row has backing=anon dirty=log" \
	"$(status matrix --matrix /dev/null check | head -n 1)"

# The first row has pairs of its own: it was the best of its time.
awk '/^[^#]/ && !first++ { next } { print }' "$FLAT/matrix" >"$scratch/less"
check_has "without the first row some are missing" \
	"$(status matrix --matrix "$scratch/less" check)" "1 no row has "

# wrong NAME ROW TEXT: a row that can't be.
wrong()
{
	printf '%b\n' "$2" >"$scratch/wrong"
	check_has "$1" "$(status matrix --matrix "$scratch/wrong" check)" "$3"
}
wrong "a value that isn't there" "counter 3 ring anon 64M sync - plain hosts 1" \
	"2 wrong:1: there is no vcpus=3"
wrong "values that don't go together" "counter32 1 ring memfd 8G sync - plain hosts 1" \
	"2 wrong:1: never guest=counter32 memory=8G"
wrong "a row that is too short" "counter 1" "2 wrong:1: 2 values for 10 columns"

cp "$FLAT/dimensions" "$scratch/dimensions"
echo "guest more" >>"$scratch/dimensions"
check_has "a dimension that is there twice" \
	"$(status matrix --dimensions "$scratch/dimensions" check)" "guest is there already"
sed 's/^mode.*/& later/' "$FLAT/dimensions" >"$scratch/dimensions"
check_has "a new value has no rows" \
	"$(status matrix --dimensions "$scratch/dimensions" check)" \
	"no row has backing=anon mode=later"

matrix generate 5 >"$scratch/made"
check "rows can be made" matrix --matrix "$scratch/made" check
rows=$(matrix count)
check_eq "each seed has other combinations" $((2 * 40)) \
	"$(for seed in 1 2; do matrix slice $seed 40; done | sort -u | wc -l)"
matrix slice 1 "$rows" >"$scratch/again"
check_eq "after all of them come the first" "$(matrix slice 0 3)" "$(head -n 3 "$scratch/again")"
done_testing
