#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0
"""report.py FOLDER - what was measured, as tables, as JSON and as pictures.

Takes the files PART.tsv there: a line for each figure, MEASURE PEER VCPUS X ROUND VALUE. Each
figure that is shown is the median of its rounds, with the least and the most of them.
"""

import collections
import json
import os
import platform
import statistics
import sys

PEERS = ["none", "wire", "kemari", "kemari-batched", "sync-log", "sync", "async", "async-lz4",
         "qemu", "colo"]
SPEED_PEERS = ["kemari", "kemari-batched", "sync", "async", "async-lz4"]
COLOURS = {"none": "#888888", "wire": "#000000", "kemari": "#c0392b",
           "kemari-batched": "#e67e22", "sync-log": "#8e44ad", "sync": "#2471a3",
           "async": "#1e8449", "async-lz4": "#76d7c4", "qemu": "#b7950b", "colo": "#7d6608"}
NS_PER_MS = 1e6
# What may be how large: which figure, over which other one; each is (measure, peer, x). None is
# the number itself.
TARGETS = [
    ("an output's wait, sync, 256 pages, to wire",
     ("wait_p50", "sync", 256), ("wait_p50", "wire", 256), 1.2),
    ("an output's wait, sync, 1,024 pages, to wire",
     ("wait_p50", "sync", 1024), ("wait_p50", "wire", 1024), 1.2),
    ("an output's wait, sync, 16 pages, to kemari",
     ("wait_p50", "sync", 16), ("wait_p50", "kemari", 16), 0.5),
    ("an output's wait, sync, 1,024 pages, to kemari",
     ("wait_p50", "sync", 1024), ("wait_p50", "kemari", 1024), 0.7),
    ("a standstill, async with streaming, to sync without, 4,096 pages",
     ("parked_p50", "async", 4096),
     ("parked_p50", "sync-log", 4096), 0.2),
    ("pages copied a checkpoint, sync, 1,024 pages", ("copied", "sync", 1024), None, 0),
    ("bytes sent to payload, sync, 256 pages",
     ("wire_bytes", "sync", 256), ("bytes_sent", "sync", 256), 1.02),
    ("bytes sent to payload, sync, 1,024 pages",
     ("wire_bytes", "sync", 1024), ("bytes_sent", "sync", 1024), 1.02),
    ("a standstill, 8 GiB to 64 MiB",
     ("parked_p50", "sync", 8192), ("parked_p50", "sync", 64), 1.1),
    ("write 32 KiB, async, to alone", ("write", "async", 32), ("write", "none", 32), 1 / 0.95),
    ("sync 32 KiB, async, to alone", ("sync", "async", 32), ("sync", "none", 32), 1 / 0.6),
    ("sync 32 KiB, async, to kemari", ("sync", "async", 32), ("sync", "kemari", 32), 1 / 3),
    ("sync 32 KiB, async, to kemari-batched",
     ("sync", "async", 32), ("sync", "kemari-batched", 32), 1 / 1.5),
    ("fork, async, to alone", ("fork", "async", 0), ("fork", "none", 0), 1 / 0.97),
    ("exec, async, to alone", ("exec", "async", 0), ("exec", "none", 0), 1 / 0.97),
    ("sh, async, to alone", ("sh", "async", 0), ("sh", "none", 0), 1 / 0.97),
    ("switch, async, to alone", ("switch", "async", 0), ("switch", "none", 0), 1 / 0.97),
    ("pages sent to pages dirtied, sync",
     ("pages_sent", "sync", 0), ("pages_dirtied", "sync", 0), 1.3),
    ("pages sent to pages dirtied, async",
     ("pages_sent", "async", 0), ("pages_dirtied", "async", 0), 1.3),
    ("bytes with compression to without, async",
     ("bytes", "async-lz4", 0), ("bytes", "async", 0), 0.5),
    ("what an answer takes more, async, to a round trip",
     ("added", "async", 5), ("trip", "async", 5), 1.5),
    ("checkpoints a second of an idle guest", ("idle_checkpoints", "async", 0), None, 0),
    ("wake-ups of an idle guest's host to heartbeats",
     ("idle_wakes", "async", 0), ("idle_beats", "async", 0), 2),
]
# What isn't a time.
COUNTS = {"pages_sent", "bytes", "bytes_sent", "wire_bytes", "copied", "exits", "flushes",
          "pages_dirtied", "idle_checkpoints", "idle_wakes", "idle_beats", "checkpoints",
          "colo_checkpoints"}
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 720, 420, 70, 50, 60


class Figures:
    """All rounds of each figure of a part."""

    def __init__(self, path):
        self.rounds = collections.defaultdict(list)
        self.notes = []
        self.commit = "a part that isn't whole"
        with open(path, encoding="utf-8") as f:
            for line in f:
                if line.startswith("#"):
                    self.notes.append(line[1:].strip())
                    if line.startswith("# of "):
                        self.commit = line[5:].strip()
                    continue
                measure, peer, vcpus, x, _, value = line.rstrip("\n").split("\t")
                if value:
                    self.rounds[measure, peer, int(vcpus), int(x)].append(float(value))

    def median(self, *key):
        """Of its rounds; None if there are none."""
        return statistics.median(self.rounds[key]) if key in self.rounds else None

    def of(self, place):
        """What there is at a place of the keys, in order."""
        return sorted({key[place] for key in self.rounds})

    def entries(self):
        """For JSON."""
        return [{"measure": measure, "peer": peer, "vcpus": vcpus, "x": x,
                 "median": statistics.median(values), "least": min(values), "most": max(values),
                 "rounds": len(values)}
                for (measure, peer, vcpus, x), values in sorted(self.rounds.items())]


def cell(figures, *key):
    """Milliseconds, with their spread."""
    values = figures.rounds.get(key)
    if not values:
        return "-"
    return (f"{statistics.median(values) / NS_PER_MS:.2f} "
            f"({min(values) / NS_PER_MS:.2f}-{max(values) / NS_PER_MS:.2f})")


def columns(rows):
    """Lines: each column as wide as it has to be."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(text.rjust(width) for text, width in zip(row, widths)) for row in rows]


def peers_of(figures, measure, vcpus):
    """Those that have such a figure, in their order."""
    return [p for p in PEERS if any(k[:3] == (measure, p, vcpus) for k in figures.rounds)]


def waits_table(figures, vcpus):
    """Lines: a row for each number of pages, a column for each peer."""
    peers = peers_of(figures, "wait_p50", vcpus)
    return columns([["pages", *peers]] + [[str(x), *(cell(figures, "wait_p50", p, vcpus, x)
                                                     for p in peers)] for x in figures.of(3)])


def speeds_table(figures, vcpus):
    """Lines: a row for each thing that a guest does, and how fast it is of the speed that it
    has alone, in percent."""
    keys = sorted({(k[0], k[3]) for k in figures.rounds if k[0] not in COUNTS})
    rows = [["", "alone, ms", *SPEED_PEERS]]
    for measure, x in keys:
        alone = figures.median(measure, "none", vcpus, x)
        if not alone:
            continue
        row = [f"{measure} {x or ''}".strip(), f"{alone / NS_PER_MS:.3f}"]
        for peer in SPEED_PEERS:
            values = figures.rounds.get((measure, peer, vcpus, x))
            row.append(f"{100 * alone / statistics.median(values):.1f} ({100 * alone / max(values):.1f}-"
                       f"{100 * alone / min(values):.1f})" if values else "-")
        rows.append(row)
    return columns(rows)


def figures_table(figures, vcpus, measures):
    """Lines: a row for each measure and x, a column for each peer."""
    peers = [p for p in PEERS if any(k[0] in measures and k[1:3] == (p, vcpus) for k in figures.rounds)]
    rows = [["", *peers]]
    for measure, x in sorted({(k[0], k[3]) for k in figures.rounds if k[0] in measures and k[2] == vcpus}):
        row = [f"{measure} {x or ''}".strip() + ("" if measure in COUNTS else ", ms")]
        for peer in peers:
            value = figures.median(measure, peer, vcpus, x)
            row.append("-" if value is None else f"{value:.0f}" if measure in COUNTS else
                       cell(figures, measure, peer, vcpus, x))
        rows.append(row)
    return columns(rows)


def value_of(figures, key, vcpus):
    """The median; of "added", what an answer takes more than alone."""
    measure, peer, x = key
    if measure != "added":
        return figures.median(measure, peer, vcpus, x)
    with_it, alone = (figures.median("answer_p50", p, vcpus, x) for p in (peer, "none"))
    return with_it - alone if with_it and alone else None


def ratios(figures):
    """Lines: what targets there are, and what became of them."""
    lines = []
    for what, ours, theirs, most in TARGETS:
        for vcpus in figures.of(2):
            value = value_of(figures, ours, vcpus)
            if value is None:
                continue
            if theirs:
                other = value_of(figures, theirs, vcpus)
                value = value / other if other else None
            if value is not None:
                lines.append(f"{what}, {vcpus} vcpus: {value:.2f}, aim {most:.2f}: "
                             f"{'met' if value <= most else 'missed'}")
    return lines


def text(x, y, words, extra=""):
    """A piece of the picture."""
    return f'<text x="{x:.0f}" y="{y:.0f}" {extra}>{words}</text>'


def picture(figures, measure, vcpus, title):
    """An SVG: x by its place, y in ms."""
    xs = figures.of(3)
    peers = peers_of(figures, measure, vcpus)
    most = max(figures.median(measure, p, vcpus, x) or 0 for p in peers for x in xs) or 1

    def place(i, value):
        return (LEFT + i * (WIDTH - LEFT - 160) / max(1, len(xs) - 1),
                HEIGHT - BOTTOM - value / most * (HEIGHT - TOP - BOTTOM))

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
             'font-family="sans-serif" font-size="12">',
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
             text(LEFT, 24, title, 'font-size="15"')]
    for step in range(5):
        value = most * step / 4
        y = place(0, value)[1]
        parts += [f'<line x1="{LEFT}" x2="{WIDTH - 160}" y1="{y:.0f}" y2="{y:.0f}" '
                  'stroke="#dddddd"/>',
                  text(LEFT - 8, y + 4, f"{value / NS_PER_MS:.1f}", 'text-anchor="end"')]
    for i, x in enumerate(xs):
        parts.append(text(place(i, 0)[0], HEIGHT - BOTTOM + 18, x, 'text-anchor="middle"'))
    parts += [text((WIDTH - 160 + LEFT) / 2, HEIGHT - 16, "pages written before the output",
                   'text-anchor="middle"'), text(LEFT - 8, TOP - 12, "ms", 'text-anchor="end"')]
    for n, peer in enumerate(peers):
        points = [place(i, figures.median(measure, peer, vcpus, x)) for i, x in enumerate(xs)
                  if figures.median(measure, peer, vcpus, x) is not None]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        y = TOP + 20 * n
        parts += [f'<polyline points="{line}" fill="none" stroke="{COLOURS[peer]}" '
                  'stroke-width="2"/>',
                  *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{COLOURS[peer]}"/>'
                    for x, y in points),
                  f'<line x1="{WIDTH - 140}" x2="{WIDTH - 120}" y1="{y}" y2="{y}" '
                  f'stroke="{COLOURS[peer]}" stroke-width="2"/>',
                  text(WIDTH - 112, y + 4, peer)]
    return "\n".join([*parts, "</svg>"]) + "\n"


def machine():
    """What this was measured on."""
    cpu = "unknown"
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        for line in f:
            if line.startswith("model name"):
                cpu = line.split(":", 1)[1].strip()
                break
    return {"cpu": cpu, "cores": os.cpu_count(), "runs": platform.release(),
            "hosts": "emulated by QEMU's TCG"}


def show_waits(figures, folder, part, vcpus):
    """The table, and its picture."""
    title = f"{part}: from an output to its permission, {vcpus} vcpus"
    print(f"\n{title}, ms: median (least-most) of rounds")
    print("\n".join(waits_table(figures, vcpus)))
    with open(os.path.join(folder, f"{part}-{vcpus}.svg"), "w", encoding="utf-8") as f:
        f.write(picture(figures, "wait_p50", vcpus, title))


def main():
    """Writes them, and prints the tables."""
    folder = sys.argv[1]
    whole = {"machine": machine(), "parts": {}}
    for name in sorted(os.listdir(folder)):
        part, ending = os.path.splitext(name)
        if ending != ".tsv":
            continue
        figures = Figures(os.path.join(folder, name))
        whole["parts"][part] = {"notes": figures.notes, "figures": figures.entries(),
                                "ratios": ratios(figures)}
        print(f"\n{part}, of {figures.commit}")
        for vcpus in figures.of(2):
            measures = set(figures.of(0))
            if "wait_p50" in measures:
                show_waits(figures, folder, part, vcpus)
                print("\nmore of it, of one checkpoint")
                print("\n".join(figures_table(figures, vcpus, measures - {"wait_p50"})))
            elif not measures & {"write", "set", "tpcb"}:
                print(f"\n{part}, {vcpus} vcpus: median (least-most) of rounds")
                print("\n".join(figures_table(figures, vcpus, measures)))
            else:
                print(f"\n{part}: speed in percent of that alone, {vcpus} vcpus: "
                      "median (least-most) of rounds")
                print("\n".join(speeds_table(figures, vcpus)))
                print("\ncounted")
                print("\n".join(figures_table(figures, vcpus, measures & COUNTS)))
        print("\n" + "\n".join(ratios(figures)))
    with open(os.path.join(folder, "bench.json"), "w", encoding="utf-8") as f:
        json.dump(whole, f, indent=1)
        f.write("\n")


if __name__ == "__main__":
    main()
