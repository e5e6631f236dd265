/* SPDX-License-Identifier: GPL-2.0 */
/*
 * harvest: which pages of a guest changed, from all who know: KVM's dirty rings or its
 * dirty log, and the marks of the VMM.
 *
 * Contract: harvesting is destructive, so what was found is kept: a page is due until
 * it is taken to be sent, and then pending until its epoch is acknowledged or becomes
 * due again; those of an epoch that was sent whole are set aside, so that another one can be
 * made. Vcpus may run meanwhile; what is found is all there is only if none does.
 * A page that is due was write-protected again after it was found, so it may be read
 * at once; but for hot ones, see hot.h, which are only to be read while no vcpu runs,
 * and are due whenever that is. What is in the rings, logs and marks may have been put
 * there by a hostile VMM: at worst it names pages that didn't change, or leaves out some
 * that did.
 */
#ifndef _KVMFT_HARVEST_H
#define _KVMFT_HARVEST_H

#include <linux/atomic.h>
#include <linux/mutex.h>
#include <linux/types.h>

#include "hot.h"
#include "memory.h"
#include "pageset.h"

struct kvmft_vmm;
struct page;

/**
 * struct kvmft_harvest - what changed
 * @vmm: The guest's VMM.
 * @memory: Its memory.
 * @ring: By rings, not by log.
 * @vcpus: How many it has.
 * @tracked: Pages that KVM told of, or needn't.
 * @marked: Pages that the VMM marked.
 * @resent: Pages that became due again.
 * @lock: Protects all that follows, and serializes harvesting.
 * @next: The entry of each vcpu's ring that comes next.
 * @repeated: How often one was taken that had been taken for the same epoch; also
 *	read without the lock by who takes them.
 * @due: Pages that have to be sent.
 * @pending: Pages of the epoch that is being made, or was, as long as there is no answer.
 * @aside: Those of the one before, until that is answered.
 * @still: Those of @pending that were taken while no vcpu ran.
 * @recent: The same of the last epoch, and of the one before.
 * @hot: Those that were in all of these; with rings.
 */
struct kvmft_harvest {
	struct kvmft_vmm *vmm;
	struct kvmft_memory *memory;
	bool ring;
	u32 vcpus;
	atomic64_t tracked;
	atomic64_t marked;
	atomic64_t resent;

	struct mutex lock;	/* what follows */
	u32 *next;
	u64 repeated;
	struct kvmft_pageset due;
	struct kvmft_pageset pending;
	struct kvmft_pageset aside;
	struct kvmft_pageset still;
	struct kvmft_pageset recent[2];
	struct kvmft_hot hot;
};

int kvmft_harvest_init(struct kvmft_harvest *harvest, struct kvmft_vmm *vmm,
		       struct kvmft_memory *memory, u32 vcpus);
void kvmft_harvest_destroy(struct kvmft_harvest *harvest);

u64 kvmft_harvest_changed(struct kvmft_harvest *harvest, bool *full);
int kvmft_harvest_all(struct kvmft_harvest *harvest);
int kvmft_harvest_rings(struct kvmft_harvest *harvest);
void kvmft_harvest_hot(struct kvmft_harvest *harvest);
bool kvmft_harvest_is_same(struct kvmft_harvest *harvest, u64 number, struct page *page,
			   bool sent);
bool kvmft_harvest_is_news(struct kvmft_harvest *harvest, u64 number, struct page *page,
			   bool sent);
u64 kvmft_harvest_due(struct kvmft_harvest *harvest);
u32 kvmft_harvest_take(struct kvmft_harvest *harvest, bool still, u64 *cursor,
		       u64 *numbers, u32 count);
u32 kvmft_harvest_take_written(struct kvmft_harvest *harvest, bool still, u64 *cursor,
			       u64 *numbers, u32 count, u64 *holes);
void kvmft_harvest_set_aside(struct kvmft_harvest *harvest);
void kvmft_harvest_acked_aside(struct kvmft_harvest *harvest);
void kvmft_harvest_acked(struct kvmft_harvest *harvest);
void kvmft_harvest_put_back(struct kvmft_harvest *harvest);
void kvmft_harvest_failed(struct kvmft_harvest *harvest);
void kvmft_harvest_everything(struct kvmft_harvest *harvest);

#endif /* _KVMFT_HARVEST_H */
