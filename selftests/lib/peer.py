# SPDX-License-Identifier: GPL-2.0
"""The other end of a pair, written from Documentation/wire.rst alone: it connects or
listens, is source or sink of guests, and keeps to the page or deviates on purpose.

    me = Peer("pair", key, CONNECT)
    with me.connect(("127.0.0.1", 7700)) as session:
        source = Source(session, "guest")
        source.epoch({(0, 0): b"x" * 4096}, state=b"...")
"""

import collections
import contextlib
import os
import socket
import struct
import threading
import time

import frames as f
from frames import (ABORT, ACK, ATTACH, AUTH, BEGIN, BYE, COMMIT, CONFIG, CONNECT, CONTROL,
                    DATA, DETACH, FENCE, HEARTBEAT, HELLO, LAYOUT, LISTEN, PAGE, PAGES,
                    REPLY, STAGED, STATE, SWITCH, SYNTHETIC, VMM_GONE, WANT_STAGED,
                    Closed, Connection, Frame, Hello, Refused, Wrong)

NOBODY = bytes(16)
OTHER = {CONNECT: LISTEN, LISTEN: CONNECT}


class Peer:
    """What one end is configured with.

    `alter` may have functions for "hello" and "auth": each gets the Frame that is to be
    sent and returns it, changed, or other bytes instead, or None to send nothing.
    """

    # pylint: disable=too-many-arguments
    def __init__(self, name, key, role, *, instance=None, host="python", heartbeat=100,
                 timeout=5000, features=0, alter=None):
        self.name = name
        self.key = key
        self.role = role
        self.instance = instance or os.urandom(16)
        self.host = host
        self.heartbeat = heartbeat
        self.timeout = timeout
        self.features = features
        self.alter = alter or {}

    def hello(self, kind=CONTROL, session=NOBODY, **fields):
        """The HELLO of a new connection."""
        return Hello(f.VERSION, self.role, kind, 0, self.features, 0, os.urandom(32), self.instance,
                     session, self.heartbeat, self.timeout, self.name.encode(),
                     self.host.encode())._replace(**fields)

    # The handshake

    def handshake(self, sock, kind=CONTROL, vm=0, session=NOBODY, *, fits=None, wait=10):
        """Returns the Connection, with what HELLO said in `peer` and the session in
        `session`. `fits(hello, vm)` of a listening end raises Wrong for a connection that
        it doesn't want."""
        conn = Connection(sock, kind)
        try:
            self._handshake(conn, kind, vm, session, fits, time.monotonic() + wait)
        except Wrong as e:
            refuse(conn, e)
            raise
        except BaseException:
            conn.close()
            raise
        return conn

    def _handshake(self, conn, kind, vm, session, fits, deadline):
        connects = self.role == CONNECT
        if connects:
            mine = self._say(conn, "hello", Frame(HELLO, self.hello(kind, session).pack(), vm=vm))
        frame = self._hear(conn, HELLO, deadline)
        theirs = self._judge(frame)
        if connects:
            if (theirs.kind, theirs.session, frame.vm) != (kind, session, vm):
                raise Wrong("PROTOCOL", "the answer is for another connection")
        else:
            kind, session, vm = theirs.kind, theirs.session, frame.vm
            conn.conn = kind
            if fits:
                fits(theirs, vm)
            elif kind != CONTROL:
                raise Wrong("NO_VM", "no guests here")
            mine = self._say(conn, "hello", Frame(HELLO, self.hello(kind, session).pack(), vm=vm))
        both = mine + frame.signed if connects else frame.signed + mine
        first = f.proof(self.key, "connect proof", both)
        second = f.proof(self.key, "listen proof", both, first)
        conn.peer = theirs
        conn.vm = vm
        conn.session = f.proof(self.key, "session", both)[:16]
        keys = {CONNECT: f.proof(self.key, "connect key", both),
                LISTEN: f.proof(self.key, "listen key", both)}
        if connects:
            self._say(conn, "auth", Frame(AUTH, first))
        else:
            self._check(conn, first, deadline)
            self._say(conn, "auth", Frame(AUTH, second))
        conn.send_key = keys[self.role]
        if connects:
            self._check(conn, second, deadline)
        conn.receive_key = keys[OTHER[self.role]]

    def _say(self, conn, step, frame):
        frame = self.alter.get(step, lambda frame: frame)(frame)
        if frame is None:
            return b""
        return conn.send(frame)

    def _hear(self, conn, kind, deadline):
        frame = conn.receive(deadline - time.monotonic())
        if frame.kind == BYE:
            raise Refused(frame)
        if frame.kind != kind:
            raise Wrong("PROTOCOL", f"{frame!r} in the handshake")
        return frame

    def _check(self, conn, wanted, deadline):
        frame = self._hear(conn, AUTH, deadline)
        if frame.body != wanted:
            raise Wrong("BAD_KEY", "the proof is wrong")

    def _judge(self, frame):
        """What HELLO says, if it may say so."""
        if struct.unpack("<I", frame.body[:4])[0] != f.VERSION:
            raise Wrong("VERSION", "another version")
        if len(frame.body) != f.HELLO_BODY.size:
            raise Wrong("PROTOCOL", f"HELLO of {len(frame.body)} bytes")
        theirs = Hello._make(f.HELLO_BODY.unpack(frame.body))
        if theirs.role == self.role:
            raise Wrong("BAD_ROLE", "the same role")
        if f.text_of(theirs.name) != self.name:
            raise Wrong("BAD_NAME", "another name")
        if theirs.required:
            raise Wrong("FEATURES", "a feature is required")
        f.text_of(theirs.host)
        if theirs.role not in (CONNECT, LISTEN) or theirs.kind not in (CONTROL, DATA) or \
                theirs.zero6 or (theirs.kind == DATA) != bool(frame.vm) or \
                (theirs.kind == CONTROL and theirs.session != NOBODY):
            raise Wrong("PROTOCOL", f"senseless {theirs!r}")
        if not 10 <= theirs.heartbeat <= 60000 or not 50 <= theirs.timeout <= 600000:
            raise Wrong("LIMIT", f"heartbeat {theirs.heartbeat}, timeout {theirs.timeout}")
        return theirs

    # Connecting

    def connect(self, address, wait=10):
        """The Session, once the other end has proved itself."""
        sock = dial(address, wait)
        session = Session(self, self.handshake(sock, wait=wait))
        session.address = address
        return session.start()


def dial(address, wait=10):
    """A TCP connection."""
    return socket.create_connection(address, timeout=wait)


def refuse(conn, wrong):
    """Says BYE and closes; who doesn't listen any more won't hear it."""
    with contextlib.suppress(OSError, Closed):
        conn.send(Frame(BYE, f.reason_body(wrong.reason, wrong.text[:128])), timeout=1)
    conn.close()


class Session:
    """A control connection behind its handshake: heartbeats in a thread, which also
    collects what comes. It ends with close(), or by itself: then `ended` says why, as
    (reason, text)."""

    # pylint: disable=too-many-instance-attributes
    def __init__(self, peer, conn):
        self.peer = peer
        self.conn = conn
        self.id = conn.session
        self.address = None
        self.ended = None
        self.silent = False         # no heartbeats, for tests
        self.keep_data = False      # leave it to the other end to end data connections
        self.heartbeats = 0         # that came
        self.echoes = 0             # of ours among them
        self.rtt = None             # ns
        self.sinks = {}             # by name
        self.collected = []
        self._by_vm = {}            # vm: Sink
        self._arrived = {}          # vm: data connection of a source, on the listening end
        self._data = []
        self._numbers = 1 if peer.role == CONNECT else (1 << 31) + 1
        self._changed = threading.Condition()
        self._interval = min(peer.heartbeat, conn.peer.heartbeat) / 1000
        self._heard = (0, 0)        # the last stamp, and when it came
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def start(self):
        """Begins with the heartbeats."""
        self._thread.start()
        return self

    # The thread

    def _run(self):
        try:
            self._serve()
        except Wrong as e:
            refuse(self.conn, e)
            self._end(e.reason, e.text)
        except Refused as e:
            self._end(e.reason, e.text)
        except Closed as e:
            self._end("CLOSED", str(e))
        except OSError as e:
            self._end("LOCAL", str(e))

    def _end(self, reason, text):
        with self._changed:
            self.ended = self.ended or (reason, text)
            data = [] if self.keep_data else self._data + list(self._arrived.values())
            self._changed.notify_all()
        for conn in [self.conn, *data]:
            conn.close()

    def _serve(self):
        due = time.monotonic()
        last = due
        while not self.ended:
            if time.monotonic() >= due:
                if not self.silent:
                    self.beat()
                due = time.monotonic() + self._interval
            try:
                frame = self.conn.receive(max(0, due - time.monotonic()))
            except TimeoutError:
                if time.monotonic() - last > self.peer.timeout / 1000 and not self.silent:
                    raise Closed("time-out") from None
                continue
            last = time.monotonic()
            self._take(frame)

    def beat(self):
        """Sends a heartbeat."""
        stamp, came = self._heard
        self.conn.send(Frame(HEARTBEAT, f.heartbeat_body(stamp, f.now() - came if stamp else 0)))

    def _take(self, frame):
        if frame.kind == BYE:
            raise Refused(frame)
        if frame.kind == HEARTBEAT:
            stamp, echo, held, lease = f.HEARTBEAT_BODY.unpack(frame.body)
            # It grants half of its time-out, once it has a stamp of ours.
            if not stamp or (lease and not echo):
                raise Wrong("PROTOCOL", repr(frame))
            self._heard = (stamp, f.now())
            with self._changed:
                self.heartbeats += 1
                if echo:
                    self.echoes += 1
                    self.rtt = f.now() - echo - held
                self._changed.notify_all()
            return
        if frame.kind == ATTACH:
            f.attach_of(frame)
            if not frame.flags & REPLY:
                self._attached(frame)
                return
        if frame.kind in (ABORT, DETACH):
            f.reason_of(frame)
        if frame.kind == ACK and struct.unpack("<QQ", frame.body)[1]:
            raise Wrong("PROTOCOL", repr(frame))
        if frame.kind in (LAYOUT, CONFIG, SWITCH, VMM_GONE, FENCE):
            self.conn.send(Frame(DETACH, f.reason_body("NO_VM"), vm=frame.vm))
        if frame.kind in (HELLO, AUTH):
            raise Wrong("PROTOCOL", f"{frame!r} behind the handshake")
        with self._changed:
            self.collected.append(frame)
            self._changed.notify_all()

    # For those who wait

    def until(self, what, timeout=10):
        """Waits until what() is true, looking whenever something came."""
        with self._changed:
            self._changed.wait_for(lambda: what() or self.ended, timeout)
            return what()

    def wait_up(self, timeout=10):
        """Until heartbeats pass both ways."""
        return self.until(lambda: self.echoes, timeout) and not self.ended

    def wait_end(self, timeout=10):
        """Until it has ended: why."""
        self.until(lambda: self.ended, timeout)
        return self.ended or ("NOT ENDED", "")

    def wait_for(self, kinds, vm=None, timeout=10):
        """The first frame of some types that came and wasn't taken yet."""
        def find():
            for frame in self.collected:
                if frame.kind in kinds and vm in (None, frame.vm):
                    return frame
            return None

        with self._changed:
            self._changed.wait_for(lambda: find() or self.ended, timeout)
            frame = find()
            if frame:
                self.collected.remove(frame)
                return frame
        if self.ended:
            raise Closed(": ".join(self.ended))
        raise TimeoutError(f"no {' or '.join(f.KINDS[k].name for k in kinds)}")

    def send(self, frame):
        """Sends a frame on the control connection."""
        return self.conn.send(frame)

    def bye(self, reason="BYE", text=""):
        """Ends it in good order."""
        with contextlib.suppress(Closed, OSError):
            self.conn.send(Frame(BYE, f.reason_body(reason, text)))
        self.close()

    def close(self):
        """Ends it without a word."""
        self._end("LOCAL", "closed here")
        if self._thread.ident and self._thread is not threading.current_thread():
            self._thread.join(10)

    # Guests

    def new_vm(self):
        """A number for a guest of which this end is the source."""
        with self._changed:
            self._numbers += 1
            return self._numbers - 1

    def ask(self, name, vm, kind=SYNTHETIC, timeout=10):
        """One ATTACH and its reply: the frame."""
        self.send(Frame(ATTACH, f.attach_body(name, kind), vm=vm))
        frame = self.wait_for((ATTACH, DETACH), vm, timeout)
        if frame.kind == ATTACH and f.attach_of(frame)[3] != name:
            raise Wrong("PROTOCOL", f"{frame!r} for {name}")
        return frame

    def attach(self, name, vm=None, wait=10):
        """Attaches a guest of which this end is the source: the reply."""
        vm = vm or self.new_vm()
        deadline = time.monotonic() + wait
        while True:
            frame = self.ask(name, vm)
            reason = f.reason_of(frame)[0] if frame.kind == DETACH else f.attach_of(frame)[0]
            if not reason:
                return frame
            if reason != "NO_VM" or time.monotonic() > deadline:
                raise Wrong(reason, f"{name} isn't attached")
            time.sleep(0.25)

    def data(self, vm, wait=10):
        """The data connection of a guest, behind its handshake."""
        if self.peer.role == CONNECT:
            conn = self.peer.handshake(dial(self.address, wait), DATA, vm, self.id, wait=wait)
        else:
            if not self.until(lambda: vm in self._arrived, wait):
                raise TimeoutError(f"no data connection for {vm}")
            with self._changed:
                conn = self._arrived.pop(vm)
        with self._changed:
            self._data.append(conn)
        return conn

    def fits(self, hello, vm):
        """May this be a data connection of the session?"""
        if hello.session != self.id or self.ended or \
                not (vm in self._by_vm or 1 << 31 < vm < self._numbers):
            raise Wrong("NO_VM", "no such guest in this session")

    def arrive(self, conn):
        """A data connection was made to this end."""
        sink = self._by_vm.get(conn.vm)
        if sink:
            sink.serve(conn)
            return
        with self._changed:
            self._arrived[conn.vm] = conn
            self._changed.notify_all()

    def _attached(self, frame):
        """The other end asks for a sink."""
        _, kind, _, name = f.attach_of(frame)
        sink = self.sinks.get(name)
        low, high = ((1, 1 << 31) if self.peer.role == LISTEN else ((1 << 31) + 1, 1 << 32))
        if not low <= frame.vm < high:
            raise Wrong("PROTOCOL", f"vm {frame.vm} isn't the other end's to give")
        if kind != SYNTHETIC or not sink:
            self.send(Frame(ATTACH, f.attach_body(name, kind, "NO_VM"), vm=frame.vm, flags=REPLY))
            return
        self._by_vm[frame.vm] = sink
        sink.join(self, frame.vm)
        generation, epoch = sink.committed_epoch
        self.send(Frame(ATTACH, f.attach_body(name, kind, 0, sink.ceiling), vm=frame.vm,
                        flags=REPLY, generation=generation, epoch=epoch))
        if self.peer.role == CONNECT:
            threading.Thread(target=self._fetch, args=(sink, frame.vm), daemon=True).start()

    def _fetch(self, sink, vm):
        try:
            sink.serve(self.data(vm))
        except (Closed, Refused, Wrong, OSError) as e:
            sink.ended = str(e)


class Listener:
    """A listening end: every connection gets a thread for its handshake; `session` is
    the present one."""

    def __init__(self, peer, address=("127.0.0.1", 0)):
        self.peer = peer
        self.session = None
        self.sinks = {}
        self.refused = collections.Counter()
        self.sessions = 0
        self._changed = threading.Condition()
        self._sock = socket.create_server(address)
        self.address = self._sock.getsockname()
        threading.Thread(target=self._run, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Neither listens nor has a session any more."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()
        if self.session:
            self.session.close()

    def _run(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._sock.accept()
                threading.Thread(target=self._one, args=(sock,), daemon=True).start()

    def _fits(self, hello, vm):
        if hello.kind == DATA:
            if not self.session:
                raise Wrong("NO_VM", "no session")
            self.session.fits(hello, vm)

    def _one(self, sock):
        try:
            conn = self.peer.handshake(sock, fits=self._fits, wait=2)
        except (Wrong, Refused) as e:
            self.refused[e.reason] += 1
            return
        except (Closed, OSError) as e:
            self.refused[type(e).__name__] += 1
            return
        if conn.conn == DATA:
            self.session.arrive(conn)
            return
        with self._changed:
            old = self.session
            if old and not old.ended:
                if old.conn.peer.instance != conn.peer.instance:
                    self.refused["BUSY"] += 1
                    refuse(conn, Wrong("BUSY", "there is another peer"))
                    return
                old.bye("REPLACED")
            self.session = Session(self.peer, conn)
            self.session.sinks = self.sinks
            self.sessions += 1
            self.session.start()
            self._changed.notify_all()

    def wait_session(self, timeout=10, number=1):
        """The session, when so many were there."""
        with self._changed:
            self._changed.wait_for(lambda: self.sessions >= number, timeout)
            if self.sessions < number:
                raise TimeoutError(f"no session; refused: {dict(self.refused)}")
            return self.session


# --- Guests

class Source:
    """The source of a synthetic guest. The steps of an epoch can be taken one by one, or
    by epoch()."""

    def __init__(self, session, name, vm=None, wait=10):
        self.session = session
        self.name = name
        self.vm = vm or session.new_vm()
        self.conn = None
        self.connect(wait)

    def connect(self, wait=10):
        """Attaches, and makes a data connection."""
        reply = self.session.attach(self.name, self.vm, wait)
        self.generation, self.number = reply.generation, reply.epoch
        self.ceiling = f.attach_of(reply)[2]
        self.content = {}
        self.device = b""
        self.conn = self.session.data(self.vm, wait)

    def send(self, kind, body, bulk=b"", **fields):
        """One frame of the present epoch; fields as in Frame. Returns its sequence."""
        frame = Frame(kind, body, bulk, **{"vm": self.vm, "generation": self.generation,
                                           "epoch": self.number, **fields})
        self.conn.send(frame)
        return frame.sequence

    def begin(self, number=None, *, generation=None, flags=0):
        """BEGIN of the next epoch, or of another one."""
        self.generation = max(self.generation, 1) if generation is None else generation
        self.number = self.number + 1 if number is None else number
        self.content = {}
        self.device = b""
        self.send(BEGIN, f.begin_body(flags))

    def pages(self, pages, *, want_staged=False):
        """PAGES for (region, offset, contents or None) in this order. Returns the
        sequence of the last frame, which alone asks for STAGED."""
        sequence = None
        packed = f.pages_frames(pages)
        for i, (runs, bulk) in enumerate(packed):
            want = WANT_STAGED if want_staged and i == len(packed) - 1 else 0
            sequence = self.send(PAGES, f.pages_body(runs), bulk, flags=want)
        self.content.update({(region, offset): c for region, offset, c in pages})
        return sequence

    def state(self, state, piece=f.MIB):
        """The device state, in pieces."""
        for at in range(0, len(state), piece):
            self.send(STATE, struct.pack("<QQ", at, len(state)), state[at:at + piece])
        self.device = state

    def commit(self, body=None):
        """COMMIT of what was sent, or of something else."""
        self.send(COMMIT, body or f.commit_body(self.content, self.device))

    def answer(self, timeout=20):
        """ "ACK" with the numbers of its epoch, or the reason of ABORT with them."""
        frame = self.session.wait_for((ACK, ABORT), self.vm, timeout)
        what = "ACK" if frame.kind == ACK else f.reason_of(frame)[0]
        return what, frame.generation, frame.epoch

    def epoch(self, pages=None, state=b"", *, number=None, generation=None, piece=f.MIB):
        """A whole epoch of {(region, offset): contents or None}: its answer."""
        self.begin(number, generation=generation)
        self.pages([(*where, contents) for where, contents in (pages or {}).items()])
        self.state(state, piece)
        self.commit()
        return self.answer()

    def close(self):
        """Closes the data connection without a word."""
        self.conn.close()


class Sink:
    """The sink of a synthetic guest: what it has committed, and a thread for each data
    connection."""

    # pylint: disable=too-many-instance-attributes
    def __init__(self, ceiling=64 * f.MIB):
        self.ceiling = ceiling
        self.committed = {}         # (region, offset): contents or None
        self.committed_epoch = (0, 0)
        self.state = b""
        self.commits = []           # (generation, epoch, pages) of each
        self.ended = None
        self.aborted = collections.Counter()
        self.packed = 0             # pages that came so
        self._session = None
        self._vm = 0
        self._conn = None
        self._open = None           # the epoch under way
        self._ignore = False

    def join(self, session, vm):
        """It is attached in a session."""
        self._session, self._vm = session, vm

    def serve(self, conn):
        """A data connection is there; it replaces one that was."""
        if self._conn:
            self._conn.close()
        self._conn = conn
        threading.Thread(target=self._run, args=(conn,), daemon=True).start()

    def _run(self, conn):
        self._open, self._ignore = None, False
        try:
            while True:
                self._take(conn.receive(3600))
        except Wrong as e:
            refuse(conn, e)
            self.ended = f"{e.reason}: {e.text}"
        except (Refused, Closed, TimeoutError, OSError) as e:
            self.ended = str(e)

    def _tell(self, kind, body, epoch):
        self._session.send(Frame(kind, body, vm=self._vm, generation=epoch[0], epoch=epoch[1]))

    def _abort(self, reason, epoch):
        self.aborted[reason] += 1
        self._open, self._ignore = None, True
        self._tell(ABORT, f.reason_body(reason), epoch)

    def _take(self, frame):
        if frame.kind == BYE:
            raise Refused(frame)
        if frame.vm != self._vm or frame.kind in (HELLO, AUTH):
            raise Wrong("PROTOCOL", repr(frame))
        epoch = (frame.generation, frame.epoch)
        if frame.kind == BEGIN:
            flags, zero, _ = struct.unpack("<IIQ", frame.body)
            if flags & ~1 or zero or self._open is not None:
                raise Wrong("PROTOCOL", repr(frame))
            self._ignore = False
            if epoch <= self.committed_epoch:
                self._abort("STALE", epoch)
            else:
                self._open = epoch
                self._pages, self._staged, self._total = {}, bytearray(), 0
            return
        if self._ignore:
            return
        if self._open is None:
            self._abort("NOT_BEGUN", epoch)
            return
        if epoch != self._open:
            raise Wrong("PROTOCOL", f"{frame!r} while {self._open} is open")
        {PAGES: self._take_pages, STATE: self._take_state, COMMIT: self._take_commit,
         ABORT: self._take_abort}[frame.kind](frame)

    def _take_pages(self, frame):
        self._pages.update({(region, offset): c for region, offset, c in f.pages_of(frame)})
        self.packed += f.packed_of(frame)
        if PAGE * sum(c is not None for c in self._pages.values()) > self.ceiling:
            self._abort("TOO_BIG", self._open)
        elif frame.flags & WANT_STAGED:
            self._tell(STAGED, struct.pack("<Q", frame.sequence), self._open)

    def _take_state(self, frame):
        offset, total = struct.unpack("<QQ", frame.body)
        if total > 128 * f.MIB:
            raise Wrong("LIMIT", repr(frame))
        end = offset + len(frame.bulk)
        if not frame.bulk or offset != len(self._staged) or end > total or \
                (self._total and total != self._total) or (end < total and end % PAGE):
            raise Wrong("PROTOCOL", repr(frame))
        self._total = total
        self._staged += frame.bulk

    def _take_commit(self, frame):
        if f.COMMIT_BODY.unpack(frame.body)[5]:
            raise Wrong("PROTOCOL", repr(frame))
        if len(self._staged) != self._total or \
                f.commit_body(self._pages, bytes(self._staged))[:40] != frame.body[:40]:
            self._abort("MISMATCH", self._open)
            return
        epoch, self._open = self._open, None
        self.committed.update(self._pages)
        self.state = bytes(self._staged)
        self.committed_epoch = epoch
        self.commits.append((*epoch, len(self._pages)))
        self._tell(ACK, struct.pack("<QQ", f.COMMIT_BODY.unpack(frame.body)[6], 0), epoch)

    def _take_abort(self, frame):
        self.aborted[f.reason_of(frame)[0]] += 1
        self._open, self._ignore = None, True
