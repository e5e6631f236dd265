# SPDX-License-Identifier: GPL-2.0
"""The verdict: what the demo has shown, in a few lines, and whether it may be believed."""

from picture import clock


def quiet_line(story, marks):
    """How long no answer came, at each event and otherwise."""
    parts, rest = [], []
    begin = story.connected or 0.0
    for name, (since, until) in sorted(marks.items(), key=lambda mark: mark[1]):
        gap = story.quiet(since, until)
        if gap:
            parts.append(f"{gap[1] - gap[0]:.1f} s {name}")
            rest.append((begin, gap[0]))
            begin = gap[1]
    rest.append((begin, story.now()))
    # Between the events: gaps that lie in there as a whole.
    others = [b - a for a, b in story.gaps(0) if any(s <= a and b <= e for s, e in rest)]
    if others:
        parts.append(f"{'else ' if parts else ''}at most {max(others):.1f} s (an answer takes "
                     f"{story.usual() * 1e3:.0f} ms)")
    return ", ".join(parts) or "none was asked for"


def answers_line(judge):
    """All that the client was told."""
    counts = ", ".join(f"{count} {kind}" for kind, count in judge.wrong.items())
    unanswered = f", {judge.unanswered} not answered" if judge.unanswered else ""
    return f"{judge.asked} asked, {judge.right} right, {counts}{unanswered}"


def generations_line(story):
    """Who ran the guest, and since when."""
    return ", ".join(f"{g.number} on {g.host} from {clock(g.when)}"
                     for g in story.generations) or "none: it was never protected"


def facts(story, visitor, marks, times, switch):
    """(what, words) of each line of the summary. `times` are how long things took."""
    page = visitor.page
    return [("without answers", quiet_line(story, marks)),
            ("answers", answers_line(visitor.judge)),
            ("page", f"fetched {page.fetched} times, its counter is at {page.count}, "
                     f"one boot of the guest"),
            ("generations", generations_line(story)),
            *times.items(),
            ("planned switch", switch)]


def sound(story, judge):
    """Was each question answered, once and in order, and was nothing else amiss?"""
    return not (story.complaints or judge.unanswered or any(judge.wrong.values())
                or judge.right != judge.asked or not judge.asked)
