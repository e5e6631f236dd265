#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0
"""Compare the transitions of kmod/role.c with those of Documentation/model/failover.pml.

    role_tables.py compare CODE MODEL     each difference is a line; no line is agreement
    role_tables.py unreached MODEL DIR    transitions that a search of spin's never made

A transition is a role, two states and a name. The model has each of them once, as T(name, ROLE,
FROM, TO), and no other way from a state to another one. DIR is where "spin -a" and pan ran, with
what pan said in a file "said".
"""

import glob
import os
import re
import sys

_ROW = re.compile(r"\{ (PRIMARY|STANDBY), KVMFT_VM_(\w+), KVMFT_VM_(\w+), \"(\w+)\" \},")
_STEP = re.compile(r"^\s*:: T\((\w+), (\w+), (\w+), (\w+)\)$")
# What pan calls the last statement of T().
_LAST = "refused[1] = 0"


def _lines(path):
    with open(path, encoding="utf-8") as file:
        return file.read().split("\n")


def code_table(path):
    """The rows of the table in role.c, as (role, from, to, name)."""
    text = "\n".join(_lines(path))
    begin = text.index("transitions[] = {")
    table = text[begin:text.index("\n};", begin)]
    rows = _ROW.findall(table)
    if not rows or len(rows) != table.count('"') // 2:
        sys.exit(f"{path}: this isn't the table as it was")
    return rows


def model_table(path):
    """Line and row of each transition in the model."""
    rows = []
    for number, line in enumerate(_lines(path), 1):
        step = _STEP.match(line)
        if step:
            name, role, before, after = step.groups()
            rows.append((number, (role, before, after, name)))
        elif re.search(r"\bT\(", line) and not line.startswith("#define T("):
            sys.exit(f"{path}:{number}: not in the form of a transition: {line.strip()}")
    return rows


def _other_ways(path):
    """Places that change a state all the same, also in what it includes; one that comes or goes
    has no state before."""
    inside, before = False, ""
    texts = [path] + sorted(set(glob.glob(os.path.join(os.path.dirname(path), "*.pml"))) - {path})
    for number, line in ((n, s) for text in texts for n, s in enumerate(_lines(text), 1)):
        inside = line.startswith("#define T(") or (inside and before.endswith("\\"))
        before = line
        if re.search(r"\bstate\[\w+\] = ", line) and not inside and \
                not re.search(r"\brole\[\w+\] = ", line) and not line.startswith("mtype"):
            yield f"line {number} changes a state by itself: {line.strip()}"


def compare(code, model):
    """What is different, a text each."""
    rows = code_table(code)
    steps = [row for _, row in model_table(model)]
    for row in sorted(set(rows + steps)):
        text = "{} {} -> {} ({})".format(*row)
        if row not in steps:
            yield f"only in the code: {text}"
        elif row not in rows:
            yield f"only in the model: {text}"
        for where, table in (("code", rows), ("model", steps)):
            if table.count(row) > 1:
                yield f"{table.count(row)} times in the {where}: {text}"
    yield from _other_ways(model)


def unreached(model, folder):
    """Transitions that nobody came to, at none of the places where T() was put by inlines."""
    name = os.path.basename(model)
    places, missed = {}, {}
    for line in _lines(os.path.join(folder, "pan.m")):
        found = re.search(rf"STATE \d+ - {re.escape(name)}:(\d+) - \[\(+role\[", line)
        if found:
            places[int(found[1])] = places.get(int(found[1]), 0) + 1
    said = _lines(os.path.join(folder, "said"))
    if not any(line.startswith("unreached in ") for line in said):
        sys.exit("pan didn't say what it hasn't reached")
    for line in said:
        found = re.search(rf'{re.escape(name)}:(\d+), state \d+, "(.*)"', line)
        if found and found[2] == _LAST:
            missed[int(found[1])] = missed.get(int(found[1]), 0) + 1
    for number, row in model_table(model):
        if places.get(number, 0) <= missed.get(number, 0):
            yield "{} {} -> {} ({})".format(*row)


def main(args):
    """Print what there is to say; the status is 1 if that is anything."""
    todo = {"compare": compare, "unreached": unreached}.get(args[1] if len(args) == 4 else "")
    if not todo:
        sys.exit(__doc__)
    found = list(todo(*args[2:]))
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
