# SPDX-License-Identifier: GPL-2.0
"""What a peer that has proved itself may do wrong: see wire_faults_frames.sh."""

import contextlib
import socket
import struct
import time

import frames as f
from frames import (ABORT, ACK, ATTACH, AUTH, BEGIN, BYE, COMMIT, CONFIG, CONNECT, DETACH,
                    FENCE, HEARTBEAT, HELLO, LAYOUT, MIB, PAGE, PAGES, STAGED, STATE, SWITCH,
                    VMM_GONE, Closed, Frame, Refused, Wrong)
from peer import Source
from wirelab import SCALE, Pair, main, until

HOST = "127.0.0.1"
SMALL = 16 * PAGE
CONTENT = {(0, i * PAGE): bytes([i + 1]) * PAGE for i in range(4)}
# The least bodies that make sense.
BODIES = {
    BYE: f.reason_body("BYE"), HEARTBEAT: f.HEARTBEAT_BODY.pack(1, 0, 0, 0),
    ATTACH: f.attach_body("guest"), LAYOUT: bytes(8), CONFIG: bytes(8), BEGIN: bytes(16),
    PAGES: f.pages_body([(0, 1, 1, 0)]), STAGED: bytes(8), STATE: struct.pack("<QQ", 0, 1),
    COMMIT: f.commit_body({}), ACK: bytes(16), ABORT: f.reason_body("LOCAL"),
    SWITCH: struct.pack("<IIQ", 1, 0, 1), VMM_GONE: struct.pack("<II", 1, 0),
    FENCE: struct.pack("<II16s", 1, 0, b"i"), DETACH: f.reason_body("GONE"),
    HELLO: bytes(192), AUTH: bytes(32),
}
# Two where Documentation/wire.rst leaves open which of them it is.
COUNT = "LIMIT PROTOCOL"


def flip(at):
    """Changes one bit of a byte behind the MAC's back."""
    def spoil(raw):
        where = at % len(raw)
        return raw[:where] + bytes([raw[where] ^ 16]) + raw[where + 1:]
    return spoil


class Target:
    """The module with a pair and three guests, and the link to it."""

    def __init__(self, tap, pair):
        self.tap = tap
        self.pair = pair
        self.me = pair.peer(CONNECT)
        for name, ceiling in (("guest", 8 * MIB), ("small", SMALL), ("other", MIB)):
            pair.attach(name, "sink", ceiling)
        self.session = None
        self.sources = {}
        self.fresh()
        self.wanted = {}
        for name, source in list(self.sources.items()):
            answer = source.epoch(CONTENT, name.encode())
            if answer[0] != "ACK":
                raise RuntimeError(f"{name}: {answer}")
            self.wanted[name] = self.read(name)

    @property
    def source(self):
        """That of the guest who has to suffer."""
        return self.sources["guest"]

    def read(self, name):
        """What a guest has: told, pages. ACK may come before all is in its place."""
        until(lambda: not self.pair.read(name)[0]["staged"], 5)
        told, pages = self.pair.read(name)
        told.pop("pool", None)
        return told, pages

    def fresh(self, names=("guest", "small", "other")):
        """A new session, in which guests are attached."""
        self.session = self.me.connect(self.pair.address)
        if not self.session.wait_up() or not self.pair.wait_state("up"):
            raise RuntimeError(f"the good peer doesn't come up: {self.session.ended}")
        self.sources = {name: Source(self.session, name) for name in names}

    def counters(self):
        """All of them."""
        return self.pair.show()["errors"]

    def untouched(self, names=("guest",)):
        """What is wrong with guests that should be as they were, or nothing."""
        for name in names:
            if (now := self.read(name)) != self.wanted[name]:
                return f"{name}: {now} was {self.wanted[name]}"
        return ""

    def judge(self, name, reasons, said, before, wrong=""):
        """One result: the reason, its counter, the guests."""
        wrong = [wrong] if wrong else []
        if said not in reasons.split():
            wrong.append(f"said: {said}, not {reasons}")
        words = [r.lower().replace("_", "-") for r in reasons.split()]
        if not until(lambda: any(self.counters().get(w, 0) > before.get(w, 0) for w in words), 5):
            wrong.append(f"not counted: {reasons}, {before} -> {self.counters()}")
        wrong.append(self.untouched())
        wrong = [w for w in wrong if w]
        self.tap.check(f"{name}: {reasons.replace(' ', ' or ')}", not wrong, "\n".join(wrong))
        if " " in reasons:
            self.tap.note(f"it was {said}")


# --- The control connection

def control_cases():
    """(what, reasons, function that makes the frame from the Target)."""
    def one(kind, **fields):
        fields.setdefault("vm", 77 if f.KINDS.get(kind) and f.KINDS[kind].vm else 0)
        body = fields.pop("body", BODIES.get(kind, b""))
        return lambda target: Frame(kind, body, **fields)

    for kind, rules in f.KINDS.items():
        if f.CONTROL not in rules.conns or kind in (HELLO, AUTH):
            continue
        for length in sorted({0, rules.least - 1, rules.most + 1, 0xffffffff}):
            yield f"{rules.name}, a body of {length}", "LIMIT", one(kind, body=b"",
                                                                    body_length=length)
        yield f"{rules.name} with bulk", "LIMIT", one(kind, bulk_length=1)
        yield f"{rules.name} with a bulk of 4 GiB - 1", "LIMIT", one(kind, bulk_length=0xffffffff)
        yield f"{rules.name}, flag 7", "PROTOCOL", one(kind, flags=0x80)
        if not rules.flags & f.REPLY:
            yield f"{rules.name} as a reply", "PROTOCOL", one(kind, flags=f.REPLY)
        if rules.vm:
            yield f"{rules.name} about guest 0", "PROTOCOL", one(kind, vm=0)
    for kind in (0, 19, 200, 255, HELLO, AUTH, BEGIN, PAGES, STATE, COMMIT):
        name = f.KINDS[kind].name if kind in f.KINDS else f"type {kind}"
        yield f"{name} on the control connection", "PROTOCOL", one(kind)
    yield "the magic", "PROTOCOL", one(HEARTBEAT, magic=b"KVFt")
    yield "reserved field at 6", "PROTOCOL", one(HEARTBEAT, zero6=0x8000)
    yield "reserved field at 20", "PROTOCOL", one(HEARTBEAT, zero20=1)
    yield "a bit of the header changed", "BAD_MAC", one(HEARTBEAT, spoil=flip(25))
    yield "a bit of the sequence changed", "BAD_MAC", one(HEARTBEAT, spoil=flip(40))
    yield "a bit of the body changed", "BAD_MAC", one(HEARTBEAT, spoil=flip(60))
    yield "a bit of the MAC changed", "BAD_MAC", one(HEARTBEAT, spoil=flip(-1))
    yield "a frame left out", "SEQUENCE", one(HEARTBEAT, skew=1)
    yield "a frame repeated", "SEQUENCE", one(HEARTBEAT, skew=-1)
    yield "a frame far ahead", "SEQUENCE", one(HEARTBEAT, sequence=(1 << 64) - 1)
    for what, body in (
            ("kind 0", f.attach_body("guest", 0)), ("kind 3", f.attach_body("guest", 3)),
            ("a reason", f.attach_body("guest", reason=5)),
            ("a ceiling", f.attach_body("guest", ceiling=1)),
            ("a reserved field", f.ATTACH_BODY.pack(0, 2, b"\0\0\1", 0, b"guest")),
            ("no name", f.attach_body("")), ("a name without an end", f.attach_body("g" * 64)),
            ("something behind the name", f.attach_body("guest\0x")),
            ("a name that is none", f.attach_body("gu est"))):
        yield f"ATTACH with {what}", "PROTOCOL", one(ATTACH, body=body)
    for vm in (1 << 31, (1 << 31) + 1, (1 << 32) - 1):
        yield f"ATTACH for guest {vm:#x}, not ours to give", "PROTOCOL", one(ATTACH, vm=vm)
    yield "BYE for no reason", "PROTOCOL", one(BYE, body=f.reason_body(0))
    yield "BYE with a reserved field", "PROTOCOL", one(BYE, body=struct.pack("<II", 5, 1))
    yield "DETACH for no reason", "PROTOCOL", one(DETACH, body=f.reason_body(0))
    for kind in (ACK, STAGED, ABORT):
        yield (f"{f.KINDS[kind].name} from the source", "PROTOCOL",
               lambda target, kind=kind: Frame(kind, BODIES[kind], vm=target.source.vm))


def control(target):
    """Every frame of the control connection that breaks a rule ends it."""
    for what, reasons, make in control_cases():
        before = target.counters()
        target.session.send(make(target))
        said = target.session.wait_end()[0]
        wrong = "" if target.pair.wait_state("down", 5) else "the link isn't down"
        target.judge(what, reasons, said, before, wrong)
        target.fresh(("guest",))
    target.tap.check("after all of these the link is up", target.session.wait_up())


def largest(target):
    """What is as large as it may be."""
    session, tap = target.session, target.tap
    ranges = b"".join(struct.pack("<QQQII", i * 2 * PAGE, PAGE, i * PAGE, 0, 0)
                      for i in range(1024))
    for kind, body in ((LAYOUT, struct.pack("<II", 1024, 0) + ranges),
                       (LAYOUT, bytes(8)),
                       (CONFIG, struct.pack("<IIII", 1, 0, 1, 65520) + bytes(65520)),
                       (CONFIG, bytes(8)), (SWITCH, BODIES[SWITCH]),
                       (VMM_GONE, BODIES[VMM_GONE]), (FENCE, BODIES[FENCE])):
        session.send(Frame(kind, body, vm=99))
        frame = session.wait_for((DETACH,), 99)
        tap.equal(f"{f.KINDS[kind].name} of {len(body)} for no guest", "NO_VM",
                  f.reason_of(frame)[0])
    session.send(Frame(DETACH, f.reason_body("GONE", "x" * 128), vm=99))
    count = session.heartbeats
    tap.check("DETACH with the longest text is nothing special",
              session.until(lambda: session.heartbeats > count + 1) and not session.ended,
              session.ended)
    for body, word in ((f.reason_body("LOCAL", "t" * 128), "t" * 128),
                       (f.reason_body(4242, "a\nb\x1b[31m\x7f"), "4242")):
        session.send(Frame(BYE, body))
        target.pair.wait_state("down")
        told = target.pair.show()
        tap.check(f"BYE is shown: {word[:10]}", word in told.get("error", "") and
                  told["error"].isprintable(), told)
        target.fresh()
        session = target.session


# --- The data connection

def pages_cases():
    """(what, reasons, body, bytes of bulk) of PAGES that break a rule."""
    def body(*runs, count=None, zero=0):
        count = len(runs) if count is None else count
        return struct.pack("<II", count, zero) + b"".join(f.RUN.pack(*run) for run in runs)

    run = (0, 1, 1, 0)
    yield "no runs", COUNT, body(run, count=0), 0
    yield "a run more than there is", COUNT, body(run, count=2), 0
    yield "a run less than there is", COUNT, body(run, run, count=1), 0
    yield "2^32 - 1 runs", COUNT, body(run, count=0xffffffff), 0
    yield "the reserved field", "PROTOCOL", body(run, zero=1), 0
    yield "half a run", COUNT, body(run) + bytes(8), 0
    yield "a run of no pages", COUNT, body((0, 0, 1, 0)), 0
    yield "65537 pages of zeroes", "LIMIT", body((0, 65535, 1, 0), (1, 2, 1, 0)), 0
    yield "region 1024", COUNT, body((1024, 1, 1, 0)), 0
    yield "region 2^32 - 1", COUNT, body((0xffffffff, 1, 1, 0)), 0
    yield "an odd offset", "PROTOCOL", body((0, 1, 1, 1)), 0
    yield "an offset of 2048", "PROTOCOL", body((0, 1, 1, 2048)), 0
    yield "an offset of 2^52", COUNT, body((0, 1, 1, 1 << 52)), 0
    yield "a run across 2^52", COUNT, body((0, 2, 1, (1 << 52) - PAGE)), 0
    yield "the last offset of all", COUNT, body((0, 2, 1, (1 << 64) - PAGE)), 0
    yield "both flags of a run", "PROTOCOL", body((0, 1, 3, 0)), PAGE
    yield "flag 2 of a run", "PROTOCOL", body((0, 1, 4, 0)), 0
    yield "no bulk for a packed page", "PROTOCOL", body((0, 1, 2, 0)), 0
    yield "two bytes of bulk for a packed page", "PROTOCOL", body((0, 1, 2, 0)), 2
    yield "more bulk than a packed page takes", "PROTOCOL", body((0, 1, 2, 0)), PAGE + 2
    yield "a packed page of no bytes", "PROTOCOL", body((0, 1, 2, 0)), 3
    yield "a packed page of zeroes", "PROTOCOL", body((0, 1, 0, 0), (0, 1, 2, PAGE)), 2 * PAGE
    yield "257 packed pages", "LIMIT", body((0, 257, 2, 0)), 257 * 3
    yield "a packed page beside 256 others", "LIMIT", body((0, 256, 0, 0), (1, 1, 2, 0)), MIB
    yield "bulk for a run of zeroes", COUNT, body(run), PAGE
    yield "no bulk for a page", COUNT, body((0, 1, 0, 0)), 0
    yield "bulk for half a page", COUNT, body((0, 1, 0, 0)), 2048
    yield "bulk for a page more", COUNT, body((0, 1, 0, 0)), 2 * PAGE
    yield "a byte more of bulk", COUNT, body((0, 1, 0, 0)), PAGE + 1
    yield "257 pages in the bulk of 256", COUNT, body((0, 257, 0, 0)), MIB


def state_cases():
    """(what, reasons, list of (offset, total, bytes))."""
    yield "doesn't begin at 0", "PROTOCOL", [(PAGE, 2 * PAGE, PAGE)]
    yield "with a gap", "PROTOCOL", [(0, 3 * PAGE, PAGE), (2 * PAGE, 3 * PAGE, PAGE)]
    yield "again from 0", "PROTOCOL", [(0, 2 * PAGE, PAGE), (0, 2 * PAGE, PAGE)]
    yield "of another length", "PROTOCOL", [(0, 2 * PAGE, PAGE), (PAGE, 3 * PAGE, PAGE)]
    yield "longer than it is", "PROTOCOL", [(0, PAGE, 2 * PAGE)]
    yield "with more behind its end", "PROTOCOL", [(0, 10, 10), (10, 10, 1)]
    yield "in an odd piece", "PROTOCOL", [(0, 2 * PAGE, 100)]
    yield "in an empty piece", COUNT, [(0, PAGE, 0)]
    yield "of no length", COUNT, [(0, 0, 0)]
    yield "of 128 MiB and a byte", "LIMIT", [(0, 128 * MIB + 1, PAGE)]
    yield "of 2^64 - 1", "LIMIT", [(0, (1 << 64) - 1, PAGE)]
    yield "at an offset that wraps", "PROTOCOL", [(0, 2 * PAGE, PAGE),
                                                  ((1 << 64) - PAGE, 2 * PAGE, PAGE)]


def data_cases():
    """(what, reasons, function of a source whose epoch is open)."""
    def one(kind, **fields):
        body = fields.pop("body", BODIES.get(kind, b""))
        return lambda source: source.send(kind, body, fields.pop("bulk", b""), **fields)

    for kind, rules in f.KINDS.items():
        if f.DATA not in rules.conns or kind in (HELLO, AUTH):
            continue
        for length in sorted({0, rules.least - 1, rules.most + 1, 0xffffffff}):
            yield f"{rules.name}, a body of {length}", "LIMIT", one(kind, body=b"",
                                                                    body_length=length)
        for length in sorted({rules.bulk + 1, 0xffffffff}):
            yield f"{rules.name}, a bulk of {length}", "LIMIT", one(kind, bulk_length=length)
        yield f"{rules.name}, flag 7", "PROTOCOL", one(kind, flags=0x80)
        yield f"{rules.name} as a reply", "PROTOCOL", one(kind, flags=f.REPLY)
        if rules.vm:
            yield f"{rules.name} about guest 0", "PROTOCOL", one(kind, vm=0)
            yield (f"{rules.name} about another guest", "PROTOCOL",
                   lambda source, kind=kind: source.send(kind, BODIES[kind], vm=source.vm + 1))
    for kind in (0, 19, 255, HELLO, AUTH, HEARTBEAT, ATTACH, LAYOUT, CONFIG, STAGED, ACK,
                 SWITCH, VMM_GONE, FENCE, DETACH):
        name = f.KINDS[kind].name if kind in f.KINDS else f"type {kind}"
        yield f"{name} on a data connection", "PROTOCOL", one(kind)
    yield "BEGIN twice", "PROTOCOL", lambda source: source.begin()
    yield "BEGIN of the open epoch", "PROTOCOL", lambda source: source.begin(source.number)
    yield "a bit of the header changed", "BAD_MAC", one(BEGIN, spoil=flip(33))
    yield "a bit of the body changed", "BAD_MAC", one(COMMIT, spoil=flip(50))
    yield "a bit of the MAC changed", "BAD_MAC", one(PAGES, spoil=flip(-20))
    yield "a frame left out", "SEQUENCE", one(PAGES, skew=1)
    yield "a frame repeated", "SEQUENCE", one(PAGES, skew=-1)
    for kind in (PAGES, STATE, COMMIT, ABORT):
        name = f.KINDS[kind].name
        bulk = b"s" if kind == STATE else b""
        yield (f"{name} for the epoch before", "PROTOCOL", lambda source, k=kind, b=bulk:
               source.send(k, BODIES[k], b, epoch=source.number - 1))
        yield (f"{name} for another generation", "PROTOCOL", lambda source, k=kind, b=bulk:
               source.send(k, BODIES[k], b, generation=source.generation + 1))
    for what, reasons, body, size in pages_cases():
        yield (f"PAGES, {what}", reasons, lambda source, body=body, size=size:
               source.send(PAGES, body, bytes(size)))
    for what, reasons, pieces in state_cases():
        yield f"state {what}", reasons, lambda source, pieces=pieces: [
            source.send(STATE, struct.pack("<QQ", offset, total), bytes(size))
            for offset, total, size in pieces]
    yield ("COMMIT with a reserved field", "PROTOCOL", lambda source: source.send(
        COMMIT, f.commit_body(source.content)[:36] + b"\1\0\0\0" + bytes(8)))
    yield "ABORT for no reason", "PROTOCOL", one(ABORT, body=f.reason_body(0))


def data(target):
    """Every frame of a data connection that breaks a rule ends that, and nothing else."""
    session, source = target.session, target.source
    links = target.pair.show()["links"]

    def judge(what, reasons, act, begun=True):
        before = target.counters()
        try:
            if begun:
                source.begin()
                source.pages([(0, 0, b"?" * PAGE)])
            with contextlib.suppress(Closed):
                # The module may have had enough before all of it was sent.
                act(source)
            said = source.conn.farewell()[0]
        except (Closed, OSError) as e:
            said = f"CLOSED {e}"
        wrong = "" if source.conn.ends() else "the connection didn't end"
        source.close()
        target.judge(what, reasons, said, before, wrong)
        source.connect()

    for what, reasons, act in data_cases():
        judge(what, reasons, act)
    for what, flags, zero in (("flag 2", 4, 0), ("flag 31", 1 << 31, 0),
                              ("flags 0 and 1", 3, 0), ("a reserved field", 0, 1),
                              ("an epoch behind one that isn't", f.FOLLOWS, 0)):
        judge(f"BEGIN with {what}", "PROTOCOL", lambda source: source.send(
            BEGIN, struct.pack("<IIQ", flags, zero, 1), epoch=9), begun=False)
    target.tap.check("after all of these the session is the same", not session.ended and
                     target.pair.show()["links"] == links, session.ended)
    wrong = target.untouched(("guest", "small", "other"))
    target.tap.check("and all guests are as they were", not wrong, wrong)


def leftover(target):
    """An ABORT or ACK that came and should not have, or nothing. Behind STAGED, which the
    module says after whatever it had to say."""
    source = target.source
    source.begin()
    source.pages([(0, 0, None)], want_staged=True)
    target.session.wait_for((STAGED,), source.vm)
    source.send(ABORT, f.reason_body("LOCAL"))
    source.number -= 1
    more = [frame for frame in target.session.collected if frame.kind in (ACK, ABORT)]
    return f"came as well: {more}" if more else ""


def aborts(target):
    """What the sink throws away whole, and goes on."""
    source = target.source
    number = source.number

    def judge(what, reason, act):
        before = target.counters()
        conn = source.conn
        act()
        wrong = ""
        said, *epoch = source.answer()
        if epoch != [source.generation, source.number]:
            wrong = f"ABORT for {epoch} instead of {source.generation}, {source.number}"
        # More of the same epoch is ignored.
        source.send(PAGES, BODIES[PAGES])
        source.send(COMMIT, BODIES[COMMIT])
        source.number = number
        wrong = wrong or leftover(target) or ("" if source.conn is conn else "reconnected")
        target.judge(what, reason, said, before, wrong)

    def commit(**fields):
        names = ("pages", "bytes", "sum", "state", "crc")
        source.begin()
        source.pages([(0, 0, b"1" * PAGE), (0, PAGE, None)])
        source.state(b"some state")
        values = list(f.COMMIT_BODY.unpack(f.commit_body(source.content, source.device)))
        for name, value in fields.items():
            values[names.index(name)] = (values[names.index(name)] + value) % (1 << 64)
        source.commit(f.COMMIT_BODY.pack(*values))

    def not_begun(kind, bulk=b""):
        source.number += 1
        source.send(kind, BODIES[kind], bulk)

    def part_of_a_state():
        source.begin()
        source.send(STATE, struct.pack("<QQ", 0, 2 * PAGE), bytes(PAGE))
        source.commit(f.commit_body({}, bytes(PAGE)))

    judge("COMMIT of what wasn't begun", "NOT_BEGUN", lambda: not_begun(COMMIT))
    judge("PAGES of what wasn't begun", "NOT_BEGUN", lambda: not_begun(PAGES))
    judge("STATE of what wasn't begun", "NOT_BEGUN", lambda: not_begun(STATE, b"s"))
    judge("the epoch that is committed", "STALE", lambda: source.begin(number))
    judge("an older epoch", "STALE", lambda: source.begin(0))
    generation = source.generation
    judge("an older generation", "STALE",
          lambda: source.begin(number + 10, generation=generation - 1))
    source.generation = generation
    for name in ("pages", "bytes", "sum", "state", "crc"):
        judge(f"COMMIT with one more in {name}", "MISMATCH", lambda: commit(**{name: 1}))
    judge("COMMIT with one page less", "MISMATCH", lambda: commit(pages=-1))
    judge("COMMIT with the sum's highest bit changed", "MISMATCH", lambda: commit(sum=1 << 63))
    judge("COMMIT before the state is whole", "MISMATCH", part_of_a_state)

    other, small = target.sources["other"], target.sources["small"]
    target.tap.equal("a sink tells its own ceiling", SMALL, small.ceiling)
    other.begin()
    other.pages([(1, 0, b"o" * PAGE)])
    before = target.counters()
    small.begin()
    small.pages([(0, i * PAGE, bytes([i]) * PAGE) for i in range(64)])
    small.commit()
    target.tap.equal("an epoch above the ceiling", ("TOO_BIG", small.generation, small.number),
                     small.answer())
    target.tap.check("is counted", until(lambda: target.counters().get("too-big", 0) >
                                         before.get("too-big", 0)), target.counters())
    wrong = target.untouched(("guest", "small"))
    target.tap.check("leaves nothing, and what was committed", not wrong, wrong)
    other.commit()
    target.tap.equal("another guest's epoch is not disturbed", "ACK", other.answer()[0])
    target.wanted["other"] = target.read("other")
    target.tap.equal("the next one, below the ceiling, is taken", "ACK",
                     small.epoch({(0, 0): b"n" * PAGE}, b"n")[0])
    target.wanted["small"] = target.read("small")
    source.begin()
    source.pages([(i, 0, None) for i in range(256)])
    source.send(PAGES, f.pages_body([(0, 65535, 1, 0), (1, 1, 1, 0)]))
    source.send(PAGES, f.pages_body([(2, 256, 0, 0)]), bytes(MIB))
    source.send(ABORT, f.reason_body("LOCAL", "t" * 128))
    source.number -= 1
    wrong = leftover(target) or target.untouched(("guest", "small", "other"))
    target.tap.check("frames as large as they may be are taken", not wrong, wrong)


# --- Cuts

def borders(frame):
    """Where to cut a frame: behind each byte, but in the bulk only around its middle and
    before its end."""
    bulk = 48 + len(frame.body) + 32
    end = bulk + len(frame.bulk)
    sizes = {*range(bulk + 2), bulk + len(frame.bulk) // 2, end - 1}
    return sorted(size for size in sizes if size < end)


def cut(conn, frame, size):
    """Sends a part of a frame and closes; did the module end it, too?"""
    frame.spoil = lambda raw: raw[:size]
    conn.send(frame)
    conn.sock.shutdown(socket.SHUT_WR)
    return conn.ends()


def cuts(target):
    """The connection ends in the midst of frames, after the handshake."""
    tap, pair = target.tap, target.pair
    done = 0
    for kind in (HEARTBEAT, ATTACH, LAYOUT, BYE, DETACH, ACK):
        left = []
        for size in borders(Frame(kind, BODIES[kind])):
            session = target.session
            session.silent = True
            if not cut_session(session, Frame(kind, BODIES[kind], vm=5 if f.KINDS[kind].vm else 0),
                               size):
                left.append(size)
            target.session = target.me.connect(pair.address)
            done += 1
        tap.check(f"{f.KINDS[kind].name} cut short: the link ends", not left, left)
    if not target.session.wait_up():
        raise RuntimeError("the good peer doesn't come up")
    target.fresh()
    source = target.source
    for kind, bulk in ((BEGIN, b""), (PAGES, bytes(PAGE)), (STATE, b"some state"), (COMMIT, b""),
                       (ABORT, b"")):
        body = f.pages_body([(0, 1, 0, 0)]) if kind == PAGES else \
            struct.pack("<QQ", 0, 10) if kind == STATE else BODIES[kind]
        left = []
        for size in borders(Frame(kind, body, bulk)):
            if kind != BEGIN:
                source.begin()
            if not cut(source.conn, Frame(kind, body, bulk, vm=source.vm, epoch=source.number,
                                          generation=source.generation), size):
                left.append(size)
            source.close()
            source.connect()
            done += 1
        wrong = f"not ended: {left}" if left else target.untouched()
        tap.check(f"{f.KINDS[kind].name} cut short: the data connection ends, nothing stays",
                  not wrong, wrong)
    tap.check("the session of all these is the same", not target.session.ended,
              target.session.ended)
    tap.note(f"{done} cuts")


def cut_session(session, frame, size):
    """Cuts a control connection; the session sees its end."""
    frame.spoil = lambda raw: raw[:size]
    session.send(frame)
    session.conn.sock.shutdown(socket.SHUT_WR)
    return session.wait_end()[0] != "NOT ENDED"


# --- Those who don't listen

def unheard(target):
    """Peers that fall silent, and such that don't read."""
    tap, pair = target.tap, target.pair
    before = target.counters()
    session = target.session
    session.silent = True
    began = time.monotonic()
    tap.check("a peer that falls silent is given up", pair.wait_state("down", 20), pair.show())
    tap.note(f"after {time.monotonic() - began:.1f} s of silence")
    tap.equal("for the time-out", "timeout", pair.show()["reason"])
    tap.check("which is counted", target.counters().get("timeout", 0) > before.get("timeout", 0))
    session.close()
    target.fresh()

    # Half a frame, then nothing; heartbeats can't come behind it.
    source = target.source
    source.begin()
    source.pages([(0, 0, b"!" * PAGE)])
    frame = Frame(PAGES, f.pages_body([(0, 256, 0, 0)]), bytes(MIB), vm=source.vm,
                  generation=source.generation, epoch=source.number,
                  spoil=lambda raw: raw[:500000])
    source.conn.send(frame)
    count = target.session.heartbeats
    tap.check("half a frame on a data connection doesn't stop the link",
              target.session.until(lambda: target.session.heartbeats > count + 3))
    old = source.conn
    source.connect()
    tap.check("a new data connection takes its place", old.ends())
    wrong = target.untouched()
    tap.check("nothing of it is left", not wrong, wrong)

    # One that asks and asks, and doesn't read what it is told.
    target.session.bye()
    pair.wait_state("down")
    known = target.counters()
    conn = pair.peer(CONNECT, instance=target.me.instance).handshake(small_dial(pair.address))
    asked = 0
    try:
        while asked < 20000:
            conn.send(Frame(SWITCH, BODIES[SWITCH], vm=5), timeout=3)
            asked += 1
    except (Closed, TimeoutError) as e:
        tap.note(f"after {asked} questions: {type(e).__name__}")
    tap.note(f"asked {asked} times")
    # A kernel that checks itself is so slow that it may see TCP give up first.
    reasons = ("stuck",) if SCALE == 1 else ("stuck", "timeout")
    tap.check("one that asks and never reads is given up as STUCK", asked < 20000 and
              until(lambda: any(target.counters().get(r, 0) > known.get(r, 0)
                                for r in reasons)),
              target.counters())
    target.fresh()
    tap.check("one that asks and never reads: the good peer comes", target.session.wait_up())
    conn.close()
    tap.check("and the link is up", pair.wait_state("up"))
    wrong = target.untouched(("guest", "small", "other"))
    tap.check("and all guests are as they were", not wrong, wrong)


def small_dial(address):
    """A connection whose end here takes next to nothing."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    sock.settimeout(10)
    sock.connect(address)
    return sock


def run(tap):
    """All of it."""
    with Pair("frames", "listen", (HOST, 7720)) as pair:
        target = Target(tap, pair)
        for part in (control, largest, data, aborts, cuts, unheard):
            with tap.part(part.__name__):
                try:
                    target.fresh()
                    part(target)
                except (Refused, Wrong) as e:
                    tap.check(f"{part.__name__}: {e}", False)
        tap.note(f"counted: {pair.show()['errors']}")
        for name in ("guest", "small", "other"):
            pair.detach(name)


if __name__ == "__main__":
    main(run)
