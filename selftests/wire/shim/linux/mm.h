/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM_MM_H
#define _SHIM_MM_H

#include <linux/gfp.h>
#include <linux/kernel.h>
#include <stdlib.h>

/* The page itself is memory of its own, so that AddressSanitizer sees its ends. */
struct page {
	unsigned long private;
	void *memory;
};

static inline unsigned long page_private(struct page *page)
{
	return page->private;
}

static inline void set_page_private(struct page *page, unsigned long private)
{
	page->private = private;
}

static inline void *page_address(struct page *page)
{
	return page->memory;
}

#define GFP_KERNEL_ACCOUNT GFP_KERNEL
#define kvcalloc(count, size, flags) calloc(count, size)
#define kvfree(memory) free(memory)

/* As often as shim_allocations_left has it. */
void *shim_memory(unsigned long size);
void *shim_zeroes(unsigned long size);

#endif /* _SHIM_MM_H */
