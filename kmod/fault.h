/* SPDX-License-Identifier: GPL-2.0 */
/*
 * fault: named places where a test can make kvmft fail or wait.
 *
 * Contract: without CONFIG_KVMFT_FAULTS nothing of this is in the module. With
 * it, every point does nothing until a test arms it through the parameter
 * "faults", when the module is loaded or later:
 *
 *	insmod kvmft.ko faults=init_hook:error=12
 *	echo 'hook_open:error=13,times=1;version_dump:hold' \
 *		> /sys/module/kvmft/parameters/faults
 *
 *	POINT:error=N[,skip=N][,times=N]
 *			fail with errno N, after "skip" passes that do nothing,
 *			"times" times (without it: always), then off by itself
 *	POINT:hold	every task that comes waits: until let go, until it is
 *			killed, or for 30 seconds
 *	POINT:release	let go whoever waits now; the next one waits again
 *	POINT:off	disarm, and let go whoever waits
 *	off		the same for all points
 *
 * Several are separated by ";" and take effect together and in their order; if
 * one is wrong the write fails with EINVAL and none takes effect. A point is in
 * one state at a time: arming it anew ends the state before, and lets go whoever
 * waited. Such a task meets the new state if that is an error.
 *
 * Reading gives one line a point, "name state hits=N held=N". The state is as
 * it could be written, with what is left of skip and times. Hits count how often
 * kvmft_fault() was reached since the module was loaded, armed or not; held is
 * the number of tasks that wait now.
 *
 * A place that may sleep calls kvmft_hold() and then kvmft_fault(), one that may
 * not only kvmft_fault(). A new point is a line in fault_points.h.
 */
#ifndef _KVMFT_FAULT_H
#define _KVMFT_FAULT_H

#define KVMFT_FAULT_POINT(constant, text) KVMFT_FAULT_##constant,
enum kvmft_fault_point {
#include "fault_points.h"
	KVMFT_FAULT_COUNT
};

#undef KVMFT_FAULT_POINT

#ifdef CONFIG_KVMFT_FAULTS

int kvmft_fault(enum kvmft_fault_point point);
int kvmft_hold(enum kvmft_fault_point point);

#else

static inline int kvmft_fault(enum kvmft_fault_point point)
{
	return 0;
}

static inline int kvmft_hold(enum kvmft_fault_point point)
{
	return 0;
}

#endif /* CONFIG_KVMFT_FAULTS */

#endif /* _KVMFT_FAULT_H */
