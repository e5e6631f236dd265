# SPDX-License-Identifier: GPL-2.0
"""The tests there are, and what each declares that it needs.

A test is a C file or a shell script in a suite's folder.  One comment line of
its first ten says what it needs:

    needs: host                     runs inside one host
    needs: hosts=2                  runs on the machine, drives hosts by `lab`
    needs: machine                  runs on the machine, once, without hosts

Further words: module=shipped|faults|none (what is loaded when a host test
starts; shipped by default), smp=N, mem=SIZE, debug (the debug kernel only),
nodebug, long (only with --long; repeated by seed), breaks (the hosts are
started afresh afterwards), either (of several kernels, one will do),
timeout=SECONDS (60 by default, before scaling).
"""

import os
import re

NEEDS = re.compile(r"^\s*(?:#|//|\*|/\*)\s*needs:\s*(.*?)\s*(?:\*/)?$")
FLAGS = {"host", "machine", "debug", "nodebug", "long", "breaks", "either"}
OPTIONS = {"hosts": int, "smp": int, "mem": str, "module": str, "timeout": float}
MODULES = ("shipped", "faults", "none")


class Declaration(Exception):
    """A test's declaration is missing or wrong."""


class Test:
    """One test: `name`, `place` (machine, host, hosts), and its needs."""

    def __init__(self, source):
        self.source = source
        self.name = os.path.splitext(os.path.basename(source))[0]
        self.program = self.name if source.endswith(".c") else os.path.basename(source)
        self.needs = {"smp": 2, "mem": "2G", "module": "shipped", "timeout": 60.0, "hosts": 0}
        self.flags = set()
        self._read()
        self.place = ("machine" if "machine" in self.flags else
                      "hosts" if self.needs["hosts"] else "host")
        self.hosts = self.needs["hosts"] or (0 if self.place == "machine" else 1)

    def _read(self):
        with open(self.source, encoding="utf-8") as f:
            lines = [f.readline() for _ in range(10)]
        match = next(filter(None, map(NEEDS.match, lines)), None)
        if not match:
            raise Declaration(f"{self.source}: no 'needs:' line among the first ten")
        for word in match.group(1).split():
            key, _, value = word.partition("=")
            try:
                if key in FLAGS and not value:
                    self.flags.add(key)
                else:
                    self.needs[key] = OPTIONS[key](value)
            except (KeyError, ValueError) as e:
                raise Declaration(f"{self.source}: 'needs:' doesn't know '{word}'") from e
        if self.needs["module"] not in MODULES:
            raise Declaration(f"{self.source}: module= is one of {', '.join(MODULES)}")
        places = len(self.flags & {"host", "machine"}) + (self.needs["hosts"] > 0)
        if places != 1:
            raise Declaration(f"{self.source}: needs one of host, hosts=N, machine")

    @property
    def timeout(self):
        """Seconds, before scaling."""
        return self.needs["timeout"]


def load(folder):
    """All tests of a folder, in order of name."""
    tests = [Test(os.path.join(folder, name)) for name in sorted(os.listdir(folder))
             if name.endswith((".c", ".sh"))]
    names = [t.name for t in tests]
    for name in names:
        if names.count(name) > 1:
            raise Declaration(f"two tests are called {name}")
    return tests


def matching(tests, pattern):
    """Those that `T=pattern` names: any of its words is part of the name."""
    words = pattern.split()
    return [t for t in tests if not words or any(w in t.name for w in words)]
