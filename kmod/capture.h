/* SPDX-License-Identifier: GPL-2.0 */
/*
 * capture: what a checkpoint is made of: the state of a standing guest, and which of its
 * pages have changed.
 *
 * Contract: belongs to a primary's vcpus, each in its own thread; one of them leads. A guest
 * that can't be captured is given up, and says why.
 */
#ifndef _KVMFT_CAPTURE_H
#define _KVMFT_CAPTURE_H

#include <linux/types.h>

struct kvmft_hook;
struct kvmft_primary;

void kvmft_capture_config(struct kvmft_primary *primary, u32 index);
int kvmft_capture(struct kvmft_primary *primary, u32 index,
		  const struct kvmft_hook *hook);
void kvmft_capture_vcpu(struct kvmft_primary *primary, u32 index);
int kvmft_capture_harvest(struct kvmft_primary *primary);

#endif /* _KVMFT_CAPTURE_H */
