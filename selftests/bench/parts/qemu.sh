#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=2 nodebug timeout=1200 mem=3G
#
# Where Debian's QEMU does something comparable: how fast a Linux guest is copied to the other host
# by its live migration, and by kvmft for a standby; and its COLO, as far as that comes up: how
# often it makes a checkpoint of a guest that does nothing, if it may at any time.
# shellcheck source=../benchlab.sh
. "$(dirname "$0")/../benchlab.sh"

ROUNDS=${KVMFT_ROUNDS:-3}
[[ ! ${KVMFT_FAST:-} ]] || ROUNDS=1
INCOMING=tcp:10.77.1.2:7795
declare -A monitors=([h1]=10.77.1.1:7796 [h2]=10.77.1.2:7797)

# qemu HOST OPTIONS...: one there, in place of the one before.
qemu()
{
	# shellcheck disable=SC2016
	on "$1" sh -c '
		pkill -9 -x qemu-system-x86 && sleep 0.5
		rm -rf /tmp/qemu; mkdir /tmp/qemu; cd /tmp/qemu
		kernel=$1 initrd=$2 monitor=$3; shift 3
		setsid qemu-system-x86_64 -accel kvm -machine pc -m 256M -nodefaults -display none \
			-kernel "$kernel" -initrd "$initrd" -append "console=ttyS0 quiet task=serve" \
			-serial file:console -qmp "tcp:$monitor,server=on,wait=off" "$@" \
			>said 2>&1 </dev/null &' sh "$guest_kernel" "$guest_initrd" "${monitors[$1]}" "${@:2}"
}

# qemu_serves
# shellcheck disable=SC2317
qemu_serves()
{
	on h1 grep -q serving /tmp/qemu/console
}

# qemus NAME: a guest on h1, and a QEMU on h2 that waits for it.
qemus()
{
	qemu h1
	qemu h2 -incoming $INCOMING
	check "$1: a guest of QEMU's serves" wait_until 120 qemu_serves
}

end_qemus()
{
	on h1 pkill -9 -x qemu-system-x86
	on h2 pkill -9 -x qemu-system-x86
}

qemu_does()
{
	on h1 python3 -B "$KVMFT_ROOT/selftests/bench/qemu.py" "${monitors[h1]}" "${monitors[h2]}" "$1" $INCOMING
}

# migrated ROUND
migrated()
{
	local said ms bytes
	qemus "migration, round $1"
	said=$(qemu_does migrate 2>&1)
	read -r ms bytes <<<"$said"
	if [[ $said =~ ^[0-9]+\ [0-9]+$ ]]; then
		# ns for each MiB that was sent.
		record copy qemu 1 0 "$1" $((ms * 1000000 * 1024 / (bytes / 1024)))
		pass "migration, round $1: $((bytes / 1024)) KiB in $ms ms"
	else
		fail "migration, round $1: $said"
	fi
	end_qemus
}

# full_copy ROUND
full_copy()
{
	local name="copy, round $1"
	local options=(--kernel "${guest_kernel##*/}" --initrd "${guest_initrd##*/}" --memory 256M
		--console file:console --cmdline "console=ttyS0 quiet panic=-1 task=serve")
	check "$name: a guest is protected" guest_with sync "${options[@]}"
	serves "$name: it serves" h1
	# Anew, with all that it has now.
	let_go
	check "$name: there is a new standby" ftvmm h2 --standby "${options[@]}"
	check "$name: it is protected again" protect mode sync
	copied "$name" h1 copy sync 1 0 "$1"
	end_guest
}

bench_begin
guest_places h1 h2
for ((round = 1; round <= ROUNDS && tap_failed == 0; round++)); do
	migrated $round
	full_copy $round
done
qemus COLO
said=$(qemu_does colo 2>&1)
if [[ $said =~ ^([0-9]+)\ ([0-9]+)$ ]]; then
	record colo_checkpoints colo 1 0 1 $((BASH_REMATCH[1] * 1000 / BASH_REMATCH[2]))
	pass "COLO comes up: ${BASH_REMATCH[1]} checkpoints in ${BASH_REMATCH[2]} s"
else
	pass "COLO doesn't come up: $said"
	echo "# COLO: ${said//$'\n'/ }" >>"$bench_file"
fi
end_qemus
bench_end
done_testing
