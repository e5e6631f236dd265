#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=2 timeout=400 either
#
# What strikes at an exact point of an epoch's way: before COMMIT, before its ACK, before it
# is applied. The primary's VMM dies there, or the cable breaks: the standby goes on from one
# epoch or the other, and outputs stay one sequence. Modules and pairs can't be removed
# there, and a guest that is let go runs on here and is not woken there. All with clocks on
# the walls that are an hour apart.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/pairlab.sh
. "$(dirname "$0")/../lib/pairlab.sh"
# shellcheck source=../lib/vmlab.sh
. "$(dirname "$0")/../lib/vmlab.sh"
# shellcheck source=../lib/faultlab.sh
. "$(dirname "$0")/../lib/faultlab.sh"

TIMEOUT=2
options=(--guest counter --seed 7 --vcpus 2 --hash)

module=$KVMFT_KO_FAULTS
load_module h1
load_module h2
make_key
wall=$(on h2 date +%s)
check "clocks are an hour apart" on h2 date -s "@$((wall + 3600))"
check "the pair is up" pair_hosts timeout ${TIMEOUT}s

# goes_on_there NAME
goes_on_there()
{
	check "$1: the standby goes on" wait_until 20 guest_is h2 solo
	makes_output "$1: it makes output" h2
	check_eq "$1: its memory is what it was" equal "$(hashes)"
	one_sequence "$1"
}

# The standby that is there now isn't the one that had its state.
# shellcheck disable=SC2317
has_met_another()
{
	guest_is h1 held && why h1 | grep -q "ftctl solo"
}

n=0
for point in "${EPOCH_POINTS[@]}"; do
	host=$(host_of_point "$point" h1 h2)

	# Each mode with each of both in turn.
	modes=(sync async)
	for fault in vmm cable; do
		mode=${modes[(n / 2 + n) % 2]}
		n=$((n + 1))
		name="$point, $mode, $fault"
		protected_anew "$name" mode "$mode"
		on h2 ftctl set g promote auto
		check "$name: it is there" reach_point "$host" "$point"
		if [[ $fault == vmm ]]; then
			on h1 pkill -9 -x flatvmm
		else
			"$LAB" cut h1 h2 repl
		fi
		sleep 0.3
		leave_points h1 h2
		goes_on_there "$name"
		if [[ $fault == cable ]]; then
			check "$name: here it is held" wait_until 10 guest_is h1 held
			check "$name: and quiet" is_quiet h1
			"$LAB" heal
			check "$name: it learns that it isn't to go on" wait_until 20 guest_is h1 fenced
		fi
	done

	name="$point, removal"
	protected_anew "$name" mode "${modes[n / 2 % 2]}"
	on h2 ftctl set g promote auto
	check "$name: it is there" reach_point "$host" "$point"
	for side in h1 h2; do
		check_has "$name: the module of $side stays" "$(status on $side rmmod kvmft)" "in use"
		check_has "$name: the pair of $side stays" \
			"$(status timeout 10 "$LAB" exec -n $side ftctl pair del alpha)" "detach"
	done
	on h1 sh -c 'ftctl detach g >/tmp/detached 2>&1; echo $? >>/tmp/detached' &
	sleep 0.3
	leave_points h1 h2
	wait $!
	check_eq "$name: it is let go" 0 "$(on h1 tail -n 1 /tmp/detached)"
	on h1 cat /tmp/detached | sed 's/^/# /'
	makes_output "$name: it goes on here" h1
	on h1 pkill -9 -x flatvmm
	check "$name: and isn't woken there" stays h2 waiting-peer

	name="$point, standby detached"
	protected_anew "$name"
	check "$name: it is there" reach_point "$host" "$point"
	on h2 sh -c 'ftctl detach g >/tmp/detached 2>&1; echo $? >>/tmp/detached' &
	sleep 0.3
	leave_points h1 h2
	wait $!
	check_eq "$name: it is detached" 0 "$(on h2 tail -n 1 /tmp/detached)"
	vmm h2 --standby "${options[@]}"
	check "$name: another one is there" on h2 ftctl attach g pair alpha \
		pid "$(<"$scratch/vmm_h2")" role standby promote manual
	# It might have been promoted meanwhile, so somebody has to say that it wasn't.
	check "$name: here it waits for a word" wait_until 10 has_met_another
	check "$name: it is told to go on" on h1 ftctl solo g
	check "$name: it is protected again" wait_until 40 guest_is h1 protected
	makes_output "$name: it makes output again" h1
done

let_go
both_unload
done_testing
