/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pack: pages as LZ4 makes them smaller, and as they were.
 *
 * Contract: a pack has one user at a time. It takes pages until it is emptied; one that
 * wouldn't become a good deal smaller it leaves alone, and where that is so of many it doesn't
 * try each any more. What came from the wire is opened by kvmft_pack_open(), which
 * believes none of it.
 */
#ifndef _KVMFT_PACK_H
#define _KVMFT_PACK_H

#include <linux/types.h>

#include "wire.h"

struct page;

/* What is larger than this isn't worth the other end's time. */
#define KVMFT_PACK_MOST (KVMFT_WIRE_PAGE_SIZE / 4 * 3)

/**
 * struct kvmft_pack - pages on their way
 * @work: What LZ4 needs.
 * @page: The page that is being made smaller.
 * @data: They, each behind its length; by vmalloc().
 * @len: Bytes of that.
 * @misses: How many in a row that were tried didn't become smaller.
 * @rest: How many are let pass before the next one is tried.
 */
struct kvmft_pack {
	void *work;
	void *page;
	u8 *data;
	u32 len;
	u32 misses;
	u32 rest;
};

struct kvmft_pack *kvmft_pack_alloc(void);
void kvmft_pack_free(struct kvmft_pack *pack);
bool kvmft_pack_add(struct kvmft_pack *pack, const void *page);
void kvmft_pack_empty(struct kvmft_pack *pack);

enum kvmft_reason kvmft_pack_open(struct page **from, u32 len, struct page **pages,
				  u32 count, u8 *room);

#endif /* _KVMFT_PACK_H */
