// SPDX-License-Identifier: GPL-2.0
#include "breach.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include "memory.h"

/* Where a slot comes that wasn't there, far from all that is. */
#define NEW_SLOT 100
#define NEW_GPA 0x4000000000ULL

static bool longer;

u64 breach_state_len(u64 len)
{
	return __atomic_load_n(&longer, __ATOMIC_RELAXED) ? vmm.state_max + 1 : len;
}

static int blob(void)
{
	__atomic_store_n(&longer, true, __ATOMIC_RELAXED);
	return 0;
}

static int set_slot(u32 slot, u64 gpa, u64 size)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot, .guest_phys_addr = gpa, .memory_size = size,
		.userspace_addr = (uintptr_t)memory_at(0, PAGE),
	};

	return ioctl(vmm.vm, KVM_SET_USER_MEMORY_REGION, &region);
}

static int slot(void)
{
	return set_slot(NEW_SLOT, NEW_GPA, PAGE);
}

/* What a VMM does that doesn't know of the module's flag. */
static int unlog(void)
{
	return set_slot(0, 0, memory_low());
}

static int another_vcpu(void)
{
	return ioctl(vmm.vm, KVM_CREATE_VCPU, (unsigned long)vmm.options.vcpus) < 0;
}

static int irqfd(void)
{
	struct kvm_irqfd irqfd = { .fd = eventfd(0, 0), .gsi = 5 };

	return ioctl(vmm.vm, KVM_IRQFD, &irqfd);
}

static int ioeventfd(void)
{
	struct kvm_ioeventfd event = {
		.addr = 0x100, .len = 2, .fd = eventfd(0, 0), .flags = KVM_IOEVENTFD_FLAG_PIO,
	};

	return ioctl(vmm.vm, KVM_IOEVENTFD, &event);
}

static const struct {
	const char *name;
	int (*run)(void);
} breaches[] = {
	{ "blob", blob }, { "slot", slot }, { "unlog", unlog }, { "vcpu", another_vcpu },
	{ "irqfd", irqfd }, { "ioeventfd", ioeventfd },
};

const char *breach(const char *what)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(breaches); i++) {
		if (!strcmp(breaches[i].name, what))
			return breaches[i].run() ? strerror(errno) : NULL;
	}
	return "there is no such promise";
}
