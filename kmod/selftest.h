/* SPDX-License-Identifier: GPL-2.0 */
/*
 * selftest: synthetic guests, whose epochs go the way that real ones go.
 *
 * Contract: for tests, and only with the module parameter selftest=1. A source makes
 * up pages and sends them; a sink keeps what was committed, to be looked at: all of it,
 * once nothing is staged any more, since pages take their place after ACK. Each
 * 64-bit word of a page, in the machine's byte order, at byte x of its region is
 *
 *	w = (seed + epoch * 2^48 + x) * 0x9e3779b97f4a7c15, then w ^ (w >> 29)
 *
 * modulo 2^64; the state's words are the same with x from 2^47 on. With KVMFT_SELFTEST_PACK
 * that is so of the first 512, 64 and 8 words of the pages in turn, and the others are as
 * their page's first.
 */
#ifndef _KVMFT_SELFTEST_H
#define _KVMFT_SELFTEST_H

#include <linux/types.h>

#include "channel.h"
#include "pair.h"
#include "reason.h"

/* Bounds of what a test may ask for. */
#define KVMFT_SELFTEST_PAGES_MAX 65536U
#define KVMFT_SELFTEST_STATE_MAX (16U << 20)
#define KVMFT_SELFTEST_CEILING_DEFAULT (512ULL << 20)

/**
 * struct kvmft_selftest_order - epochs to send
 * @epochs: How many.
 * @pages: Pages of each.
 * @region: RAM region of the pages.
 * @first: Byte offset of the first page.
 * @seed: What the contents are made of.
 * @state: Bytes of state in each.
 * @flags: &enum kvmft_selftest_flags.
 * @wait_ms: How long to wait for the other end.
 */
struct kvmft_selftest_order {
	u32 epochs;
	u32 pages;
	u32 region;
	u64 first;
	u64 seed;
	u32 state;
	u32 flags;
	u32 wait_ms;
};

/**
 * struct kvmft_selftest_result - what became of an order
 * @epoch: The last epoch that was acknowledged.
 * @ns: What sending pages and waiting took, without making them up.
 * @bytes: Bytes of pages that were sent.
 * @verdict: Why it went wrong.
 */
struct kvmft_selftest_result {
	u64 epoch;
	u64 ns;
	u64 bytes;
	struct kvmft_verdict verdict;
};

/**
 * struct kvmft_selftest_page - one page of a sink
 * @region: RAM region.
 * @offset: Byte offset in it.
 * @crc: CRC32C of the page.
 */
struct kvmft_selftest_page {
	u32 region;
	u64 offset;
	u32 crc;
};

/**
 * struct kvmft_selftest_summary - what a sink has
 * @epoch: The last epoch that was committed.
 * @pages: Pages that are committed.
 * @staged: Pages that are staged.
 * @pooled: Pages that are kept for reuse.
 * @state: Bytes of state.
 * @crc: CRC32C of the state.
 */
struct kvmft_selftest_summary {
	u64 epoch;
	u32 pages;
	u32 staged;
	u32 pooled;
	u32 state;
	u32 crc;
};

bool kvmft_selftest_enabled(void);
int kvmft_selftest_source(struct kvmft_pair *pair, const char *name);
int kvmft_selftest_sink(struct kvmft_pair *pair, const char *name, u64 ceiling);
int kvmft_selftest_send(struct kvmft_channel *channel,
			const struct kvmft_selftest_order *order,
			struct kvmft_selftest_result *result);
void kvmft_selftest_summary(struct kvmft_channel *channel,
			    struct kvmft_selftest_summary *summary);
bool kvmft_selftest_next(struct kvmft_channel *channel, unsigned long *cursor,
			 struct kvmft_selftest_page *page);

#endif /* _KVMFT_SELFTEST_H */
