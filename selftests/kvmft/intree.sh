#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: machine timeout=600
#
# kvmft, dropped into a kernel tree, builds there: as a module, built in, and
# with the fault points. TAP on stdout.
#
# From the environment:
#   KVMFT_ROOT     the project
#   KVMFT_LINUX    an unpacked linux-source-6.1, never built in; not modified
#   KVMFT_SCRATCH  a directory of ours, kept between runs to save time
# The last two have defaults below KVMFT_BUILD.
#
# The tree built is one of links into KVMFT_LINUX, with real files where
# dropping in adds some; everything made goes to an O= directory beside it.

# shellcheck disable=SC2317 # most functions are called through check()

set -euo pipefail
shopt -s inherit_errexit
export LC_ALL=C

: "${KVMFT_ROOT:?}" "${KVMFT_BUILD:?}"
KVMFT_LINUX=${KVMFT_LINUX:-$(readlink -f "$KVMFT_BUILD/linux-source")}
KVMFT_SCRATCH=${KVMFT_SCRATCH:-$KVMFT_BUILD/intree}

readonly OURS=drivers/virt/kvmft
readonly MODULE=$OURS/kmod/kvmft.ko

# With whatever else the caller's make, or an external module's, has set.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL GNUMAKEFLAGS ARCH CROSS_COMPILE
unset "${!KBUILD_@}" "${!KCONFIG_@}" "${!KCFLAGS@}" "${!KCPPFLAGS@}"

number=0
failed=0

# ok CONDITION_STATUS TEXT
report()
{
	number=$((number + 1))
	if [ "$1" = 0 ]; then
		echo "ok $number - $2"
	else
		echo "not ok $number - $2"
		failed=1
	fi
}

skip_rest()
{
	echo "Bail out! $*"
	exit 1
}

explain()
{
	sed 's/^/# /'
}

# link_folder PATH: PATH in our tree becomes a real folder, and all that is in
# it a link to what KVMFT_LINUX has.
link_folder()
{
	rm -f "${tree:?}/$1"
	mkdir "$tree/$1"
	find "$linux/$1" -mindepth 1 -maxdepth 1 -exec ln -sfnt "$tree/$1" {} +
}

# add_line FILE SED_SCRIPT: a copy of a file, with one line more. The link must
# go first, or we would write through it; the time of an unchanged file must
# stay, or everything is configured again.
add_line()
{
	rm -f "$tree/$1"
	sed "$2" "$linux/$1" >"$tree/$1"
	touch -r "$linux/$1" "$tree/$1"
	[ "$(diff "$linux/$1" "$tree/$1" | grep -c '^>')" = 1 ] ||
		skip_rest "found no place for our line in $1"
}

# A tree of another kernel, or one that has moved, shares nothing with this one.
forget_other_kernel()
{
	local now was=

	now="$linux $(sha256sum <"$linux/Makefile")"
	[ ! -e "$scratch/linux" ] || was=$(cat "$scratch/linux")
	[ "$now" != "$was" ] || return 0
	rm -rf "$out"
	mkdir "$out"
	echo "$now" >"$scratch/linux"
}

drop_in()
{
	# Made anew each time: it is a moment's work, and removes what is gone.
	rm -rf "$tree"
	link_folder ""
	link_folder drivers
	link_folder drivers/virt
	# shellcheck disable=SC2016 # the $ is make's
	add_line drivers/virt/Makefile '$a obj-$(CONFIG_KVMFT) += kvmft/'
	add_line drivers/virt/Kconfig '/^endif/i source "drivers/virt/kvmft/Kconfig"'

	mkdir "$tree/$OURS"
	(cd "$KVMFT_ROOT" && cp -Rp Kbuild Kconfig kmod uapi "$tree/$OURS/")
	# What an external build may have left in the project's folder.
	find "$tree/$OURS" -type f \( -name '*.o' -o -name '*.ko' -o \
		-name '*.mod' -o -name '*.mod.c' -o -name '*.cmd' -o \
		-name 'modules.order' -o -name 'Module.symvers' \) -delete
}

kmake()
{
	make -s -C "$tree" O="$out" -j"$(nproc)" W=1 "$@" >"$log" 2>&1
}

# configure VALUE_OF_KVMFT [ANOTHER_LINE]: the least that kvmft depends on.
configure()
{
	cat >"$scratch/fragment" <<-END
		CONFIG_64BIT=y
		CONFIG_SMP=y
		CONFIG_MODULES=y
		CONFIG_HIGH_RES_TIMERS=y
		CONFIG_NET=y
		CONFIG_INET=y
		CONFIG_FTRACE=y
		CONFIG_ENABLE_DEFAULT_TRACERS=y
		CONFIG_CRYPTO=y
		CONFIG_CRYPTO_HMAC=y
		CONFIG_CRYPTO_SHA256=y
		CONFIG_CRYPTO_CRC32C=y
		CONFIG_LIBCRC32C=y
		CONFIG_VIRTUALIZATION=y
		CONFIG_KVM=y
		CONFIG_VIRT_DRIVERS=y
		CONFIG_KVMFT=$1
		${2-}
	END
	kmake KCONFIG_ALLCONFIG="$scratch/fragment" allnoconfig || {
		tail -n 20 "$log" | explain
		return 1
	}
}

# has LINE...: the configuration has these lines.
has()
{
	local line

	for line; do
		grep -qxF -- "$line" "$out/.config" || {
			echo "# .config lacks $line; what it depends on:"
			grep -E '^config|depends on' "$tree/$OURS/Kconfig" | explain
			return 1
		}
	done
}

# build TARGET FILE: makes TARGET, of ours everything anew (else warnings would
# be seen only once), and FILE must be there afterwards. Symbols of the kernel
# stay unresolved: there is no vmlinux here to look them up in.
build()
{
	rm -rf "${out:?}/$OURS"
	kmake KBUILD_MODPOST_WARN=1 "$1" || {
		tail -n 40 "$log" | explain
		return 1
	}
	[ -f "$out/$2" ] || {
		echo "# no $2 was made"
		return 1
	}
}

# Warnings in files of ours, at W=1: the compiler's, kernel-doc's, objtool's and
# modpost's (sections), but not those about symbols.
no_warnings()
{
	! grep -F "$OURS/" "$log" | grep -i 'warning:' | grep -v ' undefined!$' |
		explain | grep .
}

# All of the module is in the built-in.a, and starts like built-in code.
linked_in()
{
	local symbols

	symbols=$(nm "$out/$OURS/built-in.a" 2>/dev/null)
	grep -q '__initcall__.*kvmft_init' <<<"$symbols" || {
		echo "# no initcall of kvmft in $OURS/built-in.a"
		return 1
	}
}

# check TEXT COMMAND...
check()
{
	local text=$1 status=0

	shift
	"$@" || status=1
	report "$status" "$text"
}

knows_options()
{
	configure m CONFIG_KVMFT_FAULTS=y &&
		has CONFIG_KVMFT=m CONFIG_KVMFT_FAULTS=y
}

builds_module()
{
	configure m && has CONFIG_KVMFT=m '# CONFIG_KVMFT_FAULTS is not set' &&
		build "$MODULE" "$MODULE" && no_warnings
}

builds_in()
{
	configure y && has CONFIG_KVMFT=y && build "$OURS/" "$OURS/built-in.a" &&
		no_warnings && linked_in
}

builds_faults()
{
	configure m CONFIG_KVMFT_FAULTS=y && has CONFIG_KVMFT_FAULTS=y &&
		build "$MODULE" "$MODULE" && no_warnings
}

main()
{
	echo "TAP version 13"
	echo "1..4"

	linux=$(readlink -f "$KVMFT_LINUX")
	[ -f "$linux/drivers/virt/Kconfig" ] ||
		skip_rest "KVMFT_LINUX is no kernel source: $linux"
	mkdir -p "$KVMFT_SCRATCH"
	scratch=$(readlink -f "$KVMFT_SCRATCH")
	tree=$scratch/tree
	out=$scratch/out
	log=$scratch/log
	exec 9>"$scratch/lock"
	flock 9

	forget_other_kernel
	drop_in

	check "Kconfig knows KVMFT and KVMFT_FAULTS" knows_options
	check "KVMFT=m builds, without a warning at W=1" builds_module
	check "KVMFT=y links into a built-in.a" builds_in
	check "KVMFT_FAULTS=y builds" builds_faults
	exit "$failed"
}

main
