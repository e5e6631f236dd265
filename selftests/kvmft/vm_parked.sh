#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=2 nodebug long timeout=300
#
# For how long a guest stands still: no longer when it is larger, if it writes as
# much; and beside what the same bytes take over a plain TCP connection.
# shellcheck disable=SC2317 # some functions are called through others
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/pairlab.sh
. "$(dirname "$0")/../lib/pairlab.sh"
# shellcheck source=../lib/vmlab.sh
. "$(dirname "$0")/../lib/vmlab.sh"

PLAIN=$KVMFT_BUILD/selftests/bench/plain
# In short turns, so that what else a host does meets both alike.
TURNS=20
CHECKPOINTS=11

load_module h1
load_module h2
make_key
pair_up h2 listen 10.77.1.2:7700
pair_up h1 connect 10.77.1.2:7700
check "the pair is up" wait_until 20 state_is h1 up

# start HOST NAME OPTIONS...: one of several VMMs there.
start()
{
	# shellcheck disable=SC2016
	on "$1" sh -c '
		mkdir -p /tmp/$1; cd /tmp/$1; cp "$2" .; shift 2
		setsid ./flatvmm --control control --backing memfd "$@" \
			>said 2>&1 </dev/null &
		for n in $(seq 200); do
			sed -n "s/^ready \([0-9]*\).*/\1/p" said | grep . && exit
			sleep 0.05
		done
		cat said >&2; exit 1' sh "$2" "$KVMFT_BUILD/selftests/flat/flatvmm" "${@:3}"
}

protected_on()
{
	[[ $(on "$1" cat "/sys/class/kvmft/vm-$2/state") == protected ]]
}

# attached NAME OPTIONS...: a guest on both hosts, protected.
attached()
{
	local name=$1 here there
	here=$(start h1 "$@" --spin 3000) && there=$(start h2 "$@" --standby) &&
		on h2 ftctl attach "$name" pair alpha pid "$there" role standby promote manual &&
		on h1 ftctl attach "$name" pair alpha pid "$here" mode sync &&
		wait_until 60 protected_on h1 "$name"
}

tell()
{
	on h1 "/tmp/$1/flatvmm" ask "/tmp/$1/control" "${@:2}" >/dev/null
}

# --- A guest of 64 MiB and one of 8 GiB, in turns

# The counter writes the same few pages again and again, however much there is.
check "64 MiB: protected" attached small --memory 64M
tell small pause
check "8 GiB: protected" attached large --memory 8G
tell large pause
trace_on unpark harvested
made=0
for ((turn = 0; turn < TURNS; turn++)); do
	for name in small large; do
		tell $name resume
		enough()
		{
			(( $(traced "$name" unpark ns | wc -l) >= (turn + 1) * CHECKPOINTS ))
		}
		check "turn $turn of the $name one" wait_until 30 enough
		tell $name pause
	done
done
for name in small large; do
	traced $name unpark ns >"$scratch/$name"
	made=$(wc -l <"$scratch/$name")
	check "$name: $made checkpoints" test "$made" -ge 200
done
small=$(quantile 50 <"$scratch/small") large=$(quantile 50 <"$scratch/large")
echo "# median of time parked: 64 MiB $small ns, 8 GiB $large ns"
check "a guest of 8 GiB stands still for no longer than one of 64 MiB" \
	test $((large * 100)) -le $((small * 110))
small=$(traced small harvested pages | quantile 50) large=$(traced large harvested pages | quantile 50)
check_eq "with as many pages to send" "$small" "$large"

# Both are sparse here and there.
for host in h1 h2; do
	# shellcheck disable=SC2016
	free=$(on $host awk '/^MemAvailable/ { print $2 }' /proc/meminfo)
	check "$host has memory left: $free KiB" test "$free" -gt $((1024 * 1024))
done
for name in small large; do
	on h1 ftctl detach $name
	on h2 ftctl detach $name
done
end_vmms h1 h2

# --- Beside a plain connection

on h2 cp "$PLAIN" /tmp/plain
on h1 cp "$PLAIN" /tmp/plain
on h2 sh -c 'exec setsid /tmp/plain take 10.77.1.2 7790 >/tmp/take 2>&1 &'
wait_until 10 on h1 /tmp/plain send 10.77.1.2 7790 1 1
for pages in 16 256 1024; do
	attached g$pages --guest writer --memory 64M --pages $pages || check "$pages pages: protected" false
	trace_on unpark harvested
	enough()
	{
		(( $(traced "g$pages" unpark ns | wc -l) >= 60 ))
	}
	check "$pages pages: checkpoints" wait_until 60 enough
	tell g$pages pause
	parked=$(traced g$pages unpark ns | tail -n 50 | quantile 50)
	plain=$(on h1 /tmp/plain send 10.77.1.2 7790 $pages 60 | tail -n 50 | quantile 50)
	left=$(traced g$pages harvested pages | tail -n 50 | quantile 50)
	echo "# $pages pages an epoch ($left of them left when it stands): parked $parked ns," \
		"plain $plain ns, ratio $((parked * 100 / plain)) %"
	check "$pages pages: both were measured" test "$parked" -gt 0 -a "$plain" -gt 0
	on h1 ftctl detach g$pages
	on h2 ftctl detach g$pages
	end_vmms h1 h2
done
on h2 pkill -x plain

done_testing
