# SPDX-License-Identifier: GPL-2.0
"""The frames of the wire protocol, written from Documentation/wire.rst alone.

What is received is judged by every rule of that page; what is sent may break any.
"""

import contextlib
import functools
import hashlib
import hmac
import select
import socket
import struct
import threading
import time
from typing import NamedTuple

MAGIC = b"KVFT"
PAGE = 4096
MIB = 1 << 20
VERSION = 1
CONNECT, LISTEN = 1, 2
CONTROL, DATA = 1, 2
REPLY, WANT_STAGED = 1, 2
LZ4 = 1     # a feature
FOLLOWS = 2     # a flag of BEGIN, and a feature
SYNTHETIC = 2

(HELLO, AUTH, BYE, HEARTBEAT, ATTACH, LAYOUT, CONFIG, BEGIN, PAGES, STAGED, STATE,
 COMMIT, ACK, ABORT, SWITCH, VMM_GONE, FENCE, DETACH) = range(1, 19)


class Kind(NamedTuple):
    """What the page's table says of a type of frame."""
    name: str
    conns: tuple
    least: int
    most: int
    bulk: int
    flags: int
    vm: bool


_BOTH, _CTL, _DATA = (CONTROL, DATA), (CONTROL,), (DATA,)
KINDS = {
    HELLO: Kind("HELLO", _BOTH, 4, 512, 0, 0, False),
    AUTH: Kind("AUTH", _BOTH, 32, 32, 0, 0, False),
    BYE: Kind("BYE", _BOTH, 8, 136, 0, 0, False),
    HEARTBEAT: Kind("HEARTBEAT", _CTL, 32, 32, 0, 0, False),
    ATTACH: Kind("ATTACH", _CTL, 80, 80, 0, REPLY, True),
    LAYOUT: Kind("LAYOUT", _CTL, 8, 32776, 0, REPLY, True),
    CONFIG: Kind("CONFIG", _CTL, 8, 65536, 0, REPLY, True),
    BEGIN: Kind("BEGIN", _DATA, 16, 16, 0, 0, True),
    PAGES: Kind("PAGES", _DATA, 24, 4104, MIB, WANT_STAGED, True),
    STAGED: Kind("STAGED", _CTL, 8, 8, 0, 0, True),
    STATE: Kind("STATE", _DATA, 16, 16, MIB, 0, True),
    COMMIT: Kind("COMMIT", _DATA, 48, 48, 0, 0, True),
    ACK: Kind("ACK", _CTL, 16, 16, 0, 0, True),
    ABORT: Kind("ABORT", _BOTH, 8, 136, 0, 0, True),
    SWITCH: Kind("SWITCH", _CTL, 16, 16, 0, 0, True),
    VMM_GONE: Kind("VMM_GONE", _CTL, 8, 8, 0, 0, True),
    FENCE: Kind("FENCE", _CTL, 24, 24, 0, 0, True),
    DETACH: Kind("DETACH", _CTL, 8, 136, 0, REPLY, True),
}

REASONS = dict(enumerate(
    "BYE BAD_KEY BAD_NAME BAD_ROLE VERSION FEATURES BUSY REPLACED PROTOCOL LIMIT BAD_MAC "
    "SEQUENCE SLOW CROWDED STUCK MEMORY LOCAL NO_VM TOO_BIG MISMATCH NOT_BEGUN STALE "
    "GONE CONFIG LAYOUT STATE VMM VMM_GONE NOT_CONVERGING SUPERSEDED RIVAL "
    "SWITCHED SHUTDOWN".split(), 5))
REASON = {name: number for number, name in REASONS.items()}


class Wrong(Exception):
    """The other end broke a rule: `reason` is what BYE, or ABORT, says of it."""

    def __init__(self, reason, text):
        super().__init__(f"{reason}: {text}")
        self.reason = reason
        self.text = text


class Closed(Exception):
    """The connection ended without a word."""


class Refused(Exception):
    """The other end said BYE: `reason` is the name of its reason, `text` its words."""

    def __init__(self, frame):
        self.reason, self.text = reason_of(frame)
        super().__init__(f"{self.reason}: {self.text}")


# --- CRC32C and the sum of pages

def _tables():
    """CRC32C of 16 bits followed by 6, 4, 2, 0 bytes of zeroes."""
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82f63b78 if value & 1 else 0)
        table.append(value)
    slices = [table]
    for _ in range(7):
        slices.append([v >> 8 ^ table[v & 255] for v in slices[-1]])
    return [[low ^ high for high in slices[n] for low in slices[n + 1]] for n in (6, 4, 2, 0)]


_T0, _T1, _T2, _T3 = _tables()


def crc32c(data):
    """CRC32C (iSCSI) of some bytes."""
    whole = len(data) & ~7
    crc = 0xffffffff
    for word in struct.unpack(f"<{whole // 8}Q", data[:whole]):
        word ^= crc
        crc = _T0[word & 65535] ^ _T1[word >> 16 & 65535] ^ _T2[word >> 32 & 65535] \
            ^ _T3[word >> 48]
    for byte in data[whole:]:
        crc = crc >> 8 ^ _T3[(crc ^ byte) << 8 & 65535]
    return crc ^ 0xffffffff


# The same contents come again and again, in tests.
page_crc = functools.lru_cache(1024)(crc32c)
ZERO_CRC = 0x98f94189


def page_term(region, offset, crc):
    """What one page adds to the sum in COMMIT."""
    return (crc32c(struct.pack("<QII", offset, region, crc)) << 32) + crc


# --- Frames

HEADER = struct.Struct("<4sBBHIIIIQQQ")
MAC_SIZE = 32


class Frame:
    """One frame. What is None is filled in when it is sent; to break a rule, don't
    leave it None."""

    # pylint: disable=too-many-instance-attributes
    def __init__(self, kind, body=b"", bulk=b"", *, vm=0, generation=0, epoch=0, flags=0,
                 sequence=None, skew=0, body_length=None, bulk_length=None, magic=MAGIC,
                 zero6=0, zero20=0, spoil=None):
        self.kind = kind
        self.body = body
        self.bulk = bulk
        self.vm = vm
        self.generation = generation
        self.epoch = epoch
        self.flags = flags
        self.sequence = sequence
        self.skew = skew        # added to the sequence, where that is filled in
        self.body_length = body_length
        self.bulk_length = bulk_length
        self.magic = magic
        self.zero6 = zero6
        self.zero20 = zero20
        self.spoil = spoil      # called with all bytes, MAC included: those to send
        self.signed = b""       # header and body, as they went over the wire

    @property
    def name(self):
        """The name of the type."""
        return KINDS[self.kind].name if self.kind in KINDS else f"type {self.kind}"

    def __repr__(self):
        return (f"<{self.name} vm {self.vm} {self.generation}.{self.epoch} "
                f"sequence {self.sequence} {self.body.hex()} + {len(self.bulk)}>")

    def pack(self, sequence):
        """Header and body."""
        if self.sequence is None:
            self.sequence = sequence + self.skew
        self.signed = HEADER.pack(
            self.magic, self.kind, self.flags, self.zero6,
            len(self.body) if self.body_length is None else self.body_length,
            len(self.bulk) if self.bulk_length is None else self.bulk_length,
            self.vm, self.zero20, self.generation, self.epoch, self.sequence) + self.body
        return self.signed

    @classmethod
    def parse(cls, header, conn):
        """A frame of which only the header is there, by the rules for headers."""
        (magic, kind, flags, zero6, body, bulk, vm, zero20, generation, epoch,
         sequence) = HEADER.unpack(header)
        if magic != MAGIC or zero6 or zero20:
            raise Wrong("PROTOCOL", f"no frame: {header.hex()}")
        rules = KINDS.get(kind)
        if not rules or conn not in rules.conns:
            raise Wrong("PROTOCOL", f"type {kind} may not come here")
        if flags & ~rules.flags or (rules.vm and not vm):
            raise Wrong("PROTOCOL", f"{rules.name} with flags {flags}, vm {vm}")
        if not rules.least <= body <= rules.most or bulk > rules.bulk:
            raise Wrong("LIMIT", f"{rules.name} with lengths {body} and {bulk}")
        return cls(kind, vm=vm, generation=generation, epoch=epoch, flags=flags,
                   sequence=sequence, body_length=body, bulk_length=bulk)


class Connection:
    """One connection: a socket, the counters and the keys of both directions."""

    def __init__(self, sock, conn=CONTROL):
        self.sock = sock
        self.conn = conn
        self.send_key = None
        self.receive_key = None
        self.sent = 0
        self.received = 0
        self.vm = 0
        self._buffer = bytearray()
        self._lock = threading.Lock()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def pack(self, frame):
        """The bytes of the next frame."""
        signed = frame.pack(self.sent)
        self.sent += 1
        mac = hmac.digest(self.send_key, signed, hashlib.sha256) if self.send_key else b""
        raw = signed + mac + frame.bulk
        return frame.spoil(raw) if frame.spoil else raw

    def send(self, frame, timeout=20):
        """Sends a frame, or bytes as they are; returns what went out."""
        with self._lock:
            raw = frame if isinstance(frame, bytes) else self.pack(frame)
            self.sock.settimeout(timeout)
            try:
                self.sock.sendall(raw)
            except TimeoutError:
                raise
            except OSError as e:
                raise Closed(str(e)) from e
            return raw

    def _need(self, size, deadline):
        while len(self._buffer) < size:
            # Not settimeout(): that is the sender's, in another thread.
            if not _readable(self.sock, deadline - time.monotonic()):
                raise TimeoutError(f"{len(self._buffer)} of {size} bytes")
            try:
                data = self.sock.recv(max(65536, size - len(self._buffer)))
            except (BlockingIOError, InterruptedError):
                continue
            except OSError as e:
                raise Closed(str(e)) from e
            if not data:
                raise Closed(f"{len(self._buffer)} bytes were left")
            self._buffer += data

    def receive(self, timeout=10):
        """The next frame. After a TimeoutError one can ask again."""
        deadline = time.monotonic() + timeout
        self._need(HEADER.size, deadline)
        frame = Frame.parse(bytes(self._buffer[:HEADER.size]), self.conn)
        end = HEADER.size + frame.body_length
        start = end + (MAC_SIZE if self.receive_key else 0)
        self._need(start, deadline)
        frame.signed = bytes(self._buffer[:end])
        frame.body = frame.signed[HEADER.size:]
        if self.receive_key and not hmac.compare_digest(
                hmac.digest(self.receive_key, frame.signed, hashlib.sha256),
                bytes(self._buffer[end:start])):
            raise Wrong("BAD_MAC", repr(frame))
        if frame.sequence != self.received:
            raise Wrong("SEQUENCE", f"{frame!r} instead of {self.received}")
        self._need(start + frame.bulk_length, deadline)
        frame.bulk = bytes(self._buffer[start:start + frame.bulk_length])
        del self._buffer[:start + frame.bulk_length]
        self.received += 1
        return frame

    def farewell(self, timeout=10):
        """Reads until BYE or the end: (reason, text), or ("CLOSED", why)."""
        deadline = time.monotonic() + timeout
        try:
            while True:
                frame = self.receive(max(0, deadline - time.monotonic()))
                if frame.kind == BYE:
                    return reason_of(frame)
        except Closed as e:
            return "CLOSED", str(e)

    def ends(self, timeout=10):
        """Has the other end closed the connection, behind whatever it still said?"""
        deadline = time.monotonic() + timeout
        while _readable(self.sock, deadline - time.monotonic()):
            try:
                if not self.sock.recv(65536):
                    return True
            except (BlockingIOError, InterruptedError):
                continue
            except OSError:
                return True
        return False

    def close(self):
        """Closes it without a word; wakes who waits for what comes from it."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


def _readable(sock, timeout):
    try:
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        return bool(poll.poll(max(0, timeout) * 1000))
    except (OSError, ValueError) as e:
        raise Closed(str(e)) from e


# --- Bodies

HELLO_BODY = struct.Struct("<IBBHQQ32s16s16sII32s64s")
HEARTBEAT_BODY = struct.Struct("<QQQQ")
ATTACH_BODY = struct.Struct("<IB3sQ64s")
RUN = struct.Struct("<IHHQ")
COMMIT_BODY = struct.Struct("<QQQQIIQ")


class Hello(NamedTuple):
    """The body of HELLO."""
    version: int
    role: int
    kind: int
    zero6: int
    features: int
    required: int
    nonce: bytes
    instance: bytes
    session: bytes
    heartbeat: int
    timeout: int
    name: bytes
    host: bytes

    def pack(self):
        """As bytes."""
        return HELLO_BODY.pack(*self)


def text_of(field):
    """The text in a field that is filled up with NULs."""
    text, nul, rest = field.partition(b"\0")
    if not nul or rest.strip(b"\0") or not text.isascii() or not text.decode().isprintable():
        raise Wrong("PROTOCOL", f"no text: {field!r}")
    return text.decode()


def reason_body(reason, text=""):
    """The body of BYE, ABORT, DETACH; the reason is a name or a number."""
    return struct.pack("<II", REASON.get(reason, reason), 0) + text.encode()


def reason_of(frame):
    """(name of the reason, text) of BYE, ABORT, DETACH."""
    reason, zero = struct.unpack("<II", frame.body[:8])
    text = frame.body[8:]
    if zero or not reason or not all(32 <= c < 127 for c in text):
        raise Wrong("PROTOCOL", f"reason {reason}, {zero}, {text!r}")
    return REASONS.get(reason, str(reason)), text.decode()


def heartbeat_body(echo=0, held=0):
    """A HEARTBEAT of now."""
    return HEARTBEAT_BODY.pack(now(), echo, held, 0)


def attach_body(name, kind=SYNTHETIC, reason=0, ceiling=0):
    """ATTACH, or a reply to it."""
    return ATTACH_BODY.pack(REASON.get(reason, reason), kind, b"", ceiling, name.encode())


def attach_of(frame):
    """(reason, kind, ceiling, name) of ATTACH."""
    reason, kind, zero, ceiling, name = ATTACH_BODY.unpack(frame.body)
    if zero.strip(b"\0") or kind not in (1, 2) or \
            (not frame.flags & REPLY and (reason or ceiling)):
        raise Wrong("PROTOCOL", repr(frame))
    return REASONS.get(reason, reason), kind, ceiling, text_of(name)


def begin_body(flags=0):
    """BEGIN of now."""
    return struct.pack("<IIQ", flags, 0, now())


def pages_body(runs):
    """PAGES with these (region, pages, flags, offset)."""
    return struct.pack("<II", len(runs), 0) + b"".join(RUN.pack(*run) for run in runs)


def lz4_open(block):
    """What an LZ4 block makes, by the description of its format."""
    page, at = bytearray(), 0

    def more(value):
        nonlocal at
        while value >= 15:
            at += 1
            value += block[at - 1]
            if block[at - 1] != 255:
                break
        return value

    try:
        while True:
            token = block[at]
            at += 1
            count = more(token >> 4)
            page += block[at:at + count]
            at += count
            if at >= len(block):
                break
            back = block[at] | block[at + 1] << 8
            at += 2
            count = more(token & 15) + 4
            if not 0 < back <= len(page) or len(page) + count > PAGE:
                raise Wrong("PROTOCOL", f"LZ4: {back} back, {count} bytes")
            for _ in range(count):
                page.append(page[-back])
    except IndexError:
        raise Wrong("PROTOCOL", "LZ4: a block that ends early") from None
    if at != len(block) or len(page) != PAGE:
        raise Wrong("PROTOCOL", f"LZ4: {len(page)} bytes")
    return bytes(page)


def lz4_same(letter):
    """The block of a page that has the same letter everywhere: it once, and again; the last
    bytes of a block are always as they are."""
    count = PAGE - 1 - 5 - 4 - 15
    return b"\x1f" + letter + b"\1\0" + b"\xff" * (count // 255) + bytes([count % 255]) + \
        b"\x50" + 5 * letter


def packed_bulk(*blocks):
    """What is behind the pages that are as they are: LZ4 blocks, each behind its length."""
    return b"".join(struct.pack("<H", len(block)) + block for block in blocks)


def unpacked(bulk, count):
    """So many pages of what is left of a bulk."""
    pages = []
    for _ in range(count):
        size = int.from_bytes(bulk[:2], "little")
        if not 0 < size < PAGE or len(bulk) < 2 + size:
            raise Wrong("PROTOCOL", f"an LZ4 block of {size} bytes, {len(bulk)} are left")
        pages.append(lz4_open(bulk[2:2 + size]))
        bulk = bulk[2 + size:]
    if bulk:
        raise Wrong("PROTOCOL", f"{len(bulk)} bytes behind the last page")
    return pages


def pages_of(frame):
    """Its pages: (region, offset, contents or None), in order."""
    count, zero = struct.unpack("<II", frame.body[:8])
    if count > 256:
        raise Wrong("LIMIT", f"{count} runs")
    if not count or zero or len(frame.body) != 8 + 16 * count:
        raise Wrong("PROTOCOL", repr(frame))
    pages, at, total = [], 0, 0
    for region, number, flags, offset in RUN.iter_unpack(frame.body[8:]):
        total += number
        if not number or flags not in (0, 1, 2) or offset % PAGE:
            raise Wrong("PROTOCOL", f"run {region} {number} {flags} {offset:#x}")
        if region > 1023 or offset + number * PAGE > 1 << 52 or total > 65536:
            raise Wrong("LIMIT", f"run {region} {number} {flags} {offset:#x}")
        for i in range(number):
            contents = (frame.bulk[at:at + PAGE], None, LZ4)[flags]
            at += 0 if flags else PAGE
            pages.append((region, offset + i * PAGE, contents))
    packed = sum(contents == LZ4 for *_, contents in pages)
    if at > len(frame.bulk) or (at < len(frame.bulk) and not packed):
        raise Wrong("PROTOCOL", f"{at} bytes of pages in a bulk of {len(frame.bulk)}")
    left = iter(unpacked(frame.bulk[at:], packed))
    return [(region, offset, next(left) if contents == LZ4 else contents)
            for region, offset, contents in pages]


def packed_of(frame):
    """How many of them came packed."""
    return sum(number for _, number, flags, _ in RUN.iter_unpack(frame.body[8:]) if flags == 2)


def pages_frames(pages):
    """(runs, bulk) of as few PAGES as carry such (region, offset, contents or None)."""
    frames, full = [], 0
    for region, offset, contents in pages:
        flags = int(contents is None)
        runs, parts = frames[-1] if frames else ([], [])
        if runs and full + (not flags) <= 256:
            last = runs[-1]
            follows = last[0] == region and last[2] == flags and \
                last[3] + last[1] * PAGE == offset and last[1] < 65535
            room = follows or len(runs) < 256
        else:
            follows = room = False
        # A run's count has 16 bits, a frame has one page more than that at most.
        if not room or sum(run[1] for run in runs) == 65536:
            runs, parts, full, follows = [], [], 0, False
            frames.append((runs, parts))
        if follows:
            runs[-1] = (region, runs[-1][1] + 1, flags, runs[-1][3])
        else:
            runs.append((region, 1, flags, offset))
        if not flags:
            parts.append(contents)
            full += 1
    return [(runs, b"".join(parts)) for runs, parts in frames]


def commit_body(pages, state=b"", *, stamp=None):
    """COMMIT of an epoch with these last versions: {(region, offset): contents or None}."""
    total = 0
    for (region, offset), contents in pages.items():
        total += page_term(region, offset, ZERO_CRC if contents is None else page_crc(contents))
    return COMMIT_BODY.pack(
        len(pages), PAGE * sum(c is not None for c in pages.values()), total % (1 << 64),
        len(state), crc32c(state) if state else 0, 0, now() if stamp is None else stamp)


# --- Keys

def proof(key, label, *rest):
    """HMAC-SHA-256 of a label of 16 bytes and what follows."""
    return hmac.digest(key, label.encode().ljust(16, b"\0") + b"".join(rest), hashlib.sha256)


def now():
    """A clock in ns that counts while suspended."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
