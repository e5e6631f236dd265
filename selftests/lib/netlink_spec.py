#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0
"""Compare Documentation/netlink/specs/kvmft.yaml with what it describes.

    netlink_spec.py header|policies|controller
    netlink_spec.py spoilt header|policies|controller

`header` compares it with the constants and enums of uapi/linux/kvmft.h, `policies`
with what the running module says that it accepts, `controller` with the commands
and groups that the running module has.  Each difference is a line; no line is
agreement.  `spoilt` does the same with a spec that was changed in a few ways, one
after the other, and prints which of the changes were not noticed.
"""

import copy
import os
import re
import socket
import struct
import sys

import yaml

from genl import attr, attrs

_NETLINK_GENERIC = 16
_ERROR, _DONE = 2, 3
_REQUEST, _ACK, _DUMP = 1, 4, 0x300
_GENL_ID_CTRL, _GETFAMILY, _GETPOLICY = 16, 3, 10
# Of enum ctrl_attr and what is nested in it.
_FAMILY_NAME, _OPS, _GROUPS, _POLICY, _OP_POLICY = 2, 6, 7, 8, 9
_OP_ID, _OP_FLAGS, _GROUP_NAME = 1, 2, 1
_ADMIN_PERM, _CAP_DO, _CAP_DUMP, _HASPOL = 1, 2, 4, 8
# enum netlink_attribute_type and enum netlink_policy_type_attr.
_KINDS = {1: "flag", 2: "u8", 3: "u16", 4: "u32", 5: "u64", 6: "s8", 7: "s16", 8: "s32",
          9: "s64", 10: "binary", 11: "unterminated string", 12: "string", 13: "nest"}
_TYPE, _PAD = 1, 11
_BOUNDS = {4: "min", 5: "max", 6: "min-len", 7: "max-len", 12: "mask"}


def root():
    """The tree that this is about; a test runs from a copy elsewhere."""
    return os.environ.get("KVMFT_ROOT") or os.path.join(
        os.path.dirname(os.path.realpath(__file__)), "../..")


def load():
    """The spec, as YAML has it."""
    with open(os.path.join(root(), "Documentation/netlink/specs/kvmft.yaml"),
              encoding="utf-8") as f:
        return yaml.safe_load(f)


# --- What the spec means. The rules are those of tools/net/ynl of the kernel.

def _c_name(name):
    return name.upper().replace("-", "_")


def _numbered(items, start):
    """(item, its value) of each; who names a value is counted on from there."""
    value = start
    for item in items:
        item = {"name": item} if isinstance(item, str) else item
        value = item.get("value", value)
        yield item, value
        value += 1


def _with_ends(names, prefix, last):
    names[_c_name("__" + prefix + "max")] = last + 1
    names[_c_name(prefix + "max")] = last
    return names


def constants(spec):
    """{enum or "": {name: value}} as the C header must have them."""
    family = spec["name"]
    plain = {_c_name(spec["c-family-name"]): family,
             # The language has no place for another one.
             _c_name(spec["c-version-name"]): 1}
    for group in spec["mcast-groups"]["list"]:
        plain[_c_name(group["c-define-name"])] = group["name"]
    result = {"": plain}

    for entry in spec["definitions"]:
        name = entry["name"]
        if entry["type"] == "const":
            plain[_c_name(f"{family}-{name}")] = entry["value"]
            continue
        prefix = entry.get("name-prefix", f"{family}-{name}-")
        values = list(_numbered(entry["entries"], entry.get("value-start", 0)))
        flags = entry["type"] == "flags"
        names = {_c_name(prefix + item["name"]): 1 << value if flags else value
                 for item, value in values}
        if entry.get("render-max"):
            _with_ends(names, prefix, values[-1][1])
        result[_c_name(f"{family}-{name}").lower()] = names

    for entry in spec["attribute-sets"] + [spec["operations"]]:
        prefix = entry["name-prefix"]
        values = list(_numbered(entry.get("attributes") or entry["list"], 1))
        result[entry["enum-name"]] = _with_ends(
            {_c_name(prefix + item["name"]): value for item, value in values}, prefix,
            values[-1][1])
    return result


def operations(spec):
    """{number: operation} of all that are requests."""
    return {number: op for op, number in _numbered(spec["operations"]["list"], 1)
            if "do" in op or "dump" in op}


def _bounds(spec, attribute):
    kind = attribute["type"]
    checks = attribute.get("checks", {})
    if kind == "flag":
        return {}
    if kind == "string":
        return {"max-len": checks["max-len"]} if checks else {}
    if kind == "binary":
        exact = checks.get("exact-len")
        both = {"min-len": checks.get("min-len", exact), "max-len": checks.get("max-len", exact)}
        return {name: value for name, value in both.items() if value is not None}

    low, high = 0, (1 << int(kind[1:])) - 1
    for entry in spec["definitions"]:
        if entry["name"] != attribute.get("enum"):
            continue
        values = [value for _, value in _numbered(entry["entries"], entry.get("value-start", 0))]
        if entry["type"] == "flags":
            return {"mask": sum(1 << value for value in values)}
        # An enum without gaps is a check, too.
        low, high = values[0], values[-1]
    return {"min": checks.get("min", low), "max": checks.get("max", high)}


def accepted(spec, op):
    """{attribute's number: (type, bounds)} of what may be in a request."""
    attributes = next(s for s in spec["attribute-sets"] if s["name"] == op["attribute-set"])
    wanted = set()
    # Both ways of asking share one policy in the module.
    for way in ("do", "dump"):
        wanted.update(op.get(way, {}).get("request", {}).get("attributes", []))
    result = {number: (attribute["type"], _bounds(spec, attribute))
              for attribute, number in _numbered(attributes["attributes"], 1)
              if attribute["name"] in wanted}
    if len(result) != len(wanted):
        raise ValueError(f"{op['name']} takes attributes that its set doesn't have")
    return result


# --- What there is.

def header():
    """{enum or "": {name: value}} of uapi/linux/kvmft.h, but for the ioctls."""
    with open(os.path.join(root(), "uapi/linux/kvmft.h"), encoding="utf-8") as f:
        text = f.read()
    # From here on it is about /dev/kvmft.
    text, ioctls, _ = text.partition("#define KVMFT_IOC_MAGIC")
    if not ioctls:
        raise ValueError("the header has no ioctls; where does netlink end?")
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    plain = {name: int(value, 0) if value[0].isdigit() else value.strip('"')
             for name, value in re.findall(r'^#define (KVMFT_\w+)\s+("[^"]*"|\w+)$', text, re.M)}
    result = {"": plain}
    values = {}
    for enum, body in re.findall(r"^enum (\w+) \{(.*?)^\};", text, re.M | re.S):
        result[enum] = names = {}
        following = 0
        for entry in body.split(","):
            name, _, expression = (part.strip() for part in entry.partition("="))
            if not name:
                continue
            if expression:
                # Constant expressions in C, of numbers and names that came before.
                following = eval(expression, {}, values)    # pylint: disable=eval-used
            names[name] = values[name] = following
            following += 1
    return result


def _number(payload):
    return int.from_bytes(payload, sys.byteorder)


def _ask_controller(command, flags, family):
    """The attributes of all messages of an answer of the controller's."""
    body = struct.pack("=BBxx", command, 1) + attr(_FAMILY_NAME, family.encode() + b"\0")
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_GENERIC) as sock:
        sock.settimeout(30)
        sock.bind((0, 0))
        sock.send(struct.pack("=IHHII", 16 + len(body), _GENL_ID_CTRL, _REQUEST | flags,
                              1, 0) + body)
        while True:
            data = sock.recv(65536)
            while data:
                length, kind = struct.unpack("=IH", data[:6])
                if kind in (_ERROR, _DONE):
                    code = struct.unpack("=i", data[16:20])[0]
                    if code:
                        raise OSError(-code, os.strerror(-code))
                    return
                yield from attrs(data[20:length])
                data = data[(length + 3) & ~3:]


def policies(family):
    """{command: {attribute's number: (type, bounds)}}. What is rejected whatever it
    holds isn't in the kernel's answer."""
    tables, chosen = {}, {}
    for number, payload in _ask_controller(_GETPOLICY, _DUMP, family):
        if number == _OP_POLICY:
            for command, ways in attrs(payload):
                chosen[command] = {_number(index) for _, index in attrs(ways)}
        elif number == _POLICY:
            for index, attributes in attrs(payload):
                for attribute, fields in attrs(attributes):
                    fields = {field: _number(value) for field, value in attrs(fields)
                              if field != _PAD}
                    kind = _KINDS.get(fields.pop(_TYPE), "unknown")
                    bounds = {_BOUNDS.get(field, f"field {field}"): value
                              for field, value in fields.items()}
                    tables.setdefault(index, {})[attribute] = kind, bounds
    return {command: {attribute: rule for index in sorted(indices)
                      for attribute, rule in tables.get(index, {}).items()}
            for command, indices in chosen.items()}


def abilities(family):
    """({command: flags}, names of the groups) as the controller tells them."""
    commands, groups = {}, []
    for number, payload in _ask_controller(_GETFAMILY, _ACK, family):
        for _, entry in attrs(payload) if number in (_OPS, _GROUPS) else ():
            fields = dict(attrs(entry))
            if number == _OPS:
                commands[_number(fields[_OP_ID])] = _number(fields[_OP_FLAGS])
            else:
                groups.append(fields[_GROUP_NAME].rstrip(b"\0").decode())
    return commands, groups


# --- Differences.

def _differences(what, spec, there):
    """One line for each key of two dictionaries that isn't the same in both."""
    for key in sorted(set(spec) | set(there), key=str):
        if key not in there:
            yield f"{what} {key}: only the spec has it"
        elif key not in spec:
            yield f"{what} {key}: the spec lacks it"
        elif spec[key] != there[key]:
            yield f"{what} {key}: {spec[key]} in the spec, {there[key]} there"


def compare_header(spec):
    """Constants and enums."""
    mine, theirs = constants(spec), header()
    yield from _differences("enum", dict.fromkeys(mine), dict.fromkeys(theirs))
    for enum in sorted(set(mine) & set(theirs)):
        yield from _differences(f"{enum or '#define'}:", mine[enum], theirs[enum])


def compare_policies(spec):
    """What requests may hold."""
    there = policies(spec["name"])
    ops = operations(spec)
    yield from _differences("policy of command", dict.fromkeys(ops), dict.fromkeys(there))
    for number, op in ops.items():
        yield from _differences(f"{op['name']}: attribute", accepted(spec, op),
                                there.get(number, {}))


def compare_controller(spec):
    """Commands with their flags, and groups."""
    commands, groups = abilities(spec["name"])
    wanted = {}
    for number, op in operations(spec).items():
        wanted[number] = (_HASPOL | ("do" in op and _CAP_DO) | ("dump" in op and _CAP_DUMP) |
                          ("admin-perm" in op.get("flags", []) and _ADMIN_PERM))
    yield from _differences("flags of command", wanted, commands)
    names = [group["name"] for group in spec["mcast-groups"]["list"]]
    yield from _differences("group", dict.fromkeys(names), dict.fromkeys(groups))


COMPARISONS = {"header": compare_header, "policies": compare_policies,
               "controller": compare_controller}


# --- Is it noticed when something is wrong?

def _named(items, name):
    return next(item for item in items if item["name"] == name)


def _attribute(spec, of, name):
    return _named(_named(spec["attribute-sets"], of)["attributes"], name)


def _op(spec, name):
    return _named(spec["operations"]["list"], name)


def _forget_reason(spec):
    _named(spec["definitions"], "reason")["entries"].pop()


def _rename_flag(spec):
    _named(spec["definitions"], "selftest-flags")["entries"][3]["name"] = "noughts"


def _swap_attributes(spec):
    attributes = _named(spec["attribute-sets"], "pair")["attributes"]
    attributes[4], attributes[5] = attributes[5], attributes[4]


def _change_constant(spec):
    _named(spec["definitions"], "timeout-default")["value"] += 1


def _invent_enum(spec):
    spec["definitions"].append({"type": "enum", "name": "mood", "entries": ["good"]})


def _other_bound(spec):
    _attribute(spec, "pair", "heartbeat")["checks"]["min"] = 9


def _other_length(spec):
    _attribute(spec, "pair", "key")["checks"]["exact-len"] = 33


def _no_bound(spec):
    del _attribute(spec, "selftest", "pages")["checks"]


def _other_type(spec):
    _attribute(spec, "selftest", "first")["type"] = "u32"


def _one_flag_less(spec):
    _named(spec["definitions"], "selftest-flags")["entries"].pop()


def _take_more(spec):
    _op(spec, "pair-del")["do"]["request"]["attributes"].append("state")


def _take_less(spec):
    _op(spec, "pair-add")["do"]["request"]["attributes"].remove("scope")


def _dump_what_cannot(spec):
    _op(spec, "pair-del")["dump"] = {}


def _want_privilege(spec):
    _op(spec, "pair-add")["flags"] = ["admin-perm"]


def _event_as_request(spec):
    _op(spec, "pair-event")["do"] = {}


def _other_group(spec):
    spec["mcast-groups"]["list"][0]["name"] = "incidents"


CHANGES = {
    "header": (_forget_reason, _rename_flag, _swap_attributes, _change_constant,
               _invent_enum, _other_group),
    "policies": (_other_bound, _other_length, _no_bound, _other_type, _one_flag_less,
                 _take_more, _take_less, _event_as_request),
    "controller": (_dump_what_cannot, _want_privilege, _event_as_request, _other_group),
}


def unnoticed(what, spec):
    """Names of the changes to the spec that a comparison had nothing to say about."""
    for change in CHANGES[what]:
        spoilt = copy.deepcopy(spec)
        change(spoilt)
        if not any(COMPARISONS[what](spoilt)):
            yield f"{change.__name__} isn't noticed"


def main(args):
    """What the command line asks for."""
    spoilt = args[:1] == ["spoilt"]
    what = args[1 if spoilt else 0:]
    if len(what) != 1 or what[0] not in COMPARISONS:
        sys.exit(__doc__)
    spec = load()
    for line in unnoticed(what[0], spec) if spoilt else COMPARISONS[what[0]](spec):
        print(line)


if __name__ == "__main__":
    main(sys.argv[1:])
