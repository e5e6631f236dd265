/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM_BITMAP_H
#define _SHIM_BITMAP_H

#include <linux/bitops.h>

#define BITMAP_FIRST_WORD_MASK(start) (~0UL << (start) % BITS_PER_LONG)
#define BITMAP_LAST_WORD_MASK(bits) (~0UL >> -(bits) % BITS_PER_LONG)

static inline void bitmap_set(unsigned long *map, u64 start, u64 count)
{
	for (; count; count--)
		__test_and_set_bit(start++, map);
}

static inline void bitmap_clear(unsigned long *map, u64 start, u64 count)
{
	for (; count; count--)
		__clear_bit(start++, map);
}

#endif /* _SHIM_BITMAP_H */
