// SPDX-License-Identifier: GPL-2.0
/*
 * The stage and its pool. Pages are written as "REGION:PAGE=abc": three neighbours,
 * each filled with its letter, "." being a page that is all zero. One of these is
 * a run; several, with spaces between, are a frame.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/crc32c.h>
#include <linux/mm.h>
#include <shim.h>

#include "stage.h"
#include "unit.h"

#define OK KVMFT_REASON_NONE
#define MEMORY KVMFT_REASON_MEMORY
#define MISMATCH KVMFT_REASON_MISMATCH
#define LAYOUT KVMFT_REASON_LAYOUT
#define NOT_BEGUN KVMFT_REASON_NOT_BEGUN
#define PROTOCOL KVMFT_REASON_PROTOCOL
#define STALE KVMFT_REASON_STALE
#define FOLLOWS KVMFT_WIRE_BEGIN_FOLLOWS
#define TOO_BIG KVMFT_REASON_TOO_BIG

#define PAGE 4096ULL
#define ROOM (64 * PAGE)

/* All epochs of these tests have this generation. */
#define GENERATION 7

#define ZERO_CRC 0x98f94189U

/* As the module does it, with nothing to prepare in between. */
static enum kvmft_reason commit_stage(struct kvmft_stage *stage, u64 generation, u64 epoch,
				      const struct kvmft_wire_commit *commit)
{
	enum kvmft_reason reason = kvmft_stage_verify(stage, generation, epoch, commit);

	if (!reason)
		kvmft_stage_commit(stage);
	return reason;
}

static u32 letter_crc(char letter)
{
	u8 page[PAGE];

	memset(page, letter, PAGE);
	return ~crc32c(~0U, page, PAGE);
}

/* Takes one "REGION:PAGE=abc" off a text; false at its end. */
static bool next_run(const char **text, struct kvmft_wire_run *run, const char **letters)
{
	unsigned long long page;
	int used;

	while (**text == ' ')
		(*text)++;
	if (!**text)
		return false;
	if (sscanf(*text, "%u:%llu=%n", &run->region, &page, &used) != 2) {
		fprintf(stderr, "this isn't a run: %s\n", *text);
		abort();
	}
	run->offset = page * PAGE;
	*letters = *text + used;
	run->pages = strcspn(*letters, " ");
	run->flags = **letters == '.' ? KVMFT_WIRE_RUN_ZERO : 0;
	*text = *letters + run->pages;
	return true;
}

/* Hands a frame of pages to the stage, in the steps of who receives one. */
/* Where a full copy goes: 64 pages of region 0, by their first letters. */
static char placed[64];

static enum kvmft_reason take_place(void *context, u32 region, u64 offset,
				    struct page *page)
{
	if (region || offset / PAGE >= sizeof(placed))
		return LAYOUT;
	placed[offset / PAGE] = page ? *(char *)page_address(page) : '.';
	return OK;
}

static enum kvmft_reason give(struct kvmft_stage *stage, u64 epoch, const char *frame)
{
	static u8 body[KVMFT_WIRE_PAGES_HEAD + 256 * KVMFT_WIRE_RUN_LEN];
	struct page *pages[256];
	char content[256];
	struct kvmft_wire_pages got;
	struct kvmft_wire_run run;
	enum kvmft_reason reason;
	const char *letters;
	u32 count = 0;
	u32 runs = 0;
	size_t len;

	while (next_run(&frame, &run, &letters)) {
		kvmft_wire_put_run(body, runs++, &run);
		if (run.flags)
			continue;
		memcpy(content + count, letters, run.pages);
		count += run.pages;
	}
	len = kvmft_wire_put_pages(body, runs);
	check_eq(kvmft_wire_get_pages(body, len, count * PAGE, &got), OK, "get_pages");
	check_eq(got.whole, count, "pages as they are");
	check_eq(got.packed, 0, "packed ones");
	reason = kvmft_stage_check(stage, GENERATION, epoch, count * PAGE);
	if (reason)
		return reason;
	if (kvmft_pool_get(&stage->pool, pages, count))
		return kvmft_stage_refuse(stage, MEMORY);
	for (u32 i = 0; i < count; i++)
		memset(page_address(pages[i]), content[i], PAGE);
	if (stage->full)
		return kvmft_stage_place(stage, body, runs, pages, count, take_place, NULL);
	return kvmft_stage_add(stage, body, runs, pages, count);
}

static enum kvmft_reason give_state(struct kvmft_stage *stage, u64 epoch, u64 offset,
				    u64 total, u32 len, char letter)
{
	const struct kvmft_wire_state state = { offset, total };
	u32 count = (len + PAGE - 1) / PAGE;
	struct page *pages[256];
	enum kvmft_reason reason;

	reason = kvmft_stage_check(stage, GENERATION, epoch, len);
	if (reason)
		return reason;
	if (kvmft_pool_get(&stage->pool, pages, count))
		return kvmft_stage_refuse(stage, MEMORY);
	for (u32 i = 0; i < count; i++)
		memset(page_address(pages[i]), letter, PAGE);
	return kvmft_stage_add_state(stage, &state, pages, len);
}

/* What COMMIT says of an epoch with these pages, each there once, and no state. */
static struct kvmft_wire_commit commit_of(const char *pages)
{
	struct kvmft_wire_commit commit = { .stamp = 99 };
	struct kvmft_wire_run run;
	const char *letters;

	while (next_run(&pages, &run, &letters)) {
		for (u32 i = 0; i < run.pages; i++) {
			u32 crc = run.flags ? ZERO_CRC : letter_crc(letters[i]);

			commit.pages++;
			commit.bytes += run.flags ? 0 : PAGE;
			commit.sum += kvmft_wire_page_term(run.region,
							   run.offset + i * PAGE, crc);
		}
	}
	return commit;
}

/**
 * struct seen - what was applied
 * @text: In the same notation, a run for each page.
 * @kept: Pages that weren't given back.
 * @keep: Keep them; give one back that was kept earlier, if there is one.
 */
struct seen {
	char text[1 << 16];
	struct page *kept[64];
	u32 count;
	bool keep;
};

static struct page *see(void *context, u32 region, u64 offset, struct page *page)
{
	struct seen *seen = context;
	char *end = seen->text + strlen(seen->text);
	const u8 *content = page ? page_address(page) : NULL;
	struct page *other = NULL;

	sprintf(end, "%s%u:%llu=%c", *seen->text ? " " : "", region,
		(unsigned long long)(offset / PAGE), content ? *content : '.');
	if (content)
		check(!memcmp(content, content + 1, PAGE - 1), "%s is mixed up", end);
	if (!seen->keep || !page)
		return page;
	if (seen->count)
		other = seen->kept[--seen->count];
	seen->kept[seen->count++] = page;
	return other;
}

/* Like see(), for who doesn't get the pages; ends at page 99. */
static int look(void *context, u32 region, u64 offset)
{
	struct seen *seen = context;
	char *end = seen->text + strlen(seen->text);

	sprintf(end, "%s%u:%llu", *seen->text ? " " : "", region,
		(unsigned long long)(offset / PAGE));
	return offset == 99 * PAGE ? 12345 : 0;
}

static void free_kept(struct seen *seen)
{
	while (seen->count) {
		set_page_private(seen->kept[--seen->count], 0);
		__free_page(seen->kept[seen->count]);
	}
}

/* Nothing of an epoch is left, and it is as if it had never been. */
static void check_empty(const struct kvmft_stage *stage, const char *when)
{
	check_eq(stage->charged, 0, "%s: charged", when);
	check_eq(stage->count, 0, "%s: count", when);
	check_eq(stage->data_count, 0, "%s: data_count", when);
	check_eq(stage->sum, 0, "%s: sum", when);
	check_eq(stage->state_got, 0, "%s: state_got", when);
	check_eq(stage->state_total, 0, "%s: state_total", when);
	check_eq(stage->state_crc, 0, "%s: state_crc", when);
	check_eq(shim_nodes, 0, "%s: nodes", when);
	check_eq(shim_pages, stage->pool.count, "%s: pages", when);
	check(stage->pool.count <= stage->pool.keep, "%s: %u in the pool", when,
	      stage->pool.count);
}

static void commit_and_apply(struct kvmft_stage *stage, u64 epoch, const char *wanted,
			     struct seen *seen)
{
	struct kvmft_wire_commit commit = commit_of(wanted);

	if (!check_eq(commit_stage(stage, GENERATION, epoch, &commit), OK,
		      "commit of %s", wanted))
		return;
	check_eq(stage->phase, KVMFT_STAGE_COMMITTED, "phase after commit");
	check_eq(stage->committed_epoch, epoch, "committed");
	check_eq(stage->committed_generation, GENERATION, "committed generation");
	*seen->text = '\0';
	kvmft_stage_apply(stage, see, seen);
	check(!strcmp(seen->text, wanted), "wanted %s, got %s", wanted, seen->text);
	check_eq(stage->phase, KVMFT_STAGE_IDLE, "phase after apply");
}

static void epochs(void)
{
	static const struct {
		const char *frames[4];
		const char *committed;
		unsigned int leaves;
	} known[] = {
		{ { NULL }, "", 0 },
		{ { "0:0=a" }, "0:0=a", 1 },
		{ { "0:0=." }, "0:0=.", 1 },
		{ { "0:5=ab 0:7=. 0:8=c" }, "0:5=a 0:6=b 0:7=. 0:8=c", 1 },
		/* Regions and offsets up to their limits, in no order. */
		{ { "3:9=c 1023:1099511627775=d", "0:1099511627775=. 1:0=b", "0:2=a" },
		  "0:2=a 0:1099511627775=. 1:0=b 3:9=c 1023:1099511627775=d", 5 },
		{ { "0:63=ab" }, "0:63=a 0:64=b", 2 },
		{ { "0:64=b", "0:63=a" }, "0:63=a 0:64=b", 2 },
		{ { "0:63=a", "0:64=b", "0:0=c 0:127=d", "0:126=.." },
		  "0:0=c 0:63=a 0:64=b 0:126=. 0:127=.", 2 },
		/* The last version counts, whatever came before it. */
		{ { "0:1=a", "0:1=b" }, "0:1=b", 1 },
		{ { "0:1=a", "0:1=a" }, "0:1=a", 1 },
		{ { "0:1=a", "0:1=." }, "0:1=.", 1 },
		{ { "0:1=.", "0:1=a" }, "0:1=a", 1 },
		{ { "0:1=.", "0:1=." }, "0:1=.", 1 },
		{ { "0:1=a", "0:1=.", "0:1=b", "0:1=c" }, "0:1=c", 1 },
		{ { "0:1=abc", "0:2=..", "0:2=d" }, "0:1=a 0:2=d 0:3=.", 1 },
		{ { "0:1=ab 0:2=c 0:1=d" }, "0:1=d 0:2=c", 1 },
	};
	static struct seen seen;
	struct kvmft_stage stage;
	u64 epoch = 0;

	kvmft_stage_init(&stage, ROOM, 3);
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		struct kvmft_wire_commit commit = commit_of(known[i].committed);

		seen.keep = i & 1;
		check_eq(kvmft_stage_begin(&stage, GENERATION, ++epoch, 0), OK, "begin");
		for (int n = 0; n < 4 && known[i].frames[n]; n++)
			check_eq(give(&stage, epoch, known[i].frames[n]), OK, "%s",
				 known[i].frames[n]);
		check_eq(stage.charged, commit.bytes + known[i].leaves * PAGE,
			 "charged for %s", known[i].committed);
		commit_and_apply(&stage, epoch, known[i].committed, &seen);
		free_kept(&seen);
		check_empty(&stage, known[i].committed);
	}
	kvmft_stage_destroy(&stage);
}

/* A full copy is at its place at once, isn't charged, and is summed up all the same. */
static void full_copies(void)
{
	static struct seen seen;
	const char *whole = "0:1=a 0:2=x 0:3=.";
	struct kvmft_wire_commit commit = commit_of(whole);
	struct kvmft_stage stage;

	kvmft_stage_init(&stage, ROOM, 8);
	check_eq(kvmft_stage_begin(&stage, GENERATION, 1, KVMFT_WIRE_BEGIN_FULL), OK, "begin");
	check_eq(give(&stage, 1, "0:1=ab 0:3=c"), OK, "pages");
	check_eq(give(&stage, 1, "0:2=x 0:3=."), OK, "later versions");
	check(!memcmp(placed + 1, "ax.", 3), "all is at its place");
	check_eq(stage.charged, 0, "charged");
	check_eq(kvmft_stage_verify(&stage, GENERATION, 1, &commit), OK, "verify");
	kvmft_stage_commit(&stage);
	kvmft_stage_apply(&stage, see, &seen);
	check_eq(seen.count, 0, "pages handed over");
	check_empty(&stage, whole);

	kvmft_stage_begin(&stage, GENERATION, 2, KVMFT_WIRE_BEGIN_FULL);
	check_eq(give(&stage, 2, "0:1=a 0:2=y 0:3=."), OK, "other pages");
	check_eq(kvmft_stage_verify(&stage, GENERATION, 2, &commit), MISMATCH, "verify");
	kvmft_stage_begin(&stage, GENERATION, 3, KVMFT_WIRE_BEGIN_FULL);
	check_eq(give(&stage, 3, "0:70=a"), LAYOUT, "a page without a place");
	check_eq(give(&stage, 3, "0:1=a"), NOT_BEGUN, "what comes after it");
	kvmft_stage_destroy(&stage);
}

static void kept_pages(void)
{
	static struct seen seen;
	struct kvmft_stage stage;

	seen.keep = true;
	kvmft_stage_init(&stage, ROOM, 8);
	kvmft_stage_begin(&stage, GENERATION, 1, 0);
	give(&stage, 1, "0:0=abc 0:3=.");
	commit_and_apply(&stage, 1, "0:0=a 0:1=b 0:2=c 0:3=.", &seen);
	check_eq(seen.count, 1, "pages kept");
	check_eq(*(char *)page_address(seen.kept[0]), 'c', "the one kept");
	check_eq(stage.pool.count, 2, "pages given back in their place");
	check_eq(shim_pages, 3, "pages there are");
	free_kept(&seen);
	kvmft_stage_destroy(&stage);
}

static void walks(void)
{
	static struct seen seen;
	struct kvmft_stage stage;

	kvmft_stage_init(&stage, ROOM, 2);
	kvmft_stage_begin(&stage, GENERATION, 1, 0);
	check_eq(kvmft_stage_walk(&stage, look, &seen), 0, "nothing to see");
	check(!*seen.text, "saw %s", seen.text);
	give(&stage, 1, "1:0=a 0:7=. 0:2=b");
	check_eq(kvmft_stage_walk(&stage, look, &seen), 0, "all");
	check(!strcmp(seen.text, "0:2 0:7 1:0"), "saw %s", seen.text);
	*seen.text = '\0';
	give(&stage, 1, "0:99=c");
	check_eq(kvmft_stage_walk(&stage, look, &seen), 12345, "ended early");
	check(!strcmp(seen.text, "0:2 0:7 0:99"), "saw %s", seen.text);
	kvmft_stage_destroy(&stage);
}

/* An epoch at its ceiling is committed, a byte less and it is refused. */
static void ceilings(void)
{
	static const struct {
		const char *frames[4];
		u32 state;
		u64 needed;
	} known[] = {
		{ { "0:0=." }, 0, PAGE },
		{ { "0:0=a" }, 0, 2 * PAGE },
		{ { "0:0=abcdefgh" }, 0, 9 * PAGE },
		{ { "0:0=a", "0:1=b", "0:2=c" }, 0, 4 * PAGE },
		{ { "0:0=. 0:64=. 1:0=. 0:1=." }, 0, 3 * PAGE },
		{ { "0:63=ab" }, 0, 4 * PAGE },
		{ { "0:0=ab", "0:1=cd", "0:0=ef" }, 0, 4 * PAGE },
		{ { "0:0=a", "0:0=.", "0:1=." }, 0, 2 * PAGE },
		{ { NULL }, 1, PAGE },
		{ { NULL }, 4096, PAGE },
		{ { NULL }, 4097, 2 * PAGE },
		{ { "0:0=ab" }, 4097, 5 * PAGE },
	};

	for (size_t i = 0; i < 2 * sizeof(known) / sizeof(*known); i++) {
		bool low = i & 1;
		enum kvmft_reason reason = OK;
		struct kvmft_stage stage;
		const char *const *frame = known[i / 2].frames;
		u32 state = known[i / 2].state;

		kvmft_stage_init(&stage, known[i / 2].needed - low, 2);
		kvmft_stage_begin(&stage, GENERATION, 1, 0);
		for (int n = 0; n < 4 && frame[n] && !reason; n++)
			reason = give(&stage, 1, frame[n]);
		if (state && !reason)
			reason = give_state(&stage, 1, 0, state, state, 's');
		check_eq(reason, low ? TOO_BIG : OK, "%zu, ceiling %s", i / 2,
			 low ? "a byte too low" : "as needed");
		if (low) {
			check_empty(&stage, "too big");
			check_eq(give(&stage, 1, "0:0=."), NOT_BEGUN, "the rest of it");
			check_eq(kvmft_stage_begin(&stage, GENERATION, 2, 0), OK, "the next");
		}
		kvmft_stage_destroy(&stage);
	}
}

/* Before anything is received: no more than a frame above the ceiling. */
static void check_before_receiving(void)
{
	struct kvmft_stage stage;

	kvmft_stage_init(&stage, 8 * PAGE, 2);
	kvmft_stage_begin(&stage, GENERATION, 1, 0);
	check_eq(kvmft_stage_check(&stage, GENERATION, 1, 8 * PAGE), OK, "all of it");
	check_eq(kvmft_stage_check(&stage, GENERATION, 1, 8 * PAGE + 1), TOO_BIG, "more");
	kvmft_stage_begin(&stage, GENERATION, 1, 0);
	check_eq(give(&stage, 1, "0:0=abcdefg"), OK, "up to the ceiling");
	check_eq(give(&stage, 1, "0:0=hijklmn"), OK, "replaced at the ceiling");
	check_eq(give(&stage, 1, "0:7=o"), TOO_BIG, "another page");
	check_empty(&stage, "too big");
	kvmft_stage_begin(&stage, GENERATION, 1, 0);
	check_eq(give(&stage, 1, "0:0=abcd"), OK, "half of it");
	check_eq(give(&stage, 1, "0:4=efghij"), TOO_BIG, "in the middle of a frame");
	check_empty(&stage, "too big");
	kvmft_stage_destroy(&stage);
}

static void mismatches(void)
{
	static const char *const committed = "0:0=a 0:1=. 5:9=b";
	struct seen *seen = calloc(1, sizeof(*seen));
	struct kvmft_stage stage;
	u64 epoch = 0;

	kvmft_stage_init(&stage, ROOM, 2);
	/* The seventh is right. */
	for (int i = 0; i < 7; i++) {
		struct kvmft_wire_commit commit = commit_of(committed);
		const enum kvmft_reason wanted = i < 6 ? MISMATCH : OK;
		u8 state[8193];

		memset(state, 's', sizeof(state));
		commit.state_bytes = 8193;
		commit.state_crc = ~crc32c(~0U, state, sizeof(state));
		commit.pages += i == 0;
		commit.bytes += i == 1;
		commit.sum ^= (u64)(i == 2) << 63;
		commit.state_bytes -= i == 3;
		commit.state_crc ^= i == 4;

		epoch++;
		kvmft_stage_begin(&stage, GENERATION, epoch, 0);
		give(&stage, epoch, "5:9=b 0:1=.");
		give_state(&stage, epoch, 0, 8193, 4096, 's');
		give(&stage, epoch, "0:0=a");
		/* The last piece is missing, and COMMIT knows it. */
		if (i == 5) {
			commit.state_bytes = 4096;
			commit.state_crc = letter_crc('s');
		} else {
			give_state(&stage, epoch, 4096, 8193, 4097, 's');
		}
		check_eq(commit_stage(&stage, GENERATION, epoch, &commit), wanted,
			 "mismatch %d", i);
		if (wanted) {
			check_empty(&stage, "mismatch");
			check_eq(stage.committed_epoch, 0, "nothing is committed");
			check_eq(commit_stage(&stage, GENERATION, epoch, &commit),
				 NOT_BEGUN, "again");
			continue;
		}
		kvmft_stage_apply(&stage, see, seen);
		check(!strcmp(seen->text, committed), "got %s", seen->text);
	}
	check_empty(&stage, "applied");
	kvmft_stage_destroy(&stage);
	free(seen);
}

static void states(void)
{
	static const struct {
		struct {
			u64 offset, total;
			u32 len;
		} piece[3];
		enum kvmft_reason last;
	} known[] = {
		{ { { 0, 1, 1 } }, OK },
		{ { { 0, 4096, 4096 } }, OK },
		{ { { 0, 8193, 8192 }, { 8192, 8193, 1 } }, OK },
		{ { { 0, 8193, 4096 }, { 4096, 8193, 4096 }, { 8192, 8193, 1 } }, OK },
		{ { { 4096, 8193, 4096 } }, PROTOCOL },
		{ { { 0, 8193, 4096 }, { 8192, 8193, 1 } }, PROTOCOL },
		{ { { 0, 8193, 4096 }, { 0, 8193, 4096 } }, PROTOCOL },
		{ { { 0, 8193, 4096 }, { 4096, 8192, 4096 } }, PROTOCOL },
		{ { { 0, 8192, 8192 }, { 0, 8192, 8192 } }, PROTOCOL },
	};
	struct kvmft_stage stage;

	kvmft_stage_init(&stage, ROOM, 2);
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		kvmft_stage_begin(&stage, GENERATION, 1, 0);
		for (int n = 0; n < 3 && known[i].piece[n].len; n++) {
			bool last = n == 2 || !known[i].piece[n + 1].len;

			check_eq(give_state(&stage, 1, known[i].piece[n].offset,
					    known[i].piece[n].total,
					    known[i].piece[n].len, 's'),
				 last ? known[i].last : OK, "%zu, piece %d", i, n);
		}
		if (known[i].last)
			check_empty(&stage, "wrong state");
		kvmft_stage_drop(&stage);
		check_empty(&stage, "dropped");
	}
	kvmft_stage_destroy(&stage);
}

static void order(void)
{
	struct seen *seen = calloc(1, sizeof(*seen));
	struct kvmft_wire_commit nothing = commit_of("");
	struct kvmft_stage stage;

	kvmft_stage_init(&stage, ROOM, 2);
	check_eq(give(&stage, 1, "0:0=a"), NOT_BEGUN, "pages before any");
	check_eq(stage.phase, KVMFT_STAGE_REFUSING, "phase");
	kvmft_stage_drop(&stage);
	check_eq(commit_stage(&stage, GENERATION, 1, &nothing), NOT_BEGUN,
		 "commit before any");
	check_eq(kvmft_stage_begin(&stage, 0, 0, 0), STALE, "0 of 0");

	check_eq(kvmft_stage_begin(&stage, GENERATION, 5, 0), OK, "begin");
	check_eq(give(&stage, 4, "0:0=a"), PROTOCOL, "pages of another one");
	check_eq(kvmft_stage_begin(&stage, GENERATION, 5, 0), OK, "begin");
	check_eq(kvmft_stage_check(&stage, GENERATION + 1, 5, 0), PROTOCOL,
		 "another generation");
	check_eq(kvmft_stage_begin(&stage, GENERATION, 5, 0), OK, "begin");
	check_eq(commit_stage(&stage, GENERATION, 6, &nothing), PROTOCOL,
		 "commit of another one");
	check_eq(kvmft_stage_begin(&stage, GENERATION, 5, 0), OK, "begin");
	check_eq(give(&stage, 5, "0:0=a"), OK, "pages");
	check_eq(kvmft_stage_begin(&stage, GENERATION, 6, 0), PROTOCOL, "begin twice");
	check_empty(&stage, "begun twice");
	check_eq(give(&stage, 6, "0:0=a"), NOT_BEGUN, "pages then");

	check_eq(kvmft_stage_begin(&stage, GENERATION, 5, 0), OK, "begin");
	check_eq(give(&stage, 5, "0:0=a"), OK, "pages");
	check_eq(kvmft_stage_refuse(&stage, KVMFT_REASON_GONE), KVMFT_REASON_GONE,
		 "refuse");
	check_empty(&stage, "refused");
	check_eq(kvmft_stage_begin(&stage, GENERATION, 5, 0), OK, "begin");
	commit_and_apply(&stage, 5, "", seen);

	check_eq(kvmft_stage_begin(&stage, GENERATION, 5, 0), STALE, "the same");
	check_eq(give(&stage, 5, "0:0=a"), NOT_BEGUN, "pages of it");
	check_eq(kvmft_stage_begin(&stage, GENERATION, 4, 0), STALE, "the one before");
	check_eq(kvmft_stage_begin(&stage, GENERATION - 1, 9, 0), STALE,
		 "an older generation");
	check_eq(kvmft_stage_begin(&stage, GENERATION, 6, 0), OK, "the next");
	kvmft_stage_drop(&stage);
	check_eq(kvmft_stage_begin(&stage, GENERATION + 1, 1, 0), OK, "a new generation");
	kvmft_stage_drop(&stage);

	check_eq(kvmft_stage_begin(&stage, GENERATION, 7, FOLLOWS), PROTOCOL,
		 "behind one that isn't committed");
	check_eq(stage.phase, KVMFT_STAGE_REFUSING, "phase");
	check_eq(kvmft_stage_begin(&stage, GENERATION, 7, FOLLOWS), OK,
		 "behind one that was refused");
	check_eq(stage.phase, KVMFT_STAGE_REFUSING, "it is refused as well");
	check_empty(&stage, "refused without a word");
	check_eq(kvmft_stage_begin(&stage, GENERATION, 5, FOLLOWS), STALE, "an older one");
	kvmft_stage_drop(&stage);
	check_eq(kvmft_stage_begin(&stage, GENERATION + 1, 6, FOLLOWS), PROTOCOL,
		 "behind one of another generation");
	check_eq(kvmft_stage_begin(&stage, GENERATION, 6, FOLLOWS), OK, "behind the last one");
	check_eq(stage.phase, KVMFT_STAGE_OPEN, "phase");
	check(!stage.full, "it isn't full");
	check_eq(kvmft_stage_begin(&stage, GENERATION, 7, FOLLOWS), PROTOCOL, "while one is open");
	kvmft_stage_drop(&stage);

	shim_warnings = 0;
	*seen->text = '\0';
	kvmft_stage_begin(&stage, GENERATION, 9, 0);
	give(&stage, 9, "0:0=a");
	kvmft_stage_apply(&stage, see, seen);
	check_eq(shim_warnings, 1, "warnings of apply without commit");
	check(!*seen->text, "%s was applied without commit", seen->text);
	kvmft_stage_destroy(&stage);
	free(seen);
}

/* An epoch with every kind of allocation, of which the n-th fails. */
static enum kvmft_reason whole_epoch(struct kvmft_stage *stage, u64 epoch)
{
	struct kvmft_wire_commit commit = commit_of("0:0=ax 0:2=. 0:9=. 5:0=bc 9:9=.");
	static u8 state[66 * PAGE];
	enum kvmft_reason reason;

	commit.state_bytes = sizeof(state);
	memset(state, 's', sizeof(state));
	commit.state_crc = ~crc32c(~0U, state, sizeof(state));
	reason = give(stage, epoch, "0:0=a 5:0=bc 0:9=.");
	if (!reason)
		reason = give(stage, epoch, "0:2=. 0:1=x 9:9=.");
	if (!reason)
		reason = give_state(stage, epoch, 0, sizeof(state), sizeof(state), 's');
	return reason ? reason : commit_stage(stage, GENERATION, epoch, &commit);
}

static void no_memory(void)
{
	struct seen *seen = calloc(1, sizeof(*seen));

	for (u32 keep = 0; keep < 9; keep += 4) {
		enum kvmft_reason reason = MEMORY;
		struct kvmft_stage stage;
		long n;

		for (n = 0; reason && n < 200; n++) {
			kvmft_stage_init(&stage, 2 * ROOM, keep);
			kvmft_stage_begin(&stage, GENERATION, 1, 0);
			shim_allocations_left = n;
			reason = whole_epoch(&stage, 1);
			shim_allocations_left = -1;
			if (reason) {
				check_eq(reason, MEMORY, "allocation %ld", n);
				check_empty(&stage, "no memory");
				check_eq(kvmft_stage_begin(&stage, GENERATION, 1, 0), OK,
					 "begin after allocation %ld", n);
				check_eq(whole_epoch(&stage, 1), OK, "again, %ld", n);
			}
			*seen->text = '\0';
			kvmft_stage_apply(&stage, see, seen);
			check(!strcmp(seen->text, "0:0=a 0:1=x 0:2=. 0:9=. 5:0=b 5:1=c 9:9=."),
			      "applied %s", seen->text);
			check_empty(&stage, "applied");
			kvmft_stage_destroy(&stage);
		}
		/* Seventy pages, and two trees with several nodes. */
		check(n > 80 && n < 200, "only %ld allocations fail", n);
	}
	free(seen);
}

static struct page *follow(void *context, u32 region, u64 offset, struct page *page)
{
	u64 *next = context;

	check(!region && !page && offset == *next, "page %#llx", (unsigned long long)offset);
	*next = offset + PAGE;
	return NULL;
}

/* As many as a run can have, in one leaf after the other. */
static void large_epoch(void)
{
	struct kvmft_wire_run run = { .pages = 65535, .flags = KVMFT_WIRE_RUN_ZERO };
	struct kvmft_wire_commit commit = { .pages = 65535 };
	struct kvmft_stage stage;
	u64 next = 0;
	u8 body[24];

	kvmft_wire_put_pages(body, 1);
	kvmft_wire_put_run(body, 0, &run);
	for (u64 i = 0; i < 65535; i++)
		commit.sum += kvmft_wire_page_term(0, i * PAGE, ZERO_CRC);
	kvmft_stage_init(&stage, 1024 * PAGE, 0);
	for (u64 epoch = 1; epoch < 3; epoch++) {
		kvmft_stage_begin(&stage, GENERATION, epoch, 0);
		for (u64 times = 0; times < epoch; times++)
			check_eq(kvmft_stage_add(&stage, body, 1, NULL, 0), OK, "add");
		check_eq(stage.charged, 1024 * PAGE, "charged");
		check_eq(commit_stage(&stage, GENERATION, epoch, &commit), OK,
			 "commit");
		kvmft_stage_apply(&stage, follow, &next);
		check_eq(next, 65535 * PAGE, "applied");
		next = 0;
	}
	kvmft_stage_destroy(&stage);
}

static void pools(void)
{
	struct page *first[256], *second[256];
	struct kvmft_pool pool;
	int same = 0;

	kvmft_pool_init(&pool, 5);
	check_eq(kvmft_pool_get(&pool, first, 0), 0, "none");
	check_eq(kvmft_pool_get(&pool, first, 256), 0, "256");
	check_eq(shim_pages, 256, "pages");
	for (int i = 0; i < 256; i++) {
		memset(page_address(first[i]), i, PAGE);
		set_page_private(first[i], 1000 + i);
	}
	for (int i = 0; i < 256; i++) {
		check_eq(*(u8 *)page_address(first[i]), i, "page %d is another's too", i);
		check_eq(page_private(first[i]), 1000 + i, "private of page %d", i);
	}
	kvmft_pool_put(&pool, first, 256);
	check_eq(pool.count, 5, "kept");
	check_eq(shim_pages, 5, "the others are freed");

	shim_allocations_left = 0;
	check_eq(kvmft_pool_get(&pool, first, 5), 0, "those kept need no memory");
	check_eq(pool.count, 0, "kept");
	kvmft_pool_put(&pool, first, 5);
	shim_allocations_left = 2;
	check_eq(kvmft_pool_get(&pool, second, 8), (u64)-ENOMEM, "three too many");
	check_eq(pool.count, 5, "kept after that");
	check_eq(shim_pages, 5, "pages after that");
	shim_allocations_left = 3;
	check_eq(kvmft_pool_get(&pool, second, 8), 0, "five and three");
	for (int i = 0; i < 5; i++)
		for (int j = 0; j < 8; j++)
			same += first[i] == second[j];
	check(same, "none of the pages is used again");
	kvmft_pool_put(&pool, second, 3);
	kvmft_pool_put(&pool, second + 3, 5);
	check_eq(pool.count, 5, "never more than that");

	kvmft_pool_destroy(&pool);
	check_eq(shim_pages, 0, "pages after the pool");
	check_eq(pool.count, 0, "count after the pool");
	shim_allocations_left = -1;
	check_eq(kvmft_pool_get(&pool, first, 1), 0, "it is still usable");
	kvmft_pool_put(&pool, first, 1);
	kvmft_pool_destroy(&pool);
}

const struct unit_test stage_tests[] = {
	{ "an epoch is committed with the last version of each page, in order", epochs },
	{ "a full copy goes to its place at once", full_copies },
	{ "who applies pages may keep them", kept_pages },
	{ "where pages belong can be seen, up to the first that isn't wanted", walks },
	{ "an epoch may be as large as the ceiling, and not larger", ceilings },
	{ "nothing is received for an epoch that can't be", check_before_receiving },
	{ "COMMIT must fit in each of its fields", mismatches },
	{ "pieces of state come in order and fit together", states },
	{ "what isn't begun, is begun twice or is stale is refused", order },
	{ "whichever allocation fails, the epoch is gone and the next one comes", no_memory },
	{ "65535 pages that are all zero are an epoch", large_epoch },
	{ "a pool keeps what it may, and leaves nothing", pools },
	{ }
};
