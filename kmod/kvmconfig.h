/* SPDX-License-Identifier: GPL-2.0 */
/*
 * kvmconfig: what two guests must have in common so that one can go on with the
 * other's state, as the body of CONFIG. Documentation/wire.rst lists the items.
 *
 * Contract: a body is made of what each vcpu's own thread has collected and of the
 * VM. Equal guests have bodies that are equal byte by byte, but for the TSC's rate.
 * Theirs may be anything. The first difference is the verdict, with both values.
 */
#ifndef _KVMFT_KVMCONFIG_H
#define _KVMFT_KVMCONFIG_H

#include <linux/types.h>

struct kvm;
struct kvm_vcpu;
struct kvmft_kvmstate;
struct kvmft_verdict;

/**
 * enum kvmft_config_key - what an item of CONFIG is
 * @KVMFT_CONFIG_VERSION: u64, KVMFT_KVMSTATE_VERSION.
 * @KVMFT_CONFIG_VENDOR: u64, who made the host's CPU, as X86_VENDOR_INTEL.
 * @KVMFT_CONFIG_VCPUS: u32 for each vcpu, its number, in the order of creation.
 * @KVMFT_CONFIG_BSP: u64, number of the vcpu that boots.
 * @KVMFT_CONFIG_XSAVE: u64, bytes of XSAVE.
 * @KVMFT_CONFIG_PIT: u64, whether there is a PIT.
 * @KVMFT_CONFIG_RING: u64, bytes of a vcpu's dirty ring, 0 with the log.
 * @KVMFT_CONFIG_QUIRKS: u64, quirks of KVM that are off.
 * @KVMFT_CONFIG_SWITCHES: u64, what the VMM has switched on in KVM, a bit each.
 * @KVMFT_CONFIG_MSRS: u32 for each MSR, its index.
 * @KVMFT_CONFIG_VCPU: &struct kvmft_config_vcpu, one item for each vcpu.
 */
enum kvmft_config_key {
	KVMFT_CONFIG_VERSION = 1,
	KVMFT_CONFIG_VENDOR,
	KVMFT_CONFIG_VCPUS,
	KVMFT_CONFIG_BSP,
	KVMFT_CONFIG_XSAVE,
	KVMFT_CONFIG_PIT,
	KVMFT_CONFIG_RING,
	KVMFT_CONFIG_QUIRKS,
	KVMFT_CONFIG_SWITCHES,
	KVMFT_CONFIG_MSRS,
	KVMFT_CONFIG_VCPU,
};

/**
 * struct kvmft_config_leaf - a CPUID leaf
 * @function: EAX that asks for it.
 * @index: ECX that does, if that counts.
 * @flags: As in &struct kvm_cpuid_entry2, or KVMFT_CONFIG_LEAF_GONE.
 * @regs: EAX, EBX, ECX, EDX.
 */
struct kvmft_config_leaf {
	u32 function;
	u32 index;
	u32 flags;
	u32 regs[4];
};

/* The first vcpu has the leaf, this one doesn't. */
#define KVMFT_CONFIG_LEAF_GONE 0x80000000U

/**
 * struct kvmft_config_vcpu - a vcpu in CONFIG
 * @id: Its number.
 * @tsc_khz: Rate of its TSC.
 * @mcg_cap: What KVM_X86_SETUP_MCE was given.
 * @leaves: Its CPUID by rising function and index, without what changes as the guest
 *	runs; of a vcpu that isn't the first, what differs from the first.
 */
struct kvmft_config_vcpu {
	u32 id;
	u32 tsc_khz;
	u64 mcg_cap;
	struct kvmft_config_leaf leaves[];
};

/**
 * struct kvmft_config_cpuid - what was collected of a vcpu
 * @count: Leaves of @vcpu.
 * @vcpu: All of it.
 */
struct kvmft_config_cpuid {
	u32 count;
	struct kvmft_config_vcpu vcpu;
};

struct kvmft_config_cpuid *kvmft_kvmconfig_collect(struct kvm_vcpu *vcpu,
						   struct kvmft_verdict *verdict);
int kvmft_kvmconfig_build(const struct kvmft_kvmstate *state, struct kvm *kvm,
			  struct kvmft_config_cpuid **vcpus, u32 count,
			  u8 *body, u32 size, u32 *len,
			  struct kvmft_verdict *verdict);
int kvmft_kvmconfig_compare(const u8 *ours, u32 ours_len, const u8 *theirs,
			    u32 theirs_len, struct kvmft_verdict *verdict);

#endif /* _KVMFT_KVMCONFIG_H */
