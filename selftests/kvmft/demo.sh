#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: machine timeout=60
#
# The parts of the demo that need no hosts: it sees each way in which an answer or the page can
# be wrong, draws what it should, and is called as it should be. The rest it judges itself.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"

cd "$KVMFT_ROOT" || exit 1
unset MAKEFLAGS MAKELEVEL

part()
{
	python3 -B selftests/lib/demo_parts.py "$@" 2>&1
}

# --- The judge of answers

check_eq "the judge of answers" "right: 8 right, ; 0 unanswered
lost: 7 right, 1 lost; 0 unanswered
two lost: 6 right, 2 lost; 0 unanswered
repeated: 8 right, 1 repeated; 0 unanswered
repeated later: 8 right, 1 repeated; 0 unanswered
out of order: 7 right, 1 out of order; 0 unanswered
out of order later: 7 right, 1 out of order; 0 unanswered
the last lost: 7 right, ; 1 unanswered" "$(part judge)"

# visits HOW WANTED: what the client says of a guest that is so.
visits()
{
	check_has "a client of a guest: $1" "$(part answers "$1")" "$2"
}

check_eq "a client of a guest: right" "sound " "$(part answers right)"
visits repeat "not sound an answer is repeated: '4 "
visits twice "not sound an answer is repeated: '5 "
visits contradict "not sound an answer is wrong: \"5 another's\""
visits forget "not sound an answer is wrong: '3 "
visits "hang up" "not sound the guest has ended the connection"

check_eq "the judge of pages" "right: no complaint
not the guest's: is no page of the guest's: 'sorry'
behind: says 4 when 5 were answered
ahead: says 8 when 7 were asked
less than before: says 4 when 5 were answered
younger: says that the guest is up for 0.5 s, and 1.0 s before
of another boot: is that of another boot of the guest" "$(part page)"

# --- What is drawn

svg=$(part svg)
check_hasnt "the timeline is well-formed, and has all that happened" "$svg" ": 0"
check_has "to the end" "$svg" "70 s: 1"
check_hasnt "no label lies above another one" "$svg" "lies above"
picture=$(part picture)
check_has "the picture says who runs the guest" "$picture" "h2  primary solo           generation 2"
check_has "and who doesn't" "$picture" "h1  off"
check_has "it shows when no answers came" "$picture" "▇········▄▇"
check_hasnt "a line is cut where the terminal ends" "$picture" "cut to"

# --- How it is called

made=$(make -n --no-print-directory demo KERNELS="6.1 6.12" FAST=1 2>&1)
check_has "make demo takes the first kernel" "$made" "demo/run --kernel 6.1 --fast"
check_has "and builds for no other" "$made" "for k in 6.1; do"
check_hasnt "without FAST it takes its time" \
	"$(make -n --no-print-directory demo KERNELS=6.1 2>&1)" "--fast"
check_has "make help names it" "$(make help)" "make demo "
check_eq "an unknown kernel is refused" "1 demo: no kernel 4.19" \
	"$(status demo/run --kernel 4.19 | grep -o '^.*no kernel 4.19')"
done_testing
