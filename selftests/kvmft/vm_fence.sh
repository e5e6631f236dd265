#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=2 timeout=400 breaks either
#
# Nobody goes on without the other host before that is fenced, if it is demanded: neither a
# standby nor a primary; not by time, and not by force. What fences is told by an agent, and
# here it is power that is taken away. And what it is good for: an output that is held up
# after it was permitted leaves when another host has the guest, if that isn't fenced.
# shellcheck disable=SC2317 # some functions are called through others
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/pairlab.sh
. "$(dirname "$0")/../lib/pairlab.sh"
# shellcheck source=../lib/vmlab.sh
. "$(dirname "$0")/../lib/vmlab.sh"

TIMEOUT=2
options=(--guest counter --seed 7 --vcpus 2 --hash)

load_module h1
load_module h2
make_key
check "the pair is up" pair_hosts timeout ${TIMEOUT}s

# What the agent runs in a host: it asks for power to be taken from the other one, and
# waits until somebody outside has done so.
# agent HOST COMMAND: in the background.
agent()
{
	# shellcheck disable=SC2016
	on "$1" sh -c 'rm -f /tmp/fence-*; setsid ftctl agent --fence "$1" >/tmp/agent 2>&1 </dev/null &
		for n in $(seq 100); do
			pgrep -x ftctl >/dev/null && exit; sleep 0.05
		done; exit 1' sh "$2"
}
# shellcheck disable=SC2016
ASK='echo "$KVMFT_GUEST" >/tmp/fence-wanted; until [ -e /tmp/fence-done ]; do sleep 0.1; done'

fence_wanted()
{
	on "$1" test -e /tmp/fence-wanted
}

# take_power OF FOR: off with it, and say so.
take_power()
{
	"$LAB" kill "$1" && on "$2" touch /tmp/fence-done
}

# begin NAME PRIMARY-WORDS...: both anew.
begin()
{
	local name=$1
	shift
	vmms_anew "${options[@]}"
	on h2 ftctl attach g pair alpha pid "$(<"$scratch/vmm_h2")" role standby fencing required
	on h1 ftctl attach g pair alpha pid "$(<"$scratch/vmm_h1")" fencing required "$@"
	check "$name: protected" wait_until 40 guest_is h1 protected
	check "$name: the standby knows" wait_until 10 guest_is h2 protected
	makes_output "$name: it makes output" h1
}

# fence HOST: what became of it, as its guest knows.
fence()
{
	on "$1" ftctl --json show g | sed -n 's/.*"fence":"\{0,1\}\([a-z]*\).*/\1/p'
}

fence_is()
{
	[[ $(fence "$1") == "$2" ]]
}

# --- A standby

begin "standby"
agent h2 "exit 1"
"$LAB" cut h1 h2 repl
check "standby: it asks, and it can't be done" wait_until 20 fence_is h2 failed
check "standby: it doesn't go on" stays h2 waiting-peer
check_has "standby: nor by force" "$(status on h2 ftctl failover g --force)" "has to be fenced first"
on h2 pkill -x ftctl
agent h2 "$ASK"
on h2 sh -c 'ftctl fence g >/tmp/fence 2>&1' &
asked=$!
check "standby: its agent is asked" wait_until 20 fence_wanted h2
check_eq "standby: with the guest's name" g "$(on h2 cat /tmp/fence-wanted)"
check "standby: it doesn't go on before that is done" stays h2 waiting-peer
check_eq "standby: and says so" asked "$(fence h2)"
take_power h1 h2
check "standby: it goes on" wait_until 20 guest_is h2 solo
wait $asked
check_eq "standby: who has asked is told" 0 $?
makes_output "standby: it makes output" h2
check_has "standby: the agent tells" "$(on h2 cat /tmp/agent)" "g"
on h2 pkill -x ftctl
"$LAB" heal
reboot_into_pair h1 timeout ${TIMEOUT}s

# --- What is held up between the check and the device, as in a host that freezes there

# linger NAME: an output of h1's is, for long enough that h2 goes on meanwhile.
linger()
{
	check_eq "$1: an output is held up" ok "$(ask h1 linger $((TIMEOUT * 4000)))"
	sleep 0.5
	check "$1: so nothing leaves" is_quiet h1
	"$LAB" cut h1 h2 repl
}

name="held up, without fencing"
protected_anew "$name"
on h2 ftctl set g promote auto
linger "$name"
check "$name: the standby goes on" wait_until 20 guest_is h2 solo
makes_output "$name: it makes output there" h2
before=$(lines h1)
check "$name: it leaves here all the same" wait_until 20 more_lines h1 "$before"
check_eq "$name: but nothing else does" $((before + 1)) "$(lines h1)"
check "$name: and here it is quiet" is_quiet h1
"$LAB" heal

name="held up, with fencing"
begin "$name"
agent h2 "$ASK"
linger "$name"
check "$name: the agent is asked" wait_until 20 fence_wanted h2
check_eq "$name: nobody goes on before that is done" waiting-peer "$(guest h2 state)"
take_power h1 h2
check "$name: the standby goes on" wait_until 20 guest_is h2 solo
check_has "$name: and nothing leaves where there is no power" "$("$LAB" status)" "off"
makes_output "$name: it makes output" h2
on h2 pkill -x ftctl
"$LAB" heal
reboot_into_pair h1 timeout ${TIMEOUT}s

# --- A primary

begin "primary" loss solo
agent h1 "$ASK"
"$LAB" kill h2
check "primary: it is held" wait_until 20 guest_is h1 held
check "primary: its agent is asked" wait_until 20 fence_wanted h1
check "primary: it doesn't go on before that is done" stays h1 held
check "primary: it is quiet" is_quiet h1
on h1 touch /tmp/fence-done
check "primary: it goes on alone" wait_until 20 guest_is h1 solo
check_eq "primary: in a generation of its own" 2 "$(guest h1 generation)"
makes_output "primary: it makes output" h1
on h1 pkill -x ftctl
reboot_into_pair h2 timeout ${TIMEOUT}s

# --- Somebody else decides

begin "ask" loss ask
watch_events h1
forget_events
"$LAB" cut h1 h2 repl
check "ask: it is held" wait_until 20 guest_is h1 held
asks()
{
	events h1 | grep -q asks
}
check "ask: it asks" wait_until 20 asks
check "ask: it stays" stays h1 held
check "ask: it is decided" on h1 ftctl solo g
makes_output "ask: it makes output" h1
on h1 pkill -x ftctl
"$LAB" heal

check_has "without a fence nobody goes on by time alone" \
	"$(status on h1 ftctl set g loss solo fencing none)" "takes a fence"

let_go
both_unload
done_testing
