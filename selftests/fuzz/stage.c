// SPDX-License-Identifier: GPL-2.0
/*
 * The stage. The input is a program whose steps make frames; each frame is encoded
 * and then goes the way that it takes in the module: header, body, check, pages
 * from the pool, stage. A model that knows only what wire.rst and stage.h say
 * predicts each answer, how many bytes are charged, and all that is applied.
 *
 * First come KEEP, how many pages the pool keeps, and CEILING in pages of 4096 bytes
 * (2 bytes). Steps are a byte each, modulo STEPS, with what follows it:
 *
 *	0 BEGIN EPOCH
 *	1 PAGES FLAGS RUNS, each run WHERE PAGE(2) CONTENT	see simple_run()
 *	2 PAGES FLAGS RUNS, each run the 16 bytes of the wire
 *	3 STATE HOW LENGTH(2) CONTENT				see state_step()
 *	4 COMMIT WRONG						see commit_step()
 *	5 drop, 6 refuse
 *	7 ALLOWED: allocations of the next frame that succeed
 *	8 POLICY: of who gets the pages, see taker()
 *
 * EPOCH names an epoch: its two upper bits the generation, the others the number.
 */
#include <linux/crc32c.h>
#include <linux/mm.h>
#include <shim.h>

#include "fuzz.h"
#include "stage.h"

#define STEPS 9
#define PAGE 4096U

/* What one run of the fuzzer may take, so that it has many. */
#define DATA_BUDGET 600
#define ZERO_BUDGET 4096
#define STATE_MOST (64 * PAGE)

#define SLOTS 16384
#define ZERO (-1)
#define KEPT 64

static struct {
	const u8 *at;
	size_t left;
} input;

/**
 * struct slot - one page of the model's epoch, or one leaf
 * @epoch: Which epoch of the model; any other means that it is free.
 * @region: Of the page.
 * @offset: Of the page.
 * @content: The byte that the page is filled with, or ZERO.
 */
struct slot {
	u64 epoch;
	u32 region;
	u64 offset;
	int content;
};

/* What stage.h says about the stage, in other words. */
static struct {
	enum kvmft_stage_phase phase;
	u64 generation, epoch;
	bool full;
	u64 committed_generation, committed_epoch;
	u64 ceiling, charged;
	u64 count, data_count;
	u64 state_got, state_total;
	u8 state[STATE_MOST];
	u64 now;
	struct slot pages[SLOTS], leaves[SLOTS];
	struct slot *used[SLOTS];
} model;

static struct kvmft_stage stage;
static u32 data_left, zero_left;

/* Who takes the pages of a committed epoch. */
static struct {
	u8 policy;
	struct page *kept[KEPT];
	u32 count;
	u64 seen;
	u32 region;
	u64 offset;
} taker;

static u64 take(unsigned int len)
{
	u8 bytes[8] = { 0 };

	for (unsigned int i = 0; i < len && input.left; i++, input.left--)
		bytes[i] = *input.at++;
	return number(bytes, len);
}

static u32 page_crc(int content)
{
	static bool known[256];
	static u32 crcs[256];
	u8 page[PAGE];
	u8 byte = content == ZERO ? 0 : content;

	if (!known[byte]) {
		memset(page, byte, PAGE);
		crcs[byte] = ~crc32c(~0U, page, PAGE);
		known[byte] = true;
	}
	return crcs[byte];
}

static struct slot *find(struct slot *slots, u32 region, u64 offset)
{
	u64 hash = (region * 0x9e3779b97f4a7c15ULL) ^ (offset >> 12);
	u32 i;

	hash *= 0xff51afd7ed558ccdULL;
	for (i = hash >> 50; slots[i].epoch == model.now; i = (i + 1) % SLOTS)
		if (slots[i].region == region && slots[i].offset == offset)
			break;
	return &slots[i];
}

static void model_forget(enum kvmft_stage_phase phase)
{
	model.phase = phase;
	model.now++;
	model.charged = 0;
	model.count = 0;
	model.data_count = 0;
	model.state_got = 0;
	model.state_total = 0;
}

static enum kvmft_reason model_refuse(enum kvmft_reason reason)
{
	model_forget(KVMFT_STAGE_REFUSING);
	return reason;
}

static enum kvmft_reason model_begin(u64 generation, u64 epoch, u32 flags)
{
	if (model.phase == KVMFT_STAGE_OPEN)
		return model_refuse(KVMFT_REASON_PROTOCOL);
	if (generation < model.committed_generation ||
	    (generation == model.committed_generation && epoch <= model.committed_epoch))
		return model_refuse(KVMFT_REASON_STALE);
	if (flags == KVMFT_WIRE_BEGIN_FOLLOWS &&
	    (generation != model.committed_generation || epoch - model.committed_epoch != 1)) {
		if (model.phase == KVMFT_STAGE_REFUSING)
			return 0;
		return model_refuse(KVMFT_REASON_PROTOCOL);
	}
	model_forget(KVMFT_STAGE_OPEN);
	model.generation = generation;
	model.epoch = epoch;
	model.full = flags == KVMFT_WIRE_BEGIN_FULL;
	return 0;
}

static enum kvmft_reason model_check(u64 generation, u64 epoch, u32 bulk)
{
	if (model.phase != KVMFT_STAGE_OPEN)
		return model_refuse(KVMFT_REASON_NOT_BEGUN);
	if (generation != model.generation || epoch != model.epoch)
		return model_refuse(KVMFT_REASON_PROTOCOL);
	if (bulk > model.ceiling)
		return model_refuse(KVMFT_REASON_TOO_BIG);
	return 0;
}

static void model_put(u32 region, u64 offset, int content)
{
	struct slot *leaf = find(model.leaves, region, offset >> 18);
	struct slot *page = find(model.pages, region, offset);
	u64 charged = model.charged;

	if (leaf->epoch != model.now)
		model.charged += PAGE;
	*leaf = (struct slot) { model.now, region, offset >> 18, 0 };
	if (page->epoch != model.now)
		model.used[model.count++] = page;
	else if (page->content != ZERO)
		model.data_count--, model.charged -= PAGE;
	*page = (struct slot) { model.now, region, offset, content };
	if (content != ZERO)
		model.data_count++, model.charged += PAGE;
	/* A full copy is somewhere else already. */
	if (model.full)
		model.charged = charged;
}

static u64 model_sum(void)
{
	u64 sum = 0;

	for (u64 n = 0; n < model.count; n++) {
		const struct slot *slot = model.used[n];
		u32 crc = page_crc(slot->content);
		u8 record[16];

		for (int i = 0; i < 8; i++)
			record[i] = slot->offset >> (8 * i);
		for (int i = 0; i < 4; i++) {
			record[8 + i] = slot->region >> (8 * i);
			record[12 + i] = crc >> (8 * i);
		}
		sum += ((u64)~crc32c(~0U, record, sizeof(record)) << 32) + crc;
	}
	return sum;
}

static u32 model_state_crc(void)
{
	return ~crc32c(~0U, model.state, model.state_got);
}

/* What can be seen of the stage is what the model says. */
static void compare(void)
{
	u64 state_pages = (model.state_got + PAGE - 1) / PAGE;

	must(stage.phase == model.phase);
	must(stage.charged == model.charged);
	must(stage.charged <= stage.ceiling);
	must(stage.count == model.count);
	must(stage.data_count == model.data_count);
	must(stage.state_got == model.state_got);
	must(stage.committed_epoch == model.committed_epoch);
	must(stage.committed_generation == model.committed_generation);
	must(stage.pool.count <= stage.pool.keep);
	must((u64)shim_pages == stage.pool.count + (model.full ? 0 : model.data_count) +
				state_pages + taker.count);
	if (!model.count && !model.state_got)
		must(!shim_nodes);
	must(!shim_warnings);
}

/* POLICY: 0 gives each page back, 1 keeps it, 2 gives another one in its place. */
static struct page *take_page(void *context, u32 region, u64 offset, struct page *page)
{
	struct slot *slot = find(model.pages, region, offset);
	struct page *other = NULL;
	u8 content[PAGE];

	must(context == &taker);
	must(!taker.seen || region > taker.region ||
	     (region == taker.region && offset > taker.offset));
	taker.seen++;
	taker.region = region;
	taker.offset = offset;

	must(slot->epoch == model.now);
	must(!page == (slot->content == ZERO));
	if (!page)
		return NULL;
	memset(content, slot->content, PAGE);
	must(!memcmp(page_address(page), content, PAGE));

	if (!taker.policy || taker.count == KEPT)
		return page;
	if (taker.policy == 2 && taker.count)
		other = taker.kept[--taker.count];
	taker.kept[taker.count++] = page;
	/* Who has a page may use it as he likes. */
	memset(page_address(page), 0x5a, PAGE);
	return other;
}

/**
 * struct frame - one that arrives
 * @header: Encoded.
 * @body: Encoded.
 * @bulk: What follows; the content byte of each page, and their number.
 */
static struct frame {
	u8 header[KVMFT_WIRE_HEADER_LEN];
	u8 body[KVMFT_WIRE_PAGES_HEAD + KVMFT_WIRE_RUNS_MAX * KVMFT_WIRE_RUN_LEN];
	u8 bulk[256];
} frame;

/* Gets what the frame says, in its order; the highest region has no place. */
static enum kvmft_reason take_place(void *context, u32 region, u64 offset,
				    struct page *page)
{
	u8 content[PAGE];

	must(context == &taker);
	if (region == KVMFT_WIRE_REGION_MAX)
		return KVMFT_REASON_LAYOUT;
	if (page) {
		memset(content, frame.bulk[taker.seen++], PAGE);
		must(!memcmp(page_address(page), content, PAGE));
	}
	return 0;
}

/* Sees what take_page() is going to get. */
static int look(void *context, u32 region, u64 offset)
{
	must(context == &taker);
	must(find(model.pages, region, offset)->epoch == model.now);
	return ++taker.seen == 200;
}

static void apply(void)
{
	taker.seen = 0;
	must(kvmft_stage_walk(&stage, look, &taker) == (model.count >= 200));
	must(taker.seen == (model.count < 200 ? model.count : 200));
	taker.seen = 0;
	kvmft_stage_apply(&stage, take_page, &taker);
	must(taker.seen == (model.full ? 0 : model.count));
	model_forget(KVMFT_STAGE_IDLE);
}

static enum kvmft_reason receive_pages(struct page **pages, u32 bulk)
{
	u32 count = (bulk + PAGE - 1) / PAGE;

	if (kvmft_pool_get(&stage.pool, pages, count))
		return kvmft_stage_refuse(&stage, KVMFT_REASON_MEMORY);
	for (u32 i = 0; i < count; i++)
		memset(page_address(pages[i]), frame.bulk[i], PAGE);
	return 0;
}

/* What isn't a frame costs the connection, and that the epoch. */
static enum kvmft_reason no_frame(void)
{
	kvmft_stage_drop(&stage);
	model_forget(KVMFT_STAGE_IDLE);
	return KVMFT_REASON_PROTOCOL;
}

static enum kvmft_reason on_pages(const struct kvmft_wire_header *header, const u8 *body,
				  enum kvmft_reason *predicted)
{
	struct page *pages[256];
	enum kvmft_reason reason;
	struct kvmft_wire_pages got;
	u32 taken = 0;

	if (kvmft_wire_get_pages(body, header->body, header->bulk, &got)) {
		*predicted = KVMFT_REASON_PROTOCOL;
		return no_frame();
	}
	*predicted = model_check(header->generation, header->epoch, header->bulk);
	for (u32 i = 0; i < got.runs && !*predicted; i++) {
		const u8 *bytes = body + 8 + 16 * i;
		u32 count = number(bytes + 4, 2);

		for (u32 n = 0; n < count && !*predicted; n++) {
			if (model.full && number(bytes, 4) == KVMFT_WIRE_REGION_MAX) {
				*predicted = model_refuse(KVMFT_REASON_LAYOUT);
				break;
			}
			model_put(number(bytes, 4), number(bytes + 8, 8) + (u64)n * PAGE,
				  bytes[6] ? ZERO : frame.bulk[taken++]);
			if (model.charged > model.ceiling)
				*predicted = model_refuse(KVMFT_REASON_TOO_BIG);
		}
	}

	reason = kvmft_stage_check(&stage, header->generation, header->epoch,
				   header->bulk);
	if (reason)
		return reason;
	reason = receive_pages(pages, header->bulk);
	if (reason)
		return reason;
	taker.seen = 0;
	if (stage.full)
		return kvmft_stage_place(&stage, body, got.runs, pages, header->bulk / PAGE,
					 take_place, &taker);
	return kvmft_stage_add(&stage, body, got.runs, pages, header->bulk / PAGE);
}

static enum kvmft_reason on_state(const struct kvmft_wire_header *header, const u8 *body,
				  enum kvmft_reason *predicted)
{
	u32 count = (header->bulk + PAGE - 1) / PAGE;
	struct kvmft_wire_state state;
	struct page *pages[256];
	enum kvmft_reason reason;

	if (kvmft_wire_get_state(body, header->body, header->bulk, &state)) {
		*predicted = KVMFT_REASON_PROTOCOL;
		return no_frame();
	}
	*predicted = model_check(header->generation, header->epoch, header->bulk);
	if (!*predicted && (state.offset != model.state_got ||
			    (model.state_got && state.total != model.state_total)))
		*predicted = model_refuse(KVMFT_REASON_PROTOCOL);
	if (!*predicted && model.charged + (u64)count * PAGE > model.ceiling)
		*predicted = model_refuse(KVMFT_REASON_TOO_BIG);
	if (!*predicted) {
		model.charged += (u64)count * PAGE;
		for (u32 i = 0; i < header->bulk; i++)
			model.state[state.offset + i] = frame.bulk[i / PAGE];
		model.state_got += header->bulk;
		model.state_total = state.total;
	}

	reason = kvmft_stage_check(&stage, header->generation, header->epoch,
				   header->bulk);
	if (reason)
		return reason;
	reason = receive_pages(pages, header->bulk);
	if (reason)
		return reason;
	return kvmft_stage_add_state(&stage, &state, pages, header->bulk);
}

static enum kvmft_reason on_commit(const struct kvmft_wire_header *header, const u8 *body,
				   enum kvmft_reason *predicted)
{
	struct kvmft_wire_commit commit;
	enum kvmft_reason reason;

	must(!kvmft_wire_get_commit(body, header->body, &commit));
	*predicted = model_check(header->generation, header->epoch, 0);
	if (!*predicted &&
	    (number(body, 8) != model.count ||
	     number(body + 8, 8) != model.data_count * PAGE ||
	     number(body + 16, 8) != model_sum() ||
	     number(body + 24, 8) != model.state_got ||
	     model.state_got != model.state_total ||
	     number(body + 32, 4) != model_state_crc()))
		*predicted = model_refuse(KVMFT_REASON_MISMATCH);
	if (!*predicted) {
		model.committed_generation = model.generation;
		model.committed_epoch = model.epoch;
		model.phase = KVMFT_STAGE_COMMITTED;
	}
	reason = kvmft_stage_verify(&stage, header->generation, header->epoch, &commit);
	if (!reason)
		kvmft_stage_commit(&stage);
	return reason;
}

/* The frame arrives, and what comes of it is what the model says. */
static void deliver(u8 type, u32 len, u32 bulk, u64 generation, u64 epoch)
{
	const struct kvmft_wire_header sent = {
		.type = type, .body = len, .bulk = bulk, .vm = 1,
		.generation = generation, .epoch = epoch,
	};
	unsigned long refused = shim_refused;
	enum kvmft_reason predicted = 0;
	struct kvmft_wire_header header;
	struct kvmft_wire_begin begin;
	enum kvmft_reason reason;
	u8 *body = copy_of(frame.body, len);

	kvmft_wire_put_header(frame.header, &sent);
	reason = kvmft_wire_get_header(frame.header, &header);
	must(!reason && !kvmft_wire_expect(&header, KVMFT_WIRE_DATA));
	switch (header.type) {
	case KVMFT_WIRE_BEGIN:
		must(!kvmft_wire_get_begin(body, len, &begin));
		predicted = model_begin(header.generation, header.epoch, begin.flags);
		reason = kvmft_stage_begin(&stage, header.generation, header.epoch,
					   begin.flags);
		break;
	case KVMFT_WIRE_PAGES:
		reason = on_pages(&header, body, &predicted);
		break;
	case KVMFT_WIRE_STATE:
		reason = on_state(&header, body, &predicted);
		break;
	default:
		reason = on_commit(&header, body, &predicted);
	}
	if (shim_refused != refused)
		predicted = model_refuse(KVMFT_REASON_MEMORY);
	shim_allocations_left = -1;
	must(reason == predicted);
	compare();
	if (!reason && type == KVMFT_WIRE_COMMIT) {
		apply();
		compare();
	}
	free(body);
}

static void begin_step(void)
{
	struct kvmft_wire_begin begin = { .stamp = 1 };
	u8 epoch = take(1);

	/* Those from 32 on are full copies, or behind the one before. */
	if ((epoch & 0x30) == 0x20)
		begin.flags = KVMFT_WIRE_BEGIN_FULL;
	else if (epoch & 0x20)
		begin.flags = KVMFT_WIRE_BEGIN_FOLLOWS;

	deliver(KVMFT_WIRE_BEGIN, kvmft_wire_put_begin(frame.body, &begin), 0,
		epoch >> 6, begin.flags == KVMFT_WIRE_BEGIN_FOLLOWS ? epoch & 15 : epoch & 63);
}

/*
 * WHERE: bits 0 and 1 the region, bit 2 at the end of it, bit 3 all zero, the others
 * one less than the pages of the run.
 */
static void simple_run(struct kvmft_wire_run *run)
{
	u8 where = take(1);
	u64 page = take(2);

	*run = (struct kvmft_wire_run) {
		.region = (where & 3) == 3 ? KVMFT_WIRE_REGION_MAX : where & 3,
		.pages = 1 + (where >> 4),
		.flags = where & 8 ? KVMFT_WIRE_RUN_ZERO : 0,
		.offset = page * PAGE,
	};
	if (where & 4)
		run->offset = KVMFT_WIRE_OFFSET_MAX - run->offset -
			      (u64)run->pages * PAGE;
}

static void wire_run(struct kvmft_wire_run *run)
{
	run->region = take(4);
	run->pages = take(2);
	/* Those that are packed are another target's. */
	run->flags = take(2) & ~KVMFT_WIRE_RUN_LZ4;
	run->offset = take(8);
}

/* FLAGS: bit 0 another epoch, bit 1 another generation, bits 4 to 7 more bulk. */
static void pages_step(bool simple)
{
	u8 flags = take(1);
	u32 runs = 1 + take(1) % 32;
	struct kvmft_wire_run run;
	u32 count = 0;
	u32 len;

	len = kvmft_wire_put_pages(frame.body, runs);
	for (u32 i = 0; i < runs; i++) {
		u8 content = 0;

		if (simple)
			simple_run(&run);
		else
			wire_run(&run);
		if (simple || !run.flags)
			content = take(1);
		kvmft_wire_put_run(frame.body, i, &run);
		if (run.flags & KVMFT_WIRE_RUN_ZERO) {
			if (run.pages > zero_left)
				return;
			zero_left -= run.pages;
			continue;
		}
		if (run.pages > data_left || count + run.pages > 256)
			return;
		data_left -= run.pages;
		for (u32 n = 0; n < run.pages; n++)
			frame.bulk[count++] = content + n;
	}
	count += flags >> 4;
	if (count > 256)
		return;
	deliver(KVMFT_WIRE_PAGES, len, count * PAGE,
		stage.generation + (flags >> 1 & 1), stage.epoch + (flags & 1));
}

/*
 * HOW: bits 0 and 1 both set: another offset; bits 2 and 3 both set: another total;
 * bit 4: this is the last piece; bits 5 to 7: whole pages beside LENGTH.
 */
static void state_step(void)
{
	u8 how = take(1);
	u32 len = take(2) % (2 * PAGE) + (how >> 5) * PAGE;
	u8 content = take(1);
	struct kvmft_wire_state state = {
		.offset = model.state_got,
		.total = model.state_total ? model.state_total : 20 * PAGE + 5,
	};

	if (!(how & 16))
		len &= ~(PAGE - 1);
	if ((how & 3) == 3)
		state.offset += PAGE;
	if (how & 16 && !model.state_got)
		state.total = state.offset + len;
	else if (how & 16 && state.total > state.offset)
		len = state.total - state.offset;
	if ((how & 12) == 12)
		state.total += PAGE;
	if (state.total > STATE_MOST)
		return;
	for (u32 i = 0; i < 256; i++)
		frame.bulk[i] = content + i;
	deliver(KVMFT_WIRE_STATE, kvmft_wire_put_state(frame.body, &state), len,
		stage.generation, stage.epoch);
}

/*
 * WRONG: 0 is what it must be; otherwise the lower 3 bits name a field, from 1 on,
 * and the others which bit of it is changed. Field 6 is the epoch.
 */
static void commit_step(void)
{
	u8 wrong = take(1);
	u64 change = 1ULL << (wrong >> 3);
	u64 fields[8] = {
		0, model.count, (u64)model.data_count * PAGE, model_sum(),
		model.state_got, model_state_crc(), 0, 0,
	};
	struct kvmft_wire_commit commit;

	fields[wrong & 7] ^= change;
	commit = (struct kvmft_wire_commit) {
		fields[1], fields[2], fields[3], fields[4], fields[5], 1,
	};
	deliver(KVMFT_WIRE_COMMIT, kvmft_wire_put_commit(frame.body, &commit), 0,
		stage.generation, stage.epoch + fields[6]);
}

static void step(void)
{
	switch (take(1) % STEPS) {
	case 0:
		begin_step();
		break;
	case 1:
		pages_step(true);
		break;
	case 2:
		pages_step(false);
		break;
	case 3:
		state_step();
		break;
	case 4:
		commit_step();
		break;
	case 5:
		kvmft_stage_drop(&stage);
		model_forget(KVMFT_STAGE_IDLE);
		break;
	case 6:
		must(kvmft_stage_refuse(&stage, KVMFT_REASON_GONE) == KVMFT_REASON_GONE);
		model_refuse(KVMFT_REASON_GONE);
		break;
	case 7:
		shim_allocations_left = take(1);
		break;
	case 8:
		taker.policy = take(1) % 3;
		break;
	}
	compare();
}

static void reset(void)
{
	model_forget(KVMFT_STAGE_IDLE);
	model.generation = 0;
	model.epoch = 0;
	model.committed_generation = 0;
	model.committed_epoch = 0;
	taker.policy = 0;
	data_left = DATA_BUDGET;
	zero_left = ZERO_BUDGET;
	shim_allocations_left = -1;
}

int fuzz_input(const u8 *data, size_t size)
{
	u32 keep;

	input.at = data;
	input.left = size;
	reset();
	keep = take(1);
	model.ceiling = take(2) * PAGE;
	kvmft_stage_init(&stage, model.ceiling, keep);
	while (input.left)
		step();

	kvmft_stage_destroy(&stage);
	while (taker.count) {
		set_page_private(taker.kept[--taker.count], 0);
		__free_page(taker.kept[taker.count]);
	}
	must(!shim_pages && !shim_nodes);
	return 0;
}
