# SPDX-License-Identifier: GPL-2.0
"""A word with QEMU over its monitor socket."""

import json
import socket


def command(path, name, timeout=10):
    """Runs one QMP command without arguments; returns its result."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(timeout)
        sock.connect(path)
        with sock.makefile("rw", encoding="utf-8") as stream:
            stream.readline()
            for verb in ("qmp_capabilities", name):
                stream.write(json.dumps({"execute": verb}) + "\n")
                stream.flush()
                while True:
                    answer = json.loads(stream.readline())
                    if "event" not in answer:
                        break
                if "error" in answer:
                    raise OSError(f"{verb}: {answer['error']['desc']}")
            return answer["return"]
