/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM_SCHED_H
#define _SHIM_SCHED_H

static inline void cond_resched(void)
{
}

#endif /* _SHIM_SCHED_H */
