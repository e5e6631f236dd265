// SPDX-License-Identifier: GPL-2.0
#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "compat.h"
#include "pageset.h"

/* Bits of one level that a bit of the next one stands for. */
#define LEVEL_SHIFT 6

/**
 * kvmft_pageset_init() - make an empty set
 * @set: the set
 * @size: the numbers will be below this
 *
 * Return: 0 or -ENOMEM
 */
int kvmft_pageset_init(struct kvmft_pageset *set, u64 size)
{
	u64 bits = size;

	memset(set, 0, sizeof(*set));
	set->size = size;
	do {
		u64 words = BITS_TO_LONGS(bits) ?: 1;

		set->level[set->levels] = kvcalloc(words, sizeof(long),
						   GFP_KERNEL_ACCOUNT);
		if (!set->level[set->levels]) {
			kvmft_pageset_destroy(set);
			return -ENOMEM;
		}
		set->levels++;
		bits = words;
	} while (bits > BITS_PER_LONG && set->levels < KVMFT_PAGESET_LEVELS);
	return 0;
}

/**
 * kvmft_pageset_destroy() - free what the set has
 * @set: the set, or a zeroed structure
 */
void kvmft_pageset_destroy(struct kvmft_pageset *set)
{
	while (set->levels)
		kvfree(set->level[--set->levels]);
	memset(set, 0, sizeof(*set));
}

/**
 * kvmft_pageset_add() - add a number
 * @set: the set
 * @number: what to add
 *
 * Return: whether it is new
 */
bool kvmft_pageset_add(struct kvmft_pageset *set, u64 number)
{
	unsigned int i;

	if (WARN_ON_ONCE(number >= set->size) ||
	    __test_and_set_bit(number, set->level[0]))
		return false;

	for (i = 1; i < set->levels; i++) {
		number /= BITS_PER_LONG;
		if (__test_and_set_bit(number, set->level[i]))
			break;
	}
	set->count++;
	return true;
}

/**
 * kvmft_pageset_del() - remove a number
 * @set: the set
 * @number: what to remove
 *
 * Return: whether it was there
 */
bool kvmft_pageset_del(struct kvmft_pageset *set, u64 number)
{
	unsigned int i;

	if (number >= set->size || !__test_and_clear_bit(number, set->level[0]))
		return false;

	for (i = 1; i < set->levels; i++) {
		number /= BITS_PER_LONG;
		if (set->level[i - 1][number])
			break;
		__clear_bit(number, set->level[i]);
	}
	set->count--;
	return true;
}

/* Words @first to @last of the lowest level may be 0 now: tells the levels above. */
static void tell_above(struct kvmft_pageset *set, u64 first, u64 last)
{
	unsigned int level;

	for (level = 0; level + 1 < set->levels; level++) {
		const unsigned long *words = set->level[level];
		unsigned long *above = set->level[level + 1];

		/* All between the two was cleared as a whole. */
		if (last - first > 1)
			bitmap_clear(above, first + 1, last - first - 1);
		if (!words[first])
			__clear_bit(first, above);
		if (!words[last])
			__clear_bit(last, above);
		first /= BITS_PER_LONG;
		last /= BITS_PER_LONG;
	}
}

/**
 * kvmft_pageset_del_range() - remove neighbours
 * @set: the set
 * @from: the first number
 * @to: the one behind the last, at most the set's size
 *
 * Return: how many were there
 */
u64 kvmft_pageset_del_range(struct kvmft_pageset *set, u64 from, u64 to)
{
	u64 first = from / BITS_PER_LONG, last, word, gone = 0;

	if (from >= to || WARN_ON_ONCE(to > set->size))
		return 0;
	last = (to - 1) / BITS_PER_LONG;
	for (word = first; word <= last; word++) {
		unsigned long mask = ~0UL;

		if (word == first)
			mask &= BITMAP_FIRST_WORD_MASK(from);
		if (word == last)
			mask &= BITMAP_LAST_WORD_MASK(to);
		gone += hweight_long(set->level[0][word] & mask);
		set->level[0][word] &= ~mask;
	}
	tell_above(set, first, last);
	set->count -= gone;
	return gone;
}

/**
 * kvmft_pageset_fill() - add all that there is
 * @set: the set
 */
void kvmft_pageset_fill(struct kvmft_pageset *set)
{
	u64 bits = set->size;
	unsigned int i;

	for (i = 0; i < set->levels; i++) {
		bitmap_set(set->level[i], 0, bits);
		bits = BITS_TO_LONGS(bits);
	}
	set->count = set->size;
}

/**
 * kvmft_pageset_has() - is a number in the set?
 * @set: the set
 * @number: which
 *
 * Return: whether it is
 */
bool kvmft_pageset_has(const struct kvmft_pageset *set, u64 number)
{
	return number < set->size && test_bit(number, set->level[0]);
}

/* How many bits a level has. */
static u64 bits_at(const struct kvmft_pageset *set, unsigned int level)
{
	return DIV_ROUND_UP(set->size, BIT_ULL(LEVEL_SHIFT * level));
}

/**
 * kvmft_pageset_next() - find a number
 * @set: the set
 * @from: where to look from
 *
 * Return: the lowest that isn't below @from; the set's size if there is none
 */
u64 kvmft_pageset_next(const struct kvmft_pageset *set, u64 from)
{
	unsigned int i = 0;
	u64 at = from;
	u64 end;

	/* Up, until a level knows of one further on... */
	for (;;) {
		end = bits_at(set, i);
		if (at >= end)
			return set->size;
		if (i + 1 < set->levels)
			end = min_t(u64, end, round_up(at + 1, BITS_PER_LONG));
		at = find_next_bit(set->level[i], end, at);
		if (at < end)
			break;
		if (++i == set->levels)
			return set->size;
		at = DIV_ROUND_UP(end, BITS_PER_LONG);
	}

	/* ... and down to the first one below it. */
	while (i--)
		at = at * BITS_PER_LONG + __ffs(set->level[i][at]);
	return at;
}

/**
 * kvmft_pageset_move() - move all of one set to another
 * @to: where to
 * @from: empty afterwards; of the same size
 *
 * Context: may sleep
 *
 * Return: how many weren't there
 */
u64 kvmft_pageset_move(struct kvmft_pageset *to, struct kvmft_pageset *from)
{
	u64 number, fresh = 0;

	for (number = kvmft_pageset_next(from, 0); number < from->size;
	     number = kvmft_pageset_next(from, number + 1)) {
		kvmft_pageset_del(from, number);
		fresh += kvmft_pageset_add(to, number);
		if (!(from->count % 1024))
			cond_resched();
	}
	return fresh;
}

/**
 * kvmft_pageset_clear() - empty the set
 * @set: the set
 *
 * Takes as long as there is something in it.
 */
void kvmft_pageset_clear(struct kvmft_pageset *set)
{
	u64 number;

	for (number = kvmft_pageset_next(set, 0); number < set->size;
	     number = kvmft_pageset_next(set, number + 1)) {
		number = round_down(number, BITS_PER_LONG);
		kvmft_pageset_del_range(set, number,
					min(number + BITS_PER_LONG, set->size));
		number |= BITS_PER_LONG - 1;
		cond_resched();
	}
}
