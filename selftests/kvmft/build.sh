#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: machine timeout=180
#
# Building, installing and what is said when that can't work.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"

cd "$KVMFT_ROOT" || exit 1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
unset MAKEFLAGS MAKELEVEL KVMFT_BUILD
kernel=${KVMFT_KERNELS##* }
kdir=$(/usr/bin/python3 -B selftests/lab/kernel.py "${kernel:-6.1}")

mk()
{
	make --no-print-directory BUILD="$scratch/build" "$@"
}

# refuses NAME TEXT COMMAND...: it fails, and says this.
refuses()
{
	local name=$1 text=$2 said
	shift 2
	if said=$("$@" 2>&1); then
		fail "$name: fails"
	else
		pass "$name: fails"
	fi
	check_has "$name: says what to do" "$said" "$text"
}

refuses "headers that aren't there" "or name others with make KDIR=" mk module KDIR="$scratch/none"

# Headers of kernels that we don't build for, as far as anybody looks at them.
mkdir -p "$scratch/old/include/generated" "$scratch/bare" "$scratch/arm/include/generated"
touch "$scratch/old/Makefile" "$scratch/bare/Makefile" "$scratch/arm/Makefile"
echo '#define UTS_RELEASE "5.10.0-30-amd64"' >"$scratch/old/include/generated/utsrelease.h"
echo '#define UTS_RELEASE "6.1.0-30-arm64"' >"$scratch/arm/include/generated/utsrelease.h"
echo 'CONFIG_ARM64=y' >"$scratch/arm/.config"
refuses "a kernel that isn't supported" "kernel 5.10.0-30-amd64 isn't supported: 6.1 and 6.12 are" \
	mk module KDIR="$scratch/old"
refuses "a kernel source that isn't configured" "make modules_prepare" mk module KDIR="$scratch/bare"
refuses "another architecture" "kvmft is for x86_64 only" mk module KDIR="$scratch/arm"
check_eq "what failed left no build folder" "" "$(ls "$scratch/build" 2>/dev/null)"

check_has "make without a kernel's headers still knows the way" "$(mk help)" "make deps"
refuses "an unknown test" "no test matches 'nosuchtest'" \
	selftests/run --match nosuchtest --kernels ''
check_has "and names those there are" "$(selftests/run --match nosuchtest --kernels '' 2>&1)" "build"
refuses "an unknown kernel" "no kernel 4.19 with image and headers" \
	selftests/run --match version --kernels 4.19

# A disk without room: the kernel source would fill this one. Takes root, or its
# likeness in a namespace.
# shellcheck disable=SC2016,SC2317
full()
{
	unshare "${as_root[@]}" --mount sh -c 'mount -t tmpfs -o size=1M full "$1" &&
		scripts/linux-source "$1/cache"' sh "$scratch/bare"
}
as_root=()
(( EUID == 0 )) || as_root=(--user --map-root-user)
refuses "no room for the kernel source" "2500 are needed" full

# Installing: everything below DESTDIR, nothing else.
check "module and tools build" mk module tools KDIR="$kdir"
check "make install" mk install DESTDIR="$scratch/dest" PREFIX=/usr
check_eq "what it installs" "usr/include/linux/kvmft.h usr/sbin/ftctl
usr/sbin/ftvmm usr/share/bash-completion/completions/ftctl
usr/share/bash-completion/completions/ftvmm usr/share/man/man7/kvmft-fencing.7
usr/share/man/man8/ftctl-show.8 usr/share/man/man8/ftctl.8
usr/share/man/man8/ftvmm.8" \
	"$(cd "$scratch/dest" && find . -type f -printf '%P\n' | LC_ALL=C sort | paste -sd ' \n')"
check "make modules_install" mk modules_install KDIR="$kdir" INSTALL_MOD_PATH="$scratch/mods" \
	DEPMOD=true
check_has "puts the module in place" "$(find "$scratch/mods" -name 'kvmft.ko*')" "/kvmft.ko"
check "make clean" mk clean
check_eq "leaves nothing" 1 "$(test -e "$scratch/build"; echo $?)"
refuses "make clean of a folder that holds the sources" "it is not removed" \
	make --no-print-directory clean BUILD="$KVMFT_ROOT"

check_eq "building put nothing among the sources" "" \
	"$(find kmod uapi tools selftests -name '*.o' -o -name '*.ko' -o -name '*.cmd' -o -name '*.symvers')"
done_testing
