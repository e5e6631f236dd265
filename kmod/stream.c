// SPDX-License-Identifier: GPL-2.0
#include <linux/crc32c.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/vmalloc.h>

#include "compat.h"
#include "fault.h"
#include "stream.h"
#include "trace.h"

/*
 * A standby that is alive and doesn't answer for this long has lost the epoch: the
 * largest one that fits takes seconds.
 */
#define ACK_TIMEOUT (30ULL * NSEC_PER_SEC)

/* Without memory to pack pages it is tried again after this. */
#define PACK_PAUSE HZ

/* Values in the list of what was sent: a CRC32C, or that the page was zero. */
#define SENT_ZERO BIT(32)

#define ZERO_CRC 0x98f94189U

/**
 * kvmft_stream_alloc() - get ready to send epochs
 * @channel: the guest
 * @conn: its data connection
 *
 * Return: the stream, or NULL without memory
 */
struct kvmft_stream *kvmft_stream_alloc(struct kvmft_channel *channel,
					struct kvmft_conn *conn)
{
	struct kvmft_stream *stream;

	if (kvmft_fault(KVMFT_FAULT_STREAM_ALLOC))
		return NULL;
	stream = kvzalloc(sizeof(*stream), GFP_KERNEL);
	if (!stream)
		return NULL;
	stream->channel = channel;
	stream->conn = conn;
	stream->pack_again = jiffies;
	xa_init(&stream->sent);
	return stream;
}

/**
 * kvmft_stream_free() - undo kvmft_stream_alloc()
 * @stream: what that returned, or NULL
 */
void kvmft_stream_free(struct kvmft_stream *stream)
{
	if (!stream)
		return;
	kvmft_pack_free(stream->pack);
	xa_destroy(&stream->sent);
	kvfree(stream);
}

/**
 * kvmft_stream_compress() - make pages smaller from now on, or don't
 * @stream: the stream
 * @wanted: whether
 *
 * Without the memory for that, for a while, or if the other end can't make them whole
 * again, they go as they are.
 */
void kvmft_stream_compress(struct kvmft_stream *stream, bool wanted)
{
	wanted &= !!(stream->conn->features & KVMFT_WIRE_FEATURE_LZ4);
	if (wanted == !!stream->pack || stream->packed)
		return;
	if (wanted) {
		if (time_before(jiffies, stream->pack_again))
			return;
		stream->pack = kvmft_pack_alloc();
		if (!stream->pack)
			stream->pack_again = jiffies + PACK_PAUSE;
	} else {
		kvmft_pack_free(stream->pack);
		stream->pack = NULL;
	}
}

/* The connection has failed, and the epoch with it. */
static int stream_break(struct kvmft_stream *stream)
{
	stream->broken = true;
	kvmft_conn_verdict(stream->conn, &stream->verdict);
	if (!stream->verdict.reason)
		kvmft_judge(&stream->verdict, KVMFT_REASON_CLOSED);
	return -ECONNABORTED;
}

/* Did the other end throw this epoch away, or the one before? Then the rest needn't be sent. */
static int stream_check(struct kvmft_stream *stream)
{
	struct kvmft_outcome outcome;

	kvmft_channel_outcome(stream->channel, &outcome);
	if (outcome.aborted_generation != stream->generation ||
	    (outcome.aborted_epoch != stream->epoch &&
	     (!stream->follows || outcome.aborted_epoch != stream->epoch - 1)))
		return 0;
	stream->verdict = outcome.aborted;
	return -ECANCELED;
}

/* The first @bulk_len bytes of the stream's bulk; @copied more of them as copies. */
static int stream_send_bulk(struct kvmft_stream *stream, u8 type, u8 flags, const u8 *body,
			    u32 len, u32 count, u32 bulk_len, u32 copied, bool more)
{
	u32 referenced = stream->how == KVMFT_SEND_COPIES ? 0 : bulk_len;
	struct kvmft_wire_header header = {
		.type = type,
		.flags = flags,
		.body = len,
		.bulk = bulk_len + copied,
		.vm = stream->conn->vm,
		.generation = stream->generation,
		.epoch = stream->epoch,
	};

	if (kvmft_conn_send_pages(stream->conn, &header, body, stream->bulk, count,
				  referenced, more))
		return stream_break(stream);
	stream->sequence = header.sequence;
	return 0;
}

static int stream_send(struct kvmft_stream *stream, u8 type, const u8 *body, u32 len,
		       bool more)
{
	return stream_send_bulk(stream, type, 0, body, len, 0, 0, 0, more);
}

static void empty_pack(struct kvmft_stream *stream)
{
	stream->packed = 0;
	if (stream->pack)
		kvmft_pack_empty(stream->pack);
}

/**
 * kvmft_stream_reset() - forget the epoch before
 * @stream: the stream
 * @generation: the guest's
 * @epoch: number of the next epoch
 */
void kvmft_stream_reset(struct kvmft_stream *stream, u64 generation, u64 epoch)
{
	xa_destroy(&stream->sent);
	memset(&stream->verdict, 0, sizeof(stream->verdict));
	stream->generation = generation;
	stream->epoch = epoch;
	stream->follows = false;
	stream->ending = false;
	stream->pages = 0;
	stream->data_pages = 0;
	stream->sum = 0;
	stream->state_bytes = 0;
	stream->state_crc = 0;
	stream->runs = 0;
	stream->batch = 0;
	stream->frame_pages = 0;
	empty_pack(stream);
}

/**
 * kvmft_stream_begin() - begin an epoch
 * @stream: the stream, after kvmft_stream_reset()
 * @flags: KVMFT_WIRE_BEGIN_FULL, KVMFT_WIRE_BEGIN_FOLLOWS or 0
 *
 * Return: 0 or a negative errno
 */
int kvmft_stream_begin(struct kvmft_stream *stream, u32 flags)
{
	struct kvmft_wire_begin begin = {
		.flags = flags,
		.stamp = ktime_get_boottime_ns(),
	};
	u8 body[KVMFT_WIRE_BEGIN_LEN];

	trace_kvmft_epoch_begin(stream->channel->name, stream->generation,
				stream->epoch, 0, 0);
	stream->follows = flags & KVMFT_WIRE_BEGIN_FOLLOWS;
	kvmft_wire_put_begin(body, &begin);
	return stream_send(stream, KVMFT_WIRE_BEGIN, body, sizeof(body), true);
}

static unsigned long sent_index(u32 region, u64 offset)
{
	return (unsigned long)region << 40 | offset >> KVMFT_WIRE_PAGE_SHIFT;
}

/**
 * kvmft_stream_has() - was this page sent in this epoch?
 * @stream: the stream
 * @region: RAM region
 * @offset: byte offset in it
 *
 * Return: whether
 */
bool kvmft_stream_has(struct kvmft_stream *stream, u32 region, u64 offset)
{
	return xa_load(&stream->sent, sent_index(region, offset));
}

/* Counts a page, instead of the version of it that was sent before. */
static int stream_count(struct kvmft_stream *stream, u32 region, u64 offset,
			struct page *page)
{
	unsigned long index = sent_index(region, offset);
	u32 crc = ZERO_CRC;
	void *old;

	if (page)
		crc = ~crc32c(~0U, page_address(page), KVMFT_WIRE_PAGE_SIZE);

	old = xa_store(&stream->sent, index,
		       xa_mk_value(page ? crc : SENT_ZERO),
		       GFP_KERNEL | __GFP_NOWARN);
	if (xa_is_err(old)) {
		kvmft_judge(&stream->verdict, KVMFT_REASON_MEMORY);
		return xa_err(old);
	}
	if (old) {
		unsigned long was = xa_to_value(old);

		stream->sum -= kvmft_wire_page_term(region, offset,
						    was == SENT_ZERO ?
						    ZERO_CRC : (u32)was);
		stream->pages--;
		if (was != SENT_ZERO)
			stream->data_pages--;
	}
	stream->sum += kvmft_wire_page_term(region, offset, crc);
	stream->pages++;
	if (page)
		stream->data_pages++;
	return 0;
}

/* Adds what is in a page to the frame's bulk; the flags of its run. */
static u16 put_page_data(struct kvmft_stream *stream, struct page *page)
{
	if (!page)
		return KVMFT_WIRE_RUN_ZERO;
	if (stream->pack && kvmft_pack_add(stream->pack, page_address(page))) {
		stream->packed++;
		return KVMFT_WIRE_RUN_LZ4;
	}
	bvec_set_page(&stream->bulk[stream->batch++], page, KVMFT_WIRE_PAGE_SIZE, 0);
	return 0;
}

/* Adds a page to the last run of the frame, or begins another one. */
static void stream_gather(struct kvmft_stream *stream, u32 region, u64 offset,
			  struct page *page)
{
	struct kvmft_wire_run *last = &stream->last;
	u16 flags = put_page_data(stream, page);
	u64 end = last->offset + ((u64)last->pages << KVMFT_WIRE_PAGE_SHIFT);

	if (stream->runs && last->region == region && last->flags == flags &&
	    end == offset && last->pages < U16_MAX) {
		last->pages++;
	} else {
		*last = (struct kvmft_wire_run){
			.region = region,
			.pages = 1,
			.flags = flags,
			.offset = offset,
		};
		stream->runs++;
	}
	kvmft_wire_put_run(stream->body, stream->runs - 1, last);
	stream->frame_pages++;
}

/**
 * kvmft_stream_page() - send a page, soon
 * @stream: the stream
 * @region: RAM region
 * @offset: byte offset in it
 * @page: the page, or NULL if it is all zero
 *
 * What is gathered leaves by itself when a frame is full, and at the latest by
 * kvmft_stream_flush() or kvmft_stream_commit().
 *
 * Return: 0 or a negative errno
 */
int kvmft_stream_page(struct kvmft_stream *stream, u32 region, u64 offset,
		      struct page *page)
{
	int err;

	/* Nobody may ever do this: it is what the tests must notice. */
	if (kvmft_fault(KVMFT_FAULT_DROP_PAGE))
		return 0;
	if (stream->batch + stream->packed == KVMFT_STREAM_BATCH ||
	    stream->runs == KVMFT_WIRE_RUNS_MAX ||
	    stream->frame_pages == KVMFT_WIRE_FRAME_PAGES_MAX) {
		err = kvmft_stream_flush(stream);
		if (err)
			return err;
	}

	err = stream_count(stream, region, offset, page);
	if (err)
		return err;
	stream_gather(stream, region, offset, page);
	return 0;
}

/* What is packed comes last; all parts of the bulk are the result. */
static u32 list_packed(struct kvmft_stream *stream, u32 len)
{
	u32 count = stream->batch;
	u32 at;

	for (at = 0; at < len; at += KVMFT_WIRE_PAGE_SIZE)
		bvec_set_page(&stream->bulk[count++], vmalloc_to_page(stream->pack->data + at),
			      min(len - at, KVMFT_WIRE_PAGE_SIZE), 0);
	return count;
}

static int stream_flush(struct kvmft_stream *stream, u8 flags)
{
	u32 len, whole, packed, count;
	int err;

	err = stream_check(stream);
	if (err || !stream->runs)
		return err;

	len = kvmft_wire_put_pages(stream->body, stream->runs);
	whole = stream->batch << KVMFT_WIRE_PAGE_SHIFT;
	packed = stream->packed ? stream->pack->len : 0;
	count = list_packed(stream, packed);
	stream->packed_pages += stream->packed;
	stream->page_bytes += whole + packed;
	stream->runs = 0;
	stream->batch = 0;
	stream->frame_pages = 0;
	err = stream_send_bulk(stream, KVMFT_WIRE_PAGES, flags, stream->body, len, count,
			       whole, packed, stream->ending && !flags);
	empty_pack(stream);
	cond_resched();
	return err;
}

/**
 * kvmft_stream_flush() - send what is gathered
 * @stream: the stream
 *
 * Return: 0 or a negative errno
 */
int kvmft_stream_flush(struct kvmft_stream *stream)
{
	return stream_flush(stream, 0);
}

/**
 * kvmft_stream_state() - send the guest's state
 * @stream: the stream
 * @pages: what holds it
 * @len: bytes
 *
 * Return: 0 or a negative errno
 */
int kvmft_stream_state(struct kvmft_stream *stream, struct page **pages, u64 len)
{
	struct kvmft_wire_state state = { .total = len };
	u8 body[KVMFT_WIRE_STATE_LEN];
	int err;

	err = kvmft_stream_flush(stream);
	while (!err && state.offset < len) {
		u32 piece = min_t(u64, len - state.offset, KVMFT_WIRE_BULK_MAX);
		u32 count = 0;
		u32 at;

		for (at = 0; at < piece; at += KVMFT_WIRE_PAGE_SIZE, count++) {
			struct page *page = pages[(state.offset + at) >>
						  KVMFT_WIRE_PAGE_SHIFT];
			u32 part = min(piece - at, KVMFT_WIRE_PAGE_SIZE);

			stream->state_crc = ~crc32c(~stream->state_crc,
						    page_address(page), part);
			bvec_set_page(&stream->bulk[count], page, part, 0);
		}
		kvmft_wire_put_state(body, &state);
		err = stream_check(stream) ?:
		      stream_send_bulk(stream, KVMFT_WIRE_STATE, 0, body, sizeof(body),
				       count, piece, 0, true);
		state.offset += piece;
	}
	stream->state_bytes = state.offset;
	return err;
}

/**
 * kvmft_stream_totals() - what the epoch holds
 * @stream: the stream
 * @commit: result
 */
void kvmft_stream_totals(struct kvmft_stream *stream,
			 struct kvmft_wire_commit *commit)
{
	commit->pages = stream->pages;
	commit->bytes = stream->data_pages << KVMFT_WIRE_PAGE_SHIFT;
	commit->sum = stream->sum;
	commit->state_bytes = stream->state_bytes;
	commit->state_crc = stream->state_crc;
	commit->stamp = ktime_get_boottime_ns();
}

/**
 * kvmft_stream_commit() - the epoch is whole
 * @stream: the stream
 * @commit: what kvmft_stream_totals() said
 * @sent: result: what kvmft_stream_wait() takes
 *
 * Return: 0 or a negative errno; kvmft_stream_wait() tells the rest
 */
int kvmft_stream_commit(struct kvmft_stream *stream, struct kvmft_wire_commit *commit,
			struct kvmft_sent *sent)
{
	u8 body[KVMFT_WIRE_COMMIT_LEN];
	int err;

	err = kvmft_stream_flush(stream);
	if (err)
		return err;

	trace_kvmft_epoch_commit(stream->channel->name, stream->generation,
				 stream->epoch, stream->pages, 0);
	kvmft_wire_put_commit(body, commit);
	*sent = (struct kvmft_sent){
		.generation = stream->generation,
		.epoch = stream->epoch,
		.pages = stream->pages,
		.at = ktime_get_ns(),
	};
	return stream_send(stream, KVMFT_WIRE_COMMIT, body, sizeof(body), false);
}

static bool is_acked(const struct kvmft_outcome *outcome, const struct kvmft_sent *sent)
{
	return outcome->acked_generation == sent->generation &&
	       outcome->acked_epoch >= sent->epoch;
}

static bool is_aborted(const struct kvmft_outcome *outcome, const struct kvmft_sent *sent)
{
	return outcome->aborted_generation == sent->generation &&
	       outcome->aborted_epoch == sent->epoch;
}

/* 0 while there is nothing to say, 1 when the epoch is committed. */
static int stream_outcome(struct kvmft_stream *stream, const struct kvmft_sent *sent)
{
	struct kvmft_channel *channel = stream->channel;
	struct kvmft_outcome outcome;
	bool got;

	kvmft_channel_outcome(channel, &outcome);
	if (is_acked(&outcome, sent))
		return 1;
	if (is_aborted(&outcome, sent)) {
		stream->verdict = outcome.aborted;
		return -ECANCELED;
	}
	if (!READ_ONCE(channel->attached) || kvmft_channel_stopping(channel))
		return stream_break(stream);
	if (kvmft_conn_broken(stream->conn)) {
		/* The sink sends nothing here but why it went. */
		kvmft_conn_receive(stream->conn, KVMFT_WIRE_DATA, 0, &got);
		return stream_break(stream);
	}
	return 0;
}

/**
 * kvmft_stream_is_answered() - is there anything new about an epoch?
 * @stream: the stream
 * @sent: what kvmft_stream_commit() said of it
 *
 * To be waited for, on the channel's queue.
 *
 * Return: whether it is acknowledged or aborted, or there will be no answer
 */
bool kvmft_stream_is_answered(struct kvmft_stream *stream, const struct kvmft_sent *sent)
{
	struct kvmft_channel *channel = stream->channel;
	struct kvmft_outcome outcome;

	kvmft_channel_outcome(channel, &outcome);
	return is_acked(&outcome, sent) || is_aborted(&outcome, sent) ||
	       !READ_ONCE(channel->attached) || kvmft_channel_stopping(channel) ||
	       READ_ONCE(stream->conn->cut);
}

/**
 * kvmft_stream_answer() - what became of an epoch?
 * @stream: the stream
 * @sent: what kvmft_stream_commit() said of it
 *
 * A lost connection leaves open which of both it is. The answer to the next
 * attachment tells.
 *
 * Return: 1 if it is committed; 0 if there is no answer yet; or a negative errno
 */
int kvmft_stream_answer(struct kvmft_stream *stream, const struct kvmft_sent *sent)
{
	int outcome = stream_outcome(stream, sent);

	if (outcome > 0) {
		trace_kvmft_epoch_ack(stream->channel->name, sent->generation,
				      sent->epoch, sent->pages, 0);
		return outcome;
	}
	if (!outcome && ktime_get_ns() - sent->at < ACK_TIMEOUT)
		return 0;
	if (!outcome) {
		kvmft_conn_fail_saying(stream->conn, KVMFT_REASON_STUCK,
				       "no answer to COMMIT");
		outcome = stream_break(stream);
	}
	trace_kvmft_epoch_abort(stream->channel->name, sent->generation,
				sent->epoch, sent->pages,
				stream->verdict.reason);
	return outcome;
}

/**
 * kvmft_stream_wait() - wait until an epoch is committed, or isn't
 * @stream: the stream
 * @sent: what kvmft_stream_commit() said of it
 *
 * Return: 0, or a negative errno, as kvmft_stream_answer()
 */
int kvmft_stream_wait(struct kvmft_stream *stream, const struct kvmft_sent *sent)
{
	int answer;

	/* Nothing here is woken by the end of the data connection: so look at it. */
	for (;;) {
		answer = kvmft_stream_answer(stream, sent);
		if (answer)
			return min(answer, 0);
		wait_event_interruptible_timeout(stream->channel->wait,
						 kvmft_stream_is_answered(stream, sent),
						 KVMFT_STREAM_LOOK);
	}
}

static bool is_settled(struct kvmft_stream *stream)
{
	struct kvmft_outcome outcome;

	kvmft_channel_outcome(stream->channel, &outcome);
	return outcome.staged_generation == stream->generation &&
	       outcome.staged_epoch == stream->epoch &&
	       outcome.staged_sequence == stream->sequence;
}

/**
 * kvmft_stream_settle() - send what is gathered, and wait until the other end has dealt with it
 * @stream: the stream
 *
 * That may take as long as it likes, while its host is heard.
 *
 * Return: 0 or a negative errno
 */
int kvmft_stream_settle(struct kvmft_stream *stream)
{
	struct kvmft_sent sent = { .generation = stream->generation, .epoch = stream->epoch };
	bool any = stream->runs;
	int err = stream_flush(stream, KVMFT_WIRE_WANT_STAGED);

	while (!err && any && !is_settled(stream)) {
		wait_event_interruptible_timeout(stream->channel->wait,
						 is_settled(stream) ||
						 kvmft_stream_is_answered(stream, &sent),
						 KVMFT_STREAM_LOOK);
		err = stream_outcome(stream, &sent);
	}
	return err;
}

/**
 * kvmft_stream_abort() - give the epoch up
 * @stream: the stream
 * @reason: why
 */
void kvmft_stream_abort(struct kvmft_stream *stream, u32 reason)
{
	struct kvmft_wire_notice notice = { .reason = reason };
	u8 body[KVMFT_WIRE_NOTICE_MAX];
	u32 len;

	kvmft_judge(&stream->verdict, reason);
	trace_kvmft_epoch_abort(stream->channel->name, stream->generation,
				stream->epoch, stream->pages, reason);
	if (stream->broken)
		return;
	strscpy(notice.text, kvmft_reason_text(reason), sizeof(notice.text));
	len = kvmft_wire_put_notice(body, &notice);
	stream_send(stream, KVMFT_WIRE_ABORT, body, len, false);
}
