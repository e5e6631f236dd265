/* SPDX-License-Identifier: GPL-2.0 */
/*
 * promise: what the guest was told is on a disk, and isn't yet.
 *
 * Contract: promises have rising numbers. Whatever the guest lets out after it was given
 * one waits until that is kept, and all before it: so nobody ever sees anything of a guest
 * that relies on what isn't on the disk. Across all devices, and across hosts: those that
 * aren't kept go along in the device state, and the next ones have higher numbers.
 */
#ifndef FTVMM_PROMISE_H
#define FTVMM_PROMISE_H

#include "vmm.h"

/* A new one. */
u64 promise_make(void);

/*
 * One of another host, or 0; and others are waited for that were made there, up to this one.
 * False if there are too many.
 */
bool promise_take(u64 number, u64 last);

#define PROMISE_NUMBER_MAX (~0ULL / 2)

/* It is kept. */
void promise_keep(u64 number);

/* The last one that the guest may rely on. */
u64 promise_last(void);

/* Are all up to this one kept? */
bool promise_is_kept(u64 number);

#endif /* FTVMM_PROMISE_H */
