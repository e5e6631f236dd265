# SPDX-License-Identifier: GPL-2.0
"""The guest of the demo: one of the tests' Linux guests under ftvmm, on one host or on both."""

import os
import re
import subprocess

import client

from hosts import GUEST, PAIR, Failed

ADDRESS = "10.77.2.50"
FTVMM = os.path.join(client.TREE, "selftests", "ftvmm")
# How long a former primary has to become a standby by itself.
BECOMES = 3
PAUSE = re.compile(r"(\d+(?:\.\d+)?) ?(ms|us|s)\b")


class Unavailable(Exception):
    """The module that is loaded can't do that yet."""


class Guest:
    """A VMM on each host; which of them runs the guest is said by the story."""

    def __init__(self, hosts):
        self.hosts = hosts
        self.story = hosts.story
        release = hosts.kernel.release
        self.kernel = hosts.kernel.image
        self.initrd = os.path.join(client.BUILD, "selftests", "ftvmm", f"initrd-{release}")

    def make_image(self):
        """The guest's initramfs, for the kernel that the hosts run themselves."""
        made = subprocess.run([os.path.join(FTVMM, "initrd"), self.hosts.kernel.release,
                               self.initrd], env={**os.environ, "KVMFT_BUILD": client.BUILD},
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False)
        if made.returncode:
            raise Failed(f"the guest's initramfs can't be made: {made.stderr.strip()}")

    def make_room(self, host):
        """A tap there, and the files."""
        self.hosts.on(host, "sh", os.path.join(FTVMM, "place"),
                      os.path.join(client.BUILD, "tools", "ftvmm"), self.kernel, self.initrd)

    def _vmm(self, host, *options):
        """Starts one, and returns its process."""
        return self.hosts.on(
            host, "sh", os.path.join(FTVMM, "start"), "--memory", "256M", "--net", "tap0",
            "--kernel", os.path.basename(self.kernel), "--initrd", os.path.basename(self.initrd),
            "--cmdline", f"console=ttyS0 quiet panic=-1 ip={ADDRESS}/24 task=serve", *options)

    def begin(self, host):
        """Boots it there; nobody protects it yet. Returns the VMM's process."""
        process = self._vmm(host)
        self.story.place(host, "primary", "alone")
        return process

    def serves(self, host):
        """Has the guest that boots there come so far?"""
        return "guest: serving" in self.hosts.ask(host, "cat", "/tmp/vmm/console")[1]

    def protect(self, host, process):
        """Attaches the guest that runs there."""
        self.hosts.on(host, "ftctl", "attach", GUEST, "pair", PAIR, "pid", process)

    def stand_by(self, host):
        """A VMM there that waits to take over, and does so by itself."""
        process = self._vmm(host, "--standby")
        self.story.place(host, "standby", "waiting")
        self.hosts.on(host, "ftctl", "attach", GUEST, "pair", PAIR, "pid", process,
                      "role", "standby", "promote", "auto")

    def switch(self, primary):
        """Has the standby go on in the primary's place, as planned. Returns how long the guest
        stood still, in ms, as ftctl says; None if it doesn't."""
        status, said = self.hosts.ask(primary, "ftctl", "failover", GUEST)
        if status and ("as yet" in said or "not supported" in said):
            raise Unavailable(said.splitlines()[0].partition(";")[0])
        if status:
            raise Failed(f"{primary}: ftctl failover failed ({status}): {said}")
        pause = PAUSE.search(said)
        return pause and float(pause[1]) * {"us": 1e-3, "ms": 1, "s": 1e3}[pause[2]]

    def stand_by_again(self, host):
        """After a switch: the former primary has to be a standby. It is made one unless it
        becomes that by itself."""
        try:
            self.hosts.wait(f"{host} becomes the standby",
                            lambda: self.story.views[host] and
                            self.story.views[host].role == "standby", BECOMES)
        except Failed:
            self.hosts.ask(host, "ftctl", "detach", GUEST)
            self.stand_by(host)
