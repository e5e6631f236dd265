// SPDX-License-Identifier: GPL-2.0
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/string.h>

#include "compat.h"
#include "fault.h"
#include "hot.h"

/* One that hasn't changed in so many epochs makes place for another. */
#define COLD_EPOCHS 4

/**
 * kvmft_hot_init() - begin without any
 * @hot: the set, of zeroes
 */
void kvmft_hot_init(struct kvmft_hot *hot)
{
	xa_init(&hot->index);
}

/**
 * kvmft_hot_destroy() - free what a set has
 * @hot: the set, or a zeroed structure
 */
void kvmft_hot_destroy(struct kvmft_hot *hot)
{
	while (hot->count)
		__free_page(hot->pages[--hot->count].last);
	xa_destroy(&hot->index);
}

/**
 * kvmft_hot_find() - is it one of them?
 * @hot: the set
 * @number: the page
 *
 * Return: what is known of it, or NULL
 */
struct kvmft_hot_page *kvmft_hot_find(struct kvmft_hot *hot, u64 number)
{
	void *at = hot->count ? xa_load(&hot->index, number) : NULL;

	return at ? &hot->pages[xa_to_value(at)] : NULL;
}

/* Its place in the set is this one; false without the memory for that. */
static bool place(struct kvmft_hot *hot, u32 at, u64 number, u32 slot, u64 offset)
{
	struct kvmft_hot_page *page = &hot->pages[at];

	if (xa_err(xa_store(&hot->index, number, xa_mk_value(at), GFP_KERNEL | __GFP_NOWARN)))
		return false;
	page->number = number;
	page->slot = slot;
	page->offset = offset;
	page->known = false;
	page->same = 0;
	return true;
}

/**
 * kvmft_hot_add() - one more
 * @hot: the set
 * @number: the page, which isn't one of them
 * @slot: what KVM calls its slot
 * @offset: its place there
 *
 * Context: may sleep
 *
 * Return: whether it is one of them now
 */
bool kvmft_hot_add(struct kvmft_hot *hot, u64 number, u32 slot, u64 offset)
{
	struct page *last;

	if (hot->count == KVMFT_HOT_MAX || kvmft_fault(KVMFT_FAULT_HOT_ADD))
		return false;
	last = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!last)
		return false;
	if (!place(hot, hot->count, number, slot, offset)) {
		__free_page(last);
		return false;
	}
	hot->pages[hot->count].last = last;
	WRITE_ONCE(hot->count, hot->count + 1);
	return true;
}

/**
 * kvmft_hot_replace() - one in place of another that hasn't changed for some time
 * @hot: the set
 * @number: the page, which isn't one of them
 * @slot: what KVM calls its slot
 * @offset: its place there
 * @old: result: the other one, that has to be write-protected, and counts as written
 *
 * Context: may sleep
 *
 * Return: whether there was such a one
 */
bool kvmft_hot_replace(struct kvmft_hot *hot, u64 number, u32 slot, u64 offset,
		       struct kvmft_hot_page *old)
{
	u32 at;

	if (!hot->cold)
		return false;
	for (at = 0; hot->pages[at].same < COLD_EPOCHS; at++) {
		if (WARN_ON_ONCE(at + 1 == hot->count)) {
			hot->cold = 0;
			return false;
		}
	}
	*old = hot->pages[at];
	if (!place(hot, at, number, slot, offset))
		return false;
	xa_erase(&hot->index, old->number);
	hot->cold--;
	return true;
}

static void note_same(struct kvmft_hot *hot, struct kvmft_hot_page *page, u32 same)
{
	hot->cold += (same >= COLD_EPOCHS) - (page->same >= COLD_EPOCHS);
	page->same = same;
}

/**
 * kvmft_hot_is_same() - is it what it was when it was sent last?
 * @hot: the set
 * @page: one of its pages
 * @now: what is in it, which doesn't change meanwhile; NULL if it is all zero
 * @sent: something else of it was sent since
 *
 * Once an epoch, if it is; else kvmft_hot_is_news() is next, or nothing.
 *
 * Return: whether it is; false if nobody knows
 */
bool kvmft_hot_is_same(struct kvmft_hot *hot, struct kvmft_hot_page *page,
		       struct page *now, bool sent)
{
	if (!page->known || !now || sent ||
	    memcmp(page_address(page->last), page_address(now), PAGE_SIZE))
		return false;
	note_same(hot, page, page->same + 1);
	return true;
}

/**
 * kvmft_hot_is_news() - has it changed since it was sent?
 * @hot: the set
 * @page: one of its pages
 * @now: what is in it, which doesn't change meanwhile; NULL if it is all zero
 * @sent: something else of it was sent since
 *
 * If it has, it is to be sent, and is known then, unless kvmft_hot_forget() says otherwise.
 *
 * Return: whether it has, as far as is known
 */
bool kvmft_hot_is_news(struct kvmft_hot *hot, struct kvmft_hot_page *page,
		       struct page *now, bool sent)
{
	if (kvmft_hot_is_same(hot, page, now, sent))
		return false;
	note_same(hot, page, 0);
	page->known = now;
	if (now)
		copy_page(page_address(page->last), page_address(now));
	return true;
}

/**
 * kvmft_hot_forget() - nobody knows what the other end has
 * @hot: the set
 */
void kvmft_hot_forget(struct kvmft_hot *hot)
{
	u32 at;

	for (at = 0; at < hot->count; at++)
		hot->pages[at].known = false;
}
