/* SPDX-License-Identifier: GPL-2.0 */
/*
 * queue: a split ring of a virtio device.
 *
 * Contract: pure functions over guest memory, of which nothing is believed: each
 * number is read once, judged, and only then used. A ring that makes no sense is
 * broken from then on, with words for it, and nothing more is read or written there.
 * Callers serialize. Needs memory_at() and memory_written(), and nothing else.
 */
#ifndef FTVMM_QUEUE_H
#define FTVMM_QUEUE_H

#include "vmm.h"

#define QUEUE_SIZE_MAX 256
/* Pieces of a chain, and entries of an indirect table. */
#define CHAIN_MAX 256
/* No honest guest asks for more at once. */
#define CHAIN_BYTES_MAX (256 * MIB)

/**
 * struct queue - one ring
 * @size: How many descriptors; a power of 2.
 * @ready: The guest has said that it may be used.
 * @event_index: VIRTIO_RING_F_EVENT_IDX was agreed on.
 * @indirect: VIRTIO_RING_F_INDIRECT_DESC was.
 * @desc: Where the descriptors are.
 * @avail: Where the ring of what is available is.
 * @used: Where the ring of what was used is.
 * @next_avail: What is taken next.
 * @next_used: Where the next goes that was used.
 * @told_used: Up to where the guest was told.
 * @broken: Why it can't be used any more.
 */
struct queue {
	u16 size;
	bool ready, event_index, indirect;
	u64 desc, avail, used;
	u16 next_avail, next_used, told_used;
	const char *broken;
};

struct segment {
	u64 gpa;
	u32 len;
};

/**
 * struct chain - what the guest has made available at once
 * @head: Its name.
 * @out: Segments to read; first in @segments.
 * @in: Segments to write; behind them.
 * @out_len: Bytes to read.
 * @in_len: Bytes to write.
 * @segments: Each is in RAM.
 */
struct chain {
	u16 head;
	u16 out, in;
	u64 out_len, in_len;
	struct segment segments[CHAIN_MAX];
};

/* Back to what it is after power on. */
void queue_reset(struct queue *queue);

/* Whether it may become ready; it is broken if not. */
bool queue_check(struct queue *queue);

/* Takes the next; false if there is none, or the ring is broken. */
bool queue_pop(struct queue *queue, struct chain *chain);

/* Puts the last n back. */
void queue_unpop(struct queue *queue, u16 n);

/* Is there one? */
bool queue_has(struct queue *queue);

/*
 * Has the guest tell when there are more than so many, which are known; true if there
 * are already.
 */
bool queue_listen(struct queue *queue, u16 known);

/* This was used, and so many bytes were written. */
void queue_push(struct queue *queue, u16 head, u32 len);

/* The same for several that the guest must see at once: the nth of them each, then all. */
void queue_place(struct queue *queue, u16 n, u16 head, u32 len);
void queue_publish(struct queue *queue, u16 count);

/* Does the guest want to be interrupted for what was used since it was asked last? */
bool queue_interrupts(struct queue *queue);

/* From or to a chain's bytes at an offset; how many there were. */
u64 chain_read(const struct chain *chain, u64 at, void *data, u64 len);
u64 segments_write(const struct segment *segments, u32 count, u64 at, const void *data, u64 len);
u64 chain_write(const struct chain *chain, u64 at, const void *data, u64 len);

#endif /* FTVMM_QUEUE_H */
