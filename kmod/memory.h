/* SPDX-License-Identifier: GPL-2.0 */
/*
 * memory: where a guest's memory is, and what its pages are called.
 *
 * Contract: a snapshot of the VM's slots. Slots that show the same host memory are
 * one RAM region; regions are numbered by their lowest guest address, so that both
 * hosts number them alike. Pages of all regions have consecutive numbers, used
 * inside this host only; on the wire a page is (region, offset). Once taken, a
 * snapshot is read by anybody; it is compared with the VM by kvmft_memory_look().
 */
#ifndef _KVMFT_MEMORY_H
#define _KVMFT_MEMORY_H

#include <linux/types.h>

#include "reason.h"

struct file;
struct kvm;
struct mm_struct;
struct page;

/* No page has this number. */
#define KVMFT_NO_PAGE U64_MAX

/**
 * struct kvmft_range - a slot of the VM
 * @slot: Its number, with the address space in the upper 16 bits.
 * @flags: Its flags, without KVM_MEM_LOG_DIRTY_PAGES.
 * @gfn: First guest frame.
 * @pages: How many.
 * @hva: Where it is in the VMM.
 * @region: Its RAM region.
 * @first: Number of its first page.
 */
struct kvmft_range {
	u32 slot;
	u32 flags;
	u64 gfn;
	u64 pages;
	unsigned long hva;
	u32 region;
	u64 first;
};

/**
 * struct kvmft_region - a RAM region
 * @hva: Where it is in the VMM.
 * @pages: How many.
 * @gfn: Its lowest guest frame.
 * @slot: The slot with that.
 * @first: Number of its first page.
 * @file: What it is mapped from, opened for us, if that can tell what was never
 *	written; NULL if not.
 * @file_offset: Byte offset in that of the first page.
 * @readonly: No slot lets the guest write it.
 */
struct kvmft_region {
	unsigned long hva;
	u64 pages;
	u64 gfn;
	u32 slot;
	u64 first;
	struct file *file;
	u64 file_offset;
	bool readonly;
};

/**
 * struct kvmft_memory - all of it
 * @kvm: The VM; whoever owns the snapshot holds it.
 * @pages: How many pages there are in all.
 * @range_count: Entries of @ranges.
 * @region_count: Entries of @regions.
 * @ranges: By rising slot.
 * @regions: By rising number.
 * @ended: Writes aren't logged any more; under KVM's lock of slots.
 * @versions: What KVM counts changes of slots with, for each address space.
 */
struct kvmft_memory {
	struct kvm *kvm;
	u64 pages;
	u32 range_count;
	u32 region_count;
	struct kvmft_range *ranges;
	struct kvmft_region *regions;
	bool ended;
	u64 versions[2];
};

/* What kvmft_memory_look() finds. */
enum kvmft_memory_news {
	KVMFT_MEMORY_SAME,
	KVMFT_MEMORY_NOT_LOGGED,
	KVMFT_MEMORY_CHANGED,
};

int kvmft_memory_take(struct kvmft_memory *memory, struct kvm *kvm,
		      struct kvmft_verdict *verdict);
void kvmft_memory_find_files(struct kvmft_memory *memory, struct mm_struct *mm);
void kvmft_memory_drop(struct kvmft_memory *memory);
enum kvmft_memory_news kvmft_memory_look(struct kvmft_memory *memory,
					 struct kvmft_verdict *verdict);
int kvmft_memory_log(struct kvmft_memory *memory, bool on);

u64 kvmft_memory_by_slot(const struct kvmft_memory *memory, u32 slot, u64 offset);
u64 kvmft_memory_by_gfn(const struct kvmft_memory *memory, u64 gfn);
u64 kvmft_memory_by_place(const struct kvmft_memory *memory, u32 region, u64 offset);
u32 kvmft_memory_region(const struct kvmft_memory *memory, u64 number, u64 *offset);

bool kvmft_memory_is_zero(struct page *page);
u64 kvmft_memory_data(const struct kvmft_memory *memory, u64 number);

int kvmft_memory_get(const struct kvmft_memory *memory, u64 number, u32 count,
		     struct page **pages);
int kvmft_memory_get_mapped(const struct kvmft_memory *memory, u64 number, u32 count,
			    struct page **pages);
int kvmft_memory_pin(const struct kvmft_memory *memory, u64 number, u32 count,
		     struct page **pages);

#endif /* _KVMFT_MEMORY_H */
