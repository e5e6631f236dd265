#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What kvmft must never do, done on purpose: whoever is there to notice it must.

Like vm_rows.py, with a build of the module that has the fault points.
"""

import os
import subprocess
import sys
import time

import matrix
import vm_rows
from wirelab import Tap

FAULTS = "/sys/module/kvmft/parameters/faults"
# A page that no guest writes, and that a counter never needs again.
GDT = "0x4000"
# So that enough is wrong for a counter to come by.
EPOCHS = 30


def row_of(**values):
    """A guest on two hosts, all else being simple."""
    row = dict(zip(matrix.Dimensions().names,
                   "counter 1 log anon 64M sync - plain hosts random".split()))
    return {**row, **values}


class Violation:
    """
    name: what is done
    noticed: by which checkers it must be noticed
    quiet: and by which it mustn't be, since it isn't there
    """

    name = ""
    noticed = frozenset()
    quiet = frozenset()
    row = row_of()
    more = ()

    def do(self, guest):
        """While the guest is protected, before the standby takes over."""

    def undo(self, guest):
        """When all is over."""
        for place in guest.primary, guest.standby:
            place.put(FAULTS, "off")

    def run(self, lab, tap):
        """Does it; two results."""
        guest = lab.guest(self.row)
        try:
            guest.protect(guest.begin(self.more))
            guest.primary.until_compared(guest.name, what="epochs", least=2, seconds=vm_rows.LIMIT)
            self.do(guest)
            guest.fail_over()
            guest.judge()
        except RuntimeError as e:
            guest.result.complain("row", str(e))
        self.undo(guest)
        guest.end()
        found = guest.result.checkers()
        by = " and ".join(sorted(self.noticed)) or "nobody"
        tap.check(f"{self.name}: noticed by {by}", self.noticed <= found, guest.result.text())
        tap.equal(f"{self.name}: nobody else has anything to say of it", set(),
                  found & (self.quiet | {"row"}))


class NothingIsDone(Violation):
    """That the others are what is noticed."""
    name = "nothing"
    quiet = frozenset(("compare", "hash", "judge", "guest", "old"))


class PageIsDropped(Violation):
    """One page of one epoch; nothing is sent ahead that could make up for it."""
    name = "a page is dropped"
    noticed = frozenset(("compare",))

    def do(self, guest):
        guest.primary.put(FAULTS, "drop_page:error=5,times=1")
        guest.primary.until_compared(guest.name, what="different", least=1, seconds=vm_rows.LIMIT)


class PagesAreDropped(Violation):
    """All of them from now on."""
    name = "all pages are dropped"
    noticed = frozenset(("compare", "hash", "judge"))

    def do(self, guest):
        guest.primary.put(FAULTS, "drop_page:error=5")
        guest.primary.until_compared(guest.name, what="different", least=EPOCHS,
                                     seconds=vm_rows.LIMIT)


class EpochIsHalfApplied(Violation):
    """The first pages of it are, and no other."""
    name = "an epoch is half applied"
    noticed = frozenset(("compare", "hash", "judge"))

    def do(self, guest):
        guest.standby.put(FAULTS, "apply_page:error=5,skip=6")
        guest.primary.until_compared(guest.name, what="different", least=EPOCHS,
                                     seconds=vm_rows.LIMIT)


class PageIsLost(Violation):
    """After it was applied: a page that isn't sent again."""
    name = "the standby loses a page"
    noticed = frozenset(("compare", "hash"))
    quiet = frozenset(("judge",))

    def do(self, guest):
        guest.standby.ask(guest.name, f"forget {GDT}")
        guest.primary.until_compared(guest.name, what="different", least=1, seconds=vm_rows.LIMIT)


class RegisterIsSkipped(Violation):
    """Memory is whole, so only outputs can tell."""
    name = "a register isn't restored"
    noticed = frozenset(("judge",))
    quiet = frozenset(("compare", "hash"))

    def do(self, guest):
        guest.standby.put(FAULTS, "restore_gpr:error=5")


class MsrsAreSkipped(Violation):
    """The second lot of the first vcpu; the guest itself looks at them."""
    name = "MSRs aren't restored"
    noticed = frozenset(("judge", "guest"))
    quiet = frozenset(("compare", "hash"))
    row = row_of(guest="state")

    def do(self, guest):
        guest.standby.put(FAULTS, "restore_msrs:error=5,skip=1,times=1")


class LinkIsCut(Violation):
    """Output of an epoch that isn't committed stays where it is."""
    name = "the link is cut"
    quiet = frozenset(("compare", "hash", "judge", "guest", "old"))

    def cut(self, guest):
        """The moment of it."""
        subprocess.run([vm_rows.LAB, "cut", "h1", "h2", "repl"], check=True)

    def do(self, guest):
        self.cut(guest)
        guest.primary.until_state(guest.name, states=["held"], seconds=vm_rows.LIMIT)

    def undo(self, guest):
        subprocess.run([vm_rows.LAB, "heal"], check=True)


class OutputIsEarly(LinkIsCut):
    """The same with a VMM that doesn't wait, in an epoch that isn't committed there."""
    name = "output leaves early"
    noticed = frozenset(("judge",))
    quiet = frozenset(("compare", "hash"))
    more = ("--early",)

    def cut(self, guest):
        guest.primary.put(FAULTS, "epoch_sent:hold")
        time.sleep(1)
        super().cut(guest)
        guest.primary.put(FAULTS, "off")


def main():
    tap = Tap()
    violations = [NothingIsDone, PageIsDropped, PagesAreDropped, EpochIsHalfApplied, PageIsLost,
                  RegisterIsSkipped, MsrsAreSkipped, LinkIsCut, OutputIsEarly]
    with vm_rows.Lab(int(os.environ.get("KVMFT_SEED", "1"))) as lab:
        tap.check("the pair is up", lab.pairs["hosts"][0].wait())
        for violation in violations:
            with tap.part(violation.name):
                violation().run(lab, tap)
            lab.pairs["hosts"][0].wait()
    sys.exit(tap.done())


if __name__ == "__main__":
    main()
