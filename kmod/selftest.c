// SPDX-License-Identifier: GPL-2.0
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/xarray.h>

#include "compat.h"
#include "intake.h"
#include "selftest.h"
#include "stream.h"

/* Synthetic guests have only one. */
#define GENERATION 1

#define STATE_BASE BIT_ULL(47)
#define REGION_SHIFT 40
#define ZERO_CRC 0x98f94189U
#define PAGE_WORDS ((int)(KVMFT_WIRE_PAGE_SIZE / sizeof(u64)))

static bool selftest;
module_param(selftest, bool, 0400);
MODULE_PARM_DESC(selftest, "let tests make synthetic guests (off by default)");

/**
 * struct source - a synthetic guest that sends
 * @channel: The channel; its wait queue is woken by all changes here.
 * @last: The last epoch; its thread's own.
 * @lock: Protects what follows.
 * @order: What to do, while there is something; its owner waits.
 * @result: What became of it.
 * @cancelled: Its owner was killed.
 * @busy: The thread works on it.
 * @done: It is done.
 */
struct source {
	struct kvmft_channel channel;
	u64 last;
	spinlock_t lock;	/* what follows */
	const struct kvmft_selftest_order *order;
	struct kvmft_selftest_result result;
	bool cancelled;
	bool busy;
	bool done;
};

/**
 * struct sink - a synthetic guest that receives
 * @intake: The intake.
 * @lock: Protects what follows.
 * @image: What is committed: pages with their CRC32C in page_private(), or a value
 *	for a page that is all zero.
 * @pages: Entries of it.
 * @state: Bytes of state that are committed.
 * @state_crc: CRC32C of that.
 */
struct sink {
	struct kvmft_intake intake;
	struct mutex lock;	/* what follows */
	struct xarray image;
	u32 pages;
	u32 state;
	u32 state_crc;
};

/**
 * struct synth - an order at work
 * @source: Whose.
 * @order: The order.
 * @stream: Where to.
 * @open: An epoch was begun, and neither committed nor aborted.
 * @pages: The guest's memory.
 * @state: Pages of its state.
 */
struct synth {
	struct source *source;
	struct kvmft_selftest_order order;
	struct kvmft_stream *stream;
	bool open;
	struct page **pages;
	struct page **state;
};

/**
 * kvmft_selftest_enabled() - may tests make synthetic guests?
 *
 * Return: the module parameter
 */
bool kvmft_selftest_enabled(void)
{
	return selftest;
}

static struct source *to_source(struct kvmft_channel *channel)
{
	return container_of(channel, struct source, channel);
}

static struct sink *to_sink(struct kvmft_channel *channel)
{
	return container_of(channel, struct sink, intake.channel);
}

/* The first so many words of it have nothing in common, the others are all the same. */
static void fill(struct page *page, u64 seed, u64 epoch, u64 at, int words)
{
	u64 *word = page_address(page);
	u64 base = seed + (epoch << 48) + at;
	int i;

	for (i = 0; i < words; i++) {
		u64 value = (base + i * sizeof(*word)) * 0x9e3779b97f4a7c15ULL;

		word[i] = value ^ value >> 29;
	}
	for (; i < PAGE_WORDS; i++)
		word[i] = word[0];
}

/* Of those that are to be packed, two of three get smaller. */
static int words_of(const struct kvmft_selftest_order *order, u32 page)
{
	return order->flags & KVMFT_SELFTEST_PACK ? PAGE_WORDS >> page % 3 * 3 : PAGE_WORDS;
}

static void free_pages_of(struct page **pages, u32 count)
{
	u32 i;

	for (i = 0; pages && i < count; i++) {
		if (pages[i])
			put_page(pages[i]);
	}
	kvfree(pages);
}

static struct page **alloc_pages_of(u32 count)
{
	struct page **pages = kvcalloc(count, sizeof(*pages), GFP_KERNEL);
	u32 i;

	for (i = 0; pages && i < count; i++) {
		pages[i] = alloc_page(GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY);
		if (!pages[i]) {
			free_pages_of(pages, i);
			return NULL;
		}
		cond_resched();
	}
	return pages;
}

static u32 state_pages(const struct kvmft_selftest_order *order)
{
	return DIV_ROUND_UP(order->state, KVMFT_WIRE_PAGE_SIZE);
}

static u64 offset_of(const struct kvmft_selftest_order *order, u32 n)
{
	return order->first + ((u64)n << KVMFT_WIRE_PAGE_SHIFT);
}

/* Sends all pages once, with what @seed makes of them. */
static int send_pages(struct synth *synth, u64 seed, u64 epoch)
{
	const struct kvmft_selftest_order *order = &synth->order;
	u64 begun;
	u32 i;
	int err;

	for (i = 0; i < order->pages; i++) {
		fill(synth->pages[i], seed, epoch, offset_of(order, i), words_of(order, i));
		cond_resched();
	}

	begun = ktime_get_ns();
	for (i = 0; i < order->pages; i++) {
		u32 n = order->flags & KVMFT_SELFTEST_BACKWARDS ?
			order->pages - 1 - i : i;
		struct page *page = synth->pages[n];

		if (order->flags & KVMFT_SELFTEST_ZEROES && n & 1)
			page = NULL;
		err = kvmft_stream_page(synth->stream, order->region,
					offset_of(order, n), page);
		if (err)
			return err;
		synth->source->result.bytes += page ? KVMFT_WIRE_PAGE_SIZE : 0;
	}
	err = kvmft_stream_flush(synth->stream);
	synth->source->result.ns += ktime_get_ns() - begun;
	return err;
}

static int send_commit(struct synth *synth)
{
	u32 flags = synth->order.flags;
	struct kvmft_wire_commit commit;
	u64 begun = ktime_get_ns();
	struct kvmft_sent sent;
	int err;

	kvmft_stream_totals(synth->stream, &commit);
	if (flags & KVMFT_SELFTEST_BAD_SUM)
		commit.sum++;
	if (flags & KVMFT_SELFTEST_BAD_COUNT)
		commit.pages++;
	err = kvmft_stream_commit(synth->stream, &commit, &sent) ?:
	      kvmft_stream_wait(synth->stream, &sent);
	synth->source->result.ns += ktime_get_ns() - begun;
	synth->open = false;
	return err;
}

static int send_epoch(struct synth *synth, u64 epoch)
{
	const struct kvmft_selftest_order *order = &synth->order;
	struct kvmft_stream *stream = synth->stream;
	int err = 0;
	u32 i;

	kvmft_stream_reset(stream, GENERATION, epoch);
	kvmft_stream_compress(stream, order->flags & KVMFT_SELFTEST_PACK);
	if (!(order->flags & KVMFT_SELFTEST_NO_BEGIN)) {
		err = kvmft_stream_begin(stream, 0);
		synth->open = true;
	}
	if (!err && order->flags & KVMFT_SELFTEST_TWICE)
		err = send_pages(synth, ~order->seed, epoch);
	if (!err)
		err = send_pages(synth, order->seed, epoch);
	if (!err && order->state) {
		for (i = 0; i < state_pages(order); i++)
			fill(synth->state[i], order->seed, epoch,
			     STATE_BASE + ((u64)i << KVMFT_WIRE_PAGE_SHIFT), PAGE_WORDS);
		err = kvmft_stream_state(stream, synth->state, order->state);
	}
	if (err)
		return err;

	if (order->flags & KVMFT_SELFTEST_NO_COMMIT)
		return 0;
	if (order->flags & KVMFT_SELFTEST_CUT) {
		kvmft_conn_fail_saying(stream->conn, KVMFT_REASON_CLOSED, "by a test");
		kvmft_conn_cut(stream->conn);
	}
	return send_commit(synth);
}

/* The epoch after the last one that is committed there or was sent from here. */
static u64 next_epoch(struct synth *synth)
{
	struct source *source = synth->source;
	struct kvmft_outcome outcome;

	kvmft_channel_outcome(&source->channel, &outcome);
	source->last = max(outcome.acked_epoch, source->last) + 1;
	return source->last;
}

static void obey(struct synth *synth)
{
	struct source *source = synth->source;
	u32 i;
	int err = 0;

	for (i = 0; !err && i < synth->order.epochs; i++) {
		u64 epoch = next_epoch(synth);

		if (kvmft_channel_stopping(&source->channel))
			return;
		if (READ_ONCE(source->cancelled))
			return;
		err = send_epoch(synth, epoch);
		if (!err && !(synth->order.flags & KVMFT_SELFTEST_NO_COMMIT))
			source->result.epoch = epoch;
	}
	if (err)
		source->result.verdict = synth->stream->verdict;
}

static bool has_work(struct source *source, struct kvmft_conn *conn)
{
	return (READ_ONCE(source->order) && !READ_ONCE(source->done)) ||
	       kvmft_channel_stopping(&source->channel) || READ_ONCE(conn->cut);
}

static bool take_order(struct source *source, struct kvmft_selftest_order *order)
{
	bool taken;

	spin_lock(&source->lock);
	taken = source->order && !source->done;
	if (taken) {
		*order = *source->order;
		source->busy = true;
	}
	spin_unlock(&source->lock);
	return taken;
}

static void finish_order(struct source *source)
{
	spin_lock(&source->lock);
	source->busy = false;
	source->done = true;
	spin_unlock(&source->lock);
	wake_up_all(&source->channel.wait);
}

static void source_run(struct kvmft_channel *channel, struct kvmft_conn *conn)
{
	struct source *source = to_source(channel);
	struct synth synth = { .source = source };

	synth.stream = kvmft_stream_alloc(channel, conn);
	if (!synth.stream) {
		kvmft_conn_fail(conn, KVMFT_REASON_MEMORY);
		return;
	}

	while (!synth.stream->broken && !kvmft_channel_stopping(channel)) {
		wait_event_interruptible_timeout(channel->wait,
						 has_work(source, conn), HZ);
		if (kvmft_conn_broken(conn))
			break;
		if (!take_order(source, &synth.order))
			continue;
		/* What was left open is given up before anything else is sent. */
		if (synth.open)
			kvmft_stream_abort(synth.stream, KVMFT_REASON_GONE);
		synth.open = false;

		synth.stream->how = synth.order.flags & KVMFT_SELFTEST_COPY ?
			KVMFT_SEND_COPIES : KVMFT_SEND_BY_REFERENCE;
		synth.pages = alloc_pages_of(synth.order.pages);
		synth.state = alloc_pages_of(state_pages(&synth.order));
		if (synth.pages && synth.state)
			obey(&synth);
		else
			kvmft_judge(&source->result.verdict, KVMFT_REASON_MEMORY);
		free_pages_of(synth.pages, synth.order.pages);
		free_pages_of(synth.state, state_pages(&synth.order));
		finish_order(source);
	}
	kvmft_stream_free(synth.stream);
}

static void source_release(struct kvmft_channel *channel)
{
	kfree(to_source(channel));
}

static const struct kvmft_channel_ops source_ops = {
	.run = source_run,
	.release = source_release,
};

/**
 * kvmft_selftest_source() - make the sending end of a synthetic guest
 * @pair: the pair
 * @name: the guest
 *
 * Return: as kvmft_channel_start()
 */
int kvmft_selftest_source(struct kvmft_pair *pair, const char *name)
{
	struct source *source = kzalloc(sizeof(*source), GFP_KERNEL);
	int err;

	if (!source)
		return -ENOMEM;
	spin_lock_init(&source->lock);
	err = kvmft_channel_start(&source->channel, pair, &source_ops, true,
				  KVMFT_WIRE_ATTACH_SELFTEST, name);
	if (err)
		kfree(source);
	else
		kvmft_channel_put(&source->channel);
	return err;
}

/* Takes the order back; false if the thread is at it. */
static bool take_back(struct source *source)
{
	bool taken;

	spin_lock(&source->lock);
	taken = !source->busy;
	if (taken)
		source->order = NULL;
	spin_unlock(&source->lock);
	return taken;
}

static bool order_over(struct source *source)
{
	return READ_ONCE(source->done) ||
	       (kvmft_channel_stopping(&source->channel) && !READ_ONCE(source->busy));
}

/**
 * kvmft_selftest_send() - send epochs, and wait for what becomes of them
 * @channel: of a source
 * @order: what to send
 * @result: what became of it
 *
 * Return: 0 when all is settled, which the result tells; -EBUSY; -ENOTCONN when the
 * other end isn't attached in time; -EINTR; -ESHUTDOWN
 */
int kvmft_selftest_send(struct kvmft_channel *channel,
			const struct kvmft_selftest_order *order,
			struct kvmft_selftest_result *result)
{
	struct source *source = to_source(channel);
	long left;
	int err = 0;

	if (channel->ops != &source_ops)
		return -EINVAL;

	spin_lock(&source->lock);
	if (source->order) {
		spin_unlock(&source->lock);
		return -EBUSY;
	}
	memset(&source->result, 0, sizeof(source->result));
	source->cancelled = false;
	source->busy = false;
	source->done = false;
	source->order = order;
	spin_unlock(&source->lock);
	wake_up_all(&channel->wait);

	left = wait_event_killable_timeout(channel->wait,
					   READ_ONCE(source->busy) ||
					   order_over(source),
					   msecs_to_jiffies(order->wait_ms));
	if (left <= 0 && take_back(source))
		return left ? -EINTR : -ENOTCONN;

	/* It is being sent; an epoch ends by itself, one way or the other. */
	if (wait_event_killable(channel->wait, order_over(source))) {
		WRITE_ONCE(source->cancelled, true);
		wait_event(channel->wait, order_over(source));
		err = -EINTR;
	}
	if (!READ_ONCE(source->done))
		err = -ESHUTDOWN;
	*result = source->result;
	take_back(source);
	return err;
}

static unsigned long image_index(u32 region, u64 offset)
{
	return (unsigned long)region << REGION_SHIFT |
	       offset >> KVMFT_WIRE_PAGE_SHIFT;
}

static int reserve_page(void *context, u32 region, u64 offset)
{
	struct sink *sink = context;

	return xa_reserve(&sink->image, image_index(region, offset),
			  GFP_KERNEL | __GFP_NOWARN);
}

static u32 sink_prepare(struct kvmft_intake *intake)
{
	struct sink *sink = container_of(intake, struct sink, intake);
	int err;

	mutex_lock(&sink->lock);
	err = kvmft_stage_walk(&intake->stage, reserve_page, sink);
	mutex_unlock(&sink->lock);
	return err ? KVMFT_REASON_MEMORY : 0;
}

static void sink_commit(struct kvmft_intake *intake)
{
	struct sink *sink = container_of(intake, struct sink, intake);

	mutex_lock(&sink->lock);
	sink->state = intake->stage.state_got;
	sink->state_crc = intake->stage.state_crc;
	mutex_unlock(&sink->lock);
}

static struct page *sink_apply(void *context, u32 region, u64 offset,
			       struct page *page)
{
	struct sink *sink = container_of(context, struct sink, intake);
	void *old;

	mutex_lock(&sink->lock);
	/* The place is reserved, so there is nothing to allocate. */
	old = xa_store(&sink->image, image_index(region, offset),
		       page ?: xa_mk_value(0), GFP_KERNEL);
	WARN_ON_ONCE(xa_is_err(old));
	if (!old)
		sink->pages++;
	mutex_unlock(&sink->lock);
	return old && !xa_is_value(old) ? old : NULL;
}

static void sink_release(struct kvmft_intake *intake)
{
	struct sink *sink = container_of(intake, struct sink, intake);
	unsigned long index;
	void *entry;

	xa_for_each(&sink->image, index, entry) {
		if (!xa_is_value(entry)) {
			set_page_private((struct page *)entry, 0);
			__free_page((struct page *)entry);
		}
	}
	xa_destroy(&sink->image);
	kvfree(sink);
}

static const struct kvmft_intake_ops sink_ops = {
	.prepare = sink_prepare,
	.commit = sink_commit,
	.apply = sink_apply,
	.release = sink_release,
};

/**
 * kvmft_selftest_sink() - make the receiving end of a synthetic guest
 * @pair: the pair
 * @name: the guest
 * @ceiling: most bytes that it may stage
 *
 * Return: as kvmft_channel_start()
 */
int kvmft_selftest_sink(struct kvmft_pair *pair, const char *name, u64 ceiling)
{
	struct sink *sink = kvzalloc(sizeof(*sink), GFP_KERNEL);
	int err;

	if (!sink)
		return -ENOMEM;
	mutex_init(&sink->lock);
	xa_init(&sink->image);
	err = kvmft_intake_start(&sink->intake, pair, &sink_ops,
				 KVMFT_WIRE_ATTACH_SELFTEST, name, ceiling);
	if (err)
		kvfree(sink);
	else
		kvmft_channel_put(&sink->intake.channel);
	return err;
}

/**
 * kvmft_selftest_summary() - what does a sink have?
 * @channel: of a sink
 * @summary: result
 */
void kvmft_selftest_summary(struct kvmft_channel *channel,
			    struct kvmft_selftest_summary *summary)
{
	struct sink *sink = to_sink(channel);
	struct kvmft_intake *intake = &sink->intake;

	spin_lock(&intake->lock);
	summary->epoch = intake->committed_epoch;
	summary->staged = intake->staged;
	summary->pooled = intake->pooled;
	spin_unlock(&intake->lock);
	mutex_lock(&sink->lock);
	summary->pages = sink->pages;
	summary->state = sink->state;
	summary->crc = sink->state_crc;
	mutex_unlock(&sink->lock);
}

/**
 * kvmft_selftest_next() - look at the pages of a sink, one after the other
 * @channel: of a sink
 * @cursor: where to look from, 0 to begin with; moves on
 * @page: result
 *
 * Return: whether there was one
 */
bool kvmft_selftest_next(struct kvmft_channel *channel, unsigned long *cursor,
			 struct kvmft_selftest_page *page)
{
	struct sink *sink = to_sink(channel);
	void *entry;

	mutex_lock(&sink->lock);
	entry = xa_find(&sink->image, cursor, ULONG_MAX, XA_PRESENT);
	if (entry) {
		page->region = *cursor >> REGION_SHIFT;
		page->offset = (*cursor & ((1UL << REGION_SHIFT) - 1)) <<
			       KVMFT_WIRE_PAGE_SHIFT;
		page->crc = xa_is_value(entry) ? ZERO_CRC : page_private((struct page *)entry);
		++*cursor;
	}
	mutex_unlock(&sink->lock);
	return entry;
}
