/* SPDX-License-Identifier: GPL-2.0 */
/*
 * devices: all of them at once.
 *
 * Contract: made in the order of their addresses, which is the order of the options.
 */
#ifndef FTVMM_DEVICES_H
#define FTVMM_DEVICES_H

#include "blob.h"
#include "vmm.h"

/* Where they are: one page and one interrupt each. */
#define DEVICES_BASE 0xd0000000UL
#define DEVICES_STRIDE 0x1000UL
#define DEVICES_GSI 16

void devices_make(void);

/* The most that their state takes. */
u64 devices_room(void);

/* Their threads; a standby's start with its promotion. */
void devices_start(void);

/*
 * Takes what is available in all rings with output; in a vcpu's thread, whose hook will
 * bring the ticket.
 */
void devices_gather(struct vcpu *vcpu);

/* What waits for the next checkpoint is this vcpu's; whether there is any. */
bool devices_adopt(u32 owner);

/* A promise was kept, for which some may wait. */
void devices_look(void);

/* That is this vcpu's, or OWNER_LOADED's. */
void devices_ticket(u32 owner, u64 ticket);

/* The same, with tickets as outbox_tickets() gives them. */
u64 devices_tickets(u32 owner, u64 first, u32 step);

void devices_save(struct blob *blob);
bool devices_load(struct blob *blob);

/* The guest is ours now: all starts, is told again, and announced. */
void devices_promoted(void);

/* Nothing is to be done any more, but for the end itself. */
bool devices_are_idle(void);

/* The guest has ended: with this status, as soon as all its output has left. */
void devices_end(struct vcpu *vcpu, int status);

#endif /* FTVMM_DEVICES_H */
