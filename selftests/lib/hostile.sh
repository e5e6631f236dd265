# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# hostile.sh - rounds with a hostile VMM beside an honest guest, for vm_hostile*.sh.
# Behind tap.sh, pairlab.sh, vmlab.sh and vmslab.sh.
# shellcheck disable=SC2317 # some functions are called through others

# So many things a hostile VMM has to have done before the next step.
MISDEEDS=40

# misbehave HOST SEED KIND...: begin, and wait until it has done enough, or has ended itself,
# which it may. One that doesn't answer does all it can.
misbehave()
{
	# shellcheck disable=SC2016
	on "$1" bash -c '
		cd /tmp/vms/bad || exit
		enough=$1
		timeout 20 ../sidevmm ask control scribble "${@:2}"
		for n in {1..200}; do
			kill -0 "$(<pid)" || exit
			said=$(timeout 20 ../sidevmm ask control status) || exit
			[[ $said =~ \"misdeeds\":\ ([0-9]+) ]] || exit
			(( BASH_REMATCH[1] < enough )) || exit 0
			sleep 0.05
		done' bash "$MISDEEDS" "${@:2}" >/dev/null 2>&1
}

# protected_on HOST: before long.
protected_on()
{
	# shellcheck disable=SC2016
	on "$1" bash -c '
		for (( n = 0; n < $1; n++ )); do
			read -r state </sys/class/kvmft/vm-bad/state
			[[ $state != protected ]] || exit 0
			sleep 0.05
		done
		echo "$state"
		exit 1' bash "$(awk "BEGIN { print int(400 * ${KVMFT_TIME_SCALE:-1}) }")"
}

# honest_begins: the guest g of both hosts, which nothing of all this may touch.
honest_begins()
{
	local options=(--guest counter --seed 7 --vcpus 1 --memory 32M)

	check "an honest guest runs" vmm h1 "${options[@]}"
	check "and has a standby" vmm h2 --standby "${options[@]}"
	check "it is protected" protect mode async
	honest=$(honest_says h1)
}

# honest_says HOST: how it is, and how often something went wrong for it.
honest_says()
{
	# shellcheck disable=SC2016
	on "$1" bash -c 'cd /sys/class/kvmft/vm-g && echo "$(<state) $(<counters/aborted)"'
}

# hostile_round WHO WHEN MODE DIRTY SEED KIND...: who is the primary, the standby or both;
# it begins when it is bound, attached (and maybe copied), protected or promoting.
hostile_round()
{
	local who=$1 when=$2 mode=$3 dirty=$4 seed=$5 what="$*" hosts
	local command="--guest counter --seed 9 --vcpus 2 --memory 32M --dirty $dirty --pages 4"
	shift 5

	case $who in
	primary) hosts=h1 ;;
	standby) hosts=h2 ;;
	*) hosts="h1 h2" ;;
	esac
	# at WHEN: now, if now is it.
	at()
	{
		local host

		[[ $when == "$1" ]] || return 0
		for host in $hosts; do
			misbehave "$host" "$seed" "${@:2}"
		done
	}

	vmms h1 <<<"bad $command" &
	if ! vmms h2 <<<"bad $command --standby" || ! wait $!; then
		fail "$what: there is one"
		return
	fi
	at bound "$@"
	attach_all h2 standby <<<bad
	attach_all h1 primary <<<"bad mode $mode"
	at attached "$@"
	[[ $when != protected && $when != promoting ]] ||
		check "$what: it is protected at first" protected_on h1
	at protected "$@"
	[[ $when == attached || $who == primary && $when != promoting ]] ||
		on h2 ftctl failover bad --force >/dev/null 2>&1
	at promoting "$@"

	check_eq "$what: the honest one doesn't notice" "$honest" "$(honest_says h1)"
	# A hostile standby may take over for ever.
	check "$what: it is let go" detach_all h1 --force <<<bad
	check "$what: and so is its standby" detach_all h2 --force <<<bad
}

# honest_ends: it goes on at the other host as if nothing had been.
honest_ends()
{
	local before

	check_eq "the honest one is protected still" "$honest" "$(honest_says h1)"
	check_has "with its standby" "$(honest_says h2)" protected
	before=$(lines h1)
	check "and makes output" wait_until 30 more_lines h1 "$before"
	check "its standby takes over" on h2 ftctl failover g --force
	check "it has" wait_until 20 guest_is h2 solo
	check "it goes on" wait_until 30 more_lines h2 3
	check_has "its outputs are one sequence" \
		"$(judge --guest counter --seed 7 --vcpus 1 --duplicates 64)" " outputs, "
	let_go
	on h1 pkill -9 -x flatvmm
	on h2 pkill -9 -x flatvmm
	on h1 ftctl pair del alpha
	on h2 ftctl pair del alpha
	check "nothing holds the module here" wait_until 20 on h1 rmmod kvmft
	check "nor there" wait_until 20 on h2 rmmod kvmft
}
