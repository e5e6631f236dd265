# SPDX-License-Identifier: GPL-2.0
"""The picture: one screen of the terminal that shows the story while it goes on."""

import shutil
import sys
import threading

from story import runs

HZ = 2
# How far back the answers are shown, and how much of that is one character.
COLUMN = 0.5
BARS = " ▁▂▃▄▅▆▇█"
BEGIN = "\x1b[?1049h\x1b[?25l"
END = "\x1b[?25h\x1b[?1049l"
HOME, REST_OF_LINE, REST_OF_SCREEN, PLAIN = "\x1b[H", "\x1b[K", "\x1b[J", "\x1b[0m"
BOLD, DIM, RED, GREEN, YELLOW, BLUE = (f"\x1b[{n}m" for n in (1, 2, 31, 32, 33, 34))


def clock(seconds):
    """As a watch shows it."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def colour(role, state):
    """Of a host that is so."""
    if state in ("off", "held", "fenced"):
        return RED
    if role == "primary":
        return GREEN if state == "protected" else YELLOW
    return BLUE if role == "standby" else DIM


def bars(story, now, width):
    """How many answers there were, a character for each moment, up to now."""
    counts = [0] * width
    for answer in list(story.answers):
        back = int((now - answer.when) / COLUMN)
        if 0 <= back < width:
            counts[width - 1 - back] += 1
    # At most as many as the client would ask.
    most = max([*counts, 1])
    since = story.connected
    return "".join(" " if since is None or now - (width - i - 1) * COLUMN < since
                   else BARS[max(1, round(n * 8 / most))] if n else "·"
                   for i, n in enumerate(counts))


def host_line(story, host):
    """Who that is, how far it has come, and how far its standby is behind."""
    _, role, state = story.lanes[host][-1]
    what = f"{role} {state}".strip()
    line = f" {BOLD}{host}{PLAIN}  {colour(role, state)}{what:22}{PLAIN}"
    view = story.views[host]
    if view:
        line += f" generation {view.generation}  epoch {view.committed:<6}"
    if view and view.role == "primary" and view.state == "protected":
        line += (f" lag {view.epoch - view.committed} epochs,"
                 f" {view.transfer_ns / 1e6:.0f} ms")
    elif view and view.role == "primary" and view.state == "syncing" and view.to_copy:
        line += f" copied {view.copied * 100 // view.to_copy} %"
    if runs(role, state):
        line += f"  {BOLD}◀ runs the guest{PLAIN}"
    return line


def client_lines(story, visitor, now):
    """The client and its answers."""
    if story.connected is None:
        return [f" {DIM}the client waits for the guest{PLAIN}", "", ""]
    judge, page = visitor.judge, visitor.page
    wrong = sum(judge.wrong.values())
    last = f"{now - story.answers[-1].when:.1f} s ago" if story.answers else "not yet"
    counts = "  ".join(f"{kind} {count}" for kind, count in judge.wrong.items())
    lines = [f" {BOLD}client{PLAIN} one TCP connection for {clock(now - story.connected)}: "
             f"asked {judge.asked}  right {judge.right}  "
             f"{RED if wrong else GREEN}{counts}{PLAIN}  the last {last}",
             f"        {GREEN}{bars(story, now, 60)}{PLAIN} answers in 30 s"]
    lines.append(f" {BOLD}page{PLAIN}   the counter is at {page.count}; the guest is up for "
                 f"{page.up:.0f} s, boot {page.boot[:8]}" if page.boot else "")
    return lines


def lines_of(story, visitor, now, hint):
    """The whole picture."""
    lines = [f" {BOLD}A guest that outlives its host{PLAIN}   {clock(now)}", ""]
    lines += [host_line(story, host) for host in story.hosts]
    lines += ["", *client_lines(story, visitor, now), ""]
    for step in list(story.steps)[-9:]:
        mark = f"{GREEN}✓" if step.end is not None else f"{YELLOW}▶"
        took = (now if step.end is None else step.end) - step.begin
        lines.append(f" {DIM}{clock(step.begin):>5}{PLAIN} {mark}{PLAIN} {step.text}"
                     f" {DIM}{took:.1f} s{PLAIN}")
    lines += ["", f" {DIM}{hint}{PLAIN}"]
    lines += [f" {RED}{text}{PLAIN}" for text in story.complaints[:2]]
    return lines


def cut(line, width):
    """As much of a line as there is room for; what is told to the terminal takes none."""
    shown, kept, escape = 0, [], False
    for c in line:
        if c == "\x1b":
            escape = True
        if not escape:
            shown += 1
            if shown > width:
                continue
        elif c.isalpha():
            escape = False
        kept.append(c)
    return "".join(kept)


class Picture:
    """Draws until it is ended; the terminal is then as it was before."""

    def __init__(self, story, visitor, hint):
        self.story = story
        self.visitor = visitor
        self.hint = hint
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._draw, daemon=True)

    def begin(self):
        """From here on nothing else may be printed."""
        self._put(BEGIN)
        self.thread.start()

    def end(self):
        """Gives the terminal back."""
        self.over.set()
        self.thread.join()
        self._put(END)

    def _draw(self):
        while not self.over.wait(1 / HZ):
            size = shutil.get_terminal_size()
            lines = lines_of(self.story, self.visitor, self.story.now(), self.hint)
            self._put(HOME + "\r\n".join(cut(line, size.columns) + REST_OF_LINE
                                         for line in lines[:size.lines]) + REST_OF_SCREEN)

    @staticmethod
    def _put(text):
        # One write, so that no half of a picture is shown.
        sys.stdout.buffer.write(text.encode("utf-8"))
        sys.stdout.buffer.flush()
