/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pageset: a set of pages of a guest, by their numbers.
 *
 * Contract: all memory is allocated at the beginning, so nothing fails later.
 * What is done with a set takes as long as it has pages, not as long as the guest
 * is large. A set has one user at a time, who serializes.
 */
#ifndef _KVMFT_PAGESET_H
#define _KVMFT_PAGESET_H

#include <linux/types.h>

#define KVMFT_PAGESET_LEVELS 4

/**
 * struct kvmft_pageset - a set of numbers
 * @size: They are below this.
 * @count: How many there are.
 * @levels: How many levels of bitmaps.
 * @level: The bitmaps. In the lowest is a bit for each number, in each one above a
 *	bit for each word of the one below that isn't 0.
 */
struct kvmft_pageset {
	u64 size;
	u64 count;
	unsigned int levels;
	unsigned long *level[KVMFT_PAGESET_LEVELS];
};

int kvmft_pageset_init(struct kvmft_pageset *set, u64 size);
void kvmft_pageset_destroy(struct kvmft_pageset *set);
bool kvmft_pageset_add(struct kvmft_pageset *set, u64 number);
bool kvmft_pageset_del(struct kvmft_pageset *set, u64 number);
u64 kvmft_pageset_del_range(struct kvmft_pageset *set, u64 from, u64 to);
void kvmft_pageset_fill(struct kvmft_pageset *set);
bool kvmft_pageset_has(const struct kvmft_pageset *set, u64 number);
u64 kvmft_pageset_next(const struct kvmft_pageset *set, u64 from);
u64 kvmft_pageset_move(struct kvmft_pageset *to, struct kvmft_pageset *from);
void kvmft_pageset_clear(struct kvmft_pageset *set);

#endif /* _KVMFT_PAGESET_H */
