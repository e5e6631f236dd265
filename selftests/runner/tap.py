# SPDX-License-Identifier: GPL-2.0
"""Reads what kselftest's runner.sh prints: one outer test, the points inside it.

    TAP version 13
    1..1
    # selftests: kvmft: version
    # TAP version 13              what the test itself printed comes behind "# "
    # 1..2
    # ok 1 global.module
    # not ok 2 global.protocol
    # # wanted: 1               what a failed point has to say follows it
    not ok 1 selftests: kvmft: version # exit=1
"""

import re

POINT = re.compile(r"^(not )?ok\b\s*(\d*)\s*-?\s*([^#]*?)\s*(?:#\s*(.*))?$")
PLAN = re.compile(r"^1\.\.(\d+)(?:\s*#\s*SKIP\b\s*(.*))?$", re.I)
SKIP = re.compile(r"SKIP\b[:\s]*(.*)", re.I)
# So much of what a failed point says is repeated at the end of a run.
SAID_MAX = 20


class Point:
    """One counted result: `name`, `status` (pass, fail, skip), `reason`; and the first lines
    of what a failed one `said`."""

    def __init__(self, name, status, reason=""):
        self.name = name
        self.status = status
        self.reason = reason
        self.said = []


def _point(match, fallback):
    failed, _, name, directive = match.groups()
    skip = SKIP.match(directive or "")
    if failed:
        return Point(name or fallback, "fail", directive or "")
    if skip:
        return Point(name or fallback, "skip", skip.group(1))
    return Point(name or fallback, "pass")


def parse(text, test):
    """The points of one test's output; never none, and never fewer failures
    than the output tells of."""
    points, outer, plan = [], None, None
    for line in text.splitlines():
        nested = line.startswith("# ")
        body = line[2:] if nested else line
        if nested and (match := PLAN.match(body)):
            plan = int(match.group(1))
            if match.group(2) is not None:
                points.append(Point(test, "skip", match.group(2)))
                plan = len(points)
        elif match := POINT.match(body):
            if nested:
                points.append(_point(match, f"{test}.{len(points) + 1}"))
            else:
                outer = _point(match, test)
        elif nested and body.startswith("# ") and points and points[-1].status == "fail" and \
                len(points[-1].said) < SAID_MAX:
            points[-1].said.append(body[2:])
    given = len(points)
    if outer is None:
        points.append(Point(test, "fail", "ended without a result"))
    elif not points:
        points.append(Point(test, outer.status, outer.reason))
    elif outer.status == "fail" and not any(p.status == "fail" for p in points):
        points.append(Point(test, "fail", outer.reason))
    if outer and plan != given:
        said = "no plan" if plan is None else f"a plan of {plan}"
        points.append(Point(test, "fail", f"{said}, but {given} results"))
    return points
