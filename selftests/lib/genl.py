#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0
"""A small client of the module's netlink family, for the self-test commands.

    genl.py attach PAIR VM sink [CEILING]
    genl.py attach PAIR VM source
    genl.py detach PAIR VM
    genl.py send PAIR VM [epochs=N] [pages=N] [first=OFFSET] [region=N] [seed=N]
                         [state=BYTES] [flags=A,B] [wait=MS]
    genl.py read PAIR VM [--pages]
    genl.py show PAIR

What it is told is printed as JSON. Numbers and types of all attributes come from
uapi/linux/kvmft.h, when it runs.
"""

import contextlib
import errno
import json
import os
import re
import socket
import struct
import sys

_SOL_NETLINK, _NETLINK_EXT_ACK = 270, 11
_NETLINK_GENERIC = 16
_ERROR, _DONE = 2, 3
_REQUEST, _ACK, _DUMP = 1, 4, 0x300
_CAPPED, _ACK_TLVS = 0x100, 0x200
_GENL_ID_CTRL, _CTRL_CMD_GETFAMILY = 16, 3
_CTRL_ATTR_FAMILY_ID, _CTRL_ATTR_FAMILY_NAME = 1, 2
_TYPES = {"u16": "<H", "u32": "<I", "u64": "<Q"}


def header_file():
    """The header of this tree; a test runs from a copy elsewhere."""
    root = os.environ.get("KVMFT_ROOT")
    if not root:
        root = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../..")
    return os.path.join(root, "uapi/linux/kvmft.h")


def _enums(text):
    """(values of all enums, names of their entries by enum)."""
    values, names = {}, {}
    for enum, body in re.findall(r"^enum (\w+) \{(.*?)^\};", text, re.M | re.S):
        following = 0
        for entry in re.sub(r"/\*.*?\*/", "", body, flags=re.S).split(","):
            name, _, expression = (part.strip() for part in entry.partition("="))
            if not name:
                continue
            if expression:
                # Constant expressions in C, of numbers and names that came before.
                following = eval(expression, {}, values)    # pylint: disable=eval-used
            values[name] = following
            names.setdefault(enum, []).append(name)
            following += 1
    return values, names


class Header:
    """What uapi/linux/kvmft.h says: `values` by name, `reasons` by number, and of
    attributes the (name, type) by number, for the prefix of their enum."""

    def __init__(self, path=None):
        with open(path or header_file(), encoding="utf-8") as f:
            text = f.read()
        self.values, names = _enums(text)
        self.family = re.search(r'^#define KVMFT_FAMILY_NAME "(.*)"', text, re.M).group(1)
        self.reasons = {self.values[name]: name[len("KVMFT_REASON_"):].lower().replace("_", "-")
                        for name in names["kvmft_reason"] if not name.endswith("_MAX")}
        self.types = dict(re.findall(r"^ \* @(KVMFT_A_\w+): (String|Binary|Nest|u16|u32|u64)\b",
                                     text, re.M))

    def attributes(self, prefix):
        """{number: (short name, type)} of the attributes with such names."""
        return {self.values[name]: (name[len(prefix):].lower(), kind)
                for name, kind in self.types.items() if name.startswith(prefix)}

    def number(self, name):
        """The value of a name, without the KVMFT_ in front."""
        return self.values["KVMFT_" + name]


class Failed(OSError):
    """The kernel refused: errno, and its own words if it had any."""

    def __str__(self):
        return f"{errno.errorcode.get(self.errno, self.errno)}: {self.strerror}"


def attr(number, payload):
    """An attribute of a message."""
    length = 4 + len(payload)
    return struct.pack("<HH", length, number) + payload + bytes(-length % 4)


def attrs(data):
    """(number, payload) of each attribute."""
    while len(data) >= 4:
        length, number = struct.unpack("<HH", data[:4])
        if not 4 <= length <= len(data):
            raise ValueError(f"an attribute of {length} bytes in {len(data)}")
        yield number & 0x3fff, data[4:length]
        data = data[(length + 3) & ~3:]


def _raise(code, tlvs):
    words = dict(attrs(tlvs)).get(1, b"").rstrip(b"\0").decode()
    raise Failed(-code, words or os.strerror(-code))


class Family:
    """An open socket to the family. ENOENT when the module isn't loaded."""

    def __init__(self, header=None):
        self.header = header or Header()
        self._seq = 0
        self._sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_GENERIC)
        self._sock.setsockopt(_SOL_NETLINK, _NETLINK_EXT_ACK, 1)
        self._sock.bind((0, 0))
        name = attr(_CTRL_ATTR_FAMILY_NAME, self.header.family.encode() + b"\0")
        try:
            answer = self._ask(_GENL_ID_CTRL, _CTRL_CMD_GETFAMILY, name, _ACK)[0]
        except OSError:
            self._sock.close()
            raise
        self._id = struct.unpack("<H", dict(attrs(answer))[_CTRL_ATTR_FAMILY_ID])[0]

    def close(self):
        """Lets go of the socket."""
        self._sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _ask(self, family, command, payload, flags):
        """Sends one request; returns the attributes of each message of the answer."""
        self._seq += 1
        genl = struct.pack("<BBH", command, 1, 0)
        self._sock.send(struct.pack("<IHHII", 16 + len(genl) + len(payload), family,
                                    _REQUEST | flags, self._seq, 0) + genl + payload)
        messages = []
        while True:
            data = self._sock.recv(1 << 20)
            while data:
                length, kind, flagged, seq, _ = struct.unpack("<IHHII", data[:16])
                body, data = data[16:length], data[(length + 3) & ~3:]
                if seq != self._seq:
                    continue
                if kind in (_ERROR, _DONE):
                    code, = struct.unpack("<i", body[:4])
                    rest = 4
                    if kind == _ERROR:
                        # Behind the code the request comes back, or its header alone.
                        asked, = struct.unpack("<I", body[4:8])
                        rest += 16 if flagged & _CAPPED or not code else (asked + 3) & ~3
                    if code:
                        _raise(code, body[rest:] if flagged & _ACK_TLVS else b"")
                    return messages
                messages.append(body[4:])

    def ask(self, command, prefix, values, *, dump=False):
        """Sends KVMFT_CMD_`command` with attributes {short name: value} of a prefix.
        Returns a list of (short name, value) for each message of the answer."""
        known = self.header.attributes(prefix)
        numbers = {name: (number, kind) for number, (name, kind) in known.items()}
        payload = b""
        for name, value in values.items():
            number, kind = numbers[name]
            if kind == "String":
                value = value.encode() + b"\0"
            elif kind in _TYPES:
                value = struct.pack(_TYPES[kind], value)
            payload += attr(number, value)
        answers = self._ask(self._id, self.header.number("CMD_" + command), payload,
                            _DUMP if dump else _ACK)
        return [self._named(known, answer) for answer in answers]

    def _named(self, known, data):
        told = []
        for number, value in attrs(data):
            name, kind = known.get(number, (str(number), "Binary"))
            if kind == "String":
                value = value.rstrip(b"\0").decode()
            elif kind in _TYPES:
                value = struct.unpack(_TYPES[kind], value)[0]
            elif kind == "Nest":
                value = dict(self._named(self.header.attributes("KVMFT_A_ERROR_"), value))
            told.append((name, value))
        return told

    # The self-test commands

    def _selftest(self, command, pair, vm, values=(), *, dump=False):
        return self.ask("SELFTEST_" + command, "KVMFT_A_SELFTEST_",
                        {"pair": pair, "vm": vm, **dict(values)}, dump=dump)

    def attach(self, pair, vm, role, ceiling=None):
        """Makes one end of a synthetic guest."""
        values = {"role": self.header.number("SELFTEST_" + role.upper())}
        if ceiling is not None:
            values["ceiling"] = ceiling
        self._selftest("ATTACH", pair, vm, values)

    def detach(self, pair, vm):
        """Removes it."""
        self._selftest("DETACH", pair, vm)

    def send(self, pair, vm, flags=(), **values):
        """Sends epochs and waits. Returns what came of it; the reason in words."""
        if flags:
            values["flags"] = sum(self.header.number("SELFTEST_" + flag.upper())
                                  for flag in flags)
        told = {}
        for answer in self._selftest("SEND", pair, vm, values):
            told.update(answer)
        return self._reason(told)

    def read(self, pair, vm):
        """What a sink has committed: ({epoch, pages, ...}, {(region, offset): crc})."""
        whole, *pages = map(dict, self._selftest("READ", pair, vm, dump=True))
        return self._reason(whole), {(p["region"], p["offset"]): p["crc"] for p in pages}

    def _reason(self, told):
        if "reason" in told:
            told["reason"] = self.header.reasons.get(told["reason"], str(told["reason"]))
        return {k: v for k, v in told.items() if k not in ("pair", "vm", "pad")}

    # Pairs

    def show(self, pair):
        """One pair, with state and reason as words, and `errors` by reason."""
        answer = self.ask("PAIR_GET", "KVMFT_A_PAIR_", {"name": pair})[0]
        told = dict(answer)
        words = self.header.reasons
        told["errors"] = {words.get(e["reason"], str(e["reason"])): e["count"]
                          for name, e in answer if name == "errors"}
        told["reason"] = words.get(told.get("reason", 0))
        states = {self.header.number("PAIR_" + s.upper()): s
                  for s in ("connecting", "authenticating", "up", "down")}
        told["state"] = states.get(told["state"], str(told["state"]))
        return told


def _printable(value):
    return value.hex() if isinstance(value, bytes) else value


def command(words):
    """Runs a command line; what it prints, or None."""
    verb, pair, vm = (words + [None] * 3)[:3]
    if verb == "show" and pair and len(words) == 2:
        with Family() as family:
            return {k: _printable(v) for k, v in family.show(pair).items()}
    if vm is None:
        raise SystemExit(__doc__)
    rest = words[3:]
    with Family() as family:
        if verb == "attach" and rest and rest[0] in ("source", "sink") and len(rest) <= 2:
            return family.attach(pair, vm, rest[0], *(int(n, 0) for n in rest[1:]))
        if verb == "detach" and not rest:
            return family.detach(pair, vm)
        if verb == "send" and all("=" in word for word in rest):
            values = dict(word.split("=", 1) for word in rest)
            flags = [flag for flag in values.pop("flags", "").split(",") if flag]
            return family.send(pair, vm, flags, **{k: int(v, 0) for k, v in values.items()})
        if verb == "read" and rest in ([], ["--pages"]):
            whole, pages = family.read(pair, vm)
            if rest:
                whole["content"] = [{"region": region, "offset": offset, "crc": crc}
                                    for (region, offset), crc in pages.items()]
            return whole
    raise SystemExit(__doc__)


def main():
    """Returns the exit status."""
    try:
        told = command(sys.argv[1:])
    except Failed as e:
        print(f"genl.py: {e}", file=sys.stderr)
        return 1
    with contextlib.suppress(BrokenPipeError):
        if told is not None:
            print(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
