# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# tap.sh - for tests in shell: results as TAP.
#
#	. "$(dirname "$0")/../lib/tap.sh"
#	check "what must be so" command args...
#	done_testing

tap_count=0
tap_failed=0

pass()
{
	tap_count=$((tap_count + 1))
	echo "ok $tap_count $*"
}

fail()
{
	tap_count=$((tap_count + 1))
	tap_failed=1
	echo "not ok $tap_count $*"
}

# check NAME COMMAND...: the command must succeed; what it prints is shown if not.
check()
{
	tap_name=$1
	shift
	if tap_said=$("$@" 2>&1); then
		pass "$tap_name"
	else
		fail "$tap_name"
		echo "$*: $tap_said" | sed 's/^/# /'
	fi
}

# check_eq NAME WANTED GOT
check_eq()
{
	if [ "$2" = "$3" ]; then
		pass "$1"
	else
		fail "$1"
		printf 'wanted: %s\ngot:    %s\n' "$2" "$3" | sed 's/^/# /'
	fi
}

# check_has NAME TEXT SUBSTRING
check_has()
{
	case $2 in
	*"$3"*) pass "$1" ;;
	*)
		fail "$1"
		printf 'wanted a text with: %s\ngot: %s\n' "$3" "$2" | sed 's/^/# /'
		;;
	esac
}

# check_hasnt NAME TEXT SUBSTRING
check_hasnt()
{
	case $2 in
	*"$3"*)
		fail "$1"
		printf 'a text without: %s\ngot: %s\n' "$3" "$2" | sed 's/^/# /'
		;;
	*) pass "$1" ;;
	esac
}

# status COMMAND...: what it prints and its exit status, as "STATUS OUTPUT".
status()
{
	tap_said=$("$@" 2>&1)
	echo "$? $tap_said"
}

skip_all()
{
	echo "1..0 # SKIP $*"
	exit 4
}

# wait_until SECONDS COMMAND...: until the command succeeds; scaled.
wait_until()
{
	tap_tries=$(awk "BEGIN { print int($1 * ${KVMFT_TIME_SCALE:-1} * 10) }")
	# Commands take their time, too; only bash has a clock for that.
	# shellcheck disable=SC3028
	tap_late=$((${SECONDS:-0} + tap_tries / 10 + 1))
	shift
	while [ "$tap_tries" -gt 0 ]; do
		"$@" >/dev/null 2>&1 && return 0
		# shellcheck disable=SC3028
		[ "${SECONDS:-0}" -le "$tap_late" ] || return 1
		tap_tries=$((tap_tries - 1))
		sleep 0.1
	done
	return 1
}

done_testing()
{
	echo "1..$tap_count"
	exit $tap_failed
}
