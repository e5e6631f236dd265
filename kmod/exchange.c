// SPDX-License-Identifier: GPL-2.0
/*
 * A primary hands its guest over to the standby, because somebody wants that: the guest
 * stands still, its last epoch is committed, its VMM makes sure that nothing is on its way
 * out any more, and then the other host is told to go on. Until that is said nothing has
 * happened that a lost standby wouldn't do as well. What comes after it is judged by
 * generations, as with any two that claim a guest.
 */
#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/timekeeping.h>

#include "compat.h"
#include "pair.h"
#include "primary.h"
#include "vmm.h"

/* For how long somebody waits who has asked for it. */
#define EXCHANGE_TIMEOUT (30 * HZ)

/* How long the VMM may take until nothing is on its way out. */
#define QUIET_TIMEOUT (20ULL * NSEC_PER_SEC)

static int ask(struct kvmft_primary *primary)
{
	int err = 0;

	spin_lock(&primary->vm.lock);
	if (primary->vm.state != KVMFT_VM_PROTECTED || !primary->session ||
	    primary->closed || primary->dropped.reason)
		err = -ENOTCONN;
	else
		primary->switching = true;
	spin_unlock(&primary->vm.lock);
	wake_up_all(&primary->channel.wait);
	return err;
}

static bool is_decided(struct kvmft_primary *primary)
{
	bool decided;

	spin_lock(&primary->vm.lock);
	decided = primary->fenced || primary->closed ||
		  (!primary->switching && !primary->switched);
	spin_unlock(&primary->vm.lock);
	return decided;
}

/**
 * kvmft_primary_exchange() - have the other host go on, and wait until it does
 * @vm: the guest
 *
 * Context: may sleep
 *
 * Return: as exchange() of &struct kvmft_vm_ops
 */
int kvmft_primary_exchange(struct kvmft_vm *vm)
{
	struct kvmft_primary *primary = container_of(vm, struct kvmft_primary, vm);
	long left;
	int err;

	err = ask(primary);
	if (err)
		return err;
	left = wait_event_killable_timeout(primary->channel.wait, is_decided(primary),
					   EXCHANGE_TIMEOUT);
	spin_lock(&vm->lock);
	if (primary->fenced)
		err = 0;
	else if (left > 0)
		err = -ECONNABORTED;
	else
		err = left ? -EINTR : -ETIMEDOUT;
	/* One that has begun comes to its end, see QUIET_TIMEOUT. */
	if (err && primary->checkpoint != KVMFT_CHECKPOINT_LEAVING)
		primary->switching = false;
	spin_unlock(&vm->lock);
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
	const struct kvmft_wire_switch step = { .step = KVMFT_WIRE_SWITCH_CANCEL };
	u8 body[KVMFT_WIRE_SWITCH_LEN];

	if (!ask(primary))
		return;
	kvmft_wire_put_switch(body, &step);
	kvmft_channel_say(&primary->channel, KVMFT_WIRE_SWITCH, 0, 0, body, sizeof(body));
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
	leaves = primary->switching && primary->checkpoint == KVMFT_CHECKPOINT_DONE &&
		 vm->state == KVMFT_VM_PROTECTED && primary->known && !primary->closed &&
		 !primary->fenced && !primary->dropped.reason;
	if (leaves) {
		WRITE_ONCE(primary->checkpoint, KVMFT_CHECKPOINT_LEAVING);
		WRITE_ONCE(primary->still_since, READ_ONCE(primary->park.begun));
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
 * Context: the leader's thread
 */
void kvmft_primary_left(struct kvmft_primary *primary)
{
	struct kvmft_wire_switch step = {
		.step = KVMFT_WIRE_SWITCH_DONE,
		.stamp = ktime_get_boottime_ns(),
	};
	struct kvmft_verdict verdict = { 0 };
	struct kvmft_vm *vm = &primary->vm;
	u8 body[KVMFT_WIRE_SWITCH_LEN];
	u64 generation, epoch;
	bool goes;

	kvmft_judge(&verdict, KVMFT_REASON_SWITCHED);
	spin_lock(&vm->lock);
	/* Without a standby, or with another decision, it is held, or goes on. */
	goes = primary->switching && vm->state == KVMFT_VM_PROTECTED && primary->session &&
	       !primary->closed && !primary->fenced && !primary->dropped.reason;
	primary->switching = false;
	WRITE_ONCE(primary->checkpoint, KVMFT_CHECKPOINT_DONE);
	if (goes) {
		WRITE_ONCE(primary->switched, true);
		WRITE_ONCE(primary->decided, primary->decided + 1);
		goes = kvmft_vm_move(vm, KVMFT_VM_HELD, &verdict);
	}
	generation = primary->generation;
	epoch = primary->committed;
	spin_unlock(&vm->lock);
	if (goes) {
		kvmft_vm_moved(vm, KVMFT_VM_HELD, &verdict);
		kvmft_wire_put_switch(body, &step);
		kvmft_channel_say(&primary->channel, KVMFT_WIRE_SWITCH, generation, epoch,
				  body, sizeof(body));
	}
	wake_up_all(&primary->channel.wait);
}

/* Is the standby still the one that was told to go on, and may do so? */
static bool is_open(struct kvmft_primary *primary)
{
	return READ_ONCE(primary->switched) && READ_ONCE(primary->channel.attached) &&
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
	if (primary->checkpoint != KVMFT_CHECKPOINT_LEAVING)
		primary->switching = false;
	spin_unlock(&primary->vm.lock);
	wait_event_interruptible_timeout(primary->channel.wait, !is_open(primary),
					 EXCHANGE_TIMEOUT);
	spin_lock(&primary->vm.lock);
	/* It is as with any loss from here on. */
	if (primary->switched && !primary->stopped)
		queue_delayed_work(primary->vm.queue, &primary->lost,
				   msecs_to_jiffies(primary->vm.pair->self.timeout_ms));
	spin_unlock(&primary->vm.lock);
	wake_up_all(&primary->channel.wait);
}

/**
 * kvmft_primary_lingers() - does its VMM not come back to the hook, with all standing still?
 * @primary: the guest
 *
 * Return: whether
 */
bool kvmft_primary_lingers(struct kvmft_primary *primary)
{
	return READ_ONCE(primary->checkpoint) == KVMFT_CHECKPOINT_LEAVING &&
	       ktime_get_ns() - READ_ONCE(primary->still_since) > QUIET_TIMEOUT;
}
