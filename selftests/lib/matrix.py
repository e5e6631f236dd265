#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The matrix of guests that are protected: what is varied, and what is chosen of it.

    matrix.py check                 complain if rows of selftests/flat/matrix can't be, or
                                    pairs of values don't occur in any
    matrix.py generate [SEED]       rows in which all pairs occur
    matrix.py count                 how many combinations there are
    matrix.py slice SEED N          the SEEDth N of all combinations, shuffled; again from
                                    the first after the last

Files other than those of selftests/flat: --dimensions, --matrix.
"""

import argparse
import itertools
import os
import random
import sys

_FLAT = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "flat")
_ROOT = os.environ.get("KVMFT_ROOT")
if _ROOT:
    _FLAT = os.path.join(_ROOT, "selftests", "flat")
_TRIES = 60
# Of the order in which all combinations come; never changed, so that a seed stays what it is.
_SHUFFLE = 7


class Wrong(Exception):
    """A file says what can't be."""


def _lines(path):
    with open(path, encoding="utf-8") as f:
        for n, line in enumerate(f, 1):
            if line.strip() and not line.startswith("#"):
                yield f"{os.path.basename(path)}:{n}", line


class Dimensions:
    """`values` of each name, in their order; pairs in `never` don't go together."""

    def __init__(self, path=os.path.join(_FLAT, "dimensions")):
        self.values = {}
        self.never = set()
        for where, line in _lines(path):
            first, *words = line.split()
            if first == "never":
                self._forbid(where, line.split(":")[0].split()[1:])
            elif first in self.values or not words:
                raise Wrong(f"{where}: {first} is there already, or has no values")
            else:
                self.values[first] = words
        self.names = list(self.values)

    def _forbid(self, where, terms):
        sides = []
        for term in terms:
            name, _, values = term.partition("=")
            for value in values.split("|"):
                if value not in self.values.get(name, ()):
                    raise Wrong(f"{where}: there is no {name}={value}")
            sides.append([(name, value) for value in values.split("|")])
        if len(sides) != 2 or sides[0][0][0] == sides[1][0][0]:
            raise Wrong(f"{where}: it takes two dimensions")
        self.never |= {frozenset(pair) for pair in itertools.product(*sides)}

    def pairs_of(self, row):
        """All pairs of values of a row, some of whose values may be missing."""
        return {frozenset(pair) for pair in itertools.combinations(row.items(), 2)}

    def complaint(self, row):
        """What is wrong with a row, or None."""
        for name, value in row.items():
            if value not in self.values[name]:
                return f"there is no {name}={value}"
        bad = self.pairs_of(row) & self.never
        return "never " + " ".join(sorted("=".join(v) for v in bad.pop())) if bad else None

    def rows(self):
        """Every combination that can be, in order."""
        for values in itertools.product(*self.values.values()):
            row = dict(zip(self.names, values))
            if not self.pairs_of(row) & self.never:
                yield row

    def _completes(self, row):
        """Can the rest of a row be chosen?"""
        if self.pairs_of(row) & self.never:
            return False
        missing = [name for name in self.names if name not in row]
        if not missing:
            return True
        return any(self._completes({**row, missing[0]: value})
                   for value in self.values[missing[0]])

    def possible(self):
        """All pairs that some combination has."""
        found = set()
        for a, b in itertools.combinations(self.names, 2):
            for va, vb in itertools.product(self.values[a], self.values[b]):
                if self._completes({a: va, b: vb}):
                    found.add(frozenset(((a, va), (b, vb))))
        return found

    def _extend(self, row, wanted, rng):
        """Fills a row up, each time with the value that most of the wanted pairs have."""
        for name in rng.sample([n for n in self.names if n not in row], len(self.names) - len(row)):
            fit = [value for value in rng.sample(self.values[name], len(self.values[name]))
                   if self._completes({**row, name: value})]
            row[name] = max(fit, key=lambda v: len(self.pairs_of({**row, name: v}) & wanted))
        return {name: row[name] for name in self.names}

    def generate(self, seed):
        """Rows in which all possible pairs occur; not the fewest, but few."""
        rng = random.Random(seed)
        wanted = self.possible()
        rows = []
        while wanted:
            tries = []
            for _ in range(_TRIES):
                first = rng.choice(sorted(wanted, key=sorted))
                tries.append(self._extend(dict(first), wanted, rng))
            row = max(tries, key=lambda r: len(self.pairs_of(r) & wanted))
            wanted -= self.pairs_of(row)
            rows.append(row)
        return rows

    def slice(self, seed, count):
        """Some of all combinations, other ones for each seed until all were there."""
        rows = list(self.rows())
        random.Random(_SHUFFLE).shuffle(rows)
        begin = seed * count
        return [rows[(begin + i) % len(rows)] for i in range(count)]


def load(dimensions, path=os.path.join(_FLAT, "matrix")):
    """The rows of a file."""
    rows = []
    for where, line in _lines(path):
        words = line.split()
        if len(words) != len(dimensions.names):
            raise Wrong(f"{where}: {len(words)} values for {len(dimensions.names)} columns")
        row = dict(zip(dimensions.names, words))
        wrong = dimensions.complaint(row)
        if wrong:
            raise Wrong(f"{where}: {wrong}")
        rows.append(row)
    return rows


def show(row):
    """A row as a line."""
    return "\t".join(row.values())


def check(dimensions, path):
    """Complains of what isn't there; returns whether all is."""
    missing = dimensions.possible()
    for row in load(dimensions, path):
        missing -= dimensions.pairs_of(row)
    for pair in sorted(" ".join(sorted("=".join(v) for v in pair)) for pair in missing):
        print(f"no row has {pair}")
    return not missing


def main():
    parser = argparse.ArgumentParser(description="the matrix of guests")
    parser.add_argument("--dimensions", default=os.path.join(_FLAT, "dimensions"))
    parser.add_argument("--matrix", default=os.path.join(_FLAT, "matrix"))
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check")
    commands.add_parser("generate").add_argument("seed", type=int, nargs="?", default=1)
    commands.add_parser("count")
    command = commands.add_parser("slice")
    command.add_argument("seed", type=int)
    command.add_argument("count", type=int)
    args = parser.parse_args()
    try:
        dimensions = Dimensions(args.dimensions)
        if args.command == "check":
            sys.exit(0 if check(dimensions, args.matrix) else 1)
        elif args.command == "count":
            print(sum(1 for _ in dimensions.rows()))
        else:
            rows = dimensions.generate(args.seed) if args.command == "generate" else \
                dimensions.slice(args.seed, args.count)
            print("\n".join(map(show, rows)))
    except Wrong as e:
        print(e)
        sys.exit(2)


if __name__ == "__main__":
    main()
