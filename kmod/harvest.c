// SPDX-License-Identifier: GPL-2.0
#include <linux/bitops.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "compat.h"
#include "fault.h"
#include "harvest.h"
#include "vmm.h"

/* KVM resets all that is marked at one go, without a pause; so not too many. */
#define RESET_MAX 4096U

/* A slot that KVM doesn't have: it leaves such an entry alone when it resets. */
#define NO_SLOT U32_MAX

/**
 * kvmft_harvest_init() - begin with nothing found
 * @harvest: the harvest
 * @vmm: the guest's VMM
 * @memory: its memory
 * @vcpus: how many it has
 *
 * Return: 0 or -ENOMEM
 */
int kvmft_harvest_init(struct kvmft_harvest *harvest, struct kvmft_vmm *vmm,
		       struct kvmft_memory *memory, u32 vcpus)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;

	harvest->vmm = vmm;
	harvest->memory = memory;
	harvest->ring = vmm->kvm->dirty_ring_size;
	harvest->vcpus = vcpus;
	mutex_init(&harvest->lock);
	kvmft_hot_init(&harvest->hot);
	harvest->next = kcalloc(vcpus, sizeof(u32), GFP_KERNEL_ACCOUNT);
	if (!harvest->next || kvmft_pageset_init(&harvest->due, memory->pages) ||
	    kvmft_pageset_init(&harvest->pending, memory->pages) ||
	    kvmft_pageset_init(&harvest->aside, memory->pages) ||
	    kvmft_pageset_init(&harvest->still, memory->pages) ||
	    kvmft_pageset_init(&harvest->recent[0], memory->pages) ||
	    kvmft_pageset_init(&harvest->recent[1], memory->pages)) {
		kvmft_harvest_destroy(harvest);
		return -ENOMEM;
	}
	if (harvest->ring) {
		kvm_for_each_vcpu(i, vcpu, vmm->kvm) {
			if (i >= vcpus)
				break;
			harvest->next[i] = READ_ONCE(vcpu->dirty_ring.reset_index);
		}
	}
	return 0;
}

/**
 * kvmft_harvest_destroy() - free what a harvest has
 * @harvest: the harvest, or a zeroed structure
 */
void kvmft_harvest_destroy(struct kvmft_harvest *harvest)
{
	kvmft_hot_destroy(&harvest->hot);
	kvmft_pageset_destroy(&harvest->recent[1]);
	kvmft_pageset_destroy(&harvest->recent[0]);
	kvmft_pageset_destroy(&harvest->still);
	kvmft_pageset_destroy(&harvest->aside);
	kvmft_pageset_destroy(&harvest->pending);
	kvmft_pageset_destroy(&harvest->due);
	kfree(harvest->next);
	harvest->next = NULL;
}

static void found(struct kvmft_harvest *harvest, u64 number, atomic64_t *counter)
{
	if (number == KVMFT_NO_PAGE)
		return;
	atomic64_inc(counter);
	kvmft_pageset_add(&harvest->due, number);
}

/*
 * An entry of the ring that is about to be reset, by which KVM will protect this page from
 * being written. One that is written in each epoch, and couldn't be sent before the guest
 * stood still, stays writable: then the entry is for another one that isn't hot any more,
 * or for none. A page may be in several slots, and only one of those is told of here.
 */
static void judge_heat(struct kvmft_harvest *harvest, struct kvm_dirty_gfn *entry,
		       u64 number, u32 slot, u64 offset)
{
	struct kvmft_hot_page *page, old;

	page = kvmft_hot_find(&harvest->hot, number);
	if (page) {
		if (page->slot == slot && page->offset == offset)
			WRITE_ONCE(entry->slot, NO_SLOT);
		return;
	}
	if (!kvmft_pageset_has(&harvest->recent[0], number) ||
	    !kvmft_pageset_has(&harvest->recent[1], number))
		return;
	if (kvmft_hot_replace(&harvest->hot, number, slot, offset, &old)) {
		WRITE_ONCE(entry->slot, old.slot);
		WRITE_ONCE(entry->offset, old.offset);
		kvmft_pageset_add(&harvest->due, old.number);
	} else if (kvmft_hot_add(&harvest->hot, number, slot, offset)) {
		WRITE_ONCE(entry->slot, NO_SLOT);
	}
}

/* Marks entries for reset, up to @limit; how many. */
static u32 drain_ring(struct kvmft_harvest *harvest, struct kvm_dirty_ring *ring,
		      u32 *next, u32 limit)
{
	u64 number, offset;
	u32 count, slot;

	for (count = 0; count < min(limit, ring->size); count++, ++*next) {
		struct kvm_dirty_gfn *entry = &ring->dirty_gfns[*next & (ring->size - 1)];

		/* Pairs with the write barrier in kvm_dirty_ring_push(). */
		if (smp_load_acquire(&entry->flags) != KVM_DIRTY_GFN_F_DIRTY)
			break;
		/* The VMM may write there, too. */
		slot = READ_ONCE(entry->slot);
		offset = READ_ONCE(entry->offset);
		number = kvmft_memory_by_slot(harvest->memory, slot, offset);
		found(harvest, number, &harvest->tracked);
		if (number != KVMFT_NO_PAGE)
			judge_heat(harvest, entry, number, slot, offset);
		/* Pairs with the acquire in kvm_dirty_ring_reset(). */
		smp_store_release(&entry->flags, KVM_DIRTY_GFN_F_RESET);
	}
	return count;
}

/*
 * Until the rings were empty once, or all that was in them at the beginning is
 * dealt with: vcpus that write as fast as this reads don't keep it.
 */
static int harvest_rings(struct kvmft_harvest *harvest)
{
	struct kvmft_vmm *vmm = harvest->vmm;
	struct kvm_vcpu *vcpu;
	unsigned long i;
	u32 budget, drained, left;
	long reset;

	lockdep_assert_held(&harvest->lock);
	budget = vmm->kvm->dirty_ring_size / sizeof(struct kvm_dirty_gfn) * harvest->vcpus;
	do {
		drained = 0;
		kvm_for_each_vcpu(i, vcpu, vmm->kvm) {
			if (i >= harvest->vcpus)
				break;
			left = RESET_MAX - drained;
			drained += drain_ring(harvest, &vcpu->dirty_ring,
					      &harvest->next[i], left);
		}
		if (!drained)
			break;
		reset = vfs_ioctl(vmm->vm_file, KVM_RESET_DIRTY_RINGS, 0);
		if (reset < 0)
			return reset;
		cond_resched();
		budget -= min(budget, drained);
	} while (drained == RESET_MAX && budget);
	return 0;
}

static void add_word(struct kvmft_harvest *harvest, unsigned long word, u64 first,
		     u64 pages)
{
	unsigned long bit;

	for_each_set_bit(bit, &word, BITS_PER_LONG) {
		if (bit < pages)
			found(harvest, first + bit, &harvest->tracked);
	}
}

/* GET writes its result where the VMM could change it: bits are all that is taken. */
static int harvest_slot(struct kvmft_harvest *harvest,
			const struct kvmft_range *range, void *kernel,
			void __user *user, struct kvm_dirty_log *args,
			void __user *user_args)
{
	struct kvmft_vmm *vmm = harvest->vmm;
	struct kvm_clear_dirty_log *clear;
	unsigned long *log = kernel;
	u64 page;
	long err;

	memset(args, 0, sizeof(*args));
	args->slot = range->slot;
	args->dirty_bitmap = user;
	err = vfs_ioctl(vmm->vm_file, KVM_GET_DIRTY_LOG, (unsigned long)user_args);
	if (err)
		return err;
	if (vmm->kvm->manual_dirty_log_protect) {
		/* Then GET leaves to CLEAR what it does otherwise. */
		clear = (struct kvm_clear_dirty_log *)args;
		memset(clear, 0, sizeof(*clear));
		clear->slot = range->slot;
		clear->num_pages = range->pages;
		clear->dirty_bitmap = user;
		err = vfs_ioctl(vmm->vm_file, KVM_CLEAR_DIRTY_LOG,
				(unsigned long)user_args);
		if (err)
			return err;
	}
	for (page = 0; page < range->pages; page += BITS_PER_LONG) {
		add_word(harvest, READ_ONCE(log[page / BITS_PER_LONG]),
			 range->first + page, range->pages - page);
		if (!(page % (BITS_PER_LONG * 4096)))
			cond_resched();
	}
	return 0;
}

static int harvest_log(struct kvmft_harvest *harvest)
{
	struct kvmft_vmm *vmm = harvest->vmm;
	void *kernel, *args;
	void __user *user;
	void __user *user_args;
	int err;
	u32 i;

	lockdep_assert_held(&harvest->lock);
	err = kvmft_vmm_at(vmm, vmm->log, &kernel, &user) ?:
	      kvmft_vmm_at(vmm, vmm->args, &args, &user_args);
	for (i = 0; i < harvest->memory->range_count && !err; i++) {
		const struct kvmft_range *range = &harvest->memory->ranges[i];

		if (!(range->flags & KVM_MEM_READONLY))
			err = harvest_slot(harvest, range, kernel, user, args, user_args);
	}
	return err;
}

/* The upper level first: who marks sets the lower bit first. */
static void harvest_marks(struct kvmft_harvest *harvest)
{
	struct kvmft_vmm *vmm = harvest->vmm;
	u64 words = DIV_ROUND_UP(vmm->gpa_end >> PAGE_SHIFT, BITS_PER_LONG);
	u64 i;

	lockdep_assert_held(&harvest->lock);
	for (i = 0; i < BITS_TO_LONGS(words); i++) {
		unsigned long upper, lower, bit, page;

		if (!(i % 4096))
			cond_resched();
		if (!READ_ONCE(vmm->summary[i]))
			continue;
		upper = xchg(&vmm->summary[i], 0);
		for_each_set_bit(bit, &upper, BITS_PER_LONG) {
			u64 word = i * BITS_PER_LONG + bit;

			if (word >= words)
				break;
			lower = xchg(&vmm->bitmap[word], 0);
			for_each_set_bit(page, &lower, BITS_PER_LONG)
				found(harvest,
				      kvmft_memory_by_gfn(harvest->memory,
							  word * BITS_PER_LONG + page),
				      &harvest->marked);
		}
	}
}

/**
 * kvmft_harvest_rings() - find what the rings know, and make place in them
 * @harvest: the harvest
 *
 * Context: with the VMM's address space; may sleep
 *
 * Return: 0 or a negative errno
 */
int kvmft_harvest_rings(struct kvmft_harvest *harvest)
{
	int err = 0;

	mutex_lock(&harvest->lock);
	if (harvest->ring)
		err = harvest_rings(harvest);
	mutex_unlock(&harvest->lock);
	return err;
}

/* Entries of a vcpu's ring that nobody has read. It moves on meanwhile. */
static u32 waiting(const struct kvm_dirty_ring *ring, u32 next)
{
	/* An entry can be read a moment before it is counted. */
	return max_t(s32, READ_ONCE(ring->dirty_index) - next, 0);
}

/**
 * kvmft_harvest_changed() - how much is there to find, without finding it?
 * @harvest: the harvest
 * @full: a ring will be full before long
 *
 * To find what is in the rings has KVM protect those pages again, so that each costs an exit when
 * it is written next; to see how many there are costs nothing, and what the VMM marks
 * isn't protected at all.
 *
 * Context: may sleep; vcpus may run
 *
 * Return: pages that are due or marked, and entries of rings
 */
u64 kvmft_harvest_changed(struct kvmft_harvest *harvest, bool *full)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;
	u64 count = 0;

	*full = false;
	mutex_lock(&harvest->lock);
	harvest_marks(harvest);
	kvm_for_each_vcpu(i, vcpu, harvest->vmm->kvm) {
		struct kvm_dirty_ring *ring = &vcpu->dirty_ring;
		u32 entries;

		if (!harvest->ring || i >= harvest->vcpus)
			break;
		entries = waiting(ring, harvest->next[i]);
		*full |= entries > ring->soft_limit / 4 * 3;
		count += entries;
	}
	count += harvest->due.count;
	mutex_unlock(&harvest->lock);
	return count;
}

/**
 * kvmft_harvest_all() - find what anybody knows
 * @harvest: the harvest
 *
 * Context: with the VMM's address space; may sleep
 *
 * Return: 0 or a negative errno
 */
int kvmft_harvest_all(struct kvmft_harvest *harvest)
{
	int err;

	mutex_lock(&harvest->lock);
	err = harvest->ring ? harvest_rings(harvest) : harvest_log(harvest);
	if (!err)
		harvest_marks(harvest);
	mutex_unlock(&harvest->lock);
	return err;
}

/**
 * kvmft_harvest_hot() - hot pages are due
 * @harvest: the harvest
 *
 * Context: while no vcpu runs, behind kvmft_harvest_all(), by who sends or copies all that
 * is due before any does
 */
void kvmft_harvest_hot(struct kvmft_harvest *harvest)
{
	u32 at;

	mutex_lock(&harvest->lock);
	for (at = 0; at < harvest->hot.count; at++)
		kvmft_pageset_add(&harvest->due, harvest->hot.pages[at].number);
	mutex_unlock(&harvest->lock);
}

/**
 * kvmft_harvest_is_same() - is it known that a page that was taken needn't be sent?
 * @harvest: the harvest
 * @number: the page
 * @page: what is in it, which doesn't change meanwhile
 * @sent: it was sent in this epoch already
 *
 * For who copies what is to be sent: then it is neither copied nor sent, in this epoch.
 *
 * Return: whether; the other end has it as it is then
 */
bool kvmft_harvest_is_same(struct kvmft_harvest *harvest, u64 number, struct page *page,
			   bool sent)
{
	struct kvmft_hot_page *hot;
	bool is = false;

	if (!READ_ONCE(harvest->hot.count))
		return false;
	mutex_lock(&harvest->lock);
	hot = kvmft_hot_find(&harvest->hot, number);
	if (hot)
		is = kvmft_hot_is_same(&harvest->hot, hot, page, sent);
	mutex_unlock(&harvest->lock);
	return is;
}

/**
 * kvmft_harvest_is_news() - has a page to be sent that was taken?
 * @harvest: the harvest
 * @number: the page
 * @page: what is in it, which doesn't change meanwhile; NULL if it is all zero
 * @sent: it was sent in this epoch already
 *
 * Return: whether; false only for one that the other end has as it is
 */
bool kvmft_harvest_is_news(struct kvmft_harvest *harvest, u64 number, struct page *page,
			   bool sent)
{
	struct kvmft_hot_page *hot;
	bool is = true;

	if (!READ_ONCE(harvest->hot.count))
		return true;
	mutex_lock(&harvest->lock);
	hot = kvmft_hot_find(&harvest->hot, number);
	if (hot) {
		is = kvmft_hot_is_news(&harvest->hot, hot, page, sent);
		if (is)
			atomic64_inc(&harvest->tracked);
	}
	mutex_unlock(&harvest->lock);
	return is;
}

/**
 * kvmft_harvest_due() - how much is there to send?
 * @harvest: the harvest
 *
 * Return: pages that are due
 */
u64 kvmft_harvest_due(struct kvmft_harvest *harvest)
{
	u64 count;

	mutex_lock(&harvest->lock);
	count = harvest->due.count;
	mutex_unlock(&harvest->lock);
	return count;
}

/*
 * Takes one page. Whether it is to be sent now: a hot one isn't to be read while vcpus run,
 * and is due again when they don't.
 */
static bool take(struct kvmft_harvest *harvest, bool still, u64 number)
{
	bool hot = kvmft_hot_find(&harvest->hot, number);

	lockdep_assert_held(&harvest->lock);
	if (still)
		kvmft_pageset_add(&harvest->still, number);
	kvmft_pageset_del(&harvest->due, number);
	/* A hot one is taken twice without being sent twice. */
	if (!kvmft_pageset_add(&harvest->pending, number) && !hot)
		harvest->repeated++;
	return still || !hot;
}

/**
 * kvmft_harvest_take() - take pages to send them
 * @harvest: the harvest
 * @still: no vcpu runs
 * @cursor: where to look from; moves on
 * @numbers: result, rising
 * @count: how many at most
 *
 * Return: how many; 0 if none is to be sent from @cursor on
 */
u32 kvmft_harvest_take(struct kvmft_harvest *harvest, bool still, u64 *cursor,
		       u64 *numbers, u32 count)
{
	u32 taken = 0;
	u64 number;

	mutex_lock(&harvest->lock);
	while (taken < count) {
		number = kvmft_pageset_next(&harvest->due, *cursor);
		if (number >= harvest->due.size)
			break;
		*cursor = number + 1;
		if (take(harvest, still, number))
			numbers[taken++] = number;
	}
	mutex_unlock(&harvest->lock);
	return taken;
}

/* What is due from here on, and whether it was sent since the last answer. */
static u64 next_due(struct kvmft_harvest *harvest, u64 from, bool *sent)
{
	u64 number;

	mutex_lock(&harvest->lock);
	number = kvmft_pageset_next(&harvest->due, from);
	*sent = kvmft_pageset_has(&harvest->pending, number);
	mutex_unlock(&harvest->lock);
	return number;
}

/*
 * Pages that were never written up to @end aren't due, those that were sent aside; how
 * many there were. Whoever writes there before this is over is found by looking again,
 * or by a harvest after that.
 */
static u64 drop_hole(struct kvmft_harvest *harvest, u64 begin, u64 end)
{
	u64 gone, data;

	mutex_lock(&harvest->lock);
	end = min(end, kvmft_pageset_next(&harvest->pending, begin));
	gone = kvmft_pageset_del_range(&harvest->due, begin, end);
	mutex_unlock(&harvest->lock);

	data = kvmft_memory_data(harvest->memory, begin);
	if (data >= end)
		return gone;
	mutex_lock(&harvest->lock);
	for (; data < end; data++)
		gone -= kvmft_pageset_add(&harvest->due, data) && gone;
	mutex_unlock(&harvest->lock);
	return gone;
}

/**
 * kvmft_harvest_take_written() - take pages to send them, if they were ever written
 * @harvest: the harvest
 * @still: no vcpu runs
 * @cursor: where to look from; moves on
 * @numbers: result, rising
 * @count: how many at most
 * @holes: how many were never written, and aren't due any more, is added
 *
 * What was sent since the last answer is taken in any case: it may have become a hole.
 *
 * Return: how many; 0 if none is to be sent from @cursor on
 */
u32 kvmft_harvest_take_written(struct kvmft_harvest *harvest, bool still, u64 *cursor,
			       u64 *numbers, u32 count, u64 *holes)
{
	u64 number, data;
	u32 taken = 0;
	bool sent;

	while (taken < count) {
		number = next_due(harvest, *cursor, &sent);
		if (number >= harvest->due.size)
			break;
		*cursor = number;
		/* It may be waited for: not with the lock. */
		data = sent ? number : kvmft_memory_data(harvest->memory, number);
		if (data > number) {
			*holes += drop_hole(harvest, number, data);
			cond_resched();
			continue;
		}
		mutex_lock(&harvest->lock);
		*cursor = number + 1;
		if (take(harvest, still, number))
			numbers[taken++] = number;
		mutex_unlock(&harvest->lock);
	}
	return taken;
}

/* What was taken is all of an epoch: see from it what is hot. */
static void see_heat(struct kvmft_harvest *harvest)
{
	lockdep_assert_held(&harvest->lock);
	kvmft_pageset_clear(&harvest->recent[1]);
	/* With many pages it pays to send them ahead, which those that are hot can't be. */
	if (harvest->pending.count <= KVMFT_HOT_MAX) {
		swap(harvest->recent[0], harvest->recent[1]);
		swap(harvest->still, harvest->recent[0]);
	} else {
		kvmft_pageset_clear(&harvest->still);
		kvmft_pageset_clear(&harvest->recent[0]);
	}
}

/**
 * kvmft_harvest_set_aside() - what was taken has been sent, and the next epoch begins
 * @harvest: the harvest, with nothing set aside
 *
 * It isn't safe so far: next is kvmft_harvest_acked_aside(), or kvmft_harvest_failed().
 */
void kvmft_harvest_set_aside(struct kvmft_harvest *harvest)
{
	mutex_lock(&harvest->lock);
	see_heat(harvest);
	/* Better once too often than not at all. */
	if (WARN_ON_ONCE(harvest->aside.count))
		kvmft_pageset_move(&harvest->pending, &harvest->aside);
	swap(harvest->pending, harvest->aside);
	mutex_unlock(&harvest->lock);
}

/**
 * kvmft_harvest_acked_aside() - what was set aside is safe
 * @harvest: the harvest
 */
void kvmft_harvest_acked_aside(struct kvmft_harvest *harvest)
{
	mutex_lock(&harvest->lock);
	kvmft_pageset_clear(&harvest->aside);
	mutex_unlock(&harvest->lock);
}

/**
 * kvmft_harvest_acked() - what was taken is safe, all of it
 * @harvest: the harvest
 */
void kvmft_harvest_acked(struct kvmft_harvest *harvest)
{
	mutex_lock(&harvest->lock);
	see_heat(harvest);
	kvmft_pageset_clear(&harvest->pending);
	kvmft_pageset_clear(&harvest->aside);
	mutex_unlock(&harvest->lock);
}

/**
 * kvmft_harvest_failed() - what was taken, or set aside, is due again
 * @harvest: the harvest
 */
void kvmft_harvest_failed(struct kvmft_harvest *harvest)
{
	mutex_lock(&harvest->lock);
	atomic64_add(harvest->pending.count + harvest->aside.count, &harvest->resent);
	kvmft_pageset_move(&harvest->due, &harvest->pending);
	kvmft_pageset_move(&harvest->due, &harvest->aside);
	kvmft_hot_forget(&harvest->hot);
	mutex_unlock(&harvest->lock);
}

/**
 * kvmft_harvest_put_back() - what was taken won't be sent now, and is due again
 * @harvest: the harvest
 *
 * What is set aside is on its way.
 */
void kvmft_harvest_put_back(struct kvmft_harvest *harvest)
{
	mutex_lock(&harvest->lock);
	atomic64_add(harvest->pending.count, &harvest->resent);
	kvmft_pageset_move(&harvest->due, &harvest->pending);
	mutex_unlock(&harvest->lock);
}

/**
 * kvmft_harvest_everything() - all of the guest is due
 * @harvest: the harvest
 */
void kvmft_harvest_everything(struct kvmft_harvest *harvest)
{
	mutex_lock(&harvest->lock);
	kvmft_hot_forget(&harvest->hot);
	/* What is pending stays that: it is what was sent of the epoch that is begun. */
	kvmft_pageset_fill(&harvest->due);
	mutex_unlock(&harvest->lock);
}
