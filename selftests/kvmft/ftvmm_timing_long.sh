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

# killed HOST WHAT: by its QEMU, or its VMM; who is to kill that waits there for the word.
killed_at=
killed()
{
	local word=$scratch/word
	if [[ $2 == host ]]; then
		killed_at=$(date +%s.%N)
		"$LAB" kill "$1"
		return
	fi
	rm -f "$word"
	mkfifo "$word"
	# shellcheck disable=SC2016
	"$LAB" exec "$1" sh -c 'read -r word; kill -9 "$1"' sh "$(<"$scratch/vmm_$1")" <"$word" &
	exec 9>"$word"
	sleep 1
	killed_at=$(date +%s.%N)
	echo now >&9
	exec 9>&-
	wait $!
}

# timed WHAT MODE: ms until the guest answers from the other host.
timed()
{
	took=
	on "$here" ftctl set g mode "$2"
	capture_begin svc --from "$there"
	sleep "1.$((RANDOM % 10))"
	killed "$here" "$1"
	took=$(python3 -B \
		"$KVMFT_ROOT/selftests/lib/ftvmm_first.py" "$scratch/svc.pcap" "$killed_at")
	captures_end
}

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
