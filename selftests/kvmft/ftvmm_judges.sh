#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: machine
#
# The judge of a guest's answers must complain of a guest that loses one, repeats one, exchanges
# two, forgets where it was, or hangs up; and of one that does nothing of that, it mustn't.
# So must the one of what has left a host.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# served HOW: what becomes of a client of a guest that does so with its fifth answer; the
# port is in the client's lines, so its lines are those of a real guest.
served()
{
	python3 -B - "$1" "$KVMFT_ROOT/selftests/lib/ftvmm_client.py" "$scratch/answers" <<'END'
import socket
import subprocess
import sys

how, client, path = sys.argv[1:]
listener = socket.create_server(("127.0.0.1", 0))
port = str(listener.getsockname()[1])
judge = subprocess.Popen([sys.executable, "-B", client, "127.0.0.1", port, path],
                         stderr=subprocess.DEVNULL)
peer, _ = listener.accept()
lines = peer.makefile("r")
number = 0
before = ""
for asked in range(1, 11):
    try:
        line = lines.readline()
    except ConnectionError:
        break
    if not line:
        break
    number += 1
    answer = f"{number} {line}"
    if asked == 5:
        if how == "loses":
            number += 1
            answer = f"{number} {line}"
        elif how == "repeats":
            answer = before
        elif how == "says twice":
            answer += answer
        elif how == "forgets":
            number -= 2
            answer = f"{number} {line}"
        elif how == "says another's":
            answer = f"{number} another's\n"
        elif how == "hangs up":
            break
    peer.sendall(answer.encode())
    before = answer
# Its next line says that it has the last answer.
if how == "is right" and lines.readline():
    judge.kill()
lines.close()
peer.close()
print(judge.wait(timeout=20))
END
}

for how in "loses" "repeats" "says twice" "forgets" "says another's" "hangs up"; do
	check_eq "it complains of one that $how" 1 "$(served "$how")"
	check "before that it had no complaint" test "$(grep -vc wrong "$scratch/answers")" -ge 4
done
check_eq "it doesn't of one that is right" -9 "$(served "is right")"
check_eq "and has all its answers" 10 "$(grep -vc wrong "$scratch/answers")"

# What has left a host since a moment: by packets at 10 and 20 s, and what two hosts did to the
# disk; this one is the second, by the block that it has read.
python3 -B - "$scratch/sent" "$scratch/disk" <<'END'
import datetime
import struct
import sys

with open(sys.argv[1], "wb") as out:
    out.write(struct.pack("<IHHIIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, 1))
    for seconds, source in (10, "5254006b7600"), (20, "5254006b7600"), (20, "525400770201"):
        frame = bytes(6) + bytes.fromhex(source) + bytes(48)
        out.write(struct.pack("<IIII", seconds, 0, len(frame), len(frame)) + frame)
with open(sys.argv[2], "w", encoding="ascii") as out:
    for seconds, connection, what, block in ((9, 1, "Read", 100), (9, 2, "Read", 200),
                                             (11, 2, "Write", 7), (21, 1, "Write", 8),
                                             (22, 2, "Write", 9), (23, 2, "Read", 9)):
        when = datetime.datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S.%f")
        print(f"{when} connection={connection} {what} id=1 offset={block * 4096:#x} count=0x1000",
              file=out)
END

# left PLACE SINCE
left()
{
	python3 -B "$KVMFT_ROOT/selftests/lib/ftvmm_left.py" \
		"$scratch/sent" "$scratch/disk" "$1" "$2" 2>&1
}

check_has "what has left before a moment is counted" "$(left 200 15)" "before: 1 packets, 1 writes"
check_has "what has left since is, too" "$(left 200 15)" "since: 1 packets, 1 writes"
check_has "and told" "$(left 200 15)" "after 7000.0 ms: Write at 0x9000"
check_has "nothing is nothing" "$(left 200 30)" "since: 0 packets, 0 writes"
check_has "another host's writes are another host's" "$(left 100 15)" "since: 1 packets, 1 writes"
check_has "those that it hasn't done, too" "$(left 100 21.5)" "since: 0 packets, 0 writes"
done_testing
