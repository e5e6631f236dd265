#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=2 nodebug timeout=900 mem=3G breaks
#
# A Linux guest is protected, its VMM is killed, and it goes on at the other host: two
# clients that hold a TCP connection to it get each of their answers, once and in order,
# and what one of them was told is on the shared disk.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/pairlab.sh
. "$(dirname "$0")/../lib/pairlab.sh"
# shellcheck source=../lib/vmlab.sh
. "$(dirname "$0")/../lib/vmlab.sh"
# shellcheck source=../lib/ftvmmlab.sh
. "$(dirname "$0")/../lib/ftvmmlab.sh"

load_module h1
load_module h2
make_key
pair_up h2 listen 10.77.1.2:7700 timeout 4s
pair_up h1 connect 10.77.1.2:7700 timeout 4s
check "the pair is up" wait_until 20 state_is h1 up
check "the initramfs is made" make_initrd
check "there is a place for guests on h1" guest_place h1
check "there is a place for guests on h2" guest_place h2

# client PORT: beside the standby, so that it outlives the primary.
client()
{
	# shellcheck disable=SC2016
	on h2 sh -c '
		rm -f "/tmp/client$3"
		setsid python3 -B "$1" "$2" "$3" "/tmp/client$3" >"/tmp/client$3.said" 2>&1 </dev/null &
		echo $! >"/tmp/client$3.pid"' sh "$KVMFT_ROOT/selftests/lib/ftvmm_client.py" \
		"$guest_address" "$1"
}

# answers PORT: how many it has got.
answers()
{
	on h2 sh -c "cat /tmp/client$1 2>/dev/null | wc -l"
}

# shellcheck disable=SC2317
more_answers()
{
	(( $(answers "$1") > $2 ))
}

# goes_on NAME PORT
goes_on()
{
	check "$1" wait_until 90 more_answers "$2" "$(($(answers "$2") + 3))"
}

# is_right NAME PORT: it still runs, so nothing was wrong.
is_right()
{
	# shellcheck disable=SC2016
	check "$1" on h2 sh -c 'kill -0 "$(cat "/tmp/client$1.pid")"' sh "$2"
	on h2 sh -c "grep wrong /tmp/client$2; cat /tmp/client$2.said" | sed 's/^/# /'
}

# on_disk: all that was answered is in its block.
# shellcheck disable=SC2317
on_disk()
{
	on h2 python3 -c '
lines = open("/tmp/client8", encoding="ascii").readlines()
disk = open("/dev/vda", "rb")
for number, line in enumerate(lines, 1):
    disk.seek(number * 4096)
    if not disk.read(len(line)) == line.encode():
        raise SystemExit(f"block {number} isn'"'"'t {line}")
print(len(lines), "blocks")'
}

# begins NAME MODE: a guest that is protected while it runs.
begins()
{
	check "$1: the guest serves" wait_until 90 linux_says h1 serving
	check "$1: it is protected" protect mode "$2"
}

# begins_protected NAME MODE: one that doesn't run before.
begins_protected()
{
	check_has "$1: it hasn't run" "$(linux_asks h1 status)" '"exits": 0,'
	check "$1: it is protected" protect mode "$2"
	check "$1: the guest serves" wait_until 120 linux_says h1 serving
}

# failover VCPUS MODE [--ft-required]
failover()
{
	local name="$2, $1 vcpus${3:+, $3}" options=(--vcpus "$1" --memory 256M --disk /dev/vda "${@:3}")
	linux h2 serve --standby "${options[@]}"
	linux h1 serve "${options[@]}"
	if [[ ${3:-} == --ft-required ]]; then
		begins_protected "$name" "$2"
	else
		begins "$name" "$2"
	fi
	client 7
	client 8
	goes_on "$name: it counts" 7
	goes_on "$name: it writes" 8
	on h1 pkill -9 -x ftvmm
	check "$name: failover" on h2 ftctl failover g --force
	check "$name: the standby is promoted" wait_until 30 guest_is h2 promoted
	goes_on "$name: it counts on" 7
	goes_on "$name: it writes on" 8
	is_right "$name: each answer was right" 7
	is_right "$name: each entry was right" 8
	check "$name: its ticks go on" wait_until 20 linux_says h2 "guest: tick"
	check_hasnt "$name: its kernel has nothing to complain of" "$(linux_said h2)" "BUG:"
	on h2 pkill -f ftvmm_client.py
	check "$name: what was answered is on the disk" on_disk
	[[ $tap_failed == 0 ]] || { show h1; show h2; }
	end_linux h1 h2
	let_go
}

failover 2 sync
failover 1 async --ft-required
done_testing
