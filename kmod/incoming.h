/* SPDX-License-Identifier: GPL-2.0 */
/*
 * incoming: a standby's epochs, from the stage to the guest's memory.
 *
 * Contract: belongs to the thread of a standby's channel. Before an epoch is
 * acknowledged all is there that it takes to apply it: its pages are pinned, its state
 * has a place. A full copy goes to its place at once, and spoils what was there.
 */
#ifndef _KVMFT_INCOMING_H
#define _KVMFT_INCOMING_H

#include "standby.h"

extern const struct kvmft_intake_ops kvmft_incoming_ops;

#endif /* _KVMFT_INCOMING_H */
