#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# needs: host module=none timeout=120 either
#
# The module comes and goes: whole or not at all, as often as one likes, and
# nothing of it stays. What it shows in sysfs is documented.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/module.sh
. "$(dirname "$0")/../lib/module.sh"

ABI=$KVMFT_ROOT/Documentation/ABI/testing
KMEMLEAK=/sys/kernel/debug/kmemleak
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"; modprobe kvm_amd' EXIT

# our_files SYS: our class's files and our parameters below SYS, with the names
# they have below /sys. What each device has (power/, uevent, dev) isn't ours.
our_files()
{
	{
		find "$1/class/kvmft" -maxdepth 1 -type f
		for device in "$1"/class/kvmft/*/; do
			[ ! -d "$device" ] || find "${device%/}/" -type f \
				! -path '*/power/*' ! -name uevent ! -name dev
		done
		[ ! -d "$1/module/kvmft/parameters" ] || find "$1/module/kvmft/parameters" -type f
	} | sed "s,^$1/,/sys/,; s,//,/,g"
}

# undocumented SYS ABI: those of them that no "What:" of a file in ABI names,
# where <anything> stands for a part of a name.
undocumented()
{
	what=$(sed -nE 's,^(What:)?[[:space:]]+(/sys/[^[:space:]]+)$,\2,p' "$2"/*) \
		our_files_of "$1"
}

our_files_of()
{
	export what
	our_files "$1" | awk '
		BEGIN {
			n = split(ENVIRON["what"], pattern, "\n")
			for (i = 1; i <= n; i++) {
				gsub(/[.+]/, "[&]", pattern[i])
				gsub(/<[^>]*>/, "[^/]+", pattern[i])
			}
		}
		{
			for (i = 1; i <= n; i++)
				if ($0 ~ "^" pattern[i] "$")
					next
			print
		}'
}

# rounds N: 0 if it came and went so often, and worked each time. Called by name.
# shellcheck disable=SC2317
rounds()
{
	left=$1
	while [ "$left" -gt 0 ]; do
		insmod "$KVMFT_KO_SHIPPED" || return 1
		ftctl version >"$scratch/version" || return 1
		true </dev/kvmft || return 1
		rmmod kvmft || return 1
		left=$((left - 1))
	done
}

# leaks: the addresses of what kmemleak finds. It looks only at what is older
# than 5 seconds, and believes only what it finds twice.
leaks()
{
	echo scan >$KMEMLEAK
	sleep 6
	echo scan >$KMEMLEAK
	sed -n 's/^unreferenced object \([^ ]*\).*/\1/p' $KMEMLEAK | sort
}

# --- Coming and going

module_mark
check_eq "before it is loaded nothing of it is there" "" "$(module_traces)"
check "it loads" insmod "$KVMFT_KO_SHIPPED"
check_eq "loaded, it shows everywhere" "$module_whole" "$(module_traces)"
check_eq "sysfs has the version of the file" "$(modinfo -F version "$KVMFT_KO_SHIPPED")" \
	"$(cat /sys/module/kvmft/version)"
check_has "it can't be loaded twice" "$(status insmod "$KVMFT_KO_SHIPPED")" "File exists"
check_has "nor can the other build of it" "$(status insmod "$KVMFT_KO_FAULTS")" "File exists"
check_eq "after that it is still there" "$module_whole" "$(module_traces)"

exec 3</dev/kvmft
check_has "while the device is open it can't be unloaded" "$(status rmmod kvmft)" \
	"1 rmmod: ERROR: Module kvmft is in use"
check_eq "after that it is still there, too" "$module_whole" "$(module_traces)"
exec 3<&-
check "once it is closed it can" rmmod kvmft
check_eq "unloaded, nothing of it is left" "" "$(module_traces)"
check_eq "the kernel has nothing to say about all this" "" "$(module_complaints)"

# --- KVM

# The lab keeps a VM open, and with it KVM.
pkill -x hold-vm
while pgrep -x hold-vm >/dev/null; do sleep 0.05; done
insmod "$KVMFT_KO_SHIPPED"
check "it doesn't need a particular processor's KVM" rmmod kvm_amd
check_has "but KVM itself can't be unloaded under it" "$(status rmmod kvm)" \
	"1 rmmod: ERROR: Module kvm is in use by: kvmft"
rmmod kvmft
check "without it KVM can be unloaded" rmmod kvm
module_mark
check_has "without KVM it doesn't load" "$(status insmod "$KVMFT_KO_SHIPPED")" \
	"Unknown symbol in module"
check_eq "and leaves nothing" "" "$(module_traces)"
check_eq "the kernel names the symbol, and nothing else" "" \
	"$(module_complaints 'kvmft: Unknown symbol [a-z_]*kvm[a-z0-9_]* \(err -2\)$')"
check_has "it does name it" "$(module_complaints)" "Unknown symbol kvm_"
check "KVM comes back" modprobe kvm_amd
setsid /run/agent hold-vm </dev/null >/dev/null 2>&1 &

# --- Documentation of sysfs

sys=$scratch/sys
mkdir -p "$sys/class/kvmft" "$sys/devices/pair-a/power" "$sys/module/kvmft/parameters" "$scratch/abi"
ln -s ../../devices/pair-a "$sys/class/kvmft/pair-a"
for file in devices/pair-a/uevent devices/pair-a/power/control devices/pair-a/state \
		devices/pair-a/secret class/kvmft/secret module/kvmft/parameters/known \
		module/kvmft/parameters/secret; do
	: >"$sys/$file"
done
printf 'What:\t\t%s\n' '/sys/class/kvmft/pair-<name>/state' '/sys/module/kvmft/parameters/known' \
	>"$scratch/abi/one"
check_eq "files without documentation are found" \
	"/sys/class/kvmft/secret /sys/class/kvmft/pair-a/secret /sys/module/kvmft/parameters/secret" \
	"$(undocumented "$sys" "$scratch/abi" | xargs)"

insmod "$KVMFT_KO_SHIPPED"
check_eq "all that the module shows in sysfs is documented" "" "$(undocumented /sys "$ABI")"
rmmod kvmft
insmod "$KVMFT_KO_FAULTS"
check_has "a test build shows more" "$(our_files /sys)" "/sys/module/kvmft/parameters/faults"
check_eq "which is documented as well" "" "$(undocumented /sys "$ABI")"
rmmod kvmft

# --- Again and again

module_mark
if [ -e $KMEMLEAK ]; then
	leaks >"$scratch/before"
	check "it comes and goes 100 times" rounds 100
	leaks >"$scratch/after"
	check_eq "without a leak" "" "$(comm -13 "$scratch/before" "$scratch/after")"
else
	check "it comes and goes 20 times" rounds 20
fi
check_eq "after that nothing of it is left" "" "$(module_traces)"
check_eq "the kernel has nothing to say about that" "" "$(module_complaints)"

done_testing
