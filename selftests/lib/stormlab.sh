# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# stormlab.sh - faults that strike a Linux guest under load, and how the hosts are got together
# again. Behind ftvmmlab.sh and faultlab.sh. The guest runs on $here, $there has its standby.
# shellcheck disable=SC2154,SC2034,SC2317

here=h1
there=h2
TIMEOUT=2
# Each in its own way; "copying" is a standby that dies while it is made.
FAULTS=(power_primary power_standby vmm_primary vmm_standby freeze_short freeze_long
	freeze_standby stop cut cut_one_way cut_both switch copying)
# Where the epoch is that they strike in: anywhere, or at just this point.
PHASES=(any "${EPOCH_POINTS[@]}")
# Of these it is looked what leaves the host that they strike.
WATCHED=" freeze_long stop cut cut_one_way cut_both "
# How pages are sent is chosen anew for each.
PACKS=(none lz4)
storm_options=(serve --vcpus 2 --memory 256M --disk /dev/vda)

# strikes_at_a_point FAULT: whether it does so in an epoch.
strikes_at_a_point()
{
	[[ $1 != switch && $1 != copying ]]
}

# shuffled SEED WORD...: in an order that the seed makes.
shuffled()
{
	python3 -B -c 'import random, sys
words = sys.argv[2:]
random.Random(sys.argv[1]).shuffle(words)
print(*words)' "$@"
}

# host_back HOST: it has been off, and is to have guests again.
host_back()
{
	reboot_into_pair "$1" timeout ${TIMEOUT}s && guest_place "$1" && known_by_disk "$1"
}

# known_by_disk HOST: the shared disk's server knows it from the others by what it reads.
known_by_disk()
{
	local place
	place=$(date +%s)
	place=$((100000 + place % 50000))
	[[ $1 == h1 ]] || place=$((place + 50000))
	echo $place >"$scratch/place_$1"
	on "$1" dd if=/dev/vda of=/dev/null bs=4096 count=1 skip=$place iflag=direct 2>/dev/null
}

# swap: the other one has the guest now.
swap()
{
	read -r here there <<<"$there $here"
}

# make_standby: there is a VMM on $there that waits for the guest.
make_standby()
{
	on "$there" ftctl detach g --force 2>/dev/null
	linux "$there" "${storm_options[@]}" --standby &&
		on "$there" ftctl attach g pair alpha pid "$(<"$scratch/vmm_$there")" role standby
}

is_protected()
{
	guest_is "$here" protected && guest_is "$there" protected
}

# watch_begin: what leaves $here is written down.
watch_begin()
{
	watched=$here
	watch_begun=$(date +%s.%N)
	capture_begin repl
	capture_begin svc --from "$here"
	watch_since=
}

# something_left: an answer of the guest's was seen that does.
something_left()
{
	python3 -B "$KVMFT_ROOT/selftests/lib/ftvmm_first.py" \
		"$scratch/svc.pcap" 0
}

# watch_from_now: from now on nothing is to leave.
watch_from_now()
{
	watch_since=$(date +%s.%N)
}

# watch_end: what has left since; as ftvmm_left.py says it.
watch_end()
{
	captures_end
	"$LAB" log disk >"$scratch/disk.log"
	python3 -B "$KVMFT_ROOT/selftests/lib/ftvmm_left.py" \
		"$scratch/svc.pcap" "$scratch/disk.log" "$(<"$scratch/place_$watched")" "$watch_since"
}

# left_before NAME: without that, it says nothing that nothing has since.
left_before()
{
	sleep 1
	watch_end >"$scratch/left" 2>&1
	check_has "$1: it is known what has left" "$(<"$scratch/left")" "since: "
	check_hasnt "$1: before, packets have left" "$(<"$scratch/left")" "before: 0 packets, 0 writes"
	sed 's/^/# /' "$scratch/left"
}

# nothing_left NAME
nothing_left()
{
	left_before "$1"
	check_has "$1: nothing has left $watched since" "$(<"$scratch/left")" "since: 0 packets, 0 writes"
}

# permitted_last: when the VMM on $watched permitted its last output, by this machine's clock.
permitted_last()
{
	local before after up last
	before=$(date +%s.%N)
	up=$(on "$watched" cut -d' ' -f1 /proc/uptime)
	after=$(date +%s.%N)
	last=$(linux_asks "$watched" status | sed -n 's/.*"permitted": \([0-9]*\).*/\1/p')
	awk -v last="${last:-0}" -v up="$up" -v before="$before" -v after="$after" \
		'BEGIN { printf "%.3f\n", last ? last / 1e9 - up + (before + after) / 2 : 0 }'
}

# is_before A B SECONDS: by at least so much.
is_before()
{
	awk -v a="$1" -v b="$2" -v least="$3" 'BEGIN { exit !(a + least < b) }'
}

# nothing_permitted NAME: since then, the VMM on $watched, whose host had stood still for two
# seconds and more. What left since was permitted before, and on its way: between a VMM's last look
# and a wire there are a host's own queues.
nothing_permitted()
{
	local last
	last=$(permitted_last)
	check "$1: its last output was permitted before" is_before "$last" "$watch_since" 1
	check "$1: and it was one of these" is_before "$watch_begun" "$last" 0
	left_before "$1"
}

# taken_over NAME: the standby has the guest, and it isn't $here any more.
taken_over()
{
	check "$1: the standby goes on" wait_until 20 guest_is "$there" solo
}

# known_here NAME: the old one knows.
known_here()
{
	check "$1: the old one learns that it isn't to go on" wait_until 20 guest_is "$here" fenced
}

# told_to_go_on NAME: the standby is gone for good, says the operator.
told_to_go_on()
{
	check "$1: it is held without a standby" wait_until 20 guest_is "$here" held
	check "$1: it is told to go on" on "$here" ftctl solo g
}

# killed HOST WHAT: by its QEMU, or its VMM; who is to kill that waits there for the word.
killed_at=
killed()
{
	local word=$scratch/word
	if [[ $2 == host ]]; then
		killed_at=$(date +%s.%N)
		"$LAB" kill "$1"
		return
	fi
	rm -f "$word"
	mkfifo "$word"
	# shellcheck disable=SC2016
	"$LAB" exec "$1" sh -c 'read -r word; kill -9 "$1"' sh "$(<"$scratch/vmm_$1")" <"$word" &
	exec 9>"$word"
	sleep 1
	killed_at=$(date +%s.%N)
	echo now >&9
	exec 9>&-
	wait $!
}

# timed WHAT MODE: ms until the guest answers from the other host.
timed()
{
	took=
	on "$here" ftctl set g mode "$2"
	capture_begin svc --from "$there"
	sleep "1.$((RANDOM % 10))"
	killed "$here" "$1"
	took=$(python3 -B \
		"$KVMFT_ROOT/selftests/lib/ftvmm_first.py" "$scratch/svc.pcap" "$killed_at")
	captures_end
}

# --- The faults: what strikes, what becomes of it

fault_power_primary()
{
	"$LAB" kill "$here"
	sleep 0.3
	leave_points "$there"
	taken_over "$1"
	check "$1: its host is back" host_back "$here"
	swap
}

fault_power_standby()
{
	"$LAB" kill "$there"
	sleep 0.3
	leave_points "$here"
	told_to_go_on "$1"
	check "$1: its host is back" host_back "$there"
}

fault_vmm_primary()
{
	on "$here" pkill -9 -x ftvmm
	sleep 0.1
	leave_points h1 h2
	taken_over "$1"
	swap
}

fault_vmm_standby()
{
	on "$there" pkill -9 -x ftvmm
	sleep 0.1
	leave_points h1 h2
	told_to_go_on "$1"
}

fault_freeze_short()
{
	"$LAB" freeze "$here"
	sleep 0.5
	"$LAB" thaw "$here"
	leave_points h1 h2
	check "$1: nobody minds" wait_until 20 is_protected
}

fault_freeze_long()
{
	sleep "0.$((RANDOM % 10))$((RANDOM % 10))"
	"$LAB" freeze "$here"
	leave_points "$there"
	taken_over "$1"
	sleep "0.$((RANDOM % 10))"
	watch_from_now
	"$LAB" thaw "$here"
	leave_points "$here"
	known_here "$1"
	nothing_permitted "$1"
	swap
}

# Who is frozen finds that it has heard nothing for long, as a primary would that died.
fault_freeze_standby()
{
	"$LAB" freeze "$there"
	sleep $((TIMEOUT + 1)).$((RANDOM % 10))
	"$LAB" thaw "$there"
	leave_points h1 h2
	check "$1: one of them goes on" wait_until 20 somebody_serves
	! guest_is "$there" solo || swap
}

fault_stop()
{
	sleep "0.$((RANDOM % 10))$((RANDOM % 10))"
	"$LAB" stop "$here"
	leave_points "$there"
	taken_over "$1"
	"$LAB" cont "$here"
	leave_points "$here"
	known_here "$1"
	# It couldn't know, so what had been acknowledged may have left; nothing else.
	watch_from_now
	nothing_left "$1"
	judge_outputs /dev/null
	check_eq "$1: nothing left that wasn't acknowledged before" 0 $?
	swap
}

# cut_off NAME CUT...: by words for cut, separated by commas.
cut_off()
{
	local name=$1 words
	shift
	for words; do
		# shellcheck disable=SC2086
		"$LAB" cut ${words//,/ }
	done
	sleep 0.3
	leave_points h1 h2
	taken_over "$name"
	watch_from_now
	check "$name: the old one is held" wait_until 10 guest_is "$here" held
	sleep 1
	"$LAB" heal
	known_here "$name"
	nothing_left "$name"
	swap
}

fault_cut()
{
	cut_off "$1" "$here,$there,repl"
}

fault_cut_one_way()
{
	if ((RANDOM % 2)); then
		cut_off "$1" "$here,$there,repl,--one-way"
	else
		cut_off "$1" "$there,$here,repl,--one-way"
	fi
}

fault_cut_both()
{
	cut_off "$1" "$here,$there,repl" "$here,$there,svc" "$here,h3,svc"
}

fault_switch()
{
	local side
	side=$(shuffled $RANDOM h1 h2)
	check "$1: asked for on ${side%% *}" on "${side%% *}" ftctl failover g
	taken_over "$1"
	known_here "$1"
	swap
}

fault_copying()
{
	on "$there" pkill -9 -x ftvmm
	told_to_go_on "$1"
	on "$here" ftctl set g rate 2M
	check "$1: a standby is made" make_standby
	check "$1: it is being copied to" wait_until 10 guest_is "$there" syncing
	sleep "0.$((RANDOM % 10))"
	if ((RANDOM % 2)); then
		on "$there" pkill -9 -x ftvmm
	else
		"$LAB" kill "$there"
		check "$1: its host is back" host_back "$there"
	fi
	on "$here" ftctl set g rate none
	check "$1: the guest goes on meanwhile" wait_until 20 guest_is "$here" solo
}

somebody_serves()
{
	guest_is "$here" protected || guest_is "$there" solo
}

protected_again()
{
	check "$1: there is a standby again" make_standby
	check "$1: it is protected again" wait_until 60 is_protected
}

# again NAME: there is a standby again, and who asks is answered.
again()
{
	is_protected || protected_again "$1"
	check "$1: it counts on" wait_until 90 more_answers 7 "$(answers 7)"
	check "$1: it writes on" wait_until 90 more_answers 8 "$(answers 8)"
}

# storm_begin: the guest runs on h1 and is protected.
storm_begin()
{
	load_module h1
	load_module h2
	make_key
	check "the pair is up" pair_hosts timeout ${TIMEOUT}s
	guest_places h1 h2
	check "h1 is known by what it reads" known_by_disk h1
	check "h2 is known by what it reads" known_by_disk h2
	linux h1 "${storm_options[@]}"
	serves "the guest serves" h1
	check "a standby is made" make_standby
	check "it is attached" on h1 ftctl attach g pair alpha pid "$(<"$scratch/vmm_h1")"
	check "it is protected" wait_until 60 is_protected
}

# storm_load: its clients are at work.
storm_load()
{
	client 7
	client 8
	prober 200
	goes_on "it counts" 7
	goes_on "it writes" 8
}

# storm_end: what has become of it.
storm_end()
{
	is_right "each answer was right" 7
	is_right "each entry was right" 8
	check "what was answered is on the disk" in_blocks
	check_hasnt "its kernel has nothing to complain of" "$(linux_said "$here")" "BUG:"
	[[ $tap_failed == 0 ]] || { show h1; show h2; }
	on h3 pkill -f ftvmm_client.py
	end_linux h1 h2
}

# storm_fault NUMBER FAULT PHASE MODE: one strikes there; a line of what it was goes to
# $KVMFT_STORM_RECORD.
storm_fault()
{
	local number=$1 fault=$2 phase=$3 mode=$4 name="fault $1, $2 at $3, $4" host gap

	on "$here" ftctl set g mode "$mode" compress "${PACKS[RANDOM % 2]}"
	if [[ $WATCHED == *" $fault "* ]]; then
		watch_begin
		check "$name: it is seen what leaves $here" something_left
	fi
	if [[ $phase == any ]]; then
		sleep "$((RANDOM % 2)).$((RANDOM % 10))$((RANDOM % 10))"
	else
		host=$(host_of_point "$phase" "$here" "$there")
		check "$name: an epoch is there" reach_point "$host" "$phase"
	fi
	on h3 truncate -s 0 /tmp/gaps
	"fault_$fault" "$name"
	sleep 0.5
	gap=$(on h3 cat /tmp/gaps | sort -n | tail -n 1)
	echo "# $name: longest time without an answer: ${gap:-less than 1000} ms"
	[[ $tap_failed == 0 ]] && again "$name"
	printf '%s\t%s\t%s\t%s\t%s\t%s\n' "${KVMFT_SEED:-0}" "$number" "$fault" "$phase" "$mode" \
		"$([[ $tap_failed == 0 ]] && echo pass || echo fail)" >>"$KVMFT_STORM_RECORD"
}
