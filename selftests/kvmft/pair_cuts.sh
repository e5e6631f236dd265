#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=2 timeout=400 either
#
# Cuts and heals in a row under transfer: what was acknowledged is never lost, and
# nothing is ever committed by half. Cuts fall anywhere in an epoch, since nothing
# here knows when one begins.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/pairlab.sh
. "$(dirname "$0")/../lib/pairlab.sh"

CUTS=${KVMFT_CUTS:-20}
PAGES=500
SEED=${KVMFT_SEED:-4711}
LIBRARY=$KVMFT_ROOT/selftests/lib

acked()
{
	on h1 sh -c 'grep -v failed /tmp/acked 2>/dev/null | tail -n 1'
}

judged()
{
	on h2 python3 "$LIBRARY/epochs.py" judge alpha guest $PAGES "$SEED"
}

load_module h1 selftest=1
load_module h2 selftest=1
make_key
pair_up h2 listen 10.77.1.2:7700 timeout 600ms
pair_up h1 connect 10.77.1.2:7700 timeout 600ms
on h2 python3 "$LIBRARY/genl.py" attach alpha guest sink
on h1 python3 "$LIBRARY/genl.py" attach alpha guest source
on h1 sh -c "rm -f /tmp/acked; exec setsid python3 $LIBRARY/epochs.py drive alpha guest $PAGES $SEED /tmp/acked \
	>/tmp/drive.log 2>&1 &"
# shellcheck disable=SC2317
some()
{
	[[ -n $(acked) ]]
}
check "epochs are acknowledged" wait_until 20 some

RANDOM=$SEED
torn=0 lost=0 stuck=0 went=0
# The next cut must find a transfer again.
# shellcheck disable=SC2317
more()
{
	(( $(acked) > promised ))
}
for ((cut = 0; cut < CUTS; cut++)); do
	sleep "0.$((RANDOM % 8 + 1))"
	"$LAB" cut h1 h2 repl
	wait_until 10 state_is h2 down
	wait_until 10 state_is h1 down
	promised=$(acked)
	read -r epoch verdict <<<"$(judged)"
	[[ $verdict == whole ]] || { torn=$((torn + 1)); echo "# cut $cut: $epoch $verdict"; }
	(( epoch >= promised )) || { lost=$((lost + 1)); echo "# cut $cut: $promised lost, $epoch there"; }
	"$LAB" heal
	wait_until 20 state_is h1 up || stuck=$((stuck + 1))
	if wait_until 20 more; then
		went=$((went + 1))
	else
		echo "# cut $cut: nothing acknowledged since epoch $promised"
	fi
done
check_eq "$CUTS cuts: nothing is torn" 0 $torn
check_eq "$CUTS cuts: nothing acknowledged is lost" 0 $lost
check_eq "$CUTS cuts: the link is back each time" 0 $stuck
check_eq "$CUTS cuts: so is the transfer" "$CUTS" $went

errors=$(on h1 ftctl --json pair show alpha)
check_has "the cuts are counted" "$errors" '"timeout":'

# left HOST: connections that nobody waits for any more, and whose pages are kept.
# shellcheck disable=SC2317
left()
{
	on "$1" ss -Htan state fin-wait-1 state last-ack state closing
}

# shellcheck disable=SC2317
none_left()
{
	[[ -z $(left h1)$(left h2) ]]
}

"$LAB" cut h1 h2 repl
wait_until 10 state_is h1 down
wait_until 10 state_is h2 down
check "a lost peer leaves no socket behind, with pages in it" wait_until 3 none_left
promised=$(acked)
"$LAB" heal
check "and the transfer goes on" wait_until 30 more

# --- Other things that happen in the middle of a transfer

# goes_on NAME: epochs are acknowledged again, and nothing is torn.
# shellcheck disable=SC2317
goes_on()
{
	promised=$(acked)
	check "$1: the transfer goes on" wait_until 30 more
}

"$LAB" freeze h2
wait_until 10 state_is h1 down
"$LAB" thaw h2
goes_on "the peer froze"

"$LAB" loss h1 repl 5%
goes_on "5 % of packets get lost"
"$LAB" loss h1 repl off
"$LAB" delay h1 repl 50ms
goes_on "packets take 50 ms longer"
"$LAB" delay h1 repl off

check "the pair is deleted while epochs come in" on h2 ftctl pair del alpha
check "the source's end sees it" wait_until 10 state_is h1 down
pair_up h2 listen 10.77.1.2:7700 timeout 600ms
on h2 python3 "$LIBRARY/genl.py" attach alpha guest sink
goes_on "added again"

check "the module is unloaded while epochs come in" on h2 rmmod kvmft
load_module h2 selftest=1
pair_up h2 listen 10.77.1.2:7700 timeout 600ms
on h2 python3 "$LIBRARY/genl.py" attach alpha guest sink
goes_on "loaded again"

on h1 ftctl pair del alpha
check "the source's pair is deleted while it sends" wait_until 10 state_is h2 down
pair_up h1 connect 10.77.1.2:7700 timeout 600ms
on h1 python3 "$LIBRARY/genl.py" attach alpha guest source
goes_on "added again, at the source"

on h1 pkill -f epochs.py
promised=$(acked)
check "in the end the sink has the last one that was acknowledged" \
	test "$(judged | cut -d' ' -f1)" -ge "$promised"
check_has "whole" "$(judged)" " whole"
on h1 ftctl pair del alpha
on h2 ftctl pair del alpha
for h in h1 h2; do
	check "$h: the module unloads" on $h rmmod kvmft
done
done_testing
