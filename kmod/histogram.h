/* SPDX-License-Identifier: GPL-2.0 */
/*
 * histogram: how long something took, many times over.
 *
 * Contract: pure functions; whoever has one serializes them. What is counted stays in
 * classes within an eighth, so a percentile is that exact; told are classes of a power
 * of two, which are sums of those.
 */
#ifndef _KVMFT_HISTOGRAM_H
#define _KVMFT_HISTOGRAM_H

#include <linux/types.h>

/*
 * What is told: up to 1024 ns, up to twice as much, and so on up to 2^36 ns, which is
 * longer than anything that isn't given up before; and the rest.
 */
#define KVMFT_HISTOGRAM_FIRST 10
#define KVMFT_HISTOGRAM_LAST 36
#define KVMFT_HISTOGRAM_CLASSES (KVMFT_HISTOGRAM_LAST - KVMFT_HISTOGRAM_FIRST + 2)

/* What is counted: eight for each power of two but the first, and the rest. */
#define KVMFT_HISTOGRAM_PARTS 8
#define KVMFT_HISTOGRAM_FINE \
	((KVMFT_HISTOGRAM_LAST - KVMFT_HISTOGRAM_FIRST) * KVMFT_HISTOGRAM_PARTS + 2)

/**
 * struct kvmft_histogram - what was counted; all zero to begin with
 * @count: How many times.
 * @sum: All of them together, in ns.
 * @longest: The longest, in ns.
 * @fine: How many in each class.
 */
struct kvmft_histogram {
	u64 count;
	u64 sum;
	u64 longest;
	u64 fine[KVMFT_HISTOGRAM_FINE];
};

void kvmft_histogram_add(struct kvmft_histogram *histogram, u64 ns);
u64 kvmft_histogram_percentile(const struct kvmft_histogram *histogram, u32 percent);
void kvmft_histogram_fold(const struct kvmft_histogram *histogram,
			  u64 classes[KVMFT_HISTOGRAM_CLASSES]);

/**
 * kvmft_histogram_bound() - where a class that is told ends
 * @number: the class; not the last one, which has no end
 *
 * Return: ns, the longest time that belongs to it
 */
static inline u64 kvmft_histogram_bound(u32 number)
{
	return 1ULL << (KVMFT_HISTOGRAM_FIRST + number);
}

#endif /* _KVMFT_HISTOGRAM_H */
