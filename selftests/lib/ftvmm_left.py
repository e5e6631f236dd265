#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0
"""ftvmm_left.py SENT DISK PLACE SINCE - what a host has let out since then.

SENT is a capture of what the host sends on the service network, DISK the log of the shared
disk's server, where the host is the one that has read the block PLACE; all by the clock of
one machine, as SINCE is. Prints how many packets of the guest left and how many requests
that change the disk, and what they were.
"""

import sys

import ftvmm_outputs

MAC = bytes.fromhex("5254006b7600")
CHANGES = "Write", "Zero", "Trim"


def main():
    """Prints it."""
    sent, disk, place, since = sys.argv[1:]
    place, since = int(place) * ftvmm_outputs.BLOCK_SIZE, float(since)
    asked = list(ftvmm_outputs.requests(disk))
    connection = next(nr for _, nr, what, at, _ in reversed(asked) if (what, at) == ("Read", place))
    frames = [(when, f"a packet of {len(data)} bytes")
              for when, data in ftvmm_outputs.packets(sent) if data[6:12] == MAC]
    begin = min((when for when, _ in frames), default=since)
    writes = [(when, f"{what} at {at:#x}") for when, nr, what, at, _ in asked
              if nr == connection and what in CHANGES and when >= begin]
    # Without any before, the question would have been a wrong one.
    print(f"before: {len([w for w, _ in frames if w < since])} packets, "
          f"{len([w for w, _ in writes if w < since])} writes")
    print(f"since: {len([w for w, _ in frames if w >= since])} packets, "
          f"{len([w for w, _ in writes if w >= since])} writes")
    for when, what in sorted(frames + writes):
        if when >= since:
            print(f"after {(when - since) * 1e3:.1f} ms: {what}")


if __name__ == "__main__":
    main()
