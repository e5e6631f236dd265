/* SPDX-License-Identifier: GPL-2.0 */
/*
 * outgoing: a primary's pages on their way to the stream.
 *
 * Contract: belongs to the thread of a primary's channel, but for a moment in which a vcpu
 * has its desk. What is due becomes pending
 * before it is sent, so that nothing is lost when sending fails. No page is
 * held, and the VMM's address space isn't used, while the socket is waited for.
 */
#ifndef _KVMFT_OUTGOING_H
#define _KVMFT_OUTGOING_H

#include "memory.h"
#include "pace.h"
#include "stream.h"

struct kvmft_primary;

/* Pages that are taken at a time. */
#define KVMFT_SENDER_BATCH KVMFT_STREAM_BATCH

/**
 * struct kvmft_sender - a primary's thread, on one data connection
 * @primary: The guest.
 * @stream: Where to send.
 * @full: What is sent is a full copy.
 * @begun: An epoch is begun.
 * @by_reference: Pages of it went by reference, so the guest must not go on before it
 *	is committed.
 * @sent: Pages that were sent, ever.
 * @bytes: Bytes that the stream's pages took, as far as they are counted.
 * @packed: Those pages that were packed, the same.
 * @refusals: Epochs in a row that were refused.
 * @decided: What it was of the primary when this began.
 * @pace: When to look for what changed.
 * @again: Pages that were sent more than once in an epoch, ever, up to the epoch before.
 * @paced: Until when what was sent of a full copy lasts, by its rate; CLOCK_MONOTONIC in ns.
 * @numbers: A batch.
 * @pages: Its pages.
 */
struct kvmft_sender {
	struct kvmft_primary *primary;
	struct kvmft_stream *stream;
	bool full;
	bool begun;
	bool by_reference;
	u64 sent;
	u64 bytes;
	u64 packed;
	u32 refusals;
	u32 decided;
	struct kvmft_pace pace;
	u64 again;
	u64 paced;
	u64 numbers[KVMFT_SENDER_BATCH];
	struct page *pages[KVMFT_SENDER_BATCH];
};

bool kvmft_sender_over(struct kvmft_sender *sender);
void kvmft_sender_enter(struct kvmft_sender *sender, u32 state,
			const struct kvmft_verdict *verdict);
u64 kvmft_sender_number(struct kvmft_sender *sender);
int kvmft_sender_begin(struct kvmft_sender *sender);
int kvmft_sender_page(struct kvmft_sender *sender, u64 number, struct page *page);
u64 kvmft_sender_count(struct kvmft_sender *sender);
int kvmft_sender_get(struct kvmft_sender *sender, u32 count);
void kvmft_sender_put(struct kvmft_sender *sender, u32 count);
int kvmft_sender_due(struct kvmft_sender *sender, bool ahead);
int kvmft_sender_reach_end(struct kvmft_sender *sender);
int kvmft_sender_look(struct kvmft_sender *sender);
int kvmft_sender_ahead(struct kvmft_sender *sender);
void kvmft_sender_learn(struct kvmft_sender *sender, u64 pages);

#endif /* _KVMFT_OUTGOING_H */
