# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# module.sh - for tests that load and unload kvmft by themselves. Behind tap.sh.

# The lines that kvmft may leave in the kernel's log when nothing is wrong.
module_log='kvmft-test: '
module_log="$module_log|kvmft: version [0-9.]+, protocol [0-9]+\$"
module_log="$module_log|kvmft: loading out-of-tree module taints kernel\.\$"
module_log="$module_log|kvmft: module verification failed: signature and/or required key missing "

# All that a loaded module shows, a line each.
# shellcheck disable=SC2034
module_whole="/sys/module/kvmft
/sys/module/kvm/holders/kvmft
/sys/class/kvmft
/sys/class/misc/kvmft
/dev/kvmft
the netlink family"

# What of that is there now; nothing after an unload, or a failed load.
module_traces()
{
	for module_trace in /sys/module/kvmft /sys/module/kvm/holders/kvmft /sys/class/kvmft \
			/sys/class/misc/kvmft /dev/kvmft; do
		[ ! -e $module_trace ] || echo $module_trace
	done
	case $(ftctl version 2>&1) in
	*"isn't loaded"*) ;;
	*) echo "the netlink family" ;;
	esac
}

# module_mark: from here on the kernel's log counts for module_complaints.
module_mark()
{
	module_marks=$((${module_marks:-0} + 1))
	echo "kvmft-test: mark $module_marks of $$" >/dev/kmsg
}

# module_complaints [PATTERN]: kvmft's lines in the log since then, but for those
# that are in order, and those with the pattern.
module_complaints()
{
	dmesg | awk -v mark="kvmft-test: mark $module_marks of $$" '
		seen && /kvmft/
		index($0, mark) { seen = 1 }
		END { if (!seen) print "the kvmft-test mark got lost" }' |
		grep -vE "$module_log${1:+|$1}"
}
