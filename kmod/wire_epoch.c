// SPDX-License-Identifier: GPL-2.0
#include <linux/kernel.h>

#include "compat.h"
#include "wire.h"

/**
 * kvmft_wire_put_begin() - encode BEGIN
 * @to: KVMFT_WIRE_BEGIN_LEN bytes
 * @begin: what to encode
 *
 * Return: length of the body
 */
size_t kvmft_wire_put_begin(u8 *to, const struct kvmft_wire_begin *begin)
{
	put_unaligned_le32(begin->flags, to);
	put_unaligned_le32(0, to + 4);
	put_unaligned_le64(begin->stamp, to + 8);
	return KVMFT_WIRE_BEGIN_LEN;
}

/**
 * kvmft_wire_get_begin() - decode BEGIN
 * @from: the body
 * @len: its length
 * @begin: result
 *
 * Return: 0 or the reason why it is none
 */
enum kvmft_reason kvmft_wire_get_begin(const u8 *from, u32 len,
				       struct kvmft_wire_begin *begin)
{
	if (len != KVMFT_WIRE_BEGIN_LEN)
		return KVMFT_REASON_LIMIT;
	begin->flags = get_unaligned_le32(from);
	begin->stamp = get_unaligned_le64(from + 8);
	if (get_unaligned_le32(from + 4) ||
	    (begin->flags && begin->flags != KVMFT_WIRE_BEGIN_FULL &&
	     begin->flags != KVMFT_WIRE_BEGIN_FOLLOWS))
		return KVMFT_REASON_PROTOCOL;
	return 0;
}

/**
 * kvmft_wire_put_pages() - encode the beginning of PAGES
 * @to: KVMFT_WIRE_PAGES_HEAD bytes, and KVMFT_WIRE_RUN_LEN for each run
 * @runs: runs that kvmft_wire_put_run() is to add
 *
 * Return: length of the whole body
 */
size_t kvmft_wire_put_pages(u8 *to, u32 runs)
{
	put_unaligned_le32(runs, to);
	put_unaligned_le32(0, to + 4);
	return KVMFT_WIRE_PAGES_HEAD + (size_t)runs * KVMFT_WIRE_RUN_LEN;
}

/**
 * kvmft_wire_put_run() - encode one run of PAGES
 * @to: the body
 * @index: which one
 * @run: what to encode
 *
 * Return: length of the run
 */
size_t kvmft_wire_put_run(u8 *to, u32 index, const struct kvmft_wire_run *run)
{
	to += KVMFT_WIRE_PAGES_HEAD + (size_t)index * KVMFT_WIRE_RUN_LEN;
	put_unaligned_le32(run->region, to);
	put_unaligned_le16(run->pages, to + 4);
	put_unaligned_le16(run->flags, to + 6);
	put_unaligned_le64(run->offset, to + 8);
	return KVMFT_WIRE_RUN_LEN;
}

/**
 * kvmft_wire_get_run() - decode one run of PAGES
 * @from: a body
 * @index: which one, below the number of runs
 * @run: result
 */
void kvmft_wire_get_run(const u8 *from, u32 index, struct kvmft_wire_run *run)
{
	from += KVMFT_WIRE_PAGES_HEAD + (size_t)index * KVMFT_WIRE_RUN_LEN;
	run->region = get_unaligned_le32(from);
	run->pages = get_unaligned_le16(from + 4);
	run->flags = get_unaligned_le16(from + 6);
	run->offset = get_unaligned_le64(from + 8);
}

/**
 * kvmft_wire_get_pages() - check PAGES
 * @from: the body
 * @len: its length
 * @bulk: bytes of bulk that its header names
 * @pages: result; whether what is packed is what it says, kvmft_pack_open() finds out
 *
 * Return: 0 or the reason why it is none
 */
enum kvmft_reason kvmft_wire_get_pages(const u8 *from, u32 len, u32 bulk,
				       struct kvmft_wire_pages *pages)
{
	struct kvmft_wire_run run;
	u32 count = 0;
	u32 i, whole;

	if (len < KVMFT_WIRE_PAGES_HEAD)
		return KVMFT_REASON_LIMIT;
	*pages = (struct kvmft_wire_pages){ .runs = get_unaligned_le32(from) };
	if (!pages->runs || pages->runs > KVMFT_WIRE_RUNS_MAX)
		return KVMFT_REASON_LIMIT;
	if (get_unaligned_le32(from + 4) ||
	    len != KVMFT_WIRE_PAGES_HEAD + pages->runs * KVMFT_WIRE_RUN_LEN)
		return KVMFT_REASON_PROTOCOL;

	for (i = 0; i < pages->runs; i++) {
		u64 size;

		kvmft_wire_get_run(from, i, &run);
		size = (u64)run.pages << KVMFT_WIRE_PAGE_SHIFT;
		if (!run.pages || run.region > KVMFT_WIRE_REGION_MAX ||
		    run.flags > KVMFT_WIRE_RUN_LZ4 ||
		    run.offset & (KVMFT_WIRE_PAGE_SIZE - 1) ||
		    run.offset >= KVMFT_WIRE_OFFSET_MAX ||
		    size > KVMFT_WIRE_OFFSET_MAX - run.offset)
			return KVMFT_REASON_PROTOCOL;
		if (!run.flags)
			pages->whole += run.pages;
		if (run.flags == KVMFT_WIRE_RUN_LZ4)
			pages->packed += run.pages;
		count += run.pages;
	}
	if (pages->whole + pages->packed > KVMFT_WIRE_DATA_PAGES_MAX ||
	    count > KVMFT_WIRE_FRAME_PAGES_MAX || bulk > KVMFT_WIRE_BULK_MAX)
		return KVMFT_REASON_LIMIT;
	whole = pages->whole << KVMFT_WIRE_PAGE_SHIFT;
	if (!pages->packed)
		return bulk == whole ? 0 : KVMFT_REASON_PROTOCOL;
	/* Each has its length, at least a byte, and less than a page. */
	if (bulk < whole || bulk - whole < pages->packed * (KVMFT_WIRE_PACKED_HEAD + 1) ||
	    bulk - whole > pages->packed * (KVMFT_WIRE_PACKED_HEAD + KVMFT_WIRE_PAGE_SIZE - 1))
		return KVMFT_REASON_PROTOCOL;
	return 0;
}

/**
 * kvmft_wire_put_staged() - encode STAGED
 * @to: KVMFT_WIRE_STAGED_LEN bytes
 * @sequence: the frame of the data connection up to which all is staged
 *
 * Return: length of the body
 */
size_t kvmft_wire_put_staged(u8 *to, u64 sequence)
{
	put_unaligned_le64(sequence, to);
	return KVMFT_WIRE_STAGED_LEN;
}

/**
 * kvmft_wire_get_staged() - decode STAGED
 * @from: the body
 * @len: its length
 * @sequence: result
 *
 * Return: 0 or the reason why it is none
 */
enum kvmft_reason kvmft_wire_get_staged(const u8 *from, u32 len, u64 *sequence)
{
	if (len != KVMFT_WIRE_STAGED_LEN)
		return KVMFT_REASON_LIMIT;
	*sequence = get_unaligned_le64(from);
	return 0;
}

/**
 * kvmft_wire_put_state() - encode STATE
 * @to: KVMFT_WIRE_STATE_LEN bytes
 * @state: what to encode
 *
 * Return: length of the body
 */
size_t kvmft_wire_put_state(u8 *to, const struct kvmft_wire_state *state)
{
	put_unaligned_le64(state->offset, to);
	put_unaligned_le64(state->total, to + 8);
	return KVMFT_WIRE_STATE_LEN;
}

/**
 * kvmft_wire_get_state() - decode STATE
 * @from: the body
 * @len: its length
 * @bulk: bytes of bulk that its header names: the piece
 * @state: result; the piece is within its total
 *
 * Return: 0 or the reason why it is none
 */
enum kvmft_reason kvmft_wire_get_state(const u8 *from, u32 len, u32 bulk,
				       struct kvmft_wire_state *state)
{
	if (len != KVMFT_WIRE_STATE_LEN || !bulk || bulk > KVMFT_WIRE_BULK_MAX)
		return KVMFT_REASON_LIMIT;
	state->offset = get_unaligned_le64(from);
	state->total = get_unaligned_le64(from + 8);
	if (state->total > KVMFT_WIRE_STATE_MAX)
		return KVMFT_REASON_LIMIT;
	if (state->offset > state->total || bulk > state->total - state->offset)
		return KVMFT_REASON_PROTOCOL;
	/* Pieces are whole pages, but for the end of the last one. */
	if (state->offset & (KVMFT_WIRE_PAGE_SIZE - 1) ||
	    (bulk & (KVMFT_WIRE_PAGE_SIZE - 1) &&
	     bulk != state->total - state->offset))
		return KVMFT_REASON_PROTOCOL;
	return 0;
}

/**
 * kvmft_wire_put_commit() - encode COMMIT
 * @to: KVMFT_WIRE_COMMIT_LEN bytes
 * @commit: what to encode
 *
 * Return: length of the body
 */
size_t kvmft_wire_put_commit(u8 *to, const struct kvmft_wire_commit *commit)
{
	put_unaligned_le64(commit->pages, to);
	put_unaligned_le64(commit->bytes, to + 8);
	put_unaligned_le64(commit->sum, to + 16);
	put_unaligned_le64(commit->state_bytes, to + 24);
	put_unaligned_le32(commit->state_crc, to + 32);
	put_unaligned_le32(0, to + 36);
	put_unaligned_le64(commit->stamp, to + 40);
	return KVMFT_WIRE_COMMIT_LEN;
}

/**
 * kvmft_wire_get_commit() - decode COMMIT
 * @from: the body
 * @len: its length
 * @commit: result
 *
 * Return: 0 or the reason why it is none
 */
enum kvmft_reason kvmft_wire_get_commit(const u8 *from, u32 len,
					struct kvmft_wire_commit *commit)
{
	if (len != KVMFT_WIRE_COMMIT_LEN)
		return KVMFT_REASON_LIMIT;
	commit->pages = get_unaligned_le64(from);
	commit->bytes = get_unaligned_le64(from + 8);
	commit->sum = get_unaligned_le64(from + 16);
	commit->state_bytes = get_unaligned_le64(from + 24);
	commit->state_crc = get_unaligned_le32(from + 32);
	commit->stamp = get_unaligned_le64(from + 40);
	return get_unaligned_le32(from + 36) ? KVMFT_REASON_PROTOCOL : 0;
}

/**
 * kvmft_wire_put_ack() - encode ACK
 * @to: KVMFT_WIRE_ACK_LEN bytes
 * @ack: what to encode
 *
 * Return: length of the body
 */
size_t kvmft_wire_put_ack(u8 *to, const struct kvmft_wire_ack *ack)
{
	put_unaligned_le64(ack->stamp, to);
	put_unaligned_le64(ack->lease, to + 8);
	return KVMFT_WIRE_ACK_LEN;
}

/**
 * kvmft_wire_get_ack() - decode ACK
 * @from: the body
 * @len: its length
 * @ack: result
 *
 * Return: 0 or the reason why it is none
 */
enum kvmft_reason kvmft_wire_get_ack(const u8 *from, u32 len,
				     struct kvmft_wire_ack *ack)
{
	if (len != KVMFT_WIRE_ACK_LEN)
		return KVMFT_REASON_LIMIT;
	ack->stamp = get_unaligned_le64(from);
	ack->lease = get_unaligned_le64(from + 8);
	return 0;
}
