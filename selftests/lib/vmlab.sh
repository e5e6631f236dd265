# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# vmlab.sh - for tests with a guest of flatvmm on two hosts. Behind pairlab.sh.
# shellcheck disable=SC2154	# scratch is pairlab's

# How long guests rest after each output, in us: as fast as they can, they would take the
# processors of whatever else is done in their hosts.
rest=30000

# Where outputs are.
outputs=/tmp/vmm/out

# vmm HOST OPTIONS...: a VMM there, in place of the one before.
vmm()
{
	local host=$1
	shift
	# shellcheck disable=SC2016
	on "$host" sh -c '
		if pkill -9 -x flatvmm; then
			while pgrep -x flatvmm >/dev/null; do sleep 0.05; done
		fi
		rm -rf /tmp/vmm; mkdir -p /tmp/vmm; cd /tmp/vmm
		cp "$1" . ; shift
		setsid ./flatvmm --output out --control control "$@" >said 2>&1 </dev/null &
		for n in $(seq 200); do
			while read -r word pid more; do
				[ "$word" = ready ] && echo "$pid" && exit
			done <said
			sleep 0.05
		done
		cat said >&2; exit 1' sh "$KVMFT_BUILD/selftests/flat/flatvmm" --rest "$rest" "$@" \
		>"$scratch/vmm_$host"
}

# both_vmms OPTIONS...: VMMs on both hosts that are alike.
both_vmms()
{
	vmm h2 --standby "$@" &
	vmm h1 "$@" && wait $!
}

# end_vmms HOST...: no VMM is left there, so that the module can be unloaded.
end_vmms()
{
	local host
	for host; do
		on "$host" sh -c 'pkill -9 -x flatvmm
			while pgrep -x flatvmm >/dev/null; do sleep 0.05; done'
	done
}

# both_unload: there is no VMM any more on either host, and no module.
both_unload()
{
	local host
	end_vmms h1 h2
	for host in h1 h2; do
		check "$host: the module unloads" wait_until 10 on $host rmmod kvmft
	done
}

# ask HOST COMMAND...: its control socket.
ask()
{
	local host=$1
	shift
	on "$host" /tmp/vmm/flatvmm ask /tmp/vmm/control "$@"
}

# guest HOST FILE: of its directory in sysfs.
guest()
{
	on "$1" cat "/sys/class/kvmft/vm-g/$2" 2>/dev/null
}

guest_is()
{
	[[ $(guest "$1" state) == "$2" ]]
}

counter()
{
	guest "$1" "counters/$2"
}

# has_committed COUNT: h1 has, all in all.
has_committed()
{
	(( $(counter h1 committed) >= $1 ))
}

# some_epochs N: more than so many are committed from now on.
some_epochs()
{
	wait_until 60 has_committed $(($(counter h1 committed) + $1 + 1))
}

# protects PRIMARY STANDBY [ATTACH-ARGUMENTS...]: the guest of one host, by a standby on
# the other.
protects()
{
	local primary=$1 standby=$2
	shift 2
	on "$standby" ftctl attach g pair alpha pid "$(<"$scratch/vmm_$standby")" role standby promote manual &&
		on "$primary" ftctl attach g pair alpha pid "$(<"$scratch/vmm_$primary")" "$@" &&
		wait_until 40 guest_is "$primary" protected &&
		wait_until 10 guest_is "$standby" protected
}

# protect [ATTACH-ARGUMENTS...]: the guest of h1, by a standby on h2.
protect()
{
	protects h1 h2 "$@"
}

# let_go: both ends, whoever could still take over.
let_go()
{
	on h1 ftctl detach g --force 2>/dev/null
	on h2 ftctl detach g --force 2>/dev/null
}

# vmms_anew OPTIONS...: VMMs on both hosts that are alike, in place of all that was there.
vmms_anew()
{
	let_go
	end_vmms h1 h2
	both_vmms "$@"
}

# protected_anew NAME [ARGUMENTS...]: new ones, of the test's options, and a guest that is protected.
protected_anew()
{
	vmms_anew "${options[@]}"
	check "$1: protected" protect "${@:2}"
	makes_output "$1: it makes output" h1
}

# stays HOST STATE: for two time-outs.
# shellcheck disable=SC2317
stays()
{
	local n
	for ((n = 0; n < 8; n++)); do
		guest_is "$1" "$2" || return
		sleep $((TIMEOUT * 2 * 1000 / 8))e-3
	done
}

# lines HOST: outputs that are out there.
lines()
{
	on "$1" sh -c "wc -l <$outputs 2>/dev/null || echo 0"
}

more_lines()
{
	(( $(lines "$1") > $2 ))
}

# judge OPTIONS...: the outputs of h1, then those of h2.
judge()
{
	on h1 cat "$outputs" >"$scratch/out1"
	on h2 cat "$outputs" >"$scratch/out2"
	python3 -B "$KVMFT_ROOT/selftests/lib/flat_judge.py" judge "$@" \
		"$scratch/out1" "$scratch/out2"
}

# one_sequence NAME: what came from h1, and then from h2, of a counter of seed 7 and two vcpus.
one_sequence()
{
	check_has "$1: its outputs are one sequence" \
		"$(judge --seed 7 --vcpus 2 --duplicates "$(told h2 loaded)")" " outputs, "
}

# vm_there HOST: is it attached?
vm_there()
{
	on "$1" test -e /sys/class/kvmft/vm-g
}

vm_gone()
{
	! vm_there "$1"
}

# why HOST: what is said about its state.
why()
{
	on "$1" ftctl show g | sed -n 's/^ *because //p'
}

# watch_events HOST...: what is told about the guest, from here on.
watch_events()
{
	local host
	for host; do
		on "$host" sh -c '
			setsid ftctl --json monitor vm g >>/tmp/events 2>&1 </dev/null &'
	done
}

forget_events()
{
	on h1 truncate -s 0 /tmp/events
	on h2 truncate -s 0 /tmp/events
}

# events HOST: all of them, as "EVENT STATE [REASON],...".
events()
{
	on "$1" cat /tmp/events | sed -nE 's/.*"event":"([a-z]+)".*"state":"?([a-z-]+)"?,"reason":"?([a-z-]+)"?,.*/\1 \2 \3/; s/ null$//; p' | paste -sd,
}

events_are()
{
	[[ $(events "$1") == "$2" ]]
}

# check_events NAME HOST WANTED: these, soon, and no others.
check_events()
{
	wait_until 10 events_are "$2" "$3"
	check_eq "$1" "$3" "$(events "$2")"
}

# users HOST: how many hold the module, and how many VMs KVM has there.
users()
{
	# shellcheck disable=SC2016
	on "$1" sh -c 'echo "$(cat /sys/module/kvmft/refcnt) $(find /sys/kernel/debug/kvm -maxdepth 1 -name "*-*" | wc -l)"'
}

users_are()
{
	[[ $(users "$1") == "$2" ]]
}

# told HOST NAME: a number of what "status" tells.
told()
{
	ask "$1" status | sed -n "s/.*\"$2\": \([0-9]*\).*/\1/p"
}

# trace_anew [HOST]: nothing has been traced there so far, h1 unless one is named. A test before may
# have left it stopped.
trace_anew()
{
	on "${1:-h1}" sh -c '
		[ -e /sys/kernel/tracing/trace ] || mount -t tracefs nodev /sys/kernel/tracing
		cd /sys/kernel/tracing && echo 1 >tracing_on && echo 4096 >buffer_size_kb && echo >trace'
}

# host_traces HOST EVENT...: from now on, these of kvmft's.
host_traces()
{
	# shellcheck disable=SC2016
	trace_anew "$1" && on "$1" sh -c '
		cd /sys/kernel/tracing || exit
		for event; do
			echo 1 >"events/kvmft/kvmft_$event/enable" || exit
		done' sh "${@:2}"
}

# trace_on EVENT...: the same on h1.
trace_on()
{
	host_traces h1 "$@"
}

# trace_off HOST: none of kvmft's any more.
trace_off()
{
	on "$1" sh -c 'echo 0 >/sys/kernel/tracing/events/kvmft/enable'
}

# times_slept HOST: how often threads of kvmft's there have slept so far, all together.
times_slept()
{
	# shellcheck disable=SC2016
	on "$1" sh -c '
		for pid in $(pgrep ^kvmft); do
			sed -n "s/^voluntary_ctxt_switches:[^0-9]*//p" "/proc/$pid/status"
		done | awk "{ n += \$1 } END { print n }"'
}

# traced NAME EVENT FIELD: of each time that the event was about this guest so far.
traced()
{
	on h1 sh -c "sed -n 's/.*kvmft_$2: vm=$1 .*$3=\([0-9]*\).*/\1/p' /sys/kernel/tracing/trace"
}

# quantile PERCENT: of the numbers that come in; nothing if there are none.
quantile()
{
	sort -n | awk -v p="$1" '{ n[NR] = $1 } END { if (NR) print n[int((NR - 1) * p / 100) + 1] }'
}

# middle NUMBER...: the median.
middle()
{
	printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"
}

# hashes: was the memory of h2's guest, promoted, what it had been on h1?
hashes()
{
	ask h2 status | python3 -B -c 'import json, sys
h = json.load(sys.stdin)["hash"]
print("equal" if h["saved"] == h["found"] else "saved %(saved)s found %(found)s" % h)'
}

# goes_over NAME: h1's VMM dies, and its standby, which is to take over by itself, has all.
goes_over()
{
	on h1 pkill -9 -x flatvmm
	check "$1: the standby goes on" wait_until 20 guest_is h2 solo
	check_eq "$1: its memory is what it was" equal "$(hashes)"
}

# makes_output NAME HOST: more than it has made so far.
makes_output()
{
	check "$1" wait_until 20 more_lines "$2" "$(lines "$2")"
}

# is_quiet HOST: nothing leaves within a second.
is_quiet()
{
	local before
	before=$(lines "$1")
	sleep 1
	[[ $(lines "$1") == "$before" ]]
}

reason_of_vm_is()
{
	[[ $(guest "$1" reason) == "$2" ]]
}
