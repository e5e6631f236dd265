#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# needs: host timeout=120 either
#
# Documentation/netlink/specs/kvmft.yaml says the same as the header and as the
# module that is loaded; and it would be noticed if it didn't.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"

spec=$(dirname "$0")/../lib/netlink_spec.py

# compare NAME ARGS...: it must succeed and say nothing.
compare()
{
	name=$1
	shift
	check_eq "$name" "0 " "$(status python3 -B "$spec" "$@")"
}

compare "the header has the names and values of the spec" header
compare "another name or value in the spec is noticed" spoilt header
compare "the module accepts what the spec lets requests have" policies
compare "another type, bound or attribute in the spec is noticed" spoilt policies
compare "the module has the operations and groups of the spec" controller
compare "another operation or group in the spec is noticed" spoilt controller
done_testing
