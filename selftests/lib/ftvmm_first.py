#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0
"""ftvmm_first.py CAPTURE SINCE - the first UDP answer of the guest since then.

Prints how many ms later that left the host whose packets were captured; waits for it for a
while, since the capture goes on.
"""

import sys
import time

import ftvmm_left
import ftvmm_outputs

PATIENCE = 30
UDP = 17


def first(path, since):
    """When; None if there is none yet."""
    for when, data in ftvmm_outputs.packets(path):
        if when >= since and data[6:12] == ftvmm_left.MAC and \
                data[12:14] == b"\x08\x00" and data[23] == UDP:
            return when
    return None


def main():
    """Waits, and prints."""
    path, since = sys.argv[1], float(sys.argv[2])
    late = time.monotonic() + PATIENCE
    while time.monotonic() < late:
        when = first(path, since)
        if when:
            print(round((when - since) * 1e3))
            return 0
        time.sleep(0.1)
    return 1


if __name__ == "__main__":
    sys.exit(main())
