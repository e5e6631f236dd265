# SPDX-License-Identifier: GPL-2.0
"""The timeline: the whole story as an SVG, readable on light and on dark ground."""

from xml.sax.saxutils import escape

WIDTH = 960
LEFT, RIGHT = 74, 16
CHAR = 6.8          # of the text's width, about
LABEL_ROW = 17
LANE = 30
LANE_GAP = 10
TICKS = (1, 2, 5, 10, 20, 30, 60, 120, 300)

# (role, state): light ground, dark ground. What isn't here is like what has no guest.
COLOURS = {
    ("", "off"): ("#e0766e", "#8c1d18"),
    ("", "booting"): ("#d9b8a6", "#6b4a3a"),
    ("", "up"): ("#d5d9de", "#3d444d"),
    ("primary", "alone"): ("#f0c95a", "#8a6d1b"),
    ("primary", "waiting-peer"): ("#f0c95a", "#8a6d1b"),
    ("primary", "syncing"): ("#f5a04c", "#a65f15"),
    ("primary", "protected"): ("#4caf6d", "#23773f"),
    ("primary", "solo"): ("#e8d44d", "#8f7f0e"),
    ("primary", "unprotected"): ("#f0c95a", "#8a6d1b"),
    ("primary", "held"): ("#d46a9f", "#8e2f5f"),
    ("primary", "fenced"): ("#9a6fb0", "#5d3573"),
    ("standby", "waiting"): ("#c3d7ef", "#2f4763"),
    ("standby", "waiting-peer"): ("#c3d7ef", "#2f4763"),
    ("standby", "syncing"): ("#9fc1ea", "#30588a"),
    ("standby", "protected"): ("#6ea3e0", "#2d6cb5"),
    ("standby", "promoting"): ("#38b2b8", "#17777c"),
}

STYLE = """
text { font: 11px ui-sans-serif, system-ui, sans-serif; fill: #1f2328 }
.title { font-size: 15px; font-weight: 600 }
.dim { fill: #59636e }
.ground { fill: #ffffff }
.line { stroke: #59636e; stroke-width: 1 }
.grid { stroke: #d1d9e0; stroke-width: 1 }
.answer { stroke: #2da44e; stroke-width: 1; fill: none }
.gap { fill: #ffd7d5 }
"""
DARK_STYLE = """
text { fill: #f0f6fc }
.dim { fill: #9198a1 }
.ground { fill: #0d1117 }
.line { stroke: #9198a1 }
.grid { stroke: #2a313c }
.answer { stroke: #3fb950 }
.gap { fill: #5d1f24 }
"""


def name_of(role, state):
    """Of a state, as people are told it."""
    return f"{role}, {state}" if role else state


class Scale:
    """From seconds to what is drawn."""

    def __init__(self, begin, end):
        self.begin = begin
        self.end = max(end, begin + 1)
        self.factor = (WIDTH - LEFT - RIGHT) / (self.end - self.begin)

    def x(self, when):
        """Where that is, on the picture or at its edge."""
        return LEFT + (min(max(when, self.begin), self.end) - self.begin) * self.factor

    def ticks(self):
        """Seconds that have a number, not too close to each other."""
        step = next((t for t in TICKS if t * self.factor >= 50), TICKS[-1])
        first = int(self.begin // step) * step
        return [t for t in range(first, int(self.end) + 1, step) if t >= self.begin]


class Drawing:
    """Elements, a line each; numbers of classes of states."""

    def __init__(self):
        self.parts = []
        self.classes = {}

    def put(self, text):
        """One more element."""
        self.parts.append(text)

    def text(self, x, y, words, kind="", anchor="start"):
        """One line of text."""
        attributes = f' class="{kind}"' if kind else ""
        if anchor != "start":
            attributes += f' text-anchor="{anchor}"'
        self.put(f'<text x="{x:.1f}" y="{y:.1f}"{attributes}>{escape(words)}</text>')

    def box(self, x, y, width, height, kind):
        """A filled rectangle."""
        self.put(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
                 f'class="{kind}"/>')

    def rule(self, x, top, bottom, kind):
        """A line downwards."""
        self.put(f'<line x1="{x:.1f}" y1="{top:.1f}" x2="{x:.1f}" y2="{bottom:.1f}" '
                 f'class="{kind}"/>')

    def state_class(self, role, state):
        """The class of a state's colour; it gets one when it is first seen."""
        return self.classes.setdefault((role, state), f"s{len(self.classes)}")

    def style(self):
        """Of all that was drawn."""
        light, dark = [], []
        for key, name in self.classes.items():
            colours = COLOURS.get(key, COLOURS["", "up"])
            light.append(f".{name} {{ fill: {colours[0]} }}")
            dark.append(f".{name} {{ fill: {colours[1]} }}")
        return (STYLE + "\n".join(light) + "\n@media (prefers-color-scheme: dark) {" +
                DARK_STYLE + "\n".join(dark) + "\n}\n")


def label_rows(events, scale):
    """(when, words, row, anchor) of each label, so that none lies above another."""
    free, rows = [], []
    for when, words in sorted(events):
        x = scale.x(when)
        width = len(words) * CHAR + 10
        anchor = "end" if x + width > WIDTH else "start"
        begin = x - width if anchor == "end" else x
        row = next((i for i, end in enumerate(free) if end <= begin), len(free))
        free[row:row + 1] = [begin + width]
        rows.append((when, words, row, anchor))
    return rows


def draw_labels(drawing, labels, scale, top, bottom):
    """Names of events, and a line down from each."""
    for when, words, row, anchor in labels:
        x, y = scale.x(when), top + row * LABEL_ROW
        drawing.rule(x, y - 10, bottom, "line")
        drawing.text(x + (-4 if anchor == "end" else 4), y, words, anchor=anchor)


def draw_host(drawing, lane, scale, y):
    """What became of a host: a box for each state."""
    for change, after in zip(lane, [*lane[1:], None]):
        begin, end = scale.x(change.when), scale.x(after.when if after else scale.end)
        if end <= begin:
            continue
        drawing.box(begin, y, end - begin, LANE, drawing.state_class(change.role, change.state))
        words = name_of(change.role, change.state)
        if len(words) * CHAR + 8 < end - begin:
            drawing.text(begin + 5, y + LANE / 2 + 4, words)


def draw_answers(drawing, story, gaps, scale, y):
    """A thin line for each answer; where none came, how long that was."""
    for begin, end in gaps:
        drawing.box(scale.x(begin), y, scale.x(end) - scale.x(begin), LANE, "gap")
    places = sorted({round(scale.x(a.when) * 2) / 2 for a in story.answers})
    drawing.put('<path class="answer" d="' +
                " ".join(f"M{x:g} {y}v{LANE}" for x in places) + '"/>')
    for begin, end in gaps:
        drawing.text(scale.x((begin + end) / 2), y + LANE + 12, f"{end - begin:.1f} s",
                     anchor="middle")


def draw_axis(drawing, scale, top, bottom):
    """Seconds."""
    for tick in scale.ticks():
        drawing.rule(scale.x(tick), top, bottom, "grid")
        drawing.text(scale.x(tick), bottom + 14, f"{tick:g} s", "dim", "middle")


def draw_legend(drawing, y):
    """The states that occurred; returns where the next line would be."""
    x = LEFT
    order = list(COLOURS)
    for (role, state), kind in sorted(drawing.classes.items(), key=lambda item: order.index(
            item[0]) if item[0] in COLOURS else len(order)):
        words = name_of(role, state)
        width = len(words) * CHAR + 32
        if x + width > WIDTH - RIGHT:
            x, y = LEFT, y + LABEL_ROW
        drawing.box(x, y - 9, 11, 11, kind)
        drawing.text(x + 16, y, words)
        x += width
    return y + LABEL_ROW


def svg(story, title, notes, least_gap=1.0):
    """The story as an SVG: a lane for each host and one for the client's answers."""
    # Until the guest is there nothing is to be seen but how two kernels boot.
    guests = [c.when for lane in story.lanes.values() for c in lane if c.role]
    scale = Scale(max(0.0, min(guests, default=0.0) - 3), story.now())
    drawing = Drawing()
    labels = label_rows([e for e in story.events if e[0] >= scale.begin], scale)
    top = 44
    lanes = top + (max((row for _, _, row, _ in labels), default=-1) + 1) * LABEL_ROW
    hosts = {host: lanes + i * (LANE + LANE_GAP) for i, host in enumerate(story.hosts)}
    answers = lanes + len(hosts) * (LANE + LANE_GAP)
    bottom = answers + LANE + 20

    drawing.text(LEFT, 22, title, "title")
    draw_axis(drawing, scale, lanes - 4, bottom)
    for host, y in hosts.items():
        drawing.text(12, y + LANE / 2 + 4, host)
        draw_host(drawing, story.lanes[host], scale, y)
    drawing.text(12, answers + LANE / 2 + 4, "answers")
    draw_answers(drawing, story, story.gaps(least_gap), scale, answers)
    draw_labels(drawing, labels, scale, top, answers + LANE)
    y = draw_legend(drawing, bottom + 40)
    for note in notes:
        drawing.text(LEFT, y + 6, note, "dim")
        y += LABEL_ROW
    height = y + 4

    head = ['<?xml version="1.0" encoding="UTF-8"?>',
            "<!-- SPDX-License-Identifier: GPL-2.0 -->",
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
            f'width="{WIDTH}" height="{height:.0f}" role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{drawing.style()}</style>",
            f'<rect width="{WIDTH}" height="{height:.0f}" class="ground"/>']
    return "\n".join([*head, *drawing.parts, "</svg>"]) + "\n"
