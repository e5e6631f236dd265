# SPDX-License-Identifier: GPL-2.0
"""The keeper: process 1 of the lab's namespaces, owner of all that the lab runs.

Hosts, taps, bridges, the disk's server, logs and sockets live in namespaces of
the lab's own (pid, mount, net; user too without root).  When the keeper ends,
however it ends, the kernel takes all of it away.  Until it is told to `keep`,
and always under a test run, the keeper ends as soon as its owner does: it holds
a pipe whose other end the owner has.
"""

import json
import os
import select
import socket
import struct
import subprocess
import sys
import threading
import time

import host
import net
import protocol

RUN = "/run/lab"
AGENT_PORT = 7
AGENT_PATIENCE = 30
AGENT_ATTEMPT = 3


class Refused(Exception):
    """A request that can't be met; the text goes to who asked."""


class Keeper:
    """Serves requests until `down`.  Every op_* method is one verb."""

    def __init__(self, config):
        self.config = config
        self.hosts = {}
        self.lock = threading.Lock()
        self.kept = False
        self.disk = None
        self.captures = []

    # Starting and ending

    def set_up(self):
        """Makes everything but the hosts."""
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "lab", "/run"], check=True)
        os.mkdir(RUN)
        net.set_up()
        self._start_disk()
        for nr in range(1, self.config["hosts"] + 1):
            name = f"h{nr}"
            net.add_host(name, nr)
            self.hosts[name] = host.Host(name, nr, {**self.config, "run": RUN,
                                                    "disk": f"{RUN}/disk.sock"})

    def _start_disk(self):
        path = f"{RUN}/disk.sock"
        with open(f"{RUN}/nbdkit", "wb") as err:
            self.disk = subprocess.Popen(
                ["nbdkit", "-f", "-U", path, "--filter=log", "memory",
                 f"size={self.config['disk']}", f"logfile={RUN}/disk.log"],
                stdin=subprocess.DEVNULL, stdout=err, stderr=err)
        for _ in range(200):
            if os.path.exists(path):
                return
            if self.disk.poll() is not None:
                break
            time.sleep(0.05)
        with open(f"{RUN}/nbdkit", encoding="utf-8", errors="replace") as err:
            raise Refused(f"the shared disk's server didn't start: {err.read().strip()}")

    def end(self):
        """Takes everything down and doesn't return."""
        for h in self.hosts.values():
            if h.state != "off":
                h.kill()
        for process in [*self.captures, self.disk]:
            if process and process.poll() is None:
                process.kill()
                process.wait()

    def _host(self, name):
        if name not in self.hosts:
            raise Refused(f"no host {name} in this lab (there is: {', '.join(self.hosts)})")
        return self.hosts[name]

    def _net(self, name):
        if name not in net.NETS:
            raise Refused(f"no network {name} (there is: {', '.join(net.NETS)})")
        return name

    # The verbs

    def op_start(self, names):
        """Powers on hosts; returns when all are ready."""
        deadline = time.monotonic() + self.config["boot_timeout"]
        chosen = [self._host(n) for n in names or self.hosts]
        with self.lock:
            for h in chosen:
                h.start()
        for h in chosen:
            h.wait_ready(deadline)
        return {}

    def op_reboot(self, name):
        """Power off, if it is on, and on again."""
        h = self._host(name)
        with self.lock:
            if h.state not in ("off", "dead"):
                h.kill()
        return self.op_start([name])

    def op_power(self, name, what):
        """kill, freeze, thaw, stop or cont."""
        with self.lock:
            getattr(self._host(name), what)()
        return {}

    def op_keep(self):
        """From now on the lab outlives its owner."""
        self.kept = True
        return {}

    def op_status(self):
        """What there is."""
        return {"hosts": {n: h.state for n, h in self.hosts.items()},
                "release": self.config["release"], "kept": self.kept,
                "addresses": {n: {k: net.address(h.nr, k) for k in net.NETS}
                              for n, h in self.hosts.items()}}

    def op_log(self, name):
        """Hands over the console's file of a host, or the disk's log."""
        path = f"{RUN}/disk.log" if name == "disk" else self._host(name).console_log
        if not os.path.exists(path):
            raise Refused(f"{name} has no log yet")
        return {"fd": os.open(path, os.O_RDONLY)}

    def _dial(self, address, name):
        """A connection to an agent. Its host may be so fresh, or so busy, that the
        first packets get lost, and TCP would wait longer and longer for an answer."""
        deadline = time.monotonic() + AGENT_PATIENCE * self.config["scale"]
        while True:
            try:
                sock = socket.create_connection(address,
                                                AGENT_ATTEMPT * self.config["scale"])
                sock.settimeout(None)
                return sock
            except OSError as e:
                if time.monotonic() >= deadline:
                    raise Refused(f"{name} doesn't answer: {e}") from e
                time.sleep(0.1)

    def op_agent(self, name):
        """Hands over a connection to the agent of a host.  The asking side's own
        connection to the keeper ends when the host does: a dead host closes no TCP
        connection."""
        h = self._host(name)
        if h.state != "up":
            raise Refused(f"{name} is {h.state}; it must be up")
        sock = self._dial((net.address(h.nr, net.MGMT), AGENT_PORT), name)
        return {"fd": sock.detach(), "watched": h}

    def op_console(self, name):
        """Hands over a connection to the console of a host."""
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(self._host(name).console_socket)
        return {"fd": sock.detach()}

    def op_dial(self, address, port, patience):
        """Hands over a TCP connection of the lab's own, to a guest say."""
        sock = socket.create_connection((address, port), patience)
        sock.settimeout(None)
        return {"fd": sock.detach()}

    def op_cut(self, a, b, network, one_way):
        """Lets nothing pass between two hosts."""
        net.cut(self._host(a).name, self._host(b).name, self._net(network), one_way)
        return {}

    def op_heal(self):
        """Mends all cuts."""
        net.heal()
        return {}

    def op_capture(self, network, out, host=None):
        """Captures a network, or what a host sends there, into the descriptor that came
        along, until the asking side hangs up."""
        try:
            process = net.capture(self._net(network), out,
                                  self._host(host).name if host else None)
        finally:
            os.close(out)
        # It listens once it has said so, not when it was started.
        line = process.stderr.readline().decode().strip()
        if "listening" not in line:
            process.kill()
            process.wait()
            raise Refused(f"capture: {line or 'tcpdump ended'}")
        self.captures.append(process)
        return {"until_hangup": process}

    def op_down(self):
        """Ends the lab."""
        self.end()
        return {"down": True}

    # Serving

    def handle(self, sock):
        """One connection: requests until it closes."""
        running, watched = [], None
        with sock:
            while True:
                try:
                    request, fds = protocol.receive(sock)
                except (OSError, ValueError):
                    break
                if request is None:
                    break
                answer = self.answer(request, fds)
                give = [answer.pop("fd")] if "fd" in answer else []
                if "until_hangup" in answer:
                    running.append(answer.pop("until_hangup"))
                if "watched" in answer:
                    watched = answer.pop("watched")
                    watched.watch(sock)
                try:
                    protocol.send(sock, answer, give)
                except OSError:
                    break
                finally:
                    for fd in give:
                        os.close(fd)
                if answer.get("down"):
                    os._exit(0)
            if watched:
                watched.unwatch(sock)
            # The socket closes after these: that is how the asking side knows that
            # all is in its file.
            for process in running:
                process.terminate()
                process.wait()
                self.captures.remove(process)

    def answer(self, request, fds):
        """Carries out one request; errors become part of the answer."""
        try:
            method = getattr(self, "op_" + request.pop("op"))
            if fds:
                request["out"] = fds[0]
            return {"ok": True, **method(**request)}
        except (Refused, host.HostError, net.NetError, OSError) as e:
            return {"ok": False, "error": str(e)}
        except (AttributeError, TypeError, KeyError, ValueError) as e:
            return {"ok": False, "error": f"not understood: {e!r}"}

    def serve(self, listener, owner):
        """Accepts connections; ends with the owner unless kept."""
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        poll.register(owner, select.POLLIN)
        while True:
            for fd, _ in poll.poll():
                if fd == owner:
                    poll.unregister(owner)
                    if not self.kept:
                        self.end()
                        os._exit(0)
                    continue
                sock, _ = listener.accept()
                uid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET,
                                                          socket.SO_PEERCRED, 12))[1]
                if uid != os.getuid():
                    sock.close()
                    continue
                threading.Thread(target=self.handle, args=(sock,), daemon=True).start()


def main():
    """Descriptors: listening socket, owner's pipe, pipe to say `ready` on."""
    listener = socket.socket(fileno=int(sys.argv[1]))
    owner, ready = int(sys.argv[2]), int(sys.argv[3])
    keeper = Keeper(json.load(sys.stdin))
    error = ""
    try:
        keeper.set_up()
    except (Refused, net.NetError, OSError, subprocess.CalledProcessError) as e:
        error = str(e)
    os.write(ready, json.dumps({"error": error}).encode() + b"\n")
    os.close(ready)
    if not error:
        keeper.serve(listener, owner)


if __name__ == "__main__":
    main()
