// SPDX-License-Identifier: GPL-2.0
/* When a standby's primary is lost, or hands the guest over, and how the standby goes on. */
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timekeeping.h>

#include "compat.h"
#include "fence.h"
#include "standby.h"
#include "vmm.h"

/* By which part of it a lease is outwaited: clocks don't differ by so much. */
#define LEASE_MARGIN 50

static int unite_state(struct kvmft_standby *standby)
{
	u64 at;

	standby->private = kvmalloc(PAGE_ALIGN(standby->state_len), GFP_KERNEL_ACCOUNT);
	if (!standby->private)
		return -ENOMEM;
	for (at = 0; at < standby->state_len; at += PAGE_SIZE)
		memcpy(standby->private + at,
		       page_address(standby->state[at >> PAGE_SHIFT]), PAGE_SIZE);
	return 0;
}

/* --- Losing the primary --- */

/**
 * kvmft_standby_lease() - for how long may the primary's output leave?
 * @standby: the standby, which is about to acknowledge an epoch
 *
 * Return: ns, from the stamp of COMMIT
 */
u64 kvmft_standby_lease(struct kvmft_standby *standby)
{
	u64 lease = (u64)standby->vm.pair->self.timeout_ms * NSEC_PER_MSEC / 2;

	/* It counts from a stamp that came before. */
	spin_lock(&standby->vm.lock);
	standby->permitted = ktime_get_boottime_ns() + lease;
	spin_unlock(&standby->vm.lock);
	return lease;
}

/**
 * kvmft_standby_attached() - a primary is attached
 * @standby: the standby
 * @claim: what it claims: if that isn't the generation that was committed here, it may
 *	let out whatever it does
 *
 * It is alive.
 *
 * Return: 0, or &enum kvmft_reason if it comes too late
 */
u32 kvmft_standby_attached(struct kvmft_standby *standby, u64 claim)
{
	struct kvmft_intake *intake = &standby->intake;
	u64 committed;
	u32 reason = 0;

	spin_lock(&intake->lock);
	committed = intake->committed_generation;
	spin_unlock(&intake->lock);
	spin_lock(&standby->vm.lock);
	if (standby->phase != KVMFT_STANDBY_WAIT || standby->handed) {
		reason = KVMFT_REASON_NO_VM;
	} else {
		/*
		 * A claim alone doesn't make it sure: one that is solo may have lost the answer
		 * to the first commit, and lets out what it likes.
		 */
		standby->sure = standby->sure && claim && claim == committed;
		standby->ended = false;
		standby->asked = false;
		standby->wanted = false;
		kvmft_fence_forget(&standby->vm);
		cancel_delayed_work(&standby->loss);
	}
	spin_unlock(&standby->vm.lock);
	return reason;
}

/**
 * kvmft_standby_seal() - an epoch is about to be committed
 * @standby: the standby
 * @full: it is a full copy
 *
 * Context: under the intake's lock
 */
void kvmft_standby_seal(struct kvmft_standby *standby, bool full)
{
	spin_lock(&standby->vm.lock);
	standby->released = false;
	if (!full)
		standby->sure = true;
	spin_unlock(&standby->vm.lock);
}

/**
 * kvmft_standby_released() - the primary lets go of its standby
 * @standby: the standby, whose connection was cut
 *
 * Return: whether it won't take over; false if it does already
 */
bool kvmft_standby_released(struct kvmft_standby *standby)
{
	struct kvmft_intake *intake = &standby->intake;
	bool released;

	/* An epoch is committed before this or not at all, see intake_commit(). */
	spin_lock(&intake->lock);
	spin_lock(&standby->vm.lock);
	released = standby->phase == KVMFT_STANDBY_WAIT && !standby->ended;
	if (released)
		standby->released = true;
	spin_unlock(&standby->vm.lock);
	spin_unlock(&intake->lock);
	return released;
}

/**
 * kvmft_standby_handed() - the primary hands the guest over, or doesn't
 * @standby: the standby
 * @step: DONE: all of the guest is here, and nothing leaves there any more; or CANCEL
 * @generation: of its last epoch
 * @epoch: its number
 *
 * Context: the control connection's thread; doesn't wait
 */
void kvmft_standby_handed(struct kvmft_standby *standby, const struct kvmft_wire_switch *step,
			  u64 generation, u64 epoch)
{
	struct kvmft_intake *intake = &standby->intake;
	struct kvmft_vm *vm = &standby->vm;
	bool whole;

	spin_lock(&intake->lock);
	whole = intake->committed_generation == generation &&
		intake->committed_epoch == epoch;
	spin_lock(&vm->lock);
	if (step->step != KVMFT_WIRE_SWITCH_DONE) {
		standby->wanted = false;
	} else if (whole && standby->phase == KVMFT_STANDBY_WAIT && !standby->closed &&
		   !standby->torn && !standby->released && standby->state_len) {
		standby->handed = true;
		standby->handed_at = ktime_get_ns();
		standby->still = step->still;
		standby->ended = true;
		standby->sure = true;
		mod_delayed_work(vm->queue, &standby->loss, 0);
	}
	spin_unlock(&vm->lock);
	spin_unlock(&intake->lock);
}

/**
 * kvmft_standby_exchange() - have the primary hand the guest over
 * @vm: the guest, a standby
 *
 * Return: as exchange() of &struct kvmft_vm_ops
 */
int kvmft_standby_exchange(struct kvmft_vm *vm)
{
	const struct kvmft_wire_switch step = { .step = KVMFT_WIRE_SWITCH_PREPARE };
	struct kvmft_standby *standby = kvmft_standby_of(vm);
	u8 body[KVMFT_WIRE_SWITCH_LEN];
	bool may;

	spin_lock(&vm->lock);
	may = vm->state == KVMFT_VM_PROTECTED && READ_ONCE(standby->intake.channel.attached);
	if (may)
		standby->wanted = true;
	spin_unlock(&vm->lock);
	if (!may)
		return -ENOTCONN;
	kvmft_wire_put_switch(body, &step);
	if (!kvmft_channel_say(&standby->intake.channel, KVMFT_WIRE_SWITCH, 0, 0,
			       body, sizeof(body)))
		return 0;
	spin_lock(&vm->lock);
	standby->wanted = false;
	spin_unlock(&vm->lock);
	return -ENOTCONN;
}

/**
 * kvmft_standby_has_lost() - has it lost its primary?
 * @vm: the guest, a standby
 *
 * Context: under the VM's lock
 *
 * Return: whether
 */
bool kvmft_standby_has_lost(struct kvmft_vm *vm)
{
	struct kvmft_standby *standby = kvmft_standby_of(vm);

	lockdep_assert_held(&vm->lock);
	return (standby->ended || !READ_ONCE(standby->intake.channel.attached)) &&
	       !standby->closed && standby->phase == KVMFT_STANDBY_WAIT && standby->state_len &&
	       !standby->torn;
}

/**
 * kvmft_standby_parted() - the primary isn't attached any more
 * @standby: the standby
 * @loss: what is known of it
 *
 * One of which nothing is known gets as long as one that is silent. Promotion looks
 * after leases itself.
 */
void kvmft_standby_parted(struct kvmft_standby *standby, enum kvmft_loss loss)
{
	struct kvmft_vm *vm = &standby->vm;

	spin_lock(&vm->lock);
	if (standby->closed)
		goto out;
	standby->wanted = false;
	if (loss == KVMFT_LOSS_ENDED)
		standby->ended = true;
	if (loss == KVMFT_LOSS_UNKNOWN)
		queue_delayed_work(vm->queue, &standby->loss,
				   msecs_to_jiffies(vm->pair->self.timeout_ms));
	else
		mod_delayed_work(vm->queue, &standby->loss, 0);
out:
	spin_unlock(&vm->lock);
}

/* Is there a state to go on from, and nobody else who does? */
static bool is_lost(struct kvmft_standby *standby)
{
	return kvmft_standby_has_lost(&standby->vm) && standby->sure && !standby->released;
}

/* What is to be done about a primary that is lost, unless it is back. */
static void loss(struct work_struct *work)
{
	struct kvmft_standby *standby =
		container_of(to_delayed_work(work), struct kvmft_standby, loss);
	struct kvmft_vm *vm = &standby->vm;
	u32 promote, reason;
	bool lost, fences = false;

	spin_lock(&vm->lock);
	promote = standby->handed ? KVMFT_VM_AUTO : standby->promote;
	reason = standby->handed ? KVMFT_REASON_SWITCHED :
		 standby->ended ? KVMFT_REASON_VMM_GONE : KVMFT_REASON_TIMEOUT;
	lost = is_lost(standby) && !(promote == KVMFT_VM_ASK && standby->asked);
	if (lost)
		standby->asked = promote == KVMFT_VM_ASK;
	if (lost && promote == KVMFT_VM_AUTO && !standby->handed && !kvmft_fence_permits(vm)) {
		lost = false;
		fences = kvmft_fence_want(vm);
	}
	spin_unlock(&vm->lock);
	if (fences)
		kvmft_vm_tell(vm, KVMFT_VM_ASKS_FENCE);
	if (!lost)
		return;
	if (promote == KVMFT_VM_AUTO)
		kvmft_standby_promote(vm, reason);
	else if (promote == KVMFT_VM_ASK)
		kvmft_vm_tell(vm, KVMFT_VM_ASKS);
}

/* --- Taking over --- */

static void succession(struct work_struct *work)
{
	struct kvmft_standby *standby = container_of(work, struct kvmft_standby, succession);

	standby->vm.succeed(&standby->vm, standby->mode);
	kvmft_vm_put(&standby->vm);
}

/* Whatever the other side was permitted has run out: from here on it is this one. */
static void promotion(struct work_struct *work)
{
	struct kvmft_standby *standby =
		container_of(to_delayed_work(work), struct kvmft_standby, promotion);
	struct kvmft_verdict verdict = { 0 };

	if (unite_state(standby)) {
		kvmft_judge(&verdict, KVMFT_REASON_MEMORY);
		kvmft_standby_fail(standby, &verdict);
		return;
	}
	kvmft_standby_go_to(standby, KVMFT_STANDBY_VM);
}

/* What its VMM's next guest does comes after all that the primary has done. */
static void raise_generation(struct kvmft_standby *standby)
{
	struct kvmft_intake *intake = &standby->intake;
	struct kvmft_vmm *vmm = standby->vm.vmm;
	u64 generation, epoch;

	spin_lock(&intake->lock);
	generation = intake->committed_generation + 1;
	epoch = intake->committed_epoch;
	spin_unlock(&intake->lock);
	spin_lock(&standby->vm.lock);
	vmm->generation = max(vmm->generation, generation);
	vmm->epoch = max(vmm->epoch, epoch);
	WRITE_ONCE(vmm->area->generation, vmm->generation);
	spin_unlock(&standby->vm.lock);
}

/*
 * For how many jiffies output of the primary may still leave, by its clock, and then some.
 * Whoever asks gives no permission any more: epochs aren't acknowledged, and heartbeats
 * come behind the news that the primary has no standby.
 */
static unsigned long permission_left(struct kvmft_standby *standby)
{
	struct kvmft_pair *pair = standby->vm.pair;
	u64 now = ktime_get_boottime_ns();
	u64 until;

	lockdep_assert_held(&standby->vm.lock);
	if (standby->ended)
		return 0;
	spin_lock(&pair->lock);
	until = max(standby->permitted, pair->granted);
	spin_unlock(&pair->lock);
	until += pair->self.timeout_ms * NSEC_PER_MSEC / 2 / LEASE_MARGIN;
	return until > now ? nsecs_to_jiffies(until - now) + 2 : 0;
}

/**
 * kvmft_standby_promote() - let the guest go on here
 * @vm: the guest, a standby
 * @reason: why, &enum kvmft_reason; none if somebody has decided it
 *
 * The other side loses its standby at once; this one begins when what that was
 * permitted has run out.
 *
 * Context: may sleep
 *
 * Return: 0, -EBUSY if it is being done, -EAGAIN if the primary is back, -EPERM if it isn't
 * fenced and has to be, or -ENODATA if there is no committed epoch
 */
int kvmft_standby_promote(struct kvmft_vm *vm, u32 reason)
{
	struct kvmft_standby *standby = kvmft_standby_of(vm);
	int err = 0;

	spin_lock(&vm->lock);
	if (standby->phase != KVMFT_STANDBY_WAIT || standby->closed)
		err = -EBUSY;
	else if (!standby->state_len || standby->torn)
		err = -ENODATA;
	else if (reason && !is_lost(standby))
		err = -EAGAIN;
	else if (!standby->handed && !kvmft_fence_permits(vm))
		err = -EPERM;
	else
		kvmft_standby_set_phase(standby, KVMFT_STANDBY_PROMOTE);
	if (!err)
		standby->reason = reason;
	spin_unlock(&vm->lock);
	if (err)
		return err;

	kvmft_channel_keep(&standby->intake.channel);
	kvmft_channel_stop(&standby->intake.channel);
	/* Only now, since its thread may have had an epoch to apply. */
	kvmft_vm_enter(vm, KVMFT_VM_PROMOTING, NULL);
	raise_generation(standby);
	/* Under the lock: who closes it cancels this afterwards. */
	spin_lock(&vm->lock);
	if (!standby->closed)
		queue_delayed_work(vm->queue, &standby->promotion,
				   permission_left(standby));
	spin_unlock(&vm->lock);
	return 0;
}

/**
 * kvmft_standby_fenced() - the other host is fenced
 * @vm: the guest, a standby
 *
 * Who has it fenced, by policy or by hand, wants it to go on.
 */
void kvmft_standby_fenced(struct kvmft_vm *vm)
{
	bool lost;

	spin_lock(&vm->lock);
	lost = kvmft_standby_has_lost(vm);
	spin_unlock(&vm->lock);
	if (lost)
		kvmft_standby_promote(vm, KVMFT_REASON_NONE);
}

/**
 * kvmft_takeover_init() - nothing of it has begun
 * @standby: the standby
 */
void kvmft_takeover_init(struct kvmft_standby *standby)
{
	INIT_DELAYED_WORK(&standby->loss, loss);
	INIT_DELAYED_WORK(&standby->promotion, promotion);
	INIT_WORK(&standby->succession, succession);
}
