/* SPDX-License-Identifier: GPL-2.0 */
/*
 * outbox: what a device was asked to do and hasn't done.
 *
 * Contract: requests are kept in the order in which they came, as long as the guest
 * hasn't been told that they are done, or until they are if it was told before: so what
 * is saved is all that a standby has to do again, in the same order. Output starts in
 * that order, and not before it has a ticket and may leave, and all that the guest was
 * promised before is kept. Requests that are in conflict are done one after the other.
 * They are told done between ft_enter() and ft_leave().
 */
#ifndef FTVMM_OUTBOX_H
#define FTVMM_OUTBOX_H

#include "request.h"

#define OUTBOX_COUNT_MAX 256

/**
 * struct outbox_ops - what a device does with its requests
 * @conflict: May these not be done side by side? NULL: none may, but one thread takes
 *	several, and does them one behind the other.
 * @emit: Does it, blocking; before each single thing that leaves it calls
 *	outbox_permit().
 * @complete: Tells the guest of those, of none of which it was told, between ft_enter()
 *	and ft_leave().
 */
struct outbox_ops {
	bool (*conflict)(const struct request *a, const struct request *b);
	void (*emit)(void *device, struct request *request);
	void (*complete)(void *device, struct request *const *requests, unsigned int count);
};

struct outbox;

struct outbox_counts {
	u64 made, done, loaded;
	u32 waiting;
	u64 bytes, told_bytes;
};

/* With so many threads, that start with outbox_start(); data of up to so many bytes. */
struct outbox *outbox_make(const struct outbox_ops *ops, void *device, unsigned int threads,
			   u64 limit);

void outbox_start(struct outbox *outbox);

/* Is there room for one more, with so much data? If not, vcpu_want_gather() will be told. */
bool outbox_has_room(struct outbox *outbox, u64 data_len);

/*
 * One of OWNER_NEXT is in no hurry: a vcpu is asked for a checkpoint when it has waited for
 * long enough, or is in somebody's way.
 */
void outbox_add(struct outbox *outbox, struct request *request);

/* What was OWNER_NEXT's is this owner's; whether there was any. */
bool outbox_adopt(struct outbox *outbox, u32 owner);

/* What somebody waits for may be there: a promise was kept. */
void outbox_look(struct outbox *outbox);

/*
 * What this owner has added may leave with this ticket; each output with one that is a step above
 * that of the one before. Returns the next one.
 */
u64 outbox_tickets(struct outbox *outbox, u32 owner, u64 first, u32 step);

/* Waits until it may leave now. */
void outbox_permit(struct request *request);

/* It doesn't leave now after all. */
void outbox_unpermit(struct request *request);

/* Waits until nothing is on its way out, of any device; when nothing more is permitted. */
void outbox_settle(void);

/* The guest has reset the device, or one of its rings: nobody waits for it. */
void outbox_forget(struct outbox *outbox, u32 queue);
#define OUTBOX_ALL_QUEUES (~0U)

/* How long the latest outputs waited for their permission, in ns; how many those are. Once. */
u32 outbox_waits(struct outbox *outbox, u64 *waits);
#define OUTBOX_WAITS_MAX 4096

bool outbox_is_empty(struct outbox *outbox);
struct outbox_counts outbox_counts(struct outbox *outbox);

/* The most that it takes in a blob. */
u64 outbox_room(const struct outbox *outbox);

void outbox_save(struct outbox *outbox, struct blob *blob);

/* False if it makes no sense; judge says whether a request is possible. */
bool outbox_load(struct outbox *outbox, struct blob *blob,
		 bool (*judge)(void *device, const struct request *request));

#endif /* FTVMM_OUTBOX_H */
