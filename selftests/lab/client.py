# SPDX-License-Identifier: GPL-2.0
"""A lab, as those who use it see it: the `lab` command and the test runner."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import time

import initramfs
import kernel
import protocol
import remote

HERE = os.path.dirname(os.path.realpath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("KVMFT_BUILD", os.path.join(TREE, "build"))
HOST_ENV = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root", "LANG": "C.UTF-8"}
# Whoever makes the lab wait (a loaded machine, a slow kernel) stretches its time-outs.
SCALE = float(os.environ.get("KVMFT_TIME_SCALE", "1"))
BOOT_TIMEOUT = 90
# Hosts mount something of their own there.
HIDDEN = re.compile(r"/(?:tmp|var/tmp|run|dev|proc|sys)/")


class LabError(Exception):
    """What went wrong and what to do about it."""


def _helper(name):
    path = os.path.join(BUILD, "lab", name)
    if not os.path.exists(path):
        raise LabError(f"{path} isn't built; run 'make selftests' first")
    return path


def _unshare():
    cmd = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.getuid() == 0:
        return cmd
    if subprocess.run(["unshare", "-Urn", "true"], capture_output=True, check=False).returncode:
        raise LabError("this system gives no user namespaces to normal users: "
                       "run as root, or allow them (sysctl kernel.unprivileged_userns_clone=1)")
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        raise LabError("/dev/net/tun isn't yours to open: run as root, or chmod 666 /dev/net/tun")
    return cmd + ["--user", "--map-root-user"]


class Lab:
    """A lab that is up, by name."""

    def __init__(self, name):
        self.name = name
        self.owner = None
        self.keeper = None

    @classmethod
    def create(cls, name, *, kernel_spec, hosts=2, smp=2, mem="2G", disk="1G", append=()):
        """Makes a lab with all of its hosts still off.  It ends with this
        process, unless keep() is called."""
        self = cls(name)
        if not 1 <= hosts <= 8:
            raise LabError(f"{hosts} hosts: a lab has 1 to 8")
        for tool in ("qemu-system-x86_64", "nbdkit", "nft", "ip", "cpio"):
            if not shutil.which(tool, path=HOST_ENV["PATH"]):
                raise LabError(f"{tool} isn't installed; run 'make deps'")
        if TREE.startswith("/run/"):
            raise LabError(f"the lab puts its own files on /run; move {TREE} elsewhere")
        if HIDDEN.match(BUILD) and not BUILD.startswith(TREE + "/"):
            raise LabError(f"hosts have a /tmp of their own and can't see {BUILD}; "
                           "choose another BUILD=DIR")
        try:
            chosen = kernel.find(kernel_spec)
            image = initramfs.build(chosen, _helper("agent"), os.path.join(BUILD, "lab"))
        except (kernel.KernelError, RuntimeError, OSError, subprocess.SubprocessError) as e:
            raise LabError(str(e)) from e
        tsc = subprocess.run([_helper("tsckhz")], capture_output=True, text=True, check=True)
        scale = SCALE * (1 if chosen.packaged else 4)
        self._start({"lab": self.name, "hosts": hosts, "smp": smp, "mem": mem, "disk": disk, "tree": TREE,
                     "tsc_khz": int(tsc.stdout), "append": list(append), "scale": scale,
                     "release": chosen.release, "image": chosen.image, "initramfs": image,
                     "modules": None if chosen.packaged else chosen.modules,
                     "boot_timeout": BOOT_TIMEOUT * scale})
        return self

    def _start(self, config):
        listener = socket.socket(socket.AF_UNIX)
        try:
            listener.bind(protocol.address(self.name))
        except OSError as e:
            raise LabError(f"lab {self.name} is up already; 'lab down' ends it") from e
        listener.listen(64)
        owner, self.owner = os.pipe()
        ready, tell = os.pipe()
        cmd = _unshare() + ["/usr/bin/python3", "-B", os.path.join(HERE, "keeper.py")]
        fds = (listener.fileno(), owner, tell)
        # Nothing of ours stays open in what may outlive us: whoever reads what we
        # print would wait for its end.
        words = os.memfd_create("keeper")
        # The name is for people who look at their processes.
        self.keeper = subprocess.Popen(cmd + [str(fd) for fd in fds] + [self.name], pass_fds=fds,
                                       stdin=subprocess.PIPE, stdout=words, stderr=words,
                                       cwd="/", env=HOST_ENV, start_new_session=True)
        for fd in fds[1:]:
            os.close(fd)
        listener.close()
        self.keeper.stdin.write(json.dumps(config).encode())
        self.keeper.stdin.close()
        with os.fdopen(ready, "rb") as f:
            said = f.readline()     # unshare holds the other end too: no end of file
        with os.fdopen(words, "rb") as f:
            f.seek(0)
            died = f.read().decode(errors="replace").strip() or "its keeper died"
        error = json.loads(said)["error"] if said else died
        if error:
            self.keeper.wait()
            raise LabError(f"the lab didn't start: {error}")

    def _connect(self):
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(protocol.address(self.name))
        except OSError as e:
            sock.close()
            raise LabError(f"no lab {self.name} is up; 'lab up' makes one") from e
        return sock

    def ask(self, op, fds=(), **args):
        """One request to the keeper; returns its answer, `fd` in it if one came."""
        with self._connect() as sock:
            return self._exchange(sock, op, fds, args)

    def _exchange(self, sock, op, fds, args):
        try:
            protocol.send(sock, {"op": op, **args}, fds)
            answer, got = protocol.receive(sock)
        except OSError as e:
            raise LabError(f"lab {self.name} went away: {e}") from e
        if answer is None:
            raise LabError(f"lab {self.name} went away")
        if not answer["ok"]:
            raise LabError(answer["error"])
        if got:
            answer["fd"] = got[0]
        return answer

    def start(self, *names):
        """Powers on hosts (all of them by default) and waits until they are ready."""
        self.ask("start", names=list(names))

    def keep(self):
        """Lets the lab outlive this process."""
        self.ask("keep")

    def down(self):
        """Ends the lab; returns when nothing of it is left."""
        try:
            self.ask("down")
        except LabError:
            if not self.keeper:
                raise
        if self.keeper:
            os.close(self.owner)
            self.keeper.wait()
            return
        # The keeper has ended its hosts; its own end takes a moment more.
        with contextlib.suppress(LabError):
            for _ in range(200):
                self._connect().close()
                time.sleep(0.01)

    def states(self):
        """The state of each host."""
        return self.ask("status")["hosts"]

    def log(self, name, offset=0):
        """A host's console from `offset` on, and the offset of its end."""
        with os.fdopen(self.ask("log", name=name)["fd"], "rb") as f:
            f.seek(offset)
            data = f.read()
        # A byte a character, whatever it is: offsets of the text are the file's.
        return data.decode("latin-1"), offset + len(data)

    def dial(self, address, port, patience):
        """A TCP connection from the lab's own place in its networks; LabError if there is
        none within `patience` seconds."""
        return socket.socket(fileno=self.ask("dial", address=address, port=port,
                                             patience=patience)["fd"])

    def command(self, name, argv, **options):
        """Starts a command in a host."""
        watch = self._connect()
        sock = remote.connect(self._exchange(watch, "agent", (), {"name": name})["fd"])
        env = {**HOST_ENV, **options.pop("env", {})}
        return remote.Command(sock, watch, argv, env=env, **options)

    def run(self, name, argv, *, timeout=None, output=None, **options):
        """Runs a command to its end; returns (status, all it printed).  With
        `output`, a function, pieces go there as they come."""
        said = []
        with self.command(name, argv, **options) as command:
            for kind, payload in command.frames(timeout=timeout):
                if kind == remote.EXIT:
                    return remote.exit_status(payload), b"".join(said).decode(errors="replace")
                said.append(payload)
                if output:
                    output(payload)
        raise remote.Lost("no exit status")

    @contextlib.contextmanager
    def capture(self, network, fd, host=None):
        """Captures a network, or what a host sends there, into `fd` while this lasts; then
        all is in there."""
        with self._connect() as sock:
            self._exchange(sock, "capture", [fd], {"network": network, "host": host})
            try:
                yield sock
            finally:
                sock.shutdown(socket.SHUT_WR)
                sock.settimeout(10)
                sock.recv(1)
