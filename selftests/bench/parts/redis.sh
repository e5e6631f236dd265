#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=3 nodebug timeout=1800 mem=3G
#
# A database in a Linux guest, that writes what it is told to a file once a second, asked from
# another host by eight clients: how long one request takes, all in all.
# shellcheck source=../benchlab.sh
. "$(dirname "$0")/../benchlab.sh"

PEERS=(none kemari-batched sync async)
VCPUS=2
CLIENTS=8
if [[ ${KVMFT_FAST:-} ]]; then
	ROUNDS=1 REQUESTS=200 PEERS=(none async)
else
	ROUNDS=${KVMFT_ROUNDS:-3} REQUESTS=300
fi

# measured TEST PEER ROUND: what the client says, "TEST",REQUESTS A SECOND,LATENCIES...
measured()
{
	local said rate
	said=$(on h3 timeout 120 redis-benchmark -h "$guest_address" -c $CLIENTS -n $REQUESTS -t "$1" --csv)
	rate=$(sed -n "s/^\"${1^^}\",\"\([0-9.]*\)\".*/\1/p" <<<"$said")
	check "$2, round $3: $1: ${rate:-none} a second" test -n "$rate"
	[[ -z $rate ]] ||
		record "$1" "$2" $VCPUS 0 "$3" "$(awk -v rate="$rate" 'BEGIN { printf "%d", 1e9 / rate }')"
}

# answers_pings
# shellcheck disable=SC2317
answers_pings()
{
	[[ $(on h3 timeout 5 redis-cli -h "$guest_address" ping 2>/dev/null) == PONG ]]
}

# measure_all PEER ROUND
measure_all()
{
	linux_with "$@" redis --vcpus $VCPUS --memory 384M --disk /dev/vda
	check "$*: the database answers" wait_until 60 answers_pings
	[[ $tap_failed == 0 ]] || return
	measured set "$@"
	measured get "$@"
}

guest_initrd=$KVMFT_BUILD/selftests/ftvmm/initrd-redis-$KVMFT_KERNEL
bench_begin
check "the initramfs with it is made" make_initrd redis-server
for host in h1 h2; do
	check "there is a place for guests on $host" guest_place $host
done
check "there is a file system" make_files 32M
each_round
bench_end
done_testing
