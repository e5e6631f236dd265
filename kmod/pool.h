/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pool: pages to receive into, kept for the next epoch instead of freed.
 *
 * Contract: a pool has one user at a time, who serializes. A page that was got is
 * the user's, with page_private() for its own use, until it is put back. Pages
 * come with whatever they held before.
 */
#ifndef _KVMFT_POOL_H
#define _KVMFT_POOL_H

#include <linux/types.h>

struct page;

/**
 * struct kvmft_pool - free pages
 * @free: The first; each has the next one in page_private().
 * @count: How many.
 * @keep: How many to keep at most.
 */
struct kvmft_pool {
	struct page *free;
	u32 count;
	u32 keep;
};

void kvmft_pool_init(struct kvmft_pool *pool, u32 keep);
void kvmft_pool_destroy(struct kvmft_pool *pool);
int kvmft_pool_get(struct kvmft_pool *pool, struct page **pages, u32 count);
void kvmft_pool_put(struct kvmft_pool *pool, struct page **pages, u32 count);

#endif /* _KVMFT_POOL_H */
