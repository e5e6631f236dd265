# SPDX-License-Identifier: GPL-2.0
"""A kernel that a lab host can boot, and where its pieces are."""

import glob
import os
import re
import sys

SERIES = ("6.1", "6.12")


class KernelError(Exception):
    """No such kernel here; the text says what to do."""


class Kernel:
    """One bootable kernel: `release`, `image`, `modules`, `build`, `label`."""

    def __init__(self, release, image, modules, build, label):
        self.release = release
        self.image = image
        self.modules = modules
        self.build = build
        self.label = label

    @property
    def packaged(self):
        """True if the machine's own /lib/modules has it, so hosts see it too."""
        return self.modules == f"/lib/modules/{self.release}"


def _version_key(release):
    return [int(n) for n in re.findall(r"\d+", release)]


def _from_directory(path):
    """A kernel that selftests/debug/build-kernel made."""
    path = os.path.realpath(path)
    with open(os.path.join(path, "release"), encoding="ascii") as f:
        release = f.read().strip()
    return Kernel(release, os.path.join(path, "vmlinuz"),
                  os.path.join(path, "lib/modules", release),
                  os.path.join(path, "build"), "debug")


def installed():
    """The releases of Debian kernels here with an image, modules and headers."""
    found = []
    for build in glob.glob("/lib/modules/*/build"):
        release = build.split("/")[3]
        if (os.path.exists(f"/boot/vmlinuz-{release}")
                and os.path.exists(f"/lib/modules/{release}/kernel")
                and os.path.exists(f"{build}/Makefile")):
            found.append(release)
    return sorted(found, key=_version_key)


def find(spec):
    """A kernel by series (6.1), by release, or by the directory of a build."""
    if os.path.isdir(spec):
        return _from_directory(spec)
    for release in reversed(installed()):
        if release == spec or re.match(re.escape(spec) + r"\.\d+\D", release):
            return Kernel(release, f"/boot/vmlinuz-{release}",
                          f"/lib/modules/{release}",
                          f"/lib/modules/{release}/build",
                          ".".join(release.split(".")[:2]))
    have = ", ".join(installed()) or "none"
    raise KernelError(f"no kernel {spec} with image and headers on this machine "
                      f"(there is: {have}); 'make deps' installs {' and '.join(SERIES)}")


if __name__ == "__main__":
    try:
        print(find(sys.argv[1]).build)
    except KernelError as error:
        sys.exit(f"kvmft: {error}")
