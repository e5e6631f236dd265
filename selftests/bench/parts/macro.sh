#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=3 nodebug timeout=3600 mem=3G
#
# What a Linux guest takes for what guests do, alone and protected by each peer: a line of its
# own for each thing, in ns of one of it. Round by round, all peers in each.
# shellcheck source=../benchlab.sh
. "$(dirname "$0")/../benchlab.sh"

PEERS=(none kemari kemari-batched sync async async-lz4)
VCPUS=2
if [[ ${KVMFT_FAST:-} ]]; then
	ROUNDS=1 PEERS=(none async async-lz4) RECORDS=(32) COUNT=4 REQUESTS=5 TOTAL=256
else
	ROUNDS=${KVMFT_ROUNDS:-3} RECORDS=(8 32 128) COUNT=32 REQUESTS=100 TOTAL=4096
fi
# Behind the file system.
MIXED_AT=8192

# inside NAME X PEER ROUND WORD...: what "measure" says of it.
inside()
{
	local name=$1 x=$2 peer=$3 round=$4 said
	shift 4
	said=$(in_guest 300 "measure $*")
	if [[ $said =~ ^measure:\ [0-9]+$ ]]; then
		record "$name" "$peer" $VCPUS "$x" "$round" "${said#measure: }"
		pass "$peer, round $round: $name $x: ${said#measure: } ns"
	else
		fail "$peer, round $round: $name $x: $said"
	fi
}

# streamed PEER ROUND: ns for each KiB that it sends back, as it comes.
streamed()
{
	local took
	took=$(on h3 python3 -B -c '
import socket, sys, threading, time
total = int(sys.argv[2]) << 10
sock = socket.create_connection((sys.argv[1], 10), timeout=120)
def send():
    sock.sendall(bytes(total))
    sock.shutdown(socket.SHUT_WR)
begun = time.monotonic_ns()
threading.Thread(target=send).start()
got = 0
while piece := sock.recv(1 << 16):
    got += len(piece)
if got != total:
    sys.exit("not all came back")
print((time.monotonic_ns() - begun) * 1024 // got)' "$guest_address" $((COUNT * 64)))
	check "$1, round $2: it streams" test -n "$took"
	record stream "$1" $VCPUS 0 "$2" "$took"
	echo "# stream: $took ns a KiB"
}

# committed: checkpoints, or transactions, so far.
committed()
{
	linux_asks h1 status | sed -n 's/.*"committed": \([0-9]*\),.*/\1/p'
}

# synchronous KIB PEER ROUND: records of so much, several times what may be told early, and
# checkpoints for a thousand of them.
synchronous()
{
	local count=$((TOTAL / $1)) before
	before=$(committed)
	inside sync "$1" "$2" "$3" sync /mnt/file "$1" $count
	[[ $2 == none ]] || record checkpoints "$2" $VCPUS "$1" "$3" \
		$((($(committed) - before) * 1000 / count))
}

# is_kvmft PEER
is_kvmft()
{
	[[ $1 == sync || $1 == async* ]]
}

# dirtied PEER ROUND: pages that were found, and that were sent, and what that took.
dirtied()
{
	record pages_dirtied "$1" $VCPUS 0 "$2" \
		$(($(counter h1 pages_tracked) + $(counter h1 pages_marked) - found))
	record pages_sent "$1" $VCPUS 0 "$2" $(($(counter h1 pages_sent) - sent))
	record bytes "$1" $VCPUS 0 "$2" $(($(counter h1 bytes) - bytes))
}

# measure_all PEER ROUND
measure_all()
{
	local record
	linux_with "$@" files --vcpus $VCPUS --memory 256M --disk /dev/vda
	[[ $tap_failed == 0 ]] || return
	if is_kvmft "$1"; then
		found=$(($(counter h1 pages_tracked) + $(counter h1 pages_marked)))
		sent=$(counter h1 pages_sent)
		bytes=$(counter h1 bytes)
	fi
	inside write 32 "$@" write /mnt/file 32 $((COUNT * 4))
	for record in "${RECORDS[@]}"; do
		synchronous "$record" "$@"
	done
	inside mixed 4 "$@" mixed /dev/vda $MIXED_AT $((COUNT * 2))
	inside fork 0 "$@" fork $((COUNT * 8))
	inside exec 0 "$@" exec $((COUNT * 4))
	inside sh 0 "$@" sh $((COUNT * 2))
	inside switch 0 "$@" switch $((COUNT * 64))
	inside fault 0 "$@" fault $((COUNT * 64))
	asked "$1" $VCPUS 0 "$2" $REQUESTS
	streamed "$@"
	! is_kvmft "$1" || dirtied "$@"
}

bench_begin
guest_places h1 h2
check "there is a file system" make_files 32M
each_round
bench_end
done_testing
