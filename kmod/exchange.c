// SPDX-License-Identifier: GPL-2.0
/*
 * A primary hands its guest over to the standby, because somebody wants that: the guest
 * stands still, its last epoch is committed, its VMM makes sure that nothing is on its way
 * out any more, and then the other host is told to go on. Until that is said nothing has
 * happened that a lost standby wouldn't do as well, and with its session it is forgotten.
 * What comes after it is judged by generations, as with any two that claim a guest.
 */
#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/timekeeping.h>

#include "compat.h"
#include "pair.h"
#include "primary.h"
#include "vmm.h"

/* How long the guest may take to stand still, after somebody has asked for it. */
#define WANTED_TIMEOUT (25 * HZ)

/* How long the VMM may take until nothing is on its way out. */
#define QUIET_TIMEOUT (20ULL * NSEC_PER_SEC)

/* How long who was told to go on may take to say that it isn't a standby any more. */
#define TOLD_TIMEOUT (30 * HZ)

/* Once somebody else is told, it is theirs as far as anybody here knows. */
static void set_exchange(struct kvmft_primary *primary, enum kvmft_exchange exchange)
{
	lockdep_assert_held(&primary->vm.lock);
	WRITE_ONCE(primary->exchange, exchange);
	primary->vm.elsewhere = exchange >= KVMFT_EXCHANGE_TELLS;
}

static void say(struct kvmft_primary *primary, u32 step, u64 generation, u64 epoch)
{
	struct kvmft_wire_switch frame = { .step = step };
	u8 body[KVMFT_WIRE_SWITCH_LEN];

	if (step == KVMFT_WIRE_SWITCH_DONE)
		frame.still = ktime_get_ns() - primary->still_since;
	kvmft_wire_put_switch(body, &frame);
	kvmft_channel_say(&primary->channel, KVMFT_WIRE_SWITCH, generation, epoch,
			  body, sizeof(body));
}

/**
 * kvmft_primary_exchange() - have the other host go on
 * @vm: the guest
 *
 * Return: as exchange() of &struct kvmft_vm_ops
 */
int kvmft_primary_exchange(struct kvmft_vm *vm)
{
	struct kvmft_primary *primary = container_of(vm, struct kvmft_primary, vm);
	int err = 0;

	spin_lock(&vm->lock);
	/* One that is protected has a channel that was started. */
	if (vm->state != KVMFT_VM_PROTECTED || !primary->session || primary->closed ||
	    primary->dropped.reason) {
		err = -ENOTCONN;
	} else if (primary->exchange == KVMFT_EXCHANGE_NONE) {
		primary->wanted_until = jiffies + WANTED_TIMEOUT;
		set_exchange(primary, KVMFT_EXCHANGE_WANTED);
	}
	spin_unlock(&vm->lock);
	if (!err)
		wake_up_all(&primary->channel.wait);
	return err;
}

/**
 * kvmft_primary_asked() - the standby's host wants the guest
 * @primary: the guest
 *
 * Context: the control connection's thread; doesn't wait
 */
void kvmft_primary_asked(struct kvmft_primary *primary)
{
	if (kvmft_primary_exchange(&primary->vm))
		say(primary, KVMFT_WIRE_SWITCH_CANCEL, 0, 0);
}

/**
 * kvmft_primary_is_wanted() - is the guest to stand still for an exchange?
 * @primary: the guest
 *
 * Return: whether; not for ever
 */
bool kvmft_primary_is_wanted(struct kvmft_primary *primary)
{
	bool wanted, over;

	if (READ_ONCE(primary->exchange) != KVMFT_EXCHANGE_WANTED)
		return false;
	spin_lock(&primary->vm.lock);
	wanted = primary->exchange == KVMFT_EXCHANGE_WANTED;
	over = wanted && time_after(jiffies, primary->wanted_until);
	if (over)
		set_exchange(primary, KVMFT_EXCHANGE_NONE);
	spin_unlock(&primary->vm.lock);
	if (over)
		say(primary, KVMFT_WIRE_SWITCH_CANCEL, 0, 0);
	return wanted && !over;
}

/**
 * kvmft_primary_leaves() - the guest stands still: is the other host to go on from here?
 * @primary: the guest
 *
 * From then on nothing more may begin to leave.
 *
 * Context: the leader's thread
 *
 * Return: whether
 */
bool kvmft_primary_leaves(struct kvmft_primary *primary)
{
	struct kvmft_vm *vm = &primary->vm;
	bool leaves;

	spin_lock(&vm->lock);
	/*
	 * What is owed was refused, or has to follow a full copy: this isn't all of it. One
	 * that was only sent is done as well.
	 */
	leaves = primary->exchange == KVMFT_EXCHANGE_WANTED &&
		 primary->checkpoint == KVMFT_CHECKPOINT_DONE &&
		 primary->sealed == primary->committed && !primary->owed &&
		 vm->state == KVMFT_VM_PROTECTED && primary->known && !primary->closed &&
		 !primary->fenced && !primary->dropped.reason;
	if (leaves) {
		primary->still_since = READ_ONCE(primary->park.begun);
		primary->leaving_since = ktime_get_ns();
		WRITE_ONCE(primary->checkpoint, KVMFT_CHECKPOINT_LEAVING);
		set_exchange(primary, KVMFT_EXCHANGE_LEAVES);
		primary->known = false;
		primary->lease = 0;
		WRITE_ONCE(vm->vmm->area->lease, 0);
	}
	spin_unlock(&vm->lock);
	if (leaves)
		kvmft_vmm_tell(vm->vmm);
	return leaves;
}

/**
 * kvmft_primary_left() - nothing is on its way out any more
 * @primary: the guest, which stands still
 *
 * Nothing was permitted since kvmft_primary_leaves(), or its session would have ended, and
 * the exchange with it. No session begins before the other host is told, see
 * kvmft_primary_stays(): who is told is the one that has all of the guest.
 *
 * Context: the leader's thread
 */
void kvmft_primary_left(struct kvmft_primary *primary)
{
	struct kvmft_verdict verdict = { 0 };
	struct kvmft_vm *vm = &primary->vm;
	bool goes, changed = false;
	u64 generation, epoch;

	kvmft_judge(&verdict, KVMFT_REASON_SWITCHED);
	spin_lock(&vm->lock);
	goes = primary->exchange == KVMFT_EXCHANGE_LEAVES &&
	       vm->state == KVMFT_VM_PROTECTED && !primary->closed && !primary->fenced &&
	       !primary->dropped.reason;
	if (goes) {
		set_exchange(primary, KVMFT_EXCHANGE_TELLS);
		WRITE_ONCE(primary->decided, primary->decided + 1);
		changed = kvmft_vm_move(vm, KVMFT_VM_HELD, &verdict);
	}
	generation = primary->generation;
	epoch = primary->committed;
	spin_unlock(&vm->lock);
	if (goes)
		say(primary, KVMFT_WIRE_SWITCH_DONE, generation, epoch);

	spin_lock(&vm->lock);
	if (primary->exchange == KVMFT_EXCHANGE_TELLS)
		set_exchange(primary, KVMFT_EXCHANGE_TOLD);
	else if (primary->exchange == KVMFT_EXCHANGE_LEAVES)
		set_exchange(primary, KVMFT_EXCHANGE_NONE);
	if (primary->checkpoint == KVMFT_CHECKPOINT_LEAVING)
		WRITE_ONCE(primary->checkpoint, KVMFT_CHECKPOINT_DONE);
	spin_unlock(&vm->lock);
	if (changed)
		kvmft_vm_moved(vm, KVMFT_VM_HELD, &verdict);
	wake_up_all(&primary->channel.wait);
}

/* Is the standby that was told to go on still attached as one? */
static bool is_open(struct kvmft_primary *primary)
{
	return READ_ONCE(primary->exchange) == KVMFT_EXCHANGE_TOLD &&
	       READ_ONCE(primary->channel.attached) &&
	       !kvmft_channel_stopping(&primary->channel);
}

/**
 * kvmft_primary_stays() - a session has ended: see what becomes of an exchange
 * @primary: the guest
 *
 * Who was told to go on is given the time to do so, before anybody asks it to be a standby.
 *
 * Context: the channel's thread
 */
void kvmft_primary_stays(struct kvmft_primary *primary)
{
	spin_lock(&primary->vm.lock);
	if (primary->exchange < KVMFT_EXCHANGE_TELLS)
		set_exchange(primary, KVMFT_EXCHANGE_NONE);
	spin_unlock(&primary->vm.lock);
	/* That only takes as long as it takes to send it. */
	wait_event(primary->channel.wait,
		   READ_ONCE(primary->exchange) != KVMFT_EXCHANGE_TELLS);
	wait_event_interruptible_timeout(primary->channel.wait, !is_open(primary),
					 TOLD_TIMEOUT);
	spin_lock(&primary->vm.lock);
	if (primary->exchange == KVMFT_EXCHANGE_TOLD && !primary->stopped)
		queue_delayed_work(primary->vm.queue, &primary->lost,
				   msecs_to_jiffies(primary->vm.pair->self.timeout_ms));
	spin_unlock(&primary->vm.lock);
}

/**
 * kvmft_primary_is_told() - may the other host have the guest?
 * @primary: the guest
 *
 * Context: under the VM's lock
 *
 * Return: whether it was told to go on, and nothing else is known
 */
bool kvmft_primary_is_told(struct kvmft_primary *primary)
{
	lockdep_assert_held(&primary->vm.lock);
	return primary->exchange >= KVMFT_EXCHANGE_TELLS;
}

/**
 * kvmft_primary_no_exchange() - it is decided who has the guest
 * @primary: the guest
 *
 * Context: under the VM's lock
 */
void kvmft_primary_no_exchange(struct kvmft_primary *primary)
{
	set_exchange(primary, KVMFT_EXCHANGE_NONE);
}

/**
 * kvmft_primary_lingers() - does its VMM not come back to the hook, with all standing still?
 * @primary: the guest
 *
 * Return: whether
 */
bool kvmft_primary_lingers(struct kvmft_primary *primary)
{
	bool lingers;

	spin_lock(&primary->vm.lock);
	lingers = primary->checkpoint == KVMFT_CHECKPOINT_LEAVING &&
		  ktime_get_ns() - primary->leaving_since > QUIET_TIMEOUT;
	spin_unlock(&primary->vm.lock);
	return lingers;
}
