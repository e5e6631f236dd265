# SPDX-License-Identifier: GPL-2.0
"""What in a host's kernel log fails a run, whatever the test said."""

import re

# Each pattern is the beginning of one kind of report of the kernel's.
SPLATS = re.compile("|".join((
    r"\bBUG: ",
    r"\bBUG at ",
    r"\bWARNING: ",
    r"\bOops\b",
    r"general protection fault",
    r"unable to handle (?:page fault|kernel)",
    r"Kernel panic",
    r"INFO: task .* blocked for more than",
    r"INFO: rcu_\S+ (?:self-)?detected (?:expedited )?stall",
    r"rcu: INFO: .*stall",
    r"rcu_\S+ kthread (?:starved|timer wakeup)",
    r"watchdog: .*(?:lockup|LOCKUP)",
    r"NMI watchdog: .*(?:lockup|LOCKUP)",
    r"possible (?:recursive|circular) locking",
    r"possible irq lock inversion",
    r"inconsistent lock state",
    r"suspicious RCU usage",
    r"\*\*\* DEADLOCK \*\*\*",
    r"held lock freed",
    r"lock held when returning to user space",
    r"BUG: sleeping function",
    r"scheduling while atomic",
    r"INFO: lockdep is turned off",
    r"UBSAN: ",
    r"KASAN: ",
    r"kmemleak: \d+ new suspected memory leaks",
    r"ODEBUG: ",
    r"list_(?:add|del) corruption",
    r"Bad page (?:state|map)",
    r"refcount_t: ",
    r"DEBUG_LOCKS_WARN_ON",
    r"Unable to handle",
    r"nobody cared",
    r"Objects remaining in .* on __kmem_cache_shutdown",
    r"unregister_netdevice: waiting for",
    r"soft lockup",
    r"page allocation failure",
    r"INFO: trying to register non-static key",
    r"turning off the locking correctness validator",
    r"Disabling lock debugging due to kernel taint",
    r"\bBUG \S+ \(",
    r"cannot create duplicate filename",
    r"failed for \S+ with -EEXIST",
    r"kobject .*(?:something is seriously wrong|uninitialized object)",
    r"softirq: huh, entered",
    r"Attempt to release (?:TCP socket|alive inet socket)",
    r"kmemleak: (?:Cannot insert|.* unknown object)",
    r"debugfs: .* already present!",
    r"schedule_timeout: wrong timeout",
    r"bad: scheduling from the idle thread",
    r"\d+ printk messages dropped",
)))

# A test that expects one of these says so in the kernel log just before, with
# this marker and the words it expects; the next line with them is forgiven.
EXPECT = re.compile(r"kvmft-test: expect (.+)$")


def splats(text):
    """The lines of a log that fail a run, in order."""
    found, expected = [], []
    for line in text.splitlines():
        if match := EXPECT.search(line):
            expected.append(match.group(1).strip())
        elif SPLATS.search(line):
            forgiven = next((e for e in expected if e in line), None)
            if forgiven:
                expected.remove(forgiven)
            else:
                found.append(line.strip())
    return found
