/* SPDX-License-Identifier: GPL-2.0 */
/*
 * device: a driver's hands on a device: registers, and rings in guest memory.
 *
 * Contract: one test at a time, in one thread. Rings are read as a vcpu reads them, while
 * the device writes there. Who wants to be hostile pokes beside these.
 */
#ifndef FTVMM_FUZZ_DEVICE_H
#define FTVMM_FUZZ_DEVICE_H

#include "../../tools/ftvmm/queue.h"

enum { DEVICE_DISK, DEVICE_RNG, DEVICE_NET };

/* So many times something is looked for, and as long in between. */
#define PATIENCE 50000
#define LOOK_US 100

void device_make(const char *disk);

/* --- Registers --- */

void device_access(u32 device, u64 at, u32 len, bool write, u64 value);
void device_put(u32 device, u64 at, u32 value);

/* Any, mostly as it is meant to be. */
void device_access_any(u32 device);

/* It is reset, and these features are agreed on; with its rings ready, it goes. */
void device_begin(u32 device, u64 features);
void device_go(u32 device);

/* Vcpus gather what had no room. */
void device_tend(void);

/* Saved, and loaded where it was; with a bit flipped, or not. False if it couldn't be. */
bool device_move(u32 device, bool flip);

/* --- Rings --- */

#define RING_SIZE 64
#define PIECES_MAX 8
#define TABLE_SIZE (PIECES_MAX * 16)

struct pieces {
	u32 count;
	struct segment all[PIECES_MAX];
};

/**
 * struct given - a chain that the device has
 * @pieces: What it is made of; none if the device doesn't have it.
 * @descs: The descriptors that it takes.
 * @desc_count: How many.
 */
struct given {
	struct pieces pieces;
	u16 descs[PIECES_MAX];
	u32 desc_count;
};

/**
 * struct ring - one of a device's
 * @device: Whose.
 * @queue: Its number there.
 * @size: What the device is told; there are no more than RING_SIZE descriptors.
 * @event_index: VIRTIO_RING_F_EVENT_IDX was agreed on.
 * @desc: Where the descriptors are.
 * @avail: Where the ring of what is available is.
 * @used: Where the ring of what was used is.
 * @made: Chains that were made available.
 * @told: Up to where the device may have been told.
 * @seen: Chains that were used, and seen.
 * @free: Descriptors that no chain takes.
 * @free_count: How many.
 * @given: By their heads.
 */
struct ring {
	u32 device, queue, size;
	bool event_index;
	u64 desc, avail, used;
	u16 made, told, seen;
	u16 free[RING_SIZE];
	u32 free_count;
	struct given given[RING_SIZE];
};

/* An empty one, ready; after device_begin(). Honest ones are of RING_SIZE. */
void ring_begin(struct ring *ring, u32 device, u32 queue, u32 size);

/* The chain with this head is available. */
void ring_offer(struct ring *ring, u16 head);

/*
 * A chain of these, for reading or writing; in a table of its own behind this address,
 * unless that is 0. Its head, -1 if there are too few descriptors.
 */
int ring_give(struct ring *ring, const struct pieces *pieces, bool write, u64 tables);

/* Tells the device what was made available, if it wants to be told. */
void ring_kick(struct ring *ring);

/* How many were used and not taken. */
u16 ring_used(const struct ring *ring);

/* Takes the next of those: its head, -1 if the device was never given it. */
int ring_take(struct ring *ring, struct given *given, u32 *written);

#endif /* FTVMM_FUZZ_DEVICE_H */
