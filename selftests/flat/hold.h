/* SPDX-License-Identifier: GPL-2.0 */
/*
 * hold: vcpus and device thread stand still because a test wants to look.
 *
 * Contract: whoever is held comes to the hook when the module asks (area->park), so
 * nothing but the guest stands still. In lockstep all are held from the saving of the
 * device state on, while the guest is protected (or always without the module), and
 * "epoch hash" is appended to a file when that epoch is committed: until "step",
 * nothing changes after that here, nor on a standby.
 */
#ifndef _HOLD_H
#define _HOLD_H

#include "vmm.h"

enum hold { HOLD_PAUSE = 1, HOLD_STEP = 2, HOLD_EPOCH = 4 };

/* For which reasons all are held. */
u32 hold_reasons(void);

/* All are to be held, or no more for this reason. */
void hold_begin(enum hold reason);
void hold_end(enum hold reason);

/* Until the guest stands still; false if it doesn't. */
bool hold_wait(void);

/* Starts lockstep with that file. */
void hold_lockstep(const char *path);

/* The device state is about to be saved, or saved again; the hash is that of memory. */
void hold_saving(bool again);
void hold_saved(u64 hash);

/* Output with this ticket has left. */
void hold_committed(u64 ticket);

#endif /* _HOLD_H */
