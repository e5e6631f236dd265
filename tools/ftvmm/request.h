/* SPDX-License-Identifier: GPL-2.0 */
/*
 * request: what a guest wants a device to do, with all that it takes.
 *
 * Contract: what is to leave was copied when the request was made, so it is the same
 * however often it leaves. A request becomes bytes and is made of them again, whoever
 * wrote those.
 */
#ifndef FTVMM_REQUEST_H
#define FTVMM_REQUEST_H

#include "blob.h"
#include "queue.h"

enum request_kind {
	REQUEST_SEND = 1,
	REQUEST_READ,
	REQUEST_WRITE,
	REQUEST_FLUSH,
	REQUEST_DISCARD,
	REQUEST_ZERO,
	REQUEST_TEXT,
	REQUEST_END,
	REQUEST_KIND_MAX = REQUEST_END,
};

#define REQUEST_DATA_MAX (4 * MIB)
/* O_DIRECT wants it aligned. */
#define REQUEST_ALIGN PAGE

/* No vcpu has told the ticket yet. */
#define TICKET_PENDING (~0ULL)

/* Who a request is of, if not of a vcpu: nobody here; who makes the next checkpoint. */
#define OWNER_LOADED (~0U)
#define OWNER_NEXT (~1U)

/**
 * struct request - one of them
 * @next: The one after it in its outbox.
 * @ticket: From the hook; TICKET_PENDING before that.
 * @added: When it was put into its outbox, in ns.
 * @permitted: When it was first permitted to leave; 0 before that.
 * @owner: The vcpu whose hook brings the ticket.
 * @gated: It is output: it leaves with a ticket and in order.
 * @started: It is being done.
 * @leaving: It may be on its way out: it was permitted, and isn't done.
 * @told: The guest was told that it is done, when it was taken from its ring.
 * @stale: The guest has reset the device and doesn't wait for it any more.
 * @after: All promises up to this one are kept before it leaves.
 * @promise: Which one is kept when it is done; 0 for none.
 * @kind: &enum request_kind.
 * @status: What came of it, as the device tells it.
 * @queue: The ring it came from.
 * @head: Its name there.
 * @at: Where on a disk, in bytes.
 * @len: How much there.
 * @written: Bytes that the guest is told were written.
 * @status_gpa: Where @status goes to, 0 for nowhere.
 * @data: What is to leave, or where is read to.
 * @data_len: Bytes of it that are part of the request; 0 for what is read.
 * @segments: Where what was read goes to.
 * @segment_count: How many.
 */
struct request {
	struct request *next;
	u64 ticket, added, permitted;
	u32 owner;
	bool gated, started, leaving, told, stale;
	u64 after, promise;
	u8 kind, status;
	u16 queue, head;
	u64 at, len;
	u32 written;
	u64 status_gpa;
	u8 *data;
	u32 data_len;
	struct segment *segments;
	u32 segment_count;
};

/* With room for so many bytes of data; NULL if there is no memory. */
struct request *request_make(u8 kind, u32 data_len);

/* Notes where to write to; false if there is no memory. */
bool request_take_segments(struct request *request, const struct segment *segments, u32 count);

void request_free(struct request *request);

/* The most that one with so much data takes in a blob. */
u64 request_room(u32 data_len);

void request_save(struct blob *blob, const struct request *request);

/* NULL if it makes no sense; its ring and its place are the device's to judge. */
struct request *request_load(struct blob *blob);

#endif /* FTVMM_REQUEST_H */
