// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "memory.h"

#include <linux/memfd.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct memory {
	char *host;
	u64 low, high;
};

u64 memory_low(void)
{
	return vmm.memory->low;
}

u64 memory_high(void)
{
	return vmm.memory->high;
}

u64 memory_end(void)
{
	return vmm.memory->high ? MEMORY_HIGH + vmm.memory->high : vmm.memory->low;
}

static void add_slot(u32 slot, u64 gpa, u64 size, char *host)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot, .guest_phys_addr = gpa, .memory_size = size,
		.userspace_addr = (uintptr_t)host,
	};

	if (size)
		must(vmm.vm, KVM_SET_USER_MEMORY_REGION, &region, "KVM_SET_USER_MEMORY_REGION");
}

void memory_make(void)
{
	unsigned int flags = MFD_CLOEXEC;
	u64 size = vmm.options.memory;
	struct memory *memory = make(sizeof(*memory));
	int fd;

	if (vmm.options.hugepages)
		flags |= MFD_HUGETLB | MFD_HUGE_2MB;
	fd = memfd_create("guest", flags);
	if (fd < 0 || ftruncate(fd, size))
		die("memory of the guest");
	memory->host = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (memory->host == MAP_FAILED)
		die("mapping memory of the guest");
	close(fd);
	memory->low = size < MEMORY_GAP ? size : MEMORY_GAP;
	memory->high = size - memory->low;
	vmm.memory = memory;
	add_slot(0, 0, memory->low, memory->host);
	add_slot(1, MEMORY_HIGH, memory->high, memory->host + memory->low);
}

/* Is it within so much from 0 on? */
static bool within(u64 at, u64 len, u64 size)
{
	return at < size && len <= size - at;
}

void *memory_at(u64 gpa, u64 len)
{
	const struct memory *memory = vmm.memory;

	if (within(gpa, len, memory->low))
		return memory->host + gpa;
	if (gpa >= MEMORY_HIGH && within(gpa - MEMORY_HIGH, len, memory->high))
		return memory->host + memory->low + (gpa - MEMORY_HIGH);
	return NULL;
}

void memory_written(u64 gpa, u64 len)
{
	kvmft_mark(vmm.area, gpa, len);
}

bool memory_write(u64 gpa, const void *data, u64 len)
{
	void *at = memory_at(gpa, len);

	if (!at)
		return false;
	memcpy(at, data, len);
	memory_written(gpa, len);
	return true;
}

bool memory_read(u64 gpa, void *data, u64 len)
{
	const void *at = memory_at(gpa, len);

	if (!at)
		return false;
	memcpy(data, at, len);
	return true;
}
