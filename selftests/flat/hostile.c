// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "hostile.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vcpu.h"

#define BURST 64
#define PAUSE_US 20000
#define IOCTL_THREADS 3
#define DAWDLE_US 30000

/* Where in struct kvm_run KVM writes what exits mean, on which we rely ourselves. */
#define EXIT_BEGIN offsetof(struct kvm_run, exit_reason)
#define EXIT_END offsetof(struct kvm_run, kvm_valid_regs)

/**
 * struct misdeed - something to be done again and again, by a thread of its own
 * @kind: Its name.
 * @once: Does it; the argument is the state of what is random.
 * @threads: How many do it.
 */
struct misdeed {
	const char *kind;
	void (*once)(u64 *random);
	unsigned int threads;
};

static u64 seed, area_size, misdeeds;
static struct kvm_dirty_gfn *rings[VCPUS_MAX];
static pthread_t callers[IOCTL_THREADS];
static unsigned int caller_count;

static u64 next(u64 *random)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return *random;
}

static struct vcpu *some_vcpu(u64 *random)
{
	return &vmm.vcpus[next(random) % vmm.options.vcpus];
}

/* Half of them at the begin of things, which is where it hurts. */
static u64 place(u64 *random)
{
	u64 state = (char *)vmm.state - (char *)vmm.area;

	switch (next(random) % 4) {
	case 0:
		return next(random) % sizeof(struct kvmft_area);
	case 1:
		return state + next(random) % PAGE;
	default:
		return next(random) % area_size;
	}
}

static void scribble_area(u64 *random)
{
	u8 *area = (u8 *)vmm.area;
	u64 i;

	for (i = next(random) % BURST; i; i--)
		__atomic_store_n(&area[place(random)], (u8)next(random), __ATOMIC_RELAXED);
}

/* What KVM reads when it enters the guest: registers to be set, whether to stay. */
static void scribble_run(u64 *random)
{
	struct vcpu *vcpu = some_vcpu(random);
	u64 at = next(random) % sizeof(struct kvm_run), i;

	for (i = next(random) % BURST; i; i--) {
		at = next(random) % 4 ? next(random) % sizeof(struct kvm_run) : next(random) % 8;
		if (at < EXIT_BEGIN || at >= EXIT_END)
			__atomic_store_n((u8 *)vcpu->run + at, (u8)next(random),
					 __ATOMIC_RELAXED);
	}
}

/*
 * Entries of any slot and page. Not of the topmost ones: KVM adds to such a number
 * without a look at the carry, and that isn't ours to try.
 */
static void scribble_ring(u64 *random)
{
	struct kvm_dirty_gfn *ring = rings[some_vcpu(random)->id], *entry;
	u64 i;

	for (i = next(random) % BURST; ring && i; i--) {
		entry = &ring[next(random) % vmm.options.ring];
		if (next(random) % 2)
			entry->slot = next(random) % 4 ? next(random) % 4 : (u32)next(random);
		if (next(random) % 2)
			entry->offset = next(random) >> (1 + next(random) % 63);
		__atomic_store_n(&entry->flags, (u32)next(random) % 4, __ATOMIC_RELEASE);
	}
}

static void call_hook(u64 *random)
{
	struct kvmft_hook hook = {
		.size = sizeof(hook), .vcpu = next(random) % (vmm.options.vcpus + 1),
		.flags = next(random) % 8,
		.state_len = next(random) >> (next(random) % 64), .entered = next(random) % 2,
	};

	ioctl(vmm.ft, KVMFT_HOOK, &hook);
}

static void call_wait(u64 *random)
{
	struct kvmft_wait wait = {
		.size = sizeof(wait), .timeout_ms = next(random) % 4,
		.ticket = next(random) >> (next(random) % 64),
	};

	ioctl(vmm.ft, KVMFT_WAIT, &wait);
}

/* Ends threads' calls, which may wait for ever; for this it is called often. */
static void interrupt_callers(void)
{
	unsigned int i, count = __atomic_load_n(&caller_count, __ATOMIC_ACQUIRE);

	for (i = 0; i < count && i < IOCTL_THREADS; i++) {
		if (callers[i])
			pthread_kill(callers[i], SIGUSR1);
	}
}

static void call_anything(u64 *random)
{
	static __thread bool known;
	unsigned int number;

	if (!known) {
		known = true;
		number = __atomic_fetch_add(&caller_count, 1, __ATOMIC_ACQ_REL);
		__atomic_store_n(&callers[number], pthread_self(), __ATOMIC_RELEASE);
	}
	switch (next(random) % 8) {
	case 0:
		ioctl(vmm.ft, KVMFT_SET_EVENTFD, (int)(next(random) % 40) - 1);
		return;
	case 1:
		ioctl(vmm.ft, KVMFT_DEVICE, next(random) % 3);
		return;
	case 2:
		ioctl(vmm.ft, _IO(KVMFT_IOC_MAGIC, next(random) % 8), next(random));
		return;
	case 3:
		ioctl(vmm.ft, KVMFT_BIND, (char *)vmm.area + next(random) % area_size);
		return;
	case 4:
	case 5:
		call_wait(random);
		return;
	default:
		call_hook(random);
	}
}

static void interrupt(u64 *random)
{
	(void)random;
	interrupt_callers();
}

/* Something else is where the area was, which can be read and written as before. */
static void unmap(u64 *random)
{
	sleep_us(next(random) % 200000);
	mmap(vmm.area, area_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
	     -1, 0);
	pause();
}

static void close_all(u64 *random)
{
	unsigned int i;

	sleep_us(next(random) % 200000);
	close(vmm.ft);
	close(vmm.vm);
	for (i = 0; i < vmm.options.vcpus; i++)
		close(vmm.vcpus[i].fd);
	pause();
}

/* In the vcpu's thread, wherever that is. */
static void dawdle(int signal)
{
	int error = errno;

	(void)signal;
	sleep_us(DAWDLE_US);
	errno = error;
}

static void hold_up(u64 *random)
{
	struct sigaction action = { .sa_handler = dawdle };
	struct vcpu *vcpu = some_vcpu(random);

	sigaction(SIGUSR2, &action, NULL);
	if (__atomic_load_n(&vcpu->started, __ATOMIC_ACQUIRE))
		pthread_kill(vcpu->thread, SIGUSR2);
}

static const struct misdeed all[] = {
	{ "area", scribble_area, 1 }, { "run", scribble_run, 1 }, { "rings", scribble_ring, 1 },
	{ "ioctls", call_anything, IOCTL_THREADS }, { "ioctls", interrupt, 1 },
	{ "unmap", unmap, 1 }, { "close", close_all, 1 }, { "dawdle", hold_up, 1 },
};

static void *misbehave(void *arg)
{
	static u64 number;
	const struct misdeed *misdeed = arg;
	u64 random = seed + (__atomic_add_fetch(&number, 1, __ATOMIC_RELAXED) << 32);

	for (;;) {
		misdeed->once(&random);
		__atomic_add_fetch(&misdeeds, 1, __ATOMIC_RELAXED);
		sleep_us(next(&random) % PAUSE_US);
	}
	return NULL;
}

static void map_rings(void)
{
	unsigned int i;
	void *ring;

	for (i = 0; i < vmm.options.vcpus && vmm.options.dirty == DIRTY_RING; i++) {
		ring = mmap(NULL, vmm.options.ring * sizeof(struct kvm_dirty_gfn),
			    PROT_READ | PROT_WRITE, MAP_SHARED, vmm.vcpus[i].fd,
			    KVM_DIRTY_LOG_PAGE_OFFSET * PAGE);
		rings[i] = ring == MAP_FAILED ? NULL : ring;
	}
}

static bool start_kind(const char *kind)
{
	const struct misdeed *misdeed;
	bool known = false;
	unsigned int i;

	for (misdeed = all; misdeed < all + ARRAY_SIZE(all); misdeed++) {
		if (strcmp(misdeed->kind, kind))
			continue;
		known = true;
		for (i = 0; i < misdeed->threads; i++)
			start_thread(misbehave, (void *)misdeed);
	}
	return known;
}

const char *hostile_start(u64 from, char *kinds)
{
	char *kind, *rest, none[] = "area";

	if (!vmm.area)
		return "no area";
	if (vmm.hostile)
		return "it is hostile already";
	seed = from * 2 + 1;
	area_size = vmm.area->size;
	map_rings();
	__atomic_store_n(&vmm.hostile, true, __ATOMIC_SEQ_CST);
	if (!kinds || !*kinds)
		kinds = none;
	for (kind = strtok_r(kinds, " ", &rest); kind; kind = strtok_r(NULL, " ", &rest)) {
		if (!start_kind(kind))
			return "no such kind";
	}
	return NULL;
}

u64 hostile_misdeeds(void)
{
	return __atomic_load_n(&misdeeds, __ATOMIC_RELAXED);
}
