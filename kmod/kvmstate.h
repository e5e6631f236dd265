/* SPDX-License-Identifier: GPL-2.0 */
/*
 * kvmstate: what KVM holds of a guest, through KVM's own ioctls.
 *
 * Contract: all of it is KVM's work, done as if the VMM had asked; this knows what
 * to ask, in which order, and what to refuse. Documentation/wire.rst, "Guest state",
 * describes the records that come out.
 *
 * KVM writes and reads at addresses of the VMM's, so that ioctls need pages of the
 * module's that are mapped there too: a window. The VMM may write there at any
 * time. That spoils its own guest and nothing else: what decides about memory of the
 * kernel is kept in memory of the kernel. What a peer sent is handed in as
 * memory of the kernel, and is judged before KVM sees any of it.
 *
 * Who may call:
 *   kvmft_kvmstate_init()	anybody who holds the VM's file;
 *   functions on the VM	a thread with the VMM's address space;
 *   functions on a vcpu	that vcpu's own thread, outside of KVM_RUN.
 * All may sleep. While state is saved all vcpus and device threads stand still:
 * first the VM, then the vcpus, in any order and at the same time if they have a
 * window each. It is restored the same way, into a guest that has never run, after
 * all of its memory is there: some MSRs write to it.
 *
 * Errors are negative errnos, and the verdict says why.
 */
#ifndef _KVMFT_KVMSTATE_H
#define _KVMFT_KVMSTATE_H

#include <linux/types.h>

struct file;
struct kvm;
struct kvmft_verdict;

/* Goes up when records change; both ends must have the same. */
#define KVMFT_KVMSTATE_VERSION 1

#define KVMFT_KVMSTATE_MSRS_MAX 1024U

/**
 * struct kvmft_window - pages of the module's that the VMM has mapped
 * @kernel: Where they are for the kernel.
 * @user: Where they are for the VMM.
 * @size: Bytes. Both addresses are multiples of 8.
 */
struct kvmft_window {
	void *kernel;
	void __user *user;
	u32 size;
};

/**
 * enum kvmft_record_type - what a record is
 * @KVMFT_RECORD_CLOCK: &struct kvmft_record_clock.
 * @KVMFT_RECORD_PIT: &struct kvm_pit_state2; there if the guest has a PIT.
 * @KVMFT_RECORD_PIC_MASTER: &struct kvm_irqchip.
 * @KVMFT_RECORD_PIC_SLAVE: The same.
 * @KVMFT_RECORD_IOAPIC: The same.
 * @KVMFT_RECORD_MP_STATE: &struct kvm_mp_state.
 * @KVMFT_RECORD_EVENTS: &struct kvm_vcpu_events.
 * @KVMFT_RECORD_REGS: &struct kvm_regs.
 * @KVMFT_RECORD_XSAVE: What KVM_GET_XSAVE2 gives.
 * @KVMFT_RECORD_XCRS: &struct kvm_xcrs.
 * @KVMFT_RECORD_SREGS: &struct kvm_sregs2.
 * @KVMFT_RECORD_MSRS: u64 for each MSR of the list.
 * @KVMFT_RECORD_TSC: u64, the guest's TSC at the time of KVMFT_RECORD_CLOCK.
 * @KVMFT_RECORD_DEADLINE: u64, MSR_IA32_TSC_DEADLINE.
 * @KVMFT_RECORD_LAPIC: &struct kvm_lapic_state.
 * @KVMFT_RECORD_DEBUGREGS: &struct kvm_debugregs.
 * @KVMFT_RECORD_KICKED: u64, 1 if another vcpu has ended its next HLT already.
 * @KVMFT_RECORD_TYPES: Only there to count them.
 */
enum kvmft_record_type {
	KVMFT_RECORD_CLOCK = 1,
	KVMFT_RECORD_PIT,
	KVMFT_RECORD_PIC_MASTER,
	KVMFT_RECORD_PIC_SLAVE,
	KVMFT_RECORD_IOAPIC,
	KVMFT_RECORD_MP_STATE,
	KVMFT_RECORD_EVENTS,
	KVMFT_RECORD_REGS,
	KVMFT_RECORD_XSAVE,
	KVMFT_RECORD_XCRS,
	KVMFT_RECORD_SREGS,
	KVMFT_RECORD_MSRS,
	KVMFT_RECORD_TSC,
	KVMFT_RECORD_DEADLINE,
	KVMFT_RECORD_LAPIC,
	KVMFT_RECORD_DEBUGREGS,
	KVMFT_RECORD_KICKED,

	KVMFT_RECORD_TYPES
};

/**
 * struct kvmft_record - beginning of a record
 * @type: &enum kvmft_record_type.
 * @len: Bytes that follow; after them zeroes up to a multiple of 8.
 */
struct kvmft_record {
	u32 type;
	u32 len;
};

/**
 * struct kvmft_record_clock - KVMFT_RECORD_CLOCK
 * @clock: kvmclock in ns.
 * @host_tsc: The host's TSC at that time, for people.
 */
struct kvmft_record_clock {
	u64 clock;
	u64 host_tsc;
};

/**
 * struct kvmft_clockbase - one moment by the guest's clock and by this host's TSC
 * @clock: kvmclock in ns.
 * @host_tsc: The TSC of this host then.
 * @saved: kvmclock when the state was saved, to which records of vcpus refer.
 */
struct kvmft_clockbase {
	u64 clock;
	u64 host_tsc;
	u64 saved;
};

/**
 * struct kvmft_kvmstate - what a guest's state consists of
 * @msrs: MSRs to save. Those up to @early are what the CPU can do, and are set
 *	before anything that depends on it.
 * @msr_count: How many.
 * @early: How many of them are early.
 * @xsave_size: Bytes of XSAVE.
 * @pit: Whether there is a PIT.
 * @covered: Whether the VMM answers for its irqfds and ioeventfds.
 *
 * Made by kvmft_kvmstate_init() and kvmft_kvmstate_probe_vcpu(), fixed after that.
 */
struct kvmft_kvmstate {
	u32 *msrs;
	u32 msr_count;
	u32 early;
	u32 xsave_size;
	bool pit;
	bool covered;
};

/* kvmstate.c: which guests, and what of them */
int kvmft_kvmstate_init(struct kvmft_kvmstate *state, struct kvm *kvm,
			const u32 *msrs, u32 count, bool covered,
			struct kvmft_verdict *verdict);
void kvmft_kvmstate_destroy(struct kvmft_kvmstate *state);
u32 kvmft_kvmstate_vm_size(const struct kvmft_kvmstate *state);
u32 kvmft_kvmstate_vcpu_size(const struct kvmft_kvmstate *state);
int kvmft_kvmstate_probe_vm(const struct kvmft_kvmstate *state,
			    struct file *vm_file, const struct kvmft_window *window,
			    struct kvmft_verdict *verdict);
int kvmft_kvmstate_probe_vcpu(struct kvmft_kvmstate *state, struct file *vcpu_file,
			      const struct kvmft_window *window,
			      struct kvmft_verdict *verdict);
int kvmft_kvmstate_check(const struct kvmft_kvmstate *state, struct kvm *kvm,
			 struct kvmft_verdict *verdict);

/* kvmstate_vm.c: the VM's part */
int kvmft_kvmstate_save_vm(const struct kvmft_kvmstate *state,
			   struct file *vm_file, const struct kvmft_window *window,
			   struct kvmft_clockbase *base, u32 *len,
			   struct kvmft_verdict *verdict);
int kvmft_kvmstate_restore_vm(const struct kvmft_kvmstate *state,
			      struct file *vm_file,
			      const struct kvmft_window *window,
			      const void *records, u32 len,
			      struct kvmft_clockbase *base,
			      struct kvmft_verdict *verdict);
int kvmft_kvmstate_rehearse_vm(const struct kvmft_kvmstate *state,
			       struct file *vm_file,
			       const struct kvmft_window *window,
			       struct kvmft_clockbase *saved,
			       struct kvmft_clockbase *restored,
			       struct kvmft_verdict *verdict);

/* kvmstate_vcpu.c: a vcpu's part */
int kvmft_kvmstate_save_vcpu(const struct kvmft_kvmstate *state,
			     struct file *vcpu_file,
			     const struct kvmft_window *window,
			     const struct kvmft_clockbase *base, u32 *len,
			     struct kvmft_verdict *verdict);
int kvmft_kvmstate_restore_vcpu(const struct kvmft_kvmstate *state,
				struct file *vcpu_file,
				const struct kvmft_window *window,
				const void *records, u32 len,
				const struct kvmft_clockbase *base,
				struct kvmft_verdict *verdict);
int kvmft_kvmstate_rehearse_vcpu(const struct kvmft_kvmstate *state,
				 struct file *vcpu_file,
				 const struct kvmft_window *window,
				 const struct kvmft_clockbase *saved,
				 const struct kvmft_clockbase *restored,
				 struct kvmft_verdict *verdict);

#endif /* _KVMFT_KVMSTATE_H */
