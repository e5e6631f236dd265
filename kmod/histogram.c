// SPDX-License-Identifier: GPL-2.0
#include <linux/bitops.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "histogram.h"

/* A class ends with its bound, that is why one less is looked at. */
static u32 class_of(u64 ns)
{
	u64 value = ns ? ns - 1 : 0;
	u32 order;

	if (value < BIT_ULL(KVMFT_HISTOGRAM_FIRST))
		return 0;
	if (value >= BIT_ULL(KVMFT_HISTOGRAM_LAST))
		return KVMFT_HISTOGRAM_FINE - 1;
	order = fls64(value) - 1;
	/* Its three bits behind the highest one say which part of the power of two. */
	return 1 + (order - KVMFT_HISTOGRAM_FIRST) * KVMFT_HISTOGRAM_PARTS +
	       ((value >> (order - 3)) & (KVMFT_HISTOGRAM_PARTS - 1));
}

/* The longest time of a class; the last one has none. */
static u64 end_of_class(u32 number)
{
	u32 order;

	if (!number)
		return BIT_ULL(KVMFT_HISTOGRAM_FIRST);
	if (number == KVMFT_HISTOGRAM_FINE - 1)
		return U64_MAX;
	order = KVMFT_HISTOGRAM_FIRST + (number - 1) / KVMFT_HISTOGRAM_PARTS;
	return (KVMFT_HISTOGRAM_PARTS + (number - 1) % KVMFT_HISTOGRAM_PARTS + 1ULL) <<
	       (order - 3);
}

/**
 * kvmft_histogram_add() - it took so long
 * @histogram: the histogram
 * @ns: how long
 */
void kvmft_histogram_add(struct kvmft_histogram *histogram, u64 ns)
{
	histogram->count++;
	histogram->sum += ns;
	histogram->longest = max(histogram->longest, ns);
	histogram->fine[class_of(ns)]++;
}

/**
 * kvmft_histogram_percentile() - how long did it take at most, so many times in a hundred?
 * @histogram: the histogram
 * @percent: so many, up to 100
 *
 * Return: ns, an eighth more at most than it really was; 0 if nothing was counted
 */
u64 kvmft_histogram_percentile(const struct kvmft_histogram *histogram, u32 percent)
{
	u64 sum = 0;
	u32 i;

	if (!histogram->count)
		return 0;
	for (i = 0; i < KVMFT_HISTOGRAM_FINE - 1; i++) {
		sum += histogram->fine[i];
		if (sum && sum * 100 >= histogram->count * percent)
			break;
	}
	return min(end_of_class(i), histogram->longest);
}

/**
 * kvmft_histogram_fold() - how many times did it take how long?
 * @histogram: the histogram
 * @classes: result; each ends at kvmft_histogram_bound(), the last one is the rest
 */
void kvmft_histogram_fold(const struct kvmft_histogram *histogram,
			  u64 classes[KVMFT_HISTOGRAM_CLASSES])
{
	u32 i;

	memset(classes, 0, KVMFT_HISTOGRAM_CLASSES * sizeof(*classes));
	for (i = 0; i < KVMFT_HISTOGRAM_FINE; i++)
		classes[DIV_ROUND_UP(i, KVMFT_HISTOGRAM_PARTS)] += histogram->fine[i];
}
