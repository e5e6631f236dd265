/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM_GFP_H
#define _SHIM_GFP_H

#include <errno.h>
#include <linux/types.h>

#define gfp_t unsigned int

#define GFP_KERNEL 0U
#define __GFP_NOWARN 0U
#define __GFP_NORETRY 0U

struct page;

unsigned long alloc_pages_bulk_array(gfp_t gfp, unsigned long count,
				     struct page **pages);
void __free_page(struct page *page);

#endif /* _SHIM_GFP_H */
