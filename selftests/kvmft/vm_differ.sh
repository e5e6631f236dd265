#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=2 timeout=300 either
#
# A standby that isn't like the primary is refused, with what differs in both hosts'
# words; the guest runs on, and is protected by a standby that is like it.
# shellcheck disable=SC2317 # some functions are called through others
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/pairlab.sh
. "$(dirname "$0")/../lib/pairlab.sh"
# shellcheck source=../lib/vmslab.sh
. "$(dirname "$0")/../lib/vmslab.sh"

common="--guest idle --seed 7 --vcpus 2 --memory 32M"

# NAME / OPTIONS of the standby / what the primary says / what the standby says
rows=$(
	cat <<-'END'
		memory / --memory 48M / 0x2000000 bytes at 0x0 .* here, 0x3000000 at 0x0 .* there / 0x3000000 bytes at 0x0 .* here, 0x2000000 at 0x0 .* there
		alias / --alias / memory has 1 ranges here and 2 there / memory has 2 ranges here and 1 there
		rom / --readonly-slot / memory has 1 ranges here and 2 there / memory has 2 ranges here and 1 there
		vcpus / --vcpus 3 / 2 vcpus are here and 3 there / 3 vcpus are here and 2 there
		log / --dirty log / rings have 65536 bytes here and 0 there / rings have 0 bytes here and 65536 there
		ring / --ring 2048 / rings have 65536 bytes here and 32768 there / rings have 32768 bytes here and 65536 there
		cpuid / --odd cpuid / CPUID 0x7.0 of vcpu 0 has EBX 0x.* here and 0x.* there / CPUID 0x7.0 of vcpu 0 has EBX 0x.* here and 0x.* there
		leaf / --odd leaf / CPUID 0x8.* of vcpu 0 is listed only here / CPUID 0x8.* of vcpu 0 is listed only there
		msr / --odd msr / [0-9]+ MSRs are here and [0-9]+ there / [0-9]+ MSRs are here and [0-9]+ there
		tsc / --odd tsc / its TSC runs at .* kHz here and at .* kHz there / its TSC runs at .* kHz here and at .* kHz there
		pit / --odd pit / KVM's PIT is used here and not used there / KVM's PIT is not used here and used there
		quirks / --odd quirks / disabled quirks are 0x[0-9a-f]* here and 0x[0-9a-f]* there / disabled quirks are 0x[0-9a-f]* here and 0x[0-9a-f]* there
		switch / --odd switch / KVM_CAP_EXCEPTION_PAYLOAD is off here and on there / KVM_CAP_EXCEPTION_PAYLOAD is on here and off there
	END
)

load_module h1
load_module h2
make_key
check "the pair is up" pair_hosts timeout 5s

names=$(cut -d' ' -f1 <<<"$rows")
# lines [FIELD]: "NAME OPTIONS" of all VMMs, with those that differ.
lines()
{
	awk -F ' / ' -v common="$common" -v field="$1" \
		'{ print $1, common, field ? "--standby " $field : "" }' <<<"$rows"
}

check "guests run" vmms h1 < <(lines)
check "there are standbys that differ" vmms h2 < <(lines 2)
attach_all h2 standby <<<"$names"
attach_all h1 primary <<<"$names"

# Those that aren't decided yet.
undecided()
{
	told h1 | awk '$2 != "unprotected" { print $1 }'
}
none_undecided()
{
	[[ -z $(undecided) ]]
}
check "all of them are refused" wait_until 20 none_undecided
[[ -z $(undecided) ]] || { told h1; told h2; on h2 sh -c 'grep . /tmp/vms/*/attach'; } | sed 's/^/# /'

told h1 >"$scratch/told1"
told h2 >"$scratch/told2"
made=$(on h1 sh -c 'wc -l /tmp/vms/*/out')

matches()
{
	grep -E -- "$1" <<<"$2" || { echo "$2"; return 1; }
}

while read -r line; do
	IFS=$'\t' read -r name _ here there <<<"${line// \/ /$'\t'}"
	check "$name: the primary says so" matches "^unprotected (config|layout) .*$here" \
		"$(of "$name" <"$scratch/told1")"
	check "$name: the standby says so" matches "^waiting-peer (config|layout) .*$there" \
		"$(of "$name" <"$scratch/told2")"
done <<<"$rows"

# --- The guests themselves don't mind

more_made()
{
	local name now
	now=$(on h1 sh -c 'wc -l /tmp/vms/*/out')
	for name in $names; do
		(( $(sed -n "s, */tmp/vms/$name/out,,p" <<<"$now") >
		   $(sed -n "s, */tmp/vms/$name/out,,p" <<<"$made") )) || return
	done
}
check "all of them run on" wait_until 30 more_made

# --- An irqchip that isn't KVM's is refused on its own host

vmms h2 <<<"irqchip $common --standby --odd irqchip"
attach_all h2 standby <<<irqchip
check_has "irqchip: the standby isn't attached" "$(on h2 cat /tmp/vms/irqchip/attach)" \
	"its irqchip isn't KVM's"

# --- A standby that is like it

on h1 ftctl detach tsc
on h2 ftctl detach tsc
vmms h2 <<<"right $common --standby"
# shellcheck disable=SC2016
on h2 sh -c 'ftctl attach right pair alpha pid "$(cat /tmp/vms/right/pid)" role standby promote manual'
# shellcheck disable=SC2016
on h1 sh -c 'ftctl attach right pair alpha pid "$(cat /tmp/vms/tsc/pid)"'
right_protected()
{
	[[ $(told h1 | of right) == protected* && $(told h2 | of right) == protected* ]]
}
check "with the right standby, one is protected after all" wait_until 30 right_protected

check "all is let go there" detach_all h1 < <(echo right; echo "$names")
check "and there" detach_all h2 < <(echo right; echo irqchip; echo "$names")
check "nothing is left of them" on h1 sh -c '! ls -d /sys/class/kvmft/vm-* 2>/dev/null'
done_testing
