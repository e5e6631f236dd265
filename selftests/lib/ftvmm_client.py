#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0
"""ftvmm_client.py ADDRESS PORT FILE - one TCP connection to a service of a test guest.

Sends a line, and the answer must be its number and itself; each right one becomes a line
of FILE. Ends with status 1 when one is wrong, lost, repeated or late, or when the
connection ends; runs until it is killed, otherwise.
"""

import socket
import sys

LATE = 120


def main():
    """Asks and asks."""
    address, port, path = sys.argv[1:]
    with open(path, "w", encoding="ascii", buffering=1) as out, \
            socket.create_connection((address, int(port)), timeout=LATE) as sock:
        answers = sock.makefile("r", encoding="ascii")
        number = 0
        while True:
            number += 1
            wanted = f"{number} {port}-line-{number * 7919 % 10007}\n"
            sock.sendall(wanted.split(" ", 1)[1].encode())
            answer = answers.readline()
            if answer != wanted:
                out.write(f"wrong: {answer!r} for {wanted!r}\n")
                return 1
            out.write(wanted)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OSError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
