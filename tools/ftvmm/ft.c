// SPDX-License-Identifier: GPL-2.0
/*
 * The integration with kvmft: an example for other VMMs, described in
 * Documentation/integrating.rst. In the order in which things happen: the VM is
 * bound, a vcpu passes the hook, device state is saved or loaded, output leaves.
 */
#define _GNU_SOURCE
#include "ft.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "blob.h"
#include "devices.h"
#include "memory.h"
#include "outbox.h"
#include "request.h"
#include "vcpu.h"

#define WAIT_MS 1000
/* How often to look whether a guest that must be protected is. */
#define LOOK_US 10000

static bool is_protected(void)
{
	return __atomic_load_n(&vmm.area->state, __ATOMIC_ACQUIRE) == KVMFT_AREA_PROTECTED;
}

/* Who was promoted has nobody to wait for. */
static bool must_be_protected(void)
{
	return vmm.options.ft_required && !vmm.options.standby;
}

/* A standby whose guest is still the other host's. */
static bool is_waiting(void)
{
	return vmm.options.standby && !__atomic_load_n(&vmm.loaded, __ATOMIC_ACQUIRE);
}

/* Until a ticket may leave, or its epoch is sent; not for ever. */
static void wait_for(unsigned long what, u64 ticket)
{
	struct kvmft_wait wait = {
		.size = sizeof(wait), .ticket = ticket, .timeout_ms = WAIT_MS,
	};

	if (!vmm.area)
		return;
	/* It returns at once where nothing is protected, but that isn't enough here. */
	if ((must_be_protected() && !is_protected()) || is_waiting()) {
		sleep_us(LOOK_US);
		return;
	}
	if (!ioctl(vmm.ft, what, &wait) || errno == EAGAIN || errno == EINTR)
		return;
	/* This kvmft has one epoch at a time. */
	if (errno == ENOTTY && what != KVMFT_WAIT)
		wait_for(KVMFT_WAIT, ticket);
	else
		sleep_us(LOOK_US);
}

/* --- Once --- */

/* Who has deferred is told when it needn't any more. */
static void *watch_landings(void *arg)
{
	(void)arg;
	for (;;) {
		pthread_mutex_lock(&vmm.deferral);
		while (!vmm.deferring)
			pthread_cond_wait(&vmm.deferred, &vmm.deferral);
		vmm.deferring = false;
		pthread_mutex_unlock(&vmm.deferral);
		while (ft_defers())
			wait_for(KVMFT_WAIT_SENT, __atomic_load_n(&vmm.ticket, __ATOMIC_RELAXED));
		vcpu_tell_landed();
	}
	return NULL;
}

void ft_bind(u64 state_max)
{
	struct kvmft_bind bind = {
		.size = sizeof(bind), .vm_fd = vmm.vm, .vcpus = vmm.options.vcpus,
		.flags = vmm.options.standby ? KVMFT_BIND_STANDBY : 0,
		.gpa_end = memory_end(), .state_max = state_max,
	};

	vmm.ft = vmm.options.kvmft ? open("/dev/kvmft", O_RDWR | O_CLOEXEC) : -1;
	if (vmm.ft < 0) {
		if (vmm.options.standby || vmm.options.ft_required)
			die("/dev/kvmft");
		return;
	}
	if (must(vmm.ft, KVMFT_GET_API_VERSION, NULL, "kvmft") != KVMFT_API_VERSION)
		die("kvmft has another interface");
	must(vmm.ft, KVMFT_BIND, &bind, "KVMFT_BIND");
	vmm.area = mmap(NULL, bind.area_size, PROT_READ | PROT_WRITE, MAP_SHARED, vmm.ft, 0);
	if (vmm.area == MAP_FAILED)
		die("mapping what is shared with kvmft");
	start_thread(watch_landings, NULL);
}

/* --- Device state --- */

/* All stand still. What is available in any ring goes along, in the same epoch. */
static u64 save(struct vcpu *vcpu)
{
	struct blob_head head = {
		.vcpus = vmm.options.vcpus, .memory = vmm.options.memory,
		.flags = vmm.device_count,
	};
	struct blob blob = {
		.data = (u8 *)vmm.area + vmm.area->device_state, .len = vmm.area->state_max,
	};

	devices_gather(vcpu);
	vcpu->output |= devices_adopt(vcpu->id);
	/* It is in this one. */
	vcpu->deferred = false;
	blob_put_head(&blob, &head);
	devices_save(&blob);
	blob_seal(&blob);
	if (blob.bad)
		die("the device state doesn't fit");
	return blob.at;
}

static const char *take_state(struct blob *blob)
{
	struct blob_head head;
	const char *wrong = blob_open(blob, &head);

	if (wrong)
		return wrong;
	if (head.vcpus != vmm.options.vcpus || head.memory != vmm.options.memory ||
	    head.flags != vmm.device_count)
		return "it is of a guest with other vcpus, memory or devices";
	if (!devices_load(blob) || !blob_is_good(blob))
		return "it makes no sense";
	return NULL;
}

/*
 * This is the guest's only VMM from here on, unless the state is none of ours. Then
 * it stays what it is: the hook has no word for that, so it isn't called again.
 */
static void load(struct vcpu *vcpu, u64 len)
{
	struct blob blob = { .len = len };
	const char *wrong;

	/* A copy, so that what was judged is what is taken. */
	if (len > vmm.area->state_max)
		blob.len = 0;
	blob.data = make(blob.len + 1);
	memcpy(blob.data, (u8 *)vmm.area + vmm.area->device_state, blob.len);
	wrong = take_state(&blob);
	if (wrong) {
		say("the device state can't be loaded: %s; this remains a standby", wrong);
		for (;;)
			pause();
	}
	free(blob.data);
	vcpu->loading = true;
	__atomic_store_n(&vmm.loaded, true, __ATOMIC_RELEASE);
}

/* --- The hook --- */

/* A standby asks even if there seems to be nothing to ask: it mustn't run by itself. */
static void call(struct vcpu *vcpu, struct kvmft_hook *hook)
{
	while (is_waiting() ? ioctl(vmm.ft, KVMFT_HOOK, hook) :
	       kvmft_hook(vmm.area, vmm.ft, &vcpu->run->immediate_exit, hook)) {
		/* A signal that only was to bring it out of the guest. */
		if (errno != EINTR)
			die("the hook of vcpu %u", vcpu->id);
	}
}

/* The last one, whichever vcpu's. */
static void note_ticket(u64 ticket)
{
	u64 last = __atomic_load_n(&vmm.ticket, __ATOMIC_RELAXED);

	while (last < ticket && !__atomic_compare_exchange_n(&vmm.ticket, &last, ticket, true,
							     __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		;
}

/* It may run: what it has made has a ticket. */
static void may_run(struct vcpu *vcpu, u64 ticket)
{
	vcpu->ring_full = false;
	if (vcpu->loading) {
		vcpu->loading = false;
		devices_ticket(OWNER_LOADED, ticket);
		devices_promoted();
	}
	if (!vcpu->output || vcpu->deferred)
		return;
	/* Without protection there is no ticket, and without one it comes again. */
	if (must_be_protected() && !ticket)
		return;
	note_ticket(ticket);
	devices_ticket(vcpu->id, ticket);
	vcpu->output = false;
}

static u32 reasons(const struct vcpu *vcpu)
{
	return (vcpu->output && !vcpu->deferred ? KVMFT_HOOK_OUTPUT : 0) |
	       (vcpu->ring_full ? KVMFT_HOOK_RING_FULL : 0);
}

/* Does its output wait until the last checkpoint has landed? */
static void defer(struct vcpu *vcpu)
{
	/* Who is about to stand still anyway may as well have it in this one. */
	bool defers = vcpu->output && ft_defers() &&
		      !__atomic_load_n(&vmm.area->park, __ATOMIC_RELAXED);
	bool before = __atomic_exchange_n(&vcpu->deferred, defers, __ATOMIC_SEQ_CST);

	if (!defers || before)
		return;
	pthread_mutex_lock(&vmm.deferral);
	vmm.deferring = true;
	pthread_cond_signal(&vmm.deferred);
	pthread_mutex_unlock(&vmm.deferral);
}

static void pass_hook(struct vcpu *vcpu)
{
	struct kvmft_hook hook = { .size = sizeof(hook), .vcpu = vcpu->id };

	defer(vcpu);
	hook.flags = reasons(vcpu);
	for (;;) {
		call(vcpu, &hook);
		switch (hook.action) {
		case KVMFT_ACTION_RUN:
			may_run(vcpu, hook.ticket);
			return;
		case KVMFT_ACTION_EMULATE:
			vcpu_emulate(vcpu);
			hook.flags = reasons(vcpu);
			break;
		case KVMFT_ACTION_SAVE:
			hook.state_len = save(vcpu);
			hook.flags = reasons(vcpu) | KVMFT_HOOK_STATE;
			vcpu->saves++;
			break;
		case KVMFT_ACTION_LOAD:
			load(vcpu, hook.state_len);
			hook.flags = KVMFT_HOOK_STATE;
			break;
		case KVMFT_ACTION_LEAVE:
			outbox_settle();
			hook.flags = reasons(vcpu) | KVMFT_HOOK_QUIET;
			break;
		default:
			die("the hook says %u", hook.action);
		}
	}
}

void ft_before_run(struct vcpu *vcpu)
{
	if (vmm.area) {
		pass_hook(vcpu);
		return;
	}
	__atomic_store_n(&vcpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
	if (vcpu->output)
		devices_ticket(vcpu->id, 0);
	vcpu->output = false;
}

/* Before it was ever protected, a guest that has to be hasn't run. */
bool ft_holds(void)
{
	if (!must_be_protected() || __atomic_load_n(&vmm.protected, __ATOMIC_RELAXED))
		return false;
	if (!is_protected())
		return true;
	__atomic_store_n(&vmm.protected, true, __ATOMIC_RELAXED);
	return false;
}

/* The standby has it, and nobody else sees anything that relies on it. */
bool ft_behind(void)
{
	return vmm.area && is_protected();
}

/*
 * In async mode the guest goes on while an epoch is being sent. Until it is the hook would
 * have a vcpu with new output wait; but it may as well go on, and collect more.
 */
bool ft_defers(void)
{
	return vmm.area && is_protected() &&
	       kvmft_is_busy(vmm.area, __atomic_load_n(&vmm.ticket, __ATOMIC_SEQ_CST));
}

/* --- Other threads --- */

void ft_enter(void)
{
	while (vmm.area && kvmft_enter(vmm.area, vmm.ft)) {
		if (errno != EINTR)
			die("waiting for a checkpoint");
	}
}

void ft_leave(void)
{
	if (vmm.area)
		kvmft_leave(vmm.area, vmm.ft);
}

bool ft_may_leave(u64 ticket)
{
	struct timespec time;

	if (!vmm.area)
		return true;
	if (is_waiting())
		return false;
	clock_gettime(CLOCK_BOOTTIME, &time);
	if (!kvmft_may_leave(vmm.area, ticket, time.tv_sec * 1000000000ULL + time.tv_nsec))
		return false;
	return !must_be_protected() || is_protected();
}

/* It was shut down: its standby isn't to go on with what it was before. */
void ft_end(void)
{
	if (vmm.area && !is_waiting() && ioctl(vmm.ft, KVMFT_END, 0UL))
		say("the standby can't be told of the guest's end: %s", strerror(errno));
}

void ft_wait(u64 ticket)
{
	wait_for(KVMFT_WAIT, ticket);
}
