/* SPDX-License-Identifier: GPL-2.0 */
/*
 * hostile: a VMM that does anything at any time to what it shares with the module and
 * with KVM.
 *
 * Contract: harms nobody here; vmm.hostile is set, and what the area says of itself
 * isn't used from then on, as far as we can help it. Whoever would end the process
 * (die()) only ends itself, so that the rest goes on.
 */
#ifndef _HOSTILE_H
#define _HOSTILE_H

#include "vmm.h"

/**
 * hostile_start() - begin
 * @seed: what all that is random comes from
 * @kinds: words with blanks between them: area, run, rings, ioctls, unmap, close, dawdle;
 *	NULL or "" for the area alone
 *
 * Return: NULL, or what is wrong
 */
const char *hostile_start(u64 seed, char *kinds);

/* How often something was done. */
u64 hostile_misdeeds(void);

#endif /* _HOSTILE_H */
