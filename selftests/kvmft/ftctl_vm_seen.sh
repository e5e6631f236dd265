#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=2 nodebug timeout=300 either
#
# What is seen of a guest that is protected: ftctl show, top and metrics, and sysfs, say
# the same; histograms count what was counted; "protected" is said while it is true.
# shellcheck disable=SC2317 # some functions are called through others
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/pairlab.sh
. "$(dirname "$0")/../lib/pairlab.sh"
# shellcheck source=../lib/vmlab.sh
. "$(dirname "$0")/../lib/vmlab.sh"

METRICS="python3 -B $KVMFT_ROOT/selftests/lib/metrics.py"

# of EXPRESSION: of the JSON on stdin, as j.
of()
{
	python3 -B -c 'import json, sys
j = json.loads(sys.stdin.readlines()[-1])
print(eval(sys.argv[1]))' "$1"
}

# files HOST: all that sysfs has of the guest, "NAME VALUE" a line; one that has lines by
# its sum.
files()
{
	# shellcheck disable=SC2016
	on "$1" sh -c 'cd /sys/class/kvmft/vm-g && for f in [a-tv-z]* counters/*; do
			[ ! -f "$f" ] || echo "$f $(cat "$f")"
		done
		for f in histograms/*; do
			awk -v f="$f" "{ n += \$2 } END { print f, n, NR }" "$f"
		done'
}

# file NAME: of what files() said.
file()
{
	sed -n "s|^$1 ||p" "$scratch/files"
}

stands_still()
{
	[[ $(counter h1 committed) == "$steps" && $(counter h2 committed) == "$steps" ]]
}

# step N: so many epochs in lockstep. The guest stands still before and after.
step()
{
	local n
	steps=$(counter h1 committed)
	for ((n = 0; n < $1; n++)); do
		ask h1 step >/dev/null
		steps=$((steps + 1))
		wait_until 20 stands_still || return
	done
}

in_lockstep()
{
	[[ $(on h1 sh -c 'wc -l </tmp/vmm/steps') != 0 ]] && return
	[[ $(told h1 held) == 0 ]] || ask h1 step >/dev/null
	false
}

# sees HOST: show, sysfs and metrics of a guest that stands still, at about one moment.
sees()
{
	on "$1" ftctl --json show g >"$scratch/json" &&
		files "$1" >"$scratch/files" &&
		on "$1" ftctl metrics >"$scratch/metrics"
}

json()
{
	of "str($1).replace('None', '')" <"$scratch/json"
}

metric()
{
	# shellcheck disable=SC2086
	$METRICS value "$@" guest=g pair=alpha <"$scratch/metrics"
}

load_module h1
load_module h2
make_key
check "the pair is up" pair_hosts

vmm h1 --guest writer --memory 32M --pages 100 --lockstep steps
vmm h2 --standby --guest writer --memory 32M --pages 100
on h2 ftctl attach g pair alpha pid "$(<"$scratch/vmm_h2")" role standby promote manual
sees h2
check_eq "a standby that waits: no commit has an age" " " "$(file committed_age_ms) $(json 'j[0]["committed_age_ms"]')"
check_eq "a standby that waits: nobody says protected" "waiting-peer waiting-peer 0" \
	"$(file state) $(json 'j[0]["state"]') $(metric kvmft_vm_state role=standby state=protected)"
let_go
vmm h2 --standby --guest writer --memory 32M --pages 100
check "protected" protect mode sync
check "in lockstep" wait_until 20 in_lockstep
check "a few epochs" step 3

# --- The same everywhere

for host in h1 h2; do
	check "$host: it can be seen" sees $host
	role=primary
	[[ $host == h1 ]] || role=standby
	check_eq "$host: metrics are of the format" "" "$($METRICS check <"$scratch/metrics")"
	for name in role pair state mode promote tracking pid vcpus memory_bytes generation epoch \
			committed lag_epochs; do
		check_eq "$host: sysfs and show agree on $name" "$(json "j[0]['$name']")" \
			"$(file $name)"
	done
	while read -r name value; do
		[[ $name == counters/* ]] || continue
		check_eq "$host: sysfs and show agree on $name" "$value" \
			"$(json "j[0]['counters']['${name#*/}']")"
	done <"$scratch/files"
	check_eq "$host: metrics, too, count what was compressed" \
		"$(json "j[0]['counters']['pages_packed']")" \
		"$(metric kvmft_vm_pages_packed_total role=$role)"
	check_eq "$host: sysfs has no counter less" "$(json "len(j[0]['counters'])")" \
		"$(grep -c ^counters/ "$scratch/files")"
	check_eq "$host: protected is what it is, in metrics, too" "1 0 0" \
		"$(metric kvmft_vm_state role=$role state=protected) $(metric kvmft_vm_state \
			role=$role state=held) $(metric kvmft_vm_state role=$role state=solo)"
	for name in parked transfer apply; do
		times=$(json "j[0]['histograms']['$name']['count']")
		check_eq "$host: all agree how many times it was $name" "$times $times $times 28" \
			"$(metric kvmft_vm_${name}_seconds_count role=$role) $(json \
				"sum(c['count'] for c in j[0]['histograms']['$name']['classes'])") $(file \
				histograms/${name}_ns)"
		check "$host: the longest and percentiles of $name aren't at odds" python3 -B -c '
import json, sys
vm = json.load(open(sys.argv[2]))[0]
all, counters = vm["histograms"][sys.argv[1]], vm["counters"]
last, p50, p99 = (counters[f"{sys.argv[1]}_{n}_ns"] for n in ("last", "p50", "p99"))
assert last <= all["longest_ns"] and p50 <= p99 <= all["longest_ns"] <= all["sum_ns"]
assert bool(p50) == bool(all["count"])
reached = next((c["up_to_ns"] for c in all["classes"][::-1]), 0)
assert reached is None or reached / 2 < max(all["longest_ns"], 513) <= reached or not reached' \
			"$name" "$scratch/json"
	done
	check_eq "$host: it isn't behind" 0 "$(json 'j[0]["lag_epochs"]')"
	check "$host: the last commit has an age" test "$(file committed_age_ms)" -ge \
		"$(json 'j[0]["committed_age_ms"]')"
done
check_eq "a standby: what is committed is applied" "$(file committed) $(file committed)" \
	"$(file applied) $(json 'j[0]["applied"]')"
check_eq "what is wrong with metrics would be noticed" "" \
	"$($METRICS spoilt <"$scratch/metrics")"
check_eq "metrics of the pair, too" "1 0" "$($METRICS value kvmft_pair_state pair=alpha \
	role=listen state=up <"$scratch/metrics") $($METRICS value kvmft_pair_state pair=alpha \
	role=listen state=down <"$scratch/metrics")"

# --- Histograms count what was counted

# counts HOST NAME: of a histogram.
counts()
{
	on "$1" cat "/sys/class/kvmft/vm-g/histograms/${2}_ns" | awk '{ n += $2 } END { print n }'
}

all_counts()
{
	echo "$(counter h1 committed) $(counts h1 parked) $(counts h1 transfer) $(counts h2 apply)"
}
read -r committed parked transfer apply <<<"$(all_counts)"
check "epochs" step 7
read -r committed_now parked_now transfer_now apply_now <<<"$(all_counts)"
check_eq "checkpoints made, times parked, transfers, times applied" "7 7 7 7" \
	"$((committed_now - committed)) $((parked_now - parked)) $((transfer_now - transfer)) $((apply_now - apply))"
check_eq "a standby counts all that it has committed" "$(counter h2 committed)" "$(counts h2 apply)"
check_eq "bounds of classes, in sysfs" "1024 2048 68719476736 inf" \
	"$(guest h1 histograms/parked_ns | sed -n 's/ .*//; 1p; 2p; 27p; 28p' | xargs)"

# --- How pages are sent can be changed while it is protected

# compress HOST: what show tells.
compress()
{
	on "$1" ftctl --json show g | of 'j[0]["compress"]'
}

check_eq "pages: sent as they are" "none None" "$(compress h1) $(compress h2)"
for compress in lz4 none; do
	check "pages: $compress" on h1 ftctl set g compress $compress
	check_eq "pages: that is told, of a primary" "$compress None" "$(compress h1) $(compress h2)"
	check "pages, $compress: a few epochs" step 3
	check_eq "pages, $compress: it is protected" "protected protected" \
		"$(guest h1 state) $(guest h2 state)"
	check_has "pages, $compress: its standby isn't asked" \
		"$(status on h2 ftctl set g compress $compress)" "compression are the primary's"
done
let_go
both_vmms --guest writer --memory 32M --pages 100
check "pages: protected, with all of them compressed" protect mode sync compress lz4
check_eq "pages: that is told" "lz4 None" "$(compress h1) $(compress h2)"
check_has "pages: for people" "$(on h1 ftctl show g)" " compress lz4 "

# --- Rates, and the table

let_go
both_vmms --guest writer --memory 32M --pages 100
check "protected once more" protect mode sync
on h1 ftctl --json show g over 1.5s >"$scratch/json"
check_eq "show over a time: rates that go together" True "$(json \
	'j[0]["rate"]["checkpoints_per_s"] > 0 and j[0]["rate"]["pages_per_s"] >= 90 * j[0]["rate"]["checkpoints_per_s"] and j[0]["rate"]["bytes_per_s"] > 0 and j[0]["rate"]["seconds"] >= 1.5')"
said=$(on h1 ftctl -s show g over 0.5s)
check_has "show over a time: for people" "$said" "checkpoints/s, "
check_has "show: how long it stands still" "$said" "    parked: last "
check_has "show: how far behind" "$said" ", last commit "
check_has "show: a histogram" "$said" " times: up to "
said=$(on h1 ftctl show g)
check_hasnt "show without a time: no rates" "$said" "checkpoints/s"
check_hasnt "show without -s: no histogram" "$said" " times: up to "

said=$(on h1 ftctl top -n 2 -d 0.5 sort checkpoints)
# shellcheck disable=SC2016
check_eq "top: two tables" "1 guest, 1 protected, by checkpoints
NAME     ROLE    STATE        GEN   EPOCH  CP/S  PG/S  MB/S   P50   P99   LAG
g primary protected

1 guest, 1 protected, by checkpoints
NAME     ROLE    STATE        GEN   EPOCH  CP/S  PG/S  MB/S   P50   P99   LAG
g primary protected" "$(sed -E 's/^g +primary +protected +[0-9]+ +[0-9]+( +[0-9.]+k?){3}( +<?[0-9.]+[nmu]?s){3}$/g primary protected/' <<<"$said")"
check "top: no line is longer than a terminal has columns" \
	test "$(wc -L <<<"$said")" -lt 80
on h1 ftctl --json top -n 3 -d 0.5 >"$scratch/tables"
check_eq "top: with --json an array on a line for each table" "3 list 1 g primary protected True" \
	"$(wc -l <"$scratch/tables") $(of '" ".join([type(j).__name__, str(len(j)), j[0]["name"], j[0]["role"], j[0]["state"], str(j[0]["checkpoints_per_s"] > 0 and j[0]["parked_p99_ns"] > 0 and j[0]["seconds"] >= 0.5)])' <"$scratch/tables")"
said=$(on h2 ftctl top -n 1 -d 0.5)
check_has "top: of a standby" "$said" "g        standby protected "
check_has "top: a standby counts no pages" "$said" "     -     - "
# A terminal that script makes.
on h1 sh -c 'TERM=xterm script -qec "stty cols 80 rows 24; timeout --preserve-status -s INT 3 ftctl top -d 0.5" /dev/null' \
	</dev/null >"$scratch/screen" 2>&1
check_eq "top on a terminal: ends well when it is interrupted" 0 $?
check "top on a terminal: a table takes the place of the one before" \
	grep -qa $'\e\\[H1 guest, 1 protected, by name\e\\[K' "$scratch/screen"
check_has "top on a terminal: at the end it is as it was" "$(tail -n 1 "$scratch/screen")" \
	$'\e[0m\e[J\r'

# --- When it isn't protected any more, nobody says so

on h2 sh -c 'pkill -9 -x flatvmm'
check "without its standby it isn't protected" wait_until 20 guest_is h1 held
sees h1
check_eq "nobody says it is" "held held 0 1" "$(file state) $(json 'j[0]["state"]') $(metric \
	kvmft_vm_state state=protected) $(metric kvmft_vm_state state=held)"
check_eq "all say why" "$(json 'j[0]["reason"]') $(json 'j[0]["why"]') 1" "$(file reason) $(file \
	why) $(metric kvmft_vm_reason "reason=$(file reason)")"
check_has "top says why" "$(on h1 ftctl top -n 1 -d 0.1)" " $(file reason)"
check_has "show says why" "$(on h1 ftctl show g)" "because $(file why)"
let_go

end_vmms h1 h2
done_testing
