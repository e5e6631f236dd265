// SPDX-License-Identifier: GPL-2.0
#include <linux/crc32c.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "compat.h"
#include "stage.h"

/* Pages of a region are neighbours in the xarray; 40 bits hold any offset. */
#define REGION_SHIFT 40
#define LEAF_PAGES 64

/* CRC32C of a page of zeroes. */
#define ZERO_CRC 0x98f94189U

static unsigned long place_index(u32 region, u64 offset)
{
	return (unsigned long)region << REGION_SHIFT |
	       offset >> KVMFT_WIRE_PAGE_SHIFT;
}

static u32 index_region(unsigned long index)
{
	return index >> REGION_SHIFT;
}

static u64 index_offset(unsigned long index)
{
	return (index & ((1UL << REGION_SHIFT) - 1)) << KVMFT_WIRE_PAGE_SHIFT;
}

/* The entry of a page that is all zero. */
static void *zero_entry(void)
{
	return xa_mk_value(0);
}

/* That of a page that is at its place: just its sum. */
static void *sum_entry(u32 crc)
{
	return xa_mk_value((unsigned long)crc << 1 | 1);
}

static bool is_data(void *entry)
{
	return !xa_is_value(entry) || entry != zero_entry();
}

static u32 entry_crc(void *entry)
{
	if (entry == zero_entry())
		return ZERO_CRC;
	if (xa_is_value(entry))
		return xa_to_value(entry) >> 1;
	return page_private((struct page *)entry);
}

static u64 entry_term(unsigned long index, void *entry)
{
	u32 crc = entry_crc(entry);

	return kvmft_wire_page_term(index_region(index), index_offset(index),
				    crc);
}

/**
 * kvmft_stage_init() - begin with nothing
 * @stage: the stage
 * @ceiling: most bytes that an epoch may take
 * @keep: how many free pages to keep for the next epoch
 */
void kvmft_stage_init(struct kvmft_stage *stage, u64 ceiling, u32 keep)
{
	memset(stage, 0, sizeof(*stage));
	stage->phase = KVMFT_STAGE_IDLE;
	stage->ceiling = ceiling;
	xa_init(&stage->pages);
	xa_init(&stage->state);
	kvmft_pool_init(&stage->pool, keep);
}

static void forget_entries(struct kvmft_stage *stage, struct xarray *entries)
{
	unsigned long index;
	struct page *page;
	void *entry;

	xa_for_each(entries, index, entry) {
		if (!xa_is_value(entry)) {
			page = entry;
			kvmft_pool_put(&stage->pool, &page, 1);
		}
		cond_resched();
	}
	xa_destroy(entries);
}

static void forget_epoch(struct kvmft_stage *stage)
{
	forget_entries(stage, &stage->pages);
	forget_entries(stage, &stage->state);
	stage->charged = 0;
	stage->count = 0;
	stage->data_count = 0;
	stage->sum = 0;
	stage->state_total = 0;
	stage->state_got = 0;
	stage->state_crc = 0;
}

/**
 * kvmft_stage_drop() - throw away what isn't committed
 * @stage: the stage; ready for an epoch to begin
 */
void kvmft_stage_drop(struct kvmft_stage *stage)
{
	forget_epoch(stage);
	stage->phase = KVMFT_STAGE_IDLE;
}

/**
 * kvmft_stage_destroy() - free all that the stage has
 * @stage: the stage
 */
void kvmft_stage_destroy(struct kvmft_stage *stage)
{
	kvmft_stage_drop(stage);
	kvmft_pool_destroy(&stage->pool);
}

/**
 * kvmft_stage_refuse() - throw the epoch away, and what still comes of it
 * @stage: the stage
 * @reason: why
 *
 * Return: @reason
 */
enum kvmft_reason kvmft_stage_refuse(struct kvmft_stage *stage,
				     enum kvmft_reason reason)
{
	forget_epoch(stage);
	stage->phase = KVMFT_STAGE_REFUSING;
	return reason;
}

static bool is_newer(const struct kvmft_stage *stage, u64 generation, u64 epoch)
{
	if (generation != stage->committed_generation)
		return generation > stage->committed_generation;
	return epoch > stage->committed_epoch;
}

static bool is_next(const struct kvmft_stage *stage, u64 generation, u64 epoch)
{
	return generation == stage->committed_generation &&
	       epoch == stage->committed_epoch + 1;
}

/**
 * kvmft_stage_begin() - begin an epoch
 * @stage: the stage
 * @generation: the generation of who sends it
 * @epoch: its number, above that of any committed one of its generation
 * @flags: what BEGIN says of it
 *
 * One that follows one that was thrown away is thrown away as well; who sends it was told
 * already, and so isn't told again: then the stage goes on refusing.
 *
 * Return: 0, KVMFT_REASON_STALE, or KVMFT_REASON_PROTOCOL if another one is open, or if it
 * follows another one than the last that was committed
 */
enum kvmft_reason kvmft_stage_begin(struct kvmft_stage *stage, u64 generation,
				    u64 epoch, u32 flags)
{
	if (stage->phase == KVMFT_STAGE_OPEN ||
	    stage->phase == KVMFT_STAGE_COMMITTED)
		return kvmft_stage_refuse(stage, KVMFT_REASON_PROTOCOL);
	if (!is_newer(stage, generation, epoch))
		return kvmft_stage_refuse(stage, KVMFT_REASON_STALE);
	if (flags & KVMFT_WIRE_BEGIN_FOLLOWS && !is_next(stage, generation, epoch))
		return stage->phase == KVMFT_STAGE_REFUSING ?
		       0 : kvmft_stage_refuse(stage, KVMFT_REASON_PROTOCOL);

	stage->generation = generation;
	stage->epoch = epoch;
	stage->full = flags & KVMFT_WIRE_BEGIN_FULL;
	stage->phase = KVMFT_STAGE_OPEN;
	return 0;
}

/**
 * kvmft_stage_check() - may this be received?
 * @stage: the stage
 * @generation: of the frame
 * @epoch: of the frame
 * @bulk: bytes that would be received and staged
 *
 * To be asked about each frame of an epoch before anything is received into
 * memory.
 *
 * Return: 0, or the reason why not; the epoch is thrown away then
 */
enum kvmft_reason kvmft_stage_check(struct kvmft_stage *stage, u64 generation,
				    u64 epoch, u32 bulk)
{
	if (stage->phase != KVMFT_STAGE_OPEN)
		return kvmft_stage_refuse(stage, KVMFT_REASON_NOT_BEGUN);
	if (generation != stage->generation || epoch != stage->epoch)
		return kvmft_stage_refuse(stage, KVMFT_REASON_PROTOCOL);
	/* Pages that replace others don't add to it, so that comes later. */
	if (stage->charged > stage->ceiling || bulk > stage->ceiling)
		return kvmft_stage_refuse(stage, KVMFT_REASON_TOO_BIG);
	return 0;
}

/* Puts an entry into its place, and what it replaces back into the pool. */
static int stage_put(struct kvmft_stage *stage, unsigned long index, void *entry)
{
	unsigned long leaf = index & ~(LEAF_PAGES - 1UL);
	unsigned long first = leaf;
	bool new_leaf = false;
	struct page *page;
	void *old;

	/* Pages mostly come beside each other, so the leaf is known mostly. */
	if (!stage->count || leaf != stage->leaf) {
		new_leaf = !xa_find(&stage->pages, &first, leaf + LEAF_PAGES - 1,
				    XA_PRESENT);
		stage->leaf = leaf;
	}
	old = xa_store(&stage->pages, index, entry, GFP_KERNEL | __GFP_NOWARN);
	if (xa_is_err(old))
		return xa_err(old);

	if (old) {
		stage->sum -= entry_term(index, old);
		stage->count--;
		stage->data_count -= is_data(old);
		if (!xa_is_value(old)) {
			page = old;
			kvmft_pool_put(&stage->pool, &page, 1);
			stage->charged -= KVMFT_WIRE_PAGE_SIZE;
		}
	}
	stage->data_count += is_data(entry);
	if (new_leaf && !stage->full)
		stage->charged += KVMFT_STAGE_LEAF;
	if (!xa_is_value(entry))
		stage->charged += KVMFT_WIRE_PAGE_SIZE;
	stage->count++;
	stage->sum += entry_term(index, entry);
	return 0;
}

static u32 page_crc(struct page *page, u32 len)
{
	return ~crc32c(~0U, page_address(page), len);
}

/**
 * kvmft_stage_add() - stage the pages of one frame
 * @stage: the stage, after kvmft_stage_check()
 * @body: body of the frame, which kvmft_wire_get_pages() accepted
 * @runs: its runs
 * @pages: pages from the stage's pool, with the bulk in them; they are the
 *	stage's from now on
 * @count: how many
 *
 * Return: 0, or the reason why the epoch is thrown away
 */
enum kvmft_reason kvmft_stage_add(struct kvmft_stage *stage, const u8 *body,
				  u32 runs, struct page **pages, u32 count)
{
	enum kvmft_reason reason = 0;
	struct kvmft_wire_run run;
	u32 taken = 0;
	u32 i, n;

	for (i = 0; i < runs; i++) {
		unsigned long index;

		kvmft_wire_get_run(body, i, &run);
		index = place_index(run.region, run.offset);

		for (n = 0; n < run.pages; n++, index++) {
			void *entry = zero_entry();

			if (!(run.flags & KVMFT_WIRE_RUN_ZERO)) {
				set_page_private(pages[taken],
						 page_crc(pages[taken],
							  KVMFT_WIRE_PAGE_SIZE));
				entry = pages[taken];
			}
			if (stage_put(stage, index, entry)) {
				reason = KVMFT_REASON_MEMORY;
				goto refuse;
			}
			if (entry != zero_entry())
				taken++;
			if (stage->charged > stage->ceiling) {
				reason = KVMFT_REASON_TOO_BIG;
				goto refuse;
			}
			if (!(n % 1024))
				cond_resched();
		}
		cond_resched();
	}
	return 0;

refuse:
	kvmft_pool_put(&stage->pool, pages + taken, count - taken);
	return kvmft_stage_refuse(stage, reason);
}

/**
 * kvmft_stage_place() - put the pages of one frame of a full copy to their place
 * @stage: the stage, after kvmft_stage_check()
 * @body: body of the frame, which kvmft_wire_get_pages() accepted
 * @runs: its runs
 * @pages: pages from the stage's pool, with the bulk in them; they are back in the
 *	pool afterwards
 * @count: how many
 * @place: gets each page
 * @context: passed on to @place
 *
 * Return: 0, or the reason why the epoch is thrown away
 */
enum kvmft_reason kvmft_stage_place(struct kvmft_stage *stage, const u8 *body,
				    u32 runs, struct page **pages, u32 count,
				    kvmft_stage_place_fn place, void *context)
{
	enum kvmft_reason reason = 0;
	struct kvmft_wire_run run;
	u32 taken = 0;
	u32 i, n;

	for (i = 0; i < runs && !reason; i++) {
		unsigned long index;

		kvmft_wire_get_run(body, i, &run);
		index = place_index(run.region, run.offset);
		for (n = 0; n < run.pages && !reason; n++, index++) {
			struct page *page = run.flags & KVMFT_WIRE_RUN_ZERO ?
					    NULL : pages[taken++];
			void *entry = page ? sum_entry(page_crc(page, KVMFT_WIRE_PAGE_SIZE)) :
					     zero_entry();

			reason = place(context, run.region,
				       run.offset + ((u64)n << KVMFT_WIRE_PAGE_SHIFT), page);
			if (!reason && stage_put(stage, index, entry))
				reason = KVMFT_REASON_MEMORY;
			if (!(n % 64))
				cond_resched();
		}
	}
	kvmft_pool_put(&stage->pool, pages, count);
	return reason ? kvmft_stage_refuse(stage, reason) : 0;
}

/**
 * kvmft_stage_add_state() - stage a piece of the state
 * @stage: the stage, after kvmft_stage_check()
 * @state: what kvmft_wire_get_state() accepted
 * @pages: pages from the stage's pool, with the piece in them; they are the
 *	stage's from now on
 * @len: bytes of the piece, at least one
 *
 * Return: 0, or the reason why the epoch is thrown away
 */
enum kvmft_reason kvmft_stage_add_state(struct kvmft_stage *stage,
					const struct kvmft_wire_state *state,
					struct page **pages, u32 len)
{
	u32 count = DIV_ROUND_UP(len, KVMFT_WIRE_PAGE_SIZE);
	enum kvmft_reason reason = KVMFT_REASON_PROTOCOL;
	unsigned long index = state->offset >> KVMFT_WIRE_PAGE_SHIFT;
	u32 taken = 0;

	if (state->offset != stage->state_got ||
	    (stage->state_got && state->total != stage->state_total))
		goto refuse;

	stage->charged += (u64)count * KVMFT_WIRE_PAGE_SIZE;
	reason = KVMFT_REASON_TOO_BIG;
	if (stage->charged > stage->ceiling)
		goto refuse;

	reason = KVMFT_REASON_MEMORY;
	for (; taken < count; taken++) {
		u32 part = min(len, KVMFT_WIRE_PAGE_SIZE);

		if (xa_err(xa_store(&stage->state, index + taken, pages[taken],
				    GFP_KERNEL | __GFP_NOWARN)))
			goto refuse;
		stage->state_crc = ~crc32c(~stage->state_crc,
					   page_address(pages[taken]), part);
		stage->state_got += part;
		len -= part;
	}
	stage->state_total = state->total;
	return 0;

refuse:
	kvmft_pool_put(&stage->pool, pages + taken, count - taken);
	return kvmft_stage_refuse(stage, reason);
}

/**
 * kvmft_stage_verify() - is the epoch what it must be?
 * @stage: the stage
 * @generation: of the frame
 * @epoch: of the frame
 * @commit: what the epoch must hold
 *
 * Return: 0, after which kvmft_stage_commit() may be called; or the reason why the
 * epoch is thrown away
 */
enum kvmft_reason kvmft_stage_verify(struct kvmft_stage *stage, u64 generation,
				     u64 epoch,
				     const struct kvmft_wire_commit *commit)
{
	enum kvmft_reason reason;

	reason = kvmft_stage_check(stage, generation, epoch, 0);
	if (reason)
		return reason;

	if (commit->pages != stage->count ||
	    commit->bytes != stage->data_count << KVMFT_WIRE_PAGE_SHIFT ||
	    commit->sum != stage->sum ||
	    commit->state_bytes != stage->state_got ||
	    commit->state_bytes != stage->state_total ||
	    commit->state_crc != stage->state_crc)
		return kvmft_stage_refuse(stage, KVMFT_REASON_MISMATCH);
	return 0;
}

/**
 * kvmft_stage_commit() - make the epoch committed
 * @stage: the stage, after kvmft_stage_verify()
 *
 * After this, kvmft_stage_apply() is to be called before anything else.
 *
 * Context: any
 */
void kvmft_stage_commit(struct kvmft_stage *stage)
{
	stage->committed_generation = stage->generation;
	stage->committed_epoch = stage->epoch;
	stage->phase = KVMFT_STAGE_COMMITTED;
}

/**
 * kvmft_stage_walk() - look at where the pages of an epoch belong
 * @stage: the stage
 * @walk: sees each page once, in the order of region and offset
 * @context: passed on to @walk
 *
 * Return: what @walk returned last, 0 if there was nothing to see
 */
int kvmft_stage_walk(struct kvmft_stage *stage, kvmft_stage_walk_fn walk,
		     void *context)
{
	unsigned long index;
	void *entry;
	int err;

	xa_for_each(&stage->pages, index, entry) {
		err = walk(context, index_region(index), index_offset(index));
		if (err)
			return err;
		cond_resched();
	}
	return 0;
}

/**
 * kvmft_stage_apply() - hand a committed epoch's pages over
 * @stage: the stage, after kvmft_stage_commit(); ready for the next epoch on return
 * @apply: gets each page once, in the order of region and offset
 * @context: passed on to @apply
 */
void kvmft_stage_apply(struct kvmft_stage *stage, kvmft_stage_apply_fn apply,
		       void *context)
{
	unsigned long index;
	void *entry;

	if (WARN_ON_ONCE(stage->phase != KVMFT_STAGE_COMMITTED))
		return;

	/* What a full copy has is at its place. */
	if (stage->full) {
		kvmft_stage_drop(stage);
		return;
	}
	xa_for_each(&stage->pages, index, entry) {
		struct page *page = xa_is_value(entry) ? NULL : entry;

		page = apply(context, index_region(index), index_offset(index),
			     page);
		if (page)
			kvmft_pool_put(&stage->pool, &page, 1);
		cond_resched();
	}
	xa_destroy(&stage->pages);
	kvmft_stage_drop(stage);
}
