#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Judges what a guest of flatvmm has let out.

    flat_judge.py judge [options] FILE...        outputs of the primary, then of the
                                                 standby that went on, and so on
    flat_judge.py collect ADDRESS:PORT PREFIX    the other end of --output tcp:...; each
                                                 connection gets a file, PREFIX.1 ...

A line is "SEQUENCE VCPU VALUE", the value in hexadecimal. Sequences begin with 1 and
leave none out. A standby may begin with output that is out already, the same and
no more than was in its outbox (--duplicates). Values are those that the guest
must come to (counter), or "number << 8 | errors", without errors (all others).

With --stream the files are what a counter with one vcpu has sent byte by byte: a file may
begin and end amid a line, but it must reach what was out before. --duplicates may have
a number for each standby then, "2,0,1"; the last one is also for those that come after.
"""

import argparse
import os
import sys

_MASK = 0xffffffff
_MIX_A = 0x9e3779b9
_OWN_PAGES = 64
_SHARED_PAGES = 16
_SHOWN = 10


class Counter:
    """What vcpu N of the guest "counter" says, one after the other."""

    def __init__(self, seed, vcpu, pages):
        self._x = ((vcpu + 1) * _MIX_A ^ seed) & _MASK | 1
        self._hash = self._x
        self._pages = pages
        self._own = {}
        self._shared = {}

    def _step(self):
        x = self._x
        x ^= x << 13 & _MASK
        x ^= x >> 17
        x ^= x << 5 & _MASK
        self._x = x
        place = x % _OWN_PAGES, x >> 8 & 15
        value = self._own.get(place, 0)
        self._hash = (self._hash << 5 & _MASK | self._hash >> 27) ^ value
        self._own[place] = value + x & _MASK
        place = (x >> 20) % _SHARED_PAGES, x >> 24 & 15
        value = self._shared.get(place, 0)
        self._hash = self._hash + value & _MASK
        self._shared[place] = value ^ x

    def next(self):
        for _ in range(self._pages):
            self._step()
        return self._hash


class Numbered:
    """What the other guests say if they have found no error."""

    def __init__(self):
        self._number = 0

    def next(self):
        self._number += 1
        return self._number << 8 & _MASK


class Judge:
    """Takes files in their order; complaints are what is wrong."""

    def __init__(self, make, vcpus, duplicates):
        self._expected = [make(vcpu) for vcpu in range(vcpus)]
        self._allowed = duplicates
        self._seen = []
        self.duplicates = 0
        self.complaints = []

    def _complain(self, where, what):
        self.complaints.append(f"{where}: {what}")

    def _new(self, where, vcpu, value):
        self._seen.append((vcpu, value))
        if vcpu >= len(self._expected):
            self._complain(where, f"there is no vcpu {vcpu}")
            return
        expected = self._expected[vcpu].next()
        if value != expected:
            self._complain(where, f"vcpu {vcpu} said {value:x} instead of {expected:x}")

    def _again(self, where, sequence, vcpu, value):
        self.duplicates += 1
        if self._seen[sequence - 1] != (vcpu, value):
            before = self._seen[sequence - 1]
            self._complain(where, f"vcpu {vcpu} says {value:x}, where vcpu {before[0]} "
                                  f"had said {before[1]:x}")

    def _line(self, where, text, last):
        try:
            sequence, vcpu, value = text.split()
            sequence, vcpu, value = int(sequence), int(vcpu), int(value, 16)
        except ValueError:
            self._complain(where, f"no line of output: {text!r}")
            return last
        if last is not None and sequence != last + 1:
            self._complain(where, f"{sequence} comes after {last}")
        elif sequence < 1 or sequence > len(self._seen) + 1:
            self._complain(where, f"{sequence} comes after {len(self._seen)} outputs")
        if 1 <= sequence <= len(self._seen):
            self._again(where, sequence, vcpu, value)
        else:
            self._new(where, vcpu, value)
        return sequence

    def file(self, path):
        before = self.duplicates
        last = None if self._seen else 0
        with open(path, encoding="ascii", errors="replace") as lines:
            for n, text in enumerate(lines, 1):
                last = self._line(f"{path}:{n}", text, last)
                if len(self.complaints) >= _SHOWN:
                    return
        if self._allowed is not None and self.duplicates - before > self._allowed:
            self._complain(path, f"{self.duplicates - before} duplicates, "
                                 f"{self._allowed} were in the outbox")

    def total(self):
        return len(self._seen)


class Stream:
    """The same for text that may be cut anywhere; how many lines, whole or not, each
    file but the first may repeat is in allowed."""

    def __init__(self, counter, allowed):
        self._counter = counter
        self._expected = ""
        self._made = 0
        self._allowed = allowed
        self._end = None            # of what is out
        self.duplicates = 0
        self.complaints = []

    def _expect(self, length):
        while len(self._expected) < length:
            self._made += 1
            self._expected += f"{self._made} 0 {self._counter.next():x}\n"

    def _place(self, text):
        """The last place for it: behind what is out, or a repetition of that."""
        if self._end is None:
            return 0 if self._expected.startswith(text) else -1
        return self._expected.rfind(text, 0, self._end + len(text))

    def _fitting(self, text):
        """How much of a text for which there is no place has one."""
        good, bad = 0, len(text)
        while bad - good > 1:
            middle = (good + bad) // 2
            if self._place(text[:middle]) < 0:
                bad = middle
            else:
                good = middle
        return good

    def _misfit(self, path, text):
        """What there is no place for. Little that fits may do so anywhere."""
        good = self._fitting(text)
        line = text.count("\n", 0, good)
        said = text.split("\n")[line]
        if line < 2 and self._end is not None:
            out = self._expected[:self._end].splitlines(True) or [""]
            wanted = f"after {out[-1]!r}"
        else:
            at = self._expected.rfind("\n", 0, self._place(text[:good]) + good) + 1
            wanted = "instead of " + repr(self._expected[at:].splitlines()[0])
        self.complaints.append(f"{path}:{line + 1}: {said!r} {wanted}")

    def _again(self, path, begin):
        """What is out twice."""
        lines = len(self._expected[begin:self._end].splitlines())
        self.duplicates += lines
        if self._allowed and lines > self._allowed[0]:
            self.complaints.append(f"{path}: {lines} duplicates, "
                                   f"{self._allowed[0]} were in the outbox")
        self._allowed = self._allowed[1:] or self._allowed

    def file(self, path):
        if self.complaints:
            return
        with open(path, encoding="ascii", errors="replace") as file:
            text = file.read()
        self._expect((self._end or 0) + len(text) + 1)
        begin = self._place(text)
        if begin < 0:
            self._misfit(path, text)
            return
        if self._end is not None:
            self._again(path, begin)
        behind = (self._end or 0) - (begin + len(text))
        if behind > 0:
            self.complaints.append(f"{path}: {behind} bytes more were out before")
        self._end = begin + len(text)

    def total(self):
        return self._expected.count("\n", 0, self._end or 0)


def judge(args):
    pages = args.pages or 8
    # Without --stream one number is for all.
    allowed = args.duplicates[0] if args.duplicates else None
    if args.stream:
        result = Stream(Counter(args.seed, 0, pages), args.duplicates)
    elif args.guest.startswith("counter"):
        result = Judge(lambda vcpu: Counter(args.seed, vcpu, pages), args.vcpus, allowed)
    else:
        result = Judge(lambda vcpu: Numbered(), args.vcpus, allowed)
    for path in args.files:
        result.file(path)
    for complaint in result.complaints:
        print(complaint)
    if result.complaints:
        return 1
    if result.total() < args.least:
        print(f"{result.total()} outputs are too few")
        return 1
    print(f"{result.total()} outputs, {result.duplicates} duplicates")
    return 0


def _keep(connection, path):
    """Writes each line before it is answered; an unfinished one never was out."""
    import socket       # pylint: disable=import-outside-toplevel
    with connection, open(path, "wb", buffering=0) as out, connection.makefile("rb") as lines:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for line in lines:
                if line.endswith(b"\n"):
                    out.write(line)
                    connection.sendall(b"\n")
        except OSError:
            pass


def collect(args):
    """Has imports of its own: judge runs often, in hosts where they take a second."""
    import socket       # pylint: disable=import-outside-toplevel
    import threading    # pylint: disable=import-outside-toplevel
    address, port = args.where.rsplit(":", 1)
    with socket.create_server((address, int(port))) as server:
        for n in range(1, sys.maxsize):
            connection = server.accept()[0]
            threading.Thread(target=_keep, args=(connection, f"{args.prefix}.{n}"),
                             daemon=True).start()


def numbers(text):
    return [int(number) for number in text.split(",")]


def main():
    parser = argparse.ArgumentParser(description="judges output of flatvmm")
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("judge")
    command.set_defaults(run=judge)
    command.add_argument("--guest", default="counter")
    command.add_argument("--seed", type=int, default=1)
    command.add_argument("--vcpus", type=int, default=1)
    command.add_argument("--pages", type=int, help="as flatvmm was told")
    command.add_argument("--duplicates", type=numbers, help="what the standby has loaded")
    command.add_argument("--stream", action="store_true", help="files begin and end anywhere")
    command.add_argument("--least", type=int, default=1, help="outputs that there must be")
    command.add_argument("files", nargs="+")
    command = commands.add_parser("collect")
    command.set_defaults(run=collect)
    command.add_argument("where")
    command.add_argument("prefix")
    args = parser.parse_args()
    try:
        sys.exit(args.run(args))
    except KeyboardInterrupt:
        os._exit(0)


if __name__ == "__main__":
    main()
