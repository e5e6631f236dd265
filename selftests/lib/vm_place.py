#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Runs VMMs for vm_rows.py where this is: in a host, or in a network namespace of one.

A request is a line of JSON with "id", "op" and what that takes, an answer one with "id" and
"value" or "error". Many may be under way at once. One process for all of it, since
in an emulated host starting another one is what costs.
"""

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

FOLDER = f"/tmp/rows.{os.getpid()}"
CLASS = "/sys/class/kvmft"
SCALE = float(os.environ.get("KVMFT_TIME_SCALE", "1"))
PAUSE = 0.05 * SCALE


class Vmm:
    """One flatvmm: its process, and a folder for what it writes."""

    def __init__(self, program, name, options):
        self.folder = os.path.join(FOLDER, name)
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        self.said = open(os.path.join(self.folder, "said"), "wb")   # pylint: disable=consider-using-with
        self.process = subprocess.Popen(    # pylint: disable=consider-using-with
            [program, "--output", "out", "--control", "control", *options], cwd=self.folder,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.said)

    def ready(self, seconds):
        """Waits for the line that says so."""
        out = self.process.stdout
        if not select.select([out], [], [], seconds)[0] or not out.readline().startswith(b"ready"):
            raise RuntimeError(f"it doesn't begin: {self.words()}")
        return self.process.pid

    def words(self):
        """What it has complained of."""
        with open(os.path.join(self.folder, "said"), encoding="utf-8", errors="replace") as f:
            return f.read().strip()

    def ask(self, line):
        """One question to its control socket."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(30 * SCALE)
            try:
                sock.connect(os.path.join(self.folder, "control"))
                sock.sendall(line.encode() + b"\n")
                with sock.makefile("r") as answer:
                    said = answer.readline().strip()
            except OSError as e:
                raise RuntimeError(f"it doesn't answer ({e}): {self.words()}") from e
        if not said or said.startswith("error:"):
            raise RuntimeError(f"{line}: {said or self.words()}")
        return said

    def status(self):
        """All that it tells of itself."""
        return json.loads(self.ask("status"))

    def outputs(self):
        """What is out there."""
        with contextlib.suppress(FileNotFoundError):
            with open(os.path.join(self.folder, "out"), encoding="ascii") as f:
                return f.read()
        return ""

    def end(self):
        """Ends it, whatever it does."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.said.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Place:
    """The operations; each is a method."""

    def __init__(self, program):
        os.makedirs(FOLDER)
        # Not over the network file system, page by page.
        self.program = shutil.copy(program, FOLDER)
        self.vmms = {}

    def begin(self, name, options, seconds):
        """Starts a VMM; its process."""
        self.vmms[name] = Vmm(self.program, name, options)
        return self.vmms[name].ready(seconds)

    def end_vmm(self, name):
        """Ends it, if it is there."""
        vmm = self.vmms.pop(name, None)
        if vmm:
            vmm.end()

    def ask(self, name, line):
        """Asks it."""
        return self.vmms[name].ask(line)

    def status(self, name):
        """Its status, what it has said, and which memory its host has given it."""
        vmm = self.vmms[name]
        status = vmm.status()
        status["said"] = vmm.words()
        with open(f"/proc/{vmm.process.pid}/smaps_rollup", encoding="ascii") as f:
            for line in f.readlines()[1:]:
                words = line.split()
                status[words[0].rstrip(":")] = int(words[1])
        return status

    def outputs(self, name):
        """What it has let out."""
        return self.vmms[name].outputs()

    def state(self, name):
        """How the module calls it, and why."""
        said = []
        for file in "state", "reason":
            try:
                with open(f"{CLASS}/vm-{name}/{file}", encoding="ascii") as f:
                    said.append(f.read().strip())
            except OSError:
                said.append("")
        return " ".join(filter(None, said))

    def _until(self, seconds, good, what):
        deadline = time.monotonic() + seconds
        while True:
            value = what()
            if good(value):
                return value
            if time.monotonic() > deadline:
                raise RuntimeError(f"after {seconds:g} s it is {value}")
            time.sleep(PAUSE)

    def until_state(self, name, states, seconds):
        """Waits until the module calls it one of these; never comes what comes after the end."""
        def good(value):
            if value.startswith("unprotected") and "unprotected" not in states:
                raise RuntimeError(f"it is {value}")
            return value.split(" ")[0] in states
        return self._until(seconds, good, lambda: self.state(name))

    def until_lines(self, name, least, seconds):
        """Waits for so many outputs."""
        vmm = self.vmms[name]
        return self._until(seconds, lambda n: n >= least,
                           lambda: vmm.outputs().count("\n"))

    def until_compared(self, name, what, least, seconds):
        """Waits until a number of the comparison is that much."""
        vmm = self.vmms[name]
        return self._until(seconds, lambda n: n >= least,
                           lambda: vmm.status().get("compare", {}).get(what, 0))

    def until_quiet(self, name, seconds):
        """Waits until all that was committed is compared, and the guest stands still."""
        vmm = self.vmms[name]

        def good(status):
            return status["held"] and status["still"] and \
                status["compare"]["last"] == status["area"]["committed"]
        return self._until(seconds, good, vmm.status)["compare"]["last"]

    def run(self, argv):
        """Runs a program to its end; what it has said, if that was a success."""
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(argv)}: {done.stdout.strip()}")
        return done.stdout

    def get(self, path):
        """A file."""
        with open(path, encoding="ascii") as f:
            return f.read()

    def put(self, path, text):
        """Writes to a file."""
        with open(path, "w", encoding="ascii") as f:
            f.write(text)


def main():
    place = Place(sys.argv[1])
    lock = threading.Lock()

    def serve(request):
        answer = {"id": request.pop("id")}
        try:
            answer["value"] = getattr(place, request.pop("op"))(**request)
        except Exception as e:      # pylint: disable=broad-except
            answer["error"] = str(e) if isinstance(e, RuntimeError) else repr(e)
        with lock:
            print(json.dumps(answer), flush=True)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print(json.dumps({"id": 0, "value": os.uname().nodename}), flush=True)
    try:
        for line in sys.stdin:
            threading.Thread(target=serve, args=(json.loads(line),), daemon=True).start()
    finally:
        for vmm in list(place.vmms.values()):
            vmm.end()
        shutil.rmtree(FOLDER, ignore_errors=True)


if __name__ == "__main__":
    main()
