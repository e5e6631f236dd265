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

/* Of so many pages at once it is looked whether they are zero. */
#define EMPTY_BATCH 32

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

/* How many pages in a row there are to read, without making any. */
static u32 count_there(struct kvmft_memory *memory, u64 number, u64 to)
{
	u32 count = 1;

	while (count < EMPTY_BATCH && number + count < to &&
	       kvmft_memory_data(memory, number + count) == number + count)
		count++;
	return count;
}

static enum kvmft_reason fill_there(struct kvmft_standby *standby, u64 number,
				    struct page *page)
{
	struct page *target;

	if (kvmft_memory_pin(&standby->vm.memory, number, 1, &target) < 0)
		return KVMFT_REASON_MEMORY;
	fill(target, page);
	unpin_user_pages_dirty_lock(&target, 1, true);
	return 0;
}

/*
 * Makes some pages zero that aren't: most of a new guest's memory is, and shall not become
 * more. How many it has seen, at least one, is added.
 */
static enum kvmft_reason empty_some(struct kvmft_standby *standby, u64 *number, u64 to)
{
	struct kvmft_memory *memory = &standby->vm.memory;
	enum kvmft_reason reason = 0;
	struct page *pages[EMPTY_BATCH];
	int got, i;

	if (!kvmft_vmm_use(standby->vm.vmm))
		return KVMFT_REASON_VMM_GONE;
	got = kvmft_memory_get(memory, *number, count_there(memory, *number, to), pages);
	for (i = 0; i < got && !reason; i++) {
		if (!kvmft_memory_is_zero(pages[i]))
			reason = fill_there(standby, *number + i, NULL);
	}
	for (i = 0; i < got; i++)
		put_page(pages[i]);
	kvmft_vmm_unuse(standby->vm.vmm);
	if (got < 0)
		return KVMFT_REASON_MEMORY;
	*number += got;
	return reason;
}

static bool takes_epochs(struct kvmft_standby *standby)
{
	return READ_ONCE(standby->phase) == KVMFT_STANDBY_WAIT;
}

/* The next connection, if there is one, waits for the end of this one. */
static bool is_interrupted(struct kvmft_channel *channel)
{
	return kvmft_channel_stopping(channel) || !READ_ONCE(channel->attached) ||
	       READ_ONCE(channel->offered);
}

static void note_copied(struct kvmft_standby *standby, u64 pages)
{
	spin_lock(&standby->vm.lock);
	standby->copied += pages << PAGE_SHIFT;
	spin_unlock(&standby->vm.lock);
}

/*
 * What isn't sent in a full copy is zero there, so make it zero here, up to a page.
 * Sources send by rising numbers at first, so there are mostly small gaps to see to; what
 * is sent later for a place in one goes on top of that.
 */
static enum kvmft_reason empty(struct kvmft_standby *standby, u64 to)
{
	enum kvmft_reason reason = 0;

	while (standby->emptied < to && !reason) {
		u64 from = standby->emptied;
		u64 data = kvmft_memory_data(&standby->vm.memory, from);

		if (!takes_epochs(standby) || is_interrupted(&standby->intake.channel))
			return KVMFT_REASON_GONE;
		if (data > from)
			standby->emptied = min(data, to);
		else
			reason = empty_some(standby, &standby->emptied, to);
		note_copied(standby, standby->emptied - from);
		cond_resched();
	}
	return reason;
}

/* From here on, what was committed before is spoilt. */
static enum kvmft_reason standby_full(struct kvmft_intake *intake)
{
	struct kvmft_standby *standby = of_intake(intake);
	struct kvmft_vm *vm = &standby->vm;
	bool may;

	spin_lock(&vm->lock);
	may = standby->phase == KVMFT_STANDBY_WAIT;
	if (may) {
		standby->torn = true;
		standby->sure = false;
		standby->copied = 0;
	}
	spin_unlock(&vm->lock);
	if (!may)
		return KVMFT_REASON_GONE;
	standby->emptied = 0;
	/* The VMM may have mapped something else there since. */
	kvmft_memory_find_files(&vm->memory, vm->vmm->mm);
	kvmft_vm_enter(vm, KVMFT_VM_SYNCING, NULL);
	return 0;
}

static enum kvmft_reason place_page(void *context, u32 region, u64 offset,
				    struct page *page)
{
	struct kvmft_standby *standby = of_intake(context);
	struct kvmft_vm *vm = &standby->vm;
	u64 number = kvmft_memory_by_place(&vm->memory, region, offset);
	enum kvmft_reason reason = 0;
	u64 emptied;

	if (number == KVMFT_NO_PAGE)
		return KVMFT_REASON_LAYOUT;
	if (!takes_epochs(standby))
		return KVMFT_REASON_GONE;
	reason = empty(standby, number);
	if (reason)
		return reason;
	if (page) {
		if (!kvmft_vmm_use(vm->vmm))
			return KVMFT_REASON_VMM_GONE;
		reason = fill_there(standby, number, page);
		kvmft_vmm_unuse(vm->vmm);
	} else if (kvmft_memory_data(&vm->memory, number) == number) {
		emptied = number;
		reason = empty_some(standby, &emptied, number + 1);
	}
	standby->emptied = max(standby->emptied, number + 1);
	note_copied(standby, 1);
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
		return empty(standby, vm->memory.pages);
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
	return kvmft_standby_lease(of_intake(intake));
}

static u32 standby_attached(struct kvmft_intake *intake, u64 claim)
{
	return kvmft_standby_attached(of_intake(intake), claim);
}

static void standby_parted(struct kvmft_intake *intake, enum kvmft_loss loss)
{
	kvmft_standby_parted(of_intake(intake), loss);
}

static bool standby_released(struct kvmft_intake *intake)
{
	return kvmft_standby_released(of_intake(intake));
}

static void standby_exchange(struct kvmft_intake *intake, const struct kvmft_wire_switch *step,
			     u64 generation, u64 epoch)
{
	kvmft_standby_handed(of_intake(intake), step, generation, epoch);
}

static void standby_seal(struct kvmft_intake *intake)
{
	kvmft_standby_seal(of_intake(intake), intake->stage.full);
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
	standby->vm.committed_at = ktime_get_boottime_ns();
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
	kvmft_vm_add_time(vm, KVMFT_TIME_APPLY, ktime_get_ns() - standby->applying);
	kvmft_vm_count(vm, KVMFT_A_COUNTER_COMMITTED, 1);
	trace_kvmft_epoch_applied(vm->name, intake->stage.committed_generation,
				  intake->stage.committed_epoch, standby->applied, 0);
	spin_lock(&vm->lock);
	standby->whole = intake->stage.committed_epoch;
	spin_unlock(&vm->lock);
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
	.full = standby_full,
	.place = place_page,
	.prepare = standby_prepare,
	.refused = standby_refused,
	.lease = standby_lease,
	.seal = standby_seal,
	.commit = standby_commit,
	.apply = standby_apply,
	.applied = standby_applied,
	.attached = standby_attached,
	.parted = standby_parted,
	.released = standby_released,
	.exchange = standby_exchange,
	.about = standby_about,
	.lost = standby_lost,
	.release = standby_intake_release,
};
