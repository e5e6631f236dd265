// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <shim.h>

#include <linux/mm.h>

#include "pack.h"
#include "unit.h"

#define PAGE 4096
#define PROTOCOL KVMFT_REASON_PROTOCOL

/* One that gets smaller, by how much depends on @words; 512 make one that doesn't. */
static void make_page(u8 *page, u32 words, u32 seed)
{
	u32 i, at;

	memset(page, seed, PAGE);
	srandom(seed);
	for (i = 0; i < words; i++) {
		u64 word = (u64)random() << 33 ^ (u64)random() << 11 ^ random();

		for (at = 0; at < 8; at++)
			page[i * 8 + at] = word >> (at * 8);
	}
}

static void get_pages(struct page **pages, u32 count)
{
	u32 got = 0;

	memset(pages, 0, count * sizeof(*pages));
	while (got < count)
		got += alloc_pages_bulk_array(0, count - got, pages + got);
}

/* As it comes from the wire: in pages, the last of which is filled up. */
static void receive(const u8 *data, u32 len, struct page **pages, u32 count)
{
	u32 i;

	get_pages(pages, count);
	for (i = 0; i < count; i++)
		memset(page_address(pages[i]), 0xee, PAGE);
	for (i = 0; i < len; i++)
		((u8 *)page_address(pages[i / PAGE]))[i % PAGE] = data[i];
}

static void release(struct page **pages, u32 count)
{
	while (count)
		__free_page(pages[--count]);
}

/* What opening so many pages of some bytes gives. */
static enum kvmft_reason opened(const u8 *data, u32 len, struct page **pages, u32 count)
{
	u32 parts = (len + PAGE - 1) / PAGE;
	u8 *room = malloc(PAGE);
	struct page *from[256];
	enum kvmft_reason reason;

	receive(data, len, from, parts);
	get_pages(pages, count);
	reason = kvmft_pack_open(from, len, pages, count, room);
	release(from, parts);
	free(room);
	return reason;
}

/* Of 90 pages of all kinds, those that were taken come back as they were, in order. */
static void there_and_back(void)
{
	struct kvmft_pack *pack = kvmft_pack_alloc();
	struct page *pages[90];
	static u8 taken[90][PAGE];
	u8 page[PAGE];
	u32 count = 0;
	u32 i;

	for (i = 0; i < 90; i++) {
		make_page(page, i * 4, i);
		if (kvmft_pack_add(pack, page))
			memcpy(taken[count++], page, PAGE);
	}
	check(count == 90, "%u of 90 pages were taken", count);
	check(pack->len < 90 * PAGE / 2, "90 pages take %u bytes", pack->len);
	check_eq(opened(pack->data, pack->len, pages, count), 0, "all of them");
	for (i = 0; i < count; i++)
		check(!memcmp(page_address(pages[i]), taken[i], PAGE), "page %u", i);
	release(pages, count);

	kvmft_pack_empty(pack);
	check_eq(pack->len, 0, "of an empty one");
	make_page(page, 3, 99);
	check(kvmft_pack_add(pack, page), "it takes some again");
	check_eq(opened(pack->data, pack->len, pages, 1), 0, "that one");
	check(!memcmp(page_address(pages[0]), page, PAGE), "and it is the same");
	release(pages, 1);
	kvmft_pack_free(pack);
	kvmft_pack_free(NULL);
}

/* A frame's worth of pages, each as large as may be. */
static void fill_frame(void)
{
	struct kvmft_pack *pack = kvmft_pack_alloc();
	struct page *pages[256];
	u8 page[PAGE];
	u32 count = 0;
	u32 words = 512;

	/* The largest that is taken. */
	do {
		make_page(page, --words, 1);
		pack->rest = 0;
	} while (!kvmft_pack_add(pack, page));
	for (count = 1; count < 256; count++) {
		if (!check(kvmft_pack_add(pack, page), "page %u of %u words", count, words))
			break;
	}
	check(pack->len <= 256 * (2 + PAGE / 4 * 3), "%u bytes", pack->len);
	check(pack->len > 255 * PAGE / 4 * 3 - 256 * 16, "only %u bytes", pack->len);
	check_eq(opened(pack->data, pack->len, pages, 256), 0, "as it is");
	check(!memcmp(page_address(pages[255]), page, PAGE), "its last page");
	release(pages, 256);
	check(!kvmft_pack_add(pack, page), "one more is taken");
	kvmft_pack_free(pack);
}

/* Of pages that don't get smaller fewer and fewer are tried, and all again after one that does. */
static void misses(void)
{
	struct kvmft_pack *pack = kvmft_pack_alloc();
	u8 small[PAGE], large[PAGE];
	u32 tried = 0;
	u32 i;

	make_page(small, 1, 7);
	make_page(large, 512, 7);
	check(!kvmft_pack_add(pack, large), "one that doesn't get smaller was taken");
	check_eq(pack->len, 0, "it left something");
	check(kvmft_pack_add(pack, small), "the next one wasn't");
	check_eq(pack->misses, 0, "misses");
	for (i = 0; i < 4000; i++) {
		u32 before = pack->misses;

		kvmft_pack_add(pack, large);
		tried += pack->misses != before;
	}
	check(tried > 4000 / 32 && tried < 4000 / 8, "%u of 4000 were tried", tried);
	for (i = 1; !kvmft_pack_add(pack, small) && i < 100; i++)
		;
	check(i <= 32, "one that gets smaller was taken after %u", i);
	check(kvmft_pack_add(pack, small), "and the next one wasn't");
	kvmft_pack_free(pack);
}

/* What it is given must be what it says, to the byte. */
static void lies(void)
{
	struct kvmft_pack *pack = kvmft_pack_alloc();
	struct page *pages[3];
	u8 page[PAGE], with[3 * PAGE];
	u32 len, i;

	for (i = 0; i < 2; i++) {
		make_page(page, 100, i);
		kvmft_pack_add(pack, page);
	}
	len = pack->len;
	memcpy(with, pack->data, len);
	check_eq(opened(with, len, pages, 2), 0, "as it was");
	release(pages, 2);
	check_eq(opened(with, len, pages, 1), PROTOCOL, "one page fewer");
	release(pages, 1);
	check_eq(opened(with, len, pages, 3), PROTOCOL, "one more");
	release(pages, 3);
	check_eq(opened(with, len + 1, pages, 2), PROTOCOL, "a byte behind it");
	release(pages, 2);
	for (i = 0; i < len; i++) {
		check_eq(opened(with, i, pages, 2), PROTOCOL, "%u of %u bytes", i, len);
		release(pages, 2);
	}
	for (i = 0; i < 2; i++) {
		with[i] ^= 1;
		check_eq(opened(with, len, pages, 2), PROTOCOL, "another length");
		with[i] ^= 1;
		release(pages, 2);
	}
	with[0] = 0;
	with[1] = 0;
	check_eq(opened(with, len, pages, 2), PROTOCOL, "no length");
	release(pages, 2);
	/* Literals for a whole page, in a block that is a page itself or more. */
	for (i = PAGE; i < PAGE + 40; i++) {
		memset(with, 0xff, sizeof(with));
		with[0] = i & 0xff;
		with[1] = i >> 8;
		with[2] = 0xf0;
		check_eq(opened(with, 2 + i, pages, 1), PROTOCOL, "a block of %u bytes", i);
		release(pages, 1);
	}
	kvmft_pack_free(pack);
}

/* A block that makes less than a page, or more. */
static void sizes(void)
{
	/* 'a', 4 + 15 + 255 * n + 241 times again, and the last five as they are. */
	u8 with[40] = { 0, 0, 0x1f, 'a', 1, 0 };
	struct page *pages[1];
	u32 more, n, at, makes;

	for (n = 14; n < 18; n++) {
		for (more = 0; more < 255; more += 16) {
			at = 6;
			memset(with + at, 255, n);
			at += n;
			with[at++] = more;
			with[at++] = 0x50;
			memcpy(with + at, "zzzzz", 5);
			at += 5;
			with[0] = at - 2;
			makes = 1 + 4 + 15 + 255 * n + more + 5;
			check_eq(opened(with, at, pages, 1), makes == PAGE ? 0 : PROTOCOL,
				 "one of %u", makes);
			release(pages, 1);
		}
	}
	/* Just the right one. */
	n = (PAGE - 25) / 255;
	more = (PAGE - 25) % 255;
	memset(with + 6, 255, n);
	at = 6 + n;
	with[at++] = more;
	with[at++] = 0x50;
	memcpy(with + at, "zzzzz", 5);
	at += 5;
	with[0] = at - 2;
	check_eq(opened(with, at, pages, 1), 0, "one of %u", PAGE);
	check(((u8 *)page_address(pages[0]))[PAGE - 6] == 'a', "it is another one");
	release(pages, 1);
	with[4] = 9;
	check_eq(opened(with, at, pages, 1), PROTOCOL, "an offset before its begin");
	release(pages, 1);
}

static void no_memory(void)
{
	u32 i;

	for (i = 0; i < 4; i++) {
		shim_allocations_left = i;
		check(!kvmft_pack_alloc(), "a pack with %u allocations", i);
	}
	shim_allocations_left = -1;
}

const struct unit_test pack_tests[] = {
	{ "pack: pages get smaller and come back", there_and_back },
	{ "pack: a full frame", fill_frame },
	{ "pack: pages that don't get smaller aren't tried for ever", misses },
	{ "pack: what isn't what it says", lies },
	{ "pack: a block that isn't a page", sizes },
	{ "pack: without memory", no_memory },
	{ NULL, NULL }
};
