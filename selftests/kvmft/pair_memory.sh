#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: host module=faults timeout=200 either
#
# Memory that isn't there costs the operation that wanted it, or a link that comes
# back by itself, and nothing more. Two ends of a pair in two network namespaces.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"

FAULTS=/sys/module/kvmft/parameters/faults
LIBRARY=$KVMFT_ROOT/selftests/lib
DEBUG=/sys/kernel/debug
scratch=$(mktemp -d)

# shellcheck disable=SC2317
tidy_up()
{
	echo off >"$FAULTS"
	ip netns del fma
	ip netns del fmb
	rm -rf "$scratch"
} 2>/dev/null
trap tidy_up EXIT

at()
{
	ip netns exec "$@"
}

order()
{
	echo "$1" >$FAULTS
}

# The rest of what was ordered at a point: "off" when it has happened.
state_of()
{
	awk -v point="$1" '$1 == point { print $2 }' $FAULTS
}

listen()
{
	at fmb ftctl pair add alpha listen 10.9.0.2:7700 key "$scratch/key" timeout 600ms
}

connect()
{
	at fma ftctl pair add alpha connect 10.9.0.2:7700 key "$scratch/key" timeout 600ms
}

apart()
{
	at fma ftctl pair del alpha
	at fmb ftctl pair del alpha
} 2>/dev/null

# shellcheck disable=SC2317
is_up()
{
	[[ $(at fma ftctl --json pair show alpha) == *'"state":"up"'* &&
	   $(at fmb ftctl --json pair show alpha) == *'"state":"up"'* ]]
}

guest()
{
	at "$1" python3 "$LIBRARY/genl.py" "${@:2}"
}

rmmod kvmft
insmod "$KVMFT_KO_FAULTS" selftest=1
ftctl genkey "$scratch/key"
ip netns add fma
ip netns add fmb
ip -n fma link add veth type veth peer name veth netns fmb
ip -n fma addr add 10.9.0.1/24 dev veth
ip -n fmb addr add 10.9.0.2/24 dev veth
for n in a b; do
	ip -n fm$n link set veth up
done

# --- What an operator asks for

for point in pair_alloc sysfs_pair link_prepare listener_prepare; do
	order "$point:error=12,times=1"
	check_has "$point: adding a pair fails, and says why" "$(status listen)" \
		"Cannot allocate memory"
	check_eq "$point: nothing of it is left" "[] " \
		"$(at fmb ftctl --json pair show) $(at fmb ls /sys/class/kvmft)"
	check "$point: then it works" listen
	at fmb ftctl pair del alpha
done

# --- What comes between two hosts

for point in conn_alloc handshake mac_alloc; do
	for skip in 0 1 2 3; do
		order "$point:error=12,skip=$skip,times=1"
		listen
		connect
		check "$point, at time $((skip + 1)): up all the same" wait_until 15 is_up
		if [[ $(state_of "$point") != off ]]; then
			# Fewer are needed for a link; the next ones then.
			order off
		fi
		apart
	done
done
listen
connect
wait_until 15 is_up
order "conn_alloc:error=12,times=1"
at fma ftctl pair del alpha
connect
check "a listener without memory refuses, and goes on" wait_until 15 is_up
counted=$(at fma ftctl --json pair show; at fmb ftctl --json pair show)
check_has "that is counted" "$counted" '"memory":1'

# --- What a guest needs

order "channel_start:error=12,times=1"
check_has "no memory for a guest's end" "$(status guest fmb attach alpha g sink)" ENOMEM
check "then it works" guest fmb attach alpha g sink
order "stream_alloc:error=12,times=1"
check "a source" guest fma attach alpha g source
check_has "its stream comes up when there is memory" \
	"$(guest fma send alpha g pages=8 wait=10000)" '"reason": "none"'
check_eq "the fault happened" off "$(state_of stream_alloc)"
for skip in 0 1; do
	order "pool_get:error=12,skip=$skip,times=1"
	check_has "no memory to receive into, at time $((skip + 1)): the epoch is aborted" \
		"$(guest fma send alpha g pages=600 wait=10000)" '"reason": "memory"'
	check_has "nothing of it is staged, and what was committed stays" \
		"$(guest fmb read alpha g)" "\"epoch\": $((1 + 2 * skip)), \"pages\": $((8 + skip * 592)), \"staged\": 0"
	check_has "the next one is committed" \
		"$(guest fma send alpha g pages=600 wait=10000)" '"reason": "none"'
done

# --- Anywhere at all: allocations of our threads fail at random

if [[ -d $DEBUG/failslab ]]; then
	for kind in failslab fail_page_alloc; do
		echo Y >$DEBUG/$kind/task-filter
		echo N >$DEBUG/$kind/ignore-gfp-wait
		echo 4 >$DEBUG/$kind/probability
		echo -1 >$DEBUG/$kind/times
		echo 0 >$DEBUG/$kind/verbose
	done
	[[ ! -e $DEBUG/fail_page_alloc/min-order ]] || echo 0 >$DEBUG/fail_page_alloc/min-order
	for ((round = 0; round < 12; round++)); do
		for thread in $(pgrep '^kvmft'); do
			echo 1 >"/proc/$thread/make-it-fail"
		done 2>/dev/null
		guest fma send alpha g pages=600 seed=$round wait=1000
		(( round % 4 )) || { at fma ftctl pair del alpha; connect; guest fma attach alpha g source; }
	done >/dev/null 2>&1
	for kind in failslab fail_page_alloc; do
		echo 0 >$DEBUG/$kind/probability
	done
	check "after allocations failed at random: up" wait_until 20 is_up
	check_has "and epochs are committed" \
		"$(guest fma send alpha g pages=600 wait=20000)" '"reason": "none"'
fi

apart
check "the module unloads" rmmod kvmft
done_testing
