/* SPDX-License-Identifier: GPL-2.0 */
/*
 * state: the device state, what only the VMM knows of its guest.
 *
 * Contract: written while all stand still, or by a lone vcpu before it says that it
 * does; what is loaded is judged before any of it is taken.
 */
#ifndef _STATE_H
#define _STATE_H

#include "outbox.h"
#include "vmm.h"

#define STATE_MAX (MIB / 2 + sizeof(struct output) * OUTBOX_MAX)

/**
 * struct vcpu_state - what devices keep for each vcpu
 * @outputs: How many it has made.
 * @dwords: How many were read from PORT_IN and by MMIO.
 * @bytes: How many were read from PORT_IN_BYTES.
 * @partial: The bytes that were written to PORT_BYTES.
 * @partial_count: How many, of four.
 * @crossing: The half of a write to MMIO_CROSS that has come.
 */
struct vcpu_state {
	u64 outputs;
	u32 dwords;
	u32 bytes;
	u32 partial;
	u32 partial_count;
	u64 crossing;
};

/**
 * struct hash_state - memory as it was saved, and as it was found
 * @known: One was saved.
 * @epoch: area->epoch when it was.
 * @saved: The hash.
 * @found: The one of the memory when it was loaded.
 */
struct hash_state {
	bool known;
	u64 epoch, saved, found;
};

/* Writes it into the area, @again for the same epoch; returns its length. */
u64 state_save(bool again);

/* Takes it from there; ends the process if it isn't whole or of another guest. */
void state_load(u64 len);

/* Of the last one that was saved or loaded. */
struct hash_state state_hash(void);

#endif /* _STATE_H */
