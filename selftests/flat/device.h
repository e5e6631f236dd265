/* SPDX-License-Identifier: GPL-2.0 */
/*
 * device: a device model in a thread of its own that writes guest memory.
 *
 * Contract: page after page, generation after generation, between kvmft_enter() and
 * kvmft_leave(), with how far it has come in its state. So in a saved state the pages
 * before @page are of @generation, the others of the one before.
 */
#ifndef _DEVICE_H
#define _DEVICE_H

#include "vmm.h"

struct device_state {
	u32 generation;
	u32 page;
};

/* Behind device_load() on a standby, or at once. */
void device_start(void);

struct device_state *device_state(void);

/* Takes the state, and says what of the memory doesn't fit to it. */
void device_load(const struct device_state *state);

/* Pages that didn't. */
u32 device_wrong(void);

/* That it isn't writing. */
bool device_still(void);

#endif /* _DEVICE_H */
