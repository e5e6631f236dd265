# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# faultlab.sh - for tests that stop an epoch at a point of its way. Behind pairlab.sh; the
# module has to be the build with fault points.
# shellcheck disable=SC2034 # who sources this reads them

# In the order in which an epoch passes them: the first two on the primary.
EPOCH_POINTS=(epoch_sent epoch_awaited epoch_whole epoch_committed epoch_acked)

# host_of_point POINT PRIMARY STANDBY: which of them passes it.
host_of_point()
{
	case $1 in
	epoch_sent | epoch_awaited) echo "$2" ;;
	*) echo "$3" ;;
	esac
}

# faults HOST ORDERS
faults()
{
	# shellcheck disable=SC2016
	on "$1" sh -c 'echo "$1" >/sys/module/kvmft/parameters/faults' sh "$2"
}

is_at_point()
{
	on "$1" grep -q "^$2 .* held=[1-9]" /sys/module/kvmft/parameters/faults
}

# reach_point HOST POINT: an epoch is stopped there, soon.
reach_point()
{
	faults "$1" "$2:hold" && wait_until 10 is_at_point "$1" "$2"
}

# leave_points HOST...: whatever is stopped there goes on.
leave_points()
{
	local host
	for host; do
		faults "$host" off
	done
}
