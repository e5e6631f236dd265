# SPDX-License-Identifier: GPL-2.0
"""Results of the long tests, kept from run to run: a line for each seed."""

import os
import time


class History:
    """A file of TIME TEST KERNEL SEED RESULT, tabs between."""

    def __init__(self, path):
        self.path = path

    def _rows(self, test, label):
        if not os.path.exists(self.path):
            return []
        with open(self.path, encoding="utf-8") as f:
            rows = [line.rstrip("\n").split("\t") for line in f]
        return [(int(r[3]), r[4]) for r in rows if r[1:3] == [test, label]]

    def next_seed(self, test, label):
        """The seed after the last one that ran."""
        return max((seed for seed, _ in self._rows(test, label)), default=0) + 1

    def add(self, test, label, seed, passed):
        """Keeps one result at once, so that an interrupted run loses nothing."""
        with open(self.path, "a", encoding="utf-8") as f:
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            print(stamp, test, label, seed, "pass" if passed else "fail", sep="\t", file=f)

    def summary(self, test, label):
        """All there is so far, in words."""
        rows = self._rows(test, label)
        bad = sorted({seed for seed, said in rows if said == "fail"})
        return (f"{len(rows)} seeds so far, {len(bad)} failed"
                + (f" ({' '.join(map(str, bad))})" if bad else ""))
