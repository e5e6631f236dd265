# SPDX-License-Identifier: GPL-2.0
"""The hosts of the demo: a lab, with the module loaded and the hosts paired."""

import contextlib
import os
import re
import secrets
import threading
import time

import client
import kernel
import kernellog
import remote

from story import View

PAIR = "alpha"
GUEST = "g"
LISTENER = "h2"
WHERE = "10.77.1.2:7700"
# After how many seconds of silence the other host is lost. Two hosts on two processors may be
# silent for one without being dead.
TIMEOUT = 3
COMMAND_TIMEOUT = 60
LOOKS_A_SECOND = 5
# What TCG makes of a patch of the kernel's own code, now and then.
EMULATOR = re.compile(r"Oops: int3")

# What a host's kernel tells of the guest, each time a line. One process does it all the time,
# and starts no others: under TCG each would cost more than the demo's guest. It ends when its
# input does.
WATCH = f"""
cd /sys/class/kvmft || exit
c=counters
while :; do
	line=
	for file in role state reason generation epoch committed $c/parked_last_ns \\
			$c/transfer_last_ns copy_done copy_total; do
		read -r value 2>/dev/null <vm-{GUEST}/$file || value=-
		line="$line $value"
	done
	echo "$line"
	read -r -t {1 / LOOKS_A_SECOND}
	[ $? -gt 128 ] || exit
done"""


class Failed(Exception):
    """Something in a host didn't work, or a time-out is over; the text says what."""


def side_by_side(*functions):
    """Calls all of them at once; raises what the first one of them raised. Threads that
    nobody waits for when the program is interrupted."""
    raised = []

    def call(function):
        try:
            function()
        except BaseException as e:      # pylint: disable=broad-except
            raised.append(e)

    threads = [threading.Thread(target=call, args=(f,), daemon=True) for f in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if raised:
        raise raised[0]


def parse(line):
    """The View that a line of WATCH is; None if there is no guest, or just not any more."""
    words = line.split()
    if len(words) != len(View._fields) or "-" in words[:3]:
        return None
    return View(*words[:3], *(int(w) if w.isdecimal() else 0 for w in words[3:]))


class Hosts:
    """A lab of hosts that run the guest. It ends with this process, however that ends."""

    def __init__(self, story, name, kernel_spec):
        self.story = story
        self.name = name
        self.kernel = kernel.find(kernel_spec)
        self.key = secrets.token_hex(32)
        self.watchers = {}
        self.lab = client.Lab.create(name, kernel_spec=kernel_spec, hosts=len(story.hosts),
                                     mem="1G")

    def boot(self):
        """Powers all on."""
        for host in self.story.hosts:
            self.story.place(host, "", "booting")
        try:
            self.lab.start()
        except client.LabError:
            for host, state in self.lab.states().items():
                if state != "up":
                    self._again(host)
        for host in self.story.hosts:
            self.story.place(host, "", "up")

    def _again(self, host):
        # TCG doesn't get through each boot; that isn't what this is about.
        self.lab.ask("reboot", name=host)

    def lose_power(self, host):
        """Nothing in the host gets a word in."""
        self.lab.ask("power", name=host, what="kill")
        # What it said last may still be on its way to the story.
        self.watchers[host].join()
        self.story.place(host, "", "off")

    def power_on(self, host):
        """Returns when it has booted."""
        self.story.place(host, "", "booting")
        try:
            self.lab.ask("reboot", name=host)
        except client.LabError:
            self._again(host)
        self.story.place(host, "", "up")

    def prepare(self, host):
        """Loads the module, and adds the host's end of the pair."""
        build = client.BUILD
        self.on(host, "cp", f"{build}/tools/ftctl", "/usr/local/sbin/ftctl")
        self.on(host, "insmod", f"{build}/{self.kernel.release}/kmod/kvmft.ko")
        self.on(host, "sh", "-c", "umask 077; cat >/run/key", stdin=self.key)
        role = "listen" if host == LISTENER else "connect"
        self.on(host, "ftctl", "pair", "add", PAIR, role, WHERE, "key", "/run/key",
                "timeout", f"{TIMEOUT * client.SCALE:g}s")
        self.watchers[host] = threading.Thread(target=self._watch, args=(host,), daemon=True)
        self.watchers[host].start()

    def on(self, host, *argv, stdin=None, timeout=COMMAND_TIMEOUT):
        """What a command in a host prints; Failed if it fails."""
        status, said = self.ask(host, *argv, stdin=stdin, timeout=timeout)
        if status:
            raise Failed(f"{host}: '{' '.join(argv)}' failed ({status}): {said}")
        return said

    def ask(self, host, *argv, stdin=None, timeout=COMMAND_TIMEOUT):
        """(status, all it prints) of a command in a host."""
        fd = None
        if stdin is not None:
            fd, to = os.pipe()
            os.write(to, stdin.encode())
            os.close(to)
        said = b""
        try:
            with self.lab.command(host, argv) as command:
                for kind, payload in command.frames(stdin=fd, timeout=timeout * client.SCALE):
                    if kind == remote.EXIT:
                        return (remote.exit_status(payload),
                                said.decode(errors="replace").strip())
                    said += payload
        except (remote.Lost, remote.Expired) as e:
            raise Failed(f"{host}: '{' '.join(argv)}': {e}") from e
        finally:
            if fd is not None:
                os.close(fd)
        raise Failed(f"{host}: '{' '.join(argv)}' has no exit status")

    def _watch(self, host):
        """Tells the story what the host's module says, until the host goes."""
        silent, hold = os.pipe()
        unread = b""
        try:
            with self.lab.command(host, ["bash", "-c", WATCH]) as command:
                for kind, payload in command.frames(stdin=silent):
                    if kind != remote.STDOUT:
                        continue
                    *lines, unread = (unread + payload).split(b"\n")
                    for line in lines:
                        self.story.see(host, parse(line.decode(errors="replace")))
        except (remote.Lost, client.LabError, OSError):
            pass
        finally:
            os.close(silent)
            os.close(hold)
        self.story.see(host, None)

    def wait(self, what, condition, seconds):
        """Until the condition is met; Failed if that takes too long, or if the story has a
        complaint by then."""
        seconds *= client.SCALE
        end = time.monotonic() + seconds
        while not condition():
            if self.story.complaints:
                raise Failed(f"{what}: no more waiting for that, since {self.story.complaints[0]}")
            if time.monotonic() > end:
                raise Failed(f"{what}: not within {seconds:g} s")
            time.sleep(0.05)

    def words(self, host):
        """What is worth knowing of a host when something went wrong."""
        commands = (("ftctl", "show"), ("ftctl", "pair", "show"),
                    ("tail", "-n", "15", "/tmp/vmm/console"), ("cat", "/tmp/vmm/said"))
        said = []
        for argv in commands:
            try:
                said.append(f"{host}# {' '.join(argv)}\n{self.ask(host, *argv, timeout=10)[1]}")
            except (Failed, client.LabError) as e:
                return "\n".join([*said, f"{host}: {e}"])
        return "\n".join(said)

    def judge_kernels(self):
        """Complains of reports of the hosts' kernels."""
        for host in self.story.hosts:
            try:
                log = self.lab.log(host)[0]
            except client.LabError:
                continue        # it was never on
            for splat in kernellog.splats(log)[:3]:
                self.story.complain(f"{host}'s kernel: {splat}" + (
                    " (of the emulator, perhaps: see Documentation/testing.rst, and try again)"
                    if EMULATOR.search(splat) else ""))

    def save_logs(self, folder):
        """Consoles of all hosts, as files."""
        for host in self.story.hosts:
            with contextlib.suppress(client.LabError, OSError), \
                    open(os.path.join(folder, f"{host}.log"), "w", encoding="utf-8") as f:
                f.write(self.lab.log(host)[0])

    def end(self):
        """Nothing of them is left."""
        self.lab.down()
