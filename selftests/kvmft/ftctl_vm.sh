#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: host timeout=150 either
#
# ftctl attach, detach, show, set, failover as far as they get without a guest that
# could be protected: what makes no sense, and how a VM is found in a process.
# shellcheck disable=SC2317 # some functions are called through others
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"

scratch=$(mktemp -d)
cd "$scratch" || exit 1
vmms=()

clean_up()
{
	(( ! ${#vmms[@]} )) || kill "${vmms[@]}" 2>/dev/null
	rm -rf "$scratch"
}
trap clean_up EXIT

# run COMMAND...: its $out, $err and $code.
run()
{
	"$@" >said.out 2>said.err
	code=$?
	out=$(<said.out)
	err=$(<said.err)
}

# senseless NAME COMPLAINT ARGS...: the command line makes no sense.
senseless()
{
	run ftctl "${@:3}"
	check_eq "$1: status 2, nothing on stdout" "2 " "$code $out"
	check_has "$1: it says why" "$err" "ftctl: $2"
	check_has "$1: with the usage" "$err" "usage: ftctl [OPTIONS] $3"
}

# fails NAME COMPLAINT ARGS...: ftctl fails, with status 1, and says why.
fails()
{
	run ftctl "${@:3}"
	check_eq "$1: status 1, nothing on stdout" "1 " "$code $out"
	check_has "$1: it says why" "$err" "ftctl: $2"
}

# --- Command lines that make no sense

for subcommand in attach detach set failover solo fence; do
	senseless "$subcommand without a name" "the guest's name is missing" $subcommand
	senseless "$subcommand with a long name" "the name '$(printf 'a%.0s' {1..64})' is too long" \
		$subcommand "$(printf 'a%.0s' {1..64})"
	senseless "$subcommand with an option for a name" \
		"options stand before the subcommand; '-j' is no name" $subcommand -j
done
senseless "show with an option behind" "options stand before the subcommand" show -s
senseless "show of two" "'db2' is too much" show db1 db2
senseless "detach of two" "'db2' is too much" detach db1 db2

senseless "attach without a pair" "'pair' is missing" attach db1 pid 1
senseless "attach without a process" "'pid' is missing" attach db1 pair alpha
senseless "a keyword without a value" "what belongs behind 'pid' is missing" \
	attach db1 pair alpha pid
senseless "a keyword of nobody" "'--json' is too much" attach db1 --json
senseless "a pair with a long name" "the name '$(printf 'a%.0s' {1..32})' is too long" \
	attach db1 pair "$(printf 'a%.0s' {1..32})" pid 1
for value in 0 -1 1x 4294967297 99999999999999999999 ""; do
	senseless "the process '$value'" "pid '$value': that is no number of a process" \
		attach db1 pair alpha pid "$value"
done
senseless "a descriptor of nobody" "vm '-1': that is no number of a descriptor" \
	attach db1 pair alpha pid 1 vm -1
senseless "another role" "'second' is neither 'primary' nor 'standby'" \
	attach db1 pair alpha pid 1 role second
senseless "another mode" "'fast' is none of sync, async" attach db1 pair alpha pid 1 mode fast
# senseless_ceiling SIZE COMPLAINT
senseless_ceiling()
{
	senseless "the ceiling '$1'" "ceiling '$1': $2" attach db1 pair alpha pid 1 ceiling "$1"
}
senseless_ceiling 512 "the unit is missing; say 512M or 2G"
senseless_ceiling 1.5G "only whole numbers; say 1536M instead of 1.5G"
senseless_ceiling 1GB "there is no such unit; say 512M or 2G"
senseless_ceiling G "that is no size; say 512M or 2G"
senseless_ceiling 0M "nothing could be staged"
senseless_ceiling 16777216T "that is too much"
senseless_ceiling 18446744073709551616K "that is too much"
for keyword in "pair alpha" "pid 1" "vm 3" "role primary" "mode sync" "promote ask" \
		"loss ask" "fencing none" "rate 1M" "compress lz4" "ceiling 1G"; do
	# shellcheck disable=SC2086
	senseless "${keyword% *} twice" "'${keyword% *}' is there twice" attach db1 $keyword $keyword
done

senseless "nothing to set" "what to set is missing" set db1
senseless "no mode to set" "what belongs behind 'mode' is missing" set db1 mode
senseless "another mode to set" "'fast' is none of sync, async" set db1 mode fast
senseless "another way to be promoted" "'never' is none of auto, manual, ask" \
	set db1 promote never
senseless "no way to be promoted" "what belongs behind 'promote' is missing" set db1 promote
senseless "another way to be lost" "'panic' is none of hold, solo, ask" set db1 loss panic
senseless "no way to be lost" "what belongs behind 'loss' is missing" set db1 loss
senseless "another way to be fenced" "'maybe' is none of none, required" \
	attach db1 pair alpha pid 1 fencing maybe
senseless "no way to be fenced" "what belongs behind 'fencing' is missing" set db1 fencing
senseless "another way to compress" "'zstd' is none of none, lz4" \
	attach db1 pair alpha pid 1 compress zstd
senseless "another way to compress, to set" "'LZ4' is none of none, lz4" set db1 compress LZ4
senseless "no way to compress" "what belongs behind 'compress' is missing" set db1 compress
senseless "two ways to compress" "'compress' is there twice" set db1 compress lz4 compress none
senseless "one thing to set, twice" "'loss' is there twice" set db1 loss hold fencing none loss ask
senseless "a rate that is none" "rate '63K': a copy would take for ever" set db1 rate 63K
senseless "no rate" "what belongs behind 'rate' is missing" set db1 rate
senseless "something else to set" "'ceiling' is too much" set db1 ceiling 1G
senseless "a failover of something else" "'-f' is too much" failover db1 -f
senseless "a fence of something else" "'now' is too much" fence db1 now
senseless "a fence within no time" "what belongs behind '--timeout' is missing" fence db1 --timeout
senseless "a fence within a bare number" "--timeout '60': the unit is missing" \
	fence db1 --timeout 60
senseless "an agent that can't fence" \
	"a command that fences the other host is missing; say --fence COMMAND" agent --once
senseless "an agent that does nothing" "a command that fences the other host is missing" \
	agent --fence ""
senseless "an agent with two commands" "'--fence' is there twice" agent --fence a --fence b
senseless "an agent without a command" "what belongs behind '--fence' is missing" agent --fence
senseless "an agent in a hurry" "--timeout '0s': no command is so fast" \
	agent --fence true --timeout 0s
senseless "an agent that waits for what" "--delay '5': the unit is missing" \
	agent --fence true --delay 5
senseless "an agent with something else" "'true' is too much" agent true
senseless "a monitor without a guest" "what belongs behind 'vm' is missing" monitor vm

senseless "rates over nothing" "what belongs behind 'over' is missing" show db1 over
senseless "rates over no time" "over '0s': nothing happens in no time" show over 0s
senseless "rates without a unit" "over '5': the unit is missing" show db1 over 5
senseless "rates of too much" "'db2' is too much" show db1 over 5s db2
for value in 0 -1 1x 1.5 99999999999 ""; do
	senseless "$value tables" "-n '$value': that is no number of tables" top -n "$value"
done
for value in 0 0.09 90ms; do
	senseless "a table every $value" "-d '$value': that is too often" top -d "$value"
done
senseless "a table every 1m" "-d '1m': there is no such unit" top -d 1m
senseless "a table every nothing" "-d '': that is no time" top -d ""
senseless "sorted by nothing" "what belongs behind 'sort' is missing" top sort
senseless "sorted by weight" "sort 'weight': that is none of name, role, state, gen, epoch,\
 checkpoints, pages, bytes, p50, p99, lag" top sort weight
senseless "the top of one guest" "'db1' is too much" top db1
senseless "metrics of one guest" "'db1' is too much" metrics db1
run ftctl --json metrics
check_eq "metrics aren't JSON" "2 " "$code $out"
check_has "metrics aren't JSON: it says what is" "$err" "for JSON say: ftctl --json show"

# --- Without guests

run ftctl metrics
check_eq "no guests and pairs: no metrics" "0 " "$code $out$err"
run ftctl top -n 2 -d 0.1 sort lag
check_eq "no guests: the table is empty" "0 0 guests, 0 protected, by lag
NAME     ROLE    STATE        GEN   EPOCH  CP/S  PG/S  MB/S   P50   P99   LAG

0 guests, 0 protected, by lag
NAME     ROLE    STATE        GEN   EPOCH  CP/S  PG/S  MB/S   P50   P99   LAG" "$code $out$err"
run ftctl --json top -n 2 -d 100ms
check_eq "no guests: with --json an empty array, each" "0 []
[]" "$code $out$err"
run ftctl show over 0.1s
check_eq "no guests: nothing to show" "0 " "$code $out$err"
run timeout --preserve-status -s INT 2 ftctl --json top -d 0.2
check_eq "interrupted, it ends well" "0 []" "$code $(head -n 1 said.out)"

# --- Processes, and VMs in there

# Makes VMs with so many vcpus each, and more descriptors that look similar.
cat >vmm.py <<'END'
import fcntl, os, sys, time

CREATE_VM, CREATE_VCPU, GET_STATS_FD = 0xae01, 0xae41, 0xaece
kvm = os.open("/dev/kvm", os.O_RDWR)
for vcpus in map(int, sys.argv[2:]):
    vm = fcntl.ioctl(kvm, CREATE_VM, 0)
    fcntl.ioctl(vm, GET_STATS_FD, 0)
    for number in range(vcpus):
        fcntl.ioctl(fcntl.ioctl(vm, CREATE_VCPU, number), GET_STATS_FD, 0)
os.dup(vm)
open(sys.argv[1], "w").close()
time.sleep(1000)
END

# start_vmm VCPUS...: a process with a VM for each number; $vmm is its number.
start_vmm()
{
	rm -f ready
	python3 -B vmm.py ready "$@" &
	vmm=$!
	vmms+=("$vmm")
	check "a process with VMs is there ($*)" wait_until 60 test -e ready
}

# descriptors: those of VMs in $vmm; not the last one, by which the VM before it
# is known a second time.
descriptors()
{
	find "/proc/$vmm/fd" -lname anon_inode:kvm-vm -printf '%f\n' | sort -n | head -n -1
}

fails "a process that is no VMM" "process $$ has no VM; is it a VMM?" attach db1 pair alpha pid $$
fails "no process" "there is no process 4194303" attach db1 pair alpha pid 4194303
start_vmm 0
fails "a VM without vcpus" "process $vmm has no vcpus yet" attach db1 pair alpha pid "$vmm"

start_vmm 2
# From here on it is the module's to judge: there is no such pair.
fails "a VM with vcpus: the module is asked" "the kernel says: " attach db1 pair nope pid "$vmm"
fails "with all that may be said" "the kernel says: " attach db1 ceiling 1GiB role standby \
	mode async converge pair nope pid "$vmm" vm "$(descriptors)" --wait
fails "a descriptor that is no VM" \
	"descriptor 0 of process $vmm is no VM; descriptors that are: $(descriptors)" \
	attach db1 pair alpha pid "$vmm" vm 0
run setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all \
	ftctl attach db1 pair alpha pid "$vmm"
check_eq "somebody else's process" \
	"1 ftctl: no access to the descriptors of process $vmm; that takes CAP_SYS_PTRACE" \
	"$code $out$err"
run setpriv --bounding-set=-sys_ptrace --inh-caps=-sys_ptrace ftctl attach db1 pair alpha pid "$vmm"
check_has "a process of one's own, with more capabilities" "$code $out$err" \
	"1 ftctl: no access to the descriptors of process $vmm; that takes CAP_SYS_PTRACE"
# shellcheck disable=SC2016
run unshare --mount bash -c 'mount --bind /dev/null /dev/kvm && exec ftctl "$@"' bash \
	attach db1 pair alpha pid "$vmm"
check_eq "without KVM" "1 ftctl: /dev/kvm isn't the KVM that ftctl was built for" "$code $out$err"

start_vmm 1 2
list=$(descriptors | paste -sd, | sed 's/,/, /g')
fails "two VMs" "process $vmm has several VMs, its descriptors $list; say which, like: vm ${list%,*}" \
	attach db1 pair alpha pid "$vmm"
for descriptor in $(descriptors); do
	fails "two VMs, one of them" "the kernel says: " \
		attach db1 pair nope pid "$vmm" vm "$descriptor"
done

# --- What is refused, and shown, of a guest that is attached

# told GUEST KEY...: what show tells of it.
told()
{
	ftctl --json show "$1" | python3 -c '
import json, sys
vm, = json.load(sys.stdin)
print(*(vm[key] for key in sys.argv[1:]))' "${@:2}" 2>&1
}

# shown: what show tells of its policies.
shown()
{
	told db1 loss fencing fence
}

ftctl genkey key
check "a pair is there" ftctl pair add alpha listen 127.0.0.1:7700 key key
cp "$KVMFT_BUILD/selftests/flat/flatvmm" .
./flatvmm --output guest.out --control guest.control >guest.said 2>&1 </dev/null &
vmm=$!
vmms+=("$vmm")
check "a guest is there" wait_until 60 grep -q ready guest.said
fails "to go on alone without fencing" "the kernel says: Invalid argument: going on alone takes a fence; say\
 'fencing required', too" attach db1 pair alpha pid "$vmm" loss solo
fails "a standby that loses its standby" "the kernel says: Invalid argument: only a primary can lose its\
 standby; leave it out, or say it on the other host" \
	attach db1 pair alpha pid "$vmm" role standby loss hold
check "it is attached" ftctl attach db1 pair alpha pid "$vmm"
check_eq "what wasn't said is as ever" "hold none None" "$(shown)"
check_eq "and isn't shown to people" "" "$(ftctl show db1 | grep -oE 'loss|fenc')"
fails "to set that it goes on alone without fencing" "the kernel says: Operation not permitted: going on alone\
 takes a fence; with 'loss solo' goes 'fencing required'" set db1 loss solo
check_eq "that changes nothing" "hold none None" "$(shown)"
check "to set both" ftctl set db1 loss solo fencing required
check_eq "both are set" "solo required None" "$(shown)"
check_has "people see them, too" "$(ftctl show db1)" " loss solo fencing required "
fails "to end fencing alone" "the kernel says: Operation not permitted: " set db1 fencing none
check "to end both" ftctl set db1 fencing none loss ask
check_eq "both are ended" "ask none None" "$(shown)"
check_has "people see the rest" "$(ftctl show db1)" " loss ask pid "

check_eq "pages are sent as they are" none "$(told db1 compress)"
check_hasnt "and isn't shown to people" "$(ftctl show db1)" compress
check "to compress them" ftctl set db1 compress lz4
check_eq "they are, and the rest is as it was" "lz4 ask none None" \
	"$(told db1 compress loss fencing fence)"
check_has "people see it, too" "$(ftctl show db1)" " compress lz4 pid "
check "to set something else" ftctl set db1 loss hold
check_eq "leaves that as it is" lz4 "$(told db1 compress)"
check "to compress them no more" ftctl set db1 compress none
check_eq "they aren't" none "$(told db1 compress)"
check_hasnt "people see nothing of it" "$(ftctl show db1)" compress

fails "a primary isn't promoted" "the kernel says: Operation not supported: " set db1 promote auto
fails "nothing to fence yet" "the kernel says: Device or resource busy: it hasn't lost the other host" \
	fence db1
fails "nobody to fence" "the kernel says: No such file or directory: " fence db2
run setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all ftctl agent --fence true
check_has "an agent that may not answer" "$code $out$err" "1 ftctl: the kernel says: Operation not permitted"
check "it is let go" ftctl detach db1

check "it is attached anew, to be compressed" ftctl attach db1 pair alpha pid "$vmm" compress lz4
check_eq "it is" lz4 "$(told db1 compress)"
check_has "for people" "$(ftctl show db1)" " compress lz4 pid "
check_has "what was sent so is counted" "$(ftctl -s show db1)" ", 0 packed"
check "it is let go again" ftctl detach db1
check "to say that it isn't" ftctl attach db1 pair alpha pid "$vmm" compress none
check_eq "it isn't" none "$(told db1 compress)"
check "it is let go once more" ftctl detach db1

./flatvmm --output standby.out --control standby.control --standby >standby.said 2>&1 </dev/null &
standby=$!
vmms+=("$standby")
check "a standby is there" wait_until 60 grep -q ready standby.said
for value in none lz4; do
	fails "a standby that sends pages: $value" "the kernel says: Invalid argument: only a primary\
 sends pages; leave it out, or say it on the other host" \
		attach db2 pair alpha pid "$standby" role standby compress $value
done
check "without that it is attached" ftctl attach db2 pair alpha pid "$standby" role standby
for value in none lz4; do
	fails "a standby that is to send pages: $value" "the kernel says: Operation not supported: mode,\
 convergence, rate, loss and compression are the primary's" set db2 compress $value promote manual
done
check_eq "that changes nothing" "None auto" "$(told db2 compress promote)"
check_hasnt "and shows nothing" "$(ftctl show db2)" compress
check "the standby is let go" ftctl detach db2

ftctl agent --fence true >agent.out 2>agent.err &
agent=$!
check "an agent waits" wait_until 20 grep -q "waits for fences" agent.out
kill -TERM "$agent"
wait "$agent"
check_eq "until it is terminated" "0 ends" "$? $(tail -n 1 agent.out | cut -d ' ' -f 3-)$(<agent.err)"
ftctl --json agent --fence true >agent.out 2>agent.err &
agent=$!
check "another one, for programs" wait_until 20 grep -q '^{"event":"ready",' agent.out
kill -INT "$agent"
wait "$agent"
check_eq "until it is interrupted" "0 end" "$? $(tail -n 1 agent.out |
	python3 -c 'import json, sys; print(json.load(sys.stdin)["event"])')$(<agent.err)"

# --- Words, which are the same in the module

# words FILE: each reason with its name.
words()
{
	tr -d '\n\t' <"$1" | grep -oE '\[KVMFT_REASON_[A-Z_]+\] = (\{ *)?"[a-z-]+"' | tr -d '{ ' | sort
}
check_eq "reasons have the same names here and in the module" \
	"$(words "$KVMFT_ROOT/kmod/reason.c")" "$(words "$KVMFT_ROOT/tools/ftctl/names.c")"

# --- Completion

# complete WORD...: what the last word can become, sorted.
complete()
{
	# shellcheck disable=SC2016
	bash -euc '
		. "$1"
		shift
		COMP_WORDS=("$@")
		COMP_CWORD=$(($# - 1))
		COMPREPLY=()
		_ftctl
		printf "%s\n" "${COMPREPLY[@]}"' bash \
		"$KVMFT_ROOT/tools/ftctl/ftctl.bash-completion" "$@" 2>&1 | sort | paste -sd' '
}

check_eq "completion: what attach takes" \
	"ceiling compress converge fencing loss mode pair pid promote rate role vm" \
	"$(complete ftctl attach db1 "" | sed 's/--wait//' | xargs)"
check_eq "completion: and to wait" --wait "$(complete ftctl attach db1 pair alpha -)"
check_eq "completion: nothing twice" "" "$(complete ftctl attach db1 pid 1 pi)"
check_eq "completion: a role" "primary standby" "$(complete ftctl attach db1 role "")"
check_eq "completion: a mode" "async sync" "$(complete ftctl set db1 mode "")"
check_eq "completion: how to be promoted" "ask auto manual" "$(complete ftctl set db1 promote "")"
check_eq "completion: what detach takes" --force "$(complete ftctl detach db1 "")"
check_eq "completion: a way to be lost" "ask hold solo" "$(complete ftctl set db1 loss "")"
check_eq "completion: a way to be fenced" "none required" "$(complete ftctl attach db1 fencing "")"
check_eq "completion: a rate" none "$(complete ftctl set db1 rate "")"
check_eq "completion: a way to compress" "lz4 none" "$(complete ftctl attach db1 compress "")"
check_eq "completion: what set takes" "compress converge fencing loss mode promote rate" \
	"$(complete ftctl set db1 "")"
check_eq "completion: what failover takes" --force "$(complete ftctl failover db1 "")"
check_eq "completion: rates" over "$(complete ftctl show db1 "")"
check_eq "completion: how often, and by what" "-d -n sort" \
	"$(complete ftctl top "" | sed 's/--help //')"
check_eq "completion: by what" "p50 p99 pages" "$(complete ftctl top -n 1 sort p)"
check_eq "completion: that once" "-d -n" "$(complete ftctl top sort lag "")"
check_eq "completion: metrics take nothing" --help "$(complete ftctl metrics "")"
check_eq "completion: events of guests, too" vm "$(complete ftctl monitor pair alpha v)"

done_testing
