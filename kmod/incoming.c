// SPDX-License-Identifier: GPL-2.0
#include <linux/kernel.h>
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timekeeping.h>

#include "compat.h"
#include "fault.h"
#include "incoming.h"
#include "trace.h"
#include "vmm.h"

static struct kvmft_standby *of_intake(struct kvmft_intake *intake)
{
	return container_of(intake, struct kvmft_standby, intake);
}

static void fill(struct page *target, struct page *page)
{
	if (page)
		copy_page(page_address(target), page_address(page));
	else
		clear_page(page_address(target));
}

/* Most of a new guest's memory is zero already, and shall not become more. */
static bool is_zero_there(struct kvmft_standby *standby, u64 number)
{
	struct page *page;
	bool zero;

	if (kvmft_memory_get(&standby->vm.memory, number, 1, &page) < 0)
		return false;
	zero = page == ZERO_PAGE(0) || !memchr_inv(page_address(page), 0, PAGE_SIZE);
	put_page(page);
	return zero;
}

/* From the first page of a full copy on, what was committed before is spoilt. */
static bool may_tear(struct kvmft_standby *standby)
{
	struct kvmft_vm *vm = &standby->vm;
	bool may, first;

	spin_lock(&vm->lock);
	may = standby->phase == KVMFT_STANDBY_WAIT;
	first = may && !standby->torn;
	if (first) {
		standby->torn = true;
		standby->copied = 0;
		standby->hole.end = 0;
	}
	spin_unlock(&vm->lock);
	if (first)
		kvmft_vm_enter(vm, KVMFT_VM_SYNCING, NULL);
	return may;
}

static enum kvmft_reason place_page(void *context, u32 region, u64 offset,
				    struct page *page)
{
	struct kvmft_standby *standby = of_intake(context);
	struct kvmft_vm *vm = &standby->vm;
	u64 number = kvmft_memory_by_place(&vm->memory, region, offset);
	enum kvmft_reason reason = 0;
	struct page *target;

	if (number == KVMFT_NO_PAGE)
		return KVMFT_REASON_LAYOUT;
	if (!may_tear(standby))
		return KVMFT_REASON_GONE;
	/* There may be very much of it: not a visit to the VMM's memory for each. */
	if (!page && kvmft_memory_is_hole(&vm->memory, number, &standby->hole))
		goto placed;
	if (!kvmft_vmm_use(vm->vmm))
		return KVMFT_REASON_VMM_GONE;
	if (page || !is_zero_there(standby, number)) {
		if (kvmft_memory_pin(&vm->memory, number, 1, &target) < 0) {
			reason = KVMFT_REASON_MEMORY;
		} else {
			fill(target, page);
			unpin_user_pages_dirty_lock(&target, 1, true);
			standby->hole.end = 0;
		}
	}
	kvmft_vmm_unuse(vm->vmm);
placed:
	spin_lock(&vm->lock);
	standby->copied += PAGE_SIZE;
	spin_unlock(&vm->lock);
	return reason;
}

static void unpin(struct kvmft_standby *standby)
{
	unpin_user_pages(standby->pinned, standby->pinned_count);
	standby->pinned_count = 0;
}

static int pin_page(void *context, u32 region, u64 offset)
{
	struct kvmft_standby *standby = context;
	struct kvmft_vm *vm = &standby->vm;
	u64 number = kvmft_memory_by_place(&vm->memory, region, offset);

	if (number == KVMFT_NO_PAGE)
		return KVMFT_REASON_LAYOUT;
	if (kvmft_memory_pin(&vm->memory, number, 1,
			     standby->pinned + standby->pinned_count) < 0)
		return KVMFT_REASON_MEMORY;
	standby->pinned_count++;
	return 0;
}

static bool reserve(struct kvmft_standby *standby, u64 count)
{
	struct page **pinned;

	if (count <= standby->pinned_size)
		return true;
	pinned = kvmalloc_array(count, sizeof(*pinned), GFP_KERNEL | __GFP_NOWARN);
	if (!pinned)
		return false;
	kvfree(standby->pinned);
	standby->pinned = pinned;
	standby->pinned_size = count;
	return true;
}

/* Place for the pages of the state that is about to be committed. */
static bool reserve_state(struct kvmft_standby *standby, u64 bytes)
{
	u32 count = DIV_ROUND_UP(bytes, PAGE_SIZE);
	struct page **pages;

	if (count <= standby->state_count)
		return true;
	pages = kvcalloc(count, sizeof(*pages), GFP_KERNEL | __GFP_NOWARN);
	if (!pages)
		return false;
	if (standby->state)
		memcpy(pages, standby->state, standby->state_count * sizeof(*pages));
	kvfree(standby->state);
	standby->state = pages;
	standby->state_count = count;
	return true;
}

static u32 standby_prepare(struct kvmft_intake *intake)
{
	struct kvmft_standby *standby = of_intake(intake);
	struct kvmft_stage *stage = &intake->stage;
	struct kvmft_vm *vm = &standby->vm;
	struct kvmft_verdict verdict = { 0 };
	u32 reason = 0;

	if (!stage->state_got)
		return KVMFT_REASON_STATE;
	if (!kvmft_standby_is_whole(standby, &verdict))
		return KVMFT_REASON_LAYOUT;
	if (!reserve_state(standby, stage->state_got))
		return KVMFT_REASON_MEMORY;
	if (kvmft_fault(KVMFT_FAULT_PIN_PAGES))
		return KVMFT_REASON_MEMORY;
	if (stage->full)
		return 0;
	if (!reserve(standby, stage->count))
		return KVMFT_REASON_MEMORY;

	standby->pinned_count = 0;
	if (!kvmft_vmm_use(vm->vmm))
		return KVMFT_REASON_VMM_GONE;
	reason = kvmft_stage_walk(stage, pin_page, standby);
	kvmft_vmm_unuse(vm->vmm);
	if (reason)
		unpin(standby);
	return reason;
}

static void standby_refused(struct kvmft_intake *intake)
{
	unpin(of_intake(intake));
}

static u64 standby_lease(struct kvmft_intake *intake)
{
	return (u64)intake->channel.pair->self.timeout_ms * NSEC_PER_MSEC / 2;
}

/* Exchanges the pages of the last state for those of this one. */
static void standby_commit(struct kvmft_intake *intake)
{
	struct kvmft_standby *standby = of_intake(intake);
	struct kvmft_stage *stage = &intake->stage;
	unsigned long index;
	struct page *page;

	xa_for_each(&stage->state, index, page) {
		swap(page, standby->state[index]);
		/* One that is there can be replaced without memory. */
		if (page)
			xa_store(&stage->state, index, page, GFP_KERNEL);
		else
			xa_erase(&stage->state, index);
	}
	spin_lock(&standby->vm.lock);
	standby->torn = false;
	spin_unlock(&standby->vm.lock);
	standby->state_len = stage->state_got;
	standby->applied = 0;
	standby->applying = ktime_get_ns();
}

static struct page *standby_apply(void *context, u32 region, u64 offset,
				  struct page *page)
{
	struct kvmft_standby *standby = of_intake(context);

	/* Only tests leave one out, to see that they notice. */
	if (!kvmft_fault(KVMFT_FAULT_APPLY_PAGE))
		fill(standby->pinned[standby->applied], page);
	standby->applied++;
	return page;
}

static void standby_applied(struct kvmft_intake *intake)
{
	struct kvmft_standby *standby = of_intake(intake);
	struct kvmft_vm *vm = &standby->vm;

	unpin_user_pages_dirty_lock(standby->pinned, standby->pinned_count, true);
	standby->pinned_count = 0;
	kvmft_vm_note(vm, KVMFT_A_COUNTER_APPLY_LAST, ktime_get_ns() - standby->applying);
	kvmft_vm_count(vm, KVMFT_A_COUNTER_COMMITTED, 1);
	trace_kvmft_epoch_applied(vm->name, intake->stage.committed_generation,
				  intake->stage.committed_epoch, standby->applied, 0);
	WRITE_ONCE(vm->vmm->area->generation, intake->stage.committed_generation);
	/* Who reads it finds all of it applied. */
	smp_store_release(&vm->vmm->area->committed, intake->stage.committed_epoch);
	kvmft_vm_enter(vm, KVMFT_VM_PROTECTED, NULL);
	kvmft_vmm_tell(vm->vmm);
}

/* The source's guest: like ours, or this one is of no use to it. */
static enum kvmft_reason standby_about(struct kvmft_intake *intake,
				       const struct kvmft_wire_header *header,
				       const u8 *body)
{
	struct kvmft_standby *standby = of_intake(intake);
	struct kvmft_verdict verdict = { 0 };
	struct kvmft_vm *vm = &standby->vm;

	if (header->flags & KVMFT_WIRE_REPLY)
		return KVMFT_REASON_PROTOCOL;
	/* It stays as it is: the other one may be replaced by a better one. */
	if (kvmft_vm_compare(vm, header, body, &verdict))
		kvmft_vm_enter(vm, KVMFT_VM_WAITING_PEER, &verdict);
	if (header->type == KVMFT_WIRE_LAYOUT)
		kvmft_channel_reply(&intake->channel, KVMFT_WIRE_LAYOUT, vm->layout,
				    vm->layout_len);
	else
		kvmft_channel_reply(&intake->channel, KVMFT_WIRE_CONFIG, vm->config,
				    vm->config_len);
	return 0;
}

static void standby_lost(struct kvmft_intake *intake, const struct kvmft_verdict *verdict)
{
	struct kvmft_standby *standby = of_intake(intake);
	struct kvmft_vm *vm = &standby->vm;
	bool differs;

	/* A primary that isn't like it goes, and that isn't what is to be known of it. */
	spin_lock(&vm->lock);
	differs = vm->state == KVMFT_VM_WAITING_PEER &&
		  (vm->verdict.reason == KVMFT_REASON_CONFIG ||
		   vm->verdict.reason == KVMFT_REASON_LAYOUT);
	spin_unlock(&vm->lock);
	if (!differs && READ_ONCE(standby->phase) == KVMFT_STANDBY_WAIT &&
	    !READ_ONCE(standby->closed))
		kvmft_vm_enter(vm, KVMFT_VM_WAITING_PEER, verdict->reason ? verdict : NULL);
}

static void standby_intake_release(struct kvmft_intake *intake)
{
	kvmft_vm_put(&of_intake(intake)->vm);
}

const struct kvmft_intake_ops kvmft_incoming_ops = {
	.place = place_page,
	.prepare = standby_prepare,
	.refused = standby_refused,
	.lease = standby_lease,
	.commit = standby_commit,
	.apply = standby_apply,
	.applied = standby_applied,
	.about = standby_about,
	.lost = standby_lost,
	.release = standby_intake_release,
};
