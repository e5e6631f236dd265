/* SPDX-License-Identifier: GPL-2.0 */
/*
 * copies: what an epoch is made of, if its guest doesn't stand still until it is sent.
 *
 * Contract: under the desk of the primary whose pool they come from.
 */
#ifndef _KVMFT_COPIES_H
#define _KVMFT_COPIES_H

#include <linux/types.h>

struct kvmft_pool;
struct page;

/**
 * struct kvmft_copied - a page of a checkpoint whose guest runs on
 * @number: Its number.
 * @page: What it was; NULL if all zero.
 */
struct kvmft_copied {
	u64 number;
	struct page *page;
};

/**
 * struct kvmft_copies - what a checkpoint needs of a guest that goes on
 * @pages: Its pages; NULL if nothing is copied.
 * @count: How many.
 * @state: The pages of its state: copies, if there are any.
 * @state_len: Bytes of that.
 */
struct kvmft_copies {
	struct kvmft_copied *pages;
	u32 count;
	struct page **state;
	u64 state_len;
};

void kvmft_copies_put_pages(struct kvmft_copies *copies, struct kvmft_pool *pool);
void kvmft_copies_put(struct kvmft_copies *copies, struct kvmft_pool *pool);

#endif /* _KVMFT_COPIES_H */
