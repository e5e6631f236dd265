#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: host long module=none timeout=120
#
# A random hour in the life of the module: both builds come, go and fail to come
# while others open the device and dump. Nothing may be refused but for a reason
# that is there, and in the end nothing is left.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/module.sh
. "$(dirname "$0")/../lib/module.sh"

STEPS=60
POINTS=(init_sysfs init_netlink init_hook)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"; wait' EXIT

# The whole plan at once: what to do, and a number to do it with.
plan()
{
	awk -v seed="${KVMFT_SEED:-1}" -v steps="$STEPS" 'BEGIN {
		srand(seed)
		n = split("shipped shipped faults faults unload unload unload" \
			  " open open dump dump fail fail", verbs)
		while (steps--)
			print verbs[int(rand() * n) + 1], int(rand() * 1000)
	}'
}

# wrong WHAT...: this step went wrong; the rest goes on.
wrong()
{
	echo "# step $step, $verb $number, loaded: ${loaded:-no}: $*"
	mistakes=$((mistakes + 1))
}

# What comes from the background, where the module may go away at any moment:
# a line in $scratch/wrong for what even that doesn't explain.

# open_for TENTHS: has the device open for so long, if it is there.
open_for()
{
	local said

	if { exec 3</dev/kvmft; } 2>"$scratch/open.$BASHPID"; then
		sleep "0.$1"
		return
	fi
	said=$(<"$scratch/open.$BASHPID")
	case $said in
	*": No such file or directory" | *": No such device" | *": No such device or address") ;;
	*) echo "step $step, open: $said" >>"$scratch/wrong" ;;
	esac
}

# dump_often N
dump_often()
{
	local said code i

	for ((i = 0; i < $1; i++)); do
		said=$(ftctl version 2>&1)
		code=$?
		case $code,$said in
		0,*"module "*"protocol "*) ;;
		1,*"the kvmft module isn't loaded"*) ;;
		# It went away between two questions.
		1,*"the kernel says: No such file or directory"*) ;;
		1,*"the kernel says: Operation not supported"*) ;;
		*) echo "step $step, dump: $code $said" >>"$scratch/wrong" ;;
		esac
	done
}

# load FILE BUILD [PARAMETER]: fails exactly if there is one already.
load()
{
	local said

	if said=$(insmod "$1" 2>&1); then
		[[ -z $loaded ]] || wrong "loaded twice"
		loaded=$2
	elif [[ -z $loaded || $said != *"File exists"* ]]; then
		wrong "$said"
	fi
}

# Whether one of those in the background has it open is only known when none is
# there: then it must go.
unload()
{
	local said busy

	busy=$(jobs -pr)
	if said=$(rmmod kvmft 2>&1); then
		[[ -n $loaded ]] || wrong "unloaded, though it wasn't there"
		loaded=
	elif [[ -z $loaded ]]; then
		[[ $said == *"is not currently loaded"* ]] || wrong "$said"
	elif [[ -z $busy || $said != *"Module kvmft is in use"* &&
		$said != *"Resource temporarily unavailable"* ]]; then
		wrong "$said"
	else
		refused=$((refused + 1))
	fi
}

# fail_init NUMBER: the initialization fails at some point, with some errno.
fail_init()
{
	local point=${POINTS[$1 % ${#POINTS[@]}]} said

	if said=$(insmod "$KVMFT_KO_FAULTS" "faults=$point:error=28" 2>&1); then
		wrong "it loads in spite of a fault at $point"
	elif [[ -n $loaded ]]; then
		[[ $said == *"File exists"* ]] || wrong "$said"
	elif [[ $said != *"No space left on device"* ]]; then
		wrong "$said"
	elif [[ -e /sys/module/kvmft || -e /sys/class/kvmft || -e /dev/kvmft ]]; then
		wrong "a failure at $point leaves $(module_traces | xargs)"
	fi
}

module_mark
loaded=
step=0
mistakes=0
refused=0
plan >"$scratch/plan"
: >"$scratch/wrong"
while read -r verb number; do
	step=$((step + 1))
	case $verb in
	shipped) load "$KVMFT_KO_SHIPPED" shipped ;;
	faults) load "$KVMFT_KO_FAULTS" faults ;;
	unload) unload ;;
	open) open_for $((number % 5 + 1)) & ;;
	dump) dump_often $((number % 8 + 1)) & ;;
	fail) fail_init "$number" ;;
	esac
	if [[ $loaded && ! -e /sys/module/kvmft || ! $loaded && -e /sys/module/kvmft ]]; then
		wrong "it isn't what it should be afterwards"
	fi
done <"$scratch/plan"
wait

echo "# refused while somebody had it open: $refused times"
check_eq "all $STEPS steps of seed ${KVMFT_SEED:-1} went as they had to" "$STEPS 0" "$step $mistakes"
check_eq "so did all in the background" "" "$(cat "$scratch/wrong")"
[[ -z $loaded ]] || check "with nobody there it can be unloaded" rmmod kvmft
check_eq "nothing of it is left" "" "$(module_traces)"
# shellcheck disable=SC2119
check_eq "the kernel has nothing to say about all this" "" "$(module_complaints)"

done_testing
