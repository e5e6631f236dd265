// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/crc32c.h>
#include <linux/mm.h>
#include <linux/xarray.h>

#include "shim.h"

/* The reversed polynomial of CRC32C. */
#define CRC32C_POLYNOMIAL 0x82f63b78U

#define PAGE_BYTES 4096

/* Fewer than a frame can have, so that callers see an array filled in parts. */
#define BULK_AT_ONCE 100

/* Digits of an index in base 64; any that is used has fewer bits than these. */
#define DIGIT_BITS 6
#define DIGITS 9
#define SLOTS 64U

struct shim_node {
	void *slots[SLOTS];
};

long shim_allocations_left = -1;
unsigned long shim_refused;
long shim_pages;
long shim_nodes;
unsigned long shim_warnings;

u32 crc32c(u32 crc, const void *address, unsigned int length)
{
	static u32 table[256];
	const u8 *byte = address;

	if (!table[1]) {
		for (u32 i = 0; i < 256; i++) {
			u32 rest = i;

			for (int bit = 0; bit < 8; bit++)
				rest = rest >> 1 ^ (rest & 1 ? CRC32C_POLYNOMIAL : 0);
			table[i] = rest;
		}
	}
	while (length--)
		crc = crc >> 8 ^ table[(crc ^ *byte++) & 0xff];
	return crc;
}

static void *allocate(size_t align, size_t size)
{
	void *memory;

	if (!shim_allocations_left) {
		shim_refused++;
		return NULL;
	}
	if (shim_allocations_left > 0)
		shim_allocations_left--;
	if (posix_memalign(&memory, align, size)) {
		perror("posix_memalign");
		abort();
	}
	return memory;
}

void *shim_memory(unsigned long size)
{
	return allocate(sizeof(u64), size);
}

void *shim_zeroes(unsigned long size)
{
	void *memory = shim_memory(size);

	if (memory)
		memset(memory, 0, size);
	return memory;
}

unsigned long alloc_pages_bulk_array(gfp_t gfp, unsigned long count,
				     struct page **pages)
{
	unsigned long filled;

	(void)gfp;
	for (filled = 0; filled < count && filled < BULK_AT_ONCE; filled++) {
		void *memory;

		if (pages[filled])
			continue;
		memory = allocate(PAGE_BYTES, PAGE_BYTES);
		if (!memory)
			break;
		memset(memory, 0xa5, PAGE_BYTES);
		pages[filled] = calloc(1, sizeof(**pages));
		pages[filled]->memory = memory;
		shim_pages++;
	}
	return filled;
}

void __free_page(struct page *page)
{
	if (page->private) {
		fprintf(stderr, "a page was freed that has private data\n");
		abort();
	}
	free(page->memory);
	free(page);
	shim_pages--;
}

static unsigned int digit(unsigned long index, int level)
{
	return index >> (level * DIGIT_BITS) & (SLOTS - 1);
}

static struct shim_node *new_node(void)
{
	struct shim_node *node = allocate(sizeof(void *), sizeof(*node));

	if (node) {
		memset(node, 0, sizeof(*node));
		shim_nodes++;
	}
	return node;
}

void *xa_load(struct xarray *xa, unsigned long index)
{
	return xa_find(xa, &index, index, XA_PRESENT);
}

void *xa_store(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp)
{
	void **slot = (void **)&xa->root;
	void *old;

	(void)gfp;
	if (index >> (DIGITS * DIGIT_BITS) || !entry) {
		fprintf(stderr, "nothing to store: %p at %#lx\n", entry, index);
		abort();
	}
	for (int level = DIGITS - 1; level >= 0; level--) {
		if (!*slot)
			*slot = new_node();
		if (!*slot)
			return (void *)((unsigned long)-ENOMEM << 2 | 2);
		slot = &((struct shim_node *)*slot)->slots[digit(index, level)];
	}
	old = *slot;
	*slot = entry;
	return old;
}

/* The first entry from *index to max below a node. */
static void *find_below(struct shim_node *node, int level, unsigned long *index,
			unsigned long max)
{
	int shift = level * DIGIT_BITS;

	for (unsigned int i = digit(*index, level); i < SLOTS; i++) {
		unsigned long next = ((*index >> shift) + 1) << shift;
		void *found = node->slots[i];

		if (found && level)
			found = find_below(found, level - 1, index, max);
		if (found)
			return found;
		if (next > max)
			return NULL;
		*index = next;
	}
	return NULL;
}

void *xa_find(struct xarray *xa, unsigned long *index, unsigned long max,
	      unsigned int filter)
{
	unsigned long at = *index;
	void *found = NULL;

	(void)filter;
	if (xa->root && at <= max && !(at >> (DIGITS * DIGIT_BITS)))
		found = find_below(xa->root, DIGITS - 1, &at, max);
	if (found)
		*index = at;
	return found;
}

void *shim_next(struct shim_cursor *cursor)
{
	*cursor->index = cursor->begun ? *cursor->index + 1 : 0;
	cursor->begun = true;
	return xa_find(cursor->xa, cursor->index, ULONG_MAX, XA_PRESENT);
}

static void destroy_below(struct shim_node *node, int level)
{
	if (level)
		for (unsigned int i = 0; i < SLOTS; i++)
			if (node->slots[i])
				destroy_below(node->slots[i], level - 1);
	free(node);
	shim_nodes--;
}

void xa_destroy(struct xarray *xa)
{
	if (xa->root)
		destroy_below(xa->root, DIGITS - 1);
	xa->root = NULL;
}
