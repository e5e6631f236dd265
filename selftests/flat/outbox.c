// SPDX-License-Identifier: GPL-2.0
#include "outbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"
#include "hold.h"
#include "net.h"

/* Nobody has told the ticket yet. */
#define PENDING ~0ULL
#define WAIT_MS 1000

struct entry {
	struct output output;
	u64 ticket;
	u64 progress;
};

/* head: what leaves next; no entry before untold waits for its ticket. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct entry entries[OUTBOX_MAX];
	u64 head, untold, tail;
	u64 next, left, loaded, first_loaded, unknown, advanced;
	int fd;
	u32 linger_ms;
	bool answered;
} outbox = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER,
	.next = 1,
	.fd = -1,
};

static struct entry *entry_at(u64 n)
{
	return &outbox.entries[n % OUTBOX_MAX];
}

/* Without a place it leaves for nowhere. */
static void emit(const struct output *output)
{
	char line[64], answer;
	int len = snprintf(line, sizeof(line), "%llu %u %x\n",
			   (unsigned long long)output->sequence, output->vcpu, output->value);

	if (outbox.fd >= 0 && write(outbox.fd, line, len) != len)
		die("output");
	if (outbox.answered && read(outbox.fd, &answer, 1) != 1)
		die("output wasn't answered");
}

/* Whether the first in the outbox may leave. */
static bool may_leave(void)
{
	u64 ticket = entry_at(outbox.head)->ticket;

	if (outbox.head == outbox.tail)
		return false;
	if (vmm.options.early)
		return true;
	if (ticket == PENDING)
		return false;
	return !vmm.area || kvmft_may_leave(vmm.area, ticket, boot_ns());
}

/* It may leave, and does so late: what becomes of it meanwhile isn't looked at again. */
static void linger(void)
{
	u32 ms = __atomic_exchange_n(&outbox.linger_ms, 0, __ATOMIC_RELAXED);

	if (ms)
		sleep_us(ms * 1000UL);
}

static void leave(void)
{
	struct entry *entry = entry_at(outbox.head);
	u64 ticket = entry->ticket;

	linger();
	if (vmm.options.progress && guest_progress(entry->output.vcpu) != entry->progress)
		outbox.advanced++;
	emit(&entry->output);
	outbox.head++;
	outbox.left++;
	hold_committed(ticket);
	if (vmm.options.outputs && entry->output.sequence >= vmm.options.outputs)
		quit(0);
}

/* By poll() or by KVMFT_WAIT; for a while, since what is waited for may be lost. */
static void wait_for(u64 ticket)
{
	struct kvmft_wait wait = {
		.size = sizeof(wait), .ticket = ticket,
		.timeout_ms = vmm.options.poll ? 0 : WAIT_MS,
	};
	struct pollfd fd = { .fd = vmm.ft, .events = POLLIN };

	if (!ioctl(vmm.ft, KVMFT_WAIT, &wait) || errno == EINTR)
		return;
	if (errno == EAGAIN && vmm.options.poll) {
		poll(&fd, 1, WAIT_MS);
	} else if (errno != EAGAIN) {
		__atomic_fetch_add(&outbox.unknown, 1, __ATOMIC_RELAXED);
		sleep_us(1000);
	}
}

/* The release thread: lets out what vcpus had to leave behind. */
static void *release(void *unused)
{
	u64 ticket;

	(void)unused;
	pthread_mutex_lock(&outbox.lock);
	for (;;) {
		while (may_leave())
			leave();
		ticket = entry_at(outbox.head)->ticket;
		if (outbox.head == outbox.tail || ticket == PENDING) {
			pthread_cond_wait(&outbox.changed, &outbox.lock);
			continue;
		}
		pthread_mutex_unlock(&outbox.lock);
		wait_for(ticket);
		pthread_mutex_lock(&outbox.lock);
	}
	return NULL;
}

void outbox_open(const char *output)
{
	if (output && !strncmp(output, "tcp:", 4)) {
		outbox.fd = net_connect(output + 4);
		outbox.answered = true;
	} else if (output) {
		outbox.fd = open(output, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		if (outbox.fd < 0)
			die("%s", output);
	}
	start_thread(release, NULL);
}

void outbox_add(u32 vcpu, u32 value)
{
	pthread_mutex_lock(&outbox.lock);
	/* A vcpu may not wait here; the module must have let it run too far. */
	if (outbox.tail - outbox.head == OUTBOX_MAX)
		die("the outbox is full");
	*entry_at(outbox.tail++) = (struct entry){
		.output = { .sequence = outbox.next++, .vcpu = vcpu, .value = value },
		.ticket = PENDING,
	};
	if (vmm.options.early)
		pthread_cond_signal(&outbox.changed);
	pthread_mutex_unlock(&outbox.lock);
}

/* Others may have added to the outbox since it was loaded. */
static bool is_of(u64 n, u32 vcpu)
{
	return vcpu == OUTBOX_LOADED ? n < outbox.loaded :
	       n >= outbox.loaded && entry_at(n)->output.vcpu == vcpu;
}

void outbox_ticket(u32 vcpu, u64 ticket)
{
	struct entry *entry;
	u64 n;

	pthread_mutex_lock(&outbox.lock);
	for (n = outbox.untold; n < outbox.tail; n++) {
		entry = entry_at(n);
		if (!is_of(n, vcpu) || entry->ticket != PENDING)
			continue;
		if (vmm.options.progress)
			entry->progress = guest_progress(entry->output.vcpu);
		entry->ticket = ticket;
	}
	while (outbox.untold < outbox.tail && entry_at(outbox.untold)->ticket != PENDING)
		outbox.untold++;
	/* Not when others' answers are to be waited for. */
	while (!outbox.answered && may_leave())
		leave();
	pthread_cond_signal(&outbox.changed);
	pthread_mutex_unlock(&outbox.lock);
}

void outbox_linger(u32 ms)
{
	__atomic_store_n(&outbox.linger_ms, ms, __ATOMIC_RELAXED);
}

/* What leaves does so with the lock. */
void outbox_settle(void)
{
	pthread_mutex_lock(&outbox.lock);
	pthread_mutex_unlock(&outbox.lock);
}

u32 outbox_save(struct output *outputs, u32 max, u64 *next)
{
	u32 count = 0;
	u64 n;

	pthread_mutex_lock(&outbox.lock);
	for (n = outbox.head; n < outbox.tail && count < max; n++)
		outputs[count++] = entry_at(n)->output;
	*next = outbox.next;
	if (n < outbox.tail)
		die("the outbox doesn't fit into the device state");
	pthread_mutex_unlock(&outbox.lock);
	return count;
}

void outbox_load(const struct output *outputs, u32 count, u64 next)
{
	u32 i;

	pthread_mutex_lock(&outbox.lock);
	outbox.head = 0;
	outbox.untold = 0;
	outbox.tail = count;
	outbox.next = next;
	outbox.left = next - 1 - count;
	outbox.loaded = count;
	outbox.first_loaded = count ? outputs[0].sequence : 0;
	for (i = 0; i < count; i++) {
		outbox.entries[i].output = outputs[i];
		outbox.entries[i].ticket = PENDING;
	}
	pthread_mutex_unlock(&outbox.lock);
}

struct outbox_counts outbox_counts(void)
{
	struct outbox_counts counts;

	pthread_mutex_lock(&outbox.lock);
	counts = (struct outbox_counts){
		.made = outbox.next - 1, .left = outbox.left, .loaded = outbox.loaded,
		.first_loaded = outbox.first_loaded, .advanced = outbox.advanced,
		.unknown = __atomic_load_n(&outbox.unknown, __ATOMIC_RELAXED),
	};
	pthread_mutex_unlock(&outbox.lock);
	return counts;
}
