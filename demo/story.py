# SPDX-License-Identifier: GPL-2.0
"""The story: what happened, by seconds since it began. Several threads write it by appending,
and the picture, the timeline and the verdict are made of it."""

import collections
import contextlib
import statistics
import time

# What the module of a host says of the guest.
View = collections.namedtuple("View", "role state reason generation epoch committed "
                                      "parked_ns transfer_ns copied to_copy")
Step = collections.namedtuple("Step", "begin text end")
Answer = collections.namedtuple("Answer", "when took")
# At `when` a lane comes to be (role, state); the role is empty where there is no guest.
Change = collections.namedtuple("Change", "when role state")
Generation = collections.namedtuple("Generation", "when host number")


class Story:
    """All times are those of one clock, which is the machine's."""

    def __init__(self, hosts, tell=None):
        self.began = time.monotonic()
        self.hosts = tuple(hosts)
        self.tell = tell or (lambda when, text: None)
        self.lanes = {host: [Change(0.0, "", "off")] for host in hosts}
        self.places = dict.fromkeys(hosts, ("", "off"))
        self.views = dict.fromkeys(hosts)
        self.steps = []
        self.events = []
        self.answers = []
        self.generations = []
        self.complaints = []
        self.connected = None

    def now(self):
        """Seconds since the begin."""
        return time.monotonic() - self.began

    # What is written

    @contextlib.contextmanager
    def step(self, text):
        """A step of the demo lasts as long as this."""
        begin = self.now()
        self.steps.append(Step(begin, text, None))
        self.tell(begin, text)
        yield
        self.steps[-1] = Step(begin, text, self.now())

    def event(self, text):
        """Something that is worth a label; returns when it was."""
        when = self.now()
        self.events.append((when, text))
        self.tell(when, f"* {text}")
        return when

    def answer(self, took):
        """The client has an answer, after so many seconds."""
        self.answers.append(Answer(self.now(), took))

    def complain(self, text):
        """Something is wrong; only the first words of each kind are told."""
        self.complaints.append(text)
        if len(self.complaints) <= 5:
            self.tell(self.now(), f"! {text}")

    def place(self, host, role, state):
        """What a host is, as long as its module says nothing of the guest."""
        self.places[host] = (role, state)
        if not self.views[host]:
            self._change(host, role, state)

    def see(self, host, view):
        """What the module of a host says; None if nothing."""
        self.views[host] = view
        if not view:
            self._change(host, *self.places[host])
            return
        self._change(host, view.role, view.state)
        last = self.generations[-1].number if self.generations else 0
        if view.role == "primary" and view.generation > last:
            self.generations.append(Generation(self.now(), host, view.generation))

    def _change(self, host, role, state):
        last = self.lanes[host][-1]
        if (last.role, last.state) != (role, state):
            self.lanes[host].append(Change(self.now(), role, state))

    # What is read

    def is_(self, host, role, *states):
        """Is that what the host's module says?"""
        view = self.views[host]
        return bool(view) and view.role == role and view.state in states

    def runner(self):
        """The host that runs the guest; None if that can't be told now."""
        for host in self.hosts:
            if runs(*self.lanes[host][-1][1:]):
                return host
        return None

    def quiet(self, since, until):
        """The longest time without an answer that has a part between the two, as (begin,
        end); None if there is none."""
        times = [self.connected] + [a.when for a in list(self.answers)]
        gaps = [(a, b) for a, b in zip(times, times[1:]) if b > since and a < until]
        return max(gaps, key=lambda gap: gap[1] - gap[0], default=None)

    def usual(self):
        """How long an answer takes, typically; 0 if there was none."""
        return statistics.median([a.took for a in list(self.answers)] or [0.0])

    def gaps(self, least):
        """All times without an answer that are at least so long, as (begin, end)."""
        times = [a.when for a in list(self.answers)]
        return [(a, b) for a, b in zip(times, times[1:]) if b - a >= least]


def runs(role, state):
    """Does a host run the guest that is so? One that is held or fenced has stopped it."""
    return role == "primary" and state not in ("held", "fenced")
