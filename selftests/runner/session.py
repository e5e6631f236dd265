# SPDX-License-Identifier: GPL-2.0
"""One kernel's run: a lab, the tests in it, and a judge of its hosts' logs."""

import contextlib
import math
import os
import subprocess
import threading
import time

import client
import kernellog
import remote
import tap

HERE = os.path.dirname(os.path.realpath(__file__))
RUN_TEST = os.path.join(HERE, "run-test")
LAB = os.path.join(client.BUILD, "lab", "quick")
# kselftest's runner ends a test itself; this much later we end the runner.
GRACE = 15
# Taints that only a broken kernel has: machine check, bad page, died, warned, lockup.
BAD_TAINTS = (1 << 4) | (1 << 5) | (1 << 7) | (1 << 9) | (1 << 14)
# What a host's kernel says of itself besides its log.
HEALTH = "cat /proc/sys/kernel/tainted; grep debug_locks: /proc/lockdep_stats 2>/dev/null; true"
MODULE_FILE = {"shipped": "kmod/kvmft.ko", "faults": "faults/kmod/kvmft.ko"}
IN_USE = 3


class Result:
    """What one test gave."""

    def __init__(self, test):
        self.test = test
        self.points = []
        self.output = ""
        self.log = ""
        self.seconds = 0.0
        self.doubt = False      # something of the test may still run in its host

    def fail(self, reason):
        """One more failure, for a reason the test itself doesn't know."""
        self.points.append(tap.Point(self.test.name, "fail", reason))

    def count(self, status):
        """How many points have a status."""
        return sum(p.status == status for p in self.points)


class Session:
    """Runs tests, of which each that needs hosts gets the same ones."""

    def __init__(self, kernel, suite, tests, *, kernels="", verbose=False):
        self.kernel = kernel
        self.kernels = kernels
        self.suite = suite
        self.verbose = verbose
        self.lab = None
        self.size = {"hosts": max((t.hosts for t in tests), default=0),
                     "smp": max((t.needs["smp"] for t in tests), default=2),
                     "mem": max((t.needs["mem"] for t in tests), key=_bytes, default="2G")}
        self.scale = client.SCALE * (4 if kernel and not kernel.packaged else 1)
        self.offsets = {}

    # Hosts

    def boot(self, name):
        """Brings the lab up; client.LabError says why it can't."""
        self.lab = client.Lab.create(name, kernel_spec=_spec(self.kernel), **self.size)
        self.offsets = dict.fromkeys(self.lab.states(), 0)
        try:
            self.lab.start()
        except client.LabError as e:
            self._tell_late(e)
            for name, state in self.lab.states().items():
                if state != "up":
                    self._skip(name, 0)
                    self._restart([name])

    def end(self):
        """Takes the lab down."""
        if self.lab:
            self.lab.down()
            self.lab = None

    def _restart(self, names):
        """A host that TCG doesn't get through its boot has a second attempt; none of
        what is tested is in it by then."""
        for name in names:
            before = self.lab.log(name, 0)[1]
            try:
                self.lab.ask("reboot", name=name)
            except client.LabError as e:
                self._tell_late(e)
                self._skip(name, before)
                self.lab.ask("reboot", name=name)

    def _skip(self, name, begun):
        """What a boot said that led nowhere is no test's fault; what came before it may be."""
        log, end = self.lab.log(name, 0)
        if not kernellog.splats(log[self.offsets[name]:begun]):
            self.offsets[name] = end

    @staticmethod
    def _tell_late(error):
        print(f"# once more: {error}", flush=True)

    def _flush(self, name, mark):
        """Waits until the console has all that the host's kernel said so far."""
        text = f"kvmft-test: {mark}"
        self.lab.run(name, ["sh", "-c", f"echo '{text}' >/dev/kmsg"], timeout=30 * self.scale)
        deadline = time.monotonic() + 20 * self.scale
        while text not in self.lab.log(name, self.offsets[name])[0]:
            if time.monotonic() > deadline:
                raise client.LabError(f"{name}: the console doesn't keep up")
            time.sleep(0.05)

    def _new_log(self, name):
        """A host's console since the last look, in whole lines."""
        log, _ = self.lab.log(name, self.offsets[name])
        log = log[:log.rfind("\n") + 1]
        self.offsets[name] += len(log)
        return log

    def _judge_host(self, name, result, mark):
        """Looks at one host after a test.  Returns False if it can't go on."""
        fit = True
        try:
            self._flush(name, mark)
            _, said = self.lab.run(name, ["sh", "-c", HEALTH], timeout=30 * self.scale)
            tainted = int(said.split()[0])
            if "debug_locks: 0" in " ".join(said.split()):
                result.fail(f"{name}: lockdep has turned itself off")
        except (client.LabError, remote.Lost, remote.Expired) as e:
            result.fail(f"{name} doesn't answer after the test: {e}")
            fit, tainted = False, 0
        log = self._new_log(name)
        splats = kernellog.splats(log)
        expected = kernellog.EXPECT.search(log)
        if splats:
            result.fail(f"{name}: {splats[0]}" +
                        (f" (and {len(splats) - 1} more)" if len(splats) > 1 else ""))
        elif tainted & BAD_TAINTS and not expected:
            result.fail(f"{name}: the kernel is tainted ({tainted:#x}) without a word in its log")
        if result.count("fail"):
            result.log += f"--- kernel log of {name} ---\n{log}"
        return fit and not tainted & BAD_TAINTS and not splats

    def judge(self, result, mark, hosts=None):
        """Looks at all hosts after a test, or at those that it had, and starts afresh those
        that the test broke.  Raises LabError if one doesn't come back."""
        if not self.lab:
            return
        hosts = hosts or list(self.lab.states())
        if result.test.place == "hosts":
            try:
                self._tidy()
            except (client.LabError, remote.Lost, remote.Expired) as e:
                result.fail(f"can't tidy up: {e}")
                result.doubt = True
        states = self.lab.states()
        unfit = [name for name in hosts
                 if states[name] != "up" or not self._judge_host(name, result, mark)]
        for name in unfit:
            state = self.lab.states()[name]
            log = self._new_log(name)
            words = kernellog.splats(log)
            if state == "dead":
                result.fail(f"{name} died" + (f": {words[0]}" if words else ""))
            elif words:
                result.fail(f"{name}: {words[0]}")
            if state == "dead" or words:
                result.log += f"--- kernel log of {name} ---\n{log}"
            if state != "dead" and state != "up" and "breaks" not in result.test.flags:
                result.fail(f"{name} was left {state}")
        if "breaks" in result.test.flags or result.doubt:
            unfit = hosts
        # The offsets stay: what comes until the power is off, and the next boot, is
        # judged with the next test.
        self._restart(unfit)

    def _tidy(self):
        """What a test did to the networks must not reach the next one."""
        self.lab.ask("heal")
        for name, state in self.lab.states().items():
            if state == "up":
                self.lab.run(name, ["sh", "-c", "for d in repl svc; do "
                                    "tc qdisc del dev $d root; done 2>/dev/null; true"],
                             timeout=30 * self.scale)

    # Tests

    def _environment(self, seed):
        env = {"KVMFT_ROOT": client.TREE, "KVMFT_BUILD": client.BUILD,
               "KVMFT_TIME_SCALE": f"{self.scale:g}", "KVMFT_SEED": str(seed),
               "KVMFT_KERNELS": self.kernels}
        if self.kernel:
            env["KVMFT_KERNEL"] = self.kernel.release
            env["KVMFT_KDIR"] = self.kernel.build
            for kind, path in MODULE_FILE.items():
                env[f"KVMFT_KO_{kind.upper()}"] = os.path.join(client.BUILD,
                                                              self.kernel.release, path)
        return env

    def _command(self, test):
        timeout = math.ceil(test.timeout * self.scale)
        return [RUN_TEST, os.path.join(client.BUILD, "selftests"), self.suite,
                test.program, str(timeout)], timeout + GRACE * self.scale

    def run(self, test, seed=0, host="h1"):
        """Runs one test, in this host if it takes one; everything that goes wrong is in
        the result."""
        result = Result(test)
        started = time.monotonic()
        argv, patience = self._command(test)
        env = self._environment(seed)
        try:
            if test.place == "host":
                module = test.needs["module"]
                argv.append(env[f"KVMFT_KO_{module.upper()}"] if module != "none" else module)
                env["PATH"] = f"{client.BUILD}/tools:" + client.HOST_ENV["PATH"]
                status = self._in_host(host, argv, env, patience, result)
            else:
                status = self._on_machine(argv, env, patience, result)
            result.points[:0] = tap.parse(result.output, test.name)
            if status == IN_USE:
                result.fail("the module can't be unloaded after the test")
            result.doubt = status == IN_USE or "# TIMEOUT " in result.output
        except remote.Expired as e:
            result.fail(f"hangs: {e}")
            result.doubt = True
        except (remote.Lost, client.LabError) as e:
            result.fail(f"the host went away: {e}")
        result.seconds = time.monotonic() - started
        return result

    def _take(self, result, payload):
        result.output += payload.decode(errors="replace")
        if self.verbose:
            print(payload.decode(errors="replace"), end="", flush=True)

    def _in_host(self, host, argv, env, patience, result):
        return self.lab.run(host, argv, env=env, timeout=patience,
                            output=lambda payload: self._take(result, payload))[0]

    def _on_machine(self, argv, env, patience, result):
        if self.lab:
            env = {**env, "KVMFT_LAB": self.lab.name, "LAB": LAB}
        env = {**os.environ, **env, "PATH": f"{client.BUILD}/tools:{os.environ['PATH']}"}
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, env=env,
                              start_new_session=True) as process, _guard(process.pid):
            expired = threading.Event()
            timer = threading.Timer(patience, _expire, (process.pid, expired))
            timer.start()
            try:
                for line in process.stdout:
                    self._take(result, line)
                status = process.wait()
            finally:
                timer.cancel()
            if expired.is_set():
                raise remote.Expired(f"not done after {patience:g} s")
            return status

    def find_leaks(self, result):
        """Under a debug kernel: asks kmemleak, with the module gone."""
        script = ("cd /sys/kernel/debug || exit 0; [ -e kmemleak ] || exit 0; "
                  "rmmod kvmft 2>/dev/null; echo scan >kmemleak; sleep 6; "
                  "echo scan >kmemleak; cat kmemleak")
        for name, state in self.lab.states().items():
            if state != "up":
                continue
            _, said = self.lab.run(name, ["sh", "-c", script], timeout=120 * self.scale)
            if said.strip():
                result.fail(f"{name}: kmemleak: {said.strip().splitlines()[0]}")
                result.output += said


# timeout(1) gives a test a process group of its own, so the session is what holds
# all of it. Ends with us however we end; TERM first, for what a test takes down.
GUARD = """read -r _
pkill -TERM -s "$1" || exit 0
for _ in $(seq 50); do sleep 0.2; pgrep -s "$1" >/dev/null || exit 0; done
pkill -KILL -s "$1"
"""


def _expire(sid, expired):
    expired.set()
    subprocess.run(["sh", "-c", GUARD, "guard", str(sid)], stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


@contextlib.contextmanager
def _guard(sid):
    with subprocess.Popen(["sh", "-c", GUARD, "guard", str(sid)], stdin=subprocess.PIPE,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          start_new_session=True) as guard:
        try:
            yield
        finally:
            guard.stdin.close()


def _bytes(size):
    return float(size[:-1]) * {"M": 1, "G": 1024}[size[-1]]


def _spec(kernel):
    return kernel.release if kernel.packaged else os.path.dirname(kernel.build)
