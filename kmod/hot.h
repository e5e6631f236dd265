/* SPDX-License-Identifier: GPL-2.0 */
/*
 * hot: pages that a guest writes in each epoch, and what they were when they were sent last.
 *
 * Contract: to find that such a page was written takes an exit of the guest and a new
 * write-protection each time, only to learn what is known. So it stays writable, and counts as
 * written, until it is another page's turn. Who makes an epoch has to look at all of
 * them while the guest stands still, and compares. A set has one user at a time, who
 * serializes.
 */
#ifndef _KVMFT_HOT_H
#define _KVMFT_HOT_H

#include <linux/types.h>
#include <linux/xarray.h>

struct page;

/* So much is looked at in each epoch, and as many pages are kept for comparison. */
#define KVMFT_HOT_MAX 512

/**
 * struct kvmft_hot_page - one of them
 * @number: Its number.
 * @slot: What KVM calls its slot.
 * @offset: Its place there.
 * @last: What it was when it was sent last.
 * @known: The other end has that.
 * @same: For how many epochs it hasn't changed.
 */
struct kvmft_hot_page {
	u64 number;
	u32 slot;
	u64 offset;
	struct page *last;
	bool known;
	u32 same;
};

/**
 * struct kvmft_hot - a guest's
 * @count: How many there are; also read without the lock.
 * @cold: How many of them were hot.
 * @index: Where in @pages, by number.
 * @pages: They.
 */
struct kvmft_hot {
	u32 count;
	u32 cold;
	struct xarray index;
	struct kvmft_hot_page pages[KVMFT_HOT_MAX];
};

void kvmft_hot_init(struct kvmft_hot *hot);
void kvmft_hot_destroy(struct kvmft_hot *hot);
struct kvmft_hot_page *kvmft_hot_find(struct kvmft_hot *hot, u64 number);
bool kvmft_hot_add(struct kvmft_hot *hot, u64 number, u32 slot, u64 offset);
bool kvmft_hot_replace(struct kvmft_hot *hot, u64 number, u32 slot, u64 offset,
		       struct kvmft_hot_page *old);
bool kvmft_hot_is_same(struct kvmft_hot *hot, struct kvmft_hot_page *page,
		       struct page *now, bool sent);
bool kvmft_hot_is_news(struct kvmft_hot *hot, struct kvmft_hot_page *page,
		       struct page *now, bool sent);
void kvmft_hot_forget(struct kvmft_hot *hot);

#endif /* _KVMFT_HOT_H */
