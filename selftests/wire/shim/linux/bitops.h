/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM_BITOPS_H
#define _SHIM_BITOPS_H

#include <linux/kernel.h>

#define BITS_PER_LONG 64
#define BITS_TO_LONGS(bits) DIV_ROUND_UP(bits, (u64)BITS_PER_LONG)
#define BIT_ULL(n) (1ULL << (n))
#define round_up(x, y) ((((x) - 1) | ((y) - 1ULL)) + 1)
#define round_down(x, y) ((x) & ~((y) - 1ULL))
#define hweight_long(word) ((unsigned int)__builtin_popcountl(word))
#define fls64(word) ((word) ? 64 - (unsigned int)__builtin_clzll(word) : 0)
#define __ffs(word) ((unsigned int)__builtin_ctzl(word))

static inline bool test_bit(u64 bit, const unsigned long *map)
{
	return map[bit / BITS_PER_LONG] >> bit % BITS_PER_LONG & 1;
}

static inline bool __test_and_set_bit(u64 bit, unsigned long *map)
{
	bool old = test_bit(bit, map);

	map[bit / BITS_PER_LONG] |= 1UL << bit % BITS_PER_LONG;
	return old;
}

static inline bool __test_and_clear_bit(u64 bit, unsigned long *map)
{
	bool old = test_bit(bit, map);

	map[bit / BITS_PER_LONG] &= ~(1UL << bit % BITS_PER_LONG);
	return old;
}

static inline void __clear_bit(u64 bit, unsigned long *map)
{
	__test_and_clear_bit(bit, map);
}

static inline u64 find_next_bit(const unsigned long *map, u64 size, u64 from)
{
	while (from < size && !test_bit(from, map))
		from++;
	return from < size ? from : size;
}

#endif /* _SHIM_BITOPS_H */
