# SPDX-License-Identifier: GPL-2.0
"""The module against another end of the protocol that was written from
Documentation/wire.rst: see wire_peer.sh."""

import functools
import hashlib
import os
import threading
import time

import frames as f
from frames import CONNECT, LISTEN, MIB, PAGE, STAGED, Closed, Refused, Wrong
from peer import Listener, Sink, Source
from wirelab import SCALE, Pair, main, until

HOST = "127.0.0.1"


@functools.lru_cache(None)
def page(number):
    """The contents of a page: always the same, like no other's."""
    return hashlib.shake_128(str(number).encode()).digest(PAGE)


def crcs(pages):
    """What the sink should tell of such pages."""
    return {where: f.ZERO_CRC if c is None else f.page_crc(c) for where, c in pages.items()}


def outcome(peer, address):
    """What a peer gets that connects: "UP", or why not."""
    try:
        with peer.connect(address) as session:
            return "UP" if session.wait_up() else session.wait_end()[0]
    except (Refused, Wrong) as e:
        return e.reason
    except Closed:
        return "CLOSED"


# --- The link

def link(tap, pair, me):
    """Connects several times; returns the session that stays."""
    tap.equal("before anybody came it is connecting", "connecting", pair.json()["state"])
    times, session = [], None
    for _ in range(4):
        if session:
            session.bye()
            pair.wait_state("down")
        began = time.monotonic()
        session = me.connect(pair.address)
        session.wait_up()
        pair.wait_state("up")
        times.append(time.monotonic() - began)
    tap.note("up after " + ", ".join(f"{t * 1000:.0f} ms" for t in times))
    tap.check("the link is up within a second", min(times) < SCALE, times)
    until(lambda: pair.show().get("rtt_last"))
    told = pair.json()
    tap.equal("ftctl shows it up, without a reason", ("up", None), (told["state"], told["reason"]))
    tap.equal("it came up so often", 4, told["links"])
    tap.equal("only what ended it was counted", {"bye": 3}, told["errors"])
    tap.equal("ftctl shows the peer", (me.host, me.instance.hex(), HOST),
              tuple(told["peer"][k] for k in ("host", "instance", "address")))
    rtt = told["rtt"] or {}
    tap.check("the module has measured round trips", 0 < rtt.get("min_ns", 0) <=
              rtt.get("avg_ns", 0) <= rtt.get("max_ns", 0) < 10**10, rtt)
    tap.check("so has the other end", session.rtt and 0 < session.rtt < 10**10, session.rtt)
    count = session.heartbeats
    tap.check("heartbeats go on coming", session.until(lambda: session.heartbeats > count + 5, 20))
    tap.equal("a host's name may have 63 characters", "UP",
              outcome(pair.peer(CONNECT, host="h" * 63, instance=me.instance), pair.address))
    tap.equal("ftctl shows all of them", "h" * 63, pair.json()["peer"]["host"])
    tap.equal("that was the same instance again", "REPLACED", session.wait_end()[0])
    return me.connect(pair.address)


def heartbeats(tap, pair, me):
    """Each end keeps to the lower of both intervals."""
    came = {}
    for interval in (60000, 10):
        peer = pair.peer(CONNECT, instance=me.instance, heartbeat=interval)
        with peer.connect(pair.address) as session:
            session.wait_up()
            count = session.heartbeats
            began = time.monotonic()
            session.until(lambda: session.heartbeats >= count + 10, 20)
            came[interval] = 10 / (time.monotonic() - began)
    tap.note(f"heartbeats per second: {came}")
    tap.check("heartbeats come in the lower of both intervals",
              came[60000] > 1 and came[10] > 1.5 * came[60000], came)


def claims(tap, pair, me):
    """Who may take the place of whom. Returns the session that stays."""
    session = me.connect(pair.address)
    session.wait_up()
    links = pair.show()["links"]
    busy = pair.errors("busy")
    other = pair.peer(CONNECT, host="another")
    tap.equal("another instance is refused while the first is alive", "BUSY",
              outcome(other, pair.address))
    tap.equal("that was counted", busy + 1, pair.wait_errors("busy", busy))
    tap.check("the first one has lost nothing", not session.ended and
              pair.show()["links"] == links, (session.ended, links, pair.show()))
    again = me.connect(pair.address)
    tap.check("the same instance is let in again", again.wait_up())
    tap.equal("the old connection was told so", "REPLACED", session.wait_end()[0])
    tap.check("it came up once more", until(lambda: pair.show()["links"] == links + 1),
              pair.show())
    again.close()
    pair.wait_state("down")
    tap.equal("when it is gone another instance may come", "UP", outcome(other, pair.address))
    return me.connect(pair.address)


# --- Epochs to a sink of the module

class Guest:
    """A guest of which the module is the sink: the source, and what it should have."""

    def __init__(self, tap, pair, session, name):
        self.tap = tap
        self.pair = pair
        self.name = name
        self.source = Source(session, name)
        self.session = session
        self.content = {}

    def holds(self, what, epoch, state=None):
        """What the module tells is what was sent. ACK may come before all is in place."""
        until(lambda: not self.pair.read(self.name)[0]["staged"])
        told, pages = self.pair.read(self.name)
        wanted = crcs(self.content)
        wrong = {k: (wanted.get(k), pages.get(k)) for k in wanted.keys() | pages.keys()
                 if wanted.get(k) != pages.get(k)}
        self.tap.check(f"{what}: every page is as it was sent", not wrong, wrong)
        self.tap.equal(f"{what}: epoch, pages, nothing staged", (epoch, len(wanted), 0),
                       (told["epoch"], told["pages"], told["staged"]))
        if state:
            self.tap.equal(f"{what}: the state is as it was sent",
                           (len(state), f.crc32c(state)), (told["state"], told["crc"]))

    def commits(self, what, state=b""):
        """Commits what was sent, which should do."""
        source = self.source
        source.commit()
        self.tap.equal(f"{what}: ACK for the epoch", ("ACK", source.generation, source.number),
                       source.answer())
        self.content.update(source.content)
        self.holds(what, source.number, state)

    def epoch(self, what, pages=(), state=b"", piece=MIB, **begin):
        """An epoch of a list of pages, in this order."""
        self.source.begin(**begin)
        self.source.pages(list(pages))
        self.source.state(state, piece)
        self.commits(what, state)


def send_packed(source, region, pages, whole=b""):
    """PAGES with a run for each (letter, offset), of a page that is only that letter; without
    one it is `whole`, as it is."""
    runs = [(region, 1, 2 if letter else 0, offset) for letter, offset in pages]
    blocks = [f.lz4_same(letter) for letter, _ in pages if letter]
    source.send(f.PAGES, f.pages_body(runs), whole + f.packed_bulk(*blocks))
    source.content.update({(region, offset): letter * PAGE if letter else whole
                           for letter, offset in pages})


def epochs(tap, pair, session):
    """Epochs of every shape."""
    reply = session.ask("nobody", session.new_vm())
    tap.equal("a guest that isn't there: NO_VM", ("NO_VM", 2, 0, "nobody"), f.attach_of(reply))
    tap.equal("about no epoch", (0, 0), (reply.generation, reply.epoch))
    pair.attach("guest", "sink", 64 * MIB)
    tap.equal("nor is it there as a real guest", "NO_VM",
              f.attach_of(session.ask("guest", session.new_vm(), kind=1))[0])
    guest = Guest(tap, pair, session, "guest")
    source = guest.source
    tap.equal("a new sink has no epoch, and tells its ceiling", (0, 0, 64 * MIB),
              (source.generation, source.number, source.ceiling))

    guest.epoch("the first epoch", [(0, i * PAGE, page(i)) for i in range(8)], b"state" * 20)
    guest.epoch("the next one overlays it",
                [(0, 2 * PAGE, page("2b")), (1023, (1 << 52) - PAGE, page("last")),
                 (0, 9 * PAGE, page(9)), (7, 0, None)], b"x")
    guest.epoch("a page replaced, by zeroes and by contents",
                [(0, 0, page("a")), (0, PAGE, page("b")), (0, 0, page("c")), (0, PAGE, None),
                 (0, 3 * PAGE, None), (0, 3 * PAGE, page("d"))])
    guest.epoch("runs of zeroes", [(1, i * PAGE, None) for i in range(2000)] +
                [(1, 500 * PAGE, page("in the midst"))])
    guest.epoch("unsorted, a run each",
                [(2, i * 2 * PAGE, page(i % 16) if i % 3 else None) for i in range(256, 0, -1)])
    guest.epoch("a full frame", [(3, i * PAGE, page(i % 16)) for i in range(256)])

    source.begin()
    for _ in range(3):
        source.pages([(4, 0, page(1)), (4, PAGE, None)])
    guest.commits("a frame three times")
    source.begin()
    send_packed(source, 6, [(b"a", 0), (None, PAGE), (b"b", 2 * PAGE), (b"c", 3 * PAGE)], page(1))
    guest.commits("packed pages around one that isn't")
    source.begin()
    send_packed(source, 7, [(bytes([i]), i * PAGE) for i in range(256)])
    send_packed(source, 7, [(b"z", 0)])
    guest.commits("a frame of packed pages, and one of them again")
    state = b"".join(page(i) for i in range(3)) + b"the end"
    guest.epoch("state in pieces", [(0, 0, page(5))], state, piece=PAGE)
    guest.epoch("state of 2 MiB and a byte", [], page("s") * 512 + b"!")
    guest.epoch("state alone", [], b"only this")
    guest.epoch("nothing at all")
    guest.epoch("numbers may leave some out", [(0, 0, page(6))], number=source.number + 1000)
    guest.epoch("a new generation begins anew", [(0, 0, page(7))], generation=2, number=1)

    source.begin()
    wanted = source.pages([(5, i * PAGE, page(i)) for i in range(300)], want_staged=True)
    frame = session.wait_for((STAGED,), source.vm)
    tap.equal("STAGED names the frame that wanted it", wanted.to_bytes(8, "little"), frame.body)
    guest.commits("what was staged is committed")

    source.begin()
    source.pages([(0, 0, page("never"))])
    source.send(f.ABORT, f.reason_body("LOCAL", "changed my mind"))
    guest.epoch("after an epoch that the source aborted", [(0, PAGE, page("again"))])
    source.begin()
    sequence = source.pages([(0, 0, page("never")), (6, 0, page("never"))], want_staged=True)
    tap.check("(an epoch is staged in part)", session.wait_for((STAGED,), source.vm), sequence)
    tap.check("READ shows it staged", pair.read("guest")[0]["staged"] > 0)
    last = (source.generation, source.number - 1)
    source.close()
    tap.check("its connection cut, nothing of it is left",
              until(lambda: not pair.read("guest")[0]["staged"]), pair.read("guest")[0])
    guest.holds("after the cut", last[1])
    source.connect()
    tap.equal("attached again, it is told what is committed", last,
              (source.generation, source.number))
    guest.epoch("after the cut an epoch is as ever", [(6, PAGE, page("new"))], b"new")
    return guest


def follows(tap, guest):
    """Epochs that begin before the one before is answered, and come to nothing with it."""
    source = guest.source

    def send(number, spoilt=False, **begin):
        source.begin(**begin)
        pages = [(8, i * PAGE, page(number + i)) for i in range(3)]
        source.pages(pages)
        body = f.commit_body(source.content)
        source.commit(bytes([body[0] ^ 1]) + body[1:] if spoilt else None)
        return source.number, {(region, offset): c for region, offset, c in pages}

    first, was = send(1)
    second, then = send(2, flags=f.FOLLOWS)
    tap.equal("two that are under way are acknowledged, in their order",
              [("ACK", source.generation, first), ("ACK", source.generation, second)],
              [source.answer(), source.answer()])
    guest.content.update(was)
    guest.content.update(then)
    guest.holds("of both", second)

    bad, _ = send(3, spoilt=True)
    send(4, flags=f.FOLLOWS)
    after, now = send(5)
    tap.equal("one that follows one that is thrown away isn't answered",
              [("MISMATCH", source.generation, bad), ("ACK", source.generation, after)],
              [source.answer(), source.answer()])
    guest.content.update(now)
    guest.holds("of neither", after)


def several(tap, pair, session, guest):
    """Guests beside each other, a data connection each."""
    others = []
    for i in range(3):
        pair.attach(f"other{i}", "sink", MIB)
        others.append(Guest(tap, pair, session, f"other{i}"))
    for one in others:
        one.source.begin()
        one.source.pages([(0, 0, page(one.name)), (0, PAGE, None)])
    for one in others:
        one.source.state(one.name.encode())
    for one in reversed(others):
        one.commits(f"{one.name}, interleaved", one.name.encode())
    guest.holds("the first guest, meanwhile", guest.source.number)
    first = others[0]
    old = first.source.conn
    first.source.conn = session.data(first.source.vm)
    tap.check("a second data connection takes the place of the first", old.ends())
    first.epoch("over the second data connection", [(0, 0, page("second"))])
    session.send(f.Frame(f.DETACH, f.reason_body("GONE"), vm=first.source.vm))
    tap.check("DETACH ends the data connection", first.source.conn.ends())
    pair.detach("other1")
    frame = session.wait_for((f.DETACH,), others[1].source.vm)
    tap.check("a sink that is removed says DETACH", f.reason_of(frame)[0] in ("GONE", "NO_VM"),
              frame)
    others[2].epoch("the third goes on", [(0, 0, page("third"))])


def new_session(tap, pair, me, guest):
    """What is committed outlives the link."""
    guest.session.keep_data = True
    session = me.connect(pair.address)
    tap.equal("(a new session)", "REPLACED", guest.session.wait_end()[0])
    tap.check("the data connection ends with its session", guest.source.conn.ends())
    last = (guest.source.generation, guest.source.number)
    guest.source = Source(session, guest.name)
    guest.session = session
    tap.equal("in a new session the sink is where it was", last,
              (guest.source.generation, guest.source.number))
    guest.holds("in a new session", last[1])
    guest.epoch("and takes the next epoch", [(0, 0, page("next"))], b"next")
    return session


# --- Epochs from a source of the module

def module_sends(tap, pair, session, sinks, where, *, packs):
    """Every way in which the module sends, to a sink that compares all with COMMIT; `packs`
    says whether that has said that it can open packed pages."""
    name = f"from-{where}"
    sink = sinks[name] = Sink()
    pair.attach(name, "source")

    def send(**values):
        return pair.family.send(pair.name, name, **{"wait": 10000, "first": 0, "seed": 1, **values})

    told = send(epochs=3, pages=20, state=10000)
    tap.equal(f"{where}: three epochs are acknowledged", 3, told.get("epoch"))
    tap.equal(f"{where}: they came, with all their pages", [(1, 20), (2, 20), (3, 20)],
              [(epoch, pages) for _, epoch, pages in sink.commits])
    tap.equal(f"{where}: and with the state", 10000, len(sink.state))
    tap.check(f"{where}: the pages aren't all the same", len(set(sink.committed.values())) > 10)
    before = set(sink.committed.values())
    send(epochs=1, pages=20, state=10000, flags=["copy"])
    tap.check(f"{where}: the next epoch has other contents",
              not before & set(sink.committed.values()))
    for flags in (["twice"], ["backwards"], ["zeroes"], ["twice", "backwards", "zeroes", "copy"]):
        before = len(sink.commits)
        told = send(epochs=2, pages=300, first=MIB, state=1, flags=flags)
        tap.equal(f"{where}: {' and '.join(flags)}", [300, 300],
                  [pages for _, _, pages in sink.commits[before:]])
    for flags in (["pack"], ["pack", "twice", "backwards"], ["pack", "copy", "zeroes"]):
        before, packed = len(sink.commits), sink.packed
        send(epochs=2, pages=300, first=MIB, state=1, flags=flags)
        tap.equal(f"{where}: {' and '.join(flags)}", [300, 300],
                  [pages for _, _, pages in sink.commits[before:]])
        # Two of three, twice; of every second page half of them.
        wanted = 400 * (1 + ("twice" in flags)) // (1 + ("zeroes" in flags))
        tap.equal(f"{where}: {' and '.join(flags)}: pages that come packed",
                  wanted if packs else 0, sink.packed - packed)
    tap.check(f"{where}: pages that are zero come as a flag",
              sum(c is None for c in sink.committed.values()) > 100)
    told = send(epochs=1, pages=3, region=5, state=0)
    tap.check(f"{where}: a region is what was asked for",
              sum(region == 5 for region, _ in sink.committed) == 3, list(sink.committed)[-3:])
    tap.equal(f"{where}: no state, none comes", b"", sink.state)
    send(epochs=1, pages=0, state=0)
    tap.equal(f"{where}: an empty epoch", 0, sink.commits[-1][2])
    for flag, reason in (("bad_sum", "mismatch"), ("bad_count", "mismatch"),
                         ("no_begin", "not-begun")):
        before = len(sink.commits)
        told = send(epochs=1, pages=4, flags=[flag])
        tap.equal(f"{where}: {flag} is refused, and the source learns why", (reason, before),
                  (told.get("reason"), len(sink.commits)))
        send(epochs=1, pages=4)
        tap.equal(f"{where}: after {flag} the next epoch is good", before + 1, len(sink.commits))
    tap.equal(f"{where}: the link stayed", None, session.ended)
    pair.detach(name)
    frame = session.wait_for((f.DETACH,))
    tap.check(f"{where}: a source that is removed says DETACH", f.reason_of(frame)[0], frame)


def listening_module(tap):
    """The module listens, the other end connects."""
    with Pair("peer", "listen", (HOST, 7701)) as pair:
        me = pair.peer(CONNECT, host="other end")
        with tap.part("the link"):
            link(tap, pair, me).close()
        with tap.part("heartbeats"):
            heartbeats(tap, pair, me)
        with tap.part("claims"):
            claims(tap, pair, me).close()
        session = me.connect(pair.address)
        with tap.part("epochs"):
            guest = epochs(tap, pair, session)
            follows(tap, guest)
            several(tap, pair, session, guest)
            session = new_session(tap, pair, me, guest)
        with tap.part("the module's listening end sends"):
            if session.ended:
                session = me.connect(pair.address)
            module_sends(tap, pair, session, session.sinks, "listening", packs=False)
        session.bye()
        tap.check("BYE: the link is down", pair.wait_state("down"))
        tap.equal("BYE: that is the reason", "bye", pair.json()["reason"])
        session = me.connect(pair.address)
        session.keep_data = True
        source = Source(session, "guest")
        pair.delete()
        tap.equal("the pair deleted, the peer is told", "BYE", session.wait_end()[0])
        tap.check("and its data connections end", source.conn.ends())


def connecting_module(tap):
    """The module connects, the other end listens."""
    key = os.urandom(32)
    with Pair("back", "connect", (HOST, 7702), key=key) as pair:
        pair.wait_state("down")
        tap.equal("nobody listens yet", ("down", "nobody"),
                  (pair.json()["state"], pair.json()["reason"]))
        with Listener(pair.peer(LISTEN, host="listener", features=f.LZ4),
                      pair.address) as listener:
            session = listener.wait_session(20)
            tap.check("the module gets through", session.wait_up())
            tap.check("and shows it up", pair.wait_state("up"))
            until(lambda: pair.show().get("rtt_last"))
            told = pair.json()
            tap.equal("with the peer", "listener", told["peer"]["host"])
            tap.check("with a round trip", told["rtt"] and told["rtt"]["last_ns"] > 0, told)
            with tap.part("the module's connecting end sends"):
                module_sends(tap, pair, session, listener.sinks, "connecting", packs=True)
            with tap.part("to the module's connecting end"):
                pair.attach("down", "sink", MIB)
                guest = Guest(tap, pair, session, "down")
                guest.epoch("connecting sink", [(0, 0, page(1)), (9, PAGE, None)], b"abc")
                guest.epoch("connecting sink, overlaid", [(0, 0, page(2))], b"def")
            instance = session.conn.peer.instance
            session.close()
            session = listener.wait_session(20, number=listener.sessions + 1)
            tap.check("cut, it comes back", session.wait_up())
            tap.equal("as the same instance", instance, session.conn.peer.instance)
            with tap.part("the sink of the connecting end, later"):
                guest.source = Source(session, "down")
                guest.epoch("connecting sink, after the cut", [(0, PAGE, page(3))], b"ghi")
            tap.equal("nobody was refused", {}, dict(listener.refused))
            pair.delete()
            tap.equal("the pair deleted, the listener is told", "BYE", session.wait_end()[0])


def delete_while_busy(tap):
    """Everything may be under way when the pair goes."""
    with Pair("going", "listen", (HOST, 7703)) as pair:
        session = pair.peer(CONNECT).connect(pair.address)
        pair.attach("guest", "sink", MIB)
        source = Source(session, "guest")
        source.begin()
        source.pages([(0, 0, page(1))])
        sink = session.sinks["sent"] = Sink()
        pair.attach("sent", "source")
        sender = threading.Thread(target=lambda: send_until_gone(pair), daemon=True)
        sender.start()
        until(lambda: len(sink.commits) > 2)
        pair.delete()
        sender.join(20)
        tap.check("a pair is deleted while it sends and receives", not sender.is_alive())
        tap.equal("the peer is told even then", "BYE", session.wait_end()[0])


def send_until_gone(pair):
    """Sends for longer than the pair lives."""
    from genl import Family         # pylint: disable=import-outside-toplevel
    with Family() as family:
        try:
            family.send(pair.name, "sent", epochs=100000, pages=10, wait=10000)
        except OSError:
            pass


def run(tap):
    """All of it."""
    with tap.part("the module listens"):
        listening_module(tap)
    with tap.part("the module connects"):
        connecting_module(tap)
    with tap.part("deleted while busy"):
        delete_while_busy(tap)


if __name__ == "__main__":
    main(run)
