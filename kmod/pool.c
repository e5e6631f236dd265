// SPDX-License-Identifier: GPL-2.0
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/string.h>

#include "compat.h"
#include "fault.h"
#include "pool.h"

/*
 * An epoch that finds no memory is aborted and its guest goes on unprotected
 * for a while. That is better than what the OOM killer would do on the standby.
 */
#define POOL_GFP (GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY)

/**
 * kvmft_pool_init() - begin with an empty pool
 * @pool: the pool
 * @keep: how many free pages to keep at most
 */
void kvmft_pool_init(struct kvmft_pool *pool, u32 keep)
{
	pool->free = NULL;
	pool->count = 0;
	pool->keep = keep;
}

static struct page *pool_pop(struct kvmft_pool *pool)
{
	struct page *page = pool->free;

	pool->free = (struct page *)page_private(page);
	pool->count--;
	return page;
}

/**
 * kvmft_pool_destroy() - free what is kept
 * @pool: the pool; empty afterwards, and still usable
 */
void kvmft_pool_destroy(struct kvmft_pool *pool)
{
	while (pool->count) {
		struct page *page = pool_pop(pool);

		set_page_private(page, 0);
		__free_page(page);
	}
}

/**
 * kvmft_pool_get() - take pages
 * @pool: the pool
 * @pages: result
 * @count: how many
 *
 * Context: may sleep
 *
 * Return: 0, or -ENOMEM without any of them
 */
int kvmft_pool_get(struct kvmft_pool *pool, struct page **pages, u32 count)
{
	u32 got = 0;
	u32 filled;

	if (kvmft_fault(KVMFT_FAULT_POOL_GET))
		return -ENOMEM;

	while (got < count && pool->count)
		pages[got++] = pool_pop(pool);
	if (got == count)
		return 0;

	memset(pages + got, 0, (count - got) * sizeof(*pages));
	while (got < count) {
		/* Fills the gaps of the array, and may stop early. */
		filled = alloc_pages_bulk_array(POOL_GFP, count - got,
						pages + got);
		if (!filled) {
			kvmft_pool_put(pool, pages, got);
			return -ENOMEM;
		}
		got += filled;
	}
	return 0;
}

/**
 * kvmft_pool_put() - give pages back
 * @pool: the pool
 * @pages: the pages
 * @count: how many
 */
void kvmft_pool_put(struct kvmft_pool *pool, struct page **pages, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++) {
		if (pool->count < pool->keep) {
			set_page_private(pages[i], (unsigned long)pool->free);
			pool->free = pages[i];
			pool->count++;
		} else {
			set_page_private(pages[i], 0);
			__free_page(pages[i]);
		}
	}
}
