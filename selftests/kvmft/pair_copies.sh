#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=2 nodebug timeout=300 either
#
# Pages go out by reference: the sending host copies none of them, and they go
# nearly as fast as a plain loop of sendfile(2) sends between the same hosts.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/pairlab.sh
. "$(dirname "$0")/../lib/pairlab.sh"

LIBRARY=$KVMFT_ROOT/selftests/lib
PAGES=12288
ROUNDS=15
BYTES=$((PAGES * 4096))

# send WHAT...: bytes per second, as the sender counts it.
send()
{
	on h1 python3 "$LIBRARY/genl.py" send alpha guest pages=$PAGES wait=20000 "$@" |
		python3 -c 'import json, sys; t = json.load(sys.stdin)
assert t["reason"] == "none", t
print(t["bytes"] * 10**9 // t["ns"])'
}

load_module h1 selftest=1
load_module h2 selftest=1
make_key
pair_up h2 listen 10.77.1.2:7700
pair_up h1 connect 10.77.1.2:7700
on h2 python3 "$LIBRARY/genl.py" attach alpha guest sink
on h1 python3 "$LIBRARY/genl.py" attach alpha guest source
check "scatter-gather is on: without it the kernel copies by itself" \
	on h1 sh -c "ethtool -k repl | grep -q 'scatter-gather: on'"

# --- Copies, by kprobes on the routines that copy into packets and between them

COPIES=$KVMFT_BUILD/$(on h1 uname -r)/fixtures/copies.ko

# copied COMMAND...: bytes copied while it ran.
copied()
{
	on h1 sh -c 'echo 0 >/sys/module/copies/parameters/bytes'
	"$@" >/dev/null
	on h1 cat /sys/module/copies/parameters/bytes
}

check "the copy routines can be watched" on h1 insmod "$COPIES" comm=kvmft-vm/
referenced=$(copied send seed=2)
control=$(copied send seed=3 flags=copy)
check "a sender that copies is seen to ($control of $BYTES bytes)" test "$control" -ge "$BYTES"
# What is copied is headers: of our frames, and what of packets the driver wants
# in one piece. Less than a byte in a hundred means not one page in a hundred.
check "by reference, no page is copied ($referenced bytes in all)" \
	test "$referenced" -lt $((BYTES / 100))
on h1 rmmod copies

# --- Speed, against sendfile(2) of as many bytes from memory, in turns

on h1 dd if=/dev/urandom of=/dev/shm/pages bs=1M count=$((BYTES >> 20)) status=none
cat >"$scratch/plain.py" <<'END'
import os, socket, sys, time
if sys.argv[1] == "take":
    listening = socket.create_server(("10.77.1.2", 7790))
    buffer = memoryview(bytearray(1 << 20))
    while True:
        sock, _ = listening.accept()
        # As the sink does it: in whole mebibytes, and every byte into memory.
        while sock.recv_into(buffer, 0, socket.MSG_WAITALL):
            pass
        sock.close()
sock = socket.create_connection(("10.77.1.2", 7790))
f = os.open("/dev/shm/pages", os.O_RDONLY)
size = os.fstat(f).st_size
begun, done = time.monotonic_ns(), 0
while done < size:
    done += os.sendfile(sock.fileno(), f, done, 1 << 20)
sock.shutdown(socket.SHUT_WR)
sock.recv(1)
print(size * 10**9 // (time.monotonic_ns() - begun))
END
"$LAB" exec h1 sh -c 'cat >/tmp/plain.py' <"$scratch/plain.py"
"$LAB" exec h2 sh -c 'cat >/tmp/plain.py' <"$scratch/plain.py"
on h2 sh -c 'exec setsid python3 /tmp/plain.py take >/tmp/take.log 2>&1 &'
wait_until 10 on h1 python3 /tmp/plain.py send

# A machine's speed changes from second to second, so what is compared are neighbours.
for ((i = 0; i < ROUNDS; i++)); do
	ours=$(send seed=$i)
	plain=$(on h1 python3 /tmp/plain.py send)
	echo "# turn $i, bytes per second: epochs $ours, sendfile $plain"
	echo $((ours * 100 / plain)) >>"$scratch/percent"
done
percent=$(sort -n "$scratch/percent" | sed -n $((ROUNDS / 2 + 1))p)
check "by reference, with checksums and commits: at least 80 % of sendfile, here $percent %" \
	test "$percent" -ge 80

on h2 pkill -f plain.py
on h1 ftctl pair del alpha
on h2 ftctl pair del alpha
done_testing
