/* SPDX-License-Identifier: GPL-2.0 */
/*
 * fuzz: a hostile guest, for the parts of ftvmm that believe it nothing.
 *
 * Contract: the VMM's memory, interrupts and hook are replaced (place.c): guest memory
 * is one allocation, so that AddressSanitizer notices what is outside of it, and a byte
 * that is written without a mark is noticed as well. Everything follows from a seed.
 */
#ifndef FTVMM_FUZZ_H
#define FTVMM_FUZZ_H

#include "../../tools/ftvmm/queue.h"

#define ARENA_SIZE (64 * 1024UL)

/* --- Chance --- */

void chance_seed(u64 seed);
u64 chance(void);
/* Less than n. */
u64 below(u64 n);
/* One in n. */
bool rarely(u64 n);

/* --- Guest memory --- */

void place_make(void);

/* What the guest itself writes. */
void place_poke(u64 gpa, const void *data, u64 len);

/* All that was written is marked, and nothing is from here on. */
bool place_is_honest(void);

/* --- Output --- */

/* None may leave from here on, or all may. */
void place_hold(bool hold);

/* What a vcpu does that was asked to: it gathers what had no room in an outbox. */
void place_tend(struct vcpu *vcpu);

/* --- What is tried; false, and said, if something is wrong --- */

bool try_queue(void);
bool try_blob(void);
bool try_disk(void);
bool try_nic(void);

#endif /* FTVMM_FUZZ_H */
