#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0
"""demo_parts.py svg | picture | page | judge | answers HOW - the parts of demo/ that need no hosts,
with a story that somebody made up. Prints what came of it, for demo.sh to judge."""

import collections
import contextlib
import os
import re
import socket
import sys
import threading
import xml.dom.minidom

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", "demo"), os.path.join(HERE, "..", "lab"),
                os.path.join(HERE, "..", "runner")]
# pylint: disable=wrong-import-position
import hosts        # noqa: E402
import picture      # noqa: E402
import story        # noqa: E402
import timeline     # noqa: E402
import verdict      # noqa: E402
import visitor      # noqa: E402

LINE = "{} {} none {} 12 11 8000000 12000000 50 100"


class Told(story.Story):
    """One whose clock says what it is told to."""

    def __init__(self):
        self.time = 0.0
        super().__init__(("h1", "h2"))

    def now(self):
        return self.time

    def at(self, when, host=None, role="", state="", generation=1):
        """The module of a host says so, then; without a role, nobody does."""
        self.time = when
        if host and role:
            self.see(host, hosts.parse(LINE.format(role, state, generation)))
        elif host:
            self.place(host, role, state)
            self.see(host, hosts.parse("- - - - - - - - - -"))

    def ask(self, begin, end):
        """The client has an answer each 100 ms, until then."""
        while begin < end:
            self.time = begin
            self.answer(0.06)
            begin += 0.1


def made_up():
    """A demo as it should be."""
    told = Told()
    for host in told.hosts:
        told.place(host, "", "booting")
    for host in told.hosts:
        told.at(14, host, "", "up")
    told.at(18)
    told.place("h1", "primary", "alone")
    told.connected = 38.0
    told.ask(38, 60)
    told.at(42, "h1", "primary", "protected")
    told.at(42, "h2", "standby", "protected")
    told.event("protected <&>")
    told.at(60, "h1", "", "off")
    told.event("power loss of h1")
    told.at(63, "h2", "primary", "solo", 2)
    told.event("h2 goes on")
    told.ask(64.2, 80)
    return told


def svg():
    """Well-formed, with all that happened in it, each label with a place of its own."""
    document = xml.dom.minidom.parseString(timeline.svg(made_up(), "A & B", ["a note"]))
    texts = collections.Counter(node.firstChild.data
                                for node in document.getElementsByTagName("text"))
    for words in ("A & B", "a note", "h1", "h2", "answers", "4.3 s", "protected <&>",
                  "power loss of h1", "primary, solo", "off", "70 s"):
        print(f"{words}: {texts[words]}")
    scale = timeline.Scale(0, 100)
    events = [(t, "many words, so that it is long") for t in (1, 2, 3, 90, 91, 99)]
    ends = collections.defaultdict(float)
    for when, words, row, anchor in timeline.label_rows(events, scale):
        width = len(words) * timeline.CHAR
        begin = scale.x(when) - (width if anchor == "end" else 0)
        if begin < ends[row]:
            print(f"the label at {when} lies above another one")
        ends[row] = begin + width


def plain(line):
    """Without what is told to the terminal."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line)


def show_picture():
    """As it is seen, on a narrow terminal."""
    told = made_up()
    there = visitor.Visitor(told, None, "")
    for line in picture.lines_of(told, there, told.now(), "hint"):
        short = plain(picture.cut(line, 70))
        if short != plain(line)[:70]:
            print(f"cut to {short!r}")
        print(short)


def page():
    """What becomes of pages that can't be one guest's."""
    def said(count, up, boot="b1"):
        return f"<h1 id=count>{count}</h1><b id=up>{up}</b><b id=boot>{boot}</b>"

    for name, text, least, most in (
            ("right", said(6, 2.0), 5, 7), ("not the guest's", "sorry", 0, 9),
            ("behind", said(4, 3.0), 5, 7), ("ahead", said(8, 3.0), 5, 7),
            ("less than before", said(4, 3.0), 0, 7), ("younger", said(6, 0.5), 5, 7),
            ("of another boot", said(6, 3.0, "b2"), 5, 7)):
        it = visitor.Page()
        it.take(said(5, 1.0), 0, 5)
        print(f"{name}: {it.take(text, least, most) or 'no complaint'}")


class Place:
    """Where a guest can be dialled that treats its 5th question so; its page isn't there."""

    def __init__(self, how):
        self.how = how
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.serve, daemon=True).start()

    def dial(self, _address, _port, _patience):
        """As Lab.dial()."""
        return socket.create_connection(self.listener.getsockname())

    def serve(self):
        """One connection, until the visitor has enough of it."""
        peer, _ = self.listener.accept()
        number, before = 0, ""
        with contextlib.suppress(OSError), peer, peer.makefile("r") as lines:
            for line in lines:
                number += 1
                answer = self.answer(number, line, before)
                if answer is None:
                    return
                before = f"{number} {line}"
                peer.sendall(answer.encode())

    def answer(self, number, line, before):
        """The one to give; None to hang up."""
        right = f"{number} {line}"
        if number != 5:
            return right
        return {"right": right, "repeat": before, "twice": right + right,
                "contradict": f"{number} another's\n", "forget": f"{number - 2} {line}",
                "hang up": None}[self.how]


def ask(how):
    """A visitor of such a place, and what it is found to be worth."""
    visitor.PACE, visitor.PAGE_PACE = 0.001, 60
    told = story.Story(("h1", "h2"))
    it = visitor.Visitor(told, Place(how), "")
    it.come()
    while len(told.answers) < 10 and it.threads[0].is_alive():
        it.leaving.wait(0.01)
    it.leave()
    print("sound" if verdict.sound(told, it.judge) else "not sound",
          next(iter(told.complaints), ""))


def judge():
    """The judge alone, which may have several questions out: what it finds in answers 1 to 8 of
    which some were left out, repeated or exchanged."""
    for name, order in (("right", "12345678"), ("lost", "1235678"), ("two lost", "125678"),
                        ("repeated", "123345678"), ("repeated later", "123456378"),
                        ("out of order", "12435678"), ("out of order later", "12356478"),
                        ("the last lost", "1234567")):
        it = visitor.answers.Answers("w")
        lines = [it.ask() for _ in range(8)]
        for number in order:
            it.take(f"{number} {lines[int(number) - 1]}")
        print(f"{name}: {it.right} right, " +
              ", ".join(f"{n} {kind}" for kind, n in it.wrong.items() if n) +
              f"; {it.unanswered} unanswered")


if __name__ == "__main__":
    {"svg": svg, "picture": show_picture, "page": page, "judge": judge,
     "answers": lambda: ask(sys.argv[2])}[sys.argv[1]]()
