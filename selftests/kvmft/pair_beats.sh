#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=2 nodebug timeout=200 either
#
# A host whose guest is protected and does nothing wakes up once for each heartbeat that it sends,
# since it sends them with those that it gets. So it does whichever end of the pair it is. As many
# are sent as ever, also where there are guests on both hosts, or leases are too short for that.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/pairlab.sh
. "$(dirname "$0")/../lib/pairlab.sh"
# shellcheck source=../lib/vmlab.sh
. "$(dirname "$0")/../lib/vmlab.sh"
# shellcheck source=../lib/vmslab.sh
. "$(dirname "$0")/../lib/vmslab.sh"

INTERVAL=100
LONG=5

# marks HOST: the time there in ms, frames that were sent, and how often threads of kvmft's have
# slept.
marks()
{
	# shellcheck disable=SC2016
	on "$1" sh -c '
		read -r now idle </proc/uptime
		echo "$now" | tr -d . | sed "s/\$/0/"
		cat /sys/class/kvmft/pair-alpha/tx_frames'
	times_slept "$1"
}

declare -A percent wakes

# measure: of each host, how many heartbeats it sends, in percent of those that the interval makes,
# and its wake-ups, in percent of what it sends. False if it isn't as many as it should.
measure()
{
	local host ms frames slept fit=0
	local -A begin end
	for host in h1 h2; do
		begin[$host]=$(marks $host | xargs)
	done
	sleep $LONG
	for host in h1 h2; do
		end[$host]=$(marks $host | xargs)
	done
	for host in h1 h2; do
		read -r ms frames slept <<<"${begin[$host]}"
		read -r -a now <<<"${end[$host]}"
		frames=$((now[1] - frames))
		percent[$host]=$((frames * INTERVAL * 100 / (now[0] - ms)))
		wakes[$host]=$(((now[2] - slept) * 100 / (frames ? frames : 1)))
		(( percent[$host] >= 90 && percent[$host] <= 110 )) || fit=1
	done
	return $fit
}

# beats NAME: it is as many as it should be. A stall of the machine's may be in the way, but not
# each time.
beats()
{
	local host try
	# By then an end has found its time, and guests have nothing left to do.
	sleep 3
	for try in 1 2 3; do
		measure && break
	done
	for host in h1 h2; do
		check "$1: $host sends ${percent[$host]} % of its heartbeats" \
			test "${percent[$host]}" -ge 90 -a "${percent[$host]}" -le 110
	done
	echo "# $1: wake-ups in percent of heartbeats sent: h1 ${wakes[h1]}, h2 ${wakes[h2]}, try $try"
}

# is_protected NAME HOST
# shellcheck disable=SC2317
is_protected()
{
	[[ $(on "$2" cat "/sys/class/kvmft/vm-$1/state") == protected ]]
}

# one NAME PRIMARY STANDBY: a guest that is protected that way, and does nothing from then on.
one()
{
	check "$1: VMMs" eval "vmms $2 <<<'$1 --guest counter --memory 32M' &&
		vmms $3 <<<'$1 --guest counter --memory 32M --standby'"
	attach_all "$3" standby <<<"$1 promote manual"
	attach_all "$2" primary <<<"$1 mode async"
	check "$1: protected" wait_until 40 is_protected "$1" "$2"
	check "$1: it does nothing" ask_vmm "$2" "$1" pause
}

# gone NAME...: neither they nor their VMMs are on either host any more.
gone()
{
	local host
	for host in h1 h2; do
		check "$*: gone from $host" eval "printf '%s\n' $* | detach_all $host --force"
	done
}

# one_wakes_once NAME: the other end keeps its time.
one_wakes_once()
{
	check "$1: one of them wakes up once for each" test "${wakes[h1]}" -le 135 -o "${wakes[h2]}" -le 135
}

load_module h1
load_module h2
make_key
check "the pair is up" pair_hosts heartbeat ${INTERVAL}ms timeout 1s
beats "no guest"
one a h1 h2
beats "of h1"
check "of h1: it wakes up once for each" test "${wakes[h1]}" -le 135
gone a
one b h2 h1
beats "of h2"
check "of h2: it wakes up once for each" test "${wakes[h2]}" -le 135
one a h1 h2
beats "of both"
one_wakes_once "of both"
# Where both begin at the same time.
"$LAB" cut h1 h2 repl
check "of both: the link is down" wait_until 10 state_is h1 down
"$LAB" heal
check "of both: a is protected again" wait_until 40 is_protected a h1
check "of both: so is b" wait_until 40 is_protected b h2
beats "of both, anew"
one_wakes_once "of both, anew"
gone a b
for host in h1 h2; do
	on $host ftctl pair del alpha
done
check "the pair is up, with short leases" pair_hosts heartbeat ${INTERVAL}ms timeout 500ms
one a h1 h2
beats "short leases"
gone a
both_unload
done_testing
