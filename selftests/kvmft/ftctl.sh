#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: host timeout=150 either
#
# ftctl, as people and scripts use it: what it prints where, with which status,
# and that its manual and its completion know what it knows.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"

MANUAL=$KVMFT_ROOT/Documentation/man/ftctl.8
COMPLETION=$KVMFT_ROOT/tools/ftctl/ftctl.bash-completion
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# run ARGS...: $out, $err and $code of ftctl.
run()
{
	ftctl "$@" >"$scratch/out" 2>"$scratch/err"
	code=$?
	read -rd '' out <"$scratch/out"
	read -rd '' err <"$scratch/err"
}

# refused NAME COMPLAINT ARGS...: the command line makes no sense, and it says so.
refused()
{
	run "${@:3}"
	check_eq "$1: status 2, nothing on stdout" "2 " "$code $out"
	check_has "$1: the complaint is on stderr" "$err" "ftctl: $2"
	check_has "$1: with the usage" "$err" "usage: ftctl "
}

# json TEXT: as another program reads it, in order of the keys.
json()
{
	python3 -m json.tool --sort-keys --compact <<<"$1" 2>&1
}

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
		"$(complete -p ftctl | sed "s/.*-F \([^ ]*\) .*/\1/")" ftctl
		printf "%s\n" "${COMPREPLY[@]}"' bash "$COMPLETION" "$@" 2>&1 | sort | paste -sd' '
}

# --- ftctl version

version=$(</sys/module/kvmft/version)
own=$(sed -n 's/^#define KVMFT_VERSION "\(.*\)"$/\1/p' "$KVMFT_ROOT/kmod/version.h")
protocol=$(sed -n 's/^#define KVMFT_PROTOCOL_VERSION \(.*\)$/\1/p' "$KVMFT_ROOT/kmod/version.h")
text="ftctl $own
module $version
protocol $protocol"

run version
check_eq "version: a line each" "$text" "$out"
check_eq "version: no complaint, status 0" "0 " "$code $err"
run --json version
check_eq "version: with --json the same" \
	"{\"ftctl\":\"$own\",\"module\":\"$version\",\"protocol\":$protocol}" "$(json "$out")"
check_eq "version: with --json on one line" 1 "$(wc -l <"$scratch/out")"
check_eq "version: with --json no complaint, status 0" "0 " "$code $err"
long=$out
run -j version
check_eq "option -j is --json" "$long" "$out"
check_eq "version: a normal user may ask" "$text" \
	"$(setpriv --reuid=65534 --regid=65534 --clear-groups ftctl version 2>&1)"

rmmod kvmft
run version
check_eq "without the module: it tells what it knows" "ftctl $own" "$out"
check_eq "without the module: it says what to do, status 1" \
	"1 ftctl: the kvmft module isn't loaded; load it with: modprobe kvmft" "$code $err"
run --json version
check_eq "without the module: with --json, too" \
	"{\"ftctl\":\"$own\",\"module\":null,\"protocol\":null}" "$(json "$out")"
check_eq "without the module: with --json the complaint stays a text, status 1" \
	"1 ftctl: the kvmft module isn't loaded; load it with: modprobe kvmft" "$code $err"
for arguments in "pair show" "--json pair show" "pair show alpha" "pair del alpha" \
		monitor "--json monitor pair alpha" "monitor vm db1" show "--json show" "-s show db1" \
		"attach db1 pair alpha pid 1" "detach db1" "set db1 mode sync" \
		"failover db1 --force" "set db1 loss hold" "set db1 compress lz4" "fence db1" "--json fence db1" \
		"show over 1s" top "--json top -n 1" metrics \
		"agent --fence true" "--json agent --fence true --once"; do
	# shellcheck disable=SC2086
	run $arguments
	check_eq "without the module: ftctl $arguments says so, and nothing else" \
		"1 ftctl: the kvmft module isn't loaded; load it with: modprobe kvmft" \
		"$code $out$err"
done
check_eq "without the module: completion knows no pair, and is silent" --help \
	"$(complete ftctl pair show "")"
check_eq "without the module: nor a guest" --help "$(complete ftctl set "")"
check "without the module: asking doesn't load it" test ! -e /sys/module/kvmft
check "the module is there again" insmod "$KVMFT_KO_SHIPPED"

# --- Options and help

run -V
check_eq "option -V: the version of ftctl itself" "0 ftctl $own" "$code $out$err"
run --version
check_eq "option --version is -V" "0 ftctl $own" "$code $out$err"

run -h
usage=$out
check_eq "option -h: on stdout alone, status 0" "0 " "$code $err"
check_has "option -h: the usage" "$usage" "usage: ftctl [OPTIONS] SUBCOMMAND [ARGUMENTS]"
run --help
check_eq "option --help is -h" "$usage" "$out"
run help
check_eq "help is -h" "$usage" "$out"

# What it says it knows; everything below is about these.
subcommands=$(sed -n '/^subcommands:/,/^$/s/^  \([a-z-]*\) .*/\1/p' <<<"$usage")
options=$(sed -n '/^options:/,/^$/s/^  \(-.*[^ ]\)   *[^ ].*/\1/p' <<<"$usage")
check_has "option -h lists subcommands" "$subcommands" version
check_has "option -h lists options" "$options" "-j, --json"

for subcommand in $subcommands; do
	run "$subcommand" -h
	check_has "$subcommand -h: its usage, on stdout alone" "$code$err $out" \
		"0 usage: ftctl [OPTIONS] $subcommand"
	said=$out
	run help "$subcommand"
	check_eq "help $subcommand is the same" "$said" "$out"
	run -h "$subcommand"
	check_eq "option -h with $subcommand is the same" "$said" "$out"
done

refused "no subcommand" "a subcommand is missing"
refused "an unknown subcommand" "there is no subcommand 'versio'" versio
for subcommand in $subcommands; do
	check_has "an unknown subcommand: $subcommand is offered" "$err" "  $subcommand "
done
refused "help for an unknown subcommand" "there is no subcommand 'nonsense'" help nonsense
refused "an argument too many" "'all' is too much" version all
refused "an option of nobody" "there is no option '-x'" -x version
refused "a long option of nobody" "can't make sense of option '--nonsense'" --nonsense version
refused "an option behind the subcommand" "'--json' is too much" version --json
refused "an option for a key" "options stand before the subcommand" genkey --json
check "that makes no file" test ! -e ./--json
refused "an option for a pair's name" "options stand before the subcommand" pair show --json
check_has "an option for a pair's name: all forms are offered" "$err" "ftctl [OPTIONS] pair del NAME"
refused "an option behind monitor" "'--json' is too much" monitor --json
run pair add -h
check_eq "pair add -h is pair -h" "0 $(ftctl pair -h)" "$code $out$err"
run pair del --help
check_eq "pair del --help is pair -h" "0 $(ftctl pair -h)" "$code $out$err"
refused "a value for an option without" "can't make sense of option '--json=yes'" --json=yes version

# --- Output that can't be written

for arguments in version "-j version" -h -V "help version" "-j pair show" "top -n 1"; do
	# shellcheck disable=SC2086
	err=$(ftctl $arguments 2>&1 >/dev/full)
	check_eq "a full disk is a failure: ftctl $arguments" \
		"1 ftctl: can't write the output: No space left on device" "$? $err"
done
for arguments in version -h; do
	# shellcheck disable=SC2086
	err=$(ftctl $arguments 2>&1 >&-)
	check_eq "a closed stdout is a failure: ftctl $arguments" \
		"1 ftctl: can't write the output: Bad file descriptor" "$? $err"
done

# --- The manual

# The tags of the manual's sections, as "SECTION TAG", without their fonts.
tags=$(sed 's/\\-/-/g; s/\\f.//g' "$MANUAL" | awk '
	/^\.SH / { section = substr($0, 5) }
	tag { sub(/^\.[BIR]+ /, ""); gsub(/"/, ""); gsub(/ +/, " "); print section, $0 }
	{ tag = /^\.TP/ }' | sed 's/ ,/,/g')
for subcommand in $subcommands; do
	check "the manual has the subcommand $subcommand" \
		grep -qE "^SUBCOMMANDS $subcommand( |\$)" <<<"$tags"
done
while read -r option; do
	check "the manual has the option $option" grep -qxF -- "OPTIONS $option" <<<"$tags"
done <<<"$options"
for subcommand in $subcommands; do
	for option in $(ftctl help "$subcommand" | grep -oE -- '(^|[[ ])--?[a-z][a-z-]*' | tr -d '[ '); do
		check "the manual has $option, of $subcommand" \
			grep -qE -- "(^| |\[)$option(,| |]|\$)" <<<"$tags"
	done
done
check_eq "the manual has no subcommand that isn't there" "$(sort <<<"$subcommands")" \
	"$(sed -n 's/^SUBCOMMANDS \([^ ]*\).*/\1/p' <<<"$tags" | sort -u)"
for verb in add show del; do
	check "the manual has pair $verb" grep -qE "^SUBCOMMANDS pair $verb( |\$)" <<<"$tags"
done
check_eq "the manual has the reasons of the interface, and no others" \
	"$(sed -n 's/^\tKVMFT_REASON_\([A-Z_]*\),$/\L\1/p' "$KVMFT_ROOT/uapi/linux/kvmft.h" |
		tr _ - | sort | xargs)" \
	"$(sed -n 's/^REASONS //p' <<<"$tags" | tr -d , | xargs -n 1 | sort | xargs)"
for page in "$MANUAL" "${MANUAL%.8}-show.8"; do
	check_has "${page##*/} is for this version" "$(grep '^\.TH ' "$page")" "\"ftctl $own\""
done

# --- Completion

# shellcheck disable=SC2016
check_eq "completion: sourced, it says nothing and defines functions of its own name" _ftctl \
	"$(bash --norc -euc '. "$1"; compgen -A function' bash "$COMPLETION" 2>&1 |
		sed 's/^_ftctl_.*/_ftctl/' | sort -u)"
check_eq "completion: ver becomes version" version "$(complete ftctl ver)"
check_eq "completion: all subcommands" "$(sort <<<"$subcommands" | xargs)" "$(complete ftctl "")"
check_eq "completion: all long options" "$(grep -o -- '--[a-z-]*' <<<"$options" | sort | xargs)" \
	"$(complete ftctl -)"
check_eq "completion: behind an option, too" version "$(complete ftctl --json v)"
check_eq "completion: what help is for" version "$(complete ftctl help v)"
check_eq "completion: all that help is for" "$(sort <<<"$subcommands" | xargs)" \
	"$(complete ftctl help "" | sed 's/--help //')"
check_eq "completion: nothing behind the end" "" "$(complete ftctl help version v)"
check_eq "completion: what can be done with pairs" "add del show" \
	"$(complete ftctl --json pair "" | sed 's/--help //')"
check_eq "completion: a new pair has no name yet" "" "$(complete ftctl pair add a)"
check_eq "completion: then comes its role" "connect listen" "$(complete ftctl pair add alpha "")"
check_eq "completion: no address can be guessed" "" "$(complete ftctl pair add alpha listen "")"
check_eq "completion: the rest, whatever the address was split into" "heartbeat key timeout" \
	"$(complete ftctl pair add alpha listen 10.0.0.1 : 7700 "")"
check_eq "completion: nothing twice" timeout \
	"$(complete ftctl pair add alpha listen x key k heartbeat 1s "")"
check_eq "completion: no time can be guessed" "" "$(complete ftctl pair add alpha listen x timeout "")"
mkdir "$scratch/keys"
touch "$scratch/keys/alpha.key"
check_eq "completion: a key is a file" "$scratch/keys/alpha.key" \
	"$(complete ftctl pair add alpha listen x key "$scratch/keys/a")"
check_eq "completion: a new key, too" "$scratch/keys" "$(complete ftctl genkey "$scratch/k")"
check_eq "completion: what an agent takes" "--delay --help --once --timeout" \
	"$(complete ftctl agent "" | sed 's/--fence //')"
check_eq "completion: and what of it once" "--delay --once" \
	"$(complete ftctl agent --fence x --timeout 3s -)"
check_eq "completion: what fences is a file" "$scratch/keys" \
	"$(complete ftctl agent --fence "$scratch/k")"
check_eq "completion: how long can't be guessed" "" "$(complete ftctl agent --delay "")"
check_eq "completion: how long to wait for a fence" --timeout "$(complete ftctl fence db1 "")"
check_eq "completion: events of pairs" pair "$(complete ftctl monitor p)"

done_testing
