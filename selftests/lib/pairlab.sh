# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# pairlab.sh - for tests with two hosts and a pair. Behind tap.sh.

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' TERM

# on HOST COMMAND...: run it there.
on()
{
	"$LAB" exec -n "$@"
}

# load_module HOST [PARAMETER...]: kvmft anew, the build $module; the shipped one by default.
# What a test before has left running there would keep the old one.
load_module()
{
	# shellcheck disable=SC2016
	"$LAB" exec -n "$1" sh -c '
		pkill -9 -x "(flat|side)vmm"; pkill -9 -x ftctl
		for n in $(seq 200); do
			grep -q "^kvmft " /proc/modules || break
			rmmod kvmft 2>/dev/null || sleep 0.1
		done
		cp --remove-destination "$1" /usr/local/sbin/ftctl
		shift
		exec insmod "$@"' sh "$KVMFT_BUILD/tools/ftctl" "${module:-$KVMFT_KO_SHIPPED}" "${@:2}"
}

# give_key HOST: the key that make_key made.
give_key()
{
	"$LAB" exec "$1" sh -c 'umask 077; cat >/run/key' <"$scratch/key"
}

# make_key: one, for both hosts.
make_key()
{
	(umask 077; od -An -vtx1 -N32 /dev/urandom | tr -d ' \n' >"$scratch/key")
	local h
	for h in h1 h2; do
		give_key $h
	done
}

# pair_up HOST ROLE ADDRESS [ARGUMENTS...]
pair_up()
{
	"$LAB" exec -n "$1" sh -c 'date +%s%N >/run/begun; exec ftctl pair add alpha "$@"' sh \
		"$2" "$3" key /run/key "${@:4}"
}

# pair_end HOST [ARGUMENTS...]: its end of the pair; h2 listens.
pair_end()
{
	case $1 in
	h2) pair_up "$1" listen 10.77.1.2:7700 "${@:2}" ;;
	*) pair_up "$1" connect 10.77.1.2:7700 "${@:2}" ;;
	esac
}

# reboot_into_pair HOST [ARGUMENTS...]: it is on again, with the module and its end of the pair.
reboot_into_pair()
{
	"$LAB" reboot "$1" && load_module "$1" && give_key "$1" && pair_end "$@"
}

# pair_hosts [ARGUMENTS...]: h1 and h2, with the module and a key, are a pair, and it is up.
pair_hosts()
{
	pair_end h2 "$@"
	pair_end h1 "$@"
	wait_until 20 state_is h1 up
}

# took HOST: ms from its pair_up to its present state.
took()
{
	"$LAB" exec -n "$1" python3 -c '
import json, subprocess
pair = json.loads(subprocess.check_output(["ftctl", "--json", "pair", "show", "alpha"]))[0]
print((pair["state_time_ns"] - int(open("/run/begun").read())) // 1000000)'
}

# sysfs HOST FILE: of the pair.
sysfs()
{
	"$LAB" exec -n "$1" cat "/sys/class/kvmft/pair-alpha/$2"
}

state_is()
{
	[[ $(sysfs "$1" state) == "$2" ]]
}

reason_is()
{
	[[ $(sysfs "$1" reason) == "$2" ]]
}
