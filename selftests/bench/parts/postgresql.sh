#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=3 nodebug timeout=3600 mem=3G
# only by name
#
# A database in a Linux guest, that flushes its log with each transaction, asked by eight clients
# of pgbench on another host: how long one transaction takes, all in all. Each guest finds the same
# cluster (selftests/bench/cluster), and what it has in the end is checked.
# shellcheck source=../benchlab.sh
. "$(dirname "$0")/../benchlab.sh"

PEERS=(none kemari-batched sync async)
VCPUS=2
CLIENTS=8
# Of each client, that write and that only read.
if [[ ${KVMFT_FAST:-} ]]; then
	ROUNDS=1 WRITES=5 READS=10 PEERS=(none async)
else
	ROUNDS=${KVMFT_ROUNDS:-3} WRITES=30 READS=100
fi
programs=/usr/lib/postgresql/15/bin

# pgbench OPTIONS...: what it says; how long each transaction took goes to /tmp/took.* on h3.
pgbench()
{
	# shellcheck disable=SC2016
	on h3 sh -c 'rm -f /tmp/took.*; exec timeout 600 "$@"' sh $programs/pgbench \
		-h "$guest_address" -U postgres -n -c $CLIENTS -l --log-prefix=/tmp/took "$@" postgres 2>&1
}

# asks QUERY: what the database answers, with spaces between.
asks()
{
	on h3 timeout 300 $programs/psql -h "$guest_address" -U postgres -AtXF ' ' -c "$1" postgres 2>&1
}

# measured MEASURE COUNT PEER ROUND OPTIONS...: so many transactions of each client.
measured()
{
	local count=$(($2 * CLIENTS)) of="$3 $VCPUS 0 $4" said rate took
	said=$(pgbench -t "$2" "${@:5}")
	check_has "$3, round $4: $1: all are done" "$said" "processed: $count/$count"
	rate=$(sed -n 's/^tps = \([0-9.]*\) .*/\1/p' <<<"$said")
	# As text: awk would make 2.5e+09 of some, which sort takes for small.
	took=$(on h3 sh -c "awk '{ print \$3 \"000\" }' /tmp/took.*")
	check_eq "$3, round $4: $1: ${rate:-none} a second" $count "$(wc -l <<<"$took")"
	[[ $tap_failed == 0 ]] || return
	# shellcheck disable=SC2086
	{
		record "$1" $of "$(awk -v rate="$rate" 'BEGIN { printf "%.0f", 1e9 / rate }')"
		record "$1_p50" $of "$(quantile 50 <<<"$took")"
		record "$1_p99" $of "$(quantile 99 <<<"$took")"
	}
	echo "# $(grep latency <<<"$said")"
}

# has NAME TRANSACTIONS: the database does, and all sums are of what these paid in.
has()
{
	local count paid sums
	read -r count paid sums < <(asks 'select (select count(*) from pgbench_history),
		(select coalesce(sum(delta), 0) from pgbench_history),
		(select sum(abalance) from pgbench_accounts),
		(select sum(tbalance) from pgbench_tellers),
		(select sum(bbalance) from pgbench_branches)')
	check_eq "$1: $2 transactions" "$2" "$count"
	check_eq "$1: accounts, tellers and branches have what those paid in" \
		"$paid $paid $paid" "$sums"
}

# answers_queries
# shellcheck disable=SC2317
answers_queries()
{
	on h3 timeout 5 "$programs/pg_isready" -q -h "$guest_address"
}

# measure_all PEER ROUND
measure_all()
{
	end_guest
	check "$*: the cluster is as new" give_files "$cluster"
	linux_with "$@" postgresql --vcpus $VCPUS --memory 384M --disk /dev/vda \
		--disk "$userland,ro,cached"
	check "$*: the database answers" wait_until 120 answers_queries
	[[ $tap_failed == 0 ]] || in_guest 10 'cat /tmp/postgresql' | sed 's/^/# /'
	[[ $tap_failed == 0 ]] || return
	# By this all of it is in the guest's memory.
	has "$*, before" 0
	check_has "$*: all clients are served" "$(pgbench -S -t 5)" "processed: $((5 * CLIENTS))/"
	measured select $READS "$@" -S
	measured tpcb $WRITES "$@"
	has "$*, behind that" $((WRITES * CLIENTS))
}

userland=$("$KVMFT_ROOT/selftests/ftvmm/userland" postgresql-15 coreutils)
check "the disk with the programs is made" test -r "$userland"
cluster=$("$KVMFT_ROOT/selftests/bench/cluster")
check "the disk with the cluster is made" test -r "$cluster"
bench_begin
guest_places h1 h2
each_round
bench_end
done_testing
