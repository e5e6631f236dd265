# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# benchlab.sh - for measurements with a guest of ftvmm's on h1 that is protected by each of
# several peers in turn. Has the other parts of shell that it takes come first.
# shellcheck disable=SC2154	# scratch is pairlab's
# shellcheck source=../../lib/tap.sh
. "$(dirname "$0")/../../lib/tap.sh"
# shellcheck source=../../lib/pairlab.sh
. "$(dirname "$0")/../../lib/pairlab.sh"
# shellcheck source=../../lib/vmlab.sh
. "$(dirname "$0")/../../lib/vmlab.sh"
# shellcheck source=../../lib/ftvmmlab.sh
. "$(dirname "$0")/../../lib/ftvmmlab.sh"

# One line of this for each figure: MEASURE PEER VCPUS X ROUND VALUE, separated by tabs.
bench_file=$KVMFT_BUILD/bench/$(basename "$0" .sh).tsv
bench_dir=$KVMFT_BUILD/selftests/bench
KEMARI_PORT=7799
PLAIN_PORT=7790

# record MEASURE PEER VCPUS X ROUND VALUE
record()
{
	local IFS=$'\t'
	echo "$*" >>"$bench_file"
}

# bench_new: nothing is recorded so far.
bench_new()
{
	mkdir -p "${bench_file%/*}"
	echo "# kernel $KVMFT_KERNEL" >"$bench_file"
}

# bench_begin: hosts, a pair, and all that guests and peers need.
bench_begin()
{
	bench_new
	# What a round before may have left.
	end_linux h1 h2
	on h2 pkill -x kemari_receiver
	on h2 pkill -x plain
	load_module h1
	load_module h2
	make_key
	check "the pair is up" pair_hosts timeout 4s
	local host
	for host in h1 h2; do
		check "$host has all that it takes" on $host sh -ec \
			'mkdir -p /tmp/vmm; cp "$@" /tmp/vmm' sh "$KVMFT_BUILD/tools/ftvmm" \
			"$bench_dir/kemari_receiver" "$bench_dir/plain" "$KVMFT_BUILD/selftests/ftvmm/pages"
	done
	on h2 sh -c "cd /tmp; setsid vmm/kemari_receiver $KEMARI_PORT >receiver 2>&1 </dev/null &
		setsid vmm/plain take 10.77.1.2 $PLAIN_PORT >take 2>&1 </dev/null &"
	check "the other end listens" wait_until 10 on h1 /tmp/vmm/plain send 10.77.1.2 $PLAIN_PORT 1 1
}

# bench_end: what was measured is whole.
bench_end()
{
	end_guest
	on h2 pkill -x kemari_receiver
	on h2 pkill -x plain
	[[ $tap_failed == 1 ]] || echo "# done" >>"$bench_file"
}

# each_round: all peers in turn, in each round, by the part's measure_all PEER ROUND, as long as
# that works.
each_round()
{
	local round peer
	for ((round = 1; round <= ROUNDS && tap_failed == 0; round++)); do
		for peer in "${PEERS[@]}"; do
			measure_all "$peer" $round
			[[ $tap_failed == 0 ]] || break
		done
	done
}

# guest_with PEER OPTIONS...: a guest on h1, protected by that peer if it is one that does.
guest_with()
{
	local peer=$1 vmm=$KVMFT_BUILD/tools/ftvmm ftvmm_env=()
	shift
	end_guest
	[[ $peer != kemari* ]] || vmm=$bench_dir/ftvmm-kemari
	on h1 cp "$vmm" /tmp/vmm/ftvmm
	case $peer in
	none)
		ftvmm h1 --no-kvmft "$@"
		;;
	kemari | kemari-batched)
		ftvmm_env=("KEMARI_PEER=10.77.1.2:$KEMARI_PORT")
		[[ $peer == kemari ]] || ftvmm_env+=(KEMARI_BATCHED=1)
		ftvmm h1 "$@" --dirty log
		;;
	sync-log)
		ftvmm h2 "$@" --dirty log --standby && ftvmm h1 "$@" --dirty log && protect mode sync
		;;
	sync | async)
		ftvmm h2 "$@" --standby && ftvmm h1 "$@" && protect mode "$peer"
		;;
	async-lz4)
		ftvmm h2 "$@" --standby && ftvmm h1 "$@" && protect mode async compress lz4
		;;
	esac
}

# has_died: of the emulator, while it patched its own kernel.
has_died()
{
	linux_says h1 "Oops: int3"
}

# serves_or_has_died
# shellcheck disable=SC2317
serves_or_has_died()
{
	linux_says h1 serving || has_died
}

# linux_with PEER ROUND TASK OPTIONS...: the same with a Linux guest on the service network, that
# does what TASK says. One that dies of the emulator is no reason to measure all anew.
linux_with()
{
	local try
	for try in 1 2 3; do
		guest_with "$1" --kernel "${guest_kernel##*/}" \
			--initrd "${guest_initrd##*/}" --net tap0 --console file:console \
			--cmdline "console=ttyS0 quiet panic=-1 ip=$guest_address/24 task=$3" "${@:4}" ||
			break
		wait_until 90 serves_or_has_died
		has_died || break
		echo "# $1 $2: try $try ends with a fault of TCG's: $(linux_said h1 | grep -m 1 int3)"
	done
	serves "$1 $2: the guest serves" h1 5
}

# became HOST STATE: when the guest there did so last, by that host's clock in us.
became()
{
	on "$1" dmesg |
		sed -n "s/^\[ *\([0-9]*\)\.\([0-9]*\)\] kvmft: guest g: $2\(:.*\)\?$/\1\2/p" | tail -n 1
}

# copied NAME HOST MEASURE PEER VCPUS X ROUND: how fast the standby of the guest there was made, in
# ns for each MiB.
copied()
{
	local began ended bytes
	began=$(became "$2" syncing)
	ended=$(became "$2" protected)
	bytes=$(counter "$2" bytes)
	check "$1: $((bytes / 1024)) KiB are copied in $(((ended - began) / 1000)) ms" \
		test "${ended:-0}" -gt "${began:-0}"
	record "${@:3}" $(((ended - began) * 1000 * 1024 / (bytes / 1024)))
}

end_guest()
{
	let_go
	end_linux h1 h2
}

# waits DEVICE: how long each output waited since this was asked last, in ns.
waits()
{
	linux_asks h1 waits | sed -n "s/^$1 //p"
}

# answers CLIENTS COUNT: how long a Linux guest takes for each of so many answers to each of so many
# clients at once, from h3, in ns; and behind these, for all of them.
answers()
{
	on h3 python3 -B -c '
import socket, sys, threading, time
clients, count = int(sys.argv[2]), int(sys.argv[3])
answers = []
def ask(sock):
    for _ in range(count):
        begun = time.monotonic_ns()
        sock.sendall(b"x" * 64)
        got = 0
        while got < 64:
            piece = sock.recv(64)
            if not piece:
                sys.exit("it hangs up")
            got += len(piece)
        answers.append(time.monotonic_ns() - begun)
socks = [socket.create_connection((sys.argv[1], 10), timeout=60) for _ in range(clients)]
for sock in socks:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
threads = [threading.Thread(target=ask, args=(sock,)) for sock in socks]
begun = time.monotonic_ns()
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(*answers, time.monotonic_ns() - begun, sep="\n")' "$guest_address" "$@"
}

# asked PEER VCPUS X ROUND COUNT: how long each of so many answers takes, one behind the other.
asked()
{
	local took
	took=$(answers 1 "$5" | sed '$d')
	check_eq "$1, round $4: it answers" "$5" "$(wc -l <<<"$took")"
	record answer_p50 "${@:1:4}" "$(quantile 50 <<<"$took")"
	record answer_p99 "${@:1:4}" "$(quantile 99 <<<"$took")"
	echo "# answers: p50 $(quantile 50 <<<"$took") ns"
}

# cpu HOST: ms that its processors were busy so far, but not for guests.
cpu()
{
	# shellcheck disable=SC2016
	on "$1" awk '/^cpu / { print ($2 + $3 + $4 + $7 + $8 - $10) * 10 }' /proc/stat
}
