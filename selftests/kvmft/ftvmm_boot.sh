#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=1 nodebug timeout=500 mem=3G breaks either
#
# ftvmm without protection: Debian's kernel boots on it, on one vcpu and on several, and
# has a network and a disk that keeps what is written. How the guest ends is how it ends.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/pairlab.sh
. "$(dirname "$0")/../lib/pairlab.sh"
# shellcheck source=../lib/ftvmmlab.sh
. "$(dirname "$0")/../lib/ftvmmlab.sh"

check "the initramfs is made" make_initrd
check "there is a place for guests" guest_place h1

# ends NAME STATUS
ends()
{
	wait_until 90 linux_has_ended h1
	check_eq "$1" "$2" "$(linux_ended h1)"
	[[ $(linux_ended h1) == "$2" ]] || show h1
}

# --- Without the module

on h1 sh -c 'rmmod kvmft 2>/dev/null; truncate -s 64M /tmp/vmm/disk'
linux h1 disk --disk disk
ends "it switches itself off" 0
check "what was written to the disk is there" linux_says h1 "disk ok"
check "it has one vcpu, and kvm-clock" linux_says h1 "guest: 1 vcpus, .* clock kvm-clock"
linux h1 reboot --memory 256M --dirty log
ends "it reboots" 3

# --- With the module, and nobody who has it attached

load_module h1
linux h1 serve --vcpus 4 --disk disk
serves "with four vcpus it serves" h1
check "it has four" linux_says h1 "guest: 4 vcpus"
check "it answers" on h1 busybox ping -c 10 -W 5 -q "$guest_address"
check_has "its status" "$(linux_asks h1 status)" '"role": "primary", "paused": false, "vcpus": 4'
check "it is paused" linux_asks h1 pause
check "then it doesn't answer" sh -c "! $LAB exec -n h1 busybox ping -c 2 -W 2 -q $guest_address"
check "it goes on" linux_asks h1 resume
check "then it does" on h1 busybox ping -c 2 -W 10 -q "$guest_address"
check_hasnt "its kernel has nothing to complain of" "$(linux_said h1)" "soft lockup"
check "it is to quit" linux_asks h1 quit
ends "it quits" 5

on h1 rmmod kvmft
check_has "a standby needs the module" \
	"$(status on h1 /tmp/vmm/ftvmm --kernel "$guest_kernel" --standby)" "1 ftvmm: /dev/kvmft"
done_testing
