# SPDX-License-Identifier: GPL-2.0
"""One host of the lab: a QEMU under TCG and what it left on its console."""

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time

import net
import qmp

READY = b"lab: ready"


class HostError(Exception):
    """The host can't do what was asked; the text says why and what to do."""


class Host:
    """States: `off`, `booting`, `up`, `frozen`, `stopped`, `dead`.

    `dead` is a host whose QEMU ended without having been told to: a panic, a
    power-off from inside, or QEMU's own failure.
    """

    def __init__(self, name, nr, config):
        self.name = name
        self.nr = nr
        self.config = config
        self.process = None
        self.suspended = None
        self.wanted = False
        self.ready_at = None
        self.boot_offset = 0
        self.watchers = set()

    def _path(self, what):
        return os.path.join(self.config["run"], f"{self.name}.{what}")

    @property
    def console_log(self):
        """The file with all that the host ever printed on its console."""
        return self._path("console")

    @property
    def console_socket(self):
        """Where a person's terminal attaches to that console."""
        return self._path("tty")

    @property
    def state(self):
        """What the host is doing now; see the class."""
        if not self.process:
            return "off"
        if self.process.poll() is not None:
            return "dead" if self.wanted else "off"
        if self.suspended:
            return self.suspended
        if self.ready_at is None and READY in self.log(self.boot_offset)[0]:
            self.ready_at = time.monotonic()
        return "up" if self.ready_at is not None else "booting"

    def log(self, offset=0):
        """The console from `offset` on, and the offset of its end."""
        try:
            with open(self.console_log, "rb") as f:
                f.seek(offset)
                data = f.read()
        except FileNotFoundError:
            data = b""
        return data, offset + len(data)

    def _command_line(self):
        c = self.config
        # norandmaps: TCG translates code for the address it runs at, so that a program
        # at another address with each start is translated anew with each start.
        # mitigations=off: what they cost on real processors costs more here.
        cmdline = ["console=ttyS0", "loglevel=5", "panic=-1", "norandmaps", "mitigations=off",
                   # The others come when the kernel has patched itself; see wake_cpus() in agent.c.
                   # They can't measure a delay in peace then: it is what the TSC says, at 250 Hz.
                   "maxcpus=1", f"lpj={c['tsc_khz'] * 4}",
                   "tsc=reliable", f"tsc_early_khz={c['tsc_khz']}",
                   f"lab.name={self.name}", f"lab.nr={self.nr}", f"lab.tree={c['tree']}"]
        # Guests must not run on the first one; see leave_first_cpu() in agent.c.
        cpus = c["smp"] + 1
        shares = {"root": "/", "tree": c["tree"]}
        if c["modules"]:
            shares["modules"] = c["modules"]
            cmdline.append("lab.modules")
        cmd = ["qemu-system-x86_64", "-name", f"{c['lab']}/{self.name}", "-nodefaults", "-no-user-config",
               "-display", "none", "-no-reboot",
               "-machine", "q35", "-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max",
               "-smp", str(cpus), "-m", c["mem"],
               "-kernel", c["image"], "-initrd", c["initramfs"],
               "-append", " ".join(cmdline + c["append"]),
               "-chardev", f"socket,id=con,path={self.console_socket},server=on,wait=off,"
                           f"logfile={self.console_log},logappend=on",
               "-serial", "chardev:con",
               "-qmp", f"unix:{self._path('qmp')},server=on,wait=off",
               "-drive", f"if=none,id=disk,format=raw,cache=none,discard=unmap,"
                         f"file=nbd+unix:///?socket={c['disk']}",
               "-device", "virtio-blk-pci,drive=disk,share-rw=on,serial=shared"]
        for tag, path in shares.items():
            cmd += ["-fsdev", f"local,id={tag},path={path},security_model=none,"
                              "readonly=on,multidevs=remap",
                    "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]
        for name in net.NETS:
            cmd += ["-netdev", f"tap,id={name},ifname={net.tap(self.name, name)},"
                               "script=no,downscript=no,vhost=off",
                    "-device", f"virtio-net-pci,netdev={name},mac={net.mac(self.nr, name)},"
                               "romfile="]
        return cmd

    def start(self):
        """Power on."""
        if self.state not in ("off", "dead"):
            raise HostError(f"{self.name} is {self.state} already")
        for what in ("qmp", "tty"):
            if os.path.exists(self._path(what)):
                os.unlink(self._path(what))
        self.boot_offset = self.log()[1]
        self.ready_at = None
        self.suspended = None
        self.wanted = True
        with open(self._path("qemu"), "ab") as err:
            self.process = subprocess.Popen(self._command_line(), stdin=subprocess.DEVNULL,
                                            stdout=err, stderr=err)
        threading.Thread(target=self._await_end, args=(self.process,), daemon=True).start()

    def _await_end(self, process):
        process.wait()
        for sock in list(self.watchers):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def watch(self, sock):
        """Shuts this socket down when the host ends, until unwatch()."""
        self.watchers.add(sock)
        if self.process.poll() is not None:
            sock.shutdown(socket.SHUT_RDWR)

    def unwatch(self, sock):
        """Undoes watch()."""
        self.watchers.discard(sock)

    def wait_ready(self, deadline):
        """Returns once the host's agent listens; HostError says why it doesn't."""
        while (state := self.state) == "booting":
            if time.monotonic() > deadline:
                raise HostError(f"{self.name} did not come up in time\n{self.last_words()}")
            time.sleep(0.05)
        if state != "up":
            raise HostError(f"{self.name} is {state} and never came up\n{self.last_words()}")

    def last_words(self, lines=40):
        """The end of what QEMU and the host's console said since power-on."""
        with open(self._path("qemu"), "rb") as f:
            qemu = f.read()[-2000:]
        text = qemu + self.log(self.boot_offset)[0]
        return "\n".join(text.decode(errors="replace").splitlines()[-lines:])

    def kill(self):
        """Power loss: nothing in the host gets a word in."""
        if self.state == "off":
            raise HostError(f"{self.name} is off already")
        self.wanted = False
        self.suspended = None
        self.process.kill()
        self.process.wait()

    def freeze(self):
        """A hang: QEMU stands still while the world's clock, and the host's, run on."""
        self._require("up")
        self.process.send_signal(signal.SIGSTOP)
        self.suspended = "frozen"

    def thaw(self):
        """Ends a freeze."""
        self._require("frozen")
        self.process.send_signal(signal.SIGCONT)
        self.suspended = None

    def stop(self):
        """The host stands still together with its clock."""
        self._require("up")
        qmp.command(self._path("qmp"), "stop")
        self.suspended = "stopped"

    def cont(self):
        """Ends a stop."""
        self._require("stopped")
        qmp.command(self._path("qmp"), "cont")
        self.suspended = None

    def _require(self, state):
        if self.state != state:
            raise HostError(f"{self.name} is {self.state}, not {state}")
