/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pace: when to look for what a running guest has changed, to send it ahead; and when to have two
 * epochs under way.
 *
 * Contract: pure functions; whoever has one serializes them. To look has KVM protect again
 * all that is found, so a page that the guest goes on writing costs an exit and is sent
 * again each time; not to look leaves pages for when the guest stands still. So
 * so many must have changed for a look. What number that should be is learnt from how many
 * of those that were sent ahead had to be sent again in the same epoch.
 *
 * An epoch that is made before the one before is answered is smaller, and costs as much as any: so
 * both hosts have more to do for the same output. That pays if they would have nothing to do
 * most of the time, because the other one is far away.
 */
#ifndef _KVMFT_PACE_H
#define _KVMFT_PACE_H

#include <linux/types.h>

/* How long from one time to the next, in ms: while the guest writes, and when it doesn't. */
#define KVMFT_PACE_SHORT 10U
#define KVMFT_PACE_LONG 1000U

/**
 * struct kvmft_pace - what was learnt
 * @pause: How long until next time, in ms.
 * @rest: How long it is at the least after pages were sent, in ms.
 * @least: So many pages must have changed for a look.
 * @seen: So many had when it was asked last.
 * @ahead: Pages of this epoch that were sent while the guest ran.
 * @sends: How long it takes to send an epoch, in ns.
 * @waits: How long from then on to the answer, in ns; 0 as long as nobody knows.
 */
struct kvmft_pace {
	u32 pause;
	u32 rest;
	u32 least;
	u64 seen;
	u64 ahead;
	u64 sends;
	u64 waits;
};

void kvmft_pace_init(struct kvmft_pace *pace);
bool kvmft_pace_pays(struct kvmft_pace *pace, bool async, u64 changed);
void kvmft_pace_few(struct kvmft_pace *pace);
void kvmft_pace_sent(struct kvmft_pace *pace, bool async, u64 pages, u64 again);
void kvmft_pace_epoch(struct kvmft_pace *pace, bool async, u64 pages, u64 again);
void kvmft_pace_answered(struct kvmft_pace *pace, u64 sends, u64 waits);
bool kvmft_pace_is_far(const struct kvmft_pace *pace, u64 rtt);

#endif /* _KVMFT_PACE_H */
