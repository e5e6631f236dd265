# SPDX-License-Identifier: GPL-2.0
"""The guest's client, who knows nothing of hosts: one TCP connection to its counter all the
time, and its page once a second."""

import http.client
import re
import threading
import time

import answers
import client

COUNTER_PORT = 7
PAGE_PORT = 80
PACE = 0.1
PAGE_PACE = 1.0
# Longer than any of the demo's steps may take without an answer.
LATE = 60
# What doesn't come to its senses needn't be told for ever.
ENOUGH = 10
FACT = re.compile(r"id=(\w+)>([^<]+)<")


class Page:
    """What the page said, and whether that can be one guest's."""

    def __init__(self):
        self.fetched = 0
        self.count = 0
        self.up = 0.0
        self.boot = None
        self.when = None

    def take(self, text, least, most):
        """None, or what is wrong: the counter has to be between what was answered before it was
        asked for, and what was sent by then; neither it nor the guest's clock goes back; and
        it is the same boot."""
        facts = dict(FACT.findall(text))
        try:
            count, up, boot = int(facts["count"]), float(facts["up"]), facts["boot"]
        except (KeyError, ValueError):
            return f"is no page of the guest's: {text!r}"
        before, self.count, self.up, self.boot = (self.count, self.up, self.boot), count, up, boot
        self.fetched += 1
        if count < max(least, before[0]):
            return f"says {count} when {max(least, before[0])} were answered"
        if count > most:
            return f"says {count} when {most} were asked"
        if up < before[1]:
            return f"says that the guest is up for {up} s, and {before[1]} s before"
        if before[2] not in (None, boot):
            return "is that of another boot of the guest"
        return None


class Visitor:
    """Tells the story of each answer, and complains of what can't be."""

    def __init__(self, story, lab, address):
        self.story = story
        self.lab = lab
        self.address = address
        self.judge = answers.Answers(COUNTER_PORT)
        self.page = Page()
        self.leaving = threading.Event()
        self.threads = []

    def come(self):
        """Makes the connection, and begins to ask."""
        sock = self.lab.dial(self.address, COUNTER_PORT, LATE * client.SCALE)
        sock.settimeout(LATE * client.SCALE)
        self.story.connected = self.story.now()
        self.threads = [threading.Thread(target=f, args=args, daemon=True)
                        for f, args in ((self._ask, (sock,)), (self._look, ()))]
        for thread in self.threads:
            thread.start()

    def leave(self):
        """Ends when all that was asked is answered."""
        self.leaving.set()
        for thread in self.threads:
            thread.join()

    def _ask(self, sock):
        with sock, sock.makefile("r", encoding="ascii", errors="replace") as lines:
            while not self.leaving.is_set():
                begin = time.monotonic()
                try:
                    sock.sendall(self.judge.ask().encode())
                    line = lines.readline()
                except OSError as e:
                    self.story.complain(f"the connection: {e}")
                    return
                if not line:
                    self.story.complain("the guest has ended the connection")
                    return
                took = time.monotonic() - begin
                kind = self.judge.take(line)
                if kind:
                    self.story.complain(f"an answer is {kind}: {line.strip()!r} came for "
                                        f"question {self.judge.asked}")
                self.story.answer(took)
                if sum(self.judge.wrong.values()) >= ENOUGH:
                    return
                self.leaving.wait(max(0.0, PACE - took))

    def _look(self):
        while not self.leaving.wait(PAGE_PACE):
            least = self.judge.right
            try:
                text = self._fetch()
            except (OSError, client.LabError, http.client.HTTPException) as e:
                self.story.complain(f"the page can't be had: {e}")
                return
            complaint = self.page.take(text, least, self.judge.asked)
            self.page.when = self.story.now()
            if complaint:
                self.story.complain(f"the page {complaint}")

    def _fetch(self):
        connection = http.client.HTTPConnection(self.address)
        connection.sock = self.lab.dial(self.address, PAGE_PORT, LATE * client.SCALE)
        connection.sock.settimeout(LATE * client.SCALE)
        try:
            connection.request("GET", "/")
            return connection.getresponse().read().decode(errors="replace")
        finally:
            connection.close()
