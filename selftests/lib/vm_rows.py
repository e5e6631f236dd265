#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Guests that are protected and promoted, a row of the matrix each, and judged.

    vm_rows.py matrix [FILE]        all rows of selftests/flat/matrix, or of another file
    vm_rows.py slice SEED N         the SEEDth N of all combinations

The module is loaded in h1 and h2, and a key is in /run/key. Of each guest, every epoch is
compared byte by byte, memory at promotion by its hash, and its outputs are judged:
nothing lost, nothing contradicted, nothing twice but what was in the last outbox.
"""

import concurrent.futures
import contextlib
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time

import flat_judge
import matrix
from wirelab import Tap

LIB = os.path.dirname(os.path.realpath(__file__))
ROOT = os.environ["KVMFT_ROOT"]
PROGRAM = os.path.join(os.environ["KVMFT_BUILD"], "selftests/flat/flatvmm")
LAB = os.environ["LAB"]
SCALE = float(os.environ.get("KVMFT_TIME_SCALE", "1"))

# Guests at once; more than there are processors only wait for each other, and a kernel that
# checks itself leaves no time for that.
AT_ONCE = 4 if SCALE == 1 else 2
LIMIT = 120 * SCALE
PAIR_TIMEOUT = f"{3 * SCALE:g}s"
# Outputs of the standby after promotion, before it is judged.
OUTPUTS_AFTER = 8
# Of guests that say nothing of pages: what a counter is told by default.
COUNTER_PAGES = 8
# A guest is sparse if it and what compares it take no more than this, in KiB.
SPARSE_KIB = 128 << 10
SMALLEST_RING = "256"
PORTS = 7800
# How long guests rest after each output, in us; others want the processors, too.
REST = "20000"
# Of 2 MiB, for a guest of 64 MiB and its standby; those of the one before may still be
# on their way in the network.
HUGE_PAGES = 110


class Place:
    """vm_place.py in a host or in a network namespace of it; operations are methods."""

    def __init__(self, host, address, netns=None):
        self.label = netns or host
        self.host = host
        self.address = address
        self._ids = itertools.count(1)
        self._answers = {}
        self._changed = threading.Condition()
        command = [LAB, "exec", host] + (["ip", "netns", "exec", netns] if netns else [])
        command += ["env", f"KVMFT_TIME_SCALE={SCALE:g}"]
        command += ["python3", "-B", os.path.join(LIB, "vm_place.py"), PROGRAM]
        self._process = subprocess.Popen(   # pylint: disable=consider-using-with
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        for line in self._process.stdout:
            answer = json.loads(line)
            with self._changed:
                self._answers[answer["id"]] = answer
                self._changed.notify_all()
        with self._changed:
            self._answers = None
            self._changed.notify_all()

    def __getattr__(self, op):
        def call(*words, **named):
            names = {"ask": ("name", "line"), "put": ("path", "text"), "get": ("path",),
                     "run": ("argv",)}.get(op, ("name",))
            number = next(self._ids)
            request = {"id": number, "op": op, **dict(zip(names, words)), **named}
            with self._changed:
                self._process.stdin.write(json.dumps(request) + "\n")
                self._process.stdin.flush()
                self._changed.wait_for(lambda: self._answers is None or number in self._answers)
                if self._answers is None:
                    raise RuntimeError("its host doesn't answer any more")
                answer = self._answers.pop(number)
            if "error" in answer:
                raise RuntimeError(f"{self.label}: {answer['error']}")
            return answer["value"]
        return call

    def end(self):
        """Ends what runs there."""
        self._process.stdin.close()
        self._process.wait()


class Pair:
    """Two places that are a pair: where guests run, and where their standbys wait."""

    def __init__(self, primary, standby, listen):
        self.primary = primary
        self.standby = standby
        for place, role in (standby, "listen"), (primary, "connect"):
            place.run(["ftctl", "pair", "add", "alpha", role, listen, "key", "/run/key",
                       "timeout", PAIR_TIMEOUT])

    def wait(self):
        """Until it is up; whether it is."""
        deadline = time.monotonic() + LIMIT
        while time.monotonic() < deadline:
            if all(p.get("/sys/class/kvmft/pair-alpha/state").strip() == "up"
                   for p in (self.primary, self.standby)):
                return True
            time.sleep(0.1)
        return False


class Result:
    """What became of a row: complaints by the checker that has them."""

    def __init__(self):
        self.complaints = []
        self.epochs = self.pages = self.outputs = self.duplicates = 0

    def complain(self, checker, text):
        """One of them."""
        self.complaints.append((checker, text))

    def checkers(self):
        """Which have something to complain of."""
        return {checker for checker, _ in self.complaints}

    def text(self):
        """All complaints, a line each."""
        return "\n".join(f"{checker}: {text}" for checker, text in self.complaints)


def options_of(row, seed):
    """What flatvmm is told, on either side."""
    options = ["--guest", row["guest"], "--seed", str(seed), "--vcpus", row["vcpus"], "--hash",
               "--backing", row["backing"], "--memory", row["memory"],
               "--dirty", row["dirty"].split("-")[0], "--rest", REST]
    # Many vcpus share few processors, and 10,000 pages take their time.
    options += ["--pace", str(300000 if row["pages"] == "10000" else 3000 * int(row["vcpus"]))]
    if row["dirty"] == "ring-full":
        options += ["--ring", SMALLEST_RING]
    if row["pages"] != "-":
        options += ["--pages", row["pages"]]
    if row["slots"] in ("alias", "both"):
        options.append("--alias")
    if row["slots"] in ("rom", "both"):
        options.append("--readonly-slot")
    return options


class Guest:
    """A row's guest, on both sides."""

    def __init__(self, name, row, pair, port, rng):
        self.name = name
        self.row = row
        self.primary = pair.primary
        self.standby = pair.standby
        self.rng = rng
        self.seed = rng.randrange(1 << 32)
        self.where = f"{self.standby.address}:{port}"
        self.result = Result()
        self.stop_after = int(row["when"]) if row["when"] != "random" else 0

    def begin(self, more=()):
        """Starts both VMMs; returns their processes, primary and standby."""
        options = [*options_of(self.row, self.seed), "--compare", self.where]
        stop = ["--stop-after", str(self.stop_after)] if self.stop_after else []
        with concurrent.futures.ThreadPoolExecutor() as pool:
            begun = [pool.submit(self.primary.begin, self.name, seconds=LIMIT,
                                 options=[*options, *stop, *more]),
                     pool.submit(self.standby.begin, self.name, seconds=LIMIT,
                                 options=[*options, "--standby"])]
            return [b.result() for b in begun]

    def protect(self, pids):
        """Attaches both, and waits until it is protected."""
        attach = ["ftctl", "attach", self.name, "pair", "alpha", "pid"]
        self.standby.run([*attach, str(pids[1]), "role", "standby", "promote", "manual"])
        self.primary.run([*attach, str(pids[0]), "mode", self.row["mode"], "converge"])
        self.primary.until_state(self.name, states=["protected"], seconds=LIMIT)

    def reach(self):
        """Until it is time for the standby to take over."""
        if self.stop_after:
            self.primary.until_compared(self.name, what="epochs", least=self.stop_after,
                                        seconds=LIMIT)
            # A vcpu that is in the hook already may make one epoch more, and another one.
            for _ in range(2 * int(self.row["vcpus"])):
                last = self.primary.until_quiet(self.name, seconds=LIMIT)
                committed = self.standby.status(self.name)["area"]["committed"]
                if committed == last:
                    break
            else:
                self.result.complain("epoch", f"the standby has {committed}, not {last}")
        else:
            epochs = self.rng.randint(1, 5 if self.row["pages"] == "10000" else 20)
            self.primary.until_compared(self.name, what="epochs", least=epochs, seconds=LIMIT)
            time.sleep(self.rng.random() / 5)

    def fail_over(self):
        """The standby takes over, and goes on."""
        self.standby.run(["ftctl", "failover", self.name, "--force"])
        self.standby.until_state(self.name, states=["solo"], seconds=LIMIT)
        loaded = self.standby.status(self.name)["loaded"]
        self.standby.until_lines(self.name, least=loaded + OUTPUTS_AFTER, seconds=LIMIT)

    def judge(self):
        """What was compared, and then what is out."""
        before, after = self.primary.status(self.name), self.standby.status(self.name)
        self._judge_memory(before, after)
        self._judge_host(before, after)
        self._judge_outputs(after)
        for side, status in ("primary", before), ("standby", after):
            for what in "dma_wrong", "guest_errors", "unknown_tickets":
                if status[what]:
                    self.result.complain("guest", f"{what} of the {side}: {status[what]}")
        state = self.primary.state(self.name)
        if state.startswith("protected"):
            self.result.complain("old", f"the old one is {state}")

    def _judge_memory(self, before, after):
        compared = before["compare"]
        self.result.epochs = compared["epochs"]
        self.result.pages = compared["pages"]
        if compared["epochs"] < max(1, self.stop_after):
            self.result.complain("compare", f"{compared['epochs']} epochs were compared")
        # In async mode the last one may be under way when the standby takes over.
        flying = self.row["mode"] == "async" and not self.stop_after
        if compared["different"] or compared["lost"] > flying:
            self.result.complain("compare", f"{compared}")
        if after["compare"]["different"] != compared["different"]:
            self.result.complain("compare", f"the standby has seen {after['compare']}")
        if after["hash"]["saved"] != after["hash"]["found"]:
            self.result.complain("hash", f"{after['hash']}; {after['said']}")

    def _judge_host(self, before, after):
        """That the row was what it says."""
        row = self.row
        sides = ("primary", before), ("standby", after)
        if row["memory"] == "8G":
            for side, status in sides:
                if status["Rss"] > SPARSE_KIB:
                    self.result.complain("sparse", f"the {side} has {status['Rss']} KiB")
        if row["backing"] == "thp" and not before["AnonHugePages"]:
            self.result.complain("backing", "there are no huge pages")
        if row["backing"] == "hugetlb" and not before["Private_Hugetlb"]:
            self.result.complain("backing", "it has no pages of hugetlb")
        if row["dirty"] == "ring-full" and row["pages"] == "10000" and \
                not before["hooks"]["rings_full"]:
            self.result.complain("ring", "it was never full")
        # The first epoch is the full copy, maybe of a guest that has just begun.
        if row["pages"] == "10000" and row["vcpus"] == "1" and self.result.epochs > 2 and \
                before["compare"]["pages"] < 10000:
            self.result.complain("pages", f"{before['compare']['pages']} were written")

    def _judge_outputs(self, after):
        row = self.row
        vcpus = int(row["vcpus"])
        if row["guest"].startswith("counter"):
            pages = COUNTER_PAGES if row["pages"] == "-" else int(row["pages"])
            judge = flat_judge.Judge(lambda vcpu: flat_judge.Counter(self.seed, vcpu, pages),
                                     vcpus, after["loaded"])
        else:
            judge = flat_judge.Judge(lambda vcpu: flat_judge.Numbered(), vcpus,
                                     after["loaded"])
        for place in self.primary, self.standby:
            with tempfile.NamedTemporaryFile("w", prefix=f"{place.label}.") as f:
                f.write(place.outputs(self.name))
                f.flush()
                judge.file(f.name)
        for complaint in judge.complaints:
            self.result.complain("judge", complaint)
        self.result.outputs = judge.total()
        self.result.duplicates = judge.duplicates

    def end(self):
        """Nothing of it is left."""
        for place in self.primary, self.standby:
            with contextlib.suppress(RuntimeError):
                place.run(["ftctl", "detach", self.name])
            place.end_vmm(self.name)

    def explain(self):
        """What is known of both sides, for who has to find out."""
        for place in self.primary, self.standby:
            try:
                self.result.complain("note", f"{place.label} is {place.state(self.name)}")
                self.result.complain("note", f"{place.label}: {place.status(self.name)}")
            except RuntimeError as e:
                self.result.complain("note", f"{place.label}: {e}")


class Lab:
    """A pair of hosts, one in each of them, and guests in all three."""

    def __init__(self, seed):
        self.seed = seed
        self._names = itertools.count()
        # Huge pages are for one guest and its standby at a time.
        self._huge = threading.Lock()
        self.places = []

    def _place(self, *words):
        self.places.append(Place(*words))
        return self.places[-1]

    def __enter__(self):
        first = self._place("h1", "10.77.2.1"), self._place("h2", "10.77.2.2")
        self.pairs = {"hosts": [Pair(*first, "10.77.1.2:7700")], "netns": []}
        for place in first:
            place.put("/proc/sys/vm/nr_hugepages", str(HUGE_PAGES))
            place.run(["sh", "-c", NETNS_UP])
            ends = (self._place(place.host, "10.9.0.1", "fma"),
                    self._place(place.host, "10.9.0.2", "fmb"))
            self.pairs["netns"].append(Pair(*ends, "10.9.0.2:7700"))
        return self

    def __exit__(self, *_):
        for place in self.places:
            with contextlib.suppress(RuntimeError):
                place.run(["ftctl", "pair", "del", "alpha"])
        with contextlib.suppress(RuntimeError):
            for place in self.places[:2]:
                place.run(["sh", "-c", "ip netns del fma; ip netns del fmb"])
                place.put("/proc/sys/vm/nr_hugepages", "0")
        for place in self.places:
            place.end()

    def guest(self, row):
        """A guest for a row."""
        number = next(self._names)
        pairs = self.pairs[row["place"]]
        return Guest(f"g{number}", row, pairs[number % len(pairs)], PORTS + number % 1000,
                     random.Random(f"{self.seed} {matrix.show(row)}"))

    def row(self, row):
        """From begin to end; the result, and the seconds that it took."""
        began = time.monotonic()
        guest = self.guest(row)
        with self._huge if row["backing"] == "hugetlb" else contextlib.nullcontext():
            try:
                guest.protect(guest.begin())
                guest.reach()
                guest.fail_over()
                guest.judge()
            except RuntimeError as e:
                guest.result.complain("row", str(e))
            if guest.result.complaints:
                guest.explain()
            guest.end()
        return guest.result, time.monotonic() - began


NETNS_UP = """
ip netns del fma; ip netns del fmb
set -e
ip netns add fma
ip netns add fmb
ip -n fma link add veth type veth peer name veth netns fmb
ip -n fma addr add 10.9.0.1/24 dev veth
ip -n fmb addr add 10.9.0.2/24 dev veth
for n in fma fmb; do ip -n $n link set veth up; ip -n $n link set lo up; done
"""


def words_of(row):
    """A row for people: what isn't as it is by default."""
    return " ".join(f"{name}={value}" for name, value in row.items() if value not in ("-", "plain"))


def run_rows(tap, rows, seed):
    """All of them, several at once."""
    with Lab(seed) as lab:
        for name, pairs in lab.pairs.items():
            for pair in pairs:
                tap.check(f"a pair of {name} is up", pair.wait())
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            for row, (result, seconds) in zip(rows, pool.map(lab.row, rows)):
                tap.check(f"{words_of(row)}: {result.epochs} epochs compared, {result.pages} pages, "
                          f"{result.outputs} outputs, {result.duplicates} twice ({seconds:.1f} s)",
                          not result.complaints, result.text())


def main():
    tap = Tap()
    dimensions = matrix.Dimensions()
    if sys.argv[1] == "matrix":
        run_rows(tap, matrix.load(dimensions, *sys.argv[2:]), 1)
    elif sys.argv[1] == "slice":
        seed, count = map(int, sys.argv[2:])
        run_rows(tap, dimensions.slice(seed, count), seed)
    sys.exit(tap.done())


if __name__ == "__main__":
    main()
