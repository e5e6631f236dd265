#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: machine timeout=240
#
# Whatever ends a lab, nothing of it stays: no process, no file, no socket. And
# what can't be started says why.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"

LAB=$KVMFT_ROOT/selftests/lab/lab
export KVMFT_LAB=ends-$$
scratch=$(mktemp -d)
trap '"$LAB" down 2>/dev/null; rm -rf "$scratch"' EXIT
trap 'exit 1' TERM

# The lab's processes and its socket's name carry its name or its keeper's path.
remains()
{
	pgrep -af "keeper.py.* $KVMFT_LAB\$"
	pgrep -af "qemu-system.*-name $KVMFT_LAB/h"
	grep -a "kvmft-lab/$EUID/$KVMFT_LAB" /proc/net/unix
}

# Called by name, through check and wait_until.
# shellcheck disable=SC2317
nothing_remains()
{
	[[ -z $(remains) ]]
}

# shellcheck disable=SC2317
gone()
{
	wait_until 10 nothing_remains
}

# By the names that a lab gives to what it makes (others may use /tmp meanwhile).
files()
{
	find /run /tmp /var/tmp "$TMPDIR" -newer "$scratch/start" \( -name 'h[0-9].*' \
		-o -name 'disk.*' -o -name '*nbdkit*' -o -path '*/run/lab*' \
		-o -path "$TMPDIR/*" \) -print 2>/dev/null
}

export TMPDIR=$scratch/tmp
mkdir "$TMPDIR"
touch "$scratch/start"
sleep 0.1

"$LAB" up -n 1 >/dev/null 2>&1
check_has "a lab is there while it is up" "$(remains)" "keeper.py"
check_has "a second of the same name is refused" "$(status "$LAB" up)" "is up already"
"$LAB" down
check "down leaves nothing" gone

"$LAB" up -n 1 >/dev/null 2>&1
pkill -KILL -f "unshare.* $KVMFT_LAB\$"
check "a crash of the keeper's parent leaves nothing" gone

for signal in INT TERM KILL; do
	# A shell without job control lets its background jobs ignore SIGINT.
	env --default-signal=INT "$LAB" up -n 1 >"$scratch/up" 2>&1 &
	up=$!
	wait_until 10 "$LAB" status
	sleep 1
	kill -$signal $up
	wait $up
	check "SIG$signal of 'lab up' while it boots leaves nothing" gone
done

# QEMU killed while its host boots.
"$LAB" up -n 1 >"$scratch/up" 2>&1 &
up=$!
wait_until 10 pkill -KILL -f "qemu-system.*-name $KVMFT_LAB/h"
wait $up
check_eq "QEMU killed while booting: 'lab up' fails" 255 $?
check_has "QEMU killed while booting: it says so" "$(cat "$scratch/up")" "h1 is dead and never came up"
check "QEMU killed while booting: nothing stays" gone

check_has "a host that doesn't boot shows its console" \
	"$(status "$LAB" up -n 1 --append 'rdinit=/no-such-init init=/no-such-init')" "Kernel panic"
check "and leaves nothing" gone

check_has "an unknown kernel says which there are" "$(status "$LAB" up -k 4.4)" \
	"no kernel 4.4 with image and headers on this machine (there is:"
check_has "too many hosts are refused" "$(status "$LAB" up -n 99)" "a lab has 1 to 8"
check_has "no lab, no answer" "$(status "$LAB" exec h1 true)" \
	"no lab $KVMFT_LAB is up; 'lab up' makes one"

# The runner, interrupted or crashed, takes its lab with it.
for signal in INT KILL; do
	env --default-signal=INT "$KVMFT_ROOT/selftests/run" --no-machine --match a_passes --suite fixtures \
		--tests "$KVMFT_ROOT/selftests/fixtures" --kernels 6.1 >"$scratch/run" 2>&1 &
	runner=$!
	KVMFT_LAB=check-$runner
	wait_until 10 "$LAB" status
	sleep 1
	kill -$signal $runner
	wait $runner
	check "SIG$signal of the runner leaves nothing" gone
done

check_eq "no file stays" "" "$(files)"
done_testing
