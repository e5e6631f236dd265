/* SPDX-License-Identifier: GPL-2.0 */
/*
 * stream: sends an epoch to the standby.
 *
 * Contract: belongs to the thread of a source's channel, and lives as long as its
 * data connection does. Pages are gathered into frames and go by reference: each must
 * stay what it is until the epoch is acknowledged, or be sent again before the commit.
 * The stream holds no references of its own beyond what the socket takes. When any
 * of the functions fails, the verdict says why, and the epoch is lost; whether the
 * connection is too is in kvmft_stream_broken().
 */
#ifndef _KVMFT_STREAM_H
#define _KVMFT_STREAM_H

#include <linux/bvec.h>
#include <linux/xarray.h>

#include "channel.h"
#include "conn.h"
#include "pack.h"
#include "reason.h"
#include "wire.h"

#define KVMFT_STREAM_BATCH KVMFT_WIRE_DATA_PAGES_MAX

/* How often to look at a connection while an answer is waited for, in jiffies. */
#define KVMFT_STREAM_LOOK (HZ / 10UL)

/**
 * enum kvmft_send_how - how a stream sends pages that aren't packed
 * @KVMFT_SEND_BY_REFERENCE: They aren't copied.
 * @KVMFT_SEND_COPIES: They are.
 */
enum kvmft_send_how {
	KVMFT_SEND_BY_REFERENCE,
	KVMFT_SEND_COPIES,
};

/**
 * struct kvmft_sent - an epoch whose COMMIT was sent
 * @generation: Of the epoch.
 * @epoch: Its number; 0 for none.
 * @pages: How many it had.
 * @at: When that was, CLOCK_MONOTONIC in ns.
 */
struct kvmft_sent {
	u64 generation;
	u64 epoch;
	u64 pages;
	u64 at;
};

/**
 * struct kvmft_stream - epochs on one data connection
 * @channel: The guest.
 * @conn: Its data connection.
 * @how: By reference, or for comparison as copies.
 * @broken: Nothing can be sent any more.
 * @ending: The rest of the epoch follows without a pause, up to COMMIT; so packets are
 *	filled.
 * @generation: Of the epoch.
 * @epoch: Its number.
 * @follows: The one before wasn't answered when this one began.
 * @verdict: Why it failed.
 * @sent: CRC32C of the last version of each page, by region and offset; that it was
 *	zero is another kind of value.
 * @pages: Entries of @sent.
 * @data_pages: Those that weren't zero.
 * @sum: As in COMMIT.
 * @state_bytes: Bytes of state that were sent.
 * @state_crc: CRC32C of them.
 * @runs: Runs of the frame that is being gathered.
 * @batch: Its pages.
 * @last: Its last run.
 * @frame_pages: Its pages, with those that are zero.
 * @bulk: The pages themselves.
 * @body: Its body.
 * @sequence: Number of the frame that was sent last.
 * @pack: Makes pages smaller; NULL if that isn't wanted.
 * @pack_again: jiffies from when on it is worth trying to have one.
 * @packed: Pages of the frame that are in there.
 * @packed_pages: Pages that were ever sent so.
 * @page_bytes: Bytes that pages ever took.
 */
struct kvmft_stream {
	struct kvmft_channel *channel;
	struct kvmft_conn *conn;
	enum kvmft_send_how how;
	bool broken;
	bool ending;
	u64 generation;
	u64 epoch;
	bool follows;
	struct kvmft_verdict verdict;

	struct xarray sent;
	u64 pages;
	u64 data_pages;
	u64 sum;
	u64 state_bytes;
	u32 state_crc;

	u32 runs;
	u32 batch;
	struct kvmft_wire_run last;
	u32 frame_pages;
	/* What is packed needs at most one more than there would be pages. */
	struct bio_vec bulk[KVMFT_STREAM_BATCH + 1];
	u8 body[KVMFT_WIRE_PAGES_HEAD + KVMFT_WIRE_RUNS_MAX * KVMFT_WIRE_RUN_LEN];
	u64 sequence;

	struct kvmft_pack *pack;
	unsigned long pack_again;
	u32 packed;
	u64 packed_pages;
	u64 page_bytes;
};

struct kvmft_stream *kvmft_stream_alloc(struct kvmft_channel *channel,
					struct kvmft_conn *conn);
void kvmft_stream_free(struct kvmft_stream *stream);
void kvmft_stream_compress(struct kvmft_stream *stream, bool wanted);

void kvmft_stream_reset(struct kvmft_stream *stream, u64 generation, u64 epoch);
int kvmft_stream_begin(struct kvmft_stream *stream, u32 flags);
bool kvmft_stream_has(struct kvmft_stream *stream, u32 region, u64 offset);
int kvmft_stream_page(struct kvmft_stream *stream, u32 region, u64 offset,
		      struct page *page);
int kvmft_stream_flush(struct kvmft_stream *stream);
int kvmft_stream_settle(struct kvmft_stream *stream);
int kvmft_stream_state(struct kvmft_stream *stream, struct page **pages, u64 len);
void kvmft_stream_totals(struct kvmft_stream *stream,
			 struct kvmft_wire_commit *commit);
int kvmft_stream_commit(struct kvmft_stream *stream, struct kvmft_wire_commit *commit,
			struct kvmft_sent *sent);
int kvmft_stream_answer(struct kvmft_stream *stream, const struct kvmft_sent *sent);
bool kvmft_stream_is_answered(struct kvmft_stream *stream, const struct kvmft_sent *sent);
int kvmft_stream_wait(struct kvmft_stream *stream, const struct kvmft_sent *sent);
void kvmft_stream_abort(struct kvmft_stream *stream, u32 reason);

#endif /* _KVMFT_STREAM_H */
