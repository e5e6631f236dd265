#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: machine
#
# The judge of a guest's answers must complain of a guest that loses one, repeats one, exchanges
# two, forgets where it was, or hangs up; and of one that does nothing of that, it mustn't.
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
done_testing
