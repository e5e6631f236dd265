#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0
"""Judge metrics in Prometheus's text format, from the standard input.

    metrics.py check                   each thing that is wrong is a line
    metrics.py spoilt                  the same with the input changed in a few ways, one
                                       after the other; those that weren't noticed
    metrics.py value NAME [LABEL=VALUE]...
                                       of the one sample that has these labels

The format is that of https://prometheus.io/docs/instrumenting/exposition_formats/, and
all that promtool and the textfile collector demand, as far as it can be seen here.
"""

import math
import re
import sys

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"'
_HELP = re.compile(rf"# HELP ({_NAME}) ((?:[^\\\n]|\\[\\n])+)")
_TYPE = re.compile(rf"# TYPE ({_NAME}) (counter|gauge|histogram)")
_SAMPLE = re.compile(rf"({_NAME})(?:\{{((?:{_LABEL},)*{_LABEL})\}})? (\S+)")
_VALUE = re.compile(r"\+Inf|[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


class Wrong(Exception):
    """A line that isn't of the format."""


def parse(text):
    """({family: type}, [(family, suffix, labels, value)], [what is wrong])."""
    types, helps, samples, wrong = {}, {}, [], []
    if text and not text.endswith("\n"):
        wrong.append("the last line has no end")
    closed, family = set(), None
    for number, line in enumerate(text.splitlines(), 1):
        try:
            family = _take(line, family, closed, types, helps, samples)
        except Wrong as e:
            wrong.append(f"line {number}: {e}: {line}")
    return types, samples, wrong


def _take(line, family, closed, types, helps, samples):
    """One line; the family that the next one belongs to."""
    match = _HELP.fullmatch(line) or _TYPE.fullmatch(line)
    if match:
        known = types if line.startswith("# TYPE") else helps
        name, text = match.groups()
        if name in known:
            raise Wrong("it is there twice")
        if name != family:
            closed.add(family)
        known[name] = text
        return name
    match = _SAMPLE.fullmatch(line)
    if not match:
        raise Wrong("it is no comment and no sample")
    name, value = match.group(1), match.groups()[-1]
    if not _VALUE.fullmatch(value):
        raise Wrong("its value is no number, or a negative one")
    if family is None or not name.startswith(family):
        raise Wrong("it isn't of the family before")
    suffix = name[len(family):]
    if family not in types or family not in helps:
        raise Wrong("nothing says what it is")
    histogram = types[family] == "histogram"
    if suffix not in (("_bucket", "_sum", "_count") if histogram else ("",)):
        raise Wrong("it has another name than its family")
    if family in closed:
        raise Wrong("it isn't with the others of its family")
    pairs = re.findall(_LABEL, match.group(2) or "")
    if len(dict(pairs)) != len(pairs):
        raise Wrong("a label is there twice")
    samples.append((family, suffix, dict(pairs), float(value.replace("+Inf", "inf"))))
    return family


def check(text):
    """All that is wrong."""
    types, samples, wrong = parse(text)
    yield from wrong
    seen, buckets, rest = set(), {}, {}
    for family, suffix, labels, value in samples:
        key = (family, suffix, tuple(sorted(labels.items())))
        if key in seen:
            yield f"{family}{suffix} {labels}: it is there twice"
        seen.add(key)
        if types[family] == "counter" and not family.endswith("_total"):
            yield f"{family}: a counter is called _total"
        if types[family] != "counter" and family.endswith("_total"):
            yield f"{family}: what is called _total is a counter"
        if types[family] == "histogram":
            bound = labels.pop("le", None)
            key = (family, tuple(sorted(labels.items())))
            if (bound is None) == (suffix == "_bucket"):
                yield f"{family}{suffix}: buckets have a bound, and nothing else has"
            elif suffix == "_bucket":
                buckets.setdefault(key, []).append((float(bound.replace("+Inf", "inf")), value))
            else:
                rest.setdefault(key, {})[suffix] = value
        elif family.endswith("_state") and value not in (0, 1):
            yield f"{family}: {value} is neither 0 nor 1"
    for key in sorted(set(buckets) | set(rest), key=str):
        yield from _check_histogram(key, buckets.get(key, []), rest.get(key, {}))
    yield from _check_states(samples)


def _check_histogram(key, buckets, rest):
    bounds = [bound for bound, _ in buckets]
    counts = [count for _, count in buckets]
    if set(rest) != {"_sum", "_count"}:
        yield f"{key}: it lacks its sum or its count"
        return
    if bounds != sorted(set(bounds)) or not bounds or bounds[-1] != math.inf:
        yield f"{key}: its bounds don't rise to +Inf"
    elif counts != sorted(counts):
        yield f"{key}: its buckets aren't cumulative"
    elif counts[-1] != rest["_count"]:
        yield f"{key}: the last bucket isn't the count"
    elif bool(rest["_sum"]) != bool(rest["_count"]):
        yield f"{key}: its sum and its count don't go together"


def _check_states(samples):
    states = {}
    for family, _, labels, value in samples:
        if family.endswith("_state"):
            labels = {name: text for name, text in labels.items() if name != "state"}
            states.setdefault((family, tuple(sorted(labels.items()))), []).append(value)
    for key, values in states.items():
        if sum(values) != 1:
            yield f"{key}: it is in {sum(values):g} states"


# --- Is it noticed when something is wrong?

def _spoil(pattern, by):
    return lambda text: re.sub(pattern, by, text, count=1, flags=re.M)


CHANGES = {
    "no end of the last line": lambda text: text[:-1],
    "a sample that has no value": _spoil(r"^(kvmft_vm_state\{.*\}) 1$", r"\1"),
    "a value that is no number": _spoil(r"^(kvmft_vm_state\{.*\}) 1$", r"\1 one"),
    "a quotation mark that isn't escaped": _spoil(r'guest="', r'guest=""'),
    "a family without a type": _spoil(r"^# TYPE kvmft_vm_state .*\n", ""),
    "a family without a text": _spoil(r"^# HELP kvmft_vm_epoch .*\n", ""),
    "a family in two parts": lambda text: text + re.search(
        r"^kvmft_vm_state\{.*\n", text, re.M)[0],
    "two states": _spoil(r'^(kvmft_vm_state\{.*\}) 0$', r"\1 1"),
    "no state": _spoil(r'^(kvmft_vm_state\{.*\}) 1$', r"\1 0"),
    "a sample twice": _spoil(r"^(kvmft_vm_state\{.*\n)", r"\1\1"),
    "a counter by another name": lambda text: text.replace("kicks_total", "kicks"),
    "no sum": _spoil(r"^kvmft_vm_parked_seconds_sum.*\n", ""),
    "no count": _spoil(r"^kvmft_vm_parked_seconds_count.*\n", ""),
    "another count": _spoil(r"^(kvmft_vm_parked_seconds_count\{.*\}) .*$", r"\1 987654321"),
    "no last bucket": _spoil(r'^kvmft_vm_parked_seconds_bucket\{.*le="\+Inf".*\n', ""),
    "buckets that fall": _spoil(r"^(kvmft_vm_parked_seconds_bucket\{.*\}) .*$",
                                r"\1 987654321"),
    "bounds that fall": _spoil(r'^(kvmft_vm_parked_seconds_bucket\{.*)le="[^"]*"',
                               r'\1le="77"'),
}


def unnoticed(text):
    """Names of the changes that check() had nothing to say about."""
    for name, change in CHANGES.items():
        changed = change(text)
        if changed == text:
            yield f"there is nothing to change for: {name}"
        elif not any(check(changed)):
            yield f"it isn't noticed: {name}"


def value_of(text, name, wanted):
    """The value of the one sample that is called so and has these labels."""
    found = [value for family, suffix, labels, value in parse(text)[1]
             if family + suffix == name and wanted.items() <= labels.items()]
    if len(found) != 1:
        sys.exit(f"{len(found)} samples are {name} with {wanted}")
    return found[0]


def main(args):
    """What the command line asks for."""
    text = sys.stdin.read()
    if args == ["check"]:
        print(*check(text), sep="\n", end="")
    elif args == ["spoilt"]:
        print(*unnoticed(text), sep="\n", end="")
    elif len(args) > 1 and args[0] == "value":
        print(f"{value_of(text, args[1], dict(a.split('=', 1) for a in args[2:])):.15g}")
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
