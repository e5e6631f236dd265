// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <string.h>

#include <shim.h>

#include "histogram.h"
#include "unit.h"

static u64 total(const u64 *classes)
{
	u64 sum = 0;
	u32 i;

	for (i = 0; i < KVMFT_HISTOGRAM_CLASSES; i++)
		sum += classes[i];
	return sum;
}

/* The class that holds what is counted, when that is one time alone. */
static u32 only_class(u64 ns)
{
	struct kvmft_histogram histogram = { 0 };
	u64 classes[KVMFT_HISTOGRAM_CLASSES];
	u32 i = 0;

	kvmft_histogram_add(&histogram, ns);
	kvmft_histogram_fold(&histogram, classes);
	check_eq(total(classes), 1, "%llu ns are counted once", (unsigned long long)ns);
	while (!classes[i])
		i++;
	return i;
}

static void bounds(void)
{
	u32 i;

	check_eq(KVMFT_HISTOGRAM_CLASSES, 28, "as many classes as documented");
	check_eq(kvmft_histogram_bound(0), 1024, "the first bound");
	check_eq(only_class(0), 0, "no time at all");
	check_eq(only_class(1), 0, "the shortest time");
	for (i = 0; i < KVMFT_HISTOGRAM_CLASSES - 1; i++) {
		check_eq(only_class(kvmft_histogram_bound(i)), i, "bound %u belongs to it", i);
		check_eq(only_class(kvmft_histogram_bound(i) + 1), i + 1,
			 "what is longer than bound %u doesn't", i);
	}
	check_eq(only_class(UINT64_MAX), KVMFT_HISTOGRAM_CLASSES - 1, "the longest time");
}

static int compare(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

/* Against what sorting says. */
static void percentiles(void)
{
	static u64 times[20000];
	static const u32 percents[] = { 1, 50, 90, 99, 100 };
	struct kvmft_histogram histogram = { 0 };
	u64 classes[KVMFT_HISTOGRAM_CLASSES];
	u64 exact, got, sum = 0;
	u32 n = sizeof(times) / sizeof(*times);
	u32 i, percent;

	check_eq(kvmft_histogram_percentile(&histogram, 99), 0, "of nothing");
	srand(1);
	for (i = 0; i < n; i++) {
		times[i] = (2000 + rand() % 1000) << rand() % 20;
		sum += times[i];
		kvmft_histogram_add(&histogram, times[i]);
	}
	kvmft_histogram_fold(&histogram, classes);
	check_eq(total(classes), n, "each is in a class");
	check_eq(histogram.count, n, "each is counted");
	check_eq(histogram.sum, sum, "the sum");
	qsort(times, n, sizeof(*times), compare);
	check_eq(histogram.longest, times[n - 1], "the longest");
	for (i = 0; i < sizeof(percents) / sizeof(*percents); i++) {
		percent = percents[i];
		exact = times[(n * percent + 99) / 100 - 1];
		got = kvmft_histogram_percentile(&histogram, percent);
		check(got >= exact && got <= exact + exact / 8,
		      "percentile %u is %llu, and was %llu", percent,
		      (unsigned long long)got, (unsigned long long)exact);
	}
	kvmft_histogram_add(&histogram, UINT64_MAX / 2);
	check_eq(kvmft_histogram_percentile(&histogram, 100), UINT64_MAX / 2,
		 "beyond the last bound it is the longest");
}

const struct unit_test histogram_tests[] = {
	{ "histogram: where classes end", bounds },
	{ "histogram: percentiles", percentiles },
	{ NULL, NULL }
};
