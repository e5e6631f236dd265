#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=3 nodebug timeout=900 mem=3G breaks either
#
# No output of a Linux guest before its epoch is acknowledged: both networks are captured and
# the shared disk's server keeps a log, all by one clock, and each packet and each block
# written is looked for in the epochs. In both modes, with 20 ms between the hosts; and with
# a module that permits output too early, which has to be noticed. Nor does an answer leave that
# says that something is on the disk before it is. What is handed over
# at one go is one checkpoint, and what goes through the guest comes out as it went in.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/pairlab.sh
. "$(dirname "$0")/../lib/pairlab.sh"
# shellcheck source=../lib/vmlab.sh
. "$(dirname "$0")/../lib/vmlab.sh"
# shellcheck source=../lib/ftvmmlab.sh
. "$(dirname "$0")/../lib/ftvmmlab.sh"

VCPUS=4
OUTPUTS=5
# Rounds of work on the disk, with another seed each time.
VERIFIES=${KVMFT_VERIFIES:-1}
# Where on the disk the clients' blocks aren't.
WORK_AT=8192

# The build with the fault points, for the one that permits output too early.
KVMFT_KO_SHIPPED=$KVMFT_KO_FAULTS
load_module h1
load_module h2
make_key
check "the pair is up" pair_hosts timeout 4s
guest_places h1 h2

options=(serve --vcpus "$VCPUS" --memory 256M --disk /dev/vda)
linux h2 "${options[@]}" --standby
linux h1 "${options[@]}"
serves "the guest serves" h1 120
check "it is protected" protect mode sync
# Without all that the rest says nothing, and waits for long.
[[ $tap_failed == 0 ]] || { show h2; done_testing; }

# judged: what the checker of outputs says of a while of them.
judged()
{
	capture_begin repl
	capture_begin svc
	client 7
	client 8
	wait_until 60 more_answers 7 $OUTPUTS
	wait_until 90 more_answers 8 $OUTPUTS
	on h3 pkill -f ftvmm_client.py
	captures_end
	"$LAB" log disk >"$scratch/disk.log"
	judge_outputs "$scratch/disk.log"
	judged_status=$?
}

# has_judged WHAT: at least so many of them.
# shellcheck disable=SC2317
has_judged()
{
	(( $(sed -n "s/ $1 judged//p" "$scratch/judged") >= OUTPUTS ))
}

# beats: how far the guest counts in a while, when each number is output.
beats()
{
	# shellcheck disable=SC2016
	on h3 sh -c 'timeout 5 busybox nc "$1" 9 </dev/null | tail -n 2 | head -n 1' sh "$guest_address"
}

# --- Its outputs wait

"$LAB" delay h1 repl 20ms
declare -A counted
for mode in sync async; do
	on h1 ftctl set g mode $mode
	judged
	check_eq "$mode: nothing left before its epoch was acknowledged" 0 $judged_status
	check "$mode: packets were judged" has_judged answers
	check "$mode: blocks were judged" has_judged blocks
	check "$mode: what is said to be on the disk was judged" has_judged promises
	# From far away, so that waiting is what counts, however busy the hosts are.
	"$LAB" delay h1 repl 100ms
	counted[$mode]=$(beats)
	"$LAB" delay h1 repl 20ms
done
check "async: it goes on while its output waits (${counted[async]} against ${counted[sync]})" \
	test "${counted[async]:-0}" -gt $((2 * ${counted[sync]:-1000000}))

on h1 sh -c 'echo commit_early:error=1 >/sys/module/kvmft/parameters/faults'
judged
check_eq "output that is permitted too early is noticed" 1 $judged_status
check_has "and how early it was" "$(<"$scratch/judged")" "ms before the ACK of epoch"
on h1 sh -c 'echo off >/sys/module/kvmft/parameters/faults'
"$LAB" delay h1 repl off
on h1 ftctl set g mode sync

# --- At one go

# is_quiet_for SECONDS: no checkpoint meanwhile.
# shellcheck disable=SC2317
is_quiet_for()
{
	local before
	before=$(counter h1 committed)
	sleep "$1"
	(( $(counter h1 committed) == before ))
}

# done_by DEVICE: how many of its requests, or packets.
done_by()
{
	linux_asks h1 status | sed -n "s/.*\"$1\": {[^}]*\"done\": \([0-9]*\).*/\1/p"
}

# requests_are COUNT
# shellcheck disable=SC2317
requests_are()
{
	(( $(done_by disk0) >= $1 ))
}

# The guest's kernel hands over 32 at a time; its scheduler would make more of that now and
# then. What it has to say to the network meanwhile is none of that: then once more.
in_guest 120 "echo none >/sys/block/vda/queue/scheduler"
least=
for n in {1..8}; do
	in_guest 120 "(sleep 10; work burst /dev/vda $WORK_AT 64) >/dev/null 2>&1 &"
	check "burst $n: the guest has nothing to say" wait_until 8 is_quiet_for 1
	disk_before=$(done_by disk0)
	sent_before=$(done_by net0)
	before=$(counter h1 committed)
	check "burst $n: 64 requests are done" wait_until 60 requests_are $((disk_before + 64))
	took=$(($(counter h1 committed) - before))
	echo "# $took checkpoints, $(($(done_by net0) - sent_before)) packets sent"
	(( took < ${least:-1000} )) && least=$took
	(( least > 2 )) || break
done
check "64 requests take $least checkpoints" test $least -ge 1 -a $least -le 2

# --- Through the guest, and its disk

# echoed: a file comes back by TCP as it went there.
echoed()
{
	on h3 python3 -B -c '
import hashlib, os, socket, sys, threading
sent = os.urandom(1 << 20)
sock = socket.create_connection((sys.argv[1], 10), timeout=120)
def send():
    sock.sendall(sent)
    sock.shutdown(socket.SHUT_WR)
threading.Thread(target=send).start()
got = b""
while piece := sock.recv(65536):
    got += piece
same = hashlib.sha256(got).digest() == hashlib.sha256(sent).digest()
print("same" if same else f"{len(got)} of {len(sent)} bytes, or others")' "$guest_address"
}

if [[ ${KVMFT_NOISE:-} ]]; then
	for host in h1 h2 h3; do
		"$LAB" loss $host svc 1%
	done
	for host in h1 h2; do
		"$LAB" loss $host repl 1%
	done
fi

for mode in sync async; do
	on h1 ftctl set g mode $mode
	for ((n = 1; n <= VERIFIES; n++)); do
		check_eq "$mode: a file comes back as it went there ($n)" same "$(echoed)"
		check_eq "$mode: what is read is what was written ($n)" "work: verify ok" \
			"$(in_guest 120 "work verify /dev/vda $WORK_AT $((${KVMFT_SEED:-1} + n)) 20")"
	done
done
check_eq "it is protected" protected "$(guest h1 state)"
check_hasnt "its kernel has nothing to complain of" "$(linux_said h1)" "BUG:"
[[ $tap_failed == 0 ]] || { show h1; show h2; }
end_linux h1 h2
done_testing
