#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0
"""ftvmm_probe.py ADDRESS FILE MS - how long a guest doesn't answer.

A UDP packet to its port 7 each so many ms. Each time without an answer that was longer than
five of these becomes a line of FILE, in ms, when it is over: from the last answer before to
the first one after. Runs until it is killed.
"""

import select
import socket
import sys
import time


def main():
    """Asks and asks."""
    address, path = sys.argv[1:3]
    each = int(sys.argv[3]) / 1e3
    last = time.monotonic()
    due = last
    with open(path, "a", encoding="ascii", buffering=1) as out, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((address, 7))
        while True:
            now = time.monotonic()
            if now >= due:
                due = now + each
                try:
                    sock.send(b"probe")
                except OSError:
                    pass
            if not select.select([sock], [], [], max(0, due - now))[0]:
                continue
            try:
                sock.recv(64)
            except OSError:
                continue
            now = time.monotonic()
            if now - last > 5 * each:
                print(round((now - last) * 1e3), file=out)
            last = now


if __name__ == "__main__":
    main()
