#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0
"""ftvmm_outputs.py REPLICATION SERVICE DISK - did each output wait for its epoch?

Two captures and the log of the shared disk's server, all by the clock of one machine. A
guest answers each line of ftvmm_client.py by a packet from port 7, and from port 8 once
that line is a block of the disk. What is to leave is in the device state of the epoch
that covers it, so for each packet and each block written there must be an epoch that has
it and whose ACK was there before. And what the guest says is on the disk must have been
flushed there before that leaves, however early the guest was told so itself.
"""

import datetime
import os
import re
import struct
import sys

import frames

PORT = 7700
ANSWER = re.compile(rb"\d+ 7-line-\d+\n")
BOOKED = re.compile(rb"(\d+) 8-line-\d+\n")
BLOCK = re.compile(rb"(\d+) 8-line-\d+\n\1 8-line")
BLOCK_SIZE = 4096
# What is behind them on the disk is none of that client's.
BLOCKS = 4096
REQUEST = re.compile(r"^(\S+ \S+) connection=(\d+) (\w+) id=\d+ "
                     r"offset=(0x[0-9a-f]+) count=(0x[0-9a-f]+)")
DONE = re.compile(r"^(\S+ \S+) connection=(\d+) (\.\.\.)?(Write|Flush) id=(\d+)"
                  r"(?: offset=(0x[0-9a-f]+) count=(0x[0-9a-f]+))?")


def packets(path):
    """(seconds, bytes) of each packet in a file of tcpdump's."""
    with open(path, "rb") as f:
        head = f.read(24)
        if head[:4] != b"\xd4\xc3\xb2\xa1":
            raise ValueError(f"{path} is no capture")
        while len(head := f.read(16)) == 16:
            seconds, fraction, length, _ = struct.unpack("<4I", head)
            data = f.read(length)
            # It may still be written.
            if len(data) < length:
                return
            yield seconds + fraction / 1e6, data


def segments(path):
    """(seconds, source port, destination port, sequence, payload) of each TCP segment."""
    for when, data in packets(path):
        if data[12:14] != b"\x08\x00" or data[23] != 6:
            continue
        ip = data[14:14 + struct.unpack_from(">H", data, 16)[0]]
        tcp = ip[(ip[0] & 15) * 4:]
        source, target, sequence = struct.unpack_from(">HHI", tcp)
        yield when, (ip[12:16], source), (ip[16:20], target), sequence, tcp[(tcp[12] >> 4) * 4:]


def frame_of(header):
    """The frame that begins so, on either kind of connection; None if none does."""
    for conn in frames.CONTROL, frames.DATA:
        try:
            return frames.Frame.parse(header, conn)
        except frames.Wrong:
            continue
    return None


class Stream:
    """One direction of a connection, that frames are found in."""

    def __init__(self):
        self.next = None
        self.early = {}
        self.data = bytearray()

    def take(self, sequence, payload):
        """What came; what is missing comes again."""
        if self.next is None:
            self.next = sequence
        self.early[sequence] = max(payload, self.early.get(sequence, b""), key=len)
        progress = True
        while progress:
            progress = False
            for first in list(self.early):
                skip = (self.next - first) % (1 << 32)
                if skip >= 1 << 31:
                    continue
                piece = self.early.pop(first)[skip:]
                self.data += piece
                self.next = (self.next + len(piece)) % (1 << 32)
                progress |= bool(piece)

    def frames(self):
        """Those that are whole by now; in between there are MACs, and what was there before
        the capture began."""
        while True:
            at = self.data.find(frames.MAGIC)
            if at < 0:
                del self.data[:max(0, len(self.data) - len(frames.MAGIC) + 1)]
                return
            del self.data[:at]
            if len(self.data) < frames.HEADER.size:
                return
            frame = frame_of(bytes(self.data[:frames.HEADER.size]))
            if not frame:
                del self.data[:1]
                continue
            end = frames.HEADER.size + frame.body_length + frame.bulk_length
            if len(self.data) < end:
                return
            frame.bulk = bytes(self.data[end - frame.bulk_length:end])
            del self.data[:end]
            yield frame


class Epochs:
    """What the replication network has shown."""

    def __init__(self, path):
        self.state = {}         # (generation, epoch): what of its state was seen so far
        self.covered = {}       # output: the first epoch that has it
        self.acked = {}         # (generation, epoch): when
        self.end = 0            # when the last packet was seen
        streams = {}
        for when, source, target, sequence, payload in segments(path):
            self.end = when
            if PORT not in (source[1], target[1]) or not payload:
                continue
            stream = streams.setdefault((source, target), Stream())
            stream.take(sequence, payload)
            for frame in stream.frames():
                self._see(when, frame)

    def _see(self, when, frame):
        epoch = frame.generation, frame.epoch
        if frame.kind == frames.ACK:
            self.acked.setdefault(epoch, when)
        elif frame.kind == frames.STATE:
            state = self.state[epoch] = self.state.get(epoch, b"") + frame.bulk
            for answer in ANSWER.findall(state):
                # What stands before it, of a TCP header, may look like a digit of it.
                for at in range(answer.index(b" ")):
                    self.covered.setdefault(answer[at:], epoch)
            for block in BLOCK.findall(state):
                self.covered.setdefault(("block", int(block)), epoch)
        elif frame.kind == frames.COMMIT:
            self.state.pop(epoch, None)

    def complaint(self, output, when):
        """What is wrong with an output that left then; None if nothing."""
        epoch = self.covered.get(output)
        if not epoch:
            return "no epoch has it"
        acked = self.acked.get(epoch)
        if acked is None:
            return f"epoch {epoch[1]} was never acknowledged"
        if acked > when:
            return f"{(acked - when) * 1e3:.3f} ms before the ACK of epoch {epoch[1]}"
        return None


def answers(path):
    """(seconds, what) of each answer that left."""
    for when, source, _, _, payload in segments(path):
        if source[1] == 7:
            for answer in ANSWER.findall(payload):
                yield when, answer


def seconds_of(text):
    """Of the log's time."""
    return datetime.datetime.strptime(text, "%Y-%m-%d %H:%M:%S.%f").timestamp()


def requests(path):
    """(seconds, connection, what, offset, bytes) of each that the disk was asked for."""
    with open(path, encoding="utf-8", errors="replace") as f:
        for found in filter(None, map(REQUEST.match, f)):
            yield seconds_of(found[1]), int(found[2]), found[3], int(found[4], 16), int(found[5], 16)


def blocks(path):
    """(seconds, what) of each block of the client's that was written."""
    for when, _, what, offset, count in requests(path):
        if what != "Write":
            continue
        for at in range(offset, offset + count, BLOCK_SIZE):
            if 0 < at // BLOCK_SIZE < BLOCKS:
                yield when, ("block", at // BLOCK_SIZE)


def booked(path):
    """(seconds, block) of each answer that left which says that this block is on the disk."""
    for when, source, _, _, payload in segments(path):
        if source[1] == 8:
            for answer in BOOKED.findall(payload):
                yield when, int(answer)


def flushed(path, begin):
    """When each block of the client's that was written since then was flushed for the first
    time, by a flush that began when it was written: {block: seconds}."""
    asked = {}                  # (connection, id): its blocks, or those that a flush is for
    written, kept = set(), {}
    with open(path, encoding="utf-8", errors="replace") as f:
        for found in filter(None, map(DONE.match, f)):
            when, key = seconds_of(found[1]), (found[2], found[5])
            if when < begin:
                continue
            if found[3]:
                done = asked.pop(key, set())
                if found[4] == "Write":
                    written |= done
                else:
                    kept.update((block, when) for block in done if block not in kept)
            elif found[4] == "Flush":
                asked[key] = set(written)
            elif found[6]:
                first, count = int(found[6], 16), int(found[7], 16)
                asked[key] = {at // BLOCK_SIZE for at in range(first, first + count, BLOCK_SIZE)}
    return kept


def judge_promises(service, disk):
    """How often it was said that a block is on the disk, and it wasn't."""
    if disk == os.devnull:
        return 0
    said = list(booked(service))
    kept = flushed(disk, min((when for when, *_ in segments(service)), default=0))
    broken = 0
    for when, block in said:
        if block not in kept or kept[block] > when:
            broken += 1
            late = f"{(kept[block] - when) * 1e3:.3f} ms later" if block in kept else "never"
            print(f"promises: block {block} is said to be there, and is flushed {late}")
    print(f"{len(said)} promises judged")
    return broken


def main():
    """Prints what was judged, and what is wrong."""
    replication, service, disk = sys.argv[1:]
    epochs = Epochs(replication)
    complaints = 0
    for name, left in ("answers", answers(service)), ("blocks", blocks(disk)):
        judged = 0
        for when, output in left:
            # The disk's log is older than the captures, and younger.
            if not epochs.acked or not min(epochs.acked.values()) <= when <= epochs.end:
                continue
            judged += 1
            complaint = epochs.complaint(output, when)
            if complaint:
                complaints += 1
                print(f"{name}: {output}: {complaint}")
        print(f"{judged} {name} judged")
    complaints += judge_promises(service, disk)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
