// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "compare.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hold.h"
#include "memory.h"
#include "net.h"

#define MAGIC 0x65726170656d6f63ULL
#define NONE (~0ULL)
#define WAIT_US 200
/* For what comes soon, or never: 10 s and more. */
#define COMMIT_TRIES 50000
/* Pages that are sent and received at a time: a packet for each took minutes in some hosts. */
#define PARCELS 64
/* An epoch is under way while nothing else begins; but that may be seen too early. */
#define PARKED_TRIES 500

/**
 * struct head - what the primary says of an epoch
 * @magic: MAGIC.
 * @epoch: The epoch.
 * @pages: How many parcels follow: pages with their guest addresses.
 */
struct head {
	u64 magic, epoch, pages;
};

struct parcel {
	u64 gpa;
	char page[PAGE];
};

/**
 * struct answer - what the standby found
 * @epoch: The epoch.
 * @over: It was promoted, and there is nothing to compare any more.
 * @pages: Pages that aren't zero.
 * @gpa: Where the first difference is, if @different.
 */
struct answer {
	u64 epoch, pages, gpa;
	u8 over, different, primary, standby;
	u32 reserved;
};

/*
 * The primary's memory as it was saved, by guest address: its own copy of it there, what
 * it has told on the standby. Pages that aren't in the set were never but zero.
 */
static struct {
	pthread_mutex_t lock;
	const char *where;
	int fd;
	bool saved, over;
	char *pages;
	struct parcel *parcels;
	u64 *set, *changed, words, told;
	/* Not under @lock, which is held while pages go over: who asks shall be answered. */
	pthread_mutex_t counting;
	struct compare_counts counts;
} compare = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.fd = -1,
	.counting = PTHREAD_MUTEX_INITIALIZER,
};

static bool has(const u64 *set, u64 gpa)
{
	return set[gpa / PAGE / 64] >> gpa / PAGE % 64 & 1;
}

static void add(u64 *set, u64 gpa)
{
	set[gpa / PAGE / 64] |= 1ULL << gpa / PAGE % 64;
}

static u64 count(const u64 *set)
{
	u64 n = 0, i;

	for (i = 0; i < compare.words; i++)
		n += __builtin_popcountll(set[i]);
	return n;
}

/* The next page of the set from gpa on; NONE if there is no other. */
static u64 next(const u64 *set, u64 gpa)
{
	u64 page = gpa / PAGE, i = page / 64, word;

	if (i >= compare.words)
		return NONE;
	word = set[i] & ~0ULL << page % 64;
	while (!word) {
		if (++i == compare.words)
			return NONE;
		word = set[i];
	}
	return (i * 64 + __builtin_ctzll(word)) * PAGE;
}

static void make_copy(void)
{
	compare.words = vmm.gpa_end / PAGE / 64 + 1;
	compare.set = calloc(compare.words, sizeof(u64));
	compare.changed = calloc(compare.words, sizeof(u64));
	compare.pages = mmap(NULL, vmm.gpa_end, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	compare.parcels = calloc(PARCELS, sizeof(struct parcel));
	if (!compare.set || !compare.changed || !compare.parcels || compare.pages == MAP_FAILED)
		die("no memory to compare with");
}

struct compare_counts compare_counts(void)
{
	struct compare_counts counts;

	pthread_mutex_lock(&compare.counting);
	counts = compare.counts;
	pthread_mutex_unlock(&compare.counting);
	return counts;
}

static void note_difference(const struct answer *answer)
{
	struct compare_counts *counts = &compare.counts;

	if (counts->different++)
		return;
	counts->epoch = answer->epoch;
	counts->gpa = answer->gpa;
	counts->primary = answer->primary;
	counts->standby = answer->standby;
}

static void note(const struct answer *answer)
{
	struct compare_counts *counts = &compare.counts;

	pthread_mutex_lock(&compare.counting);
	counts->epochs++;
	counts->last = answer->epoch;
	counts->pages = answer->pages;
	if (answer->different)
		note_difference(answer);
	pthread_mutex_unlock(&compare.counting);
}

static void note_lost(void)
{
	pthread_mutex_lock(&compare.counting);
	compare.counts.lost++;
	pthread_mutex_unlock(&compare.counting);
}

/* On the primary, one that got lost in async mode is followed by another, which parks us. */
static bool wait_committed(u64 ticket)
{
	const struct kvmft_area *area = vmm.area;
	unsigned int tries, parked = 0;

	for (tries = 0; tries < COMMIT_TRIES; tries++) {
		if (ticket <= __atomic_load_n(&area->committed, __ATOMIC_ACQUIRE))
			return true;
		if (area->state == KVMFT_AREA_IDLE)
			return false;
		parked += area->park && !vmm.options.standby;
		if (parked > PARKED_TRIES)
			return false;
		sleep_us(WAIT_US);
	}
	return false;
}

/* --- The primary --- */

static int keep(void *unused, u64 gpa, const void *page)
{
	char *kept = compare.pages + gpa;

	(void)unused;
	if (has(compare.set, gpa) ? !memcmp(kept, page, PAGE) : memory_is_zero(page))
		return 0;
	memcpy(kept, page, PAGE);
	add(compare.set, gpa);
	add(compare.changed, gpa);
	return 0;
}

void compare_saved(void)
{
	if (!compare.counts.on || vmm.options.standby)
		return;
	pthread_mutex_lock(&compare.lock);
	if (!compare.over) {
		memory_visit(keep, NULL);
		compare.saved = true;
	}
	pthread_mutex_unlock(&compare.lock);
}

static bool send_parcels(u64 *n)
{
	size_t len = *n * sizeof(struct parcel);

	*n = 0;
	return net_send(compare.fd, compare.parcels, len);
}

static bool tell(u64 epoch)
{
	struct head head = { MAGIC, epoch, count(compare.changed) };
	u64 gpa, n = 0;

	if (!net_send(compare.fd, &head, sizeof(head)))
		return false;
	for (gpa = next(compare.changed, 0); gpa != NONE; gpa = next(compare.changed, gpa + PAGE)) {
		compare.parcels[n].gpa = gpa;
		memcpy(compare.parcels[n++].page, compare.pages + gpa, PAGE);
		if (n == PARCELS && !send_parcels(&n))
			return false;
	}
	if (!send_parcels(&n))
		return false;
	memset(compare.changed, 0, compare.words * sizeof(u64));
	return true;
}

/* The standby is gone, or is none any more: that ends it. */
static void ask(u64 epoch)
{
	struct answer answer;

	if (compare.fd < 0)
		compare.fd = net_connect(compare.where);
	if (!tell(epoch) || !net_receive(compare.fd, &answer, sizeof(answer)) || answer.over) {
		compare.over = true;
		close(compare.fd);
		return;
	}
	note(&answer);
	if (compare_counts().epochs == vmm.options.stop_after)
		hold_begin(HOLD_EPOCH);
}

/* A checkpoint that was for nothing leaves the ticket of the one before. */
static bool is_new(u64 ticket)
{
	bool new;

	pthread_mutex_lock(&compare.lock);
	/* Whoever comes late with an older one has no part in what was saved since. */
	new = compare.saved && ticket > compare.told;
	if (new) {
		compare.told = ticket;
		compare.saved = false;
	}
	pthread_mutex_unlock(&compare.lock);
	return new;
}

void compare_committed(u64 ticket)
{
	bool committed;

	if (!compare.counts.on || vmm.options.standby || !is_new(ticket))
		return;
	/* Without the lock: it may take long if the standby is gone. */
	committed = wait_committed(ticket);
	if (!committed) {
		note_lost();
		return;
	}
	pthread_mutex_lock(&compare.lock);
	ask(ticket);
	pthread_mutex_unlock(&compare.lock);
}

/* --- The standby --- */

struct finding {
	struct answer *answer;
	u64 *seen;
};

static void differs(struct answer *answer, u64 gpa, const void *ours, const void *theirs)
{
	const u8 *a = ours, *b = theirs;
	u64 i = 0;

	while (i < PAGE - 1 && (a ? a[i] : 0) == (b ? b[i] : 0))
		i++;
	answer->different = 1;
	answer->gpa = gpa + i;
	answer->standby = a ? a[i] : 0;
	answer->primary = b ? b[i] : 0;
}

static int match(void *context, u64 gpa, const void *page)
{
	struct finding *finding = context;
	const void *theirs = has(compare.set, gpa) ? compare.pages + gpa : NULL;

	add(finding->seen, gpa);
	if (theirs ? !memcmp(theirs, page, PAGE) : memory_is_zero(page))
		return 0;
	differs(finding->answer, gpa, page, theirs);
	return 1;
}

/* What exists here, against what the primary has told, and then the rest of that. */
static void match_all(struct answer *answer)
{
	struct finding finding = { answer, compare.changed };
	u64 gpa;

	memset(compare.changed, 0, compare.words * sizeof(u64));
	memory_visit(match, &finding);
	for (gpa = next(compare.set, 0); gpa != NONE && !answer->different;
	     gpa = next(compare.set, gpa + PAGE)) {
		if (!has(finding.seen, gpa) && !memory_is_zero(compare.pages + gpa))
			differs(answer, gpa, NULL, compare.pages + gpa);
	}
	answer->pages = count(compare.set);
}

static void look(u64 epoch, struct answer *answer)
{
	pthread_mutex_lock(&compare.lock);
	answer->over = compare.over || !wait_committed(epoch);
	if (!answer->over) {
		match_all(answer);
		note(answer);
	}
	pthread_mutex_unlock(&compare.lock);
}

/* Only one connection is served at a time: a VMM has one primary. */
static bool take_parcels(int fd, u64 n)
{
	const struct parcel *parcel = compare.parcels;

	if (!net_receive(fd, compare.parcels, n * sizeof(*parcel)))
		return false;
	for (; parcel < compare.parcels + n; parcel++) {
		if (parcel->gpa % PAGE || !memory_at(parcel->gpa, PAGE))
			return false;
		memcpy(compare.pages + parcel->gpa, parcel->page, PAGE);
		add(compare.set, parcel->gpa);
	}
	return true;
}

static void *serve(void *arg)
{
	int fd = (int)(intptr_t)arg;
	struct head head;
	bool good = true;

	while (good && net_receive(fd, &head, sizeof(head)) && head.magic == MAGIC) {
		struct answer answer = { .epoch = head.epoch };
		u64 n;

		for (; good && head.pages; head.pages -= n) {
			n = head.pages < PARCELS ? head.pages : PARCELS;
			good = take_parcels(fd, n);
		}
		if (!good)
			break;
		look(head.epoch, &answer);
		good = net_send(fd, &answer, sizeof(answer));
	}
	close(fd);
	return NULL;
}

void compare_end(void)
{
	pthread_mutex_lock(&compare.lock);
	compare.over = true;
	pthread_mutex_unlock(&compare.lock);
}

void compare_open(const char *where)
{
	if (!vmm.area)
		die("nothing can be compared without /dev/kvmft");
	compare.where = where;
	compare.counts.on = true;
	make_copy();
	if (vmm.options.standby)
		net_listen(where, serve);
}
