// SPDX-License-Identifier: GPL-2.0
#include <linux/kernel.h>
#include <linux/lz4.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "compat.h"
#include "fault.h"
#include "pack.h"

/* Of a guest whose pages don't get smaller one in so many is tried. */
#define REST_MAX 31U

/* A guest may stand still for it, and can do without. */
#define PACK_GFP (GFP_KERNEL_ACCOUNT | __GFP_NOWARN | __GFP_NORETRY)

#define DATA_MAX (KVMFT_WIRE_DATA_PAGES_MAX * (KVMFT_WIRE_PACKED_HEAD + KVMFT_PACK_MOST))

/**
 * kvmft_pack_alloc() - get ready to make pages smaller
 *
 * Return: the pack, or NULL without memory
 */
struct kvmft_pack *kvmft_pack_alloc(void)
{
	struct kvmft_pack *pack;

	if (kvmft_fault(KVMFT_FAULT_PACK_ALLOC))
		return NULL;
	pack = kzalloc(sizeof(*pack), PACK_GFP);
	if (!pack)
		return NULL;
	pack->work = kvmalloc(LZ4_MEM_COMPRESS, PACK_GFP);
	pack->page = kmalloc(KVMFT_WIRE_PAGE_SIZE, PACK_GFP);
	pack->data = __vmalloc(DATA_MAX, PACK_GFP);
	if (!pack->work || !pack->page || !pack->data) {
		kvmft_pack_free(pack);
		return NULL;
	}
	return pack;
}

/**
 * kvmft_pack_free() - undo kvmft_pack_alloc()
 * @pack: what that returned, or NULL
 */
void kvmft_pack_free(struct kvmft_pack *pack)
{
	if (!pack)
		return;
	vfree(pack->data);
	kfree(pack->page);
	kvfree(pack->work);
	kfree(pack);
}

/* Is it worth trying? */
static bool is_tried(struct kvmft_pack *pack)
{
	if (!pack->rest)
		return true;
	pack->rest--;
	return false;
}

/**
 * kvmft_pack_add() - take a page, if that makes it smaller
 * @pack: the pack, with fewer pages than a frame may have
 * @page: what is in it; it may change meanwhile
 *
 * Return: whether it was taken
 */
bool kvmft_pack_add(struct kvmft_pack *pack, const void *page)
{
	u8 *to = pack->data + pack->len;
	int len;

	if (!is_tried(pack) || pack->len + KVMFT_WIRE_PACKED_HEAD + KVMFT_PACK_MOST > DATA_MAX)
		return false;
	/* Of one that changes LZ4 might make something that can't be opened. */
	memcpy(pack->page, page, KVMFT_WIRE_PAGE_SIZE);
	len = LZ4_compress_default(pack->page, to + KVMFT_WIRE_PACKED_HEAD, KVMFT_WIRE_PAGE_SIZE,
				   KVMFT_PACK_MOST, pack->work);
	if (len <= 0) {
		pack->misses++;
		pack->rest = min(pack->misses / 4, REST_MAX);
		return false;
	}
	pack->misses = 0;
	put_unaligned_le16(len, to);
	pack->len += KVMFT_WIRE_PACKED_HEAD + len;
	return true;
}

/**
 * kvmft_pack_empty() - forget what was taken
 * @pack: the pack
 */
void kvmft_pack_empty(struct kvmft_pack *pack)
{
	pack->len = 0;
}

/* From pages that are behind each other only here. */
static void gather(u8 *to, struct page **from, u32 at, u32 len)
{
	while (len) {
		u32 within = at % KVMFT_WIRE_PAGE_SIZE;
		u32 part = min(len, KVMFT_WIRE_PAGE_SIZE - within);

		memcpy(to, page_address(from[at / KVMFT_WIRE_PAGE_SIZE]) + within, part);
		to += part;
		at += part;
		len -= part;
	}
}

/**
 * kvmft_pack_open() - the pages as they were
 * @from: pages with what came, one behind the other
 * @len: bytes of that
 * @pages: result: where they go to
 * @count: how many there must be
 * @room: a page of memory to work in
 *
 * Return: 0, or KVMFT_REASON_PROTOCOL if that isn't what came
 */
enum kvmft_reason kvmft_pack_open(struct page **from, u32 len, struct page **pages,
				  u32 count, u8 *room)
{
	u8 head[KVMFT_WIRE_PACKED_HEAD];
	u32 at = 0;
	u32 i, n;

	for (i = 0; i < count; i++) {
		if (len - at < sizeof(head))
			return KVMFT_REASON_PROTOCOL;
		gather(head, from, at, sizeof(head));
		at += sizeof(head);
		n = get_unaligned_le16(head);
		if (!n || n >= KVMFT_WIRE_PAGE_SIZE || n > len - at)
			return KVMFT_REASON_PROTOCOL;
		gather(room, from, at, n);
		at += n;
		if (LZ4_decompress_safe(room, page_address(pages[i]), n,
					KVMFT_WIRE_PAGE_SIZE) != KVMFT_WIRE_PAGE_SIZE)
			return KVMFT_REASON_PROTOCOL;
	}
	return at == len ? 0 : KVMFT_REASON_PROTOCOL;
}
