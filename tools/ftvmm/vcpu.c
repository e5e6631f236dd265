// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "vcpu.h"

#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "boot.h"
#include "bus.h"
#include "cpuid.h"
#include "devices.h"
#include "ft.h"

#define HOLD_US 1000

/* --- The loop --- */

/* What others want of it. True: back to the hook, without the guest. */
static bool take_wishes(struct vcpu *vcpu)
{
	if (__atomic_exchange_n(&vcpu->gather, false, __ATOMIC_ACQ_REL)) {
		devices_gather(vcpu);
		return true;
	}
	if (__atomic_exchange_n(&vcpu->checkpoint, false, __ATOMIC_ACQ_REL)) {
		vcpu->output |= devices_adopt(vcpu->id);
		return true;
	}
	if (vcpu->deferred && !ft_defers())
		return true;
	if (__atomic_load_n(&vmm.paused, __ATOMIC_ACQUIRE) || ft_holds()) {
		vcpu->stopped = true;
		sleep_us(HOLD_US);
		return true;
	}
	/* Its watchdogs are told that it wasn't there. */
	if (vcpu->stopped)
		ioctl(vcpu->fd, KVM_KVMCLOCK_CTRL, 0);
	vcpu->stopped = false;
	return false;
}

static void *run(void *arg)
{
	struct vcpu *vcpu = arg;

	vcpu->thread = pthread_self();
	__atomic_store_n(&vcpu->started, true, __ATOMIC_RELEASE);
	for (;;) {
		ft_before_run(vcpu);
		if (take_wishes(vcpu))
			continue;
		if (!ioctl(vcpu->fd, KVM_RUN, 0))
			vcpu_emulate(vcpu);
		else if (errno != EINTR && errno != EAGAIN)
			die("KVM_RUN of vcpu %u", vcpu->id);
	}
	return NULL;
}

/* --- What exits mean --- */

static void emulate_io(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct access access = {
		.vcpu = vcpu, .at = run->io.port, .len = run->io.size,
		.data = (u8 *)run + run->io.data_offset,
		.write = run->io.direction == KVM_EXIT_IO_OUT,
	};
	u32 i;

	for (i = 0; i < run->io.count; i++, access.data += run->io.size)
		bus_access(BUS_PORT, &access);
}

static void emulate_mmio(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct access access = {
		.vcpu = vcpu, .at = run->mmio.phys_addr, .len = run->mmio.len,
		.data = run->mmio.data, .write = run->mmio.is_write,
	};

	bus_access(BUS_MMIO, &access);
}

ATTRIBUTE(noreturn)
static void give_up(struct vcpu *vcpu)
{
	struct kvm_regs regs = { 0 };

	ioctl(vcpu->fd, KVM_GET_REGS, &regs);
	errno = 0;
	die("vcpu %u: exit %u (%u) at rip 0x%llx, rsp 0x%llx", vcpu->id,
	    vcpu->run->exit_reason, vcpu->run->internal.suberror, regs.rip, regs.rsp);
}

void vcpu_emulate(struct vcpu *vcpu)
{
	vcpu->exits++;
	switch (vcpu->run->exit_reason) {
	case KVM_EXIT_IO:
		emulate_io(vcpu);
		return;
	case KVM_EXIT_MMIO:
		emulate_mmio(vcpu);
		return;
	case KVM_EXIT_DIRTY_RING_FULL:
		vcpu->ring_full = true;
		return;
	case KVM_EXIT_INTR:
		return;
	case KVM_EXIT_SHUTDOWN:
		say("vcpu %u: triple fault", vcpu->id);
		vmm_end(STATUS_FAULT);
	default:
		give_up(vcpu);
	}
}

/* --- What others do with them --- */

/* What it is to see has been written before. */
void vcpu_kick(struct vcpu *vcpu)
{
	if (!__atomic_load_n(&vcpu->started, __ATOMIC_ACQUIRE))
		return;
	__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	pthread_kill(vcpu->thread, SIGUSR1);
}

void vcpu_want_gather(void)
{
	__atomic_store_n(&vmm.vcpus[0].gather, true, __ATOMIC_SEQ_CST);
	vcpu_kick(&vmm.vcpus[0]);
}

void vcpu_want_checkpoint(void)
{
	/* It was kicked for that, and hasn't come so far. */
	if (!__atomic_exchange_n(&vmm.vcpus[0].checkpoint, true, __ATOMIC_SEQ_CST))
		vcpu_kick(&vmm.vcpus[0]);
}

void vcpu_tell_landed(void)
{
	u32 i;

	for (i = 0; i < vmm.options.vcpus; i++) {
		if (__atomic_load_n(&vmm.vcpus[i].deferred, __ATOMIC_SEQ_CST))
			vcpu_kick(&vmm.vcpus[i]);
	}
}

void vcpu_kick_all(void)
{
	u32 i;

	for (i = 0; i < vmm.options.vcpus; i++)
		vcpu_kick(&vmm.vcpus[i]);
}

static void kicked(int signal)
{
	(void)signal;
}

void vcpu_make_all(void)
{
	int run_size = must(vmm.kvm, KVM_GET_VCPU_MMAP_SIZE, NULL, "KVM_GET_VCPU_MMAP_SIZE");
	struct vcpu *vcpu;
	u32 i;

	vmm.vcpus = make(vmm.options.vcpus * sizeof(*vmm.vcpus));
	for (i = 0; i < vmm.options.vcpus; i++) {
		vcpu = &vmm.vcpus[i];
		vcpu->id = i;
		vcpu->fd = must(vmm.vm, KVM_CREATE_VCPU, (void *)(uintptr_t)i, "KVM_CREATE_VCPU");
		vcpu->run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
		if (vcpu->run == MAP_FAILED)
			die("mapping vcpu %u", i);
		cpuid_set(vcpu->fd, i);
		boot_vcpu(vcpu->fd, i);
	}
}

void vcpu_start_all(void)
{
	struct sigaction action = { .sa_handler = kicked };
	u32 i;

	sigaction(SIGUSR1, &action, NULL);
	for (i = 0; i < vmm.options.vcpus; i++)
		start_thread(run, &vmm.vcpus[i]);
}
