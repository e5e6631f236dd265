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
load_module()
{
	"$LAB" exec -n "$1" sh -c 'rmmod kvmft 2>/dev/null; exec insmod "$@"' sh \
		"${module:-$KVMFT_KO_SHIPPED}" "${@:2}"
	"$LAB" exec -n "$1" cp "$KVMFT_BUILD/tools/ftctl" /usr/local/sbin/ftctl
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
