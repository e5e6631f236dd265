# SPDX-License-Identifier: GPL-2.0
"""How the lab's commands and its keeper speak: a JSON line and descriptors.

The socket is abstract: its name goes when its last descriptor does, so no crash
can leave it behind.
"""

import json
import os
import socket

MAX_MESSAGE = 1 << 20


def address(name):
    """The abstract address of the lab `name` of this user."""
    return f"\0kvmft-lab/{os.getuid()}/{name}"


def send(sock, message, fds=()):
    """Sends one message."""
    data = json.dumps(message).encode() + b"\n"
    if fds:
        sent = socket.send_fds(sock, [data], list(fds))
        data = data[sent:]
    sock.sendall(data)


def receive(sock):
    """Returns (message, descriptors); (None, []) when the other end is gone."""
    data, fds = b"", []
    while not data.endswith(b"\n"):
        if len(data) > MAX_MESSAGE:
            raise ValueError("message too long")
        chunk, more, _, _ = socket.recv_fds(sock, 65536, 4)
        fds += more
        if not chunk:
            return None, fds
        data += chunk
    return json.loads(data), fds
