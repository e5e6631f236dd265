# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# ftvmmlab.sh - for tests with a guest of ftvmm. Behind pairlab.sh, and vmlab.sh if the
# guest is protected.
# shellcheck disable=SC2154	# scratch is pairlab's

# Captures that are under way.
captures=()

# More environment for VMMs that are started.
ftvmm_env=()

# Where the guest is on the service network.
guest_address=10.77.2.50

# Debian's kernel that the hosts run, and what is made for it.
guest_kernel=/boot/vmlinuz-$KVMFT_KERNEL
guest_initrd=$KVMFT_BUILD/selftests/ftvmm/initrd-$KVMFT_KERNEL

# make_initrd [PROGRAM...]: once a run; the hosts see it.
make_initrd()
{
	mkdir -p "${guest_initrd%/*}"
	"$KVMFT_ROOT/selftests/ftvmm/initrd" "$KVMFT_KERNEL" "$guest_initrd" "$@"
}

# make_userland: a disk with Debian's programs, once and for all runs; prints where it is.
make_userland()
{
	"$KVMFT_ROOT/selftests/ftvmm/userland"
}

# make_files SIZE: a file system for the guest, on the shared disk.
make_files()
{
	# shellcheck disable=SC2016
	on h3 sh -c 'mke2fs -q -F -t ext4 /dev/vda "$1" && blockdev --flushbufs /dev/vda' sh "$1"
}

# give_files IMAGE: what is on the shared disk from now on, and nothing else.
give_files()
{
	# shellcheck disable=SC2016
	on h3 sh -ec '
		blkdiscard -z /dev/vda
		dd if="$1" of=/dev/vda bs=1M conv=sparse,fsync oflag=direct
		blockdev --flushbufs /dev/vda' sh "$1"
}

# guest_place HOST: a tap on the service network, and all that the VMM needs.
guest_place()
{
	on "$1" sh "$KVMFT_ROOT/selftests/ftvmm/place" \
		"$KVMFT_BUILD/tools/ftvmm" "$guest_kernel" "$guest_initrd"
}

# guest_places HOST...: all that guests need, there.
guest_places()
{
	local host
	check "the initramfs is made" make_initrd
	for host; do
		check "there is a place for guests on $host" guest_place "$host"
	done
}

# ftvmm HOST OPTIONS...: one there, in place of the one before; with what ftvmm_env has of
# environment.
ftvmm()
{
	on "$1" env "${ftvmm_env[@]}" sh "$KVMFT_ROOT/selftests/ftvmm/start" "${@:2}" >"$scratch/vmm_$1" && return
	echo "# no ftvmm on $1: $(<"$scratch/vmm_$1")"
	return 1
}

# linux HOST WORD OPTIONS...: a guest there, in place of the one before, that does what
# WORD says (selftests/ftvmm/guest/init).
linux()
{
	ftvmm "$1" --kernel "${guest_kernel##*/}" --initrd "${guest_initrd##*/}" --net tap0 \
		--cmdline "console=ttyS0 quiet panic=-1 ip=$guest_address/24 task=$2" "${@:3}"
}

# counter_place HOST: all that a guest without an operating system needs.
counter_place()
{
	on "$1" sh -ec 'mkdir -p /tmp/vmm; cp "$@" /tmp/vmm' sh \
		"$KVMFT_BUILD/tools/ftvmm" "$KVMFT_BUILD/selftests/ftvmm/counter"
}

# counter_guest HOST OPTIONS...: such a one (selftests/ftvmm/counter.S) there, in place of the
# one before.
counter_guest()
{
	ftvmm "$1" --kernel counter --memory 64M "${@:2}"
}

# linux_asks HOST COMMAND: its control socket.
linux_asks()
{
	on "$1" /tmp/vmm/ftvmm ask /tmp/vmm/control "$2"
}

# linux_said HOST: its console so far.
linux_said()
{
	on "$1" cat /tmp/vmm/console 2>/dev/null
}

linux_says()
{
	linux_said "$1" | grep -q "$2"
}

# in_guest SECONDS COMMAND: what it prints there, if it takes no longer.
in_guest()
{
	# shellcheck disable=SC2016
	on h3 sh -c 'echo "$2" | timeout "$1" busybox nc "$3" 11' sh "$@" "$guest_address"
}

# serves NAME HOST [SECONDS]: its guest does by then, or one sees why not.
serves()
{
	if wait_until "${3:-90}" linux_says "$2" serving; then
		pass "$1"
	else
		fail "$1"
		show "$2"
	fi
}

# linux_ended HOST: its exit status, empty while it runs.
linux_ended()
{
	on "$1" cat /tmp/vmm/status 2>/dev/null
}

linux_has_ended()
{
	[[ -n $(linux_ended "$1") ]]
}

# client PORT: one of ftvmm_client.py on h3, that talks to the guest's port.
client()
{
	# shellcheck disable=SC2016
	on h3 sh -c '
		rm -f "/tmp/client$3"
		setsid python3 -B "$1" "$2" "$3" "/tmp/client$3" >"/tmp/client$3.said" 2>&1 </dev/null &
		echo $! >"/tmp/client$3.pid"' sh "$KVMFT_ROOT/selftests/lib/ftvmm_client.py" \
		"$guest_address" "$1"
}

# prober MS: h3 asks the guest as often; how long it had no answer comes to /tmp/gaps there.
prober()
{
	# shellcheck disable=SC2016
	on h3 sh -c 'setsid python3 -B "$1" "$2" /tmp/gaps "$3" >/tmp/gaps.said 2>&1 </dev/null &' sh \
		"$KVMFT_ROOT/selftests/lib/ftvmm_probe.py" "$guest_address" "$1"
}

# capture_begin NETWORK [ARGUMENTS...]: into a file of its name, until captures_end.
capture_begin()
{
	# Those before are none of this one.
	rm -f "$scratch/$1.said" "$scratch/$1.pcap"
	"$LAB" capture "$1" "$scratch/$1.pcap" "${@:2}" 2>"$scratch/$1.said" &
	captures+=($!)
	wait_until 10 grep -qs capturing "$scratch/$1.said" ||
		fail "$1 is captured: $(cat "$scratch/$1.said" 2>&1)"
}

captures_end()
{
	kill -INT "${captures[@]}"
	wait "${captures[@]}"
	captures=()
}

# judge_outputs DISK-LOG: what the checker of outputs says of what was captured, and of that.
judge_outputs()
{
	local judged
	python3 -B "$KVMFT_ROOT/selftests/lib/ftvmm_outputs.py" \
		"$scratch/repl.pcap" "$scratch/svc.pcap" "$1" >"$scratch/judged" 2>&1
	judged=$?
	sed 's/^/# /' "$scratch/judged" | head -n 20
	return $judged
}

# answers PORT: how many it has got.
answers()
{
	on h3 sh -c "cat /tmp/client$1 2>/dev/null | wc -l"
}

# shellcheck disable=SC2317
more_answers()
{
	(( $(answers "$1") > $2 ))
}

# is_right NAME PORT: it still runs, so nothing was wrong.
is_right()
{
	# shellcheck disable=SC2016
	check "$1" on h3 sh -c 'kill -0 "$(cat "/tmp/client$1.pid")"' sh "$2"
	on h3 sh -c "grep wrong /tmp/client$2; cat /tmp/client$2.said" | sed 's/^/# /'
}

# in_blocks: all that was answered is in its block.
# shellcheck disable=SC2317
in_blocks()
{
	on h3 blockdev --flushbufs /dev/vda
	on h3 python3 -c '
lines = open("/tmp/client8", encoding="ascii").readlines()
disk = open("/dev/vda", "rb")
for number, line in enumerate(lines, 1):
    disk.seek(number * 4096)
    if not disk.read(len(line)) == line.encode():
        raise SystemExit(f"block {number} isn'"'"'t {line}")
print(len(lines), "blocks")'
}

# goes_on NAME PORT
goes_on()
{
	check "$1" wait_until 90 more_answers "$2" "$(($(answers "$2") + 1))"
}

# end_linux HOST...: no VMM is left there.
end_linux()
{
	local host
	for host; do
		on "$host" sh -c 'pkill -9 -x ftvmm
			while pgrep -x ftvmm >/dev/null; do sleep 0.05; done'
	done
}

# show HOST: what is worth knowing when something went wrong.
show()
{
	{
		on "$1" grep -a 'int3:' /tmp/vmm/console
		on "$1" tail -n 25 /tmp/vmm/console
		on "$1" cat /tmp/vmm/said /tmp/vmm/status
		linux_asks "$1" status
	} 2>&1 | sed 's/^/# /'
}
