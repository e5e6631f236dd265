// SPDX-License-Identifier: GPL-2.0
#include "hostile.h"

#define BURST 64
#define PAUSE_US 20000

static u64 seed, area_size;

static u64 next(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Half of them at the begin of things, which is where it hurts. */
static u64 place(void)
{
	u64 state = (char *)vmm.state - (char *)vmm.area;

	switch (next() % 4) {
	case 0:
		return next() % sizeof(struct kvmft_area);
	case 1:
		return state + next() % PAGE;
	default:
		return next() % area_size;
	}
}

static void *scribble(void *unused)
{
	u8 *area = (u8 *)vmm.area;
	u64 i;

	(void)unused;
	for (;;) {
		for (i = next() % BURST; i; i--)
			__atomic_store_n(&area[place()], (u8)next(), __ATOMIC_RELAXED);
		sleep_us(next() % PAUSE_US);
	}
	return NULL;
}

bool hostile_start(u64 from)
{
	if (!vmm.area || vmm.hostile)
		return false;
	seed = from * 2 + 1;
	area_size = vmm.area->size;
	__atomic_store_n(&vmm.hostile, true, __ATOMIC_SEQ_CST);
	start_thread(scribble, NULL);
	return true;
}
