#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0
"""ftvmm_client.py ADDRESS PORT FILE - one TCP connection to a service of a test guest.

Sends a line, and the answer must be its number and itself; each right one becomes a line
of FILE. Ends with status 1 when one is wrong, lost, repeated or late, or when the
connection ends; runs until it is killed, otherwise.
"""

import socket
import sys

import answers

LATE = 120


def main():
    """Asks and asks."""
    address, port, path = sys.argv[1:]
    judge = answers.Answers(port)
    with open(path, "w", encoding="ascii", buffering=1) as out, \
            socket.create_connection((address, int(port)), timeout=LATE) as sock:
        lines = sock.makefile("r", encoding="ascii")
        while True:
            asked = judge.ask()
            sock.sendall(asked.encode())
            answer = lines.readline()
            complaint = judge.take(answer)
            if complaint:
                out.write(f"wrong: {answer!r} for {judge.asked} {asked!r}: {complaint}\n")
                return 1
            out.write(answer)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OSError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
