# SPDX-License-Identifier: GPL-2.0
"""The lab's networks: a bridge each, a tap for every host, cuts between them.

Runs inside the lab's own network namespace, so nothing here needs undoing: it
goes with the namespace.
"""

import subprocess

MGMT, REPL, SVC = "mgmt", "repl", "svc"
NETS = {MGMT: 0, REPL: 1, SVC: 2}
KEEPER_NR = 254

RULES = """
table bridge lab {
	set cuts { type ifname . ifname; }
	chain forward {
		type filter hook forward priority 0; policy accept;
		iifname . oifname @cuts drop
	}
}
"""


class NetError(Exception):
    """A network command failed; the text is what it said."""


def _run(*cmd, stdin=None):
    done = subprocess.run(cmd, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NetError(f"{' '.join(cmd)}: {done.stderr.strip() or done.returncode}")


def tap(host, net):
    """The name of a host's end of a network, on the machine's side."""
    return f"{host}-{net}"


def mac(nr, net):
    """The address of host number `nr` on a network; init finds the net by it."""
    return f"52:54:00:77:{NETS[net]:02x}:{nr:02x}"


def address(nr, net):
    """The IPv4 address of host number `nr` on a network."""
    return f"10.77.{NETS[net]}.{nr}"


def set_up():
    """Bridges and the rules for cuts."""
    _run("ip", "link", "set", "lo", "up")
    for net in NETS:
        _run("ip", "link", "add", f"br-{net}", "type", "bridge",
             "forward_delay", "0", "mcast_snooping", "0")
        _run("ip", "link", "set", f"br-{net}", "up")
    # The lab's own place: to command the hosts, and to be a client of their guests.
    for net in MGMT, SVC:
        _run("ip", "addr", "add", f"{address(KEEPER_NR, net)}/24", "dev", f"br-{net}")
    _run("nft", "-f", "-", stdin=RULES)


def add_host(host, nr):
    """The taps of a host.  vnet_hdr keeps checksum and segmentation offload:
    without it the hosts' kernels would copy every page they send."""
    for net in NETS:
        name = tap(host, net)
        _run("ip", "tuntap", "add", name, "mode", "tap", "vnet_hdr")
        _run("ip", "link", "set", name, "master", f"br-{net}", "up")
    _run("ip", "neigh", "replace", address(nr, MGMT), "lladdr", mac(nr, MGMT),
         "nud", "permanent", "dev", f"br-{MGMT}")


def remove_host(host):
    """Undoes add_host()."""
    for net in NETS:
        _run("ip", "link", "del", tap(host, net))


def cut(a, b, net, one_way):
    """No frame passes from a to b any more, nor back unless one_way."""
    pairs = [(a, b)] if one_way else [(a, b), (b, a)]
    for src, dst in pairs:
        _run("nft", "add", "element", "bridge", "lab", "cuts",
             f'{{ "{tap(src, net)}" . "{tap(dst, net)}" }}')


def heal():
    """Every cut is mended."""
    _run("nft", "flush", "set", "bridge", "lab", "cuts")


def capture(net, out, host=None):
    """Starts a capture of what crosses a network, or of what a host sends there, into the
    file `out`."""
    what = ["-i", tap(host, net), "-Q", "in"] if host else ["-i", f"br-{net}"]
    # "-w -": in a user namespace tcpdump could not give the file away.  No "-p": a
    # bridge shows what it forwards to the promiscuous only.  A large buffer: on a busy
    # machine it isn't its turn for a while, and what is lost looks as if it was never sent.
    return subprocess.Popen(["tcpdump", "-Z", "root", *what, "-U", "-B", "65536",
                             "--immediate-mode", "-n", "-w", "-"],
                            stdin=subprocess.DEVNULL, stdout=out,
                            stderr=subprocess.PIPE)
