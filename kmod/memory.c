// SPDX-License-Identifier: GPL-2.0
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/kvm_host.h>
#include <linux/lockdep.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "compat.h"
#include "memory.h"
#include "wire.h"

static_assert(ARRAY_SIZE(((struct kvmft_memory *)0)->versions) >= KVMFT_ADDRESS_SPACES);

/* Those that the VMM made; KVM has some of its own, which hold no guest's data. */
static bool is_ram(const struct kvm_memory_slot *slot)
{
	return slot->id < KVM_USER_MEM_SLOTS && slot->npages;
}

static u32 slot_number(const struct kvm_memory_slot *slot)
{
	return (u32)slot->as_id << 16 | (u16)slot->id;
}

/* Calls @see for each slot until that returns something else than 0. */
static int for_slots(struct kvm *kvm,
		     int (*see)(void *context, const struct kvm_memory_slot *slot),
		     void *context)
{
	struct kvm_memory_slot *slot;
	struct kvm_memslots *slots;
	int as, bucket, err = 0;

	lockdep_assert_held(&kvm->slots_lock);
	for (as = 0; as < KVMFT_ADDRESS_SPACES && !err; as++) {
		slots = __kvm_memslots(kvm, as);
		kvm_for_each_memslot(slot, bucket, slots) {
			if (!is_ram(slot))
				continue;
			err = see(context, slot);
			if (err)
				break;
		}
	}
	return err;
}

static int count_slot(void *context, const struct kvm_memory_slot *slot)
{
	++*(u32 *)context;
	return 0;
}

static int note_slot(void *context, const struct kvm_memory_slot *slot)
{
	struct kvmft_memory *memory = context;

	memory->ranges[memory->range_count++] = (struct kvmft_range){
		.slot = slot_number(slot),
		.flags = slot->flags,
		.gfn = slot->base_gfn,
		.pages = slot->npages,
		.hva = slot->userspace_addr,
	};
	return 0;
}

static void note_versions(struct kvmft_memory *memory)
{
	int as;

	lockdep_assert_held(&memory->kvm->slots_lock);
	for (as = 0; as < KVMFT_ADDRESS_SPACES; as++)
		memory->versions[as] = __kvm_memslots(memory->kvm, as)->generation;
}

static int compare(u64 a, u64 b)
{
	return a < b ? -1 : a > b;
}

static int by_hva(const void *a, const void *b)
{
	const struct kvmft_range *x = a, *y = b;

	return compare(x->hva, y->hva);
}

static int by_slot(const void *a, const void *b)
{
	const struct kvmft_range *x = a, *y = b;

	return compare(x->slot, y->slot);
}

static int by_gfn(const void *a, const void *b)
{
	const struct kvmft_region *x = a, *y = b;

	/* Address spaces may show different memory at the same place. */
	return compare(x->gfn, y->gfn) ?: compare(x->slot, y->slot);
}

/*
 * Merges slots that overlap in the VMM, and only those: what merely lies side by side
 * there may lie apart on the other host.
 */
static void find_regions(struct kvmft_memory *memory)
{
	struct kvmft_region *region = NULL;
	u32 i;

	sort(memory->ranges, memory->range_count, sizeof(*memory->ranges), by_hva, NULL);
	for (i = 0; i < memory->range_count; i++) {
		struct kvmft_range *range = &memory->ranges[i];
		unsigned long end = range->hva + (range->pages << PAGE_SHIFT);
		bool readonly = range->flags & KVM_MEM_READONLY;

		if (region && range->hva < region->hva + (region->pages << PAGE_SHIFT)) {
			region->pages = max(region->pages,
					    (u64)(end - region->hva) >> PAGE_SHIFT);
			if (range->gfn < region->gfn ||
			    (range->gfn == region->gfn && range->slot < region->slot)) {
				region->gfn = range->gfn;
				region->slot = range->slot;
			}
			region->readonly &= readonly;
			continue;
		}
		region = &memory->regions[memory->region_count++];
		*region = (struct kvmft_region){
			.hva = range->hva,
			.pages = range->pages,
			.gfn = range->gfn,
			.slot = range->slot,
			.readonly = readonly,
		};
	}
}

static void number_pages(struct kvmft_memory *memory)
{
	u32 i, n;

	sort(memory->regions, memory->region_count, sizeof(*memory->regions), by_gfn, NULL);
	for (i = 0; i < memory->region_count; i++) {
		memory->regions[i].first = memory->pages;
		memory->pages += memory->regions[i].pages;
	}
	for (i = 0; i < memory->range_count; i++) {
		struct kvmft_range *range = &memory->ranges[i];

		for (n = 0; n < memory->region_count; n++) {
			struct kvmft_region *region = &memory->regions[n];

			if (range->hva - region->hva >= region->pages << PAGE_SHIFT)
				continue;
			range->region = n;
			range->first = region->first +
				       ((range->hva - region->hva) >> PAGE_SHIFT);
		}
	}
	sort(memory->ranges, memory->range_count, sizeof(*memory->ranges), by_slot, NULL);
}

/* The slots as they are now, in @memory, which is empty. */
static int snapshot(struct kvmft_memory *memory, struct kvm *kvm)
{
	u32 count = 0;

	lockdep_assert_held(&kvm->slots_lock);
	memory->kvm = kvm;
	for_slots(kvm, count_slot, &count);
	if (!count || count > KVMFT_WIRE_LAYOUT_MAX)
		return -E2BIG;
	memory->ranges = kcalloc(count, sizeof(*memory->ranges), GFP_KERNEL_ACCOUNT);
	memory->regions = kcalloc(count, sizeof(*memory->regions), GFP_KERNEL_ACCOUNT);
	if (!memory->ranges || !memory->regions)
		return -ENOMEM;
	for_slots(kvm, note_slot, memory);
	note_versions(memory);
	find_regions(memory);
	number_pages(memory);
	return 0;
}

/* What the VMM asked KVM for on its own account would be lost to it. */
static int refuse_logged(struct kvmft_memory *memory, struct kvmft_verdict *verdict)
{
	u32 i;

	for (i = 0; i < memory->range_count; i++) {
		struct kvmft_range *range = &memory->ranges[i];

		if (!(range->flags & KVM_MEM_LOG_DIRTY_PAGES))
			continue;
		kvmft_judge_saying(verdict, KVMFT_REASON_CONFIG,
				   "the VMM logs writes to slot %u itself; let it end its migration first",
				   range->slot);
		return -EBUSY;
	}
	return 0;
}

/**
 * kvmft_memory_take() - take a snapshot
 * @memory: result
 * @kvm: the VM
 * @verdict: why not
 *
 * Context: may sleep
 *
 * Return: 0 or a negative errno, with a verdict
 */
int kvmft_memory_take(struct kvmft_memory *memory, struct kvm *kvm,
		      struct kvmft_verdict *verdict)
{
	int err;

	memset(memory, 0, sizeof(*memory));
	mutex_lock(&kvm->slots_lock);
	err = snapshot(memory, kvm);
	mutex_unlock(&kvm->slots_lock);

	if (err == -E2BIG)
		kvmft_judge_saying(verdict, KVMFT_REASON_LAYOUT,
				   "the guest has no memory, or more than %u slots",
				   KVMFT_WIRE_LAYOUT_MAX);
	else if (err)
		kvmft_judge(verdict, KVMFT_REASON_MEMORY);
	else
		err = refuse_logged(memory, verdict);
	if (err)
		kvmft_memory_drop(memory);
	return err;
}

/* A file of our own, since looking for data moves its position. */
static void find_file(struct kvmft_region *region, struct mm_struct *mm)
{
	u64 size = region->pages << PAGE_SHIFT;
	struct vm_area_struct *vma;
	struct file *file = NULL;

	mmap_read_lock(mm);
	vma = find_vma(mm, region->hva);
	/* What a userfaultfd waits for isn't there, but isn't zero. */
	if (vma && vma->vm_start <= region->hva && vma->vm_end - region->hva >= size &&
	    vma->vm_file && vma->vm_flags & VM_SHARED && !(vma->vm_flags & VM_UFFD_MISSING) &&
	    file_inode(vma->vm_file)->i_sb->s_magic == TMPFS_MAGIC) {
		file = get_file(vma->vm_file);
		region->file_offset = ((u64)vma->vm_pgoff << PAGE_SHIFT) +
				      (region->hva - vma->vm_start);
	}
	mmap_read_unlock(mm);
	if (!file)
		return;
	region->file = dentry_open(&file->f_path, O_RDONLY | O_LARGEFILE, file->f_cred);
	if (IS_ERR(region->file))
		region->file = NULL;
	fput(file);
}

/**
 * kvmft_memory_find_files() - find out who knows what was never written
 * @memory: the snapshot
 * @mm: the VMM's address space
 *
 * Without such knowledge all that is lost is some memory, for pages of zeroes. It lasts
 * until the VMM maps something else.
 */
void kvmft_memory_find_files(struct kvmft_memory *memory, struct mm_struct *mm)
{
	u32 i;

	if (!mmget_not_zero(mm))
		return;
	for (i = 0; i < memory->region_count; i++) {
		struct kvmft_region *region = &memory->regions[i];

		if (region->file)
			fput(region->file);
		region->file = NULL;
		find_file(region, mm);
	}
	mmput_async(mm);
}

/**
 * kvmft_memory_drop() - forget a snapshot
 * @memory: the snapshot, or a zeroed structure
 */
void kvmft_memory_drop(struct kvmft_memory *memory)
{
	u32 i;

	for (i = 0; i < memory->region_count; i++) {
		if (memory->regions[i].file)
			fput(memory->regions[i].file);
	}
	kfree(memory->ranges);
	kfree(memory->regions);
	memset(memory, 0, sizeof(*memory));
}

static bool is_logged(const struct kvmft_range *range)
{
	return range->flags & (KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY);
}

static enum kvmft_memory_news compare_slots(const struct kvmft_memory *was,
					    const struct kvmft_memory *is,
					    struct kvmft_verdict *verdict)
{
	enum kvmft_memory_news news = KVMFT_MEMORY_SAME;
	u32 i;

	if (was->range_count != is->range_count) {
		kvmft_judge_saying(verdict, KVMFT_REASON_LAYOUT,
				   "it had %u slots and has %u now",
				   was->range_count, is->range_count);
		return KVMFT_MEMORY_CHANGED;
	}
	for (i = 0; i < was->range_count; i++) {
		const struct kvmft_range *old = &was->ranges[i];
		const struct kvmft_range *new = &is->ranges[i];

		if (old->slot != new->slot || old->gfn != new->gfn ||
		    old->pages != new->pages || old->hva != new->hva ||
		    (old->flags ^ new->flags) & KVM_MEM_READONLY) {
			kvmft_judge_saying(verdict, KVMFT_REASON_LAYOUT,
					   "slot %u at %#llx isn't what it was",
					   new->slot, new->gfn << PAGE_SHIFT);
			return KVMFT_MEMORY_CHANGED;
		}
		if (!is_logged(new))
			news = KVMFT_MEMORY_NOT_LOGGED;
	}
	return news;
}

static bool is_current(struct kvmft_memory *memory)
{
	bool current_one = true;
	int as;

	lockdep_assert_held(&memory->kvm->slots_lock);
	for (as = 0; as < KVMFT_ADDRESS_SPACES; as++)
		current_one &= memory->versions[as] ==
			       __kvm_memslots(memory->kvm, as)->generation;
	return current_one;
}

/**
 * kvmft_memory_look() - is all as it was?
 * @memory: the snapshot
 * @verdict: what changed
 *
 * Takes a moment if nothing did. A change of the flags alone, which loses what KVM
 * knew of writes, can be put right by kvmft_memory_log() and by sending all again.
 *
 * Context: may sleep
 *
 * Return: what was found
 */
enum kvmft_memory_news kvmft_memory_look(struct kvmft_memory *memory,
					 struct kvmft_verdict *verdict)
{
	enum kvmft_memory_news news = KVMFT_MEMORY_SAME;
	struct kvmft_memory now = { 0 };
	struct kvm *kvm = memory->kvm;

	mutex_lock(&kvm->slots_lock);
	if (!is_current(memory)) {
		if (snapshot(&now, kvm)) {
			kvmft_judge(verdict, KVMFT_REASON_LAYOUT);
			news = KVMFT_MEMORY_CHANGED;
		} else {
			news = compare_slots(memory, &now, verdict);
		}
		/* It was changed and changed back: what was logged is lost. */
		if (news == KVMFT_MEMORY_SAME)
			news = KVMFT_MEMORY_NOT_LOGGED;
		kvmft_memory_drop(&now);
	}
	mutex_unlock(&kvm->slots_lock);
	return news;
}

/* Is this still what the VM has there? */
static bool is_there(struct kvm *kvm, const struct kvmft_range *range)
{
	const struct kvm_memory_slot *slot;

	slot = id_to_memslot(__kvm_memslots(kvm, range->slot >> 16), (u16)range->slot);
	return slot && slot->base_gfn == range->gfn && slot->npages == range->pages &&
	       slot->userspace_addr == range->hva;
}

/**
 * kvmft_memory_log() - let KVM tell which pages are written, or not any more
 * @memory: the snapshot
 * @on: whether; never again after it was ended
 *
 * Context: may sleep
 *
 * Return: 0, -ESTALE if the VM has other memory by now, -ESHUTDOWN after the end, or
 * what KVM says
 */
int kvmft_memory_log(struct kvmft_memory *memory, bool on)
{
	struct kvmft_verdict verdict = { 0 };
	struct kvmft_memory now = { 0 };
	struct kvm *kvm = memory->kvm;
	int err = 0;
	u32 i;

	mutex_lock(&kvm->slots_lock);
	if (on) {
		err = memory->ended ? -ESHUTDOWN : snapshot(&now, kvm);
		if (!err && compare_slots(memory, &now, &verdict) == KVMFT_MEMORY_CHANGED)
			err = -ESTALE;
		kvmft_memory_drop(&now);
	} else {
		memory->ended = true;
	}
	for (i = 0; i < memory->range_count && (!err || !on); i++) {
		struct kvmft_range *range = &memory->ranges[i];

		/* What the VMM has changed is none of ours any more. */
		if (range->flags & KVM_MEM_READONLY || !is_there(kvm, range))
			continue;
		err = kvmft_set_slot(kvm, range->slot, on ? KVM_MEM_LOG_DIRTY_PAGES : 0,
				     range->gfn << PAGE_SHIFT,
				     range->pages << PAGE_SHIFT, range->hva);
	}
	note_versions(memory);
	mutex_unlock(&kvm->slots_lock);
	return err;
}

/**
 * kvmft_memory_by_slot() - the number of a page
 * @memory: the snapshot
 * @slot: the slot, with its address space
 * @offset: which page of it
 *
 * Return: its number or KVMFT_NO_PAGE
 */
u64 kvmft_memory_by_slot(const struct kvmft_memory *memory, u32 slot, u64 offset)
{
	u32 low = 0, high = memory->range_count;

	while (low < high) {
		u32 middle = low + (high - low) / 2;
		const struct kvmft_range *range = &memory->ranges[middle];

		if (range->slot == slot)
			return offset < range->pages ? range->first + offset :
						       KVMFT_NO_PAGE;
		if (range->slot < slot)
			low = middle + 1;
		else
			high = middle;
	}
	return KVMFT_NO_PAGE;
}

/**
 * kvmft_memory_by_gfn() - the number of a page
 * @memory: the snapshot
 * @gfn: its guest frame
 *
 * Return: its number or KVMFT_NO_PAGE
 */
u64 kvmft_memory_by_gfn(const struct kvmft_memory *memory, u64 gfn)
{
	u32 i;

	/* The slots of the first address space come first. */
	for (i = 0; i < memory->range_count; i++) {
		const struct kvmft_range *range = &memory->ranges[i];

		if (gfn >= range->gfn && gfn - range->gfn < range->pages)
			return range->first + (gfn - range->gfn);
	}
	return KVMFT_NO_PAGE;
}

/**
 * kvmft_memory_by_place() - the number of a page
 * @memory: the snapshot
 * @region: its RAM region
 * @offset: byte offset in it
 *
 * Return: its number or KVMFT_NO_PAGE
 */
u64 kvmft_memory_by_place(const struct kvmft_memory *memory, u32 region, u64 offset)
{
	u64 page = offset >> PAGE_SHIFT;

	if (region >= memory->region_count || page >= memory->regions[region].pages)
		return KVMFT_NO_PAGE;
	return memory->regions[region].first + page;
}

/**
 * kvmft_memory_region() - where a page is
 * @memory: the snapshot
 * @number: of the page; there is such a one
 * @offset: result: byte offset in the region
 *
 * Return: its RAM region
 */
u32 kvmft_memory_region(const struct kvmft_memory *memory, u64 number, u64 *offset)
{
	u32 low = 0, high = memory->region_count;

	while (high - low > 1) {
		u32 middle = low + (high - low) / 2;

		if (memory->regions[middle].first <= number)
			low = middle;
		else
			high = middle;
	}
	*offset = (number - memory->regions[low].first) << PAGE_SHIFT;
	return low;
}

/**
 * kvmft_memory_data() - where does something begin that was written?
 * @memory: the snapshot
 * @number: of the page to look from
 *
 * Return: the number of a page; all from @number up to that are zero and take no
 * memory. @number itself if that isn't known.
 */
u64 kvmft_memory_data(const struct kvmft_memory *memory, u64 number)
{
	u64 offset;
	const struct kvmft_region *region =
		&memory->regions[kvmft_memory_region(memory, number, &offset)];
	u64 end = region->first + region->pages;
	loff_t data;

	if (!region->file)
		return number;
	data = vfs_llseek(region->file, region->file_offset + offset, SEEK_DATA);
	if (data == -ENXIO)
		return end;
	if (data < 0 || data < region->file_offset + offset)
		return number;
	return min(end, region->first + ((data - region->file_offset) >> PAGE_SHIFT));
}

/**
 * kvmft_memory_is_zero() - is there nothing in this page?
 * @page: the page
 *
 * Return: whether
 */
bool kvmft_memory_is_zero(struct page *page)
{
	return page == ZERO_PAGE(0) || !memchr_inv(page_address(page), 0, PAGE_SIZE);
}

static unsigned long address_of(const struct kvmft_memory *memory, u64 number,
				u32 *count)
{
	u64 offset;
	u32 region = kvmft_memory_region(memory, number, &offset);
	u64 left = memory->regions[region].pages - (offset >> PAGE_SHIFT);

	*count = min_t(u64, *count, left);
	return memory->regions[region].hva + offset;
}

/**
 * kvmft_memory_get() - get pages to read them
 * @memory: the snapshot
 * @number: of the first page
 * @count: how many
 * @pages: result, with a reference each, for put_page()
 *
 * Context: with the VMM's address space; may sleep
 *
 * Return: how many there are, at least 1 and fewer at the end of a region; or a
 * negative errno
 */
int kvmft_memory_get(const struct kvmft_memory *memory, u64 number, u32 count,
		     struct page **pages)
{
	unsigned long address = address_of(memory, number, &count);
	int got = get_user_pages_fast(address, count, 0, pages);

	return got ?: -EFAULT;
}

/**
 * kvmft_memory_get_mapped() - the same without waiting for anything
 * @memory: the snapshot
 * @number: of the first page
 * @count: how many
 * @pages: result, as of kvmft_memory_get()
 *
 * Context: with the VMM's address space
 *
 * Return: how many there are, at least 1; -EAGAIN if the first isn't mapped
 */
int kvmft_memory_get_mapped(const struct kvmft_memory *memory, u64 number, u32 count,
			    struct page **pages)
{
	unsigned long address = address_of(memory, number, &count);
	int got = get_user_pages_fast_only(address, count, 0, pages);

	return got > 0 ? got : -EAGAIN;
}

/**
 * kvmft_memory_pin() - get pages to write them
 * @memory: the snapshot
 * @number: of the first page
 * @count: how many
 * @pages: result, for unpin_user_page()
 *
 * Context: with the VMM's address space; may sleep
 *
 * Return: as kvmft_memory_get()
 */
int kvmft_memory_pin(const struct kvmft_memory *memory, u64 number, u32 count,
		     struct page **pages)
{
	unsigned long address = address_of(memory, number, &count);
	int got = pin_user_pages_fast(address, count, FOLL_WRITE, pages);

	return got ?: -EFAULT;
}
