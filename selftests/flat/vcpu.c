// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "vcpu.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "breach.h"
#include "compare.h"
#include "device.h"
#include "emulate.h"
#include "guest.h"
#include "hold.h"
#include "memory.h"

struct vcpu_state *vcpu_state(unsigned int id)
{
	return &vmm.vcpus[id].state;
}

void vcpu_make_all(void)
{
	int run_size = must(vmm.kvm, KVM_GET_VCPU_MMAP_SIZE, NULL, "KVM_GET_VCPU_MMAP_SIZE");
	struct vcpu *vcpu;
	unsigned int i;

	vmm.vcpus = calloc(vmm.options.vcpus, sizeof(*vmm.vcpus));
	if (!vmm.vcpus)
		die("no memory");
	for (i = 0; i < vmm.options.vcpus; i++) {
		vcpu = &vmm.vcpus[i];
		vcpu->id = i;
		vcpu->still = true;
		vcpu->fd = must(vmm.vm, KVM_CREATE_VCPU, (void *)(uintptr_t)i, "KVM_CREATE_VCPU");
		vcpu->run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
		if (vcpu->run == MAP_FAILED)
			die("mapping vcpu %u", i);
		guest_start(vcpu->fd, i);
	}
}

void vcpu_kick_all(void)
{
	struct vcpu *vcpu;

	for (vcpu = vmm.vcpus; vcpu < vmm.vcpus + vmm.options.vcpus; vcpu++) {
		if (!__atomic_load_n(&vcpu->started, __ATOMIC_ACQUIRE) ||
		    __atomic_load_n(&vcpu->still, __ATOMIC_SEQ_CST))
			continue;
		__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
		pthread_kill(vcpu->thread, SIGUSR1);
	}
}

bool vcpu_all_still(void)
{
	unsigned int i;

	for (i = 0; i < vmm.options.vcpus; i++) {
		if (!__atomic_load_n(&vmm.vcpus[i].still, __ATOMIC_SEQ_CST))
			return false;
	}
	return true;
}

static void set_still(struct vcpu *vcpu, bool still)
{
	__atomic_store_n(&vcpu->still, still, __ATOMIC_SEQ_CST);
}

/* Why this vcpu comes to the hook. A lone one brings the device state along. */
static u32 reasons(struct vcpu *vcpu, u64 *state_len)
{
	u32 flags = vcpu->ring_full ? KVMFT_HOOK_RING_FULL : 0;

	if (!vcpu->output)
		return flags;
	flags |= KVMFT_HOOK_OUTPUT;
	if (vmm.one_call && vmm.area->state == KVMFT_AREA_PROTECTED) {
		vcpu->entered = __atomic_load_n(&vmm.area->entered, __ATOMIC_SEQ_CST);
		*state_len = state_save(*state_len);
		flags |= KVMFT_HOOK_STATE;
	}
	return flags;
}

/* A standby asks even if there seems to be nothing to ask: it mustn't run by itself. */
static int ask(struct vcpu *vcpu, struct kvmft_hook *hook)
{
	if (vmm.options.standby && !vmm.loaded)
		return ioctl(vmm.ft, KVMFT_HOOK, hook);
	return kvmft_hook(vmm.area, vmm.ft, &vcpu->run->immediate_exit, hook);
}

static struct kvmft_hook call(struct vcpu *vcpu, u32 flags, u64 state_len)
{
	struct kvmft_hook hook;

	set_still(vcpu, true);
	for (;;) {
		hook = (struct kvmft_hook){
			.size = sizeof(hook), .vcpu = vcpu->id, .flags = flags,
			.state_len = breach_state_len(state_len), .entered = vcpu->entered,
		};
		vcpu->hooks.calls += flags || vmm.area->park;
		if (!ask(vcpu, &hook))
			return hook;
		/* Another thread of ours may be there in its place. */
		if (vmm.hostile && errno == EBUSY)
			sleep_us(1000);
		else if (errno != EINTR && errno != EAGAIN)
			die("the hook of vcpu %u", vcpu->id);
		vcpu->hooks.interrupts++;
	}
}

/* It may run: what it has made has a ticket. */
static void may_run(struct vcpu *vcpu, u64 ticket)
{
	if (vmm.options.standby && !vmm.loaded)
		die("vcpu %u was to run before the device state was loaded", vcpu->id);
	if (vcpu->loading) {
		vcpu->loading = false;
		outbox_ticket(OUTBOX_LOADED, ticket);
		device_start();
	}
	if (vcpu->output)
		outbox_ticket(vcpu->id, ticket);
	vcpu->output = false;
	vcpu->ring_full = false;
}

static void load(struct vcpu *vcpu, u64 state_len)
{
	vcpu->hooks.loads++;
	state_load(state_len);
	vcpu->loading = true;
	__atomic_store_n(&vmm.loaded, true, __ATOMIC_SEQ_CST);
}

/* Goes through the hook until the vcpu may run. */
static void pass_hook(struct vcpu *vcpu)
{
	u64 state_len = 0;
	u32 flags = reasons(vcpu, &state_len);

	for (;;) {
		struct kvmft_hook hook = call(vcpu, flags, state_len);

		switch (hook.action) {
		case KVMFT_ACTION_RUN:
			may_run(vcpu, hook.ticket);
			compare_committed(hook.ticket);
			return;
		case KVMFT_ACTION_EMULATE:
			set_still(vcpu, false);
			vcpu->hooks.emulates++;
			emulate(vcpu);
			flags = reasons(vcpu, &state_len);
			break;
		case KVMFT_ACTION_SAVE:
			vcpu->hooks.saves++;
			state_len = state_save(state_len);
			flags |= KVMFT_HOOK_OUTPUT | KVMFT_HOOK_STATE;
			break;
		case KVMFT_ACTION_LOAD:
			load(vcpu, hook.state_len);
			flags = KVMFT_HOOK_STATE;
			break;
		case KVMFT_ACTION_LEAVE:
			outbox_settle();
			flags |= KVMFT_HOOK_QUIET;
			break;
		default:
			die("the hook says %u", hook.action);
		}
	}
}

/* The same where there is no module. */
static void pass_no_hook(struct vcpu *vcpu)
{
	set_still(vcpu, true);
	__atomic_store_n(&vcpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
	if (vcpu->output && vmm.options.lockstep)
		state_save(false);
	may_run(vcpu, 0);
}

/* A guest of which nobody wants more output has time, others on its host don't. */
static void keep_pace(bool output)
{
	u32 us = vmm.options.rest;

	if (us < vmm.options.pace &&
	    (!vmm.area || vmm.area->state != KVMFT_AREA_PROTECTED))
		us = vmm.options.pace;
	if (us && output)
		sleep_us(us);
}

/* From emulation to KVM_RUN; who is held goes on passing the hook. */
static void before_run(struct vcpu *vcpu)
{
	keep_pace(vcpu->output);
	for (;;) {
		if (vmm.area)
			pass_hook(vcpu);
		else
			pass_no_hook(vcpu);
		set_still(vcpu, false);
		if (!hold_reasons())
			return;
		set_still(vcpu, true);
		sleep_us(1000);
	}
}

/* What was asked of a writer; in a vcpu's thread, which may write. */
static void take_wish(void)
{
	u64 wish = __atomic_exchange_n(&vmm.want_pages, 0, __ATOMIC_ACQ_REL);
	u32 *pages = memory_at(PARAM_PAGES, sizeof(*pages));

	if (!wish)
		return;
	__atomic_store_n(pages, (u32)(wish - 1), __ATOMIC_RELAXED);
	written(PARAM_PAGES, sizeof(*pages));
}

static void *run(void *arg)
{
	struct vcpu *vcpu = arg;

	vcpu->thread = pthread_self();
	__atomic_store_n(&vcpu->started, true, __ATOMIC_RELEASE);
	for (;;) {
		before_run(vcpu);
		if (!ioctl(vcpu->fd, KVM_RUN, 0))
			emulate(vcpu);
		else if (errno != EINTR && errno != EAGAIN)
			die("KVM_RUN of vcpu %u", vcpu->id);
		if (!vcpu->id && __atomic_load_n(&vmm.want_pages, __ATOMIC_RELAXED))
			take_wish();
	}
	return NULL;
}

static void kicked(int signal)
{
	(void)signal;
}

void vcpu_start_all(void)
{
	struct sigaction action = { .sa_handler = kicked };
	unsigned int i;

	sigaction(SIGUSR1, &action, NULL);
	for (i = 0; i < vmm.options.vcpus; i++)
		start_thread(run, &vmm.vcpus[i]);
}
