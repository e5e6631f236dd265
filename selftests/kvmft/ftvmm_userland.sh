#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=1 nodebug timeout=500 mem=3G breaks either
#
# A guest of ftvmm has its root on a disk that selftests/ftvmm/userland made, on which
# Debian's programs run, and fio works on another one.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/pairlab.sh
. "$(dirname "$0")/../lib/pairlab.sh"
# shellcheck source=../lib/ftvmmlab.sh
. "$(dirname "$0")/../lib/ftvmmlab.sh"

userland=$(make_userland)
check "the disk with the programs is made, and in the host" on h1 test -r "$userland"
guest_places h1
on h1 truncate -s 8M /tmp/vmm/disk

# By the cache, since O_DIRECT over 9p works but takes its time.
linux h1 userland --disk "$userland,ro,cached" --disk disk
wait_until 240 linux_has_ended h1
check_eq "the guest switches itself off" 0 "$(linux_ended h1)"
check "bash, python and fio run" linux_says h1 "guest: Debian .*, Python 3.*, fio-"
check "python and coreutils agree" linux_says h1 "guest: python and coreutils agree"
check "fio finds what it wrote to memory" linux_says h1 "guest: fio verified memory"
check "fio finds what it wrote to the disk" linux_says h1 "guest: fio verified disk"
check "so all is well" linux_says h1 "guest: userland ok"
(( ! tap_failed )) || show h1
done_testing
