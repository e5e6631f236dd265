/* SPDX-License-Identifier: GPL-2.0 */
/*
 * stage: collects an epoch, and makes it committed as a whole or not at all.
 *
 * Contract: a stage belongs to one thread. Pages of an epoch come in any order
 * and as often as they like, the last version counts. What can be bad about an
 * epoch ends in one of the functions here returning a reason; the epoch's memory
 * is free by then, and all that still comes of it is refused until the next one
 * begins. Nothing that isn't committed can be seen from outside.
 *
 * The memory of an epoch is bounded by a ceiling: its pages, its state and
 * KVMFT_STAGE_LEAF bytes of bookkeeping for each aligned block of 64 pages that it
 * touches. A full copy isn't staged: its pages are at their place already, only their
 * sums are kept here, and the ceiling doesn't count them. What is being received while
 * an epoch is below the ceiling, one frame at most, twice if it is packed, comes on top of it.
 */
#ifndef _KVMFT_STAGE_H
#define _KVMFT_STAGE_H

#include <linux/types.h>
#include <linux/xarray.h>

#include "pool.h"
#include "wire.h"

/*
 * What the bookkeeping of 64 neighbouring pages is charged with. It takes about 600
 * bytes, and 5 KiB in the worst case, a page far from all others.
 */
#define KVMFT_STAGE_LEAF 4096U

/**
 * enum kvmft_stage_phase - what a stage is doing
 * @KVMFT_STAGE_IDLE: It waits for an epoch to begin.
 * @KVMFT_STAGE_OPEN: It collects one.
 * @KVMFT_STAGE_REFUSING: It has thrown one away, of which more may come.
 * @KVMFT_STAGE_COMMITTED: It holds one that is committed and not applied yet.
 */
enum kvmft_stage_phase {
	KVMFT_STAGE_IDLE,
	KVMFT_STAGE_OPEN,
	KVMFT_STAGE_REFUSING,
	KVMFT_STAGE_COMMITTED,
};

/**
 * struct kvmft_stage - an epoch that is being collected
 * @phase: See there.
 * @generation: Of the open epoch.
 * @epoch: Its number.
 * @full: It is a full copy.
 * @committed_generation: Of the last one that was committed.
 * @committed_epoch: Its number; 0 if there was none.
 * @pool: Where pages come from and go back to.
 * @ceiling: Most bytes that may be staged.
 * @charged: Bytes that are staged.
 * @leaf: Block of 64 pages that the last page was in.
 * @pages: Pages by region and offset; a value if they are zero, or elsewhere.
 * @state: Pages of the state by their number.
 * @count: Entries of @pages.
 * @data_count: Those of them that aren't zero.
 * @sum: As in COMMIT.
 * @state_total: Bytes of state that were announced.
 * @state_got: Bytes of state that have come.
 * @state_crc: CRC32C of them.
 */
struct kvmft_stage {
	enum kvmft_stage_phase phase;
	u64 generation;
	u64 epoch;
	bool full;
	u64 committed_generation;
	u64 committed_epoch;
	struct kvmft_pool pool;
	u64 ceiling;
	u64 charged;
	unsigned long leaf;
	struct xarray pages;
	struct xarray state;
	u64 count;
	u64 data_count;
	u64 sum;
	u64 state_total;
	u64 state_got;
	u32 state_crc;
};

/*
 * Takes one page of a committed epoch: the contents, or NULL for one that is all
 * zero. Returns a page to put into the pool in its place: that itself, another one,
 * or NULL.
 */
typedef struct page *(*kvmft_stage_apply_fn)(void *context, u32 region,
					     u64 offset, struct page *page);

/*
 * Puts a page of a full copy to its place: the contents, or NULL for one that is all
 * zero. Returns 0, or the reason why the epoch is thrown away.
 */
typedef enum kvmft_reason (*kvmft_stage_place_fn)(void *context, u32 region,
						  u64 offset, struct page *page);

/* Sees where one page of an epoch belongs; what isn't 0 ends the walk. */
typedef int (*kvmft_stage_walk_fn)(void *context, u32 region, u64 offset);

void kvmft_stage_init(struct kvmft_stage *stage, u64 ceiling, u32 keep);
void kvmft_stage_destroy(struct kvmft_stage *stage);
enum kvmft_reason kvmft_stage_begin(struct kvmft_stage *stage, u64 generation,
				    u64 epoch, u32 flags);
enum kvmft_reason kvmft_stage_check(struct kvmft_stage *stage, u64 generation,
				    u64 epoch, u32 bulk);
enum kvmft_reason kvmft_stage_add(struct kvmft_stage *stage, const u8 *body,
				  u32 runs, struct page **pages, u32 count);
enum kvmft_reason kvmft_stage_place(struct kvmft_stage *stage, const u8 *body,
				    u32 runs, struct page **pages, u32 count,
				    kvmft_stage_place_fn place, void *context);
enum kvmft_reason kvmft_stage_add_state(struct kvmft_stage *stage,
					const struct kvmft_wire_state *state,
					struct page **pages, u32 len);
enum kvmft_reason kvmft_stage_verify(struct kvmft_stage *stage, u64 generation,
				     u64 epoch,
				     const struct kvmft_wire_commit *commit);
void kvmft_stage_commit(struct kvmft_stage *stage);
int kvmft_stage_walk(struct kvmft_stage *stage, kvmft_stage_walk_fn walk,
		     void *context);
void kvmft_stage_apply(struct kvmft_stage *stage, kvmft_stage_apply_fn apply,
		       void *context);
enum kvmft_reason kvmft_stage_refuse(struct kvmft_stage *stage,
				     enum kvmft_reason reason);
void kvmft_stage_drop(struct kvmft_stage *stage);

#endif /* _KVMFT_STAGE_H */
