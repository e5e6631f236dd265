// SPDX-License-Identifier: GPL-2.0
#include <linux/kernel.h>
#include <linux/string.h>

#include "compat.h"
#include "fault.h"
#include "intake.h"
#include "pack.h"
#include "trace.h"

/*
 * The share of its ceiling that a guest keeps in free pages between epochs: new ones
 * are slow, not least where the kernel zeroes them.
 */
#define POOL_SHARE 8

static struct kvmft_intake *to_intake(struct kvmft_channel *channel)
{
	return container_of(channel, struct kvmft_intake, channel);
}

/* What others may know of the stage. */
static void intake_publish(struct kvmft_intake *intake)
{
	struct kvmft_stage *stage = &intake->stage;

	spin_lock(&intake->lock);
	intake->committed_generation = stage->committed_generation;
	intake->committed_epoch = stage->committed_epoch;
	intake->staged = stage->count;
	intake->pooled = stage->pool.count;
	spin_unlock(&intake->lock);
}

static void intake_describe(struct kvmft_channel *channel, u64 claim,
			    struct kvmft_wire_header *header,
			    struct kvmft_wire_attach *attach)
{
	struct kvmft_intake *intake = to_intake(channel);

	spin_lock(&intake->lock);
	header->generation = intake->committed_generation;
	header->epoch = intake->committed_epoch;
	spin_unlock(&intake->lock);
	attach->ceiling = intake->stage.ceiling;
	if (intake->ops->attached)
		attach->reason = intake->ops->attached(intake, claim);
	if (attach->reason)
		attach->ceiling = 0;
}

static void intake_parted(struct kvmft_channel *channel, enum kvmft_loss loss)
{
	struct kvmft_intake *intake = to_intake(channel);

	if (intake->ops->parted)
		intake->ops->parted(intake, loss);
}

static bool intake_released(struct kvmft_channel *channel)
{
	struct kvmft_intake *intake = to_intake(channel);

	return !intake->ops->released || intake->ops->released(intake);
}

static void intake_exchange(struct kvmft_channel *channel, const struct kvmft_wire_switch *step,
			    u64 generation, u64 epoch)
{
	struct kvmft_intake *intake = to_intake(channel);

	if (intake->ops->exchange)
		intake->ops->exchange(intake, step, generation, epoch);
}

/* Some reasons cost the epoch, others the connection. */
static int intake_refuse(struct kvmft_intake *intake, struct kvmft_conn *conn,
			 u32 reason)
{
	struct kvmft_channel *channel = &intake->channel;
	struct kvmft_wire_notice notice = { .reason = reason };
	u8 body[KVMFT_WIRE_NOTICE_MAX];
	u32 len;

	if (reason == KVMFT_REASON_PROTOCOL || reason == KVMFT_REASON_LIMIT)
		return kvmft_conn_fail(conn, reason);

	if (READ_ONCE(conn->cut))
		return kvmft_conn_fail(conn, KVMFT_REASON_CLOSED);

	kvmft_pair_count(channel->pair, reason);
	trace_kvmft_epoch_abort(channel->name, conn->header.generation,
				conn->header.epoch, 0, reason);
	strscpy(notice.text, kvmft_reason_text(reason), sizeof(notice.text));
	len = kvmft_wire_put_notice(body, &notice);
	intake_publish(intake);
	kvmft_channel_say(channel, KVMFT_WIRE_ABORT, conn->header.generation,
			  conn->header.epoch, body, len);
	return 0;
}

/*
 * The frame's bulk, which makes @staged bytes, into pages of the pool: the reason why not,
 * or an error.
 */
static u32 intake_bulk(struct kvmft_intake *intake, struct kvmft_conn *conn, u32 staged,
		       int *err)
{
	struct kvmft_stage *stage = &intake->stage;
	const struct kvmft_wire_header *header = &conn->header;
	u32 count = DIV_ROUND_UP(header->bulk, KVMFT_WIRE_PAGE_SIZE);
	u32 reason;

	reason = kvmft_stage_check(stage, header->generation, header->epoch, staged);
	if (!reason && kvmft_pool_get(&stage->pool, intake->pages, count))
		reason = kvmft_stage_refuse(stage, KVMFT_REASON_MEMORY);
	if (reason) {
		*err = intake_refuse(intake, conn, reason) ?:
		       kvmft_conn_discard(conn, header->bulk);
		return reason;
	}

	*err = kvmft_conn_receive_pages(conn, intake->pages, header->bulk);
	if (*err)
		kvmft_pool_put(&stage->pool, intake->pages, count);
	return 0;
}

/* The same in the order of the frame's runs, after those that are as they are. */
static void sort_pages(struct kvmft_intake *intake, const u8 *body,
		       const struct kvmft_wire_pages *frame)
{
	u32 next_whole = 0, next_packed = frame->whole, count = 0;
	struct kvmft_wire_run run;
	u32 i, n;

	for (i = 0; i < frame->runs; i++) {
		kvmft_wire_get_run(body, i, &run);
		if (run.flags & KVMFT_WIRE_RUN_ZERO)
			continue;
		for (n = 0; n < run.pages; n++)
			intake->sorted[count++] =
				intake->pages[run.flags & KVMFT_WIRE_RUN_LZ4 ?
					      next_packed++ : next_whole++];
	}
}

/*
 * Makes the frame's pages whole that came packed: the reason why they are none. All of them are
 * in @sorted then.
 */
static u32 open_pages(struct kvmft_intake *intake, struct kvmft_conn *conn,
		      const struct kvmft_wire_pages *frame)
{
	u32 whole = frame->whole << KVMFT_WIRE_PAGE_SHIFT;
	struct kvmft_stage *stage = &intake->stage;
	u32 len = conn->header.bulk - whole;
	u32 parts = DIV_ROUND_UP(len, KVMFT_WIRE_PAGE_SIZE);
	u32 reason = KVMFT_REASON_MEMORY;

	if (!kvmft_pool_get(&stage->pool, intake->sorted, frame->packed))
		reason = kvmft_pack_open(intake->pages + frame->whole, len, intake->sorted,
					 frame->packed, intake->room);
	kvmft_pool_put(&stage->pool, intake->pages + frame->whole, parts);
	if (reason) {
		if (reason != KVMFT_REASON_MEMORY)
			kvmft_pool_put(&stage->pool, intake->sorted, frame->packed);
		kvmft_pool_put(&stage->pool, intake->pages, frame->whole);
		return kvmft_stage_refuse(stage, reason);
	}
	memcpy(intake->pages + frame->whole, intake->sorted,
	       frame->packed * sizeof(*intake->pages));
	sort_pages(intake, kvmft_conn_body(conn), frame);
	return 0;
}

static int on_begin(struct kvmft_intake *intake, struct kvmft_conn *conn)
{
	const struct kvmft_wire_header *header = &conn->header;
	struct kvmft_stage *stage = &intake->stage;
	struct kvmft_wire_begin begin;
	u32 reason;

	reason = kvmft_wire_get_begin(kvmft_conn_body(conn), header->body, &begin);
	if (!reason && (header->generation > KVMFT_WIRE_NUMBER_MAX ||
			header->epoch > KVMFT_WIRE_NUMBER_MAX))
		reason = KVMFT_REASON_PROTOCOL;
	if (!reason)
		reason = kvmft_stage_begin(stage, header->generation,
					   header->epoch, begin.flags);
	if (!reason && stage->phase == KVMFT_STAGE_REFUSING)
		return 0;
	if (!reason && stage->full) {
		reason = intake->ops->full ? intake->ops->full(intake) :
					     KVMFT_REASON_LOCAL;
		if (reason)
			kvmft_stage_refuse(stage, reason);
	}
	if (reason)
		return intake_refuse(intake, conn, reason);
	trace_kvmft_epoch_begin(intake->channel.name, header->generation,
				header->epoch, 0, 0);
	return 0;
}

static int on_pages(struct kvmft_intake *intake, struct kvmft_conn *conn)
{
	const struct kvmft_wire_header *header = &conn->header;
	struct kvmft_stage *stage = &intake->stage;
	const u8 *body = kvmft_conn_body(conn);
	struct page **pages = intake->pages;
	u8 answer[KVMFT_WIRE_STAGED_LEN];
	struct kvmft_wire_pages frame;
	u32 reason, count;
	int err;

	reason = kvmft_wire_get_pages(body, header->body, header->bulk, &frame);
	if (reason)
		return kvmft_conn_fail(conn, reason);
	if (stage->phase == KVMFT_STAGE_REFUSING)
		return kvmft_conn_discard(conn, header->bulk);

	count = frame.whole + frame.packed;
	reason = intake_bulk(intake, conn, count << KVMFT_WIRE_PAGE_SHIFT, &err);
	if (reason || err)
		return err;

	if (frame.packed) {
		reason = open_pages(intake, conn, &frame);
		pages = intake->sorted;
	}
	if (!reason && stage->full)
		reason = kvmft_stage_place(stage, body, frame.runs, pages, count,
					   intake->ops->place, intake);
	else if (!reason)
		reason = kvmft_stage_add(stage, body, frame.runs, pages, count);
	if (reason)
		return intake_refuse(intake, conn, reason);

	intake_publish(intake);
	if (header->flags & KVMFT_WIRE_WANT_STAGED && !READ_ONCE(conn->cut)) {
		kvmft_wire_put_staged(answer, header->sequence);
		kvmft_channel_say(&intake->channel, KVMFT_WIRE_STAGED,
				  header->generation, header->epoch, answer,
				  sizeof(answer));
	}
	return 0;
}

static int on_state(struct kvmft_intake *intake, struct kvmft_conn *conn)
{
	const struct kvmft_wire_header *header = &conn->header;
	struct kvmft_stage *stage = &intake->stage;
	struct kvmft_wire_state state;
	u32 reason;
	int err;

	reason = kvmft_wire_get_state(kvmft_conn_body(conn), header->body,
				      header->bulk, &state);
	if (reason)
		return kvmft_conn_fail(conn, reason);
	if (stage->phase == KVMFT_STAGE_REFUSING)
		return kvmft_conn_discard(conn, header->bulk);

	reason = intake_bulk(intake, conn, header->bulk, &err);
	if (reason || err)
		return err;

	reason = kvmft_stage_add_state(stage, &state, intake->pages, header->bulk);
	return reason ? intake_refuse(intake, conn, reason) : 0;
}

/*
 * Not on a connection that was cut: who cuts it tells the source what is committed,
 * and nothing may be added to that afterwards.
 */
static bool intake_commit(struct kvmft_intake *intake, struct kvmft_conn *conn)
{
	bool wanted;

	spin_lock(&intake->lock);
	/* Cut comes first, then intake_describe() takes the lock. */
	wanted = !READ_ONCE(conn->cut);
	if (wanted) {
		if (intake->ops->seal)
			intake->ops->seal(intake);
		kvmft_stage_commit(&intake->stage);
		intake->committed_generation = intake->stage.committed_generation;
		intake->committed_epoch = intake->stage.committed_epoch;
	}
	spin_unlock(&intake->lock);
	return wanted;
}

static int on_commit(struct kvmft_intake *intake, struct kvmft_conn *conn)
{
	const struct kvmft_wire_header *header = &conn->header;
	struct kvmft_stage *stage = &intake->stage;
	struct kvmft_wire_commit commit;
	u8 body[KVMFT_WIRE_ACK_LEN];
	struct kvmft_wire_ack ack;
	u32 reason;

	reason = kvmft_wire_get_commit(kvmft_conn_body(conn), header->body, &commit);
	if (reason)
		return kvmft_conn_fail(conn, reason);
	if (stage->phase == KVMFT_STAGE_REFUSING)
		return 0;

	reason = kvmft_stage_verify(stage, header->generation, header->epoch,
				    &commit);
	if (!reason) {
		reason = intake->ops->prepare(intake);
		if (reason)
			kvmft_stage_refuse(stage, reason);
	}
	if (reason)
		return intake_refuse(intake, conn, reason);
	kvmft_hold(KVMFT_FAULT_EPOCH_WHOLE);
	if (!intake_commit(intake, conn)) {
		if (intake->ops->refused)
			intake->ops->refused(intake);
		return kvmft_conn_fail(conn, KVMFT_REASON_CLOSED);
	}

	/*
	 * From here on there is no way back, so no failure either: applying is
	 * after the answer, because it doesn't need to be waited for.
	 */
	trace_kvmft_epoch_commit(intake->channel.name, header->generation,
				 header->epoch, commit.pages, 0);
	kvmft_hold(KVMFT_FAULT_EPOCH_COMMITTED);
	ack.stamp = commit.stamp;
	ack.lease = intake->ops->lease ? intake->ops->lease(intake) : 0;
	kvmft_wire_put_ack(body, &ack);
	kvmft_channel_say(&intake->channel, KVMFT_WIRE_ACK, header->generation,
			  header->epoch, body, sizeof(body));
	trace_kvmft_epoch_ack(intake->channel.name, header->generation,
			      header->epoch, commit.pages, 0);

	kvmft_hold(KVMFT_FAULT_EPOCH_ACKED);
	intake->ops->commit(intake);
	kvmft_stage_apply(stage, intake->ops->apply, intake);
	if (intake->ops->applied)
		intake->ops->applied(intake);
	intake_publish(intake);
	return 0;
}

static int on_abort(struct kvmft_intake *intake, struct kvmft_conn *conn)
{
	struct kvmft_stage *stage = &intake->stage;
	struct kvmft_wire_notice notice;
	u32 reason;

	reason = kvmft_wire_get_notice(kvmft_conn_body(conn), conn->header.body,
				       &notice);
	if (reason)
		return kvmft_conn_fail(conn, reason);
	if (stage->phase == KVMFT_STAGE_OPEN &&
	    (conn->header.generation != stage->generation ||
	     conn->header.epoch != stage->epoch))
		return kvmft_conn_fail(conn, KVMFT_REASON_PROTOCOL);

	kvmft_pair_count(intake->channel.pair, notice.reason);
	trace_kvmft_epoch_abort(intake->channel.name, conn->header.generation,
				conn->header.epoch, 0, notice.reason);
	kvmft_stage_drop(stage);
	intake_publish(intake);
	return 0;
}

static int intake_frame(struct kvmft_intake *intake, struct kvmft_conn *conn)
{
	/* One guest's data connection is nobody else's. */
	if (conn->header.vm != conn->vm)
		return kvmft_conn_fail(conn, KVMFT_REASON_PROTOCOL);

	switch (conn->header.type) {
	case KVMFT_WIRE_BEGIN:
		return on_begin(intake, conn);
	case KVMFT_WIRE_PAGES:
		return on_pages(intake, conn);
	case KVMFT_WIRE_STATE:
		return on_state(intake, conn);
	case KVMFT_WIRE_COMMIT:
		return on_commit(intake, conn);
	case KVMFT_WIRE_ABORT:
		return on_abort(intake, conn);
	default:
		return kvmft_conn_fail(conn, KVMFT_REASON_PROTOCOL);
	}
}

static void intake_run(struct kvmft_channel *channel, struct kvmft_conn *conn)
{
	struct kvmft_intake *intake = to_intake(channel);
	struct kvmft_verdict verdict;
	int err = 0;
	bool got;

	while (!err && !kvmft_channel_stopping(channel)) {
		err = kvmft_conn_receive(conn, KVMFT_WIRE_DATA,
					 MAX_SCHEDULE_TIMEOUT, &got);
		if (!err && got)
			err = intake_frame(intake, conn);
	}

	kvmft_stage_drop(&intake->stage);
	intake_publish(intake);
	if (intake->ops->lost) {
		kvmft_conn_verdict(conn, &verdict);
		kvmft_channel_lost(channel, &verdict);
		intake->ops->lost(intake, &verdict);
	}
}

static void intake_release(struct kvmft_channel *channel)
{
	struct kvmft_intake *intake = to_intake(channel);

	kvmft_stage_destroy(&intake->stage);
	intake->ops->release(intake);
}

static enum kvmft_reason intake_about(struct kvmft_channel *channel,
				      const struct kvmft_wire_header *header,
				      const u8 *body)
{
	struct kvmft_intake *intake = to_intake(channel);

	if (intake->ops->about)
		return intake->ops->about(intake, header, body);
	kvmft_channel_say_detach(channel->pair, header->vm, KVMFT_REASON_NO_VM);
	return 0;
}

static const struct kvmft_channel_ops intake_channel_ops = {
	.run = intake_run,
	.describe = intake_describe,
	.lost = intake_parted,
	.released = intake_released,
	.exchange = intake_exchange,
	.about = intake_about,
	.release = intake_release,
};

/**
 * kvmft_intake_start() - begin to receive a guest's epochs
 * @intake: inside a zeroed structure of the user's
 * @pair: the pair
 * @ops: what the user does
 * @kind: &enum kvmft_wire_attach_kind
 * @name: the guest
 * @ceiling: most bytes that an epoch may take
 *
 * Return: as kvmft_channel_start(); kvmft_channel_stop() ends it
 */
int kvmft_intake_start(struct kvmft_intake *intake, struct kvmft_pair *pair,
		       const struct kvmft_intake_ops *ops, u8 kind,
		       const char *name, u64 ceiling)
{
	intake->ops = ops;
	spin_lock_init(&intake->lock);
	kvmft_stage_init(&intake->stage, ceiling,
			 min_t(u64, ceiling / POOL_SHARE / KVMFT_WIRE_PAGE_SIZE,
			       U32_MAX));
	return kvmft_channel_start(&intake->channel, pair, &intake_channel_ops,
				   false, kind, name);
}
