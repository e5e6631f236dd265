#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Drives a synthetic guest for a long time, and judges what its sink has.

    epochs.py drive PAIR VM PAGES SEED FILE    send epoch after epoch until killed; each
                                               line of FILE is the last one acknowledged
    epochs.py judge PAIR VM PAGES SEED         prints "EPOCH whole", or what is wrong

An epoch writes all of the guest's pages, with contents that depend on its number
(kmod/selftest.h has the formula), so a sink that had a part of one would show it.
"""

import os
import sys

import genl

_MASK = (1 << 64) - 1


def _table():
    table = []
    for i in range(256):
        for _ in range(8):
            i = i >> 1 ^ (0x82f63b78 if i & 1 else 0)
        table.append(i)
    return table


_CRC = _table()


def crc32c(data):
    """CRC32C, byte by byte: a judge of its own, not the other tests'."""
    crc = 0xffffffff
    for byte in data:
        crc = _CRC[(crc ^ byte) & 0xff] ^ crc >> 8
    return crc ^ 0xffffffff


def page(seed, epoch, offset):
    """The contents of a page."""
    base = seed + (epoch << 48) + offset
    words = []
    for i in range(0, 4096, 8):
        word = (base + i) * 0x9e3779b97f4a7c15 & _MASK
        words.append(word ^ word >> 29)
    return b"".join(word.to_bytes(8, "little") for word in words)


def judge(pair, vm, pages, seed):
    """What the sink has, in words."""
    with genl.Family() as family:
        whole, content = family.read(pair, vm)
    epoch = whole["epoch"]
    if not epoch:
        return "0 whole" if not content else f"no epoch, but {len(content)} pages"
    if len(content) != pages:
        return f"{epoch} has {len(content)} pages"
    # All pages are the same function of their offset: a sample shows a mixture,
    # and which one is looked at changes with the epoch.
    for n in range(epoch % 53, pages, 53):
        offset = n * 4096
        if content.get((0, offset)) != crc32c(page(seed, epoch, offset)):
            return f"{epoch} torn at page {n}"
    return f"{epoch} whole"


def drive(pair, vm, pages, seed, path):
    """Never returns."""
    out = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with genl.Family() as family:
        while True:
            try:
                told = family.send(pair, vm, epochs=1, pages=pages, seed=seed, wait=20000)
            except genl.Failed as e:
                os.write(out, f"failed {e}\n".encode())
                continue
            if told["epoch"]:
                os.write(out, f"{told['epoch']}\n".encode())


def main():
    verb, pair, vm, pages, seed, *rest = sys.argv[1:]
    if verb == "drive":
        drive(pair, vm, int(pages), int(seed), *rest)
    else:
        print(judge(pair, vm, int(pages), int(seed)))


if __name__ == "__main__":
    main()
