#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0
"""qemu.py HERE THERE migrate|colo TO - what QEMU's own means do between two hosts.

HERE and THERE are the monitors of two QEMUs, ADDRESS:PORT, one with a guest and one that waits
for it; TO is where that waits. "migrate" prints "MS BYTES": how long a live migration took, and
what it sent. "colo" prints how many checkpoints came about in SECONDS, or why there are none.
"""

import json
import socket
import sys
import time

PATIENCE = 120
SECONDS = 5
# Between two checkpoints of COLO, in ms: as often as it can.
CHECKPOINT_DELAY = 1


class Monitor:
    """A QEMU's."""

    def __init__(self, place):
        address, port = place.rsplit(":", 1)
        self.stream = socket.create_connection((address, int(port)), PATIENCE).makefile(
            "rw", encoding="utf-8")
        self.stream.readline()
        self.events = []
        self.ask("qmp_capabilities")

    def ask(self, command, **arguments):
        """Its answer; what is told in between is kept."""
        self.stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.stream.flush()
        while line := self.stream.readline():
            answer = json.loads(line)
            if "event" in answer:
                self.events.append(answer)
            elif "error" in answer:
                sys.exit(f"{command}: {answer['error']['desc']}")
            else:
                return answer["return"]
        return sys.exit(f"{command}: QEMU is gone")


def migrate(here, target):
    """A live migration, as fast as it goes."""
    here.ask("migrate-set-parameters", **{"max-bandwidth": 10 << 30})
    here.ask("migrate", uri=target)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        state = here.ask("query-migrate")
        # It says so before it knows how long it took.
        if state["status"] == "completed" and state["total-time"]:
            print(state["total-time"], state["ram"]["transferred"])
            return
        if state["status"] == "failed":
            sys.exit(f"it failed: {state.get('error-desc', 'QEMU says no more')}")
        time.sleep(0.05)
    sys.exit("it doesn't end")


def colo(here, there, target):
    """COLO, without anything that it would compare."""
    for monitor in there, here:
        monitor.ask("migrate-set-capabilities",
                    capabilities=[{"capability": "x-colo", "state": True}])
    here.ask("migrate-set-parameters", **{"x-checkpoint-delay": CHECKPOINT_DELAY,
                                          "max-bandwidth": 10 << 30})
    here.ask("migrate", uri=target)
    end = time.monotonic() + PATIENCE
    while here.ask("query-migrate")["status"] != "colo":
        if time.monotonic() > end or here.ask("query-migrate")["status"] == "failed":
            sys.exit(f"it doesn't come up: {here.ask('query-migrate')}")
        time.sleep(0.1)
    # Each of them stops the guest.
    here.events.clear()
    time.sleep(SECONDS)
    here.ask("query-colo-status")
    print(sum(event["event"] == "STOP" for event in here.events), SECONDS)


def main():
    """See above."""
    here, there, what, target = sys.argv[1:]
    if what == "migrate":
        migrate(Monitor(here), target)
    else:
        colo(Monitor(here), Monitor(there), target)


if __name__ == "__main__":
    main()
