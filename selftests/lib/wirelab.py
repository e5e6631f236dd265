# SPDX-License-Identifier: GPL-2.0
"""What tests of the protocol in Python have in common: TAP, the module with its
self-tests, pairs of this host."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback

import genl
from peer import Peer

SCALE = float(os.environ.get("KVMFT_TIME_SCALE", "1"))


class Tap:
    """Counts results and prints them."""

    def __init__(self):
        self.count = 0
        self.failed = 0

    def check(self, name, good, detail=""):
        """One result; the detail is shown when it isn't good. Returns if it was."""
        self.count += 1
        self.failed += not good
        print(f"{'' if good else 'not '}ok {self.count} {name}", flush=True)
        if not good:
            for line in str(detail).splitlines():
                print(f"# {line}", flush=True)
        return bool(good)

    def equal(self, name, wanted, got):
        """They must be equal."""
        return self.check(name, wanted == got, f"wanted: {wanted}\ngot:    {got}")

    @staticmethod
    def note(text):
        """For who reads the output."""
        print(f"# {text}", flush=True)

    @contextlib.contextmanager
    def part(self, name):
        """What raises in here is one failure; the rest of the test goes on."""
        began = time.monotonic()
        try:
            yield
        except Exception as e:      # pylint: disable=broad-except
            self.check(f"{name}: {type(e).__name__}", False, traceback.format_exc())
        self.note(f"{name}: {time.monotonic() - began:.1f} s")

    def done(self):
        """The plan; returns the exit status."""
        print(f"1..{self.count}", flush=True)
        return 1 if self.failed else 0


def until(what, seconds=10, pause=0.02):
    """Waits until what() is true; returns the last that it said."""
    deadline = time.monotonic() + seconds * SCALE
    while True:
        said = what()
        if said or time.monotonic() > deadline:
            return said
        time.sleep(pause)


def load_with_selftests():
    """Loads the module anew with its self-test commands."""
    subprocess.run(["rmmod", "kvmft"], check=True)
    subprocess.run(["insmod", os.environ["KVMFT_KO_SHIPPED"], "selftest=1"], check=True)


def ftctl(*words):
    """Runs it; returns what it prints."""
    done = subprocess.run(["ftctl", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"ftctl {' '.join(words)}: {done.stderr}")
    return done.stdout


class Pair:
    """A pair of this host, deleted in the end, and what the kernel tells of it."""

    def __init__(self, name, role, address, *, heartbeat="100ms", timeout="5s", key=None):
        self.name = name
        self.address = address
        self.key = key or os.urandom(32)
        self.family = genl.Family()
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "key")
            with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "w",
                      encoding="ascii") as file:
                file.write(self.key.hex() + "\n")
            ftctl("pair", "add", name, role, f"{address[0]}:{address[1]}", "key", path,
                  "heartbeat", heartbeat, "timeout", timeout)
        self.there = True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.there:
            self.delete()
        self.family.close()

    def delete(self):
        """Ends it."""
        ftctl("pair", "del", self.name)
        self.there = False

    def json(self):
        """What ftctl shows of it."""
        return json.loads(ftctl("--json", "pair", "show", self.name))[0]

    def show(self):
        """What the kernel tells, without starting a process."""
        return self.family.show(self.name)

    def errors(self, reason):
        """How often that has happened."""
        return self.show()["errors"].get(reason, 0)

    def wait_errors(self, reason, more_than, seconds=10):
        """Waits until it has happened more often than that; how often it has."""
        until(lambda: self.errors(reason) > more_than, seconds)
        return self.errors(reason)

    def wait_state(self, state, seconds=10):
        """Waits for a state of the link; if it came."""
        return until(lambda: self.show()["state"] == state, seconds)

    def peer(self, role, **more):
        """Another end that fits; `more` is for Peer."""
        return Peer(more.pop("name", self.name), more.pop("key", self.key), role, **more)

    # Synthetic guests

    def attach(self, vm, role, ceiling=None):
        """Makes an end of one."""
        self.family.attach(self.name, vm, role, ceiling)

    def detach(self, vm):
        """Removes it."""
        self.family.detach(self.name, vm)

    def read(self, vm):
        """What the sink has: (the whole, {(region, offset): crc})."""
        return self.family.read(self.name, vm)


def main(run):
    """A test: run(tap) with the module loaded for it."""
    tap = Tap()
    with tap.part("all of it"):
        load_with_selftests()
        run(tap)
    sys.exit(tap.done())
