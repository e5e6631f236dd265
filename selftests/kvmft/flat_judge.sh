#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: machine
#
# The judge of flatvmm's outputs sees each way in which some can go wrong. That it takes
# what guests really say is shown by flat.sh.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' TERM

# 300 outputs of two counters, in no regular order.
PYTHONPATH=$KVMFT_ROOT/selftests/lib python3 -B - >"$dir/good" <<'EOF'
import flat_judge

vcpus = [flat_judge.Counter(7, vcpu, 8) for vcpu in range(2)]
for n in range(1, 301):
    vcpu = n * n // 3 & 1
    print(n, vcpu, f"{vcpus[vcpu].next():x}")
EOF

# judged TEXT NAME FILE...: what the judge says has that text.
judged()
{
	local text=$1 name=$2
	shift 2
	check_has "$name" "$(status python3 -B "$KVMFT_ROOT/selftests/lib/flat_judge.py" judge \
		--seed 7 --vcpus 2 --duplicates 2 "$@")" "$text"
}

judged "0 300 outputs, 0 duplicates" "all is well" "$dir/good"
judged "1 300 outputs are too few" "too few outputs" --least 301 "$dir/good"

# spoiled TEXT NAME PROGRAM: awk's, from good to bad.
spoiled()
{
	awk "$3" "$dir/good" >"$dir/bad"
	judged "$1" "$2" "$dir/bad"
}

spoiled "101 comes after 99" "an output that is dropped" 'NR != 100'
spoiled "2 comes after 0" "the first one" 'NR > 1'
spoiled "100 comes after 100" "an output that is doubled" '{ print } NR == 100'
spoiled "101 comes after 99" "outputs that change places" \
	'NR == 100 { getline other; print other } { print }'
spoiled "said 0 instead of" "an output that is changed" \
	'NR == 100 { sub(/[^ ]*$/, "0") } { print }'
# shellcheck disable=SC2016
spoiled "instead of" "an output of another vcpu" 'NR == 100 { $2 = 1 - $2 } { print }'
# shellcheck disable=SC2016
spoiled "no vcpu 9" "an output of no vcpu" 'NR == 100 { $2 = 9 } { print }'
spoiled "no line of output" "a line of something else" \
	'NR == 100 { sub(/[^ ]*$/, "x") } { print }'

# continued TEXT NAME FIRST [SED]: by a standby, after 200 outputs.
continued()
{
	head -n 200 "$dir/good" >"$dir/one"
	tail -n "+$3" "$dir/good" | sed "${4:-}" >"$dir/two"
	judged "$1" "$2" "$dir/one" "$dir/two"
}

continued "0 300 outputs, 0 duplicates" "a standby goes on" 201
continued "0 300 outputs, 2 duplicates" "a standby repeats its outbox" 199
continued "3 duplicates, 2 were in the outbox" "a standby repeats more" 198
continued "202 comes after 200" "a standby leaves one out" 202
continued "says 1, where" "a standby contradicts" 199 '2s/ [0-9a-f]*$/ 1/'

done_testing
