#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=3 nodebug timeout=900 mem=3G breaks either
#
# A Linux guest is protected and its VMM is killed at any moment, again and again: it goes on
# at the other host, and is protected there in turn. Two clients on a third host hold a TCP
# connection to it all the time and get each of their answers, once and in order; what one
# of them was told is on the shared disk, and the file system there is clean. One of the guests
# has memory beyond 4 GiB, the other one huge pages.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/pairlab.sh
. "$(dirname "$0")/../lib/pairlab.sh"
# shellcheck source=../lib/vmlab.sh
. "$(dirname "$0")/../lib/vmlab.sh"
# shellcheck source=../lib/ftvmmlab.sh
. "$(dirname "$0")/../lib/ftvmmlab.sh"

# In sync mode, and in async mode.
read -r -a KILLS <<<"${KVMFT_KILLS:-6 4}"
RANDOM=${KVMFT_SEED:-4711}

load_module h1
load_module h2
make_key
check "the pair is up" pair_hosts timeout 4s
guest_places h1 h2

# in_file: all that was answered is in the file, after what a mount does about a guest
# that was switched off.
# shellcheck disable=SC2317
in_file()
{
	# shellcheck disable=SC2016
	on h3 sh -ec '
		blockdev --flushbufs /dev/vda
		modprobe ext4
		mkdir -p /tmp/mnt
		mount /dev/vda /tmp/mnt
		lines=$(wc -l </tmp/client8)
		head -n "$lines" /tmp/mnt/log >/tmp/logged
		umount /tmp/mnt
		cmp /tmp/logged /tmp/client8
		e2fsck -fn /dev/vda
		echo "$lines lines"'
}

# killed NAME PRIMARY STANDBY: at a random moment.
killed()
{
	sleep "$((RANDOM % 2)).$((RANDOM % 10))"
	on "$2" pkill -9 -x ftvmm
	check "$1: the standby takes over" on "$3" ftctl failover g --force
	check "$1: it is promoted" wait_until 30 guest_is "$3" solo
	goes_on "$1: it counts on" 7
	goes_on "$1: it writes on" 8
}

# row KILLS TASK VCPUS MODE REQUIRED OPTION...: REQUIRED is --ft-required, or empty.
row()
{
	local kills=$1 mode=$4 required=$5 here=h1 there=h2 kill
	local name="$4, $3 vcpus, ${*:6}${5:+, $5}"
	local options=("$2" --vcpus "$3" --disk /dev/vda "${@:6}")

	linux h2 "${options[@]}" --standby ${required:+"$required"}
	linux h1 "${options[@]}" ${required:+"$required"}
	if [[ $required ]]; then
		check_has "$name: it hasn't run" "$(linux_asks h1 status)" '"exits": 0,'
	else
		serves "$name: the guest serves" h1
	fi
	check "$name: it is protected" protect mode "$mode"
	serves "$name: the protected guest serves" h1 120
	booted=$(up_after h1)
	client 7
	client 8
	goes_on "$name: it counts" 7
	goes_on "$name: it writes" 8
	for ((kill = 1; kill <= kills; kill++)); do
		killed "$name, kill $kill" "$here" "$there"
		[[ $tap_failed == 0 ]] || break
		(( kill < kills )) || break
		linux "$here" "${options[@]}" --standby
		on "$there" ftctl detach g
		check "$name, kill $kill: it is protected again" protects "$there" "$here" mode "$mode"
		read -r here there <<<"$there $here"
	done
	is_right "$name: each answer was right" 7
	is_right "$name: each entry was right" 8
	check "$name: its ticks go on" wait_until 20 linux_says "$there" "guest: tick"
	check_hasnt "$name: its kernel has nothing to complain of" "$(linux_said "$there")" "BUG:"
	on h3 pkill -f ftvmm_client.py
	[[ $tap_failed == 0 ]] || { show h1; show h2; }
	end_linux h1 h2
	let_go
}

# up_after HOST: ms from the begin of its guest's kernel to its service.
up_after()
{
	linux_said "$1" | sed -n 's/\r//; s/^guest: up after \([0-9]*\)\.\([0-9]*\) s/\1\20/p' | tail -n 1
}

# How long it takes without protection.
linux h1 serve --vcpus 1 --memory 5G --disk /dev/vda
serves "without protection the guest serves" h1
alone=$(up_after h1)
end_linux h1

row "${KILLS[0]}" serve 1 sync --ft-required --memory 5G
check "boots in $booted ms under protection, and in $alone without" \
	test "$booted" -gt 0 -a "$booted" -le $((3 * alone))
check "sync: what was answered is on the disk" in_blocks
make_files 64M
for host in h1 h2; do
	check "$host has huge pages" on "$host" sh -c \
		'echo 128 >/proc/sys/vm/nr_hugepages; grep -qx 128 /proc/sys/vm/nr_hugepages'
done
row "${KILLS[1]}" files 2 async "" --memory 256M --hugepages
check "async: what was answered is on the disk, and its file system is clean" in_file
done_testing
