// SPDX-License-Identifier: GPL-2.0
#include <linux/kernel.h>
#include <linux/mm.h>

#include "compat.h"
#include "copies.h"
#include "pool.h"

/**
 * kvmft_copies_put_pages() - nobody needs the pages any more
 * @copies: the copies, of whose state nothing is copied so far
 * @pool: where their pages come from
 */
void kvmft_copies_put_pages(struct kvmft_copies *copies, struct kvmft_pool *pool)
{
	u32 i;

	for (i = 0; i < copies->count; i++) {
		if (copies->pages[i].page)
			kvmft_pool_put(pool, &copies->pages[i].page, 1);
	}
	kvfree(copies->pages);
	copies->pages = NULL;
	copies->count = 0;
}

/**
 * kvmft_copies_put() - nobody needs what was copied any more, if anything was
 * @copies: the copies
 * @pool: where their pages come from
 */
void kvmft_copies_put(struct kvmft_copies *copies, struct kvmft_pool *pool)
{
	if (!copies->pages)
		return;
	kvmft_pool_put(pool, copies->state, copies->state_len >> PAGE_SHIFT);
	kvmft_copies_put_pages(copies, pool);
}
