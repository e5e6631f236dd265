/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What stage.c uses of the xarray: a tree with 64 slots a node and always the
 * same depth. Entries are pointers, values, or errors, told apart as the kernel
 * does it by the two lowest bits. Nothing is ever erased but all.
 */
#ifndef _SHIM_XARRAY_H
#define _SHIM_XARRAY_H

#include <limits.h>
#include <linux/gfp.h>
#include <linux/types.h>

struct shim_node;

struct xarray {
	struct shim_node *root;
};

#define XA_PRESENT 8U

static inline void xa_init(struct xarray *xa)
{
	xa->root = NULL;
}

static inline void *xa_mk_value(unsigned long value)
{
	return (void *)(value << 1 | 1);
}

static inline unsigned long xa_to_value(const void *entry)
{
	return (unsigned long)entry >> 1;
}

static inline bool xa_is_value(const void *entry)
{
	return (unsigned long)entry & 1;
}

static inline bool xa_is_err(const void *entry)
{
	return ((unsigned long)entry & 3) == 2;
}

static inline int xa_err(void *entry)
{
	return xa_is_err(entry) ? (int)((long)entry >> 2) : 0;
}

void *xa_load(struct xarray *xa, unsigned long index);
void *xa_store(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp);
void *xa_find(struct xarray *xa, unsigned long *index, unsigned long max,
	      unsigned int filter);
void xa_destroy(struct xarray *xa);

/* Where a loop over all entries is. */
struct shim_cursor {
	struct xarray *xa;
	unsigned long *index;
	bool begun;
};

void *shim_next(struct shim_cursor *cursor);

#define xa_for_each(array, at, entry) \
	for (struct shim_cursor cursor_ = { array, &(at), false }; \
	     ((entry) = shim_next(&cursor_));)

#endif /* _SHIM_XARRAY_H */
