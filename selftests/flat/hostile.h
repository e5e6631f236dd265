/* SPDX-License-Identifier: GPL-2.0 */
/*
 * hostile: a VMM that writes anything at any time to what it shares with the module.
 *
 * Contract: harms nobody here; vmm.hostile is set, and what the area says of itself
 * isn't used from then on, as far as we can help it.
 */
#ifndef _HOSTILE_H
#define _HOSTILE_H

#include "vmm.h"

/* False if there is no area. */
bool hostile_start(u64 seed);

#endif /* _HOSTILE_H */
