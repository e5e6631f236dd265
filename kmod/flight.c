// SPDX-License-Identifier: GPL-2.0
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "compat.h"
#include "fault.h"
#include "flight.h"
#include "outgoing.h"
#include "pair.h"
#include "primary.h"
#include "stream.h"
#include "vmm.h"

static struct kvmft_awaited *find(struct kvmft_primary *primary, u64 epoch)
{
	u32 at;

	lockdep_assert_held(&primary->vm.lock);
	for (at = 0; at < ARRAY_SIZE(primary->awaited); at++) {
		if (epoch && primary->awaited[at].epoch == epoch)
			return &primary->awaited[at];
	}
	return NULL;
}

/* Neither it nor any before is awaited any more. */
static void forget(struct kvmft_primary *primary, u64 epoch)
{
	u32 at;

	lockdep_assert_held(&primary->vm.lock);
	for (at = 0; at < ARRAY_SIZE(primary->awaited); at++) {
		if (primary->awaited[at].epoch <= epoch)
			memset(&primary->awaited[at], 0, sizeof(primary->awaited[at]));
	}
}

/* Whether that comes before or after its guest has gone on. */
static void let_next(struct kvmft_primary *primary, u64 epoch)
{
	lockdep_assert_held(&primary->vm.lock);
	if (primary->sealed == epoch) {
		WRITE_ONCE(primary->flying, false);
		/* The leader is to find that it needn't be waited for. */
		if (primary->checkpoint == KVMFT_CHECKPOINT_COPIED)
			WRITE_ONCE(primary->checkpoint, KVMFT_CHECKPOINT_DONE);
	}
	kvmft_vmm_sent(primary->vm.vmm, epoch);
}

/**
 * kvmft_flight_await() - an answer to the epoch that is made may come from now on
 * @sender: the sender
 * @still: the guest stands still until then
 */
void kvmft_flight_await(struct kvmft_sender *sender, bool still)
{
	struct kvmft_primary *primary = sender->primary;

	spin_lock(&primary->vm.lock);
	primary->awaited[0] = primary->awaited[1];
	primary->awaited[1] = (struct kvmft_awaited){
		.epoch = primary->epoch,
		.by = sender->decided,
		.full = sender->full,
		.still = still,
		.heard = true,
	};
	spin_unlock(&primary->vm.lock);
}

/**
 * kvmft_flight_acked() - an epoch is committed: the guest and its output may go
 * @primary: the guest
 * @generation: of the epoch
 * @epoch: the epoch
 *
 * Context: under the VM's lock
 *
 * Return: whether it was awaited, so that the VMM is to be told
 */
bool kvmft_flight_acked(struct kvmft_primary *primary, u64 generation, u64 epoch)
{
	struct kvmft_vm *vm = &primary->vm;
	struct kvmft_awaited *found, acked;

	lockdep_assert_held(&vm->lock);
	found = find(primary, epoch);
	if (!found || !found->heard || primary->generation != generation)
		return false;
	/* It is to go on without it, or not at all; else the next session tells. */
	if (primary->decided != found->by)
		return false;
	acked = *found;
	forget(primary, epoch);
	/* To tell that takes a while, so it is left to the sender. */
	primary->moved |= kvmft_vm_move(vm, KVMFT_VM_PROTECTED, NULL);
	if (!primary->closed)
		WRITE_ONCE(vm->vmm->area->state, KVMFT_AREA_PROTECTED);
	primary->committed = epoch;
	vm->committed_at = ktime_get_boottime_ns();
	WRITE_ONCE(primary->synced, true);
	primary->solo = false;
	WRITE_ONCE(vm->vmm->alone, false);
	/* Only another epoch tells the standby that output waits for it from here on. */
	WRITE_ONCE(primary->owed, acked.full);
	/* Who reads it knows that all that it covers is safe. */
	smp_store_release(&vm->vmm->area->committed, epoch);
	if (acked.still && primary->checkpoint == KVMFT_CHECKPOINT_READY) {
		primary->sealed = epoch;
		WRITE_ONCE(primary->checkpoint, KVMFT_CHECKPOINT_DONE);
	}
	let_next(primary, epoch);
	return true;
}

/* The sender knows that it is committed, and maybe is the first that does. */
static void settle(struct kvmft_sender *sender, u64 epoch)
{
	struct kvmft_primary *primary = sender->primary;
	struct kvmft_vm *vm = &primary->vm;
	bool first, moved;

	kvmft_vm_count(vm, KVMFT_A_COUNTER_COMMITTED, 1);
	spin_lock(&vm->lock);
	first = kvmft_flight_acked(primary, primary->generation, epoch);
	moved = primary->moved;
	primary->moved = false;
	spin_unlock(&vm->lock);
	sender->refusals = 0;
	if (moved)
		kvmft_vm_moved(vm, KVMFT_VM_PROTECTED, NULL);
	if (first)
		kvmft_vmm_tell(vm->vmm);
}

/**
 * kvmft_flight_learn() - see how long an epoch took that is answered
 * @sender: the sender
 * @sent: when it was sent
 * @begun: when the sender began with it, CLOCK_MONOTONIC in ns
 */
void kvmft_flight_learn(struct kvmft_sender *sender, const struct kvmft_sent *sent, u64 begun)
{
	u64 now = ktime_get_ns();

	kvmft_vm_add_time(&sender->primary->vm, KVMFT_TIME_TRANSFER, now - begun);
	kvmft_pace_answered(&sender->pace, sent->at - begun, now - sent->at);
}

/**
 * kvmft_flight_done() - the epoch that was made last is committed, and the one before
 * @sender: the sender
 */
void kvmft_flight_done(struct kvmft_sender *sender)
{
	struct kvmft_primary *primary = sender->primary;

	lockdep_assert_held(&primary->desk);
	kvmft_harvest_acked(&primary->harvest);
	settle(sender, primary->epoch);
	sender->begun = false;
	primary->numbered = false;
	sender->full = false;
}

/**
 * kvmft_flight_was_answered() - the epoch that was made last isn't waited for any more
 * @primary: the guest
 *
 * Return: whether it is committed
 */
bool kvmft_flight_was_answered(struct kvmft_primary *primary)
{
	struct kvmft_awaited *awaited;
	bool was;

	spin_lock(&primary->vm.lock);
	awaited = find(primary, primary->epoch);
	if (awaited)
		awaited->heard = false;
	was = primary->numbered && primary->committed == primary->epoch;
	spin_unlock(&primary->vm.lock);
	return was;
}

/**
 * kvmft_flight_may_begin() - may the guest make another epoch before this one is answered?
 * @sender: the sender
 *
 * This one is sent, and its guest has gone on.
 *
 * Return: whether, and whether that pays
 */
bool kvmft_flight_may_begin(struct kvmft_sender *sender)
{
	/* Others may be late because of what they have to do; the shortest time is the way's. */
	u64 rtt = READ_ONCE(sender->primary->channel.pair->status.rtt.near);

	return sender->stream->conn->features & KVMFT_WIRE_FEATURE_FOLLOWS &&
	       (kvmft_pace_is_far(&sender->pace, rtt) || kvmft_fault(KVMFT_FAULT_FLY));
}

/**
 * kvmft_flight_begin() - the epoch that was made last takes off
 * @sender: the sender, of which nothing flies
 * @copies: what it is made of; not the caller's any more
 * @sent: that it was sent
 * @begun: when the sender began with it, CLOCK_MONOTONIC in ns
 */
void kvmft_flight_begin(struct kvmft_sender *sender, struct kvmft_copies *copies,
			const struct kvmft_sent *sent, u64 begun)
{
	struct kvmft_primary *primary = sender->primary;
	struct kvmft_awaited *awaited;

	lockdep_assert_held(&primary->desk);
	primary->flight = (struct kvmft_flight){
		.sent = *sent,
		.copies = *copies,
		.begun = begun,
	};
	swap(primary->state_pages, primary->other_state_pages);
	kvmft_harvest_set_aside(&primary->harvest);
	sender->begun = false;
	primary->numbered = false;
	spin_lock(&primary->vm.lock);
	awaited = find(primary, sent->epoch);
	if (awaited)
		awaited->flies = true;
	let_next(primary, sent->epoch);
	spin_unlock(&primary->vm.lock);
}

static void drop(struct kvmft_primary *primary)
{
	kvmft_copies_put(&primary->flight.copies, &primary->spare);
	primary->flight.sent.epoch = 0;
}

/**
 * kvmft_flight_flies() - is there one that has taken off, and isn't answered?
 * @primary: the guest
 *
 * Context: the channel's thread
 *
 * Return: whether
 */
bool kvmft_flight_flies(struct kvmft_primary *primary)
{
	return primary->flight.sent.epoch;
}

static void land(struct kvmft_sender *sender)
{
	struct kvmft_primary *primary = sender->primary;
	struct kvmft_flight *flight = &primary->flight;

	kvmft_flight_learn(sender, &flight->sent, flight->begun);
	kvmft_harvest_acked_aside(&primary->harvest);
	settle(sender, flight->sent.epoch);
	drop(primary);
}

/**
 * kvmft_flight_is_answered() - has one that flies been answered?
 * @sender: the sender
 *
 * To be waited for, on the channel's queue.
 *
 * Return: whether; then kvmft_flight_look() is next
 */
bool kvmft_flight_is_answered(struct kvmft_sender *sender)
{
	struct kvmft_primary *primary = sender->primary;

	return kvmft_flight_flies(primary) &&
	       kvmft_stream_is_answered(sender->stream, &primary->flight.sent);
}

/**
 * kvmft_flight_look() - deal with the answer to one that flies, if it is there
 * @sender: the sender
 *
 * Return: 0, or a negative errno if it is lost, as kvmft_stream_answer()
 */
int kvmft_flight_look(struct kvmft_sender *sender)
{
	struct kvmft_flight *flight = &sender->primary->flight;
	int answer;

	lockdep_assert_held(&sender->primary->desk);
	if (!flight->sent.epoch || flight->err)
		return flight->sent.epoch ? flight->err : 0;
	answer = kvmft_stream_answer(sender->stream, &flight->sent);
	if (answer > 0)
		land(sender);
	else
		flight->err = answer;
	return min(answer, 0);
}

/**
 * kvmft_flight_wait() - wait until nothing flies any more
 * @sender: the sender
 *
 * Return: as kvmft_flight_look()
 */
int kvmft_flight_wait(struct kvmft_sender *sender)
{
	struct kvmft_flight *flight = &sender->primary->flight;

	lockdep_assert_held(&sender->primary->desk);
	if (!flight->sent.epoch || flight->err)
		return flight->sent.epoch ? flight->err : 0;
	flight->err = kvmft_stream_wait(sender->stream, &flight->sent);
	if (!flight->err)
		land(sender);
	return flight->err;
}

/**
 * kvmft_flight_end() - the answer to what flies isn't waited for any more
 * @sender: the sender
 *
 * What became of it may be told with the next connection.
 */
void kvmft_flight_end(struct kvmft_sender *sender)
{
	struct kvmft_primary *primary = sender->primary;
	struct kvmft_awaited *awaited;

	lockdep_assert_held(&primary->desk);
	spin_lock(&primary->vm.lock);
	awaited = find(primary, primary->flight.sent.epoch);
	if (awaited)
		awaited->heard = false;
	spin_unlock(&primary->vm.lock);
	/* It may have come, without the sender having dealt with that. */
	if (primary->flight.sent.epoch && !awaited)
		land(sender);
	drop(primary);
}

/**
 * kvmft_flight_lost() - what wasn't answered never will be
 * @primary: the guest
 *
 * A checkpoint whose guest has gone on is lost, its output still waits: have another
 * one made.
 */
void kvmft_flight_lost(struct kvmft_primary *primary)
{
	bool owed;
	u32 at;

	spin_lock(&primary->vm.lock);
	owed = primary->flying || primary->checkpoint == KVMFT_CHECKPOINT_COPIED;
	for (at = 0; at < ARRAY_SIZE(primary->awaited); at++)
		owed |= primary->awaited[at].epoch && !primary->awaited[at].still &&
			primary->awaited[at].by == primary->decided;
	memset(primary->awaited, 0, sizeof(primary->awaited));
	WRITE_ONCE(primary->flying, false);
	if (owed)
		WRITE_ONCE(primary->owed, true);
	/* The leader is to find that nothing flies. */
	if (primary->checkpoint == KVMFT_CHECKPOINT_COPIED)
		WRITE_ONCE(primary->checkpoint, KVMFT_CHECKPOINT_DONE);
	spin_unlock(&primary->vm.lock);
}

/**
 * kvmft_flight_arrived() - the other end has committed an epoch; was it one without answer?
 * @sender: the sender, at the beginning of a session
 * @epoch: the epoch
 *
 * If so, it counts now. What was made on top of it is lost.
 *
 * Return: whether
 */
bool kvmft_flight_arrived(struct kvmft_sender *sender, u64 epoch)
{
	struct kvmft_primary *primary = sender->primary;
	struct kvmft_awaited *awaited;
	bool flies = false;
	u32 both = 0;

	lockdep_assert_held(&primary->desk);
	spin_lock(&primary->vm.lock);
	awaited = find(primary, epoch);
	if (awaited) {
		awaited->by = sender->decided;
		awaited->heard = true;
		flies = awaited->flies;
		/* The one before has arrived as well. */
		if (awaited != primary->awaited && primary->awaited[0].epoch)
			both = 1;
	}
	spin_unlock(&primary->vm.lock);
	if (!awaited)
		return false;
	kvmft_vm_count(&primary->vm, KVMFT_A_COUNTER_COMMITTED, both);
	if (flies)
		kvmft_harvest_acked_aside(&primary->harvest);
	else
		kvmft_harvest_acked(&primary->harvest);
	settle(sender, epoch);
	return true;
}
