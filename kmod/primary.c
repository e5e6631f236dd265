// SPDX-License-Identifier: GPL-2.0
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "capture.h"
#include "checkpoint.h"
#include "compat.h"
#include "flight.h"
#include "primary.h"
#include "role.h"
#include "vmm.h"

/* Pages that are kept for the next checkpoint's copies. */
#define SPARE_PAGES 8192

static struct kvmft_primary *to_primary(struct kvmft_vm *vm)
{
	return container_of(vm, struct kvmft_primary, vm);
}

/**
 * kvmft_primary_area() - tell the VMM what is asked of it
 * @primary: the guest
 * @state: &enum kvmft_area_state
 */
void kvmft_primary_area(struct kvmft_primary *primary, u32 state)
{
	struct kvmft_vmm *vmm = primary->vm.vmm;

	spin_lock(&primary->vm.lock);
	if (!primary->closed)
		WRITE_ONCE(vmm->area->state, state);
	spin_unlock(&primary->vm.lock);
	kvmft_vmm_tell(vmm);
}

/**
 * kvmft_primary_drop() - the same in words
 * @primary: the guest
 * @reason: &enum kvmft_reason
 * @words: what happened
 *
 * Return: 0
 */
int kvmft_primary_drop(struct kvmft_primary *primary, u32 reason,
		       const char *words)
{
	struct kvmft_verdict verdict = { 0 };

	kvmft_judge_saying(&verdict, reason, "%s", words);
	kvmft_primary_give_up(primary, &verdict);
	return 0;
}

/**
 * kvmft_primary_abandoned() - give the guest up if nobody brings a standstill to its end
 * @primary: the guest
 *
 * A VMM that breaks the rules doesn't hang its guest. Whoever waits looks now and then.
 *
 * Return: whether it was given up
 */
bool kvmft_primary_abandoned(struct kvmft_primary *primary)
{
	if (!kvmft_park_abandoned(&primary->park) && !kvmft_primary_lingers(primary))
		return false;
	kvmft_primary_drop(primary, KVMFT_REASON_VMM,
			   "a checkpoint was begun, and its leader doesn't come back to the hook");
	return true;
}

static struct kvm_vcpu *vcpu_of(struct kvmft_primary *primary, u32 index)
{
	return primary->park.vcpus[index].vcpu;
}

/*
 * Lets KVM complete what the VMM has emulated: before that, the registers are neither
 * those before the exit nor those after it.
 *
 * Returns 0 when the vcpu is complete, 1 if it has made a new exit, or an error.
 */
static int make_complete(struct kvmft_primary *primary, u32 index)
{
	struct kvm_vcpu *vcpu = vcpu_of(primary, index);
	long err;

	WRITE_ONCE(kvmft_immediate_exit(vcpu->run), 1);
	err = vfs_ioctl(primary->vm.vcpu_files[index], KVM_RUN, 0);
	if (!err)
		return 1;
	if (err != -EINTR && err != -EAGAIN)
		return err;
	if (vcpu->arch.complete_userspace_io || vcpu->mmio_needed ||
	    vcpu->arch.pio.count)
		return -EBUSY;
	return 0;
}

static void set_checkpoint(struct kvmft_primary *primary, enum kvmft_checkpoint phase)
{
	spin_lock(&primary->vm.lock);
	WRITE_ONCE(primary->checkpoint, phase);
	spin_unlock(&primary->vm.lock);
}

static bool may_go(void *context)
{
	struct kvmft_primary *primary = context;

	return READ_ONCE(primary->closed) || READ_ONCE(primary->dropped.reason) ||
	       READ_ONCE(primary->fenced) ||
	       READ_ONCE(primary->checkpoint) >= KVMFT_CHECKPOINT_COPIED;
}

/* Lets all go; what they may know of this checkpoint is written down before. */
static void finish(struct kvmft_primary *primary)
{
	struct kvmft_vm *vm = &primary->vm;
	u64 ns;

	spin_lock(&vm->lock);
	if (primary->checkpoint == KVMFT_CHECKPOINT_COPIED ||
	    primary->checkpoint == KVMFT_CHECKPOINT_DONE) {
		primary->flying = primary->checkpoint == KVMFT_CHECKPOINT_COPIED;
		primary->ticket = primary->sealed;
		primary->round = primary->park.round;
	}
	WRITE_ONCE(primary->checkpoint, KVMFT_CHECKPOINT_NONE);
	spin_unlock(&vm->lock);
	ns = kvmft_park_go(&primary->park);
	if (ns)
		kvmft_vm_add_time(vm, KVMFT_TIME_PARKED, ns);
}

/*
 * The leader's part. 0 with an action or, when all may go on, with KVMFT_ACTION_RUN;
 * whatever it was interrupted in, it finds again.
 */
static int lead(struct kvmft_primary *primary, u32 index, struct kvmft_hook *hook)
{
	bool answers = READ_ONCE(primary->checkpoint) == KVMFT_CHECKPOINT_ASKED;
	struct kvmft_area *area = primary->vm.vmm->area;
	bool alone;
	int err;

	if (READ_ONCE(primary->checkpoint) == KVMFT_CHECKPOINT_LEAVING) {
		if (!(hook->flags & KVMFT_HOOK_QUIET))
			goto leave;
		kvmft_primary_left(primary);
		goto out;
	}
	if (READ_ONCE(primary->checkpoint) < KVMFT_CHECKPOINT_READY) {
		err = kvmft_park_gather(&primary->park);
		if (err == -ETIMEDOUT)
			err = kvmft_primary_drop(primary, KVMFT_REASON_VMM,
						 "not all of its threads come to the hook");
		if (err == -ERESTARTSYS)
			return err;
		if (err || READ_ONCE(primary->closed))
			goto out;

		/* The first time, it is only about what the other guest must have. */
		if (!primary->vm.config_len) {
			kvmft_capture_config(primary, index);
			goto out;
		}

		/* What others did until they were here may have changed devices. */
		alone = primary->vm.vcpu_count == 1 &&
			READ_ONCE(area->entered) == hook->entered;
		if (!(hook->flags & KVMFT_HOOK_STATE) || (!answers && !alone)) {
			set_checkpoint(primary, KVMFT_CHECKPOINT_ASKED);
			hook->action = KVMFT_ACTION_SAVE;
			return 0;
		}
		err = kvmft_capture(primary, index, hook);
		if (err == -ERESTARTSYS)
			return err;
	}
	do {
		err = kvmft_park_sleep(primary->vm.vmm, may_go, primary, jiffies + HZ);
	} while (err == -ETIMEDOUT);
	if (err)
		return err;
	if (kvmft_primary_leaves(primary))
		goto leave;
out:
	finish(primary);
	hook->action = KVMFT_ACTION_RUN;
	return 0;
leave:
	hook->action = KVMFT_ACTION_LEAVE;
	return 0;
}

/* The part of a vcpu that doesn't lead: it stays until all go on. */
static int follow(struct kvmft_primary *primary, u32 index)
{
	bool save;
	u64 round;
	int err;

	if (!kvmft_park_stay(&primary->park, index, &round))
		return 0;
	for (;;) {
		err = kvmft_park_wait(&primary->park, index, round, &save);
		if (err == -ETIMEDOUT) {
			kvmft_primary_abandoned(primary);
			continue;
		}
		if (err || !save)
			return err;
		kvmft_capture_vcpu(primary, index);
	}
}

static bool decided(void *context)
{
	struct kvmft_primary *primary = context;

	return READ_ONCE(primary->vm.vmm->condemned) ||
	       (READ_ONCE(primary->closed) && !READ_ONCE(primary->fenced));
}

/* Of a guest that is to be protected no more, or has to stand still for good. */
static int wait_for_decision(struct kvmft_primary *primary)
{
	int err = kvmft_park_sleep(primary->vm.vmm, decided, primary, jiffies + HZ);

	return err == -ETIMEDOUT ? 0 : err;
}

static bool may_lead(void *context)
{
	struct kvmft_primary *primary = context;

	kvmft_vmm_crowd(primary->vm.vmm);
	return !READ_ONCE(primary->flying) || READ_ONCE(primary->closed) ||
	       READ_ONCE(primary->dropped.reason) || READ_ONCE(primary->fenced) ||
	       READ_ONCE(primary->park.phase) != KVMFT_PARK_GO;
}

/*
 * One step of a vcpu in the hook: 0, 1 if there is nothing left to do, or an error. Only
 * one that is complete stays.
 */
static int step(struct kvmft_primary *primary, u32 index, bool complete,
		struct kvmft_hook *hook)
{
	struct kvmft_park *park = &primary->park;
	bool output = hook->flags & KVMFT_HOOK_OUTPUT;
	u64 round;
	int err;

	if (READ_ONCE(park->phase) == KVMFT_PARK_GO) {
		if (!output || !kvmft_primary_output_waits(primary))
			return 1;
		/* One after the other: the last epoch isn't sent yet. */
		if (READ_ONCE(primary->flying)) {
			err = kvmft_park_sleep(primary->vm.vmm, may_lead, primary,
					       jiffies + HZ);
			return err == -ETIMEDOUT ? 0 : err;
		}
	}
	if (!complete)
		return 0;
	if (kvmft_park_lead(park, index, output && kvmft_primary_output_waits(primary))) {
		round = READ_ONCE(park->round);
		err = lead(primary, index, hook);
		if (err || hook->action != KVMFT_ACTION_RUN)
			return err ?: 1;
		hook->flags &= ~KVMFT_HOOK_STATE;
		/* That was for something else, so its output has no epoch yet. */
		if (output && kvmft_primary_output_waits(primary) &&
		    READ_ONCE(primary->round) < round)
			return 0;
	} else {
		round = READ_ONCE(park->round);
		err = follow(primary, index);
		if (err)
			return err;
		/* Output that was there before the device state is part of it. */
		if (READ_ONCE(primary->round) != round)
			return 0;
	}
	/* That was no checkpoint, see primary_hook(). */
	if (kvmft_primary_dropping(primary) || READ_ONCE(primary->fenced))
		return 0;
	if (output) {
		spin_lock(&primary->vm.lock);
		hook->ticket = primary->ticket;
		spin_unlock(&primary->vm.lock);
	}
	/* With a ticket in hand it doesn't begin anything else, see primary_hook(). */
	return output ? 1 : 0;
}

static int primary_hook(struct kvmft_vm *vm, u32 index, struct kvmft_hook *hook)
{
	struct kvmft_primary *primary = to_primary(vm);
	struct kvm_vcpu *vcpu = vcpu_of(primary, index);
	bool complete;
	int err;

	if (hook->flags & KVMFT_HOOK_RING_FULL) {
		err = kvmft_harvest_rings(&primary->harvest);
		if (err)
			return err;
		WRITE_ONCE(primary->full_ring, true);
		wake_up_all(&primary->channel.wait);
	}

	hook->ticket = 0;
	for (;;) {
		/* See kvmft_primary_give_up(). */
		if (fatal_signal_pending(current))
			return -EINTR;
		if (READ_ONCE(primary->fenced)) {
			err = wait_for_decision(primary);
			return err ?: -EAGAIN;
		}
		if (hook->flags & KVMFT_HOOK_OUTPUT && kvmft_primary_dropping(primary)) {
			err = wait_for_decision(primary);
			if (err)
				return err;
			continue;
		}
		hook->action = KVMFT_ACTION_RUN;
		complete = READ_ONCE(primary->park.phase) != KVMFT_PARK_GO ||
			   (hook->flags & KVMFT_HOOK_OUTPUT && kvmft_primary_output_waits(primary));
		if (complete) {
			err = make_complete(primary, index);
			if (err == 1) {
				/* What the VMM is about to emulate isn't in it. */
				hook->flags &= ~KVMFT_HOOK_STATE;
				hook->action = KVMFT_ACTION_EMULATE;
				return 0;
			}
			if (err) {
				kvmft_primary_drop(primary, KVMFT_REASON_STATE,
						   "a vcpu's last exit can't be completed");
				if (hook->flags & KVMFT_HOOK_OUTPUT)
					continue;
				return 0;
			}
		}
		err = step(primary, index, complete, hook);
		if (err < 0)
			return err;
		if (hook->action != KVMFT_ACTION_RUN)
			return 0;
		if (!err)
			continue;

		/* As in kvmft_hook(): first this, then a last look. */
		WRITE_ONCE(kvmft_immediate_exit(vcpu->run), 0);
		/* Pairs with the one in kick(). */
		smp_mb();
		if (READ_ONCE(primary->fenced))
			continue;
		if (READ_ONCE(primary->park.phase) == KVMFT_PARK_GO)
			return 0;
		/* The VMM comes back at once: KVM_RUN returns, the flag is up. */
		if (hook->ticket) {
			WRITE_ONCE(kvmft_immediate_exit(vcpu->run), 1);
			return 0;
		}
	}
}

static int primary_ticket(struct kvmft_vm *vm, u64 ticket)
{
	struct kvmft_primary *primary = to_primary(vm);
	int may;

	spin_lock(&vm->lock);
	if (primary->fenced)
		may = 0;
	else if (primary->closed)
		may = 1;
	else if (ticket > primary->epoch)
		may = -ENOENT;
	else if (!primary->synced)
		/* Of an attachment before; this one has given none. */
		may = 1;
	else
		may = ticket <= primary->committed &&
		      ktime_get_boottime_ns() < primary->lease;
	spin_unlock(&vm->lock);
	return may;
}

static void primary_progress(struct kvmft_vm *vm, struct kvmft_vm_progress *progress)
{
	struct kvmft_primary *primary = to_primary(vm);
	struct kvmft_harvest *harvest = &primary->harvest;

	progress->promote = 0;
	progress->loss = READ_ONCE(primary->loss);
	progress->applied = 0;
	progress->tracking = harvest->ring ? KVMFT_VM_RING : KVMFT_VM_LOG;
	spin_lock(&vm->lock);
	progress->mode = primary->mode;
	progress->rate = primary->rate;
	progress->compress = primary->compress;
	progress->exchanging = primary->exchange != KVMFT_EXCHANGE_NONE;
	progress->generation = primary->generation;
	progress->epoch = primary->epoch;
	progress->committed = primary->committed;
	progress->copy_done = primary->copy_done;
	progress->copy_total = primary->copy_total;
	progress->copy_round = primary->copy_round;
	spin_unlock(&vm->lock);
	kvmft_vm_note(vm, KVMFT_A_COUNTER_PAGES_TRACKED, atomic64_read(&harvest->tracked));
	kvmft_vm_note(vm, KVMFT_A_COUNTER_PAGES_MARKED, atomic64_read(&harvest->marked));
	kvmft_vm_note(vm, KVMFT_A_COUNTER_PAGES_RESENT, atomic64_read(&harvest->resent));
	kvmft_vm_note(vm, KVMFT_A_COUNTER_KICKS, atomic64_read(&primary->park.kicks));
}

static int primary_set(struct kvmft_vm *vm, const struct kvmft_vm_changes *changes)
{
	struct kvmft_primary *primary = to_primary(vm);
	u32 fencing, loss;

	if (changes->promote)
		return -EOPNOTSUPP;
	spin_lock(&vm->lock);
	fencing = changes->fencing ?: vm->fencing;
	loss = changes->loss ?: primary->loss;
	if (loss == KVMFT_VM_LOSS_SOLO && fencing != KVMFT_VM_FENCING_REQUIRED) {
		spin_unlock(&vm->lock);
		return -EPERM;
	}
	vm->fencing = fencing;
	WRITE_ONCE(primary->loss, loss);
	/* It may be lost already. */
	if (changes->loss && !primary->stopped)
		queue_delayed_work(vm->queue, &primary->lost, 0);
	if (changes->mode)
		WRITE_ONCE(primary->mode, changes->mode);
	if (changes->rate)
		WRITE_ONCE(primary->rate, *changes->rate);
	if (changes->compress)
		WRITE_ONCE(primary->compress, changes->compress);
	if (changes->converge)
		WRITE_ONCE(primary->converge, true);
	spin_unlock(&vm->lock);
	return 0;
}

static void primary_waiting(struct kvmft_vm *vm)
{
	kvmft_primary_abandoned(to_primary(vm));
}

static void empty_rings(void *context)
{
	struct kvmft_primary *primary = context;

	kvmft_harvest_rings(&primary->harvest);
}

static void primary_stop(struct kvmft_vm *vm)
{
	struct kvmft_primary *primary = to_primary(vm);

	kvmft_primary_close(primary, true);
	cancel_delayed_work_sync(&primary->lost);
	kvmft_park_close(&primary->park);
	/* Pairs with kvmft_primary_begin(). */
	smp_mb();
	if (READ_ONCE(primary->channel.thread))
		kvmft_channel_stop(&primary->channel);
	/* What is still in the rings would stop the guest once they are full of it. */
	kvmft_memory_log(&vm->memory, false);
	kvmft_vmm_call(vm->vmm, empty_rings, primary);
}

static void primary_free(struct kvmft_primary *primary)
{
	kvmft_pool_destroy(&primary->spare);
	kvfree(primary->other_state_pages);
	kvfree(primary->state_pages);
	kfree(primary->lengths);
	if (primary->head)
		__free_page(primary->head);
	kvmft_harvest_destroy(&primary->harvest);
	kvmft_park_destroy(&primary->park);
	kvmft_vm_disown(&primary->vm);
	kvfree(primary);
}

static void primary_release(struct kvmft_vm *vm)
{
	primary_free(to_primary(vm));
}

static const struct kvmft_vm_ops primary_ops = {
	.hook = primary_hook,
	.ticket = primary_ticket,
	.progress = primary_progress,
	.set = primary_set,
	.fenced = kvmft_primary_go_alone,
	.alone = kvmft_primary_alone,
	.vmm_gone = kvmft_primary_vmm_gone,
	.leave = kvmft_primary_leave,
	.exchange = kvmft_primary_exchange,
	.lost = kvmft_primary_has_lost,
	.discard = kvmft_primary_discard,
	.waiting = primary_waiting,
	.stop = primary_stop,
	.release = primary_release,
};

static struct kvmft_primary *of_channel(struct kvmft_channel *channel)
{
	return container_of(channel, struct kvmft_primary, channel);
}

/* The standby's guest: like ours, or it is none. */
static enum kvmft_reason primary_about(struct kvmft_channel *channel,
				       const struct kvmft_wire_header *header,
				       const u8 *body)
{
	struct kvmft_primary *primary = of_channel(channel);
	struct kvmft_verdict verdict = { 0 };

	/* Without ours we haven't asked, or it is an answer from before. */
	if (!(header->flags & KVMFT_WIRE_REPLY))
		return KVMFT_REASON_PROTOCOL;
	/* Pairs with the release in kvmft_vm_configure(). */
	if (!smp_load_acquire(&primary->vm.config_len))
		return 0;
	if (kvmft_vm_compare(&primary->vm, header, body, &verdict)) {
		/* Of another standby than the one that has its state, that says nothing. */
		if (kvmft_primary_output_waits(primary) && !kvmft_primary_is_of(primary))
			kvmft_channel_lose(channel, &verdict);
		else
			kvmft_primary_give_up(primary, &verdict);
		return 0;
	}
	spin_lock(&primary->vm.lock);
	primary->alike |= header->type == KVMFT_WIRE_LAYOUT ? 1 : 2;
	spin_unlock(&primary->vm.lock);
	wake_up_all(&channel->wait);
	return 0;
}

/* Another standby than the one that has its state can't permit anything. */
static void extend_lease(struct kvmft_primary *primary, u64 until)
{
	lockdep_assert_held(&primary->vm.lock);
	if (!primary->known || until <= primary->lease)
		return;
	primary->lease = until;
	WRITE_ONCE(primary->vm.vmm->area->lease, until);
}

static void primary_lease(struct kvmft_channel *channel, u64 until)
{
	struct kvmft_primary *primary = of_channel(channel);

	spin_lock(&primary->vm.lock);
	extend_lease(primary, until);
	spin_unlock(&primary->vm.lock);
	kvmft_vmm_tell(primary->vm.vmm);
}

static void primary_acked(struct kvmft_channel *channel, u64 generation, u64 epoch, u64 until)
{
	struct kvmft_primary *primary = of_channel(channel);

	spin_lock(&primary->vm.lock);
	extend_lease(primary, until);
	kvmft_flight_acked(primary, generation, epoch);
	spin_unlock(&primary->vm.lock);
	kvmft_vmm_tell(primary->vm.vmm);
}

static u64 primary_claim(struct kvmft_channel *channel)
{
	struct kvmft_primary *primary = of_channel(channel);
	u64 claim;

	spin_lock(&primary->vm.lock);
	claim = kvmft_primary_claim(primary);
	spin_unlock(&primary->vm.lock);
	return claim;
}

static void primary_yield(struct kvmft_channel *channel, u32 reason, u64 generation)
{
	kvmft_primary_stand_down(of_channel(channel), reason, generation);
}

static void primary_exchange(struct kvmft_channel *channel, const struct kvmft_wire_switch *step,
			     u64 generation, u64 epoch)
{
	kvmft_primary_asked(of_channel(channel));
}

static bool primary_speaks(struct kvmft_channel *channel)
{
	return kvmft_primary_is_of(of_channel(channel));
}

static void primary_channel_release(struct kvmft_channel *channel)
{
	kvmft_vm_put(&of_channel(channel)->vm);
}

static const struct kvmft_channel_ops channel_ops = {
	.run = kvmft_primary_run,
	.about = primary_about,
	.acked = primary_acked,
	.lease = primary_lease,
	.claim = primary_claim,
	.yield = primary_yield,
	.speaks = primary_speaks,
	.exchange = primary_exchange,
	.release = primary_channel_release,
};

static int prepare(struct kvmft_primary *primary)
{
	struct kvmft_vm *vm = &primary->vm;
	u64 pages = 1 + (1 + vm->vcpu_count) * (u64)(KVMFT_WINDOW_SIZE / PAGE_SIZE) +
		    (PAGE_ALIGN(vm->vmm->state_max) >> PAGE_SHIFT);
	u32 i;

	if (kvmft_park_init(&primary->park, vm->name, vm->vmm, vm->vcpu_count) ||
	    kvmft_harvest_init(&primary->harvest, vm->vmm, &vm->memory, vm->vcpu_count))
		return -ENOMEM;
	for (i = 0; i < vm->vcpu_count; i++)
		primary->park.vcpus[i].vcpu = vm->vcpu_files[i]->private_data;
	primary->head = alloc_page(GFP_KERNEL | __GFP_ZERO);
	primary->lengths = kcalloc(1 + vm->vcpu_count, sizeof(u32), GFP_KERNEL);
	primary->state_pages = kvcalloc(pages, sizeof(struct page *), GFP_KERNEL);
	primary->other_state_pages = kvcalloc(pages, sizeof(struct page *), GFP_KERNEL);
	if (!primary->head || !primary->lengths || !primary->state_pages ||
	    !primary->other_state_pages)
		return -ENOMEM;
	kvmft_pool_init(&primary->spare, SPARE_PAGES);
	return 0;
}

/**
 * kvmft_primary_attach() - protect a guest that runs here
 * @pair: the pair
 * @config: what it is attached with
 * @notify: told about events
 * @verdict: why not
 *
 * Context: may sleep
 *
 * Return: the guest with a reference, or an error; kvmft_primary_begin() is next, when
 * its vcpus can find it
 */
struct kvmft_vm *kvmft_primary_attach(struct kvmft_pair *pair,
				      const struct kvmft_vm_config *config,
				      kvmft_vm_notify_fn notify,
				      struct kvmft_verdict *verdict)
{
	struct kvmft_primary *primary;
	struct kvmft_vm *vm;
	int err;

	primary = kvzalloc(sizeof(*primary), GFP_KERNEL_ACCOUNT);
	if (!primary)
		return ERR_PTR(-ENOMEM);
	vm = &primary->vm;
	err = kvmft_vm_init(vm, &primary_ops, pair, config, notify, verdict);
	if (err) {
		kvfree(primary);
		return ERR_PTR(err);
	}
	INIT_DELAYED_WORK(&primary->lost, kvmft_primary_lost);
	mutex_init(&primary->desk);
	primary->mode = config->mode;
	primary->loss = config->loss;
	primary->rate = config->rate;
	primary->compress = config->compress;
	primary->converge = config->converge;
	primary->generation = max_t(u64, vm->vmm->generation, 1);
	primary->solo = vm->state == KVMFT_VM_SOLO;
	/* Tickets of an attachment before mustn't look like some of this one. */
	primary->epoch = vm->vmm->epoch;
	primary->committed = primary->epoch;
	err = prepare(primary);
	if (err)
		goto err_free;

	return vm;

err_free:
	primary_free(primary);
	return ERR_PTR(err);
}

/**
 * kvmft_primary_begin() - begin to protect it
 * @vm: the guest, which its vcpus can find
 * @verdict: why not
 *
 * Context: may sleep
 *
 * Return: 0 or a negative errno
 */
int kvmft_primary_begin(struct kvmft_vm *vm, struct kvmft_verdict *verdict)
{
	struct kvmft_primary *primary = to_primary(vm);
	int err;

	WRITE_ONCE(vm->vmm->area->committed, primary->committed);
	/* What the VMM writes is marked from here on, what the guest writes logged. */
	kvmft_primary_area(primary, KVMFT_AREA_TRACKED);
	err = kvmft_memory_log(&vm->memory, true);
	if (err) {
		kvmft_judge_saying(verdict, KVMFT_REASON_LAYOUT,
				   "KVM can't log writes to its memory (error %d)", -err);
		return err;
	}
	kvmft_vm_get(vm);
	err = kvmft_channel_start(&primary->channel, vm->pair, &channel_ops, true,
				  KVMFT_WIRE_ATTACH_GUEST, vm->name);
	if (err) {
		kvmft_vm_put(vm);
		return err;
	}
	/* The channel's own is enough: it is stopped before the guest goes. */
	kvmft_channel_put(&primary->channel);
	/* Pairs with primary_stop(): one of us sees what the other has done. */
	smp_mb();
	if (READ_ONCE(primary->stopped))
		kvmft_channel_stop(&primary->channel);
	return 0;
}
