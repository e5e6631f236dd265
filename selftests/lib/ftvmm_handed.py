#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0
"""ftvmm_handed.py TRACE CLOCKS SINCE - what a host's VMM has given its devices since then.

TRACE is the trace of the host that froze, by its CLOCK_BOOTTIME; CLOCKS is the time of this
machine before and after that clock was read, and what it said; SINCE is when it was thawed,
by this machine's. Prints how many packets the guest's tap was given and how many requests
that change the disk the disk was given, before and since, and what the latter were.
"""

import re
import sys

# It has stood still for longer than that, so it doesn't matter how well the clocks agree.
SLACK = 1.0
LINE = re.compile(r"\s(\d+\.\d+): (netif_receive_skb|block_rq_issue): (.*)$")
# Of a request: its device, then letters that say what it does.
CHANGES = re.compile(r"\d+,\d+ [A-Z]*[WDF]")


def main():
    """Prints it."""
    trace, clocks, since = sys.argv[1:]
    with open(clocks, encoding="ascii") as f:
        before, after, up = map(float, f.read().split())
    since = float(since) - SLACK + up - (before + after) / 2
    handed = {"packets": [], "writes": []}
    with open(trace, encoding="utf-8", errors="replace") as f:
        for line in f:
            found = LINE.search(line)
            if not found:
                continue
            if found[2] == "netif_receive_skb":
                handed["packets"].append((float(found[1]), found[0].strip()))
            elif CHANGES.match(found[3]):
                handed["writes"].append((float(found[1]), found[0].strip()))
    for word, wanted in ("before", lambda when: when < since), ("since", lambda when: when >= since):
        print(" and ".join(f"{sum(wanted(when) for when, _ in entries)} {what}"
                           for what, entries in handed.items()), word)
    for when, what in sorted(handed["packets"] + handed["writes"]):
        if when >= since:
            print(f"{when - since - SLACK:.6f} s after the thaw: {what}")


if __name__ == "__main__":
    main()
