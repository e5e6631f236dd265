#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: host timeout=240 either
#
# ftctl genkey, pair and monitor: two network namespaces of this host are the two
# ends of pairs. What becomes of a key is watched throughout.
# shellcheck disable=SC2317 # most functions are called through check()
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"

scratch=$(mktemp -d)
chmod 755 "$scratch"
cd "$scratch" || exit 1
monitors=()

clean_up()
{
	(( ! ${#monitors[@]} )) || kill "${monitors[@]}" 2>/dev/null
	ip netns del listener 2>/dev/null
	ip netns del connector 2>/dev/null
	rm -rf "$scratch"
}
trap clean_up EXIT

# run COMMAND...: its $out, $err and $code; all that was ever said is kept in "said".
run()
{
	"$@" >said.out 2>said.err
	code=$?
	cat said.out said.err >>said
	out=$(<said.out)
	err=$(<said.err)
}

# in_netns NAMESPACE ARGS...: ftctl there.
in_netns()
{
	ip netns exec "$1" ftctl "${@:2}"
}

nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all)

# fails NAME COMPLAINT ARGS...: ftctl fails, with status 1, and says why.
fails()
{
	run ftctl "${@:3}"
	check_eq "$1: status 1, nothing on stdout" "1 " "$code $out"
	check_has "$1: it says why" "$err" "ftctl: $2"
}

# senseless NAME COMPLAINT ARGS...: the command line makes no sense.
senseless()
{
	run ftctl "${@:3}"
	check_eq "$1: status 2, nothing on stdout" "2 " "$code $out"
	check_has "$1: it says why" "$err" "ftctl: $2"
}

# shows NAMESPACE PAIR TEXT: what is told about a pair has that text.
shows()
{
	[[ $(in_netns "$1" pair show "$2") == *"$3"* ]]
}

# has_line FILE TEXT
has_line()
{
	grep -qF -- "$2" "$1"
}

# --- ftctl genkey

for mask in 0 077 0777; do
	run bash -c "umask $mask; exec ftctl genkey key$mask"
	check_eq "genkey under the umask $mask: says nothing, status 0" "0 " "$code $out$err"
	check_eq "genkey under the umask $mask: for the owner alone" "600 65" \
		"$(stat -c '%a %s' key$mask)"
	check "genkey under the umask $mask: 64 digits" grep -qxE '[0-9a-f]{64}' key$mask
done
check "every key is another one" test "$(cat key0 key077 key0777 | sort -u | wc -l)" = 3

key=$(<key0)
fails "a key isn't overwritten" "'key0' exists and is kept; remove it" genkey key0
check_eq "a key isn't overwritten: it is the same" "$key" "$(<key0)"
ln -s nowhere link
fails "no key is put behind a symbolic link" "'link' exists" genkey link
check "no key is put behind a symbolic link: nothing is there" test ! -e nowhere
fails "a key without a folder" "can't open the directory of 'no/where': No such file" \
	genkey no/where
# Through a pipe, since the limit is for the complaint's file as well.
# shellcheck disable=SC2016
run bash -c '(ulimit -f 0; exec ftctl genkey short) 2>&1 | cat; exit "${PIPESTATUS[0]}"'
check_eq "a key that can't be written: it says why, status 1" \
	"1 ftctl: can't write the key to 'short': File too large" "$code $out"
check "a key that can't be written: nothing is left" test ! -e short
run "${nobody[@]}" ftctl genkey mine
check_eq "a key where one may not write" "1 ftctl: can't create 'mine': Permission denied" \
	"$code $err"

# --- Key files

# refuses_key NAME COMPLAINT FILE
refuses_key()
{
	fails "$1" "$2" pair add alpha listen 127.0.0.1:7700 key "$3"
}

for mode in 0640 0604 0601 0620; do
	install -m $mode key0 open
	refuses_key "a key file with the mode $mode" \
		"others may use the key file 'open', its mode is $mode; do: chmod 600 open" open
done
# bad_key NAME COMPLAINT CONTENTS
bad_key()
{
	printf %b "$3" >bad
	chmod 600 bad
	refuses_key "$1" "$2" bad
}
bad_key "an empty key" "the key file 'bad' has 0 hexadecimal digits instead of 64" ""
bad_key "a short key" "the key file 'bad' has 63 hexadecimal digits instead of 64" "${key%?}\n"
bad_key "a long key" "the key file 'bad' has more than 64 hexadecimal digits" "${key}a\n"
bad_key "two lines" "the key file 'bad' has something behind its first line" "$key\n\n"
bad_key "not a digit" "character 64 of the key file 'bad' is no hexadecimal digit" "${key%?}g\n"
bad_key "a blank before" "character 1 of the key file 'bad' is no hexadecimal digit" " ${key%?}\n"
install -o 1 -m 600 key0 another
refuses_key "another user's key" "the key file 'another' belongs to user 1" another
refuses_key "a folder" "the key file '.' is no regular file" .
mkfifo fifo
refuses_key "a FIFO" "the key file 'fifo' is no regular file" fifo
refuses_key "no key file" "can't open the key file 'none': No such file or directory" none
ln -s key0 good_link
printf %s "${key^^}" >without_newline
chmod 400 without_newline

# --- Addresses and times that make no sense

# senseless_add NAME COMPLAINT ADDRESS MORE...
senseless_add()
{
	senseless "$1" "$2" pair add alpha connect "$3" key key0 "${@:4}"
}

senseless_add "a host's name" \
	"address 'hostb:7700': that is no address (host names aren't looked up)" hostb:7700
senseless_add "no port" "address '10.9.0.1': the port is missing" 10.9.0.1
senseless_add "no port behind brackets" "address '[fd77::2]': the port is missing" '[fd77::2]'
senseless_add "IPv6 without brackets" \
	"address 'fd77::2:7700': an IPv6 address needs brackets" fd77::2:7700
for port in "" 0 65536 http +1; do
	senseless_add "the port '$port'" \
		"address '10.9.0.1:$port': the port has to be a number from 1 to 65535" "10.9.0.1:$port"
done
fails "an interface that isn't there" "there is no interface 'nope'" \
	pair add alpha connect '[fe80::1%nope]:7700' key key0
senseless_add "a plain number" "heartbeat '100': the unit is missing; say 100ms or 1s" \
	10.9.0.1:7700 heartbeat 100
senseless_add "microseconds" "timeout '1500us': only whole milliseconds" \
	10.9.0.1:7700 timeout 1500us
senseless_add "a part of a millisecond" "timeout '1.0005s': only whole milliseconds" \
	10.9.0.1:7700 timeout 1.0005s
senseless_add "below the limit" "heartbeat '9ms': it has to be from 10ms to 60s" \
	10.9.0.1:7700 heartbeat 9ms
senseless_add "above the limit" "timeout '601s': it has to be from 50ms to 600s" \
	10.9.0.1:7700 timeout 601s
senseless_add "a keyword twice" "'timeout' is there twice" 10.9.0.1:7700 timeout 1s timeout 1s
senseless_add "a keyword of nobody" "'nonsense' is too much" 10.9.0.1:7700 nonsense 1
senseless_add "a keyword without a value" "what belongs behind 'timeout' is missing" \
	10.9.0.1:7700 timeout
senseless "no key" "'key' is missing" pair add alpha connect 10.9.0.1:7700
senseless "no role" "'10.9.0.1:7700' is neither 'listen' nor 'connect'" \
	pair add alpha 10.9.0.1:7700 key key0
senseless "a long name" "the name '$(printf 'a%.0s' {1..32})' is too long" \
	pair show "$(printf 'a%.0s' {1..32})"
senseless "nothing to do with pairs" "'add', 'show' or 'del' is missing" pair
senseless "nothing to delete" "the pair's name is missing" pair del

# --- What the module refuses

run ftctl pair show
check_eq "no pairs: nothing to show" "0 " "$code $out$err"
run ftctl --json pair show
check_eq "no pairs: an empty array" "0 []" "$code $out$err"
fails "an unknown pair can't be shown" "the kernel says: " pair show nope
fails "an unknown pair can't be shown as JSON" "the kernel says: " --json pair show nope
fails "an unknown pair can't be deleted" "the kernel says: " pair del nope
fails "a name with a slash" "the kernel says: Invalid argument: " \
	pair add a/b listen 127.0.0.1:7701 key key0
fails "a time-out of two heartbeats" "the kernel says: Invalid argument: " \
	pair add alpha listen 127.0.0.1:7701 key key0 heartbeat 1s timeout 2s

install -o 65534 -m 600 key0 nobodys
run "${nobody[@]}" ftctl pair add alpha listen 127.0.0.1:7701 key nobodys
check_has "a normal user may not add" "$code $out$err" \
	"1 ftctl: the kernel says: Operation not permitted"
run "${nobody[@]}" ftctl pair del alpha
check_has "a normal user may not delete" "$code $out$err" \
	"1 ftctl: the kernel says: Operation not permitted"

# --- Addresses and times that the module is told

# A port of the test's own, on which nobody listens.
told()
{
	run ftctl pair add told connect "$2" key "${4:-key0}" heartbeat "${3:-100ms}"
	check_eq "$1: it is taken" "0 " "$code $out$err"
	run ftctl --json pair show told
	ftctl pair del told
}

told "IPv4" 127.0.0.1:7709
check_has "IPv4: told as it was typed" "$out" '"address":"127.0.0.1","port":7709'
told "IPv6" '[::1]:65535' 0.25s
check_has "IPv6: told as it was typed" "$out" '"address":"::1","port":65535'
check_has "a part of a second" "$out" '"heartbeat_ms":250,"timeout_ms":1000'
told "a link's address" '[fe80::1%lo]:7709'
check_has "a link's address: told with the interface" "$out" '"address":"fe80::1%lo","port":7709'
told "a link's address with a number" '[fe80::1%1]:7709'
check_has "a link's address with a number: told with the interface" "$out" '"fe80::1%lo"'
told "a key behind a symbolic link" 127.0.0.1:7709 100ms good_link
told "a key without a newline, in capitals" 127.0.0.1:7709 100ms without_newline

# --- Two ends

ip netns add listener
ip netns add connector
ip link add wire netns listener type veth peer name wire netns connector
for end in listener:1 connector:2; do
	namespace=${end%:*}
	ip -n "$namespace" link set lo up
	ip -n "$namespace" addr add "10.9.0.${end#*:}/24" dev wire
	ip -n "$namespace" addr add "fd77:9::${end#*:}/64" dev wire nodad
	ip -n "$namespace" link set wire up
done

# A monitor doesn't say when it begins to listen: something is to happen until then.
# probe FILE NAMESPACE
probe()
{
	in_netns "$2" pair add probe listen 127.0.0.1:7799 key key0
	in_netns "$2" pair del probe
	grep -q 'probe.*deleted\|deleted.*probe' "$1"
}

ip netns exec listener ftctl monitor >listener.txt 2>&1 &
listener=$!
ip netns exec connector ftctl --json monitor >connector.json 2>&1 &
connector=$!
ftctl monitor >elsewhere.txt 2>&1 &
elsewhere=$!
monitors=("$listener" "$connector" "$elsewhere")
check "monitor tells that a pair comes and goes" wait_until 30 probe listener.txt listener
check "monitor does so as JSON" wait_until 30 probe connector.json connector

run in_netns listener pair add alpha listen 10.9.0.1:7700 key key0 timeout 5s
check_eq "pair add: says nothing, status 0" "0 " "$code $out$err"
fails "the pair isn't there in another network namespace" "the kernel says: " pair show alpha
run in_netns listener pair add alpha listen 10.9.0.1:7701 key key0
check_has "a pair can't be added twice" "$code $out$err" "1 ftctl: the kernel says: "
check "with nobody there, it is connecting" shows listener alpha \
	"alpha: listen 10.9.0.1:7700 state connecting for "
check "with nobody there, no peer is told" test -z "$(in_netns listener pair show alpha | grep peer)"

run in_netns connector pair add alpha connect 10.9.0.1:7700 timeout 5s key key0
check_eq "pair add with the keywords in another order" "0 " "$code $out$err"
for end in listener connector; do
	check "$end: the link comes up" wait_until 30 shows $end alpha " state up for "
	check "$end: a round trip is measured" wait_until 30 shows $end alpha "round trip"
done

run in_netns connector pair show alpha
check_has "up: the peer" "$out" "
    peer $(uname -n) 10.9.0.1:7700 instance "
check_has "up: the times" "$out" "
    heartbeat 100ms timeout 5s
"
# quietly SCRIPT: of sed, for what a link that is lost and found without our help adds:
# a kernel that checks itself may stand still for longer than the time-out.
quietly()
{
	if [[ ${KVMFT_TIME_SCALE:-1} == 1 ]]; then cat; else sed -E "$1"; fi
}
# What differs each time is a letter.
same()
{
	sed -E 's/[0-9a-f]{32}/I/; s/[0-9]+\.[0-9]{3}/T/g; s/[0-9]+ (byte|frame)s?/N \1s/g
		s/for .*s$/for A/' said.out |
		quietly '/^    (last error|errors): /d; s/came up [0-9]+ times?$/came up 1 time/'
}
text="alpha: connect 10.9.0.1:7700 state up for A
    peer $(uname -n) 10.9.0.1:7700 instance I
    heartbeat 100ms timeout 5s
    round trip min/avg/max T/T/T ms
    received N bytes in N frames, sent N bytes in N frames, link came up 1 time"
check_eq "up: the whole" "$text" "$(same)"
run in_netns connector pair show
check_eq "up: without the name the same, with one pair" "$text" "$(same)"
run ip netns exec connector "${nobody[@]}" ftctl pair show alpha
check_has "a normal user may see it" "$code $out$err" "0 alpha: connect 10.9.0.1:7700 state up "

# As another program reads it; a word for each kind of value.
run in_netns listener --json pair show alpha
check_eq "up, as JSON: on one line" "0 1" "$code $(wc -l <said.out)"
cat >kinds.py <<'END'
import json, sys

def kind(value):
    if isinstance(value, dict):
        return "{%s}" % " ".join("%s=%s" % (k, kind(v)) for k, v in value.items())
    return {str: "text", int: "number", type(None): "null"}[type(value)]

pairs = json.load(open(sys.argv[1]))
assert isinstance(pairs, list)
for pair in pairs:
    for key in "last_error", "errors":
        pair.pop(key)
    print(kind(pair))
END
check_eq "up, as JSON: the keys, and what they are" "{name=text role=text address=text port=number\
 state=text reason=null state_age_ms=number state_time_ns=number heartbeat_ms=number\
 timeout_ms=number peer={host=text instance=text address=text port=number}\
 rtt={last_ns=number min_ns=number avg_ns=number max_ns=number} rx_bytes=number tx_bytes=number\
 rx_frames=number tx_frames=number links=number}" "$(python3 -B kinds.py said.out 2>&1)"
check_has "up, as JSON: the role and the address" "$out" \
	'[{"name":"alpha","role":"listen","address":"10.9.0.1","port":7700,"state":"up","reason":null,'
check_has "up, as JSON: the peer" "$out" "\"peer\":{\"host\":\"$(uname -n)\",\"instance\":\""
check_has "up, as JSON: the peer's address" "$out" '"address":"10.9.0.2"'
check_has "up, as JSON: how often" "$(quietly 's/"links":[0-9]+,/"links":1,/' <<<"$out")" \
	'"links":1,'
# shellcheck disable=SC2016
check_eq "completion: the names of pairs" alpha "$(ip netns exec listener bash -c '
	. "$1"
	COMP_WORDS=(ftctl pair show a)
	COMP_CWORD=3
	_ftctl
	echo "${COMPREPLY[@]}"' bash "$KVMFT_ROOT/tools/ftctl/ftctl.bash-completion" 2>&1)"

# --- IPv6, and another key

in_netns listener pair add six listen '[fd77:9::1]:7706' key key0
in_netns connector pair add six connect '[fd77:9::1]:7706' key key0
check "IPv6: the link comes up" wait_until 30 shows connector six "six: connect [fd77:9::1]:7706 state up "
check "IPv6: the peer's address" shows listener six " [fd77:9::2]:"
run in_netns listener --json pair show
check_eq "two pairs, as JSON: one array on one line" "1 2" \
	"$(wc -l <said.out) $(python3 -B kinds.py said.out 2>&1 | wc -l)"
in_netns connector pair del six
in_netns listener pair del six

in_netns listener pair add beta listen 10.9.0.1:7702 key key0
in_netns connector pair add beta connect 10.9.0.1:7702 key key077
check "another key: the monitor tells that it was refused" wait_until 30 \
	has_line listener.txt "beta: refused a connection (bad-key): "
check "another key: it is counted" wait_until 30 shows listener beta "bad-key "
check "another key: the other end isn't up" test -z \
	"$(in_netns connector pair show beta | grep 'state up')"
in_netns connector pair del beta
in_netns listener pair del beta

# --- The link goes and comes

# shellcheck disable=SC2317
second_time()
{
	in_netns listener pair show alpha | quietly 's/came up [0-9]+ times$/came up 2 times/' |
		grep -q "link came up 2 times"
}
ip -n listener link set wire down
check "a dead link: it is down, for a reason" wait_until 30 shows connector alpha " state down ("
check "a dead link: at the other end, too" wait_until 30 shows listener alpha " state down ("
run in_netns connector pair show alpha
check_has "a dead link: the error in words" "$out" "
    last error: "
check_has "a dead link: the error in numbers" "$out" "
    errors: "
run in_netns connector --json pair show alpha
check_hasnt "a dead link: there is a reason" "$out" '"reason":null'
check_has "a dead link: the peer is still known" "$out" '"peer":{"host":"'
ip -n listener link set wire up
check "a link again: it is up" wait_until 30 shows connector alpha " state up "
check "a link again: this is the second" wait_until 30 second_time

# --- The end of a pair

run in_netns connector pair del alpha
check_eq "pair del: says nothing, status 0" "0 " "$code $out$err"
run in_netns connector pair show alpha
check_has "pair del: it is gone" "$code $out$err" "1 ftctl: the kernel says: "
check "the other end is told" wait_until 30 has_line listener.txt "alpha: down (bye)"
run in_netns listener pair del alpha
check_eq "pair del at the other end" "0 " "$code $out$err"

# --- What the monitors saw

check "monitor: the last event comes" wait_until 30 has_line listener.txt "alpha: deleted"
check "monitor: as JSON, too" wait_until 30 grep -q '"deleted".*"name":"alpha"' connector.json
kill -TERM "$listener"
wait "$listener"
check_eq "monitor: SIGTERM ends it with status 0" 0 $?
kill -INT "$connector"
wait "$connector"
check_eq "monitor: SIGINT ends it with status 0" 0 $?

check_eq "monitor: each line has a time, a pair and an event" "" \
	"$(grep -vE '^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}\.[0-9]{3} [a-z]+: [a-z]' listener.txt)"
again='s/^added down /added /; s/(up down )+up/up down up/'
check_eq "monitor: events in order" "added up down up down deleted" \
	"$(grep -oE ' alpha: (added|up|down|deleted)' listener.txt | uniq | cut -d ' ' -f 3 | xargs | quietly "$again")"
check_has "monitor: who came" "$(grep -m 1 'alpha: up' listener.txt)" \
	"alpha: up, peer $(uname -n) 10.9.0.2:"
check_eq "monitor: a reason in words, too" "" \
	"$(grep -E 'down|refused' listener.txt | grep -vE ' \([a-z-]+\): .')"
cat >events.py <<'END'
import json

seen = []
for line in open("connector.json"):
    event = json.loads(line)
    if event["event"] == "lost" or event["name"] != "alpha":
        continue
    word = event["state"] if event["event"] == "changed" else event["event"]
    assert event["time_ns"] > 10**18
    assert word != "up" or event["peer"]["address"] == "10.9.0.1"
    assert word != "down" or (event["reason"] and event["last_error"])
    if word in ("added", "up", "down", "deleted") and seen[-1:] != [word]:
        seen.append(word)
print(*seen)
END
check_eq "monitor: as JSON, an object each, in order" "added up down up deleted" \
	"$(python3 -B events.py 2>&1 | quietly "$again")"

# --- The other ways in which a monitor ends

ftctl monitor pair wanted pair also >wanted.txt 2>&1 &
wanted=$!
monitors+=("$wanted")
filtered()
{
	ftctl pair add wanted listen 127.0.0.1:7703 key key0
	ftctl pair add unwanted listen 127.0.0.1:7704 key key0
	ftctl pair del unwanted
	ftctl pair del wanted
	has_line wanted.txt "wanted: deleted"
}
check "monitor of one pair: it tells of that" wait_until 30 filtered
check_eq "monitor of one pair: and of no other" "" "$(grep unwanted wanted.txt)"

# The reader is gone before anything was written.
ftctl monitor pair nobody > >(sleep 1)
check_eq "monitor: it ends when nobody reads any more" 0 $?

check_has "monitor: it tells of its own network namespace" "$(<elsewhere.txt)" "wanted: "
check_hasnt "monitor: and of no other" "$(<elsewhere.txt)" alpha
rmmod kvmft
wait $elsewhere
check_eq "monitor: it ends with the module" "1 ftctl: the module was unloaded" \
	"$? $(tail -n 1 elsewhere.txt)"
wait $wanted
check_eq "monitor: each of them" 1 $?
check "the module is there again" insmod "$KVMFT_KO_SHIPPED"
monitors=()

# --- The key

for name in key0 key077 key0777; do
	check_eq "no output has the key of $name" "" \
		"$(grep -liF -f $name said ./*.txt ./*.json <(dmesg) 2>&1)"
done

done_testing
