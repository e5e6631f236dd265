// SPDX-License-Identifier: GPL-2.0
/* What the VMM's parts find in place of the VMM. */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fuzz.h"
#include "../../tools/ftvmm/devices.h"
#include "../../tools/ftvmm/ft.h"
#include "../../tools/ftvmm/irq.h"
#include "../../tools/ftvmm/memory.h"
#include "../../tools/ftvmm/vcpu.h"
#include "../../tools/ftvmm/virtio.h"

/* How often to look whether output may leave again. */
#define HELD_US 100

struct vmm vmm = { .kvm = -1, .vm = -1, .ft = -1 };

static struct {
	u64 state;
	u8 *arena, *before, *marked;
	pthread_rwlock_t still;
	/* Output may not leave; some had no room. */
	bool held, wanted;
} place = { .still = PTHREAD_RWLOCK_INITIALIZER };

void chance_seed(u64 seed)
{
	place.state = seed * 0x9e3779b97f4a7c15ULL + 1;
}

u64 chance(void)
{
	place.state ^= place.state << 13;
	place.state ^= place.state >> 7;
	place.state ^= place.state << 17;
	return place.state;
}

u64 below(u64 n)
{
	return chance() % n;
}

bool rarely(u64 n)
{
	return !below(n);
}

void place_make(void)
{
	place.arena = calloc(1, ARENA_SIZE);
	place.before = calloc(1, ARENA_SIZE);
	place.marked = calloc(1, ARENA_SIZE);
	if (!place.arena || !place.before || !place.marked)
		die("no memory");
}

void place_poke(u64 gpa, const void *data, u64 len)
{
	if (gpa >= ARENA_SIZE || len > ARENA_SIZE - gpa)
		return;
	pthread_rwlock_wrlock(&place.still);
	memcpy(place.arena + gpa, data, len);
	memcpy(place.before + gpa, data, len);
	pthread_rwlock_unlock(&place.still);
}

bool place_is_honest(void)
{
	bool honest = true;
	u64 i;

	pthread_rwlock_wrlock(&place.still);
	for (i = 0; i < ARENA_SIZE; i++)
		honest &= place.marked[i] || place.arena[i] == place.before[i];
	memcpy(place.before, place.arena, ARENA_SIZE);
	memset(place.marked, 0, ARENA_SIZE);
	pthread_rwlock_unlock(&place.still);
	if (!honest)
		printf("# guest memory was written without a mark\n");
	return honest;
}

/* --- In place of memory.c --- */

void *memory_at(u64 gpa, u64 len)
{
	return gpa < ARENA_SIZE && len <= ARENA_SIZE - gpa ? place.arena + gpa : NULL;
}

void memory_written(u64 gpa, u64 len)
{
	if (memory_at(gpa, len))
		memset(place.marked + gpa, 1, len);
}

bool memory_write(u64 gpa, const void *data, u64 len)
{
	if (!memory_at(gpa, len))
		return false;
	memcpy(place.arena + gpa, data, len);
	memory_written(gpa, len);
	return true;
}

bool memory_read(u64 gpa, void *data, u64 len)
{
	if (!memory_at(gpa, len))
		return false;
	memcpy(data, place.arena + gpa, len);
	return true;
}

/* --- In place of others --- */

void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	abort();
}

/* Devices that are stopped say so; here they all are, some time. */
void say(const char *format, ...)
{
	(void)format;
}

int must(int fd, unsigned long request, void *arg, const char *what)
{
	(void)fd;
	(void)request;
	(void)arg;
	die("%s", what);
}

void *make(size_t size)
{
	void *memory = calloc(1, size);

	if (!memory)
		die("no memory");
	return memory;
}

void start_thread(void *(*run)(void *), void *arg)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run, arg))
		die("a thread");
	pthread_detach(thread);
}

void sleep_us(unsigned int us)
{
	struct timespec time = { us / 1000000, us % 1000000 * 1000L };

	nanosleep(&time, NULL);
}

void irq_set(u32 gsi, bool level)
{
	(void)gsi;
	(void)level;
}

void irq_pulse(u32 gsi)
{
	(void)gsi;
}

void ft_enter(void)
{
	pthread_rwlock_rdlock(&place.still);
}

void ft_leave(void)
{
	pthread_rwlock_unlock(&place.still);
}

bool ft_may_leave(u64 ticket)
{
	(void)ticket;
	return !__atomic_load_n(&place.held, __ATOMIC_ACQUIRE);
}

void ft_wait(u64 ticket)
{
	if (!ft_may_leave(ticket))
		sleep_us(HELD_US);
}

/* Now and then: then a guest is told of what isn't written. */
bool ft_behind(void)
{
	return rarely(2);
}

void vcpu_want_gather(void)
{
	__atomic_store_n(&place.wanted, true, __ATOMIC_RELEASE);
}

void vcpu_want_checkpoint(void)
{
	vcpu_want_gather();
}

void vcpu_tell_landed(void)
{
}

void devices_look(void)
{
	unsigned int i;

	for (i = 0; i < vmm.device_count; i++) {
		if (vmm.devices[i]->outbox)
			outbox_look(vmm.devices[i]->outbox);
	}
}

void devices_gather(struct vcpu *vcpu)
{
	unsigned int i;

	for (i = 0; i < vmm.device_count; i++) {
		struct virtio *virtio = vmm.devices[i];

		if (!virtio->ops->gather)
			continue;
		pthread_mutex_lock(&virtio->lock);
		if (virtio_is_live(virtio))
			vcpu->output |= virtio->ops->gather(virtio, vcpu->id);
		pthread_mutex_unlock(&virtio->lock);
		if (virtio->outbox) {
			outbox_adopt(virtio->outbox, vcpu->id);
			outbox_tickets(virtio->outbox, vcpu->id, 0, 0);
		}
	}
}

/* --- What a guest's vcpus and kvmft do between two runs --- */

void place_hold(bool hold)
{
	__atomic_store_n(&place.held, hold, __ATOMIC_RELEASE);
}

void place_tend(struct vcpu *vcpu)
{
	if (!__atomic_exchange_n(&place.wanted, false, __ATOMIC_ACQUIRE))
		return;
	ft_enter();
	devices_gather(vcpu);
	ft_leave();
}
