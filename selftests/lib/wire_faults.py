# SPDX-License-Identifier: GPL-2.0
"""What an other end may do wrong before and around the handshake: see wire_faults.sh."""

import os
import resource
import socket
import struct
import threading
import time

import frames as f
from frames import AUTH, BYE, CONNECT, DATA, HEARTBEAT, HELLO, LISTEN, Closed, Connection, Frame
from frames import Refused, Wrong
from peer import Listener, Source, dial
from wirelab import Pair, main, until

HOST = "127.0.0.1"
NOISE = os.urandom(4096)


class Victim:
    """A listening pair with a good peer, whose link no stranger may disturb."""

    def __init__(self, tap, pair):
        self.tap = tap
        self.pair = pair
        self.me = pair.peer(CONNECT, host="the good one")
        self.session = self.me.connect(pair.address)
        self.session.wait_up()
        pair.wait_state("up")
        self.links = pair.show()["links"]
        pair.attach("guest", "sink", f.MIB)
        self.source = Source(self.session, "guest")
        self.source.epoch({(0, 0): b"good" * 1024, (0, 4096): None}, b"state")
        self.committed = self.read()

    def read(self):
        """What the good guest has. ACK may come before all is in its place."""
        until(lambda: not self.pair.read("guest")[0]["staged"], 5)
        told, pages = self.pair.read("guest")
        told.pop("pool", None)
        return told, pages

    def undisturbed(self):
        """What is wrong with the good peer, or nothing."""
        told = self.pair.show()
        if self.session.ended or told["state"] != "up" or told["links"] != self.links:
            return f"the link: {self.session.ended} {told}"
        count = self.session.heartbeats
        if not self.session.until(lambda: self.session.heartbeats > count, 10):
            return "no heartbeats"
        if (now := self.read()) != self.committed:
            return f"the guest: {now} was {self.committed}"
        return ""

    def refuses(self, name, reasons, act, *, silent=False):
        """act() does what is wrong, and returns the reason that BYE gave for it. One of
        the reasons must be it, and be counted."""
        keywords = [reason.lower().replace("_", "-") for reason in reasons.split()]
        before = {k: self.pair.errors(k) for k in keywords}
        try:
            said = act()
        except (Refused, Wrong) as e:
            said = e.reason
        except (Closed, OSError) as e:
            said = f"CLOSED {e}"
        if isinstance(said, tuple):
            said = said[0]
        counted = until(lambda: any(self.pair.errors(k) > before[k] for k in keywords), 5)
        wrong = [] if silent or said in reasons.split() else [f"said: {said}, not {reasons}"]
        if not counted:
            wrong.append(f"not counted: {reasons}, but: {self.pair.show()['errors']}")
        if disturbed := self.undisturbed():
            wrong.append(disturbed)
        self.tap.check(f"{name}: {reasons.replace(' ', ' or ')}", not wrong, "\n".join(wrong))
        if " " in reasons:
            self.tap.note(f"it was {said}")

    def newcomer(self, name):
        """The good peer comes anew, and gets in."""
        try:
            session = self.me.connect(self.pair.address)
            good = session.wait_up()
        except (Refused, Wrong, Closed, OSError) as e:
            self.tap.check(name, False, repr(e))
            return
        self.tap.check(name, good, session.ended)
        self.session.wait_end()
        self.session = session
        self.source = Source(session, "guest")
        self.pair.wait_state("up")
        self.links = self.pair.show()["links"]


def set_in(hello, **fields):
    """A HELLO frame with other fields in its body."""
    body = f.Hello._make(f.HELLO_BODY.unpack(hello.body))._replace(**fields)
    hello.body = body.pack()
    return hello


def set_frame(frame, **fields):
    """A frame with other fields in its header."""
    for name, value in fields.items():
        setattr(frame, name, value)
    return frame


# --- The handshake of one who connects

# What HELLO's fields may not say: (what, reasons, fields).
HELLOS = [
    ("version 0", "VERSION", {"version": 0}),
    ("version 2", "VERSION", {"version": 2}),
    ("version 2^32 - 1 and all else wrong", "VERSION",
     {"version": 0xffffffff, "role": 2, "name": b"no", "required": 1}),
    ("the module's own role", "BAD_ROLE", {"role": 2}),
    ("role 0", "PROTOCOL", {"role": 0}),
    ("role 3", "PROTOCOL", {"role": 3}),
    ("another name", "BAD_NAME", {"name": b"another"}),
    ("no name", "BAD_NAME PROTOCOL", {"name": b""}),
    ("a longer name", "BAD_NAME", {"name": b"faults2"}),
    ("the name in other letters", "BAD_NAME", {"name": b"FAULTS"}),
    ("a name without an end", "BAD_NAME PROTOCOL", {"name": b"f" * 32}),
    ("something behind the name's end", "BAD_NAME PROTOCOL", {"name": b"faults\0x"}),
    ("a required feature, bit 2", "FEATURES", {"required": 4}),
    ("a required feature, bit 63", "FEATURES", {"required": 1 << 63, "features": (1 << 64) - 1}),
    ("kind 0", "PROTOCOL", {"kind": 0}),
    ("kind 3", "PROTOCOL", {"kind": 3}),
    ("the reserved field", "PROTOCOL", {"zero6": 0x100}),
    ("a session in a control connection", "PROTOCOL", {"session": b"s" * 16}),
    ("heartbeat 9", "LIMIT", {"heartbeat": 9}),
    ("heartbeat 60001", "LIMIT", {"heartbeat": 60001}),
    ("timeout 49", "LIMIT", {"timeout": 49}),
    ("timeout 600001", "LIMIT", {"timeout": 600001}),
    ("a host's name without an end", "PROTOCOL", {"host": b"h" * 64}),
    ("something behind the end of a host's name", "PROTOCOL", {"host": b"h\0x"}),
]

# The same for its header.
HEADERS = [
    ("the magic", "PROTOCOL", {"magic": b"KVFU"}),
    ("flags", "PROTOCOL", {"flags": 1}),
    ("reserved field at 6", "PROTOCOL", {"zero6": 1}),
    ("reserved field at 20", "PROTOCOL", {"zero20": 1 << 31}),
    ("a guest for a control connection", "PROTOCOL", {"vm": 1}),
    ("sequence 1", "SEQUENCE", {"skew": 1}),
    ("bulk", "LIMIT", {"bulk_length": 1}),
    ("a bulk of 4 GiB - 1", "LIMIT", {"bulk_length": 0xffffffff}),
    ("no body", "LIMIT", {"body_length": 0}),
    ("a body of 3", "LIMIT", {"body_length": 3}),
    ("a body of 513", "LIMIT", {"body_length": 513}),
    ("a body of 4 GiB - 1", "LIMIT", {"body_length": 0xffffffff}),
    ("type 0", "PROTOCOL", {"kind": 0}),
    ("type 19", "PROTOCOL", {"kind": 19}),
    ("AUTH first", "PROTOCOL", {"kind": AUTH, "body": bytes(32)}),
    ("HEARTBEAT first", "PROTOCOL", {"kind": HEARTBEAT, "body": bytes(32)}),
    ("ATTACH first", "PROTOCOL", {"kind": f.ATTACH, "body": bytes(80), "vm": 1}),
]

AUTHS = [
    ("AUTH, the magic", "PROTOCOL", {"magic": b"    "}),
    ("AUTH, flags", "PROTOCOL", {"flags": 0x80}),
    ("AUTH, reserved field", "PROTOCOL", {"zero20": 1}),
    ("AUTH, sequence 0", "SEQUENCE", {"skew": -1}),
    ("AUTH, sequence 2", "SEQUENCE", {"skew": 1}),
    ("AUTH of 31 bytes", "LIMIT", {"body_length": 31}),
    ("AUTH of 33 bytes", "LIMIT", {"body_length": 33}),
    ("AUTH with bulk", "LIMIT", {"bulk_length": 1}),
    ("HELLO twice", "PROTOCOL", {"kind": HELLO, "body": bytes(192)}),
    ("HEARTBEAT instead of AUTH", "PROTOCOL", {"kind": HEARTBEAT}),
    ("a proof of zeroes", "BAD_KEY", {"body": bytes(32)}),
]


def connects(victim, step, change):
    """What becomes of a peer whose `step` is changed."""
    peer = victim.pair.peer(CONNECT, alter={step: change})
    conn = peer.handshake(dial(victim.pair.address))
    return conn.farewell()


def one_bit(frame):
    """AUTH, one bit of which is another one."""
    frame.body = bytes([frame.body[0], frame.body[1] ^ 4]) + frame.body[2:]
    return frame


def in_the_handshake(victim):
    """Everything that a HELLO or an AUTH may have wrong."""
    for what, reasons, fields in HELLOS:
        victim.refuses(what, reasons, lambda: connects(
            victim, "hello", lambda frame: set_in(frame, **fields)))
    for length in (4, 191, 193, 512):
        # More than there was: bytes in place of the frame, since its length changes.
        def resize(frame, version=2):
            frame.body = (struct.pack("<I", version) + frame.body[4:].ljust(508))[:length]
            return frame
        victim.refuses(f"version 2 in a HELLO of {length} bytes", "VERSION",
                       lambda: connects(victim, "hello", resize))
        victim.refuses(f"version 1 in a HELLO of {length} bytes", "LIMIT PROTOCOL",
                       lambda: connects(victim, "hello", lambda frame: resize(frame, 1)))
    for what, reasons, fields in HEADERS:
        victim.refuses(f"HELLO: {what}", reasons, lambda: connects(
            victim, "hello", lambda frame: set_frame(frame, **fields)))
    for what, reasons, fields in AUTHS:
        victim.refuses(what, reasons, lambda: connects(
            victim, "auth", lambda frame: set_frame(frame, **fields)))
    victim.refuses("a proof with a bit changed", "BAD_KEY",
                   lambda: connects(victim, "auth", one_bit))
    victim.refuses("another key", "BAD_KEY", lambda: victim.pair.peer(
        CONNECT, key=os.urandom(32)).handshake(dial(victim.pair.address)))
    victim.refuses("the key, but another name", "BAD_NAME", lambda: victim.pair.peer(
        CONNECT, name="another").handshake(dial(victim.pair.address)))
    victim.newcomer("after all of these the good peer comes as ever")


def reasons_read_well(victim):
    """BYE has words for people."""
    for what, fields in (("VERSION", {"version": 7}), ("FEATURES", {"required": 4})):
        try:
            connects(victim, "hello", lambda frame: set_in(frame, **fields))
            text = ""
        except Refused as e:
            text = e.text
        victim.tap.check(f"BYE has words for {what}", len(text) > 8 and text.isprintable(), text)


def data_handshakes(victim):
    """Data connections that don't belong to anything."""
    session, vm, pair = victim.session, victim.source.vm, victim.pair

    def attempt(vm, session_id, **fields):
        peer = pair.peer(CONNECT, alter={"hello": lambda frame: set_in(frame, **fields)})
        return peer.handshake(dial(pair.address), DATA, vm, session_id).farewell()

    victim.refuses("data for a session that isn't", "NO_VM", lambda: attempt(vm, b"x" * 16))
    victim.refuses("data without a session", "NO_VM PROTOCOL", lambda: attempt(vm, bytes(16)))
    victim.refuses("data for a guest that isn't", "NO_VM", lambda: attempt(vm + 1, session.id))
    victim.refuses("data for guest 0", "NO_VM PROTOCOL", lambda: attempt(0, session.id))
    victim.refuses("data for the other end's guest", "NO_VM",
                   lambda: attempt((1 << 31) + 1, session.id))
    victim.refuses("data with another key", "BAD_KEY", lambda: pair.peer(
        CONNECT, key=os.urandom(32)).handshake(dial(pair.address), DATA, vm, session.id))
    stale = session.id
    victim.newcomer("(a new session)")
    victim.refuses("data for the session that was", "NO_VM",
                   lambda: attempt(victim.source.vm, stale))


def replays(victim):
    """What was said is said again."""
    pair = victim.pair
    recorded = []

    def record(frame):
        recorded.append(frame)
        return frame

    peer = pair.peer(CONNECT, instance=victim.me.instance, alter={"hello": record, "auth": record})
    session = peer.connect(pair.address)
    session.wait_up()
    said = b"".join(frame.signed for frame in recorded)
    victim.newcomer("(a handshake is recorded; the good peer takes its place)")

    def replay():
        conn = Connection(dial(pair.address))
        conn.send(said)
        return conn.farewell()

    victim.refuses("a recorded handshake", "BAD_KEY", replay)

    def mirror(change):
        first = Connection(dial(pair.address))
        first.send(Frame(HELLO, pair.peer(CONNECT).hello().pack()))
        theirs = first.receive()
        second = Connection(dial(pair.address))
        hello = f.Hello._make(f.HELLO_BODY.unpack(theirs.body))
        second.send(Frame(HELLO, hello._replace(**change).pack()))
        if change:
            second.receive()
            second.send(Frame(AUTH, os.urandom(32)))
        first.close()
        return second.farewell()

    victim.refuses("the module's own HELLO", "BAD_ROLE", lambda: mirror({}))
    victim.refuses("the module's own HELLO in the other role", "BAD_KEY",
                   lambda: mirror({"role": CONNECT}))


def no_frames(victim):
    """What has nothing to do with the protocol."""
    address = victim.pair.address

    def says(data):
        conn = Connection(dial(address))
        conn.send(data)
        return conn.farewell()

    http = b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n"
    # Behind its header there is more that nobody reads: that may cost us the BYE.
    victim.refuses("a browser", "PROTOCOL", lambda: says(http), silent=True)
    victim.refuses("noise", "PROTOCOL", lambda: says(NOISE), silent=True)
    victim.refuses("zeroes", "PROTOCOL", lambda: says(bytes(48)))
    victim.refuses("a header of ones", "PROTOCOL", lambda: says(b"\xff" * 48))

    def bye(reason):
        conn = Connection(dial(address))
        conn.send(Frame(BYE, f.reason_body(reason, "\x1b[31mnonsense\n")))
        return conn.ends() and "ENDED"

    # Whoever says so has proved nothing, and chooses no counter.
    victim.refuses("BYE at once", "BYE", lambda: bye("BUSY"), silent=True)
    until(lambda: not victim.undisturbed(), 5)
    victim.tap.equal("BYE at once with an unknown reason: only that connection ends", "ENDED",
                     bye(4242))

    # A scan of ports: nothing is said.
    for reset in (False, True):
        for _ in range(50):
            sock = dial(address)
            if reset:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
    victim.newcomer("after 100 connections without a word the good peer comes as ever")


def cuts(victim):
    """The handshake ends behind each of its bytes."""
    pair = victim.pair
    before = pair.errors("closed")
    left = []
    hello = Frame(HELLO, pair.peer(CONNECT).hello().pack()).pack(0)
    for size in range(len(hello)):
        conn = Connection(dial(pair.address))
        conn.send(hello[:size])
        conn.sock.shutdown(socket.SHUT_WR)
        if not conn.ends():
            left.append(size)
        conn.close()
    victim.tap.check("HELLO cut behind each of its bytes: the connection ends", not left, left)
    auth = Frame(AUTH, bytes(32)).pack(1)
    for size in range(len(auth)):
        conn = Connection(dial(pair.address))
        conn.send(hello)
        conn.receive()
        conn.send(auth[:size])
        conn.sock.shutdown(socket.SHUT_WR)
        if not conn.ends():
            left.append(len(hello) + size)
        conn.close()
    victim.tap.check("AUTH cut behind each of its bytes: the connection ends", not left, left)
    # Who connects and says nothing at all may go uncounted.
    count = pair.wait_errors("closed", before + 318) - before
    victim.tap.check("each of them was counted as closed", count >= 319, count)
    victim.newcomer("after that the good peer comes as ever")


# --- Slow ones, and many of them

def dribble(address, stop):
    """One byte of a HELLO a second."""
    hello = Frame(HELLO, bytes(192)).pack(0)
    sock = dial(address)
    try:
        for byte in hello:
            sock.send(bytes([byte]))
            if stop.wait(1):
                return
    except OSError:
        pass
    finally:
        sock.close()


def slow(victim):
    """Who takes too long in the handshake."""
    pair, tap = victim.pair, victim.tap
    before = pair.errors("slow")
    stop = threading.Event()
    began = time.monotonic()
    threads = [threading.Thread(target=dribble, args=(pair.address, stop), daemon=True)
               for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    victim.newcomer("while three send a byte a second the good peer comes as ever")
    count = pair.wait_errors("slow", before + 2, 10)
    took = time.monotonic() - began
    stop.set()
    tap.equal("each of the three was refused as SLOW", before + 3, count)
    tap.note(f"that took {took:.1f} s")
    tap.check("after two seconds, not before", took > 1.8, took)

    def behind_hello():
        conn = Connection(dial(pair.address))
        conn.send(Frame(HELLO, pair.peer(CONNECT).hello().pack()))
        return conn.farewell()

    victim.refuses("silence at once", "SLOW", lambda: Connection(dial(pair.address)).farewell())
    victim.refuses("silence behind HELLO", "SLOW", behind_hello)


def crowd(victim):
    """More than there is room for."""
    pair, tap = victim.pair, victim.tap
    before = pair.errors("crowded")
    conns = []
    for _ in range(12):
        conns.append(Connection(dial(pair.address)))
        time.sleep(0.01)
    said = [conn.farewell() for conn in conns[:4]]
    tap.check("twelve at once: the four oldest make room",
              all(reason in ("CROWDED", "CLOSED") for reason, _ in said), said)
    tap.note(f"they were told: {said}")
    tap.check("and are counted", pair.wait_errors("crowded", before + 3) >= before + 4)
    victim.newcomer("in the crowd the good peer comes as ever")
    for conn in conns:
        conn.close()

    before = pair.errors("crowded") + pair.errors("slow")
    socks = []
    for _ in range(1000):
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex(pair.address)
        socks.append(sock)
    tap.check("a thousand at once: the link isn't disturbed", not victim.undisturbed(),
              victim.undisturbed())
    began = time.monotonic()
    came = until(lambda: get_in(victim), 20)
    tap.check("a thousand at once: the good peer comes", came)
    tap.note(f"after {time.monotonic() - began:.1f} s")
    # The backlog has no room for most of them; those come again by themselves, later.
    count = until(lambda: pair.errors("crowded") + pair.errors("slow") > before + 100, 20)
    told = pair.show()["errors"]
    tap.check("a thousand at once: those who come make room for others", count, told)
    tap.note(f"of a thousand {told['crowded'] + told.get('slow', 0) - before} were refused")
    for sock in socks:
        sock.close()
    victim.newcomer("after the thousand the good peer comes as ever")
    tap.check("and nothing is disturbed", not victim.undisturbed(), victim.undisturbed())


def get_in(victim):
    """One attempt of the good peer."""
    try:
        session = victim.me.connect(victim.pair.address)
    except (Refused, Wrong, Closed, OSError):
        return False
    if not session.wait_up():
        return False
    victim.session = session
    victim.source = Source(session, "guest")
    victim.pair.wait_state("up")
    victim.links = victim.pair.show()["links"]
    return True


# --- The other way round: those who listen

def answers(pair, change):
    """A listening end that answers with change(hello of the module, its own HELLO)."""
    def serve(conn):
        theirs = conn.receive()
        mine = Frame(HELLO, pair.peer(LISTEN).hello().pack())
        conn.send(change(theirs, mine))
        return conn.farewell()
    return serve


def reflects(change):
    """A listening end that says what it was told; HELLO in the role that it has."""
    def serve(conn):
        hello = conn.receive()
        conn.send(Frame(HELLO, set_in(hello, **change).body))
        if change:
            auth = conn.receive()
            if auth.kind == BYE:
                return f.reason_of(auth)
            conn.send(Frame(AUTH, auth.body))
        return conn.farewell()
    return serve


def listeners(tap):
    """The connecting module, and everything that may listen there."""
    with Pair("back", "connect", (HOST, 7711)) as pair, \
            socket.create_server((HOST, 7711)) as server:
        server.settimeout(20)
        instance = os.urandom(16)

        def key(conn):
            pair.peer(LISTEN, key=os.urandom(32)).handshake(conn.sock)

        def replayed(conn):
            frame = conn.receive()
            conn.send(frame.signed if not recorded else recorded[0])
            conn.receive()
            conn.send(recorded[1])
            return conn.farewell()

        def silent(conn):
            return conn.farewell()

        def http(conn):
            conn.send(b"HTTP/1.1 400 Bad Request\r\nServer: some\r\nContent-Length: 0\r\n\r\n")
            return conn.farewell()

        def closes(conn):
            conn.close()
            return "ENDED"

        def says_bye(conn):
            conn.receive()
            conn.send(Frame(BYE, f.reason_body("BUSY", "go away")))
            return conn.ends() and "BUSY"

        # A good one first, whose words are then said again.
        recorded = []

        def record(frame):
            recorded.append(frame)
            return frame

        sock, _ = server.accept()
        good = pair.peer(LISTEN, instance=instance, alter={"hello": record, "auth": record})
        conn = good.handshake(sock)
        recorded[:] = [frame.signed for frame in recorded]
        conn.close()

        cases = [
            ("another key", "BAD_KEY", key),
            ("the module's own HELLO", "BAD_ROLE", reflects({})),
            ("the module's own words in the other role", "BAD_KEY", reflects({"role": LISTEN})),
            ("a recorded handshake", "BAD_KEY", replayed),
            ("another name", "BAD_NAME", answers(pair, lambda _, h: set_in(h, name=b"other"))),
            ("version 2", "VERSION", answers(pair, lambda _, h: set_in(h, version=2))),
            ("a required feature", "FEATURES", answers(pair, lambda _, h: set_in(h, required=8))),
            ("a data connection in return", "PROTOCOL",
             answers(pair, lambda _, h: set_in(h, kind=DATA, session=b"s" * 16))),
            ("a session in return", "PROTOCOL",
             answers(pair, lambda _, h: set_in(h, session=b"s" * 16))),
            ("a guest in return", "PROTOCOL", answers(pair, lambda _, h: set_frame(h, vm=3))),
            ("sequence 1", "SEQUENCE", answers(pair, lambda _, h: set_frame(h, skew=1))),
            ("AUTH instead of HELLO", "PROTOCOL",
             answers(pair, lambda _, h: Frame(AUTH, bytes(32)))),
            ("HELLO with bulk", "LIMIT", answers(pair, lambda _, h: set_frame(h, bulk_length=1))),
            ("BYE", "BUSY", says_bye),
            ("a web server", "PROTOCOL", http),
            ("one that closes", "CLOSED", closes),
            ("one that says nothing", "SLOW", silent),
        ]
        for what, reason, serve in cases:
            keyword = reason.lower().replace("_", "-")
            before = pair.errors(keyword)
            sock, _ = server.accept()
            try:
                said = serve(Connection(sock))
            except (Refused, Wrong) as e:
                said = e.reason
            except (Closed, TimeoutError) as e:
                said = f"{type(e).__name__}: {e}"
            said = said[0] if isinstance(said, tuple) else said
            sock.close()
            counted = pair.wait_errors(keyword, before, 5) > before
            state = pair.show()["state"]
            bye = said == reason or what in ("another key", "a web server", "one that closes")
            tap.check(f"{what} listens: {reason}", bye and counted and state != "up",
                      f"said: {said}, {pair.show()}")
        tap.check("ftctl has words for the last error", len(pair.json()["last_error"] or "") > 8)
        server.close()
        with Listener(pair.peer(LISTEN, instance=instance), pair.address) as listener:
            tap.check("after all of these the good one is found",
                      listener.wait_session(20).wait_up())
            tap.check("and the link is up", pair.wait_state("up"))


def run(tap):
    """All of it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 4096), most))
    with Pair("faults", "listen", (HOST, 7710)) as pair:
        victim = Victim(tap, pair)
        for part in (in_the_handshake, reasons_read_well, data_handshakes, replays, no_frames,
                     cuts, slow, crowd):
            with tap.part(part.__name__.replace("_", " ")):
                part(victim)
        tap.note(f"counted: {pair.show()['errors']}")
    with tap.part("those who listen"):
        listeners(tap)


if __name__ == "__main__":
    main(run)
