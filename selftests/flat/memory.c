// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* What is looked at in one go. */
#define CHUNK_PAGES 16384UL
/* So that huge pages fit, ROM and spare memory have one of their own. */
#define HUGE (2 * MIB)
#define PAGEMAP_FRAME ((1ULL << 55) - 1)

struct slot {
	u64 gpa, size, offset;
	u32 flags;
};

static struct {
	char *host;
	u64 size;
	int file, pagemap;
	u64 zero, huge_zero;
	struct slot slots[5];
	unsigned int count;
} memory;

u64 memory_low(void)
{
	return vmm.options.memory < LOW_MAX ? vmm.options.memory : LOW_MAX;
}

u64 memory_high(void)
{
	return vmm.options.memory - memory_low();
}

static void *map(size_t size, int flags, int fd)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_NORESERVE | flags, fd, 0);
}

static void *map_thp(size_t size)
{
	char *host = map(size + HUGE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	if (host == MAP_FAILED)
		return host;
	host += -(uintptr_t)host & (HUGE - 1);
	if (madvise(host, size, MADV_HUGEPAGE))
		die("madvise(MADV_HUGEPAGE)");
	return host;
}

static void *map_memfd(size_t size)
{
	memory.file = memfd_create("guest", MFD_CLOEXEC);
	if (memory.file < 0 || ftruncate(memory.file, size))
		die("memfd");
	return map(size, MAP_SHARED, memory.file);
}

/*
 * Shared memory has a file, too, that whoever may (root) can open by its mapping. It tells
 * what exists at once, and mincore() looks at page after page of 8 GiB.
 */
static void *map_shmem(size_t size)
{
	void *host = map(size, MAP_SHARED | MAP_ANONYMOUS, -1);
	char path[64];

	if (host == MAP_FAILED)
		return host;
	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (unsigned long)host,
		 (unsigned long)host + size);
	memory.file = open(path, O_RDONLY | O_CLOEXEC);
	return host;
}

static void *map_backing(size_t size)
{
	switch (vmm.options.backing) {
	case BACKING_SHMEM:
		return map_shmem(size);
	case BACKING_MEMFD:
		return map_memfd(size);
	case BACKING_THP:
		return map_thp(size);
	case BACKING_HUGETLB:
		return map(size, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1);
	default:
		return map(size, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	}
}

static int set_slot(unsigned int number, const struct slot *slot)
{
	struct kvm_userspace_memory_region region = {
		.slot = number,
		.flags = slot->flags,
		.guest_phys_addr = slot->gpa,
		.memory_size = slot->size,
		.userspace_addr = (uintptr_t)memory.host + slot->offset,
	};

	return ioctl(vmm.vm, KVM_SET_USER_MEMORY_REGION, &region);
}

static void add_slot(u64 gpa, u64 size, u64 offset, u32 flags)
{
	struct slot slot = { gpa, size, offset, flags };

	if (!size)
		return;
	if (set_slot(memory.count, &slot))
		die("KVM_SET_USER_MEMORY_REGION");
	memory.slots[memory.count++] = slot;
	if (vmm.gpa_end < gpa + size)
		vmm.gpa_end = gpa + size;
}

/*
 * A page that was only read is the kernel's page of zeroes, or a part of its huge one.
 * Who replicates the guest reads all of them, and nobody shall look at so much nothing.
 */
static u64 frame_of(const void *at)
{
	u64 entry;

	if (pread(memory.pagemap, &entry, sizeof(entry), (uintptr_t)at / PAGE * sizeof(entry)) !=
	    sizeof(entry))
		die("pagemap");
	return entry & PAGEMAP_FRAME;
}

static void learn_zeroes(void)
{
	char *page = map(PAGE, MAP_PRIVATE | MAP_ANONYMOUS, -1), *huge = map_thp(HUGE);

	if (page == MAP_FAILED || huge == MAP_FAILED ||
	    __atomic_load_n(page, __ATOMIC_RELAXED) || __atomic_load_n(huge, __ATOMIC_RELAXED))
		die("no memory");
	memory.zero = frame_of(page);
	memory.huge_zero = frame_of(huge);
	/* Without a huge one it is the other. */
	if (memory.huge_zero == memory.zero)
		memory.huge_zero = 0;
}

/* ROM and spare memory read as a pattern of the seed until somebody writes to them. */
static void fill(u32 *word, u64 size)
{
	u32 i;

	for (i = 0; i < size / sizeof(*word); i++)
		word[i] = (i * MIX_A) ^ vmm.options.seed;
}

void memory_make(void)
{
	u64 size = vmm.options.memory;

	memory.file = -1;
	memory.size = size + HUGE;
	memory.host = map_backing(memory.size);
	if (memory.host == MAP_FAILED)
		die("no memory for the guest");
	memory.pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (memory.pagemap < 0)
		die("/proc/self/pagemap");
	learn_zeroes();

	add_slot(0, memory_low(), 0, 0);
	add_slot(HIGH, memory_high(), LOW_MAX, 0);
	if (vmm.options.rom) {
		add_slot(ROM, ROM_SIZE, size, KVM_MEM_READONLY);
		fill(memory_at(ROM, ROM_SIZE), ROM_SIZE);
	}
	/* The last one, since it is the only one that isn't memory of its own. */
	if (vmm.options.alias)
		add_slot(ALIAS, ALIAS_SIZE, 0, 0);
}

/* The spare slot, which is the last one if it is there. */
static struct slot *spare(void)
{
	struct slot *last = &memory.slots[memory.count - 1];

	if (last->gpa == SPARE || last->gpa == SPARE_MOVED)
		return last;
	errno = ENOENT;
	return NULL;
}

int memory_add_spare(void)
{
	struct slot slot = { SPARE, SPARE_SIZE, vmm.options.memory + HUGE / 2, 0 };

	if (spare()) {
		errno = EEXIST;
		return -1;
	}
	if (!vmm.options.standby)
		fill((u32 *)(memory.host + slot.offset), SPARE_SIZE);
	if (set_slot(memory.count, &slot))
		return -1;
	memory.slots[memory.count] = slot;
	__atomic_store_n(&memory.count, memory.count + 1, __ATOMIC_RELEASE);
	return 0;
}

int memory_remove_spare(void)
{
	struct slot *slot = spare(), none;

	if (!slot)
		return -1;
	none = *slot;
	none.size = 0;
	if (set_slot(memory.count - 1, &none))
		return -1;
	__atomic_store_n(&memory.count, memory.count - 1, __ATOMIC_RELEASE);
	return 0;
}

int memory_move_spare(void)
{
	struct slot *slot = spare(), moved;

	if (!slot)
		return -1;
	moved = *slot;
	moved.gpa = moved.gpa == SPARE ? SPARE_MOVED : SPARE;
	if (set_slot(memory.count - 1, &moved))
		return -1;
	__atomic_store_n(&slot->gpa, moved.gpa, __ATOMIC_RELAXED);
	return 0;
}

int memory_end_log(void)
{
	return set_slot(0, &memory.slots[0]);
}

void *memory_at(u64 gpa, u64 len)
{
	struct slot *slot;

	for (slot = memory.slots; slot < memory.slots + memory.count; slot++) {
		if (gpa >= slot->gpa && gpa - slot->gpa < slot->size &&
		    len <= slot->size - (gpa - slot->gpa))
			return memory.host + slot->offset + (gpa - slot->gpa);
	}
	return NULL;
}

/* Present and not those zeroes, or swapped. Who isn't root isn't told frames. */
static bool is_there(u64 entry)
{
	u64 frame = entry & PAGEMAP_FRAME;

	if (!(entry >> 63))
		return entry >> 62;
	return !frame || (frame != memory.zero &&
			  (!memory.huge_zero || frame - memory.huge_zero >= HUGE / PAGE));
}

/* Which of these pages exist, by the page tables; for private memory. */
static void exist_pagemap(u64 offset, u64 pages, u8 *exists)
{
	u64 first = ((uintptr_t)memory.host + offset) / PAGE, entries[512], n, i;
	ssize_t len;

	for (; pages; pages -= n, first += n, exists += n) {
		n = pages < ARRAY_SIZE(entries) ? pages : ARRAY_SIZE(entries);
		len = pread(memory.pagemap, entries, n * sizeof(u64), first * sizeof(u64));
		if (len != (ssize_t)(n * sizeof(u64)))
			die("pagemap");
		for (i = 0; i < n; i++)
			exists[i] = is_there(entries[i]);
	}
}

static void exist_file(u64 offset, u64 pages, u8 *exists)
{
	u64 end = offset + pages * PAGE, at = offset;
	off_t data, hole;

	memset(exists, 0, pages);
	while (at < end) {
		data = lseek(memory.file, at, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			return;
		hole = data < 0 ? -1 : lseek(memory.file, data, SEEK_HOLE);
		if (hole < 0)
			die("SEEK_DATA");
		for (at = data; at < (u64)hole && at < end; at += PAGE)
			exists[(at - offset) / PAGE] = 1;
		at = hole;
	}
}

static void exist(u64 offset, u64 pages, u8 *exists)
{
	if (memory.file >= 0)
		exist_file(offset, pages, exists);
	else if (vmm.options.backing != BACKING_SHMEM)
		exist_pagemap(offset, pages, exists);
	else if (mincore(memory.host + offset, pages * PAGE, exists))
		die("mincore");
}

bool memory_is_zero(const void *page)
{
	const u64 *word = page;

	return !word[0] && !memcmp(page, page + sizeof(u64), PAGE - sizeof(u64));
}

static int visit_slot(const struct slot *slot, visit_fn visit, void *context)
{
	static __thread u8 exists[CHUNK_PAGES];
	u64 at, pages, i;
	const char *page;
	int ret = 0;

	for (at = 0; at < slot->size && !ret; at += pages * PAGE) {
		pages = (slot->size - at) / PAGE;
		if (pages > CHUNK_PAGES)
			pages = CHUNK_PAGES;
		exist(slot->offset + at, pages, exists);
		for (i = 0; i < pages && !ret; i++) {
			page = memory.host + slot->offset + at + i * PAGE;
			if (exists[i] & 1)
				ret = visit(context, slot->gpa + at + i * PAGE, page);
		}
	}
	return ret;
}

int memory_visit(visit_fn visit, void *context)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < memory.count && !ret; i++) {
		if (memory.slots[i].gpa != ALIAS)
			ret = visit_slot(&memory.slots[i], visit, context);
	}
	return ret;
}

/* A sum, so that neither order nor pages of zeros matter. */
static int add_hash(void *context, u64 gpa, const void *page)
{
	const u64 *word = page, *end = page + PAGE;
	u64 *sum = context, hash = gpa + 1;

	if (memory_is_zero(page))
		return 0;
	for (; word < end; word++) {
		hash = (hash ^ *word) * 0x9e3779b97f4a7c15ULL;
		hash ^= hash >> 32;
	}
	*sum += hash;
	return 0;
}

u64 memory_hash(void)
{
	u64 sum = 0;

	memory_visit(add_hash, &sum);
	return sum;
}

static int write_page(void *context, u64 gpa, const void *page)
{
	ssize_t len;

	if (memory_is_zero(page))
		return 0;
	len = pwrite(*(int *)context, page, PAGE, gpa);
	if (len >= 0 && len != (ssize_t)PAGE)
		errno = ENOSPC;
	return len == (ssize_t)PAGE ? 0 : -1;
}

int memory_dump(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int ret;

	if (fd < 0)
		return -1;
	ret = ftruncate(fd, vmm.gpa_end) || memory_visit(write_page, &fd);
	return close(fd) || ret ? -1 : 0;
}
