// SPDX-License-Identifier: GPL-2.0
#include "odd.h"

#define CPUID_ERMS 0x200		/* 7/0 EBX */
#define EXTENDED 0x80000000

/* Of 32 for machine checks; each has MSRs. */
#define MCG_FEWER_BANKS 10

/* By which part of it the TSC is faster; KVM takes up to 250 ppm for the same rate. */
#define TSC_PART 100

const char *const odds[] = {
	"not", "cpuid", "leaf", "msr", "tsc", "pit", "quirks", "switch", "irqchip", NULL,
};

bool odd_in(enum odd what)
{
	return vmm.options.odd == (int)what;
}

static void enable(int vm, u32 cap, u64 value, const char *what)
{
	struct kvm_enable_cap cap_of = { .cap = cap, .args = { value } };

	must(vm, KVM_ENABLE_CAP, &cap_of, what);
}

void odd_vm(int vm)
{
	if (odd_in(ODD_QUIRKS))
		enable(vm, KVM_CAP_DISABLE_QUIRKS2, KVM_X86_QUIRK_OUT_7E_INC_RIP, "quirks");
	if (odd_in(ODD_SWITCH))
		enable(vm, KVM_CAP_EXCEPTION_PAYLOAD, 1, "KVM_CAP_EXCEPTION_PAYLOAD");
}

static void take_bit(struct kvm_cpuid2 *cpuid, u32 bit)
{
	struct kvm_cpuid_entry2 *entry;

	for (entry = cpuid->entries; entry < cpuid->entries + cpuid->nent; entry++) {
		if (entry->function == 7 && !entry->index) {
			if (!(entry->ebx & bit))
				die("this CPU doesn't have bit 0x%x", bit);
			entry->ebx &= ~bit;
		}
	}
}

/* The last extended one, which nobody misses. */
static void take_leaf(struct kvm_cpuid2 *cpuid)
{
	u32 i, last = 0;

	for (i = 0; i < cpuid->nent; i++) {
		if (cpuid->entries[i].function > EXTENDED)
			last = i;
	}
	if (!last)
		die("this CPU has no extended leaves");
	cpuid->entries[last] = cpuid->entries[--cpuid->nent];
}

void odd_cpuid(struct kvm_cpuid2 *cpuid)
{
	if (odd_in(ODD_CPUID))
		take_bit(cpuid, CPUID_ERMS);
	if (odd_in(ODD_LEAF))
		take_leaf(cpuid);
}

void odd_vcpu(int fd)
{
	u64 mcg_cap = MCG_FEWER_BANKS;
	int khz;

	if (odd_in(ODD_MSR))
		must(fd, KVM_X86_SETUP_MCE, &mcg_cap, "KVM_X86_SETUP_MCE");
	if (odd_in(ODD_TSC)) {
		khz = must(fd, KVM_GET_TSC_KHZ, NULL, "KVM_GET_TSC_KHZ");
		must(fd, KVM_SET_TSC_KHZ, (void *)(uintptr_t)(khz + khz / TSC_PART),
		     "KVM_SET_TSC_KHZ");
	}
}
