/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vmm: VMs in the test's own process, bound to /dev/kvmft or not, for the tests vm_*.c.
 *
 * Their guests never run. What can't be made is left at -1, and what the test then
 * does with it fails.
 */
#ifndef _KVMFT_SELFTESTS_VMM_H
#define _KVMFT_SELFTESTS_VMM_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/kvmft.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define GUEST_VCPUS 4
#define GUEST_PAGE 4096UL
#define GUEST_MEMORY (16 * GUEST_PAGE)
#define GUEST_STATE 8192UL

enum irqchip { IRQCHIP_KERNEL, IRQCHIP_NONE, IRQCHIP_SPLIT };

/**
 * struct recipe - how a guest is made; all 0 is one that can be protected
 * @irqchip: Where its interrupts are.
 * @ring: Bytes of its dirty rings.
 * @manual: What KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 is enabled with.
 * @slot_flags: Of its memory.
 * @no_memory: It has none.
 * @vcpus: How many; 0 means 1, -1 none.
 * @bind_flags: &enum kvmft_bind_flags.
 * @bind_vcpus: How many it says it will have, if other than it has.
 * @gpa_end: What it says of its memory's end, if something else than the truth.
 */
struct recipe {
	enum irqchip irqchip;
	unsigned long ring;
	unsigned long manual;
	unsigned int slot_flags;
	bool no_memory;
	int vcpus;
	unsigned int bind_flags;
	unsigned int bind_vcpus;
	unsigned long long gpa_end;
};

/**
 * struct guest - a VM
 * @recipe: What it was made of.
 * @kvm: Descriptor of /dev/kvm.
 * @vm: Of the VM.
 * @vcpus: Of its vcpus.
 * @runs: Their struct kvm_run.
 * @count: How many.
 * @memory: What is at its address 0.
 * @ft: Descriptor of /dev/kvmft.
 * @area: What is shared with the module.
 * @area_size: Its size, as the module says.
 */
struct guest {
	struct recipe recipe;
	int kvm, vm;
	int vcpus[GUEST_VCPUS];
	struct kvm_run *runs[GUEST_VCPUS];
	int count;
	void *memory;
	int ft;
	struct kvmft_area *area;
	unsigned long long area_size;
};

static inline int enable_cap(int fd, unsigned int cap, unsigned long long argument)
{
	struct kvm_enable_cap enable = { .cap = cap, .args = { argument } };

	return ioctl(fd, KVM_ENABLE_CAP, &enable);
}

static inline int add_slot(struct guest *guest, unsigned int slot, unsigned long long gpa,
			   unsigned int flags)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot, .flags = flags, .guest_phys_addr = gpa, .memory_size = GUEST_MEMORY,
		.userspace_addr = (uintptr_t)guest->memory,
	};

	return ioctl(guest->vm, KVM_SET_USER_MEMORY_REGION, &region);
}

static inline int make_vcpu(struct guest *guest)
{
	int fd = ioctl(guest->vm, KVM_CREATE_VCPU, (unsigned long)guest->count);
	int size = ioctl(guest->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	void *run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (fd < 0 || run == MAP_FAILED)
		return -1;
	guest->vcpus[guest->count] = fd;
	guest->runs[guest->count++] = run;
	return 0;
}

static inline int make_irqchip(struct guest *guest)
{
	switch (guest->recipe.irqchip) {
	case IRQCHIP_KERNEL:
		return ioctl(guest->vm, KVM_CREATE_IRQCHIP, 0);
	case IRQCHIP_SPLIT:
		return enable_cap(guest->vm, KVM_CAP_SPLIT_IRQCHIP, 24);
	default:
		return 0;
	}
}

/* A VM, which nothing was done with yet; 0 if it is what the recipe says. */
static inline int make_guest(struct guest *guest, const struct recipe *recipe)
{
	int vcpus = recipe->vcpus ?: 1;

	memset(guest, 0, sizeof(*guest));
	guest->recipe = *recipe;
	guest->ft = -1;
	guest->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	guest->vm = ioctl(guest->kvm, KVM_CREATE_VM, 0);
	guest->memory = mmap(NULL, GUEST_MEMORY, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (guest->vm < 0 || guest->memory == MAP_FAILED || make_irqchip(guest))
		return -1;
	if (recipe->ring && enable_cap(guest->vm, KVM_CAP_DIRTY_LOG_RING, recipe->ring))
		return -1;
	if (recipe->manual &&
	    enable_cap(guest->vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, recipe->manual))
		return -1;
	if (!recipe->no_memory && add_slot(guest, 0, 0, recipe->slot_flags))
		return -1;
	while (guest->count < vcpus) {
		if (make_vcpu(guest))
			return -1;
	}
	return 0;
}

/* What it would bind with. */
static inline struct kvmft_bind bind_of(const struct guest *guest)
{
	return (struct kvmft_bind){
		.size = sizeof(struct kvmft_bind),
		.vm_fd = guest->vm,
		.flags = guest->recipe.bind_flags,
		.vcpus = guest->recipe.bind_vcpus ?: (unsigned int)guest->count ?: 1U,
		.gpa_end = guest->recipe.gpa_end ?: GUEST_MEMORY,
		.state_max = GUEST_STATE,
	};
}

static inline int bind_guest(struct guest *guest)
{
	struct kvmft_bind bind = bind_of(guest);

	guest->ft = open("/dev/kvmft", O_RDWR | O_CLOEXEC);
	if (guest->ft < 0 || ioctl(guest->ft, KVMFT_BIND, &bind))
		return -1;
	guest->area_size = bind.area_size;
	return 0;
}

static inline void *map_area(struct guest *guest, int flags)
{
	return mmap(NULL, guest->area_size, PROT_READ | PROT_WRITE, flags, guest->ft, 0);
}

static inline int map_guest(struct guest *guest)
{
	guest->area = map_area(guest, MAP_SHARED);
	return guest->area == MAP_FAILED ? -1 : 0;
}

/* One that only waits to be attached. */
static inline int make_bound(struct guest *guest, const struct recipe *recipe)
{
	return make_guest(guest, recipe) || bind_guest(guest) || map_guest(guest);
}

/* All that it has, so that nothing of it is left in KVM or the module. */
static inline void end_guest(struct guest *guest)
{
	int size = ioctl(guest->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	if (guest->area && guest->area != MAP_FAILED)
		munmap(guest->area, guest->area_size);
	if (guest->ft >= 0)
		close(guest->ft);
	while (guest->count) {
		munmap(guest->runs[--guest->count], size);
		close(guest->vcpus[guest->count]);
	}
	close(guest->vm);
	close(guest->kvm);
	munmap(guest->memory, GUEST_MEMORY);
}

/* 0, or the errno of the hook. */
static inline int call_hook(const struct guest *guest, unsigned int vcpu)
{
	struct kvmft_hook hook = { .size = sizeof(hook), .vcpu = vcpu };

	return ioctl(guest->ft, KVMFT_HOOK, &hook) ? errno : 0;
}

#endif /* _KVMFT_SELFTESTS_VMM_H */
