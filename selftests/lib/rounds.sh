#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# rounds.sh - attach and detach a guest time and again; runs where it is.
#
#	rounds.sh calm PID ROUNDS	a primary, each time until it is protected and has
#					some epochs; a line each: ns that it stood still
#	rounds.sh wild PID ROUNDS SEED ROLE
#					at any moment
#	rounds.sh left PID		what is there of things that could be left behind
#
# What goes wrong is said, and the end.
GUEST=/sys/class/kvmft/vm-g
OUT=/tmp/vmm/out
# Of what a primary needs in a calm round.
EPOCHS=5
# Looks, each after a moment, until what is waited for has failed to come.
LOOKS=$(awk "BEGIN { print int(400 * ${KVMFT_TIME_SCALE:-1}) }")

fail()
{
	echo "round $round: $*"
	ftctl show
	exit 1
}

attach()
{
	local said

	said=$(ftctl attach g pair alpha pid "$pid" "$@" 2>&1) || fail "attach: $said"
}

detach()
{
	local said

	said=$(ftctl detach g 2>&1) || fail "detach: $said"
}

# until_so WHAT COMMAND...
until_so()
{
	local what=$1 n
	shift
	for ((n = 0; n < LOOKS; n++)); do
		"$@" && return
		sleep 0.01
	done
	fail "$what"
}

has_epochs()
{
	(( $(<$GUEST/counters/committed) >= EPOCHS ))
}

size()
{
	stat -c %s $OUT
}

has_grown()
{
	(( $(size) > before ))
}

calm()
{
	local modes=(sync async)

	for ((round = 1; round <= $1; round++)); do
		attach mode "${modes[round % 2]}" --wait
		until_so "no epochs" has_epochs
		echo $(($(<$GUEST/counters/parked_p50_ns)))
		detach
	done
}

wild()
{
	local rounds=$1 role=$3 before

	RANDOM=$2
	for ((round = 1; round <= rounds; round++)); do
		if [[ $role == standby ]]; then
			attach role standby promote manual
		elif ((RANDOM % 2)); then
			attach mode async
		else
			attach
		fi
		# From before the connection until long after the copy.
		((RANDOM % 4)) && sleep "0.$((RANDOM % 5))$((RANDOM % 10))"
		detach
		[[ $role == standby ]] && continue
		before=$(size)
		until_so "no output after it was detached" has_grown
	done
}

# Words that must stay the same, and kB that may change a little.
left()
{
	# What is freed by RCU, and per-cpu lists.
	sleep 0.5
	echo "threads $(pgrep -c '^kvmft')" \
		"areas $(grep -c '\[kvmft\]' /proc/vmallocinfo)" \
		"references $(</sys/module/kvmft/refcnt)" \
		"VMs $(find /sys/kernel/debug/kvm -maxdepth 1 -name '*-*' | wc -l)" \
		"descriptors $(find "/proc/$pid/fd" -type l | wc -l)" \
		"connections $(ss -Htan state established | grep -c ':7700')"
	echo 3 >/proc/sys/vm/drop_caches
	awk '/^(SUnreclaim|VmallocUsed|Percpu|KernelStack|PageTables):/ { sum += $2 }
		/^MemAvailable:/ { available = $2 }
		END { print sum, available }' /proc/meminfo
}

round=0
pid=$2
"$1" "${@:3}"
