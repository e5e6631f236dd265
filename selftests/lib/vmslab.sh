# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# vmslab.sh - for tests with several guests side by side. Behind pairlab.sh; each guest
# has a name, and a VMM on each host whose files are in /tmp/vms/NAME.
# shellcheck disable=SC2154 # scratch is pairlab's

# vmms HOST: a VMM for each line of the input, "NAME OPTIONS...", all at once.
vmms()
{
	# shellcheck disable=SC2016
	"$LAB" exec "$1" bash -c '
		mkdir -p /tmp/vms
		[[ -e /tmp/vms/sidevmm ]] || cp "$1" /tmp/vms/sidevmm
		names=()
		while read -r name options; do
			names+=("$name")
			rm -rf "/tmp/vms/$name"
			mkdir "/tmp/vms/$name"
			cd "/tmp/vms/$name" || exit 1
			setsid ../sidevmm --output out --control control $options \
				>said 2>&1 </dev/null &
			echo $! >pid
		done
		for name in "${names[@]}"; do
			for n in $(seq 400); do
				grep -q ^ready "/tmp/vms/$name/said" && continue 2
				sleep 0.05
			done
			cat "/tmp/vms/$name/said"
			exit 1
		done' bash "$KVMFT_BUILD/selftests/flat/flatvmm"
}

# attach_all HOST ROLE: all lines of the input, "NAME ARGUMENTS...". What ftctl complains
# about is in /tmp/vms/NAME/attach.
attach_all()
{
	# shellcheck disable=SC2016
	"$LAB" exec "$1" bash -c '
		while read -r name arguments; do
			cd "/tmp/vms/$name" || exit 1
			ftctl attach "$name" pair alpha pid "$(<pid)" role "$1" $arguments \
				>attach 2>&1 </dev/null
		done' bash "$2"
}

# detach_all HOST [--force]: all names of the input; and end their VMMs, the only ones of vmms
# there.
detach_all()
{
	# shellcheck disable=SC2016
	"$LAB" exec "$1" bash -c '
		while read -r name; do
			said=$(timeout 60 ftctl detach "$name" $1 2>&1 </dev/null) ||
				[[ $said == *"there is no guest"* ]] ||
				{ echo "$name: $? $said"; failed=1; }
			[[ ! -e /sys/class/kvmft/vm-$name ]] || { echo "$name is there"; failed=1; }
			kill -9 "$(cat "/tmp/vms/$name/pid" 2>/dev/null)" 2>/dev/null
		done
		for n in $(seq 400); do
			pgrep -x sidevmm >/dev/null || exit $((failed + 0))
			sleep 0.05
		done
		pgrep -x sidevmm
		exit 1' bash "${2:-}"
}

# ask_vmm HOST NAME COMMAND...
ask_vmm()
{
	on "$1" timeout 20 /tmp/vms/sidevmm ask "/tmp/vms/$2/control" "${@:3}"
}

# told HOST: "NAME STATE REASON WHY" of each guest, a line each.
told()
{
	on "$1" ftctl --json show | python3 -B -c 'import json, sys
for vm in json.load(sys.stdin):
    print(vm["name"], vm["state"], vm["reason"] or "-", vm["why"] or "-")'
}

# of NAME: its line of the input, without the name.
of()
{
	sed -n "s/^$1 //p"
}
