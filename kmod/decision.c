// SPDX-License-Identifier: GPL-2.0
/* What becomes of a primary that has no standby, or is to have none. */
#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "compat.h"
#include "fence.h"
#include "pair.h"
#include "primary.h"
#include "role.h"
#include "vmm.h"

/**
 * kvmft_primary_close() - it can't be protected any more, and its output leaves
 * @primary: the guest
 * @stop: it is being detached: the area may be another guest's from now on
 */
void kvmft_primary_close(struct kvmft_primary *primary, bool stop)
{
	struct kvmft_vmm *vmm = primary->vm.vmm;

	spin_lock(&primary->vm.lock);
	if (!primary->stopped && !primary->fenced)
		WRITE_ONCE(vmm->area->state, KVMFT_AREA_IDLE);
	WRITE_ONCE(primary->closed, true);
	if (stop)
		WRITE_ONCE(primary->stopped, true);
	spin_unlock(&primary->vm.lock);
	kvmft_vmm_tell(vmm);
}

/* It runs on, and its output leaves at once: first the word, then the output. */
static void unprotect(struct kvmft_primary *primary, const struct kvmft_verdict *verdict)
{
	kvmft_vm_enter(&primary->vm, KVMFT_VM_UNPROTECTED, verdict);
	kvmft_primary_close(primary, false);
	kvmft_park_close(&primary->park);
	wake_up_all(&primary->channel.wait);
}

/**
 * kvmft_primary_give_up() - the guest can't be protected any more
 * @primary: the guest
 * @verdict: why
 *
 * It runs on. Its output leaves at once if it was never protected; otherwise it waits
 * until the standby knows that it isn't to take over: from here on it doesn't have
 * what the guest does. Until it is detached nothing else happens.
 */
void kvmft_primary_give_up(struct kvmft_primary *primary,
			   const struct kvmft_verdict *verdict)
{
	struct kvmft_vm *vm = &primary->vm;
	bool waits;

	/* What a VMM fails in that is being killed is no reason; its end is told as that. */
	if (current->mm == vm->vmm->mm && fatal_signal_pending(current))
		return;
	spin_lock(&vm->lock);
	waits = primary->synced && !primary->closed;
	if (waits && !primary->dropped.reason)
		primary->dropped = *verdict;
	/* What the standby permits from here on isn't for this guest. */
	if (waits) {
		primary->known = false;
		WRITE_ONCE(primary->decided, primary->decided + 1);
	}
	spin_unlock(&vm->lock);
	if (READ_ONCE(primary->closed))
		return;
	if (!waits) {
		unprotect(primary, verdict);
		return;
	}
	kvmft_park_close(&primary->park);
	kvmft_vmm_tell(vm->vmm);
	wake_up_all(&primary->channel.wait);
}

/**
 * kvmft_primary_dropping() - is it to be protected no more?
 * @primary: the guest
 *
 * Return: whether its standby has to be told
 */
bool kvmft_primary_dropping(struct kvmft_primary *primary)
{
	return READ_ONCE(primary->dropped.reason) && !READ_ONCE(primary->closed);
}

/**
 * kvmft_primary_released() - the standby won't take over any more
 * @primary: the guest, which is to be protected no more
 */
void kvmft_primary_released(struct kvmft_primary *primary)
{
	struct kvmft_verdict verdict;

	spin_lock(&primary->vm.lock);
	verdict = primary->dropped;
	spin_unlock(&primary->vm.lock);
	unprotect(primary, &verdict);
}

/**
 * kvmft_primary_idle() - its standby isn't there, or isn't the one that has its state
 * @primary: the guest
 * @verdict: why, or NULL
 */
void kvmft_primary_idle(struct kvmft_primary *primary,
			const struct kvmft_verdict *verdict)
{
	u32 state = KVMFT_VM_WAITING_PEER;
	bool changed = false;

	spin_lock(&primary->vm.lock);
	if (primary->synced)
		state = KVMFT_VM_HELD;
	else if (primary->solo)
		state = KVMFT_VM_SOLO;
	/* Two hosts have it, and that is more to be known. */
	if (!primary->rival)
		changed = kvmft_vm_move(&primary->vm, state, verdict);
	if (state == KVMFT_VM_HELD && !primary->stopped)
		queue_delayed_work(primary->vm.queue, &primary->lost,
				   verdict && verdict->reason == KVMFT_REASON_TIMEOUT ? 0 :
				   msecs_to_jiffies(primary->vm.pair->self.timeout_ms));
	spin_unlock(&primary->vm.lock);
	if (changed)
		kvmft_vm_moved(&primary->vm, state, verdict);
}

/**
 * kvmft_primary_lost() - do what is to be done about a standby that is lost
 * @work: in the primary
 *
 * One that is back, or whose guest somebody has decided about, isn't lost.
 */
void kvmft_primary_lost(struct work_struct *work)
{
	struct kvmft_primary *primary =
		container_of(to_delayed_work(work), struct kvmft_primary, lost);
	struct kvmft_vm *vm = &primary->vm;
	bool lost, told, fences, asks;

	spin_lock(&vm->lock);
	lost = kvmft_primary_has_lost(vm);
	/* Who may have it by now isn't fenced for that, whatever the policy is. */
	told = kvmft_primary_is_told(primary);
	asks = lost && (told || primary->loss == KVMFT_VM_LOSS_ASK);
	fences = lost && !told && primary->loss == KVMFT_VM_LOSS_SOLO && kvmft_fence_want(vm);
	spin_unlock(&vm->lock);
	if (fences)
		kvmft_vm_tell(vm, KVMFT_VM_ASKS_FENCE);
	if (asks)
		kvmft_vm_tell(vm, KVMFT_VM_ASKS);
}

/**
 * kvmft_primary_has_lost() - has it lost its standby?
 * @vm: the guest
 *
 * Context: under the VM's lock
 *
 * Return: whether
 */
bool kvmft_primary_has_lost(struct kvmft_vm *vm)
{
	struct kvmft_primary *primary = container_of(vm, struct kvmft_primary, vm);

	lockdep_assert_held(&vm->lock);
	return vm->state == KVMFT_VM_HELD && !primary->session && !primary->rival &&
	       !primary->closed && !primary->fenced;
}

/**
 * kvmft_primary_go_alone() - the other host is fenced
 * @vm: the guest; one that isn't held stays as it is, and one that the other host may have
 *	had: then somebody has to say that it goes on from what it was before
 */
void kvmft_primary_go_alone(struct kvmft_vm *vm)
{
	bool told;

	spin_lock(&vm->lock);
	told = vm->elsewhere;
	spin_unlock(&vm->lock);
	if (!told)
		kvmft_primary_alone(vm);
}

/**
 * kvmft_primary_stand_down() - both hosts have it as a primary, this one lets nothing out
 * @primary: the guest
 * @reason: SUPERSEDED for good, RIVAL until somebody decides
 * @generation: what the other one claims
 */
void kvmft_primary_stand_down(struct kvmft_primary *primary, u32 reason, u64 generation)
{
	struct kvmft_vm *vm = &primary->vm;
	struct kvmft_verdict verdict = { 0 };
	bool final = reason != KVMFT_REASON_RIVAL, first, changed, over;
	u32 state = final ? KVMFT_VM_FENCED : KVMFT_VM_HELD;
	u64 claim;

	spin_lock(&vm->lock);
	claim = kvmft_primary_claim(primary);
	/* It may have been told meanwhile to go on; or it is nobody's rival any more. */
	if ((reason == KVMFT_REASON_RIVAL && (generation != claim || primary->closed)) ||
	    (reason == KVMFT_REASON_SUPERSEDED && generation <= claim)) {
		spin_unlock(&vm->lock);
		return;
	}
	first = final && !primary->fenced;
	/* Nothing leaves without a ticket, and no ticket is any good. */
	WRITE_ONCE(primary->synced, true);
	primary->solo = false;
	primary->known = false;
	primary->lease = 0;
	WRITE_ONCE(vm->vmm->area->lease, 0);
	WRITE_ONCE(vm->vmm->area->state, KVMFT_AREA_PROTECTED);
	if (final)
		WRITE_ONCE(primary->fenced, true);
	primary->rival = !final;
	over = kvmft_primary_is_told(primary);
	kvmft_primary_no_exchange(primary);
	WRITE_ONCE(primary->decided, primary->decided + 1);
	if (reason == KVMFT_REASON_SUPERSEDED && over)
		kvmft_judge_saying(&verdict, KVMFT_REASON_SWITCHED,
				   "the other host has it from here on; attach a standby in its place, or detach this one");
	else if (reason == KVMFT_REASON_SUPERSEDED)
		kvmft_judge_saying(&verdict, reason,
				   "%llu there, %llu here; attach a standby in its place, or detach this one",
				   generation, primary->generation);
	else if (final)
		kvmft_judge(&verdict, reason);
	else
		kvmft_judge_saying(&verdict, reason,
				   "%llu; say which one goes on (ftctl solo)",
				   generation);
	changed = kvmft_vm_move(vm, state, &verdict);
	spin_unlock(&vm->lock);
	if (over && final)
		kvmft_vm_note(vm, KVMFT_A_COUNTER_SWITCHED,
			      ktime_get_ns() - primary->still_since);
	if (changed)
		kvmft_vm_moved(vm, state, &verdict);
	if (first)
		kvmft_park_halt(&primary->park);
	kvmft_vmm_tell(vm->vmm);
	/* What is under way counts no more. */
	kvmft_channel_lose(&primary->channel, &verdict);
}

/**
 * kvmft_primary_alone() - somebody has decided that it goes on
 * @vm: the guest, which is held
 *
 * It does so in a generation of its own; or, if it can't be protected any more, without.
 *
 * Return: 0 or -EBUSY
 */
int kvmft_primary_alone(struct kvmft_vm *vm)
{
	struct kvmft_primary *primary = container_of(vm, struct kvmft_primary, vm);
	bool drops, changed = false;
	struct kvmft_verdict verdict = { 0 };
	int err = 0;

	spin_lock(&vm->lock);
	drops = primary->dropped.reason;
	if (vm->state != KVMFT_VM_HELD || primary->closed || primary->fenced ||
	    /* It is going on there, or will be back at once. */
	    (kvmft_primary_is_told(primary) &&
	     (primary->exchange == KVMFT_EXCHANGE_TELLS || READ_ONCE(primary->channel.attached)))) {
		err = -EBUSY;
	} else if (!drops) {
		primary->generation++;
		primary->rival = false;
		WRITE_ONCE(primary->decided, primary->decided + 1);
		vm->vmm->generation = primary->generation;
		WRITE_ONCE(vm->vmm->area->generation, primary->generation);
		primary->solo = true;
		WRITE_ONCE(vm->vmm->alone, true);
		kvmft_primary_no_exchange(primary);
		primary->known = false;
		primary->owed = false;
		WRITE_ONCE(primary->flying, false);
		WRITE_ONCE(primary->synced, false);
		/* Before anybody looks whether output needs an epoch. */
		WRITE_ONCE(vm->vmm->area->state, KVMFT_AREA_TRACKED);
		if (primary->checkpoint == KVMFT_CHECKPOINT_READY)
			WRITE_ONCE(primary->checkpoint, KVMFT_CHECKPOINT_CANCELLED);
		changed = kvmft_vm_move(vm, KVMFT_VM_SOLO, NULL);
	}
	spin_unlock(&vm->lock);
	if (err)
		return err;
	if (drops) {
		kvmft_primary_released(primary);
		return 0;
	}
	if (changed)
		kvmft_vm_moved(vm, KVMFT_VM_SOLO, NULL);
	kvmft_vmm_tell(vm->vmm);
	/* What is under way counts no more. */
	kvmft_judge_saying(&verdict, KVMFT_REASON_REPLACED, "the guest goes on alone");
	kvmft_channel_lose(&primary->channel, &verdict);
	return 0;
}

/**
 * kvmft_primary_vmm_gone() - its VMM has ended
 * @vm: the guest
 *
 * The standby needn't wait for a time-out, nor for a lease.
 */
void kvmft_primary_vmm_gone(struct kvmft_vm *vm)
{
	struct kvmft_primary *primary = container_of(vm, struct kvmft_primary, vm);
	u8 body[KVMFT_WIRE_VMM_GONE_LEN];

	if (!kvmft_primary_output_waits(primary) || READ_ONCE(primary->fenced))
		return;
	kvmft_wire_put_vmm_gone(body, KVMFT_WIRE_GONE_CRASHED);
	kvmft_channel_say(&primary->channel, KVMFT_WIRE_VMM_GONE, primary->generation, 0,
			  body, sizeof(body));
}

/**
 * kvmft_primary_discard() - it is never to run again
 * @vm: the guest
 */
void kvmft_primary_discard(struct kvmft_vm *vm)
{
	kvmft_primary_stand_down(container_of(vm, struct kvmft_primary, vm),
				 KVMFT_REASON_GONE, 0);
}

/**
 * kvmft_primary_claim() - what it claims
 * @primary: the guest
 *
 * Who is protected, or acts alone, has a generation to defend.
 *
 * Context: under the VM's lock
 *
 * Return: the generation, or KVMFT_CLAIM_NONE
 */
u64 kvmft_primary_claim(struct kvmft_primary *primary)
{
	lockdep_assert_held(&primary->vm.lock);
	if (primary->fenced)
		return KVMFT_CLAIM_NONE;
	return (primary->synced && !primary->closed) || primary->solo ?
		primary->generation : KVMFT_CLAIM_NONE;
}

/**
 * kvmft_primary_is_of() - is the standby, as it attached last, the one that has its state?
 * @primary: the guest, which is protected
 *
 * Return: whether
 */
bool kvmft_primary_is_of(struct kvmft_primary *primary)
{
	struct kvmft_outcome outcome;
	bool is_of;

	kvmft_channel_outcome(&primary->channel, &outcome);
	spin_lock(&primary->vm.lock);
	/* What isn't known to be committed may be. */
	is_of = outcome.acked_generation == primary->generation &&
		outcome.acked_epoch >= primary->committed &&
		outcome.acked_epoch <= primary->epoch;
	spin_unlock(&primary->vm.lock);
	return is_of;
}

static bool let_go_of(struct kvmft_primary *primary)
{
	return READ_ONCE(primary->closed) || READ_ONCE(primary->channel.released) ||
	       !READ_ONCE(primary->channel.pair->control);
}

/* Without a commit so far there is nobody to tell; and none is to come from here on. */
static bool forgo(struct kvmft_primary *primary)
{
	bool none;

	spin_lock(&primary->vm.lock);
	none = !primary->synced || primary->closed || primary->fenced;
	if (none)
		WRITE_ONCE(primary->decided, primary->decided + 1);
	spin_unlock(&primary->vm.lock);
	return none;
}

/**
 * kvmft_primary_leave() - have the standby know that it isn't to take over
 * @vm: the guest, which is to go on without it
 * @reason: why, &enum kvmft_reason
 *
 * One that has none, or must not run, needs no permission.
 *
 * Return: 0, or -ENOTCONN if it can't be told
 */
int kvmft_primary_leave(struct kvmft_vm *vm, u32 reason)
{
	struct kvmft_primary *primary = container_of(vm, struct kvmft_primary, vm);
	struct kvmft_verdict verdict = { 0 };

	kvmft_judge(&verdict, reason);
	if (forgo(primary)) {
		/* Nobody is to have it who doesn't by now. */
		if (reason == KVMFT_REASON_SHUTDOWN)
			kvmft_primary_give_up(primary, &verdict);
		return 0;
	}
	if (READ_ONCE(primary->channel.released))
		return 0;
	/* Another standby than the one that has its state can't speak for that one. */
	if (!READ_ONCE(primary->channel.attached) || !kvmft_primary_is_of(primary))
		return -ENOTCONN;
	kvmft_primary_give_up(primary, &verdict);
	/* Its thread does so, too, but only when it has a data connection. */
	kvmft_channel_say_detach(vm->pair, READ_ONCE(primary->channel.vm), reason);
	wait_event_killable_timeout(primary->channel.wait, let_go_of(primary),
				    msecs_to_jiffies(vm->pair->self.timeout_ms));
	return READ_ONCE(primary->closed) || READ_ONCE(primary->channel.released) ?
	       0 : -ENOTCONN;
}
