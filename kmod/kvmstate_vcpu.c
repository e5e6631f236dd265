// SPDX-License-Identifier: GPL-2.0
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/kvm_host.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/string.h>

#include <asm/cpufeature.h>
#include <asm/msr-index.h>

#include "compat.h"
#include "fault.h"
#include "kvmstate.h"
#include "kvmstate_record.h"
#include "reason.h"

/* Where the value of a device attribute is, behind the attribute. */
#define ATTRIBUTE_VALUE 64U

/* In found[] of a restore. */
enum {
	MP_STATE,
	EVENTS,
	REGS,
	XSAVE,
	XCRS,
	SREGS,
	MSRS,
	TSC,
	DEADLINE,
	LAPIC,
	DEBUGREGS,
	KICKED,
	RECORDS
};

/* XSAVE and MSRS have lengths of the guest's. */
static const struct kvmft_record_rule rules[RECORDS] = {
	[MP_STATE] = { KVMFT_RECORD_MP_STATE, sizeof(struct kvm_mp_state) },
	[EVENTS] = { KVMFT_RECORD_EVENTS, sizeof(struct kvm_vcpu_events) },
	[REGS] = { KVMFT_RECORD_REGS, sizeof(struct kvm_regs) },
	[XSAVE] = { KVMFT_RECORD_XSAVE, 0 },
	[XCRS] = { KVMFT_RECORD_XCRS, sizeof(struct kvm_xcrs) },
	[SREGS] = { KVMFT_RECORD_SREGS, sizeof(struct kvm_sregs2) },
	[MSRS] = { KVMFT_RECORD_MSRS, 0 },
	[TSC] = { KVMFT_RECORD_TSC, sizeof(u64) },
	[DEADLINE] = { KVMFT_RECORD_DEADLINE, sizeof(u64) },
	[LAPIC] = { KVMFT_RECORD_LAPIC, sizeof(struct kvm_lapic_state) },
	[DEBUGREGS] = { KVMFT_RECORD_DEBUGREGS, sizeof(struct kvm_debugregs) },
	[KICKED] = { KVMFT_RECORD_KICKED, sizeof(u64) },
};

static const u32 deadline_msr = MSR_IA32_TSC_DEADLINE;

/* By what the vcpu was when kvmft_kvmstate_init() looked. */
static int check_sizes(struct kvmft_task *task, const struct kvmft_kvmstate *state)
{
	if (task->window->size < kvmft_kvmstate_vcpu_size(state))
		return kvmft_task_refuse(task, -ENOSPC,
					 "it is larger than the area for it");
	if (task->vcpu->arch.guest_fpu.uabi_size != state->xsave_size)
		return kvmft_task_refuse(task, -EOPNOTSUPP,
					 "its CPUID was changed after attaching");
	return 0;
}

static int gif_is_set(struct kvmft_task *task, bool *set)
{
	struct kvm_nested_state *nested;
	int err;

	nested = kvmft_record_room(task, sizeof(*nested), 0);
	if (!nested)
		return -ENOSPC;

	nested->size = sizeof(*nested);
	err = kvmft_task_ioctl(task, KVM_GET_NESTED_STATE,
			       task->used + sizeof(struct kvmft_record));
	if (err)
		return kvmft_task_failed(task, KVMFT_RECORD_SREGS, err);
	*set = READ_ONCE(nested->flags) & KVM_STATE_NESTED_GIF_SET;
	return 0;
}

/*
 * A guest that has switched virtualization on. With SVM nothing but one flag comes
 * on top of what is saved while it runs no guest of its own; with VMX there is more.
 */
static int check_nested(struct kvmft_task *task)
{
	struct kvm_vcpu *vcpu = task->vcpu;
	bool set = true;
	int err = 0;

	if (vcpu->arch.efer & EFER_SVME && !(vcpu->arch.hflags & HF_GUEST_MASK))
		err = gif_is_set(task, &set);
	if (err)
		return err;
	if (vcpu->arch.cr4 & X86_CR4_VMXE)
		return kvmft_task_refuse(task, -EOPNOTSUPP,
					 "the guest uses VMX; take it from its CPUID");
	if (!set || vcpu->arch.hflags & HF_GUEST_MASK)
		return kvmft_task_refuse(task, -EOPNOTSUPP,
					 "the guest uses SVM; take it from its CPUID");
	return 0;
}

/* The hook sees to it; a state that is saved in between would lose or repeat it. */
static int check_complete(struct kvmft_task *task)
{
	struct kvm_vcpu *vcpu = task->vcpu;

	if (vcpu->arch.complete_userspace_io || vcpu->mmio_needed ||
	    vcpu->arch.pio.count)
		return kvmft_task_refuse(task, -EBUSY,
					 "its last exit isn't complete");
	return 0;
}

static int msr_failed(struct kvmft_task *task, const u32 *msrs, int done)
{
	if (done < 0)
		return kvmft_task_failed(task, KVMFT_RECORD_MSRS, done);
	return kvmft_task_refuse(task, -EOPNOTSUPP,
				 "KVM doesn't %s MSR 0x%x; leave it out",
				 task->saving ? "give" : "take", msrs[done]);
}

static int save_msrs(struct kvmft_task *task, u32 type, const u32 *msrs,
		     u32 count)
{
	u32 len = count * sizeof(u64);
	u64 *values = kvmft_record_room(task, len, KVMFT_MSRS_SCRATCH);
	int done;

	if (!values)
		return -ENOSPC;

	done = kvmft_record_msrs(task, KVM_GET_MSRS, msrs, values, count,
				 task->used + kvmft_record_size(len));
	if (done < 0 || done < count)
		return msr_failed(task, msrs, done);

	kvmft_record_close(task, type, len);
	return 0;
}

static int save_tsc(struct kvmft_task *task, const struct kvmft_clockbase *base)
{
	u64 tsc = kvm_read_l1_tsc(task->vcpu, base->host_tsc);

	return kvmft_record_put(task, KVMFT_RECORD_TSC, &tsc, sizeof(tsc));
}

/*
 * A vcpu that is about to halt, maybe with interrupts off, and was kicked already
 * by one that gave a lock free: no ioctl tells of it, and it would sleep for ever.
 */
static int save_kicked(struct kvmft_task *task)
{
	u64 kicked = READ_ONCE(task->vcpu->arch.pv.pv_unhalted);

	return kvmft_record_put(task, KVMFT_RECORD_KICKED, &kicked, sizeof(kicked));
}

/**
 * kvmft_kvmstate_save_vcpu() - save a vcpu's part
 * @state: the state
 * @vcpu_file: the vcpu's file
 * @window: of kvmft_kvmstate_vcpu_size() bytes; records from its begin on
 * @base: what kvmft_kvmstate_save_vm() gave
 * @len: result, bytes of records
 * @verdict: why not
 *
 * MP state comes first: asking for it handles a pending INIT and SIPI, which
 * changes the rest, and if events were asked before, an INIT that is done would be
 * in them as one to come. Asking for events may change CR2 and DR6. The deadline
 * comes before the LAPIC that it fires into.
 *
 * Context: the vcpu's own thread, after kvmft_kvmstate_save_vm(), with nothing
 * pending from the last KVM_RUN
 *
 * Return: 0 or a negative errno
 */
int kvmft_kvmstate_save_vcpu(const struct kvmft_kvmstate *state,
			     struct file *vcpu_file,
			     const struct kvmft_window *window,
			     const struct kvmft_clockbase *base, u32 *len,
			     struct kvmft_verdict *verdict)
{
	struct kvmft_task task = {
		.file = vcpu_file, .vcpu = vcpu_file->private_data,
		.window = window, .verdict = verdict, .saving = true,
	};
	int err;

	err = check_sizes(&task, state) ?: check_complete(&task) ?:
	      check_nested(&task) ?:
	      kvmft_record_get(&task, KVMFT_RECORD_MP_STATE, KVM_GET_MP_STATE,
			       sizeof(struct kvm_mp_state)) ?:
	      kvmft_record_get(&task, KVMFT_RECORD_EVENTS, KVM_GET_VCPU_EVENTS,
			       sizeof(struct kvm_vcpu_events)) ?:
	      kvmft_record_get(&task, KVMFT_RECORD_REGS, KVM_GET_REGS,
			       sizeof(struct kvm_regs)) ?:
	      kvmft_record_get(&task, KVMFT_RECORD_XSAVE, KVM_GET_XSAVE2,
			       state->xsave_size) ?:
	      kvmft_record_get(&task, KVMFT_RECORD_XCRS, KVM_GET_XCRS,
			       sizeof(struct kvm_xcrs)) ?:
	      kvmft_record_get(&task, KVMFT_RECORD_SREGS, KVM_GET_SREGS2,
			       sizeof(struct kvm_sregs2)) ?:
	      save_msrs(&task, KVMFT_RECORD_MSRS, state->msrs,
			state->msr_count) ?:
	      save_tsc(&task, base) ?:
	      save_msrs(&task, KVMFT_RECORD_DEADLINE, &deadline_msr, 1) ?:
	      kvmft_record_get(&task, KVMFT_RECORD_LAPIC, KVM_GET_LAPIC,
			       sizeof(struct kvm_lapic_state)) ?:
	      kvmft_record_get(&task, KVMFT_RECORD_DEBUGREGS, KVM_GET_DEBUGREGS,
			       sizeof(struct kvm_debugregs)) ?:
	      save_kicked(&task);
	*len = task.used;
	return err;
}

static int set(struct kvmft_task *task, const void **found, u32 which,
	       unsigned int cmd)
{
	return kvmft_record_set(task, rules[which].type, cmd, found[which],
				rules[which].len);
}

/*
 * Without LBR virtualization KVM complains in the host's log of whoever writes DEBUGCTL,
 * 0 too; and 0 is what a vcpu has there that has never run.
 */
static bool is_there_already(u32 msr, u64 value)
{
	return msr == MSR_IA32_DEBUGCTLMSR && !value;
}

/* Some of the MSRs, @values being those of all. */
static int restore_msrs(struct kvmft_task *task, const u32 *msrs,
			const void *values, u32 first, u32 end)
{
	u64 *all = (u64 *)values;
	u32 last;
	int done;

	/* Only tests leave some out, to see that they notice. */
	if (kvmft_fault(KVMFT_FAULT_RESTORE_MSRS))
		return 0;
	for (; first < end; first = last + 1) {
		for (last = first; last < end; last++) {
			if (is_there_already(msrs[last], all[last]))
				break;
		}
		done = kvmft_record_msrs(task, KVM_SET_MSRS, msrs + first, all + first,
					 last - first, 0);
		if (done < 0 || done < last - first)
			return msr_failed(task, msrs + first, done);
	}
	return 0;
}

/* Cycles of the guest's TSC. */
static u64 cycles(struct kvm_vcpu *vcpu, u64 ns)
{
	return mul_u64_u32_div(ns, vcpu->arch.virtual_tsc_khz, USEC_PER_SEC);
}

/*
 * Documentation/virt/kvm/devices/vcpu.rst: the TSC at a given time of kvmclock is
 * the same on both hosts. Counted in cycles of the guest, which makes it right if
 * one of the hosts scales. All vcpus come to the same offset if they had the same.
 */
static u64 tsc_offset(struct kvm_vcpu *vcpu, u64 tsc,
		      const struct kvmft_clockbase *base)
{
	u64 unshifted = kvm_read_l1_tsc(vcpu, base->host_tsc) -
			vcpu->arch.l1_tsc_offset;

	if (base->clock >= base->saved)
		tsc += cycles(vcpu, base->clock - base->saved);
	else
		tsc -= cycles(vcpu, base->saved - base->clock);
	return tsc - unshifted;
}

static int restore_tsc(struct kvmft_task *task, const void *record,
		       const struct kvmft_clockbase *base)
{
	struct kvm_device_attr attribute = {
		.group = KVM_VCPU_TSC_CTRL,
		.attr = KVM_VCPU_TSC_OFFSET,
		.addr = (unsigned long)(task->window->user + ATTRIBUTE_VALUE),
	};
	u64 tsc, offset;

	memcpy(&tsc, record, sizeof(tsc));
	offset = tsc_offset(task->vcpu, tsc, base);
	memcpy(task->window->kernel + ATTRIBUTE_VALUE, &offset, sizeof(offset));
	return kvmft_record_set(task, KVMFT_RECORD_TSC, KVM_SET_DEVICE_ATTR,
				&attribute, sizeof(attribute));
}

static int restore_regs(struct kvmft_task *task, const void *record)
{
	struct kvm_regs regs;

	memcpy(&regs, record, sizeof(regs));
	/* Only tests forget one, to see that they notice. */
	if (kvmft_fault(KVMFT_FAULT_RESTORE_GPR))
		regs.rbx = 0;
	return kvmft_record_set(task, KVMFT_RECORD_REGS, KVM_SET_REGS, &regs, sizeof(regs));
}

/* KVM has XCR0 only on hosts that have it; there are no guests with it elsewhere. */
static int restore_xcrs(struct kvmft_task *task, const void **found)
{
	if (!boot_cpu_has(X86_FEATURE_XSAVE))
		return 0;
	return set(task, found, XCRS, KVM_SET_XCRS);
}

static int restore_kicked(struct kvmft_task *task, const void *record)
{
	u64 kicked;

	memcpy(&kicked, record, sizeof(kicked));
	if (kicked)
		WRITE_ONCE(task->vcpu->arch.pv.pv_unhalted, true);
	return 0;
}

/* Tells a guest with kvmclock that it was stopped, for its watchdogs' sake. */
static int tell_stopped(struct kvmft_task *task)
{
	int err = kvmft_task_ioctl(task, KVM_KVMCLOCK_CTRL, 0);

	return err == -EINVAL || !err ? 0 :
		kvmft_task_failed(task, KVMFT_RECORD_CLOCK, err);
}

static int check_fresh(struct kvmft_task *task)
{
	if (task->vcpu->arch.last_vmentry_cpu != -1)
		return kvmft_task_refuse(task, -EBUSY, "it has run already");
	return 0;
}

/* Each step after those that it depends on. */
static int restore_all(struct kvmft_task *task, const struct kvmft_kvmstate *state,
		       const void **found, const struct kvmft_clockbase *base)
{
	return restore_msrs(task, state->msrs, found[MSRS], 0, state->early) ?:
	       set(task, found, SREGS, KVM_SET_SREGS2) ?:
	       restore_regs(task, found[REGS]) ?:
	       kvmft_record_set(task, KVMFT_RECORD_XSAVE, KVM_SET_XSAVE,
				found[XSAVE], state->xsave_size) ?:
	       restore_xcrs(task, found) ?:
	       restore_msrs(task, state->msrs, found[MSRS], state->early,
			    state->msr_count) ?:
	       restore_tsc(task, found[TSC], base) ?:
	       set(task, found, LAPIC, KVM_SET_LAPIC) ?:
	       set(task, found, EVENTS, KVM_SET_VCPU_EVENTS) ?:
	       set(task, found, MP_STATE, KVM_SET_MP_STATE) ?:
	       restore_msrs(task, &deadline_msr, found[DEADLINE], 0, 1) ?:
	       set(task, found, DEBUGREGS, KVM_SET_DEBUGREGS) ?:
	       restore_kicked(task, found[KICKED]) ?:
	       tell_stopped(task);
}

/**
 * kvmft_kvmstate_restore_vcpu() - restore a vcpu's part
 * @state: the state
 * @vcpu_file: the vcpu's file
 * @window: of kvmft_kvmstate_vcpu_size() bytes
 * @records: what was saved, in memory of the kernel; from a peer
 * @len: its length
 * @base: what kvmft_kvmstate_restore_vm() gave
 * @verdict: why not
 *
 * Context: the vcpu's own thread, before it has run, after the guest's memory is
 * there and after kvmft_kvmstate_restore_vm()
 *
 * Return: 0 or a negative errno
 */
int kvmft_kvmstate_restore_vcpu(const struct kvmft_kvmstate *state,
				struct file *vcpu_file,
				const struct kvmft_window *window,
				const void *records, u32 len,
				const struct kvmft_clockbase *base,
				struct kvmft_verdict *verdict)
{
	struct kvmft_task task = {
		.file = vcpu_file, .vcpu = vcpu_file->private_data,
		.window = window, .verdict = verdict,
	};
	struct kvmft_record_rule expected[RECORDS];
	const void *found[RECORDS];
	int err;

	memcpy(expected, rules, sizeof(rules));
	expected[XSAVE].len = state->xsave_size;
	expected[MSRS].len = state->msr_count * sizeof(u64);

	err = check_sizes(&task, state) ?: check_fresh(&task) ?:
	      kvmft_record_find(&task, records, len, expected, RECORDS, found);
	if (err)
		return err;
	return restore_all(&task, state, found, base);
}

/**
 * kvmft_kvmstate_rehearse_vcpu() - restore a standby's vcpu to what it is already
 * @state: the state
 * @vcpu_file: the vcpu's file
 * @window: of kvmft_kvmstate_vcpu_size() bytes
 * @saved: what kvmft_kvmstate_rehearse_vm() gave
 * @restored: the same
 * @verdict: why not
 *
 * Context: the vcpu's own thread, before it has run
 *
 * Return: 0 or a negative errno
 */
int kvmft_kvmstate_rehearse_vcpu(const struct kvmft_kvmstate *state,
				 struct file *vcpu_file,
				 const struct kvmft_window *window,
				 const struct kvmft_clockbase *saved,
				 const struct kvmft_clockbase *restored,
				 struct kvmft_verdict *verdict)
{
	struct kvmft_task task = { .window = window, .verdict = verdict };
	void *copy;
	u32 len;
	int err;

	err = kvmft_kvmstate_save_vcpu(state, vcpu_file, window, saved, &len,
				       verdict);
	if (err)
		return err;

	copy = kvmft_record_copy(&task, len);
	if (!copy)
		return -ENOMEM;
	err = kvmft_kvmstate_restore_vcpu(state, vcpu_file, window, copy, len,
					  restored, verdict);
	kvfree(copy);
	return err;
}
