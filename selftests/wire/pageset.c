// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <string.h>

#include <shim.h>

#include "pageset.h"
#include "unit.h"

/* Around the ends of words on each level. */
static const u64 sizes[] = { 1, 63, 64, 65, 4095, 4096, 4097, 262144, 262145, 300000 };

/* All that there is from 0 on must be what the map says. */
static void check_same(const struct kvmft_pageset *set, const u8 *map, const char *when)
{
	u64 found = kvmft_pageset_next(set, 0);
	u64 count = 0;

	for (u64 i = 0; i < set->size; i++) {
		if (!map[i])
			continue;
		count++;
		if (!check_eq(found, i, "the next one of %llu, %s",
			      (unsigned long long)set->size, when))
			return;
		found = kvmft_pageset_next(set, i + 1);
	}
	check_eq(found, set->size, "the end of %llu, %s", (unsigned long long)set->size, when);
	check_eq(set->count, count, "how many of %llu, %s", (unsigned long long)set->size, when);
}

static void edges(void)
{
	struct kvmft_pageset set;

	for (size_t n = 0; n < sizeof(sizes) / sizeof(*sizes); n++) {
		u64 last = sizes[n] - 1;

		check(!kvmft_pageset_init(&set, sizes[n]), "init");
		check_eq(kvmft_pageset_next(&set, 0), sizes[n], "an empty one");
		check(kvmft_pageset_add(&set, last), "the last is new");
		check(!kvmft_pageset_add(&set, last), "and isn't any more");
		check(kvmft_pageset_has(&set, last), "it is there");
		check_eq(kvmft_pageset_next(&set, 0), last, "and found");
		check_eq(kvmft_pageset_next(&set, last), last, "from itself, too");
		check_eq(kvmft_pageset_next(&set, sizes[n]), sizes[n], "but not behind it");
		check(kvmft_pageset_del(&set, last), "it goes");
		check(!kvmft_pageset_del(&set, last), "once");
		check_eq(kvmft_pageset_next(&set, 0), sizes[n], "empty again");
		check(!kvmft_pageset_has(&set, sizes[n]), "nothing is beyond the end");
		kvmft_pageset_destroy(&set);
	}
}

static void at_random(void)
{
	struct kvmft_pageset set, other;
	u64 fresh;

	srandom(4711);
	for (size_t n = 0; n < sizeof(sizes) / sizeof(*sizes); n++) {
		u8 *map = calloc(1, sizes[n]);

		kvmft_pageset_init(&set, sizes[n]);
		kvmft_pageset_init(&other, sizes[n]);
		for (int i = 0; i < 3000; i++) {
			u64 number = random() % sizes[n];

			if (random() % 3) {
				check_eq(kvmft_pageset_add(&set, number), !map[number], "add");
				map[number] = 1;
			} else {
				check_eq(kvmft_pageset_del(&set, number), map[number], "del");
				map[number] = 0;
			}
		}
		check_same(&set, map, "after changes");
		for (int i = 0; i < 20; i++) {
			u64 from = random() % sizes[n];
			u64 to = from + random() % (sizes[n] - from + 1);
			u64 gone = 0;

			/* Most of them short. */
			if (i % 4)
				to = from + (to - from) % 130;
			for (u64 at = from; at < to; at++) {
				gone += map[at];
				map[at] = 0;
			}
			check_eq(kvmft_pageset_del_range(&set, from, to), gone,
				 "from %llu up to %llu of %llu", (unsigned long long)from,
				 (unsigned long long)to, (unsigned long long)sizes[n]);
			check_same(&set, map, "after a range");
		}
		kvmft_pageset_add(&other, 0);
		fresh = set.count - map[0];
		check_eq(kvmft_pageset_move(&other, &set), fresh, "new ones");
		map[0] = 1;
		check_same(&other, map, "moved");
		memset(map, 0, sizes[n]);
		check_same(&set, map, "moved away");
		kvmft_pageset_clear(&other);
		check_same(&other, map, "cleared");
		kvmft_pageset_add(&other, sizes[n] / 2);
		kvmft_pageset_fill(&other);
		memset(map, 1, sizes[n]);
		check_same(&other, map, "filled");
		check_eq(kvmft_pageset_del_range(&other, 0, sizes[n]), sizes[n], "all");
		memset(map, 0, sizes[n]);
		check_same(&other, map, "without all");
		kvmft_pageset_destroy(&other);
		kvmft_pageset_destroy(&set);
		free(map);
	}
}

const struct unit_test pageset_tests[] = {
	{ "pageset: around the ends of words", edges },
	{ "pageset: as a plain map", at_random },
	{ NULL, NULL }
};
