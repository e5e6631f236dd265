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

# --- Text that is cut anywhere

PYTHONPATH=$KVMFT_ROOT/selftests/lib python3 -B - >"$dir/stream" <<'EOF'
import flat_judge

counter = flat_judge.Counter(7, 0, 8)
for n in range(1, 301):
    print(n, 0, f"{counter.next():x}")
EOF

# text FROM TO: these bytes of it, from 0 on, without the last one.
text()
{
	head -c "$2" "$dir/stream" | tail -c "+$(($1 + 1))"
}

# pieces TEXT NAME DUPLICATES: what the judge says of one, two and three has that text.
pieces()
{
	check_has "$2" "$(status python3 -B "$KVMFT_ROOT/selftests/lib/flat_judge.py" judge \
		--seed 7 --stream --duplicates "$3" "$dir/one" "$dir/two" "$dir/three")" "$1"
}

# Where lines 100, 101, 102 and 200 begin, and all ends.
read -r a b c d e <<<"$(awk '{ at[NR] = sum; sum += length + 1 }
	END { print at[100], at[101], at[102], at[200], sum }' "$dir/stream")"

text 0 "$a" >"$dir/one"
text "$a" "$d" >"$dir/two"
text "$d" "$e" >"$dir/three"
pieces "0 300 outputs, 0 duplicates" "stream: all is well" 0
text 0 $((a + 5)) >"$dir/one"
text $((a + 5)) $((d + 3)) >"$dir/two"
text $((d + 3)) "$e" >"$dir/three"
pieces "0 300 outputs, 0 duplicates" "stream: it goes on amid a line" 0
text $((a + 2)) $((d + 3)) >"$dir/two"
pieces "0 300 outputs, 1 duplicates" "stream: a part of a line is repeated" 1,0
pieces "1 duplicates, 0 were in" "stream: one, and none was in the outbox" 0,1
text $((a + 6)) $((d + 3)) >"$dir/two"
pieces "1 $dir/two:1: " "stream: a byte is missing" 5
text "$b" $((d + 3)) >"$dir/two"
pieces "two:1: '101 0 " "stream: the rest of a line is missing" 5
text 0 "$c" >"$dir/one"
text "$a" $((d + 3)) >"$dir/two"
pieces "0 300 outputs, 2 duplicates" "stream: two lines are repeated" 2,0
pieces "2 duplicates, 1 were in" "stream: two, and one was in the outbox" 1,5
text "$a" "$d" | sed '2s/.$/x/' >"$dir/two"
pieces "two:2: '101 0 " "stream: a line that was out is contradicted" 5
text "$a" "$d" | sed '50s/ [^ ]*$/ 0/' >"$dir/two"
pieces "two:50: '149 0 0' instead of '149 0 " "stream: a value is wrong" 5
text "$a" "$d" | sed 50d >"$dir/two"
pieces "two:50: '150 0 " "stream: a line is dropped" 5
text "$a" "$d" | sed 50p >"$dir/two"
pieces "two:51: '149 0 " "stream: a line is doubled" 5
text 0 "$d" >"$dir/one"
text "$c" $((d - 1)) >"$dir/two"
pieces "two: 1 bytes more were out before" "stream: it doesn't reach what was out" 200
text 5 "$c" >"$dir/one"
pieces "1 $dir/one:1: " "stream: it doesn't begin with the first byte" 5
: >"$dir/one"
text 0 "$d" >"$dir/two"
text "$d" "$e" >"$dir/three"
pieces "0 300 outputs, 0 duplicates" "stream: it began at the standby" 0

done_testing
