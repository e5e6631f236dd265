// SPDX-License-Identifier: GPL-2.0
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/string.h>

#include <asm/msr-index.h>
#include <asm/tsc.h>

#include "compat.h"
#include "kvmstate.h"
#include "kvmstate_record.h"
#include "reason.h"

/* Synthetic MSRs of Hyper-V; touching one makes KVM believe in it. */
#define HYPERV_MSR_FIRST 0x40000000U
#define HYPERV_MSR_LAST 0x400001ffU

/* A descriptor that nobody has. */
#define NO_FD (~0U)

__printf(2, 3)
static int refuse(struct kvmft_verdict *verdict, const char *format, ...)
{
	struct va_format vaf;
	va_list args;

	va_start(args, format);
	vaf.fmt = format;
	vaf.va = &args;
	kvmft_judge_saying(verdict, KVMFT_REASON_STATE, "%pV", &vaf);
	va_end(args);
	return -EOPNOTSUPP;
}

/*
 * What is saved otherwise, or isn't the guest's. Writing the TSC would have KVM
 * guess which offset was meant, and the guest's time might step back.
 */
static bool is_left_out(u32 msr)
{
	return msr == MSR_IA32_TSC || msr == MSR_IA32_TSC_DEADLINE ||
	       msr == MSR_EFER || msr == MSR_IA32_APICBASE ||
	       (msr >= HYPERV_MSR_FIRST && msr <= HYPERV_MSR_LAST);
}

/*
 * What the CPU can do. These decide about which values of other MSRs and of CR4 KVM
 * accepts, and writing PERF_CAPABILITIES resets the PMU.
 */
static bool is_early(u32 msr)
{
	switch (msr) {
	case MSR_IA32_FEAT_CTL:
	case MSR_IA32_ARCH_CAPABILITIES:
	case MSR_IA32_PERF_CAPABILITIES:
	case MSR_IA32_UCODE_REV:
	case MSR_PLATFORM_INFO:
	case MSR_AMD64_DE_CFG:
	case MSR_IA32_VMX_BASIC ... MSR_IA32_VMX_VMFUNC:
		return true;
	default:
		return false;
	}
}

static void take_msrs(struct kvmft_kvmstate *state, const u32 *msrs, u32 count,
		      bool early)
{
	u32 i;

	for (i = 0; i < count; i++)
		if (!is_left_out(msrs[i]) && is_early(msrs[i]) == early)
			state->msrs[state->msr_count++] = msrs[i];
}

static int copy_msrs(struct kvmft_kvmstate *state, const u32 *msrs, u32 count,
		     struct kvmft_verdict *verdict)
{
	if (!count)
		return refuse(verdict, "no MSRs are named; attach it with ftctl");
	if (count > KVMFT_KVMSTATE_MSRS_MAX)
		return refuse(verdict, "%u MSRs are named, %u are the limit", count,
			      KVMFT_KVMSTATE_MSRS_MAX);

	state->msrs = kvmalloc_array(count, sizeof(*msrs), GFP_KERNEL_ACCOUNT);
	if (!state->msrs) {
		kvmft_judge(verdict, KVMFT_REASON_MEMORY);
		return -ENOMEM;
	}

	take_msrs(state, msrs, count, true);
	state->early = state->msr_count;
	take_msrs(state, msrs, count, false);
	return 0;
}

static bool has_irqfds(struct kvm *kvm)
{
	bool has;

	spin_lock_irq(&kvm->irqfds.lock);
	has = !list_empty(&kvm->irqfds.items);
	spin_unlock_irq(&kvm->irqfds.lock);
	return has;
}

static bool has_ioeventfds(struct kvm *kvm)
{
	bool has;

	mutex_lock(&kvm->slots_lock);
	has = !list_empty(&kvm->ioeventfds);
	mutex_unlock(&kvm->slots_lock);
	return has;
}

/* What somebody else than the VMM's threads does with the guest. */
static int check_outsiders(const struct kvmft_kvmstate *state, struct kvm *kvm,
			   struct kvmft_verdict *verdict)
{
	if (atomic_read(&kvm->arch.assigned_device_count))
		return refuse(verdict, "it has a device of the host's; remove that");
	if (state->covered)
		return 0;
	if (has_irqfds(kvm))
		return refuse(verdict,
			      "it has irqfds, and the VMM doesn't declare them covered");
	if (has_ioeventfds(kvm))
		return refuse(verdict,
			      "it has ioeventfds, and the VMM doesn't declare them covered");
	return 0;
}

/* What can't be saved, or not with what KVM offers. */
static int check_kind(struct kvm *kvm, struct kvmft_verdict *verdict)
{
	switch (READ_ONCE(kvm->arch.irqchip_mode)) {
	case KVM_IRQCHIP_KERNEL:
		break;
	case KVM_IRQCHIP_SPLIT:
		return refuse(verdict,
			      "its irqchip is split; use KVM's (QEMU: kernel-irqchip=on)");
	default:
		return refuse(verdict,
			      "its irqchip isn't KVM's; use that (QEMU: kernel-irqchip=on)");
	}
	if (kvmft_vm_hides_memory(kvm) || kvmft_vm_hides_registers(kvm))
		return refuse(verdict, "its memory is private; start it without");
	if (kvm->arch.xen_hvm_config.msr || kvm->arch.xen_hvm_config.flags)
		return refuse(verdict, "it pretends to be Xen; start it without");
	if (kvmft_vm_has_hyperv(kvm))
		return refuse(verdict,
			      "it uses Hyper-V enlightenments; start it without");
	return 0;
}

static int check_vcpus(struct kvmft_kvmstate *state, struct kvm *kvm,
		       struct kvmft_verdict *verdict)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;
	u32 size;

	if (!atomic_read(&kvm->online_vcpus))
		return refuse(verdict, "it has no vcpu yet; create them all first");

	kvm_for_each_vcpu(i, vcpu, kvm) {
		if (kvmft_vcpu_has_hyperv(vcpu))
			return refuse(verdict,
				      "its CPUID says Hyper-V; start it without");
		size = READ_ONCE(vcpu->arch.guest_fpu.uabi_size);
		if (i && size != state->xsave_size)
			return refuse(verdict, "its vcpus differ in XSAVE state");
		state->xsave_size = size;
	}
	return 0;
}

/**
 * kvmft_kvmstate_init() - find out what a guest's state consists of
 * @state: result; kvmft_kvmstate_destroy() frees what it has
 * @kvm: the VM, whose file the caller holds; with all vcpus and their CPUID
 * @msrs: indices of all MSRs that KVM knows, and of more
 * @count: how many, up to KVMFT_KVMSTATE_MSRS_MAX
 * @covered: whether the VMM answers for its irqfds and ioeventfds
 * @verdict: why not
 *
 * Return: 0 or a negative errno; -EOPNOTSUPP if such guests can't be had
 */
int kvmft_kvmstate_init(struct kvmft_kvmstate *state, struct kvm *kvm,
			const u32 *msrs, u32 count, bool covered,
			struct kvmft_verdict *verdict)
{
	int err;

	memset(state, 0, sizeof(*state));
	state->covered = covered;
	state->pit = READ_ONCE(kvm->arch.vpit);

	err = check_kind(kvm, verdict) ?: check_vcpus(state, kvm, verdict) ?:
	      kvmft_kvmstate_check(state, kvm, verdict) ?:
	      copy_msrs(state, msrs, count, verdict);
	return err;
}

/**
 * kvmft_kvmstate_destroy() - free what a state has
 * @state: the state, zeroed or from kvmft_kvmstate_init(), whatever that returned
 */
void kvmft_kvmstate_destroy(struct kvmft_kvmstate *state)
{
	kvfree(state->msrs);
	memset(state, 0, sizeof(*state));
}

/**
 * kvmft_kvmstate_check() - is the guest still one that can be had?
 * @state: its state
 * @kvm: the VM
 * @verdict: why not
 *
 * What a VMM can change after attaching; kvmft_kvmstate_save_vm() asks each time.
 *
 * Return: 0 or -EOPNOTSUPP
 */
int kvmft_kvmstate_check(const struct kvmft_kvmstate *state, struct kvm *kvm,
			 struct kvmft_verdict *verdict)
{
	if (check_tsc_unstable())
		return refuse(verdict,
			      "this host's TSC is unstable; see its kernel log for why");
	if (state->pit != !!READ_ONCE(kvm->arch.vpit))
		return refuse(verdict, "it got a PIT after it was attached");
	return check_outsiders(state, kvm, verdict);
}

/**
 * kvmft_kvmstate_vm_size() - size of a window for the VM's part
 * @state: the state
 *
 * Return: bytes
 */
u32 kvmft_kvmstate_vm_size(const struct kvmft_kvmstate *state)
{
	return kvmft_record_size(sizeof(struct kvm_clock_data)) +
	       kvmft_record_size(sizeof(struct kvm_pit_state2)) +
	       3 * kvmft_record_size(sizeof(struct kvm_irqchip));
}

/**
 * kvmft_kvmstate_vcpu_size() - size of a window for a vcpu's part
 * @state: the state
 *
 * Return: bytes
 */
u32 kvmft_kvmstate_vcpu_size(const struct kvmft_kvmstate *state)
{
	return kvmft_record_size(sizeof(struct kvm_mp_state)) +
	       kvmft_record_size(sizeof(struct kvm_vcpu_events)) +
	       kvmft_record_size(sizeof(struct kvm_regs)) +
	       kvmft_record_size(state->xsave_size) +
	       kvmft_record_size(sizeof(struct kvm_xcrs)) +
	       kvmft_record_size(sizeof(struct kvm_sregs2)) +
	       kvmft_record_size(state->msr_count * sizeof(u64)) +
	       3 * kvmft_record_size(sizeof(u64)) +
	       kvmft_record_size(sizeof(struct kvm_lapic_state)) +
	       kvmft_record_size(sizeof(struct kvm_debugregs)) +
	       KVMFT_MSRS_SCRATCH;
}

/**
 * kvmft_kvmstate_probe_vm() - find out what only KVM can tell about a VM
 * @state: the state
 * @vm_file: the VM's file
 * @window: of kvmft_kvmstate_vm_size() bytes
 * @verdict: why not
 *
 * Context: with the VMM's address space
 *
 * Return: 0 or a negative errno
 */
int kvmft_kvmstate_probe_vm(const struct kvmft_kvmstate *state,
			    struct file *vm_file, const struct kvmft_window *window,
			    struct kvmft_verdict *verdict)
{
	struct kvmft_task task = {
		.file = vm_file, .window = window, .verdict = verdict,
	};
	struct kvm_sev_cmd cmd = { .id = KVM_SEV_GUEST_STATUS, .sev_fd = NO_FD };
	int err;

	if (window->size < kvmft_kvmstate_vm_size(state))
		return kvmft_task_refuse(&task, -ENOSPC,
					 "it is larger than the area for it");

	/* Whether SEV is on shows in no field, but in what KVM says to this. */
	memcpy(window->kernel, &cmd, sizeof(cmd));
	err = kvmft_task_ioctl(&task, KVM_MEMORY_ENCRYPT_OP, 0);
	if (err == -ENOTTY)
		return 0;
	if (err == -EFAULT || err == -EINTR || err == -EIO)
		return kvmft_task_failed(&task, KVMFT_RECORD_CLOCK, err);
	return refuse(verdict, "its memory is encrypted (SEV); start it without");
}

static void drop_msr(struct kvmft_kvmstate *state, u32 index)
{
	state->msr_count--;
	if (index < state->early)
		state->early--;
	memmove(state->msrs + index, state->msrs + index + 1,
		(state->msr_count - index) * sizeof(*state->msrs));
}

/**
 * kvmft_kvmstate_probe_vcpu() - leave out the MSRs that a guest doesn't have
 * @state: the state
 * @vcpu_file: file of any of its vcpus
 * @window: of kvmft_kvmstate_vcpu_size() bytes
 * @verdict: why not
 *
 * KVM's list is one for all guests; what a vcpu can't read with its CPUID, it
 * doesn't have. Both ends do this by themselves and compare what is left.
 *
 * Context: the vcpu's own thread, before anything is saved
 *
 * Return: 0 or a negative errno
 */
int kvmft_kvmstate_probe_vcpu(struct kvmft_kvmstate *state, struct file *vcpu_file,
			      const struct kvmft_window *window,
			      struct kvmft_verdict *verdict)
{
	struct kvmft_task task = {
		.file = vcpu_file, .vcpu = vcpu_file->private_data,
		.window = window, .verdict = verdict, .saving = true,
	};
	u32 at = 0;
	u64 value;
	int done;

	if (window->size < KVMFT_MSRS_SCRATCH)
		return kvmft_task_refuse(&task, -ENOSPC,
					 "it is larger than the area for it");

	while (at < state->msr_count) {
		done = kvmft_record_msrs(&task, KVM_GET_MSRS, state->msrs + at,
					 &value, 1, 0);
		if (done < 0)
			return kvmft_task_failed(&task, KVMFT_RECORD_MSRS, done);
		if (done)
			at++;
		else
			drop_msr(state, at);
	}
	return 0;
}
