// SPDX-License-Identifier: GPL-2.0
#include <linux/kernel.h>
#include <linux/minmax.h>

#include "pace.h"

/*
 * What is left when the guest stands still is sent before it goes on in sync mode, but only
 * copied in async mode, which is much cheaper than an exit: so there more may be left,
 * and less may be sent in vain.
 */
static const struct {
	u32 least, most;	/* that may be left for the standstill */
	u32 part;		/* of what is sent that may be in vain: one in so many */
} limits[] = {
	[false] = { .least = 64, .most = 2048, .part = 2 },
	[true] = { .least = 256, .most = 4096, .part = 8 },
};

/* Where the way takes so many times as long as all that is to be done, another host is far away. */
#define FAR 2

/* What was learnt counts so many times as much as what is new. */
#define SMOOTH 8

/**
 * kvmft_pace_init() - begin with nothing learnt
 * @pace: the pace
 */
void kvmft_pace_init(struct kvmft_pace *pace)
{
	*pace = (struct kvmft_pace){ .pause = KVMFT_PACE_SHORT, .rest = KVMFT_PACE_SHORT };
}

static u32 longer(u32 ms)
{
	return min(ms * 2, KVMFT_PACE_LONG);
}

static u32 shorter(u32 ms)
{
	return max(ms / 2, KVMFT_PACE_SHORT);
}

/* It may be another mode than it was learnt in. */
static void learn(struct kvmft_pace *pace, bool async, u32 least)
{
	pace->least = clamp(least, limits[async].least, limits[async].most);
}

/* If even the most isn't enough, only time helps. */
static void judge(struct kvmft_pace *pace, bool async, u64 pages, u64 again)
{
	if (again <= pages / limits[async].part) {
		if (pace->rest == KVMFT_PACE_SHORT)
			learn(pace, async, pace->least - pace->least / 4);
		pace->rest = shorter(pace->rest);
	} else {
		if (pace->least >= limits[async].most)
			pace->rest = longer(pace->rest);
		learn(pace, async, pace->least * 2);
	}
}

/**
 * kvmft_pace_pays() - is it time to look?
 * @pace: the pace
 * @async: the guest's mode
 * @changed: pages that have changed, as far as that is known without a look
 *
 * A guest that does little is looked at seldom, but looked at.
 *
 * Return: whether; then kvmft_pace_sent() or kvmft_pace_few() is next
 */
bool kvmft_pace_pays(struct kvmft_pace *pace, bool async, u64 changed)
{
	u64 more = changed - min(changed, pace->seen);

	learn(pace, async, pace->least);
	pace->seen = changed;
	if (changed >= pace->least || pace->pause == KVMFT_PACE_LONG)
		return true;
	/* After twice the time it would be too many, if it goes on like that. */
	if (changed + more * 2 < pace->least)
		pace->pause = longer(pace->pause);
	return false;
}

/**
 * kvmft_pace_few() - it was looked, and there was too little to send it
 * @pace: the pace
 */
void kvmft_pace_few(struct kvmft_pace *pace)
{
	pace->pause = longer(pace->pause);
}

/**
 * kvmft_pace_sent() - learn from pages that were sent while the guest runs
 * @pace: the pace
 * @async: the guest's mode
 * @pages: how many
 * @again: how many of them had been sent in this epoch before
 */
void kvmft_pace_sent(struct kvmft_pace *pace, bool async, u64 pages, u64 again)
{
	/* The first ones of an epoch can't have been sent before. */
	if (pace->ahead)
		judge(pace, async, pages, again);
	pace->ahead += pages;
	pace->seen = 0;
	pace->pause = pace->rest;
}

/**
 * kvmft_pace_epoch() - learn from an epoch that is sent
 * @pace: the pace
 * @async: the guest's mode
 * @pages: how many it has
 * @again: how many had to be sent more than once
 */
void kvmft_pace_epoch(struct kvmft_pace *pace, bool async, u64 pages, u64 again)
{
	if (pace->ahead) {
		judge(pace, async, pace->ahead, again);
	} else {
		/* Not to look teaches nothing, so try it again some time. */
		learn(pace, async, pace->least - pace->least / 32);
		pace->rest = shorter(pace->rest);
	}
	pace->ahead = 0;
	pace->seen = 0;
	if (pages >= limits[async].least)
		pace->pause = pace->rest;
}

static u64 smooth(u64 was, u64 is)
{
	return was - was / SMOOTH + is / SMOOTH;
}

/**
 * kvmft_pace_answered() - learn from an epoch that is answered
 * @pace: the pace
 * @sends: how long it took to send it, in ns
 * @waits: how long from then on to the answer, in ns
 */
void kvmft_pace_answered(struct kvmft_pace *pace, u64 sends, u64 waits)
{
	pace->sends = pace->waits ? smooth(pace->sends, sends) : sends;
	pace->waits = pace->waits ? smooth(pace->waits, waits) : waits;
}

/**
 * kvmft_pace_is_far() - does it pay to have two epochs under way?
 * @pace: the pace
 * @rtt: how long it takes to the other host and back, in ns
 *
 * Return: whether
 */
bool kvmft_pace_is_far(const struct kvmft_pace *pace, u64 rtt)
{
	u64 way = min(rtt, pace->waits);

	return way > FAR * (pace->sends + pace->waits - way);
}
