#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=3 nodebug long timeout=1800 mem=3G breaks
#
# How long a guest doesn't answer when its host loses power, and when its VMM dies: medians of
# ten each, from the last answer of the one to the first of the other, asked each 20 ms.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/pairlab.sh
. "$(dirname "$0")/../lib/pairlab.sh"
# shellcheck source=../lib/vmlab.sh
. "$(dirname "$0")/../lib/vmlab.sh"
# shellcheck source=../lib/ftvmmlab.sh
. "$(dirname "$0")/../lib/ftvmmlab.sh"
# shellcheck source=../lib/faultlab.sh
. "$(dirname "$0")/../lib/faultlab.sh"
# shellcheck source=../lib/stormlab.sh
. "$(dirname "$0")/../lib/stormlab.sh"

COUNT=10

# ready_again NAME WHAT
ready_again()
{
	[[ $2 != host ]] || check "$1: the host is back" host_back "$here"
	swap
	protected_again "$1"
}

RANDOM=$KVMFT_SEED
storm_begin
prober 20
modes=(sync async)
declare -A times
for ((n = 0; n < COUNT && tap_failed == 0; n++)); do
	for what in vmm host; do
		name="$what $((n + 1)), ${modes[n % 2]}"
		timed $what "${modes[n % 2]}"
		check "$name: it answers after ${took:-no} ms" test -n "$took"
		times[$what]+="$took "
		ready_again "$name" $what
	done
done
[[ $tap_failed == 0 ]] || { show h1; show h2; }
end_linux h1 h2

for what in vmm host; do
	most=$([[ $what == vmm ]] && echo 500 || echo $((TIMEOUT * 1000 + 500)))
	# shellcheck disable=SC2086
	took=$(middle ${times[$what]})
	echo "# $what: ${times[$what]}ms"
	check "$what: from SIGKILL to an answer it takes $took ms, at most $most" \
		test "${took:-99999}" -le "$most"
done
done_testing
