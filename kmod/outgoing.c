// SPDX-License-Identifier: GPL-2.0
#include <linux/kernel.h>
#include <linux/kvm_host.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "capture.h"
#include "compat.h"
#include "fault.h"
#include "outgoing.h"
#include "primary.h"
#include "stream.h"
#include "trace.h"
#include "vmm.h"

/* Fewer pages than that may as well wait for the guest to stand still. */
#define AHEAD_LEAST 64

/* How much of a rate that wasn't used may be made up for. */
#define RATE_CREDIT (100ULL * NSEC_PER_MSEC)

/**
 * kvmft_sender_over() - is there nothing left to do on this connection?
 * @sender: the sender
 *
 * Return: whether
 */
bool kvmft_sender_over(struct kvmft_sender *sender)
{
	struct kvmft_channel *channel = &sender->primary->channel;

	return kvmft_channel_stopping(channel) || !READ_ONCE(channel->attached) ||
	       READ_ONCE(sender->primary->closed) || READ_ONCE(sender->primary->fenced) ||
	       kvmft_primary_dropping(sender->primary) || sender->stream->broken ||
	       READ_ONCE(sender->primary->decided) != sender->decided;
}

/**
 * kvmft_sender_enter() - note how it is with the guest, as far as the sender knows
 * @sender: the sender
 * @state: &enum kvmft_vm_state
 * @verdict: why, or NULL
 *
 * Somebody who has decided meanwhile knows better.
 */
void kvmft_sender_enter(struct kvmft_sender *sender, u32 state,
			const struct kvmft_verdict *verdict)
{
	struct kvmft_primary *primary = sender->primary;
	bool changed = false;

	spin_lock(&primary->vm.lock);
	if (primary->decided == sender->decided)
		changed = kvmft_vm_move(&primary->vm, state, verdict);
	spin_unlock(&primary->vm.lock);
	if (changed)
		kvmft_vm_moved(&primary->vm, state, verdict);
}

/**
 * kvmft_sender_number() - give the epoch that is being made a number, unless it has one
 * @sender: the sender
 *
 * Return: its number
 */
u64 kvmft_sender_number(struct kvmft_sender *sender)
{
	struct kvmft_primary *primary = sender->primary;
	struct kvmft_vmm *vmm = primary->vm.vmm;

	lockdep_assert_held(&primary->desk);
	if (primary->numbered)
		return primary->epoch;
	spin_lock(&primary->vm.lock);
	vmm->epoch = ++primary->epoch;
	vmm->generation = primary->generation;
	WRITE_ONCE(vmm->area->epoch, primary->epoch);
	WRITE_ONCE(vmm->area->generation, primary->generation);
	spin_unlock(&primary->vm.lock);
	primary->numbered = true;
	return primary->epoch;
}

/**
 * kvmft_sender_begin() - begin an epoch, unless one is begun
 * @sender: the sender
 *
 * Return: 0 or a negative errno
 */
int kvmft_sender_begin(struct kvmft_sender *sender)
{
	struct kvmft_primary *primary = sender->primary;
	u32 flags = 0;
	u64 epoch;

	if (sender->begun)
		return 0;
	epoch = kvmft_sender_number(sender);
	spin_lock(&primary->vm.lock);
	/* With the commit the standby may take over; but not if it is being let go. */
	if (primary->decided == sender->decided)
		WRITE_ONCE(primary->channel.released, false);
	spin_unlock(&primary->vm.lock);
	kvmft_vm_count(&primary->vm, KVMFT_A_COUNTER_BEGUN, 1);
	kvmft_stream_reset(sender->stream, primary->generation, epoch);
	sender->begun = true;
	sender->by_reference = false;
	if (sender->full)
		flags = KVMFT_WIRE_BEGIN_FULL;
	else if (primary->flight.sent.epoch)
		flags = KVMFT_WIRE_BEGIN_FOLLOWS;
	return kvmft_stream_begin(sender->stream, flags);
}

/**
 * kvmft_sender_put() - give the pages of a batch back
 * @sender: the sender
 * @count: how many
 */
void kvmft_sender_put(struct kvmft_sender *sender, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++) {
		if (sender->pages[i])
			put_page(sender->pages[i]);
	}
}

static int send_page(struct kvmft_sender *sender, u32 region, u64 offset, struct page *page)
{
	struct kvmft_primary *primary = sender->primary;

	sender->sent++;
	kvmft_vm_count(&primary->vm, KVMFT_A_COUNTER_PAGES_SENT, 1);
	if (!page)
		kvmft_vm_count(&primary->vm, KVMFT_A_COUNTER_PAGES_ZERO, 1);
	kvmft_stream_compress(sender->stream,
			      READ_ONCE(primary->compress) == KVMFT_VM_COMPRESS_LZ4);
	return kvmft_stream_page(sender->stream, region, offset, page);
}

/**
 * kvmft_sender_page() - send a page, unless nobody needs it
 * @sender: the sender
 * @number: of the page
 * @page: what is in it, or NULL if it is all zero
 *
 * Return: as kvmft_stream_page()
 */
int kvmft_sender_page(struct kvmft_sender *sender, u64 number, struct page *page)
{
	u64 offset;
	u32 region = kvmft_memory_region(&sender->primary->vm.memory, number, &offset);
	bool sent = kvmft_stream_has(sender->stream, region, offset);

	if (page && kvmft_memory_is_zero(page))
		page = NULL;
	/* What isn't in a full copy is zero. */
	if (!page && sender->full && !sent)
		return 0;
	if (!kvmft_harvest_is_news(&sender->primary->harvest, number, page,
				   sender->full || sent))
		return 0;
	return send_page(sender, region, offset, page);
}

/**
 * kvmft_sender_count() - count what pages took that have left
 * @sender: the sender
 *
 * Return: how many of them, since this was called last, were packed
 */
u64 kvmft_sender_count(struct kvmft_sender *sender)
{
	struct kvmft_stream *stream = sender->stream;
	struct kvmft_vm *vm = &sender->primary->vm;
	u64 packed = stream->packed_pages - sender->packed;

	kvmft_vm_count(vm, KVMFT_A_COUNTER_BYTES, stream->page_bytes - sender->bytes);
	kvmft_vm_count(vm, KVMFT_A_COUNTER_PAGES_PACKED, packed);
	sender->bytes = stream->page_bytes;
	sender->packed = stream->packed_pages;
	return packed;
}

/* What takes no memory shall take none for being read. */
static bool is_hole(struct kvmft_sender *sender, u64 number)
{
	return sender->full &&
	       kvmft_memory_data(&sender->primary->vm.memory, number) > number;
}

static bool is_vcpu(void)
{
	return !(current->flags & PF_KTHREAD);
}

/* A vcpu's thread is in its address space. */
static bool enter(struct kvmft_vmm *vmm)
{
	return is_vcpu() ? current->mm == vmm->mm : kvmft_vmm_use(vmm);
}

static void leave(struct kvmft_vmm *vmm)
{
	if (!is_vcpu())
		kvmft_vmm_unuse(vmm);
}

/* The sender waits for a vcpu that has its desk, so that one waits for nobody. */
static int get_run(struct kvmft_sender *sender, u32 at, u32 run)
{
	struct kvmft_memory *memory = &sender->primary->vm.memory;

	if (is_vcpu())
		return kvmft_memory_get_mapped(memory, sender->numbers[at], run,
					       sender->pages + at);
	return kvmft_memory_get(memory, sender->numbers[at], run, sender->pages + at);
}

/**
 * kvmft_sender_get() - get the pages of a batch
 * @sender: the sender, with their numbers
 * @count: how many
 *
 * Gets the pages of a batch, neighbours at one go. In a full copy, one that was never
 * written is NULL.
 *
 * Return: 0; -ESRCH if the VMM is gone; -EAGAIN in a vcpu that would have to wait; another
 * negative errno
 */
int kvmft_sender_get(struct kvmft_sender *sender, u32 count)
{
	struct kvmft_vm *vm = &sender->primary->vm;
	u32 at, run;
	int got = 0;

	if (!enter(vm->vmm))
		return -ESRCH;
	for (at = 0; at < count; at += got) {
		if (is_hole(sender, sender->numbers[at])) {
			sender->pages[at] = NULL;
			got = 1;
			continue;
		}
		for (run = 1; at + run < count; run++) {
			if (sender->numbers[at + run] != sender->numbers[at] + run ||
			    is_hole(sender, sender->numbers[at + run]))
				break;
		}
		got = get_run(sender, at, run);
		if (got < 0)
			break;
	}
	leave(vm->vmm);
	if (got < 0)
		kvmft_sender_put(sender, at);
	return got < 0 ? got : 0;
}

/*
 * The guest's memory or its VMM isn't there: no link can help. The VMM's end is told by
 * itself: the standby is to take over then, and mustn't be let go before.
 */
static int no_memory(struct kvmft_sender *sender, int err)
{
	struct kvmft_verdict verdict = { 0 };

	if (err != -ESRCH) {
		kvmft_judge_saying(&verdict, KVMFT_REASON_LAYOUT,
				   "a page of its memory isn't there (error %d)", -err);
		kvmft_primary_give_up(sender->primary, &verdict);
	}
	return -ESHUTDOWN;
}

static void note_copied(struct kvmft_sender *sender, u64 pages)
{
	struct kvmft_primary *primary = sender->primary;

	if (!sender->full)
		return;
	spin_lock(&primary->vm.lock);
	primary->copy_done += pages << PAGE_SHIFT;
	spin_unlock(&primary->vm.lock);
}

static bool is_awaited(struct kvmft_sender *sender, u64 rate)
{
	return kvmft_sender_over(sender) || READ_ONCE(sender->stream->conn->cut) ||
	       READ_ONCE(sender->primary->checkpoint) == KVMFT_CHECKPOINT_READY ||
	       READ_ONCE(sender->primary->rate) != rate;
}

/* So many bytes of a full copy have left: others use the link, too. */
static void keep_rate(struct kvmft_sender *sender, u64 bytes)
{
	struct kvmft_primary *primary = sender->primary;
	u64 rate = READ_ONCE(primary->rate);
	u64 now = ktime_get_ns();

	if (!rate || !bytes)
		return;
	/* What wasn't used isn't saved up for long. */
	sender->paced = max(sender->paced, now - min(now, RATE_CREDIT)) +
			div64_u64(bytes * NSEC_PER_SEC, rate);
	/* Nobody wakes it for another rate. */
	for (; sender->paced > now && !is_awaited(sender, rate); now = ktime_get_ns())
		wait_event_interruptible_timeout(primary->channel.wait,
						 is_awaited(sender, rate),
						 min_t(u64, HZ / 4,
						       nsecs_to_jiffies(sender->paced - now) ?: 1));
	/* By another rate it would be another moment. */
	if (READ_ONCE(primary->rate) != rate)
		sender->paced = 0;
}

/**
 * kvmft_sender_due() - send what is due now, once
 * @sender: the sender
 * @ahead: the guest runs; stop when it waits for us
 *
 * Sends what is due now, once, by reference or as the stream does.
 *
 * Return: 0, or a negative errno as of a stream, or -ESHUTDOWN
 */
int kvmft_sender_due(struct kvmft_sender *sender, bool ahead)
{
	struct kvmft_primary *primary = sender->primary;
	u64 cursor = 0, holes, sent, packed, bytes;
	u32 count, batch, i;
	int err = 0;

	/* The VMM may have mapped something else there since. */
	if (sender->full)
		kvmft_memory_find_files(&primary->vm.memory, primary->vm.vmm->mm);
	for (;;) {
		if (kvmft_sender_over(sender))
			return -ECONNABORTED;
		/* What a standing guest waits for comes first. */
		if (ahead && READ_ONCE(primary->checkpoint) == KVMFT_CHECKPOINT_READY)
			return 0;
		/* To pack them takes a while, for which it may have to wait. */
		batch = ahead && sender->stream->pack ? KVMFT_SENDER_BATCH / 4 :
							KVMFT_SENDER_BATCH;
		holes = 0;
		count = sender->full ?
			kvmft_harvest_take_written(&primary->harvest, !ahead, &cursor,
						   sender->numbers, batch, &holes) :
			kvmft_harvest_take(&primary->harvest, !ahead, &cursor, sender->numbers,
					   batch);
		note_copied(sender, holes);
		if (!count)
			return 0;
		err = kvmft_sender_get(sender, count);
		if (err)
			return no_memory(sender, err);

		err = kvmft_sender_begin(sender);
		sent = sender->sent;
		bytes = sender->bytes;
		for (i = 0; i < count && !err; i++)
			err = kvmft_sender_page(sender, sender->numbers[i], sender->pages[i]);
		err = err ?: kvmft_stream_flush(sender->stream);
		kvmft_sender_put(sender, count);
		packed = kvmft_sender_count(sender);
		if (err)
			return err;

		sent = sender->sent - sent;
		if (ahead)
			kvmft_vm_count(&primary->vm, KVMFT_A_COUNTER_PAGES_AHEAD, sent);
		if (sender->stream->how == KVMFT_SEND_BY_REFERENCE)
			sender->by_reference = true;
		else
			kvmft_vm_count(&primary->vm, KVMFT_A_COUNTER_PAGES_COPIED, sent - packed);
		note_copied(sender, count);
		if (ahead && sender->full)
			keep_rate(sender, sender->bytes - bytes);
		cond_resched();
	}
}

/**
 * kvmft_sender_reach_end() - have a full copy reach the end of memory
 * @sender: the sender
 *
 * The other end makes zero what isn't sent as it comes to it. So send the last page, and
 * wait until that is there: if the other end has much to do, it does it while the
 * guest runs, and it isn't what an answer to COMMIT is waited for.
 *
 * Return: as kvmft_sender_due()
 */
int kvmft_sender_reach_end(struct kvmft_sender *sender)
{
	struct kvmft_memory *memory = &sender->primary->vm.memory;
	u64 offset;
	u32 region;
	int err;

	sender->numbers[0] = memory->pages - 1;
	err = kvmft_sender_get(sender, 1);
	if (err)
		return no_memory(sender, err);
	region = kvmft_memory_region(memory, sender->numbers[0], &offset);
	err = kvmft_sender_begin(sender) ?:
	      send_page(sender, region, offset, sender->pages[0]) ?:
	      kvmft_stream_settle(sender->stream);
	kvmft_sender_count(sender);
	kvmft_sender_put(sender, 1);
	sender->by_reference = true;
	return err;
}

/**
 * kvmft_sender_look() - find out what has changed
 * @sender: the sender
 *
 * Return: 0 or -ESHUTDOWN
 */
int kvmft_sender_look(struct kvmft_sender *sender)
{
	struct kvmft_primary *primary = sender->primary;
	int err;

	if (!kvmft_vmm_use(primary->vm.vmm))
		return no_memory(sender, -ESRCH);
	err = kvmft_capture_harvest(primary);
	kvmft_vmm_unuse(primary->vm.vmm);
	return err && err != -ESHUTDOWN ? no_memory(sender, err) : err;
}

/**
 * kvmft_sender_learn() - see from an epoch that is sent when to look for what changes
 * @sender: the sender
 * @pages: how many it had
 */
void kvmft_sender_learn(struct kvmft_sender *sender, u64 pages)
{
	struct kvmft_primary *primary = sender->primary;
	u64 again = READ_ONCE(primary->harvest.repeated);

	kvmft_pace_epoch(&sender->pace, kvmft_primary_is_async(primary), pages,
			 again - sender->again);
	sender->again = again;
}

static bool pays_to_look(struct kvmft_sender *sender)
{
	struct kvmft_primary *primary = sender->primary;
	bool was_full = xchg(&primary->full_ring, false);
	bool full;
	u64 changed;

	changed = kvmft_harvest_changed(&primary->harvest, &full);
	return kvmft_pace_pays(&sender->pace, kvmft_primary_is_async(primary),
			       was_full || full ? U64_MAX : changed);
}

/**
 * kvmft_sender_ahead() - send what has changed while the guest runs
 * @sender: the sender
 *
 * What is sent while the guest runs may be changed before the other end has it. In
 * sync mode it is then sent again, before the guest goes on. In async mode the guest
 * goes on first, so there it has to be a copy.
 *
 * Return: as kvmft_sender_due()
 */
int kvmft_sender_ahead(struct kvmft_sender *sender)
{
	struct kvmft_primary *primary = sender->primary;
	u64 due, sent, again;
	int err;

	/* What a vcpu has copied comes first. */
	if (!pays_to_look(sender) || READ_ONCE(primary->flying))
		return 0;
	/* Reading a whole log time and again costs more than it saves. */
	if (primary->harvest.ring) {
		err = kvmft_sender_look(sender);
		if (err)
			return err;
	}
	due = kvmft_harvest_due(&primary->harvest);
	if (due < AHEAD_LEAST) {
		kvmft_pace_few(&sender->pace);
		return 0;
	}
	if (kvmft_primary_is_async(primary) && !kvmft_fault(KVMFT_FAULT_AHEAD_COPIES))
		sender->stream->how = KVMFT_SEND_COPIES;
	sent = sender->sent;
	again = READ_ONCE(primary->harvest.repeated);
	err = kvmft_sender_due(sender, true);
	kvmft_pace_sent(&sender->pace, kvmft_primary_is_async(primary), sender->sent - sent,
			READ_ONCE(primary->harvest.repeated) - again);
	sender->stream->how = KVMFT_SEND_BY_REFERENCE;
	trace_kvmft_epoch_ahead(primary->vm.name, primary->generation, primary->epoch, due,
				err ? KVMFT_REASON_CLOSED : 0);
	return err;
}
