// SPDX-License-Identifier: GPL-2.0
#include "device.h"

#include <errno.h>

#include "guest.h"
#include "hold.h"
#include "memory.h"

#define WORDS (PAGE / sizeof(u32))
#define GAP_US 200

static struct {
	struct device_state state;
	bool writing;
	u32 wrong;
} device = { .state = { .generation = 1 } };

struct device_state *device_state(void)
{
	return &device.state;
}

bool device_still(void)
{
	return !__atomic_load_n(&device.writing, __ATOMIC_SEQ_CST);
}

u32 device_wrong(void)
{
	return device.wrong;
}

/* The guest computes the same. */
static u32 pattern(u32 generation, u32 page, u32 word)
{
	return (generation * MIX_A + page * MIX_B + word * MIX_C) ^ vmm.options.seed;
}

/*
 * The generation stands at both ends: who reads the last word first and the first one
 * last, and finds the same, has read a page of that generation.
 */
static void write_page(u32 generation, u32 page)
{
	u32 *words = memory_at(DMA + page * PAGE, PAGE), i;

	__atomic_store_n(&words[0], generation, __ATOMIC_SEQ_CST);
	for (i = 1; i < WORDS - 1; i++)
		__atomic_store_n(&words[i], pattern(generation, page, i), __ATOMIC_RELAXED);
	__atomic_store_n(&words[WORDS - 1], generation, __ATOMIC_SEQ_CST);
	written(DMA + page * PAGE, PAGE);
}

/* Generation 0 is memory that nobody has written. */
static bool page_is(u32 generation, u32 page)
{
	const u32 *words = memory_at(DMA + page * PAGE, PAGE);
	u32 i;

	if (words[0] != generation || words[WORDS - 1] != generation)
		return false;
	for (i = 1; i < WORDS - 1; i++) {
		if (words[i] != (generation ? pattern(generation, page, i) : 0))
			return false;
	}
	return true;
}

void device_load(const struct device_state *state)
{
	u32 page;

	device.state = *state;
	if (!vmm.options.guest->device)
		return;
	for (page = 0; page < DMA_PAGES; page++) {
		if (page_is(page < state->page ? state->generation :
			    state->generation - 1, page))
			continue;
		if (!device.wrong++)
			say("page %u isn't of generation %u", page, state->generation);
	}
}

static void leave(void)
{
	__atomic_store_n(&device.writing, false, __ATOMIC_SEQ_CST);
	if (vmm.area)
		kvmft_leave(vmm.area, vmm.ft);
}

static void enter(void)
{
	for (;;) {
		while (hold_reasons())
			sleep_us(1000);
		while (vmm.area && kvmft_enter(vmm.area, vmm.ft)) {
			if (errno != EINTR)
				die("enter");
		}
		__atomic_store_n(&device.writing, true, __ATOMIC_SEQ_CST);
		if (!hold_reasons())
			return;
		leave();
	}
}

static void *run(void *unused)
{
	struct device_state *state = &device.state;

	(void)unused;
	for (;;) {
		enter();
		write_page(state->generation, state->page);
		if (++state->page == DMA_PAGES) {
			state->page = 0;
			state->generation++;
		}
		leave();
		sleep_us(GAP_US);
	}
	return NULL;
}

void device_start(void)
{
	if (vmm.options.guest->device)
		start_thread(run, NULL);
}
