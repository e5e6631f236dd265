// SPDX-License-Identifier: GPL-2.0
#include <shim.h>

#include "pace.h"
#include "unit.h"

/* Epochs of so many pages, one in so many of which were sent in vain; what that teaches. */
static void live(struct kvmft_pace *pace, bool async, u32 epochs, u64 pages, u32 one_in)
{
	while (epochs--) {
		if (kvmft_pace_pays(pace, async, pages))
			kvmft_pace_sent(pace, async, pages, 0);
		kvmft_pace_epoch(pace, async, pages, one_in ? pages / one_in : 0);
	}
}

/* Who does nothing is looked at ever more seldom, and at once when much has changed. */
static void idle(void)
{
	struct kvmft_pace pace;
	u32 asked = 0, time = 0;

	kvmft_pace_init(&pace);
	check_eq(pace.pause, KVMFT_PACE_SHORT, "it begins with short pauses");
	while (!kvmft_pace_pays(&pace, true, 0) && asked < 100) {
		time += pace.pause;
		asked++;
	}
	check(asked < 10 && time < 3 * KVMFT_PACE_LONG,
	      "it is looked at after %u times, %u ms", asked, time);
	check_eq(pace.pause, KVMFT_PACE_LONG, "pauses are as long as they get");
	check(kvmft_pace_pays(&pace, true, 0), "and again after that");
	check_eq(pace.pause, KVMFT_PACE_LONG, "without shorter ones");
	check(kvmft_pace_pays(&pace, true, 10000), "much has changed");
	check_eq(pace.pause, KVMFT_PACE_SHORT, "then pauses are short");
	check(!kvmft_pace_pays(&pace, true, 0), "nothing has");
	check(pace.pause > KVMFT_PACE_SHORT, "then they grow");
	kvmft_pace_epoch(&pace, true, 10000, 0);
	check_eq(pace.pause, KVMFT_PACE_SHORT, "an epoch with many pages makes them short");
}

/* New pages all the time: few are left for the standstill, whatever was before. */
static void writer(bool async, u64 few)
{
	struct kvmft_pace pace;
	u32 i;

	kvmft_pace_init(&pace);
	live(&pace, async, 100, 10000, 1);
	check(!kvmft_pace_pays(&pace, async, few), "not for %llu pages that change all the time",
	      (unsigned long long)few);
	live(&pace, async, 100, 10000, 0);
	check(kvmft_pace_pays(&pace, async, few), "for %llu new ones",
	      (unsigned long long)few);
	check(!kvmft_pace_pays(&pace, async, few / 2), "not for a few of them");

	/* The same within an epoch that doesn't end. */
	for (i = 0; i < 100; i++)
		kvmft_pace_sent(&pace, async, 1000, 1000);
	check(!kvmft_pace_pays(&pace, async, few), "not for those that change all the time");
	for (i = 0; i < 100; i++)
		kvmft_pace_sent(&pace, async, 1000, 0);
	check(kvmft_pace_pays(&pace, async, few), "for new ones");
}

static void writers(void)
{
	writer(false, 64);
	writer(true, 256);
}

/* More may be in vain where it is cheaper to leave it. */
static void modes(void)
{
	struct kvmft_pace pace;

	kvmft_pace_init(&pace);
	live(&pace, false, 100, 10000, 4);
	check(kvmft_pace_pays(&pace, false, 64), "in sync mode a quarter may be in vain");
	live(&pace, true, 100, 10000, 4);
	check(!kvmft_pace_pays(&pace, true, 1024), "in async mode it may not");
	check(kvmft_pace_pays(&pace, true, 10000), "but so many are looked at in any case");
	check(!kvmft_pace_pays(&pace, false, 1024), "what was learnt holds on in the other mode");
}

/* If it didn't pay, and isn't done any more, it is tried again some time. */
static void forgets(void)
{
	struct kvmft_pace pace;
	u32 epochs = 0;

	kvmft_pace_init(&pace);
	live(&pace, true, 100, 10000, 1);
	while (!kvmft_pace_pays(&pace, true, 300) && epochs < 100) {
		kvmft_pace_epoch(&pace, true, 300, 0);
		epochs++;
	}
	check(epochs > 5 && epochs < 100, "after %u epochs", epochs);
}

/* The first pages of an epoch can't have been sent in it before, which says nothing. */
static void firsts(void)
{
	struct kvmft_pace pace;
	u32 least;

	kvmft_pace_init(&pace);
	live(&pace, true, 3, 10000, 1);
	least = pace.least;
	kvmft_pace_sent(&pace, true, 1000, 0);
	check_eq(pace.least, least, "nothing is learnt from the first");
	kvmft_pace_sent(&pace, true, 1000, 0);
	check(pace.least < least, "but from those behind them");
}

const struct unit_test pace_tests[] = {
	{ "pace: a guest that does nothing", idle },
	{ "pace: new pages, and the same ones", writers },
	{ "pace: the first pages of an epoch", firsts },
	{ "pace: sync and async mode", modes },
	{ "pace: what was learnt is forgotten", forgets },
	{ NULL, NULL }
};
