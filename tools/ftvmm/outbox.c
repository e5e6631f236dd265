// SPDX-License-Identifier: GPL-2.0
#include "outbox.h"

#include <pthread.h>
#include <time.h>

#include "devices.h"
#include "ft.h"
#include "promise.h"
#include "vcpu.h"

/* What one thread takes at once, where nothing is done side by side. */
#define BATCH 64

/* How often a vcpu is asked for a checkpoint. */
#define ASK_NS 1000000

/* How often to look whether something is still on its way out. */
#define SETTLE_US 200

struct outbox {
	const struct outbox_ops *ops;
	void *device;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct request *first, **end;
	unsigned int threads;
	u64 limit;
	struct outbox_counts counts;
	/* A thread waits for a ticket; somebody had no room. */
	bool waited_for, refused;
	/* For how long outputs waited for permission; the latest is before wait_count. */
	u64 waits[OUTBOX_WAITS_MAX], wait_count;
};

static u64 now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_BOOTTIME, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

struct outbox *outbox_make(const struct outbox_ops *ops, void *device, unsigned int threads,
			   u64 limit)
{
	struct outbox *outbox = make(sizeof(*outbox));
	pthread_condattr_t attributes;

	outbox->ops = ops;
	outbox->device = device;
	outbox->threads = threads;
	outbox->limit = limit;
	outbox->end = &outbox->first;
	pthread_mutex_init(&outbox->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&outbox->changed, &attributes);
	return outbox;
}

/* With the lock. */
static void append(struct outbox *outbox, struct request *request)
{
	request->added = now_ns();
	*outbox->end = request;
	outbox->end = &request->next;
	outbox->counts.waiting++;
	outbox->counts.bytes += request->data_len;
	outbox->counts.told_bytes += request->told ? request->data_len : 0;
}

static void take_out(struct outbox *outbox, struct request *request)
{
	struct request **at = &outbox->first;

	while (*at != request)
		at = &(*at)->next;
	*at = request->next;
	if (outbox->end == &request->next)
		outbox->end = at;
	outbox->counts.waiting--;
	outbox->counts.bytes -= request->data_len;
	outbox->counts.told_bytes -= request->told ? request->data_len : 0;
	outbox->counts.done++;
	if (request->gated && request->permitted)
		outbox->waits[outbox->wait_count++ % OUTBOX_WAITS_MAX] =
			request->permitted - request->added;
}

bool outbox_has_room(struct outbox *outbox, u64 data_len)
{
	bool room;

	pthread_mutex_lock(&outbox->lock);
	room = outbox->counts.waiting < OUTBOX_COUNT_MAX &&
	       outbox->counts.bytes + data_len <= outbox->limit;
	outbox->refused |= !room;
	pthread_mutex_unlock(&outbox->lock);
	return room;
}

void outbox_add(struct outbox *outbox, struct request *request)
{
	/* Not its own. */
	request->after = request->promise ? request->promise - 1 : promise_last();
	pthread_mutex_lock(&outbox->lock);
	append(outbox, request);
	outbox->counts.made++;
	/* Those in no hurry need somebody who looks at the clock. */
	if (!request->gated || request->owner == OWNER_NEXT)
		pthread_cond_signal(&outbox->changed);
	pthread_mutex_unlock(&outbox->lock);
}

bool outbox_adopt(struct outbox *outbox, u32 owner)
{
	struct request *request;
	bool any = false;

	pthread_mutex_lock(&outbox->lock);
	for (request = outbox->first; request; request = request->next) {
		if (request->owner != OWNER_NEXT || request->ticket != TICKET_PENDING)
			continue;
		request->owner = owner;
		any = true;
	}
	pthread_mutex_unlock(&outbox->lock);
	return any;
}

void outbox_look(struct outbox *outbox)
{
	pthread_mutex_lock(&outbox->lock);
	pthread_cond_broadcast(&outbox->changed);
	pthread_mutex_unlock(&outbox->lock);
}

u64 outbox_tickets(struct outbox *outbox, u32 owner, u64 first, u32 step)
{
	struct request *request;
	u64 next = first;
	bool any = false;

	pthread_mutex_lock(&outbox->lock);
	for (request = outbox->first; request; request = request->next) {
		if (request->ticket != TICKET_PENDING || request->owner != owner)
			continue;
		request->ticket = next;
		if (request->gated)
			next += step;
		any |= request->gated;
	}
	if (any)
		pthread_cond_broadcast(&outbox->changed);
	pthread_mutex_unlock(&outbox->lock);
	return next;
}

/* First it counts, then it is looked whether it may: so who waits for 0 misses nothing. */
static void set_leaving(struct request *request, bool leaving)
{
	if (request->leaving == leaving)
		return;
	request->leaving = leaving;
	__atomic_fetch_add(&vmm.leaving, leaving ? 1 : -1, __ATOMIC_SEQ_CST);
}

void outbox_permit(struct request *request)
{
	u64 asked;

	while (request->gated) {
		set_leaving(request, true);
		/* A time from before the answer, as the lease is judged by one. */
		asked = now_ns();
		if (ft_may_leave(request->ticket)) {
			__atomic_store_n(&vmm.permitted, asked, __ATOMIC_RELAXED);
			if (!request->permitted)
				request->permitted = asked;
			return;
		}
		set_leaving(request, false);
		ft_wait(request->ticket);
	}
}

void outbox_unpermit(struct request *request)
{
	set_leaving(request, false);
}

void outbox_settle(void)
{
	while (__atomic_load_n(&vmm.leaving, __ATOMIC_SEQ_CST))
		sleep_us(SETTLE_US);
}

void outbox_forget(struct outbox *outbox, u32 queue)
{
	struct request *request;

	pthread_mutex_lock(&outbox->lock);
	for (request = outbox->first; request; request = request->next)
		request->stale |= queue == OUTBOX_ALL_QUEUES || request->queue == queue;
	pthread_mutex_unlock(&outbox->lock);
}

/**
 * struct wait - what those threads wait for that find nothing to do
 * @output: Whose permission is all that is missing; NULL for none.
 * @due: When a vcpu is to be asked for a checkpoint, in ns; 0 for never.
 */
struct wait {
	const struct request *output;
	u64 due;
};

/* It waits for a checkpoint that nobody is about to make. */
static bool is_lazy(const struct request *request)
{
	return request->ticket == TICKET_PENDING && request->owner == OWNER_NEXT;
}

/* One before it that isn't done and is in its way. */
static const struct request *obstacle(struct outbox *outbox, const struct request *request)
{
	const struct request *before;

	if (!outbox->ops->conflict)
		return NULL;
	for (before = outbox->first; before != request; before = before->next) {
		if (outbox->ops->conflict(before, request))
			return before;
	}
	return NULL;
}

/* No later than at this time. */
static void note_due(struct wait *wait, u64 due)
{
	if (!wait->due || due < wait->due)
		wait->due = due;
}

/* May it start? If not, what has to happen first? With the lock. */
static bool may_start(struct outbox *outbox, const struct request *request, bool passed,
		      struct wait *wait)
{
	const struct request *before = obstacle(outbox, request);

	if (is_lazy(request))
		note_due(wait, request->added + vmm.options.behind_ms * 1000000ULL);
	if (before) {
		/* The guest waits for that one. */
		if (is_lazy(before) && !request->told)
			note_due(wait, request->added);
		return false;
	}
	if (!request->gated)
		return request->kind == REQUEST_READ || promise_is_kept(request->after);
	if (passed || request->ticket == TICKET_PENDING)
		return false;
	if (!ft_may_leave(request->ticket)) {
		wait->output = request;
		return false;
	}
	return promise_is_kept(request->after);
}

/* What can start now, up to max. With the lock. */
static unsigned int take(struct outbox *outbox, struct request **taken, unsigned int max,
			 struct wait *wait)
{
	struct request *request;
	bool passed = false;
	unsigned int count = 0;

	*wait = (struct wait){ 0 };
	for (request = outbox->first; request && count < max; request = request->next) {
		if (request->started)
			continue;
		if (may_start(outbox, request, passed, wait)) {
			request->started = true;
			taken[count++] = request;
			continue;
		}
		passed |= request->gated;
		/* One behind the other: nothing overtakes. */
		if (!outbox->ops->conflict)
			break;
	}
	return count;
}

/* Something changed, or a vcpu is to be asked for a checkpoint. */
static void wait_for_change(struct outbox *outbox, u64 due)
{
	struct timespec until;
	u64 now = now_ns(), ns;

	if (!due) {
		pthread_cond_wait(&outbox->changed, &outbox->lock);
		return;
	}
	if (due <= now) {
		vcpu_want_checkpoint();
		due = now + ASK_NS;
	}
	clock_gettime(CLOCK_MONOTONIC, &until);
	ns = until.tv_nsec + (due - now);
	until.tv_sec += ns / 1000000000;
	until.tv_nsec = ns % 1000000000;
	pthread_cond_timedwait(&outbox->changed, &outbox->lock, &until);
}

/* Nothing can start. One thread waits for the ticket, the others for anything else. */
static void idle(struct outbox *outbox, const struct wait *wait)
{
	u64 ticket = wait->output ? wait->output->ticket : 0;

	if (!wait->output || outbox->waited_for) {
		wait_for_change(outbox, wait->due);
		return;
	}
	outbox->waited_for = true;
	pthread_mutex_unlock(&outbox->lock);
	ft_wait(ticket);
	pthread_mutex_lock(&outbox->lock);
	outbox->waited_for = false;
	pthread_cond_broadcast(&outbox->changed);
}

/* Of those that the guest waits for it is told now; how many there are. */
static unsigned int pick_waited_for(struct request **taken, unsigned int count,
				    struct request **waited_for)
{
	unsigned int picked = 0, i;

	for (i = 0; i < count; i++) {
		if (!taken[i]->told)
			waited_for[picked++] = taken[i];
	}
	return picked;
}

/* They are done: the guest is told, and there is nothing to be saved any more. */
static void complete(struct outbox *outbox, struct request **taken, unsigned int count)
{
	struct request *waited_for[BATCH];
	unsigned int waits = pick_waited_for(taken, count, waited_for), i;
	bool kept = false, refused;

	if (waits) {
		ft_enter();
		outbox->ops->complete(outbox->device, waited_for, waits);
	}
	pthread_mutex_lock(&outbox->lock);
	for (i = 0; i < count; i++) {
		/* Before there is room for more of them. */
		if (taken[i]->promise)
			promise_keep(taken[i]->promise);
		kept |= taken[i]->promise;
		take_out(outbox, taken[i]);
	}
	refused = outbox->refused;
	outbox->refused = false;
	pthread_cond_broadcast(&outbox->changed);
	pthread_mutex_unlock(&outbox->lock);
	if (waits)
		ft_leave();

	for (i = 0; i < count; i++)
		request_free(taken[i]);
	if (kept)
		devices_look();
	/* What had no room is still in the guest's rings. */
	if (refused)
		vcpu_want_gather();
}

static void *work(void *arg)
{
	struct outbox *outbox = arg;
	unsigned int max = outbox->ops->conflict ? 1 : BATCH, count, i;
	struct request *taken[BATCH];
	struct wait wait;

	pthread_mutex_lock(&outbox->lock);
	for (;;) {
		count = take(outbox, taken, max, &wait);
		if (!count) {
			idle(outbox, &wait);
			continue;
		}
		pthread_mutex_unlock(&outbox->lock);
		for (i = 0; i < count; i++) {
			outbox->ops->emit(outbox->device, taken[i]);
			set_leaving(taken[i], false);
		}
		complete(outbox, taken, count);
		pthread_mutex_lock(&outbox->lock);
	}
	return NULL;
}

void outbox_start(struct outbox *outbox)
{
	unsigned int i;

	for (i = 0; i < outbox->threads; i++)
		start_thread(work, outbox);
}

u32 outbox_waits(struct outbox *outbox, u64 *waits)
{
	u32 count, i;

	pthread_mutex_lock(&outbox->lock);
	count = outbox->wait_count < OUTBOX_WAITS_MAX ? outbox->wait_count : OUTBOX_WAITS_MAX;
	for (i = 0; i < count; i++)
		waits[i] = outbox->waits[(outbox->wait_count - count + i) % OUTBOX_WAITS_MAX];
	outbox->wait_count = 0;
	pthread_mutex_unlock(&outbox->lock);
	return count;
}

bool outbox_is_empty(struct outbox *outbox)
{
	return !outbox_counts(outbox).waiting;
}

struct outbox_counts outbox_counts(struct outbox *outbox)
{
	struct outbox_counts counts;

	pthread_mutex_lock(&outbox->lock);
	counts = outbox->counts;
	pthread_mutex_unlock(&outbox->lock);
	return counts;
}

u64 outbox_room(const struct outbox *outbox)
{
	return 64 + OUTBOX_COUNT_MAX * request_room(0) + outbox->limit;
}

void outbox_save(struct outbox *outbox, struct blob *blob)
{
	const struct request *request;

	pthread_mutex_lock(&outbox->lock);
	blob_put_u32(blob, outbox->counts.waiting);
	for (request = outbox->first; request; request = request->next)
		request_save(blob, request);
	pthread_mutex_unlock(&outbox->lock);
}

bool outbox_load(struct outbox *outbox, struct blob *blob,
		 bool (*judge)(void *device, const struct request *request))
{
	u32 count = blob_get_limited(blob, OUTBOX_COUNT_MAX);
	struct request *request;
	u64 waits_for = 0;

	for (; count && !blob->bad; count--) {
		request = request_load(blob);
		if (!request)
			return false;
		/* None waits for one that comes behind it. */
		if (waits_for < request->after)
			waits_for = request->after;
		if (!judge(outbox->device, request) ||
		    (request->promise && request->promise <= waits_for) ||
		    !promise_take(request->promise, waits_for)) {
			request_free(request);
			return false;
		}
		pthread_mutex_lock(&outbox->lock);
		append(outbox, request);
		outbox->counts.loaded++;
		pthread_mutex_unlock(&outbox->lock);
	}
	return !blob->bad && outbox->counts.bytes <= outbox->limit;
}
