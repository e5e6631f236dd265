// SPDX-License-Identifier: GPL-2.0
#include <linux/kernel.h>
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "compat.h"
#include "fault.h"
#include "checkpoint.h"
#include "copies.h"
#include "flight.h"
#include "outgoing.h"
#include "primary.h"
#include "stream.h"
#include "vmm.h"

/* Most pages that are copied for a checkpoint; beyond that the guest waits. */
#define COPIES_MAX 65536

/* Most that a vcpu copies itself: it can't be killed meanwhile. */
#define VCPU_COPIES_MAX 8192

/* A page of the area. */
static struct page *area_page(struct kvmft_vmm *vmm, u64 offset)
{
	return vmalloc_to_page((void *)vmm->area + offset);
}

static u32 add_section(struct kvmft_primary *primary, u32 number, u32 kind, u32 id,
		       u64 offset, u64 len, u32 pages)
{
	u8 *entry = page_address(primary->head);
	u64 at;

	entry += KVMFT_SECTION_HEAD + number * KVMFT_SECTION_LEN;
	put_unaligned_le32(kind, entry);
	put_unaligned_le32(id, entry + 4);
	put_unaligned_le64(len, entry + 8);
	for (at = 0; at < len; at += PAGE_SIZE)
		primary->state_pages[pages++] = area_page(primary->vm.vmm, offset + at);
	return pages;
}

/* Lists the pages of the state; its length is the result. */
static u64 gather_state(struct kvmft_primary *primary)
{
	struct kvmft_vm *vm = &primary->vm;
	u32 sections = vm->vcpu_count + 2;
	u32 pages = 0;
	u32 i;

	BUILD_BUG_ON(KVMFT_SECTION_HEAD + (KVMFT_VCPUS_MAX + 2) * KVMFT_SECTION_LEN > PAGE_SIZE);
	clear_page(page_address(primary->head));
	put_unaligned_le32(sections, page_address(primary->head));
	primary->state_pages[pages++] = primary->head;
	pages = add_section(primary, 0, KVMFT_SECTION_VM, 0, vm->vmm->windows,
			    primary->lengths[0], pages);
	for (i = 0; i < vm->vcpu_count; i++)
		pages = add_section(primary, 1 + i, KVMFT_SECTION_VCPU,
				    primary->park.vcpus[i].vcpu->vcpu_id,
				    vm->vmm->windows + (1 + i) * (u64)KVMFT_WINDOW_SIZE,
				    primary->lengths[1 + i], pages);
	pages = add_section(primary, 1 + i, KVMFT_SECTION_DEVICES, 0,
			    vm->vmm->device_state, primary->device_len, pages);
	return (u64)pages << PAGE_SHIFT;
}

/* Pages of our own in place of those of the state, so that the VMM may write on. */
static int copy_state(struct kvmft_primary *primary, u64 len)
{
	u32 i;

	for (i = 0; i < len >> PAGE_SHIFT; i++) {
		struct page *page;

		if (kvmft_pool_get(&primary->spare, &page, 1)) {
			kvmft_pool_put(&primary->spare, primary->state_pages, i);
			return -ENOMEM;
		}
		copy_page(page_address(page), page_address(primary->state_pages[i]));
		primary->state_pages[i] = page;
	}
	return 0;
}

/* Does the other end have it already? Only hot pages are known that well. */
static bool is_same(struct kvmft_sender *sender, u64 number, struct page *page)
{
	struct kvmft_primary *primary = sender->primary;
	u64 offset;
	u32 region = kvmft_memory_region(&primary->vm.memory, number, &offset);

	/* Before an epoch is begun the stream still knows of the last one. */
	return kvmft_harvest_is_same(&primary->harvest, number, page, sender->begun &&
				     kvmft_stream_has(sender->stream, region, offset));
}

/* Copies all that is due and has changed, while the guest stands still. */
static int copy_due(struct kvmft_sender *sender, struct kvmft_copies *copies)
{
	struct kvmft_primary *primary = sender->primary;
	u64 due = kvmft_harvest_due(&primary->harvest);
	u64 cursor = 0;
	u32 count, i;
	int err = 0;

	err = kvmft_fault(KVMFT_FAULT_COPY_PAGES);
	if (err)
		return err;
	copies->count = 0;
	copies->pages = kvmalloc_array(due ?: 1, sizeof(*copies->pages),
				       GFP_KERNEL | __GFP_NOWARN);
	if (!copies->pages)
		return -ENOMEM;
	/* Only tests have it sent by reference, see send_rest(), and see that they notice. */
	if (kvmft_fault(KVMFT_FAULT_AHEAD_COPIES))
		due = 0;
	while (copies->count < due && !err) {
		count = kvmft_harvest_take(&primary->harvest, true, &cursor, sender->numbers,
					   min_t(u64, KVMFT_SENDER_BATCH, due - copies->count));
		if (!count)
			break;
		err = kvmft_sender_get(sender, count);
		if (err)
			break;
		for (i = 0; i < count && !err; i++) {
			struct page *page = NULL;

			if (is_same(sender, sender->numbers[i], sender->pages[i]))
				continue;
			if (!kvmft_memory_is_zero(sender->pages[i]))
				err = kvmft_pool_get(&primary->spare, &page, 1);
			if (err)
				break;
			if (page)
				copy_page(page_address(page),
					  page_address(sender->pages[i]));
			copies->pages[copies->count++] =
				(struct kvmft_copied){ sender->numbers[i], page };
		}
		kvmft_sender_put(sender, count);
		cond_resched();
	}
	if (err) {
		kvmft_copies_put_pages(copies, &primary->spare);
		kvmft_harvest_put_back(&primary->harvest);
		return err;
	}
	kvmft_vm_count(&primary->vm, KVMFT_A_COUNTER_PAGES_COPIED, copies->count);
	return 0;
}

/* The guest goes on before this checkpoint is committed, unless that was given up. */
static void let_go(struct kvmft_primary *primary)
{
	spin_lock(&primary->vm.lock);
	if (primary->checkpoint == KVMFT_CHECKPOINT_READY) {
		primary->sealed = primary->epoch;
		WRITE_ONCE(primary->checkpoint, KVMFT_CHECKPOINT_COPIED);
	}
	spin_unlock(&primary->vm.lock);
	kvmft_vmm_tell(primary->vm.vmm);
}

/* The same by the leader, before it is ready for anybody else; if the sender will want it. */
static bool let_go_copied(struct kvmft_sender *sender, const struct kvmft_copies *copies)
{
	struct kvmft_primary *primary = sender->primary;
	bool wanted;

	kvmft_sender_number(sender);
	spin_lock(&primary->vm.lock);
	wanted = primary->decided == sender->decided && primary->synced;
	if (wanted) {
		primary->copies.count = copies->count;
		primary->copies.state = copies->state;
		primary->copies.state_len = copies->state_len;
		WRITE_ONCE(primary->copies.pages, copies->pages);
		primary->sealed = primary->epoch;
		WRITE_ONCE(primary->checkpoint, KVMFT_CHECKPOINT_COPIED);
	}
	spin_unlock(&primary->vm.lock);
	return wanted;
}

/* May the guest go on as soon as all is copied? */
static bool may_copy(struct kvmft_sender *sender, u64 most)
{
	struct kvmft_primary *primary = sender->primary;

	return kvmft_primary_is_async(primary) && !sender->full &&
	       READ_ONCE(primary->exchange) == KVMFT_EXCHANGE_NONE &&
	       (!sender->begun || !sender->by_reference ||
		kvmft_fault(KVMFT_FAULT_AHEAD_COPIES)) &&
	       kvmft_harvest_due(&primary->harvest) <= most;
}

/*
 * Copies what is left of the epoch: pages, and the state. Without the memory for that
 * all is as it was, but for what was sent in this epoch already, which is due again.
 */
static int copy_rest(struct kvmft_sender *sender, struct kvmft_copies *copies)
{
	struct kvmft_primary *primary = sender->primary;
	int err;

	copies->state = primary->state_pages;
	copies->state_len = gather_state(primary);
	err = copy_due(sender, copies);
	if (err)
		return err;
	err = copy_state(primary, copies->state_len);
	if (!err)
		return 0;
	kvmft_copies_put_pages(copies, &primary->spare);
	kvmft_harvest_put_back(&primary->harvest);
	return err;
}

/**
 * kvmft_checkpoint_copy() - in async mode, have the guest go on without waiting for its sender
 * @primary: the guest, which stands still, with its state saved and all that changed known
 *
 * If the sender is at work, or if there is much to do, it is left to the sender.
 *
 * Context: the leading vcpu's thread
 *
 * Return: whether the guest may go on
 */
bool kvmft_checkpoint_copy(struct kvmft_primary *primary)
{
	struct kvmft_copies copies;
	struct kvmft_sender *sender;
	bool done = false;
	int err;

	if (current->mm != primary->vm.vmm->mm || !mutex_trylock(&primary->desk))
		return false;
	sender = primary->sender;
	if (!sender || kvmft_sender_over(sender) || primary->copies.pages ||
	    kvmft_fault(KVMFT_FAULT_AHEAD_COPIES))
		goto unlock;
	kvmft_harvest_hot(&primary->harvest);
	if (!may_copy(sender, VCPU_COPIES_MAX))
		goto unlock;
	err = copy_rest(sender, &copies);
	if (err) {
		primary->uncopied = err == -ENOMEM;
		goto unlock;
	}
	done = let_go_copied(sender, &copies);
	if (!done) {
		kvmft_copies_put(&copies, &primary->spare);
		kvmft_harvest_put_back(&primary->harvest);
	}
unlock:
	mutex_unlock(&primary->desk);
	if (done)
		wake_up_all(&primary->channel.wait);
	return done;
}

/* What a vcpu has copied, if anything, is the caller's. */
static struct kvmft_copies take_copies(struct kvmft_primary *primary)
{
	struct kvmft_copies copies = primary->copies;

	lockdep_assert_held(&primary->desk);
	WRITE_ONCE(primary->copies.pages, NULL);
	return copies;
}

/**
 * kvmft_checkpoint_discard() - nobody is going to send what a vcpu has copied
 * @primary: the guest
 */
void kvmft_checkpoint_discard(struct kvmft_primary *primary)
{
	struct kvmft_copies copies = take_copies(primary);

	kvmft_copies_put(&copies, &primary->spare);
}

/* Only tests have this done, to see that they notice. */
static void permit_early(struct kvmft_primary *primary)
{
	/* As in kvmft_flight_acked(). */
	smp_store_release(&primary->vm.vmm->area->committed, primary->epoch);
	kvmft_vmm_tell(primary->vm.vmm);
}

static int send_rest(struct kvmft_sender *sender, const struct kvmft_copies *copies,
		     struct kvmft_sent *sent)
{
	struct kvmft_stream *stream = sender->stream;
	struct kvmft_wire_commit commit;
	int err = 0;
	u32 i;

	for (i = 0; i < copies->count && !err; i++)
		err = kvmft_sender_page(sender, copies->pages[i].number, copies->pages[i].page);
	if (!err && (!copies->pages || kvmft_fault(KVMFT_FAULT_AHEAD_COPIES)))
		err = kvmft_sender_due(sender, false);
	if (!err && sender->full)
		err = kvmft_sender_reach_end(sender);
	err = err ?: kvmft_stream_state(stream, copies->state, copies->state_len);
	kvmft_sender_count(sender);
	if (err)
		return err;
	kvmft_vm_count(&sender->primary->vm, KVMFT_A_COUNTER_BYTES, copies->state_len);
	kvmft_stream_totals(stream, &commit);
	err = kvmft_hold(KVMFT_FAULT_EPOCH_SENT);
	if (err)
		return err;
	/*
	 * Who decides otherwise lets the guest run after that. So up to here it stood still, and
	 * if this is sent by reference, what it writes from now on doesn't fit the sum.
	 */
	if (kvmft_sender_over(sender))
		return -ECONNABORTED;
	kvmft_flight_await(sender, !copies->pages);
	err = kvmft_stream_commit(stream, &commit, sent);
	if (!err && kvmft_fault(KVMFT_FAULT_COMMIT_EARLY))
		permit_early(sender->primary);
	return err ?: kvmft_hold(KVMFT_FAULT_EPOCH_AWAITED);
}

/**
 * kvmft_checkpoint_is_ready() - is there one to be sent?
 * @primary: the guest
 *
 * Return: whether; it stays until it is sent, discarded or cancelled
 */
bool kvmft_checkpoint_is_ready(struct kvmft_primary *primary)
{
	return READ_ONCE(primary->checkpoint) == KVMFT_CHECKPOINT_READY ||
	       READ_ONCE(primary->copies.pages);
}

/* Copies here what no vcpu has; or nothing, as in sync mode. */
static struct kvmft_copies make_copies(struct kvmft_sender *sender)
{
	struct kvmft_primary *primary = sender->primary;
	struct kvmft_copies copies = take_copies(primary);
	bool uncopied = primary->uncopied;

	primary->uncopied = false;
	if (copies.pages)
		return copies;
	kvmft_harvest_hot(&primary->harvest);
	if (!uncopied && may_copy(sender, COPIES_MAX) && !copy_rest(sender, &copies)) {
		let_go(primary);
		return copies;
	}
	return (struct kvmft_copies){
		.state = primary->state_pages,
		.state_len = gather_state(primary),
	};
}

/**
 * kvmft_checkpoint_send() - commit what the standing guest has made ready
 * @sender: the sender
 *
 * The guest stands still, and all about it is known, or is copied: commit that.
 *
 * Return: 0 or a negative errno
 */
int kvmft_checkpoint_send(struct kvmft_sender *sender)
{
	struct kvmft_primary *primary = sender->primary;
	u64 before = ktime_get_ns();
	struct kvmft_copies copies;
	struct kvmft_sent sent;
	int err;

	if (sender->full)
		kvmft_sender_enter(sender, KVMFT_VM_SYNCING, NULL);
	/* The number comes before the guest goes on with a ticket. */
	kvmft_sender_number(sender);
	copies = make_copies(sender);
	err = kvmft_sender_begin(sender);
	if (!err) {
		sender->stream->ending = true;
		err = send_rest(sender, &copies, &sent);
	}
	/* The one before comes first; with that this one comes to nothing, too. */
	err = err ?: kvmft_flight_wait(sender);
	if (!err && copies.pages && kvmft_flight_may_begin(sender)) {
		kvmft_sender_learn(sender, sent.pages);
		kvmft_flight_begin(sender, &copies, &sent, before);
		return 0;
	}
	err = err ?: kvmft_stream_wait(sender->stream, &sent);
	kvmft_copies_put(&copies, &primary->spare);
	if (err) {
		/* Then that holds, whatever else has failed. */
		if (kvmft_flight_was_answered(primary))
			kvmft_flight_done(sender);
		return err;
	}
	kvmft_flight_learn(sender, &sent, before);
	kvmft_sender_learn(sender, sent.pages);
	kvmft_flight_done(sender);
	return 0;
}
