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
#include "fence.h"
#include "checkpoint.h"
#include "flight.h"
#include "outgoing.h"
#include "primary.h"
#include "stream.h"
#include "vmm.h"

/* The full copy ends with a standstill when no more than this is left. */
#define COPY_REST 1024

/* Rounds that make the rest no smaller, after which it doesn't converge. */
#define COPY_ROUNDS 4

/* When to say that no vcpu has come to the hook. */
#define SHOW_UP (3 * HZ)

/* How long the other end may take to say what its guest is like. */
#define COMPARE_TIMEOUT (5 * HZ)

/* What fails for want of memory is tried again after this. */
#define RETRY_PAUSE (HZ / 5)

/* Epochs in a row that the other end refuses, before the guest is given up. */
#define REFUSALS_MAX 5

/*
 * A guest that was never protected doesn't stand still for a link that is gone, or for
 * a copy that has to begin anew.
 */
static void cancel(struct kvmft_primary *primary)
{
	spin_lock(&primary->vm.lock);
	if (!primary->synced && primary->checkpoint == KVMFT_CHECKPOINT_READY)
		WRITE_ONCE(primary->checkpoint, KVMFT_CHECKPOINT_CANCELLED);
	spin_unlock(&primary->vm.lock);
	kvmft_vmm_tell(primary->vm.vmm);
}

/* An epoch was refused, by the other end or for want of memory here. */
static int on_refusal(struct kvmft_sender *sender, int err)
{
	struct kvmft_primary *primary = sender->primary;
	struct kvmft_verdict verdict = sender->stream->verdict;
	int flown;

	/* With the connection it isn't known what became of the one before. */
	flown = kvmft_flight_wait(sender);
	if (flown && sender->stream->broken)
		return flown;
	/* What became of that one counts more. */
	if (flown)
		verdict = sender->stream->verdict;
	kvmft_flight_end(sender);
	kvmft_vm_count(&primary->vm, KVMFT_A_COUNTER_ABORTED, flown && sender->begun ? 2 : 1);
	if (err == -ENOMEM) {
		kvmft_judge(&verdict, KVMFT_REASON_MEMORY);
		kvmft_stream_abort(sender->stream, KVMFT_REASON_MEMORY);
	}
	kvmft_harvest_failed(&primary->harvest);
	kvmft_flight_lost(primary);
	kvmft_checkpoint_discard(primary);
	sender->begun = false;
	primary->numbered = false;
	if (++sender->refusals > REFUSALS_MAX || verdict.reason == KVMFT_REASON_TOO_BIG ||
	    verdict.reason == KVMFT_REASON_LOCAL || verdict.reason == KVMFT_REASON_CONFIG ||
	    verdict.reason == KVMFT_REASON_LAYOUT || verdict.reason == KVMFT_REASON_STATE) {
		kvmft_primary_give_up(primary, &verdict);
		return -ESHUTDOWN;
	}
	if (sender->full)
		kvmft_harvest_everything(&primary->harvest);
	cancel(primary);
	wait_event_interruptible_timeout(primary->channel.wait,
					 kvmft_sender_over(sender), RETRY_PAUSE);
	return 0;
}

/* Also for the end of a full copy, if the standstill for it was called off. */
static bool wants_stillness(struct kvmft_sender *sender)
{
	struct kvmft_primary *primary = sender->primary;

	/* What flies may be what is owed. */
	return ((READ_ONCE(primary->owed) && !kvmft_flight_flies(primary)) ||
		kvmft_primary_is_wanted(primary) || sender->full) &&
	       READ_ONCE(primary->park.phase) == KVMFT_PARK_GO;
}

static bool something_to_do(struct kvmft_sender *sender)
{
	return kvmft_checkpoint_is_ready(sender->primary) ||
	       READ_ONCE(sender->primary->full_ring) || wants_stillness(sender) ||
	       kvmft_flight_is_answered(sender) ||
	       kvmft_sender_over(sender) || READ_ONCE(sender->stream->conn->cut);
}

/* One round of the full copy; 1 when the rest is to be done with a standing guest. */
static int copy_round(struct kvmft_sender *sender, u64 *last, u32 *worse)
{
	struct kvmft_primary *primary = sender->primary;
	struct kvmft_verdict verdict = { 0 };
	u64 due;
	int err;

	err = kvmft_sender_due(sender, true);
	if (!err && !primary->copy_round)
		err = kvmft_sender_reach_end(sender);
	err = err ?: kvmft_sender_look(sender);
	if (err)
		return err;
	due = kvmft_harvest_due(&primary->harvest);
	if (due <= COPY_REST)
		return 1;

	if (*worse >= COPY_ROUNDS && due * 4 <= *last * 3)
		kvmft_sender_enter(sender, KVMFT_VM_SYNCING, NULL);
	*worse = due * 4 > *last * 3 ? *worse + 1 : 0;
	*last = due;
	if (*worse >= COPY_ROUNDS) {
		if (READ_ONCE(primary->converge))
			return 1;
		kvmft_judge(&verdict, KVMFT_REASON_NOT_CONVERGING);
		kvmft_sender_enter(sender, KVMFT_VM_SYNCING, &verdict);
	}
	spin_lock(&primary->vm.lock);
	primary->copy_total += due << PAGE_SHIFT;
	primary->copy_round++;
	spin_unlock(&primary->vm.lock);
	return 0;
}

static int copy_all(struct kvmft_sender *sender)
{
	struct kvmft_primary *primary = sender->primary;
	u64 last = U64_MAX / 4;
	u32 worse = 0;
	int err;

	kvmft_sender_enter(sender, KVMFT_VM_SYNCING, NULL);
	kvmft_harvest_everything(&primary->harvest);
	spin_lock(&primary->vm.lock);
	primary->copy_done = 0;
	primary->copy_total = primary->vm.memory.pages << PAGE_SHIFT;
	primary->copy_round = 0;
	spin_unlock(&primary->vm.lock);
	do {
		err = copy_round(sender, &last, &worse);
	} while (!err && READ_ONCE(primary->checkpoint) != KVMFT_CHECKPOINT_READY);
	if (err < 0)
		return err;

	kvmft_park_call(&primary->park);
	return 0;
}

static bool answered(struct kvmft_sender *sender)
{
	return READ_ONCE(sender->primary->alike) == 3 || kvmft_sender_over(sender);
}

static bool configured(struct kvmft_sender *sender)
{
	/* Pairs with the release in kvmft_vm_configure(). */
	return smp_load_acquire(&sender->primary->vm.config_len) || kvmft_sender_over(sender);
}

/* Both ends compare their guests, before anything of them is sent. */
static int compare(struct kvmft_sender *sender)
{
	struct kvmft_primary *primary = sender->primary;
	struct kvmft_channel *channel = &primary->channel;
	struct kvmft_verdict verdict = { 0 };
	struct kvmft_vm *vm = &primary->vm;
	unsigned long begun = jiffies;

	kvmft_judge_saying(&verdict, KVMFT_REASON_VMM,
			   "none of its vcpus has come to the hook so far");
	while (!configured(sender)) {
		kvmft_park_call(&primary->park);
		wait_event_interruptible_timeout(channel->wait, configured(sender), HZ);
		if (time_after(jiffies, begun + SHOW_UP))
			kvmft_primary_idle(primary, &verdict);
	}
	spin_lock(&vm->lock);
	primary->alike = 0;
	spin_unlock(&vm->lock);
	if (kvmft_sender_over(sender) ||
	    kvmft_channel_say(channel, KVMFT_WIRE_LAYOUT, 0, 0, vm->layout, vm->layout_len) ||
	    kvmft_channel_say(channel, KVMFT_WIRE_CONFIG, 0, 0, vm->config, vm->config_len))
		return -ECONNABORTED;
	if (!wait_event_interruptible_timeout(channel->wait, answered(sender),
					      COMPARE_TIMEOUT)) {
		kvmft_conn_fail_saying(sender->stream->conn, KVMFT_REASON_STUCK,
				       "no answer to LAYOUT and CONFIG");
		return -ECONNABORTED;
	}
	return kvmft_sender_over(sender) ? -ECONNABORTED : 0;
}

/* What the other end has committed decides what it needs. */
static int begin_session(struct kvmft_sender *sender)
{
	struct kvmft_primary *primary = sender->primary;
	struct kvmft_outcome outcome;
	bool acked, ours, same, synced, over;

	kvmft_channel_outcome(&primary->channel, &outcome);
	spin_lock(&primary->vm.lock);
	synced = primary->synced;
	/* An epoch of an attachment before this one is none of ours. */
	ours = primary->synced && !primary->rival &&
	       outcome.acked_generation == primary->generation;
	same = ours && outcome.acked_epoch == primary->committed;
	if (!primary->synced) {
		/*
		 * Whatever it has, ours have to be newer. A guest whose state another one has
		 * must not take that one's epochs for its own.
		 */
		primary->generation = max(primary->generation, outcome.acked_generation);
		primary->epoch = max(primary->epoch, outcome.acked_epoch);
	}
	spin_unlock(&primary->vm.lock);
	/* The answer to COMMIT may be what got lost. */
	acked = ours && kvmft_flight_arrived(sender, outcome.acked_epoch);
	sender->full = !acked && !same;
	/* Another one may have what is awaited. */
	if (sender->full && synced)
		return -ESTALE;
	kvmft_harvest_failed(&primary->harvest);
	kvmft_flight_lost(primary);
	if (same)
		kvmft_sender_enter(sender, KVMFT_VM_PROTECTED, NULL);
	/* A guest that stands still for a checkpoint is copied as it stands. */
	if (sender->full)
		kvmft_harvest_everything(&primary->harvest);
	spin_lock(&primary->vm.lock);
	over = primary->decided != sender->decided;
	primary->known = !over;
	/* It is there. Who was to go on hasn't, or it would take no epochs. */
	if (same || acked) {
		kvmft_fence_forget(&primary->vm);
		kvmft_primary_no_exchange(primary);
	}
	spin_unlock(&primary->vm.lock);
	return over ? -ECONNABORTED : 0;
}

/*
 * The standby that had this guest's state isn't there any more: another one is, or it
 * was promoted. Nobody but an operator knows who is to go on.
 */
static void stay_held(struct kvmft_sender *sender)
{
	struct kvmft_primary *primary = sender->primary;
	struct kvmft_verdict verdict = { 0 };

	kvmft_judge_saying(&verdict, KVMFT_REASON_REPLACED,
			   "the standby isn't the one that had its state; if this guest is to go on without it: ftctl solo");
	spin_lock(&primary->vm.lock);
	primary->session = false;
	spin_unlock(&primary->vm.lock);
	kvmft_primary_idle(primary, &verdict);
	wait_event_interruptible(primary->channel.wait, kvmft_sender_over(sender));
}

/*
 * It isn't to be protected any more: first the standby has to know that, since it must
 * not take over. If it can't be told, the guest is held until it can.
 */
static void release_standby(struct kvmft_primary *primary)
{
	struct kvmft_channel *channel = &primary->channel;
	struct kvmft_verdict verdict;

	spin_lock(&primary->vm.lock);
	verdict = primary->dropped;
	spin_unlock(&primary->vm.lock);
	/* Another one can't speak for the one that has its state. */
	if (READ_ONCE(channel->released) ||
	    (kvmft_primary_is_of(primary) && kvmft_channel_release(channel, verdict.reason))) {
		kvmft_primary_released(primary);
		return;
	}
	kvmft_primary_idle(primary, &verdict);
	wait_event_interruptible_timeout(channel->wait, kvmft_channel_stopping(channel),
					 RETRY_PAUSE);
}

/* It can't be protected any more, and why: the standby may not have said so yet. */
static void say_closed(struct kvmft_primary *primary)
{
	u32 reason = KVMFT_REASON_GONE;

	spin_lock(&primary->vm.lock);
	if (primary->vm.state == KVMFT_VM_UNPROTECTED && primary->vm.verdict.reason)
		reason = primary->vm.verdict.reason;
	spin_unlock(&primary->vm.lock);
	kvmft_channel_say_detach(primary->channel.pair, READ_ONCE(primary->channel.vm), reason);
}

/* Its VMM is dead; what that means is told by whoever has it end. */
static bool is_dead(struct kvmft_primary *primary)
{
	if (!kvmft_vmm_use(primary->vm.vmm))
		return true;
	kvmft_vmm_unuse(primary->vm.vmm);
	return false;
}

static void end_session(struct kvmft_sender *sender)
{
	struct kvmft_primary *primary = sender->primary;
	struct kvmft_verdict verdict = sender->stream->verdict;
	bool over;

	spin_lock(&primary->vm.lock);
	primary->session = false;
	primary->known = false;
	over = primary->decided != sender->decided;
	spin_unlock(&primary->vm.lock);
	kvmft_primary_stays(primary);
	if (is_dead(primary)) {
		wait_event_interruptible(primary->channel.wait,
					 kvmft_channel_stopping(&primary->channel));
		return;
	}
	if (READ_ONCE(primary->closed)) {
		say_closed(primary);
		return;
	}
	if (kvmft_primary_dropping(primary)) {
		release_standby(primary);
		return;
	}
	kvmft_channel_lost(&primary->channel, &verdict);
	kvmft_judge(&verdict, KVMFT_REASON_CLOSED);
	cancel(primary);
	/* Whoever has decided has said so. */
	if (!over)
		kvmft_primary_idle(primary, &verdict);
	/* One that is like it won't be there at once. */
	if (verdict.reason == KVMFT_REASON_LAYOUT || verdict.reason == KVMFT_REASON_CONFIG)
		wait_event_interruptible_timeout(primary->channel.wait,
						 kvmft_channel_stopping(&primary->channel),
						 RETRY_PAUSE);
}

/* Nobody is woken by the end of the data connection, and without it there is no answer. */
static unsigned long pause_of(struct kvmft_sender *sender)
{
	unsigned long pause = msecs_to_jiffies(sender->pace.pause);

	return kvmft_flight_flies(sender->primary) ? min(pause, KVMFT_STREAM_LOOK) : pause;
}

static int one_step(struct kvmft_sender *sender)
{
	struct kvmft_primary *primary = sender->primary;
	int err = kvmft_flight_look(sender);

	if (err)
		return err;
	if (kvmft_checkpoint_is_ready(primary))
		return kvmft_checkpoint_send(sender);
	if (sender->full && !sender->begun)
		return copy_all(sender);
	mutex_unlock(&primary->desk);
	wait_event_interruptible_timeout(primary->channel.wait, something_to_do(sender),
					 pause_of(sender));
	mutex_lock(&primary->desk);
	if (kvmft_sender_over(sender) || kvmft_conn_broken(sender->stream->conn))
		return -ECONNABORTED;
	if (kvmft_checkpoint_is_ready(primary) || kvmft_flight_is_answered(sender))
		return 0;
	if (kvmft_primary_abandoned(primary))
		return -ESHUTDOWN;
	if (wants_stillness(sender))
		kvmft_park_call(&primary->park);
	return kvmft_sender_ahead(sender);
}

static void run_session(struct kvmft_sender *sender)
{
	struct kvmft_primary *primary = sender->primary;
	int err;

	err = compare(sender);
	mutex_lock(&primary->desk);
	err = err ?: begin_session(sender);
	if (!err)
		primary->sender = sender;
	while (!err && !kvmft_sender_over(sender)) {
		err = one_step(sender);
		if (err && (sender->stream->broken ||
			    (err != -ECANCELED && err != -ENOMEM)))
			break;
		if (err)
			err = on_refusal(sender, err);
	}
	primary->sender = NULL;
	kvmft_flight_end(sender);
	kvmft_checkpoint_discard(primary);
	primary->numbered = false;
	mutex_unlock(&primary->desk);
	if (err == -ESTALE)
		stay_held(sender);
}

/**
 * kvmft_primary_run() - send a guest's epochs
 * @channel: of the guest
 * @conn: its data connection
 */
void kvmft_primary_run(struct kvmft_channel *channel, struct kvmft_conn *conn)
{
	struct kvmft_primary *primary = container_of(channel, struct kvmft_primary, channel);
	struct kvmft_sender *sender;

	/* It can't be protected any more; all that is left to do is to say so. */
	if (READ_ONCE(primary->closed) || READ_ONCE(primary->fenced)) {
		say_closed(primary);
		/* Once a session is enough. */
		wait_event_interruptible(channel->wait, kvmft_channel_stopping(channel) ||
					 !READ_ONCE(channel->pair->control));
		return;
	}
	if (kvmft_primary_dropping(primary)) {
		release_standby(primary);
		return;
	}
	sender = kvzalloc(sizeof(*sender), GFP_KERNEL);
	if (sender)
		sender->stream = kvmft_stream_alloc(channel, conn);
	if (!sender || !sender->stream) {
		kvfree(sender);
		wait_event_interruptible_timeout(channel->wait,
						 kvmft_channel_stopping(channel),
						 RETRY_PAUSE);
		return;
	}
	sender->primary = primary;
	kvmft_pace_init(&sender->pace);
	sender->again = READ_ONCE(primary->harvest.repeated);
	spin_lock(&primary->vm.lock);
	primary->session = true;
	sender->decided = primary->decided;
	spin_unlock(&primary->vm.lock);
	run_session(sender);
	end_session(sender);
	kvmft_stream_free(sender->stream);
	kvfree(sender);
}
