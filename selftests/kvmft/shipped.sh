#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# needs: host either
#
# What is shipped has no fault points, in no form; a test build, judged by the
# same checks, has them in each.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"

ours='^(__pfx_)?(kvmft_fault|kvmft_hold|faults?_)'

in_kernel()
{
	awk -v ours="$ours" '$4 == "[kvmft]" && $3 ~ ours { print $3 }' /proc/kallsyms
}

in_file()
{
	nm --defined-only "$1" | awk -v ours="$ours" '$3 ~ ours { print $3 }'
}

parameters()
{
	find /sys/module/kvmft -path '*/parameters/*'
}

# What could make the checks below find nothing: that nothing is there to see.
check_has "the kernel tells of the module's symbols" "$(grep -F '[kvmft]' /proc/kallsyms)" \
	" hook_open"
check_has "so does the file" "$(nm --defined-only "$KVMFT_KO_SHIPPED")" " hook_open"

check_eq "shipped: no parameter for them" "/sys/module/kvmft/parameters/selftest" "$(parameters)"
check_hasnt "shipped: no parameter for them, says modinfo" "$(modinfo -p "$KVMFT_KO_SHIPPED")" "faults"
check_eq "shipped: no symbol of a fault point in the kernel" "" "$(in_kernel)"
check_eq "shipped: no symbol of a fault point in the file" "" "$(in_file "$KVMFT_KO_SHIPPED")"
check_has "shipped: it takes no order when it is loaded" \
	"$(rmmod kvmft; insmod "$KVMFT_KO_SHIPPED" faults=off; cat /proc/modules)" "kvmft "
check "shipped: the kernel says that there is no such parameter" \
	sh -c "dmesg | tail -n 5 | grep -F \"kvmft: unknown parameter 'faults' ignored\""

rmmod kvmft
insmod "$KVMFT_KO_FAULTS"
check_has "test build: the parameter" "$(parameters)" /sys/module/kvmft/parameters/faults
check_has "test build: the parameter, says modinfo" "$(modinfo -p "$KVMFT_KO_FAULTS")" "faults:"
for symbol in kvmft_fault kvmft_hold faults_set; do
	check_has "test build: $symbol is in the kernel" "$(in_kernel)" $symbol
	check_has "test build: $symbol is in the file" "$(in_file "$KVMFT_KO_FAULTS")" $symbol
done

done_testing
