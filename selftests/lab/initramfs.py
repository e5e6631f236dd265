# SPDX-License-Identifier: GPL-2.0
"""The initramfs of a lab host: busybox, the agent, what mounts the root."""

import hashlib
import os
import shutil
import subprocess
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
BUSYBOX = "/bin/busybox"
MODULES = ("virtio_pci", "virtio_net", "virtio_blk", "9pnet_virtio", "9p",
           "overlay", "kvm-amd", "crc32c_generic", "libcrc32c", "lz4_compress", "lz4_decompress")
# TCG takes twice as long for CRC32 instructions as for a table: what kvmft sums up
# would cost more than sending it, as on no real processor.
UNWANTED = ("crc32c-intel.ko",)


def _module_files(kernel):
    """The files to insmod, in order; what is built in doesn't count."""
    root = kernel.modules[:kernel.modules.rindex("/lib/modules/")] or "/"
    files = []
    for name in MODULES:
        out = subprocess.run(["/sbin/modprobe", "-d", root, "-S", kernel.release,
                              "--show-depends", name],
                             capture_output=True, text=True, check=False)
        if out.returncode:
            raise RuntimeError(f"kernel {kernel.release}: {out.stderr.strip()}")
        for line in out.stdout.splitlines():
            verb, path = line.split()[:2]
            if os.path.basename(path).removesuffix(".xz") in UNWANTED:
                continue
            if verb == "insmod" and path not in files:
                files.append(path)
    return files


def _add_module(path, folder):
    """Copies a module, unpacked: busybox loads plain files only."""
    name = os.path.basename(path)
    if not name.endswith(".xz"):
        shutil.copy(path, folder)
        return name
    name = name[:-3]
    with open(os.path.join(folder, name), "wb") as f:
        subprocess.run(["xz", "-dc", path], stdout=f, check=True)
    return name


def _key(kernel, agent):
    """Changes whenever the content would."""
    h = hashlib.sha256()
    for path in (agent, os.path.join(HERE, "init"), os.path.realpath(__file__), BUSYBOX):
        with open(path, "rb") as f:
            h.update(f.read())
    stat = os.stat(os.path.join(kernel.modules, "modules.dep"))
    h.update(f"{kernel.modules} {stat.st_mtime_ns} {stat.st_size}".encode())
    return h.hexdigest()[:16]


def build(kernel, agent, cache):
    """Returns the path of the initramfs for `kernel`, made if it isn't there."""
    path = os.path.join(cache, f"initramfs-{kernel.release}-{_key(kernel, agent)}")
    if os.path.exists(path):
        return path
    os.makedirs(cache, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as top:
        for folder in ("bin", "proc", "sys", "dev", "modules"):
            os.mkdir(os.path.join(top, folder))
        shutil.copy(BUSYBOX, os.path.join(top, "bin/busybox"))
        shutil.copy(os.path.join(HERE, "init"), os.path.join(top, "init"))
        shutil.copy(agent, os.path.join(top, "agent"))
        folder = os.path.join(top, "modules")
        names = [_add_module(p, folder) for p in _module_files(kernel)]
        with open(os.path.join(folder, "order"), "w", encoding="ascii") as f:
            f.write("".join(name + "\n" for name in names))
        listing = subprocess.run(["find", ".", "-print0"], cwd=top,
                                 capture_output=True, check=True).stdout
        packed = os.path.join(top, "packed")
        with open(packed, "wb") as f:
            subprocess.run(["cpio", "--null", "--quiet", "-o", "-H", "newc"],
                           cwd=top, input=listing, stdout=f, check=True)
        os.rename(packed, path)
    return path
