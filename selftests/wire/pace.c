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

/* Would it pay, if it weren't for the time? */
static bool pays(const struct kvmft_pace *pace, bool async, u64 changed)
{
	struct kvmft_pace copy = *pace;

	copy.pause = KVMFT_PACE_SHORT;
	return kvmft_pace_pays(&copy, async, changed);
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
	kvmft_pace_few(&pace);
	check(kvmft_pace_pays(&pace, true, 0), "and again after that");
	check_eq(pace.pause, KVMFT_PACE_LONG, "without shorter ones");
	check(kvmft_pace_pays(&pace, true, 10000), "much has changed");
	kvmft_pace_sent(&pace, true, 10000, 0);
	check_eq(pace.pause, KVMFT_PACE_SHORT, "then pauses are short");
	check(!kvmft_pace_pays(&pace, true, 0), "nothing has");
	check(pace.pause > KVMFT_PACE_SHORT, "then they grow");
	kvmft_pace_epoch(&pace, true, 10000, 0);
	check_eq(pace.pause, KVMFT_PACE_SHORT, "an epoch with many pages makes them short");
	/* Entries of rings may turn out to be one page, time and again. */
	check(kvmft_pace_pays(&pace, true, 10000), "much may have changed");
	kvmft_pace_few(&pace);
	check(pace.pause > KVMFT_PACE_SHORT, "it hadn't, so they grow");
}

/* Two epochs at a time if the way takes most of the time, and only then. */
static void distant(void)
{
	struct kvmft_pace pace;
	u32 i;

	kvmft_pace_init(&pace);
	check(!kvmft_pace_is_far(&pace, 1000000), "nobody knows so far");
	kvmft_pace_answered(&pace, 100, 10100);
	check(kvmft_pace_is_far(&pace, 10000), "the way takes most of it");
	check(!kvmft_pace_is_far(&pace, 6000), "to answer takes long as well");
	check(!kvmft_pace_is_far(&pace, 0), "it is near by");
	/* All of the wait may be the way, as far as that is known. */
	check(kvmft_pace_is_far(&pace, 1000000), "a round trip that took longer than an answer");
	pace.sends = 5049;
	check(kvmft_pace_is_far(&pace, 10100), "to send it takes not quite half as long");
	pace.sends = 5050;
	check(!kvmft_pace_is_far(&pace, 10100), "or half as long");
	for (i = 0; i < 8; i++)
		kvmft_pace_answered(&pace, 100, 10100);
	check(kvmft_pace_is_far(&pace, 10000), "it gets shorter");
	kvmft_pace_answered(&pace, 9000, 10100);
	check(kvmft_pace_is_far(&pace, 10000), "one that is longer");
	for (i = 0; i < 16; i++)
		kvmft_pace_answered(&pace, 9000, 10100);
	check(!kvmft_pace_is_far(&pace, 10000), "many that are");
}

/* Pauses don't grow past the moment at which there is enough. */
static void steady(void)
{
	struct kvmft_pace pace;
	u64 changed = 0;
	u32 rate;

	for (rate = 1; rate < 400; rate++) {
		kvmft_pace_init(&pace);
		live(&pace, true, 100, 10000, 1);
		pace.pause = KVMFT_PACE_SHORT;
		pace.rest = KVMFT_PACE_SHORT;
		changed = rate * KVMFT_PACE_SHORT;
		while (!kvmft_pace_pays(&pace, true, changed))
			changed += rate * pace.pause;
		if (changed > 2 * pace.least)
			break;
	}
	check_eq(rate, 400, "%llu have changed when it is looked, of %u",
		 (unsigned long long)changed, pace.least);
}

/* What is written all the time, and is more than may ever be left, costs less and less. */
static void in_vain(void)
{
	struct kvmft_pace pace;
	u32 looks = 0, time = 0;

	kvmft_pace_init(&pace);
	while (time < 10 * KVMFT_PACE_LONG) {
		if (kvmft_pace_pays(&pace, false, 20000)) {
			kvmft_pace_sent(&pace, false, 20000, looks ? 20000 : 0);
			looks++;
		}
		time += pace.pause;
	}
	check(looks < 25, "%u looks in %u ms", looks, time);
	for (looks = 0; looks < 40; looks++)
		kvmft_pace_sent(&pace, false, 20000, 0);
	check_eq(pace.pause, KVMFT_PACE_SHORT, "until it isn't in vain any more");
}

/* New pages all the time: few are left for the standstill, whatever was before. */
static void writer(bool async, u64 few)
{
	struct kvmft_pace pace;
	u32 i;

	kvmft_pace_init(&pace);
	live(&pace, async, 100, 10000, 1);
	check(!pays(&pace, async, few), "not for %llu pages that change all the time",
	      (unsigned long long)few);
	live(&pace, async, 100, 10000, 0);
	check(pays(&pace, async, few), "for %llu new ones",
	      (unsigned long long)few);
	check(!pays(&pace, async, few / 2), "not for a few of them");

	/* The same within an epoch that doesn't end. */
	for (i = 0; i < 100; i++)
		kvmft_pace_sent(&pace, async, 1000, 1000);
	check(!pays(&pace, async, few), "not for those that change all the time");
	for (i = 0; i < 100; i++)
		kvmft_pace_sent(&pace, async, 1000, 0);
	check(pays(&pace, async, few), "for new ones");
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
	check(pays(&pace, false, 64), "in sync mode a quarter may be in vain");
	live(&pace, true, 100, 10000, 4);
	check(!pays(&pace, true, 1024), "in async mode it may not");
	check(pays(&pace, true, 10000), "but so many are looked at in any case");
	check(!pays(&pace, false, 1024), "what was learnt holds on in the other mode");
}

/* If it didn't pay, and isn't done any more, it is tried again some time. */
static void forgets(void)
{
	struct kvmft_pace pace;
	u32 epochs = 0;

	kvmft_pace_init(&pace);
	live(&pace, true, 100, 10000, 1);
	while (!pays(&pace, true, 300) && epochs < 500) {
		kvmft_pace_epoch(&pace, true, 300, 0);
		epochs++;
	}
	check(epochs > 50 && epochs < 200, "after %u epochs", epochs);
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
	{ "pace: a guest that writes steadily", steady },
	{ "pace: a guest that writes the same all the time", in_vain },
	{ "pace: new pages, and the same ones", writers },
	{ "pace: the first pages of an epoch", firsts },
	{ "pace: sync and async mode", modes },
	{ "pace: what was learnt is forgotten", forgets },
	{ "pace: another host that is not near by", distant },
	{ NULL, NULL }
};
