#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: host module=none timeout=120 either
#
# The fault points of a test build do what fault.h says, and what they make fail
# leaves nothing behind.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/module.sh
. "$(dirname "$0")/../lib/module.sh"

FAULTS=/sys/module/kvmft/parameters/faults
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

order()
{
	echo "$1" >$FAULTS
} 2>/dev/null

# look POINT: what there is to read of it goes to $state, $hits and $held.
look()
{
	local name

	while read -r name state hits held; do
		[[ $name != "$1" ]] || break
	done <$FAULTS
	hits=${hits#hits=}
	held=${held#held=}
}

# waiting POINT N: so many tasks wait there.
# shellcheck disable=SC2317
waiting()
{
	look "$1"
	[[ $held == "$2" ]]
}

opens()
{
	true </dev/kvmft
} 2>/dev/null

# outcome PID: how a child of ours ended.
outcome()
{
	wait "$1"
	result=$?
} 2>/dev/null

# killed PID POINT N: SIGKILLs a child that waits at a point; N wait there then.
# It must go long before the hold ends by itself.
killed()
{
	kill -KILL "$1"
	result=late
	! wait_until 5 waiting "$2" "$3" || outcome "$1"
}

# --- Initialization

mapfile -t points < <(sed -n 's/^KVMFT_FAULT_POINT(.*, \(.*\))$/\1/p' \
	"$KVMFT_ROOT/kmod/fault_points.h")
errors=("12 Cannot allocate memory" "5 Input/output error" "28 No space left on device"
	"16 Device or resource busy")

module_mark
for point in "${points[@]}"; do
	[[ $point == init_* ]] || continue
	check_has "$point: the errno of a failure reaches who loads it" \
		"$(status insmod "$KVMFT_KO_FAULTS" "faults=$point:error=${errors[0]%% *}")" \
		"1 insmod: ERROR: could not insert module $KVMFT_KO_FAULTS: ${errors[0]#* }"
	check_eq "$point: nothing of it is left" "" "$(module_traces)"
	check "$point: after that it loads" insmod "$KVMFT_KO_FAULTS"
	check_eq "$point: and is whole" "$module_whole" "$(module_traces)"
	rmmod kvmft
	errors=("${errors[@]:1}" "${errors[0]}")
done
check_eq "the kernel has nothing to say about that" "" "$(module_complaints)"

check_has "an order that makes no sense is no module" \
	"$(status insmod "$KVMFT_KO_FAULTS" faults=nonsense)" "Invalid parameters"
check_eq "and leaves nothing" "" "$(module_traces)"

insmod "$KVMFT_KO_FAULTS" faults=init_sysfs:error=12,skip=1
look init_sysfs
check_eq "orders count from the first step of the initialization" "error=12 1" "$state $hits"
rmmod kvmft

# Called by name.
# shellcheck disable=SC2317
held_in_init()
{
	[[ -e $FAULTS ]] && waiting init_netlink 1
}

insmod "$KVMFT_KO_FAULTS" faults=init_netlink:hold &
check "a hold while it loads: it waits" wait_until 5 held_in_init
check_eq "a hold while it loads: all before is there, and nothing behind" \
	"/sys/module/kvmft /sys/module/kvm/holders/kvmft /sys/class/kvmft /sys/class/misc/kvmft /dev/kvmft" \
	"$(module_traces | xargs)"
check_has "a hold while it loads: the device lets nobody in" "$(status cat /dev/kvmft)" "No such device"
check_has "a hold while it loads: it can't be unloaded" "$(status rmmod kvmft)" "1 rmmod: ERROR: "
order init_netlink:release
outcome $!
check_eq "a hold while it loads: let go, it loads" "0 $module_whole" "$result $(module_traces)"
rmmod kvmft

insmod "$KVMFT_KO_FAULTS" faults=init_netlink:hold &
wait_until 5 held_in_init
kill -KILL $!
check "a hold while it loads: who waits can be killed" wait_until 5 test ! -e $FAULTS
outcome $!
check_eq "a hold while it loads: killed, nothing is left" "137 " "$result $(module_traces)"

# --- Orders

check "it loads with nothing armed" insmod "$KVMFT_KO_FAULTS"
[[ -e $FAULTS ]] || done_testing
check_eq "the parameter is root's" "600 root" "$(stat -c '%a %U' $FAULTS)"
check_eq "reading lists every point, in order" "${points[*]}" \
	"$(cut -d ' ' -f 1 $FAULTS | xargs)"
look hook_open
check_eq "which is off, was never passed, and holds nobody" "off 0 0" "$state $hits $held"

# An order, and what reading hook_open gives then; the second one from hold.
while read -r text wanted; do
	order "hook_open:hold"
	accepted=no
	! order "$text" || accepted=yes
	look hook_open
	check_eq "accepted: $text" "yes $wanted" "$accepted $state"
done <<'END'
hook_open:error=1 error=1
hook_open:error=4095 error=4095
hook_open:error=5,skip=0 error=5
hook_open:error=5,skip=3 error=5,skip=3
hook_open:error=5,times=1 error=5,times=1
hook_open:error=5,skip=4294967295,times=4294967295 error=5,skip=4294967295,times=4294967295
hook_open:times=2,skip=1,error=5 error=5,skip=1,times=2
hook_open:hold hold
hook_open:release hold
hook_open:off off
off off
hook_open:error=5;hook_open:off off
off;hook_open:error=5 error=5
version_dump:error=7;hook_open:error=5;init_hook:hold error=5
END
check_eq "several orders take effect together" "init_hook hold,hook_open error=5,version_dump error=7" \
	"$(grep -v ' off ' $FAULTS | cut -d ' ' -f 1-2 | paste -sd ,)"
printf hook_open:off >$FAULTS
look hook_open
check_eq "an order needs no newline" off "$state"
many=$(printf 'hook_open:error=5,times=%d;' 1 2 3 4 5 6 7 8 9)
order "${many%;}"
look hook_open
check_eq "orders may be more than one is allowed to be" error=5,times=9 "$state"

order 'hook_open:error=5,skip=3,times=2;version_dump:hold;init_hook:off'
read -rd '' before <$FAULTS
# shellcheck disable=SC2054
refused=('' ';' 'off;' ';off' 'off ' ' off' offf of on release hook_open 'hook_open:' ':off'
	':' nosuch:off hook_ope:off HOOK_OPEN:off 'hook_open :off' 'hook_open: off' hook_open:on
	hook_open:hold,skip=1 hook_open:release=1 hook_open:off:off hook_open:error
	hook_open:error= hook_open:error=0 hook_open:error=4096 hook_open:error=-5
	hook_open:error=5x hook_open:error=0x5 hook_open:error=4294967301 'hook_open:error= 5'
	hook_open:error=5, hook_open:error=5,times=0 hook_open:error=5,times=
	hook_open:error=5,times=-1 hook_open:error=5,times=4294967296
	hook_open:error=5,skip=-1 hook_open:error=5,skip=4294967296 hook_open:error=5,skip
	hook_open:error=5,error=6 hook_open:error=5,skip=1,skip=1 hook_open:error=5,later=1
	hook_open:skip=1 hook_open:times=1 hook_open:skip=1,times=1 'hook_open:error=5 times=1'
	'hook_open:off;nosuch:off' 'hook_open:off;;off' 'off;hook_open:error=0'
	$'hook_open:off\noff' $'off\n' "hook_open:error=$(printf '%0120d' 5)")
for text in "${refused[@]}"; do
	case $text in
	*$'\n'*) said=$(cat <<<"$text" 2>&1 >$FAULTS) ;;	# echo would write line by line
	*) said=$( { echo "$text" >$FAULTS; } 2>&1) ;;
	esac
	read -rd '' after <$FAULTS
	check_eq "refused: ${text@Q}" "Invalid argument; $before" "${said##*: }; $after"
done
order off

# --- Failing

look hook_open
before=$hits
opens
opens
look hook_open
check_eq "who passes is counted, armed or not" 2 $((hits - before))

order hook_open:error=13,skip=2,times=2
said=
for wanted in error=13,skip=1,times=2 error=13,times=2 error=13,times=1 off off; do
	opens
	said+="$? "
	look hook_open
	check_eq "skip and times count down to $wanted" "$wanted" "$state"
done
check_eq "it fails as often as it was told, after as many passes" "0 0 1 1 0 " "$said"

order hook_open:error=13
check_has "the errno reaches who opens" "$( { true </dev/kvmft; } 2>&1)" "Permission denied"
opens
said=$?
opens
said+=" $?"
look hook_open
check_eq "without times there is no end to it" "1 1 error=13" "$said $state"
order hook_open:off
check "off ends it" opens

order version_dump:error=28,times=1
check_has "the errno reaches who dumps" "$(status ftctl version)" \
	"ftctl: the kernel says: No space left on device"
check "the next dump is fine" ftctl version

# --- Holding

# hold_open: somebody comes to a hold in open, and is $opener. Not for check,
# since that would be another shell.
hold_open()
{
	opens &
	opener=$!
	wait_until 5 waiting hook_open 1
}

order hook_open:hold
hold_open
check_eq "hold: who opens waits" "hold 1" "$state $held"
check_has "hold: the module can't be unloaded" "$(status rmmod kvmft)" \
	"1 rmmod: ERROR: Module kvmft is in use"
order hook_open:release
outcome "$opener"
look hook_open
check_eq "release: who waits is let go" "0 hold 0" "$result $state $held"
hold_open
check_eq "release: the next one waits again" "hold 1" "$state $held"
killed "$opener" hook_open 0
check_eq "who waits can be killed" "137 hold 0" "$result $state $held"
hold_open
order hook_open:hold
outcome "$opener"
check_eq "another hold lets go" 0 "$result"
hold_open
order hook_open:error=13
outcome "$opener"
check_eq "an error lets go, and fails" 1 "$result"
order hook_open:hold
hold_open
order hook_open:off
outcome "$opener"
look hook_open
check_eq "off of one point lets go" "0 off 0" "$result $state $held"
check "and nobody waits any more" opens

order version_dump:hold
ftctl version >"$scratch/one" &
one=$!
ftctl version >"$scratch/two" &
two=$!
check "hold: who dumps waits, and doesn't keep others from it" wait_until 5 waiting version_dump 2
check_has "hold of a dump: the module can't be unloaded" "$(status rmmod kvmft)" \
	"1 rmmod: ERROR: Module kvmft is in use"
killed "$one" version_dump 1
check_eq "who waits in a dump can be killed, and the other waits on" "137 1" "$result $held"
order "hook_open:error=5;init_hook:hold"
order off
outcome "$two"
check_eq "off lets go" "0 module $(cat /sys/module/kvmft/version)" \
	"$result $(grep module "$scratch/two")"
check_eq "and everything is off" "" "$(grep -v ' off .* held=0$' $FAULTS)"

check "after all that it can be unloaded" rmmod kvmft
check_eq "nothing of it is left" "" "$(module_traces)"
check_eq "the kernel has no more to say than which parameter it refused" "" \
	"$(module_complaints "\`nonsense' invalid for parameter \`faults'\$")"

done_testing
