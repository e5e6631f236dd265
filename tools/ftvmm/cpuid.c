// SPDX-License-Identifier: GPL-2.0
#include "cpuid.h"

#include <asm/kvm_para.h>
#include <stdlib.h>

#define ENTRIES_MAX 256

#define LEAF_FEATURES 0x1
#define LEAF_CACHES 0x4
#define LEAF_TOPOLOGY 0xb
#define LEAF_XSAVE 0xd
#define LEAF_TOPOLOGY_V2 0x1f
#define LEAF_AMD_FEATURES 0x80000001
#define LEAF_AMD_SIZES 0x80000008
#define LEAF_AMD_CACHES 0x8000001d
#define LEAF_AMD_TOPOLOGY 0x8000001e
#define LEAF_AMD_TOPOLOGY_V2 0x80000026

#define ECX_VMX BIT(5)
#define ECX_TSC_DEADLINE BIT(24)
#define ECX_HYPERVISOR BIT(31)
#define EDX_HTT BIT(28)
#define AMD_ECX_CMP_LEGACY BIT(1)
#define AMD_ECX_SVM BIT(2)
#define AMD_ECX_TOPOLOGY BIT(22)

#define LEVEL_THREAD BIT(8)
#define LEVEL_CORE (2U << 8)

/*
 * A page fault of the host's that is told to the guest: all of its memory is there, and
 * what was told on one host would never be settled on another.
 */
#define KVM_FEATURES_UNWANTED (BIT(KVM_FEATURE_ASYNC_PF) | BIT(KVM_FEATURE_ASYNC_PF_VMEXIT) | \
			       BIT(KVM_FEATURE_ASYNC_PF_INT))

/* How many bits of an APIC id say which core it is. */
static u32 core_bits(void)
{
	u32 bits = 0;

	while (1U << bits < vmm.options.vcpus)
		bits++;
	return bits;
}

static void set_features(struct kvm_cpuid_entry2 *entry, u32 id)
{
	u32 vcpus = vmm.options.vcpus;

	entry->ebx = (entry->ebx & 0xffff) | vcpus << 16 | id << 24;
	entry->ecx &= ~ECX_VMX;
	entry->ecx |= ECX_HYPERVISOR;
	if (ioctl(vmm.kvm, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0)
		entry->ecx |= ECX_TSC_DEADLINE;
	entry->edx = vcpus > 1 ? entry->edx | EDX_HTT : entry->edx & ~EDX_HTT;
}

/* Each cache but the last level is one core's. */
static void set_cache(struct kvm_cpuid_entry2 *entry, bool amd)
{
	u32 level = entry->eax >> 5 & 7, sharing = level > 2 ? vmm.options.vcpus - 1 : 0;

	entry->eax &= amd ? 0xfc003fff : 0x3fff;
	entry->eax |= sharing << 14;
	if (!amd)
		entry->eax |= ((1U << core_bits()) - 1) << 26;
}

static void set_amd_features(struct kvm_cpuid_entry2 *entry)
{
	entry->ecx &= ~(AMD_ECX_SVM | AMD_ECX_CMP_LEGACY);
	if (vmm.options.vcpus > 1)
		entry->ecx |= AMD_ECX_CMP_LEGACY;
	entry->ecx |= AMD_ECX_TOPOLOGY;
}

static void change(struct kvm_cpuid_entry2 *entry, u32 id)
{
	switch (entry->function) {
	case LEAF_FEATURES:
		set_features(entry, id);
		break;
	case LEAF_CACHES:
		set_cache(entry, false);
		break;
	case LEAF_AMD_FEATURES:
		set_amd_features(entry);
		break;
	case LEAF_AMD_SIZES:
		entry->ecx = core_bits() << 12 | (vmm.options.vcpus - 1);
		break;
	case LEAF_AMD_CACHES:
		set_cache(entry, true);
		break;
	case LEAF_AMD_TOPOLOGY:
		entry->eax = id;
		entry->ebx = id;
		entry->ecx = 0;
		break;
	case KVM_CPUID_FEATURES:
		entry->eax &= ~KVM_FEATURES_UNWANTED;
		break;
	}
}

static bool is_topology(const struct kvm_cpuid_entry2 *entry)
{
	return entry->function == LEAF_TOPOLOGY || entry->function == LEAF_TOPOLOGY_V2 ||
	       entry->function == LEAF_AMD_TOPOLOGY_V2;
}

static void add_topology(struct kvm_cpuid2 *cpuid, u32 id)
{
	const struct kvm_cpuid_entry2 thread = {
		.function = LEAF_TOPOLOGY, .index = 0, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
		.eax = 0, .ebx = 1, .ecx = LEVEL_THREAD, .edx = id,
	};
	const struct kvm_cpuid_entry2 core = {
		.function = LEAF_TOPOLOGY, .index = 1, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
		.eax = core_bits(), .ebx = vmm.options.vcpus, .ecx = LEVEL_CORE | 1, .edx = id,
	};

	if (cpuid->nent + 2 > ENTRIES_MAX || cpuid->entries[0].eax < LEAF_TOPOLOGY)
		return;
	cpuid->entries[cpuid->nent++] = thread;
	cpuid->entries[cpuid->nent++] = core;
}

/*
 * All that the processor has is switched on, as an operating system does it first of
 * all. It might as well be left to that; but where XSETBV doesn't exit, as in hosts that
 * are emulated, KVM doesn't learn of it, and the next exit undoes it. A standby's XCR0
 * is to come from the primary.
 */
static void set_xcr0(int vcpu_fd, const struct kvm_cpuid2 *cpuid)
{
	struct kvm_xcrs xcrs = { .nr_xcrs = 1 };
	const struct kvm_cpuid_entry2 *entry;

	if (vmm.options.standby)
		return;
	for (entry = cpuid->entries; entry < cpuid->entries + cpuid->nent; entry++) {
		if (entry->function != LEAF_XSAVE || entry->index || !entry->eax)
			continue;
		xcrs.xcrs[0].value = (u64)entry->edx << 32 | entry->eax;
		must(vcpu_fd, KVM_SET_XCRS, &xcrs, "KVM_SET_XCRS");
	}
}

void cpuid_set(int vcpu_fd, u32 id)
{
	struct kvm_cpuid2 *cpuid = make(sizeof(*cpuid) + ENTRIES_MAX * sizeof(cpuid->entries[0]));
	u32 i, count = 0;

	cpuid->nent = ENTRIES_MAX;
	must(vmm.kvm, KVM_GET_SUPPORTED_CPUID, cpuid, "KVM_GET_SUPPORTED_CPUID");
	for (i = 0; i < cpuid->nent; i++) {
		if (is_topology(&cpuid->entries[i]))
			continue;
		cpuid->entries[count] = cpuid->entries[i];
		change(&cpuid->entries[count++], id);
	}
	cpuid->nent = count;
	add_topology(cpuid, id);
	must(vcpu_fd, KVM_SET_CPUID2, cpuid, "KVM_SET_CPUID2");
	set_xcr0(vcpu_fd, cpuid);
	free(cpuid);
}
