#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=2 timeout=180 breaks either
#
# Every verb of the lab does what it says: tests stand on this.
. "$(dirname "$0")/../lib/tap.sh"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' TERM

lab()
{
	"$LAB" "$@"
}

state()
{
	lab status --json | python3 -c "import json, sys; print(json.load(sys.stdin)['hosts']['$1'])"
}

# Seconds that a host's clock shows, with two digits.
clock()
{
	lab exec -n "$1" cut -d' ' -f1 /proc/uptime
}

# reaches HOST ADDRESS: a connection to the agent that listens there.
reaches()
{
	lab exec --timeout 8 -n "$1" timeout 3 bash -c "exec 3<>/dev/tcp/$2/7" 2>/dev/null
}

# --- exec

check_eq "exec brings back output and status" "3 out err" \
	"$(lab exec -n h1 sh -c 'echo out; echo err >&2; exit 3' >"$scratch/o" 2>"$scratch/e"
	   echo $? "$(cat "$scratch/o")" "$(cat "$scratch/e")")"
check_eq "exec passes standard input on, all of it" "$(seq 20000 | cksum)" \
	"$(seq 20000 | lab exec h1 cksum)"
head -c 3000000 /dev/urandom >"$scratch/bytes"
check_eq "exec is binary clean both ways" "$(cksum <"$scratch/bytes")" \
	"$(lab exec h1 cat <"$scratch/bytes" | cksum)"
check_eq "exec says 127 for a command that isn't there" 127 \
	"$(lab exec -n h1 no-such-command >/dev/null 2>&1; echo $?)"
check_eq "a command killed by a signal gives 128 + signal" 137 \
	"$(lab exec -n h1 sh -c 'kill -9 $$'; echo $?)"
for i in 1 2 3 4 5 6; do
	lab exec -n h$((i % 2 + 1)) sh -c "sleep 0.2; echo $i; exit $i" >"$scratch/p$i"
	echo $? >>"$scratch/p$i"
done &
for i in 7 8; do
	lab exec -n h1 sh -c "echo $i" >"$scratch/p$i" &
done
wait
check_eq "parallel calls don't mix" "1 1 2 2 3 3 4 4 5 5 6 6 7 8" \
	"$(cat "$scratch"/p[1-8] | tr '\n' ' ' | sed 's/ $//')"
check_eq "--timeout kills the command" "124 0" \
	"$(lab exec -n --timeout 1 h1 sleep 4242 2>/dev/null; echo $?) $(
	   wait_until 5 sh -c "! $LAB exec -n h1 pgrep -f '[s]leep 4242'"; echo $?)"
check_has "an unknown host is named, with those there are" \
	"$(status lab exec -n h9 true)" "255 lab: no host h9 in this lab (there is: h1, h2"

# --- clocks

check_eq "clocksource is tsc" tsc \
	"$(lab exec -n h1 cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"
check_eq "both hosts were told the same rate of it" \
	"$(lab exec -n h1 grep -o 'tsc_early_khz=[0-9]*' /proc/cmdline)" \
	"$(lab exec -n h2 grep -o 'tsc_early_khz=[0-9]*' /proc/cmdline)"

# --- networks

for net in repl svc; do
	features=$(lab exec -n h1 ethtool -k $net)
	check_has "$net has checksum offload" "$features" "tx-checksumming: on"
	check_has "$net has scatter-gather" "$features" "scatter-gather: on"
	check_has "$net has segmentation offload" "$features" "tcp-segmentation-offload: on"
done
check "hosts reach each other over repl" reaches h1 10.77.1.2
check "hosts reach each other over IPv6" reaches h1 fd77:0:0:1::2

lab cut h1 h2 repl
check_eq "cut: nothing passes" 124 "$(reaches h1 10.77.1.2; echo $?)"
check "cut: the other network still works" reaches h1 10.77.2.2
lab heal
check "heal mends it" reaches h1 10.77.1.2

# One way: what h1 sends gets lost, what h2 sends arrives. Static neighbours, or
# the lost ARP reply would make it two ways.
for h in 1 2; do
	lab exec -n h$h ip neigh replace 10.77.1.$((3 - h)) \
		lladdr 52:54:00:77:01:0$((3 - h)) nud permanent dev repl
done
received()
{
	lab exec -n "$1" cat /sys/class/net/repl/statistics/rx_packets
}
lab cut --one-way h1 h2 repl
before1=$(received h1)
before2=$(received h2)
reaches h1 10.77.1.2
check_eq "one-way cut: nothing of h1 reaches h2" "$before2" "$(received h2)"
reaches h2 10.77.1.1
check "one-way cut: h2 still reaches h1" [ "$(received h1)" -gt "$before1" ]
lab heal
check "heal mends a one-way cut" reaches h1 10.77.1.2

rtt()
{
	lab exec -n h1 python3 -c "
import socket, time
t = time.monotonic()
socket.create_connection(('10.77.1.2', 7), 10).close()
print(int((time.monotonic() - t) * 1000))"
}
lab delay h1 repl 2s
check "delay delays" [ "$(rtt)" -ge 2000 ]
lab delay h1 repl off
check "delay off ends it" [ "$(rtt)" -lt 2000 ]
lab loss h1 repl 100%
check_eq "loss loses" 124 "$(reaches h1 10.77.1.2; echo $?)"
lab loss h1 repl off
check "loss off ends it" reaches h1 10.77.1.2

"$LAB" capture repl "$scratch/pcap" 2>"$scratch/e" &
wait_until 20 grep -q capturing "$scratch/e"
reaches h1 10.77.1.2
sleep 0.5
kill $!
wait $!
packets=$(tcpdump -nn -r "$scratch/pcap" 2>/dev/null)
check_has "capture saw the packets" "$packets" "10.77.1.2.7: Flags [S]"
check_eq "capture leaves no tcpdump" "" "$(pgrep -f 'tcpdump.*br-[r]epl')"
check_has "an unknown network is named" "$(status lab cut h1 h2 nonet)" "no network nonet"

# --- the shared disk

lab exec -n h1 sh -c 'printf "written by h1" | dd of=/dev/vda bs=512 seek=7 conv=sync,fsync' 2>/dev/null
check_eq "what one host writes the other reads" "written by h1" \
	"$(lab exec -n h2 sh -c 'dd if=/dev/vda bs=512 skip=7 count=1 iflag=direct 2>/dev/null' | tr -d '\0')"
check_has "the disk's log has the write, with its place" "$(lab log disk)" "Write id="
check_has "the disk's log has its time" "$(lab log disk)" "$(date -u +%Y-%m-%d)"

# --- power

c1=$(clock h1)
lab stop h1
check_eq "stop: the state says so" stopped "$(state h1)"
sleep 3
lab cont h1
c2=$(clock h1)
check "stop: the host's clock stood still" awk "BEGIN { exit !($c2 - $c1 < 2.5) }"

c1=$(clock h1)
lab freeze h1
check_eq "freeze: the state says so" frozen "$(state h1)"
check_has "a frozen host is not asked" "$(status lab exec -n h1 true)" "255 lab: h1 is frozen"
sleep 3
lab thaw h1
c2=$(clock h1)
check "freeze: the host's clock went on" awk "BEGIN { exit !($c2 - $c1 >= 3) }"

"$LAB" exec -n h2 sleep 1000 >/dev/null 2>&1 &
sleep 1
lab kill h2
wait $!
check_eq "kill: a command running there is lost at once" 255 $?
check_eq "kill: the state says so" off "$(state h2)"
check_has "a killed host is not asked" "$(status lab exec -n h2 true)" "lab: h2 is off"
check_has "what doesn't fit a state is refused" "$(status lab thaw h1)" "h1 is up, not frozen"
lab exec -n h1 touch /tmp/forgotten
lab reboot h2
check_eq "reboot brings it back" up "$(state h2)"
check "and it works" lab exec -n h2 true
lab reboot h1
check_eq "a rebooted host has forgotten its files" 1 \
	"$(lab exec -n h1 test -e /tmp/forgotten; echo $?)"

# --- console

check_has "log has the host's kernel log" "$(lab log h1)" "lab: ready"
said=$(python3 - "$LAB" <<'END'
import os, pty, select, sys, time

pid, fd = pty.fork()
if not pid:
    os.execl(sys.argv[1], "lab", "console", "h1")

def until(words, seconds):
    global seen
    end = time.monotonic() + seconds
    while words not in seen and time.monotonic() < end:
        if select.select([fd], [], [], 1)[0]:
            seen += os.read(fd, 4096)

seen = b""
until(b"leaves", 40)
os.write(fd, b"\n")
until(b"# ", 40)
for attempt in range(5):
    # The shell prompts before it takes the terminal over, and loses what came then.
    os.write(fd, b"echo \"<$((6 * 7))>\"\n")
    until(b"<42>", 10)
    if b"<42>" in seen:
        break
os.write(fd, b"\x1d")
os.waitpid(pid, 0)
print(seen.decode(errors="replace"))
END
)
check_has "console gives a shell, and Ctrl-] leaves" "$said" "<42>"

done_testing
