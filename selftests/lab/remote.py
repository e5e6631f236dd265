# SPDX-License-Identifier: GPL-2.0
"""A command that runs in a host: the lab's half of the agent's protocol (frame.h)."""

import os
import select
import socket
import struct
import time

FRAME = struct.Struct("<B3xI")
RUN, STDIN, WINSIZE, STDOUT, STDERR, EXIT = b"RIWOEX"
CHUNK = 65536


class Lost(Exception):
    """The host, or its agent, went away under the command."""


class Expired(Exception):
    """The command didn't end in time, and was killed."""


class Command:
    """One command in a host, over a connection to its agent.  `watch` is a socket
    that becomes readable when the host is gone."""

    def __init__(self, sock, watch, argv, *, cwd="/", env=None, tty_size=None):
        self.sock = sock
        self.watch = watch
        self.unsent = b""
        self.sock.setblocking(False)
        strings = [cwd] + [f"{k}={v}" for k, v in (env or {}).items()] + [""] + list(argv)
        head = struct.pack("<3H", 1 if tty_size else 0, *(tty_size or (0, 0)))
        self._send(RUN, head + b"".join(s.encode() + b"\0" for s in strings))

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.sock.close()
        self.watch.close()

    def _send(self, kind, payload):
        self.unsent += FRAME.pack(kind, len(payload)) + payload
        self._push()

    def _push(self):
        # Never waits: the agent may itself be waiting for us to take its output.
        try:
            self.unsent = self.unsent[self.sock.send(self.unsent):]
        except BlockingIOError:
            pass
        except OSError as e:
            raise Lost(str(e)) from e

    def resize(self, rows, cols):
        """The terminal has another size now."""
        self._send(WINSIZE, struct.pack("<2H", rows, cols))

    def frames(self, stdin=None, timeout=None):
        """Yields (kind, payload) until EXIT; feeds `stdin`, a descriptor."""
        deadline = time.monotonic() + timeout if timeout else None
        if stdin is None:
            self._send(STDIN, b"")
        buffer = b""
        while True:
            left = deadline - time.monotonic() if deadline else None
            if left is not None and left <= 0:
                raise Expired(f"not done after {timeout:g} s")
            # More input is read when what was read before is on its way.
            source = [stdin] if stdin is not None and not self.unsent else []
            ready, room, _ = select.select([self.sock, self.watch, *source],
                                           [self.sock] if self.unsent else [], [], left)
            if room:
                self._push()
            if source and stdin in ready:
                data = os.read(stdin, CHUNK)
                self._send(STDIN, data)
                if not data:
                    stdin = None
            if self.sock in ready:
                buffer += self._receive()
            elif self.watch in ready:
                raise Lost("the host died")
            while len(buffer) >= FRAME.size:
                kind, length = FRAME.unpack_from(buffer)
                if len(buffer) < FRAME.size + length:
                    break
                payload = buffer[FRAME.size:FRAME.size + length]
                buffer = buffer[FRAME.size + length:]
                yield kind, payload
                if kind == EXIT:
                    return

    def _receive(self):
        try:
            data = self.sock.recv(CHUNK)
        except OSError as e:
            raise Lost(str(e)) from e
        if not data:
            raise Lost("the host's agent hung up")
        return data


def exit_status(payload):
    """The status that an EXIT frame carries."""
    return struct.unpack("<i", payload)[0]


def connect(fd):
    """The socket that the keeper handed over, watched so that a dead host shows."""
    sock = socket.socket(fileno=fd)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 20)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 30)
    return sock
