// SPDX-License-Identifier: GPL-2.0
/*
 * What claims to be packed pages: the first byte says how many, one less, and in its high
 * bits how much memory there is to pack some; the rest are they.
 */
#include <linux/mm.h>
#include <lz4.h>
#include <shim.h>

#include "fuzz.h"
#include "pack.h"

#define PAGE 4096
#define PAGES_MAX 4
#define BYTES_MAX (4 * PAGE)

static void get(struct page **pages, u32 count)
{
	memset(pages, 0, PAGES_MAX * sizeof(*pages));
	must(alloc_pages_bulk_array(0, count, pages) == count);
}

static void put(struct page **pages, u32 count)
{
	while (count)
		__free_page(pages[--count]);
}

/* The same of memory in one piece; whether it is that many pages. */
static bool is_so(const u8 *data, u32 len, u8 *pages, u32 count)
{
	u32 at = 0;

	for (u32 i = 0; i < count; i++) {
		u32 n;

		if (at + 2 > len)
			return false;
		n = number(data + at, 2);
		if (n < 1 || n > PAGE - 1 || at + 2 + n > len)
			return false;
		if (LZ4_decompress_safe((const char *)data + at + 2, (char *)pages + i * PAGE,
					n, PAGE) != PAGE)
			return false;
		at += 2 + n;
	}
	return at == len;
}

/* Opens what comes behind each other in pages. */
static bool opens(const u8 *data, u32 len, struct page **pages, u32 count)
{
	u32 parts = (len + PAGE - 1) / PAGE;
	u8 *room = malloc(PAGE);
	struct page *from[PAGES_MAX];
	enum kvmft_reason reason;

	get(from, parts);
	for (u32 i = 0; i < parts; i++)
		memcpy(page_address(from[i]), data + i * PAGE,
		       len - i * PAGE < PAGE ? len - i * PAGE : PAGE);
	reason = kvmft_pack_open(from, len, pages, count, room);
	must(!reason || reason == KVMFT_REASON_PROTOCOL);
	put(from, parts);
	free(room);
	return !reason;
}

/* Noise doesn't get smaller; what does is found behind it. */
static void noise(struct kvmft_pack *pack, u32 seed, struct page *page)
{
	u8 bytes[PAGE];
	u32 tries = 0;

	for (u32 i = 0; i < PAGE; i++, seed = seed * 1103515245 + 12345)
		bytes[i] = seed >> 23;
	for (u32 i = 0; i < seed % 64; i++)
		must(!kvmft_pack_add(pack, bytes));
	must(!pack->len);
	while (!kvmft_pack_add(pack, page_address(page)))
		must(++tries < 64);
	kvmft_pack_empty(pack);
}

/* Pages that came whole get smaller and come back, those that do. */
static void again(struct page **pages, u32 count, u8 memory)
{
	struct page *back[PAGES_MAX];
	struct kvmft_pack *pack;
	u32 taken = 0;

	shim_allocations_left = memory & 8 ? -1 : memory & 3;
	pack = kvmft_pack_alloc();
	shim_allocations_left = -1;
	must(!pack == !(memory & 8));
	if (!pack)
		return;
	noise(pack, number(page_address(pages[0]), 4) ^ memory, pages[0]);
	for (u32 i = 0; i < count; i++) {
		if (kvmft_pack_add(pack, page_address(pages[i])))
			pages[taken++] = pages[i];
	}
	get(back, taken);
	must(opens(pack->data, pack->len, back, taken));
	for (u32 i = 0; i < taken; i++)
		must(!memcmp(page_address(pages[i]), page_address(back[i]), PAGE));
	put(back, taken);
	kvmft_pack_empty(pack);
	must(!pack->len);
	kvmft_pack_free(pack);
}

int fuzz_input(const u8 *data, size_t size)
{
	static u8 wanted[PAGES_MAX * PAGE];
	struct page *pages[PAGES_MAX], *all[PAGES_MAX];
	u32 count, len;
	bool so;

	if (!size || size > BYTES_MAX)
		return 0;
	count = 1 + data[0] % PAGES_MAX;
	len = size - 1;
	so = is_so(data + 1, len, wanted, count);
	get(pages, count);
	memcpy(all, pages, sizeof(all));
	must(opens(data + 1, len, pages, count) == so);
	for (u32 i = 0; so && i < count; i++)
		must(!memcmp(page_address(pages[i]), wanted + i * PAGE, PAGE));
	if (so)
		again(pages, count, data[0] >> 4);
	put(all, count);
	return 0;
}
