/* SPDX-License-Identifier: GPL-2.0 */
/*
 * outbox: output that the guest has made and that hasn't left.
 *
 * Contract: output leaves in the order in which it was made, when it has a ticket and
 * kvmft_may_leave() says so, as a line "sequence vcpu value" (the last in hexadecimal)
 * by one write(2); in lines to a socket, "tcp:ADDRESS:PORT", it has left when the other
 * end has answered it with a byte. What was in the outbox of a saved state goes out
 * again, with the same sequence.
 */
#ifndef _OUTBOX_H
#define _OUTBOX_H

#include "vmm.h"

#define OUTBOX_MAX 16384

/**
 * struct output - one of them
 * @sequence: Of all outputs, from 1 on.
 * @vcpu: Who made it.
 * @value: What it is.
 */
struct output {
	u64 sequence;
	u32 vcpu;
	u32 value;
};

/* Opens where output goes to, and starts the thread that lets it. */
void outbox_open(const char *output);

void outbox_add(u32 vcpu, u32 value);

/* What this vcpu has added, or what was loaded, has this ticket; leaves now if it may. */
#define OUTBOX_LOADED ~0U
void outbox_ticket(u32 vcpu, u64 ticket);

/* The next one to leave is permitted, and then held up for so long. */
void outbox_linger(u32 ms);

/* Waits until nothing is on its way out. */
void outbox_settle(void);

/* What is in it, for the device state: how many, and the sequence of the next. */
u32 outbox_save(struct output *outputs, u32 max, u64 *next);

/* Takes what was saved; it waits for the ticket of OUTBOX_LOADED. */
void outbox_load(const struct output *outputs, u32 count, u64 next);

/*
 * How much was made, has left, and was loaded; tickets that the module didn't know; and,
 * with --progress, during how many outputs' waiting the guest went on.
 */
struct outbox_counts {
	u64 made, left, loaded, first_loaded, unknown, advanced;
};

struct outbox_counts outbox_counts(void);

#endif /* _OUTBOX_H */
