// SPDX-License-Identifier: GPL-2.0
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timekeeping.h>

#include "compat.h"
#include "fault.h"
#include "incoming.h"
#include "park.h"
#include "primary.h"
#include "standby.h"
#include "vmm.h"

/* How long the vcpus of a standby may take to be ready for epochs. */
#define REHEARSAL_TIMEOUT (10 * HZ)

/* --- The vcpus, each in its own thread --- */

/**
 * kvmft_standby_set_phase() - enter a phase
 * @standby: the standby
 * @phase: which
 *
 * Context: under the VM's lock
 */
void kvmft_standby_set_phase(struct kvmft_standby *standby, enum kvmft_standby_phase phase)
{
	lockdep_assert_held(&standby->vm.lock);
	if (standby->phase == KVMFT_STANDBY_FAILED)
		return;
	WRITE_ONCE(standby->phase, phase);
	bitmap_zero(standby->done, KVMFT_VCPUS_MAX);
	standby->done_count = 0;
}

/**
 * kvmft_standby_go_to() - the same, and have its vcpus know
 * @standby: the standby
 * @phase: which
 */
void kvmft_standby_go_to(struct kvmft_standby *standby, enum kvmft_standby_phase phase)
{
	spin_lock(&standby->vm.lock);
	kvmft_standby_set_phase(standby, phase);
	spin_unlock(&standby->vm.lock);
	kvmft_vmm_tell(standby->vm.vmm);
}

/* This vcpu has done its part; the last one opens the next phase. */
static void vcpu_done(struct kvmft_standby *standby, u32 index,
		      enum kvmft_standby_phase next)
{
	spin_lock(&standby->vm.lock);
	if (!__test_and_set_bit(index, standby->done) &&
	    ++standby->done_count == standby->vm.vcpu_count)
		kvmft_standby_set_phase(standby, next);
	spin_unlock(&standby->vm.lock);
	kvmft_vmm_tell(standby->vm.vmm);
}

/**
 * kvmft_standby_fail() - it is not going to run
 * @standby: the standby
 * @verdict: why; something is added if there is nothing
 *
 * Better none than one that isn't what it was.
 */
void kvmft_standby_fail(struct kvmft_standby *standby, struct kvmft_verdict *verdict)
{
	kvmft_judge(verdict, KVMFT_REASON_STATE);
	kvmft_vm_enter(&standby->vm, KVMFT_VM_UNPROTECTED, verdict);
	kvmft_standby_go_to(standby, KVMFT_STANDBY_FAILED);
}

/* A section of the state that was committed; its length, or an error. */
static int find_section(struct kvmft_standby *standby, u32 kind, u32 id,
			const void **data, u64 *len)
{
	const u8 *head = standby->private;
	u32 sections = get_unaligned_le32(head);
	u64 at = PAGE_SIZE;
	u32 i;

	if (sections > (PAGE_SIZE - KVMFT_SECTION_HEAD) / KVMFT_SECTION_LEN)
		return -EINVAL;
	for (i = 0; i < sections; i++) {
		const u8 *entry = head + KVMFT_SECTION_HEAD + i * KVMFT_SECTION_LEN;
		u64 size = get_unaligned_le64(entry + 8);

		if (at > standby->state_len || size > standby->state_len - at ||
		    size > U32_MAX)
			return -EINVAL;
		if (get_unaligned_le32(entry) == kind &&
		    get_unaligned_le32(entry + 4) == id) {
			*data = standby->private + at;
			*len = size;
			return 0;
		}
		at += PAGE_ALIGN(size);
	}
	return -ENOENT;
}

static void rehearse_vcpu(struct kvmft_standby *standby, u32 index)
{
	struct kvmft_vm *vm = &standby->vm;
	struct kvmft_verdict verdict = { 0 };
	struct kvmft_clockbase saved, restored;
	struct kvmft_window own, shared;
	int err = 0;

	kvmft_vmm_window(vm->vmm, 0, &shared);
	kvmft_vmm_window(vm->vmm, 1 + index, &own);
	if (!index)
		err = kvmft_kvmstate_probe_vm(&vm->kvmstate, vm->vmm->vm_file, &shared,
					      &verdict) ?:
		      kvmft_kvmstate_probe_vcpu(&vm->kvmstate, vm->vcpu_files[0], &own,
						&verdict) ?:
		      kvmft_kvmstate_rehearse_vm(&vm->kvmstate, vm->vmm->vm_file,
						 &shared, &saved, &restored, &verdict) ?:
		      kvmft_kvmstate_rehearse_vcpu(&vm->kvmstate, vm->vcpu_files[0],
						   &own, &saved, &restored, &verdict) ?:
		      kvmft_vm_configure(vm, &verdict);
	if (err)
		kvmft_standby_fail(standby, &verdict);
	else
		vcpu_done(standby, index, KVMFT_STANDBY_WAIT);
}

static void restore_vm(struct kvmft_standby *standby)
{
	struct kvmft_vm *vm = &standby->vm;
	struct kvmft_verdict verdict = { 0 };
	struct kvmft_window window;
	const void *data;
	u64 len;
	int err;

	kvmft_vmm_window(vm->vmm, 0, &window);
	err = kvmft_fault(KVMFT_FAULT_RESTORE_STATE) ?:
	      (kvmft_standby_is_whole(standby, &verdict) ? 0 : -ESTALE) ?:
	      find_section(standby, KVMFT_SECTION_VM, 0, &data, &len);
	if (!err)
		err = kvmft_kvmstate_restore_vm(&vm->kvmstate, vm->vmm->vm_file, &window,
						data, len, &standby->clock, &verdict);
	if (err)
		kvmft_standby_fail(standby, &verdict);
	else
		kvmft_standby_go_to(standby, KVMFT_STANDBY_VCPUS);
}

static void restore_vcpu(struct kvmft_standby *standby, u32 index)
{
	struct kvmft_vm *vm = &standby->vm;
	struct kvm_vcpu *vcpu = vm->vcpu_files[index]->private_data;
	struct kvmft_verdict verdict = { 0 };
	struct kvmft_window window;
	const void *data;
	u64 len;
	int err;

	kvmft_vmm_window(vm->vmm, 1 + index, &window);
	err = find_section(standby, KVMFT_SECTION_VCPU, vcpu->vcpu_id, &data, &len);
	if (!err)
		err = kvmft_kvmstate_restore_vcpu(&vm->kvmstate, vm->vcpu_files[index],
						  &window, data, len, &standby->clock,
						  &verdict);
	if (err)
		kvmft_standby_fail(standby, &verdict);
	else
		vcpu_done(standby, index, KVMFT_STANDBY_DEVICES);
}

/* Its VMM has all of its state: it runs from here on, as a primary's guest. */
static void run(struct kvmft_standby *standby)
{
	struct kvmft_vm *vm = &standby->vm;

	spin_lock(&vm->lock);
	if (!standby->closed && standby->phase == KVMFT_STANDBY_DEVICES) {
		WRITE_ONCE(vm->vmm->area->state, KVMFT_AREA_IDLE);
		WRITE_ONCE(vm->vmm->waits, false);
		WRITE_ONCE(vm->vmm->alone, true);
		WRITE_ONCE(vm->vmm->area->park, 0);
		kvmft_standby_set_phase(standby, KVMFT_STANDBY_RUN);
		if (standby->handed)
			kvmft_vm_note(vm, KVMFT_A_COUNTER_SWITCHED,
				      standby->still + ktime_get_ns() - standby->handed_at);
		kvmft_vm_get(vm);
		queue_work(vm->queue, &standby->succession);
	}
	spin_unlock(&vm->lock);
	kvmft_vmm_tell(vm->vmm);
}

/* Gives the VMM its device state, and lets all run when it has taken that. */
static void load_devices(struct kvmft_standby *standby, struct kvmft_hook *hook)
{
	struct kvmft_vm *vm = &standby->vm;
	struct kvmft_verdict verdict = { 0 };
	const void *data;
	u64 len;

	/* An answer to what another attachment has asked is none. */
	if (hook->flags & KVMFT_HOOK_STATE && standby->loading) {
		run(standby);
		return;
	}
	if (find_section(standby, KVMFT_SECTION_DEVICES, 0, &data, &len) ||
	    len > vm->vmm->state_max) {
		kvmft_judge_saying(&verdict, KVMFT_REASON_STATE,
				   "its device state is longer than this VMM takes");
		kvmft_standby_fail(standby, &verdict);
		return;
	}
	memcpy((void *)vm->vmm->area + vm->vmm->device_state, data, len);
	standby->loading = true;
	hook->action = KVMFT_ACTION_LOAD;
	hook->state_len = len;
	hook->reason = standby->reason;
}

/**
 * struct waiting - a vcpu, and the phase that it has nothing to do in
 * @standby: The guest.
 * @index: The vcpu.
 */
struct waiting {
	struct kvmft_standby *standby;
	u32 index;
};

static bool has_work(struct kvmft_standby *standby, u32 index)
{
	switch (READ_ONCE(standby->phase)) {
	case KVMFT_STANDBY_REHEARSE:
	case KVMFT_STANDBY_VCPUS:
		return !test_bit(index, standby->done);
	case KVMFT_STANDBY_VM:
	case KVMFT_STANDBY_DEVICES:
		return !index;
	case KVMFT_STANDBY_RUN:
		return true;
	default:
		return false;
	}
}

/* What wasn't let go before it was closed isn't to run any more. */
static bool is_closed(struct kvmft_standby *standby)
{
	return READ_ONCE(standby->closed) && READ_ONCE(standby->phase) != KVMFT_STANDBY_RUN;
}

static bool waited(void *context)
{
	struct waiting *waiting = context;

	return has_work(waiting->standby, waiting->index) ||
	       READ_ONCE(waiting->standby->closed);
}

static bool is_another(void *context)
{
	struct kvmft_vm *vm = context;

	return READ_ONCE(vm->vmm->guest) != vm;
}

static int wait_for_another(struct kvmft_vm *vm)
{
	int err;

	do {
		err = kvmft_park_sleep(vm->vmm, is_another, vm, jiffies + HZ);
	} while (err == -ETIMEDOUT);
	return err;
}

static int standby_hook(struct kvmft_vm *vm, u32 index, struct kvmft_hook *hook)
{
	struct kvmft_standby *standby = kvmft_standby_of(vm);
	struct waiting waiting = { standby, index };
	int err;

	hook->action = KVMFT_ACTION_RUN;
	hook->ticket = 0;
	for (;;) {
		do {
			err = kvmft_park_sleep(vm->vmm, waited, &waiting, jiffies + HZ);
		} while (err == -ETIMEDOUT);
		if (err)
			return err;
		/* Being detached; the VMM's next guest may have work. */
		if (is_closed(standby) || !has_work(standby, index)) {
			err = wait_for_another(vm);
			return err ?: -EAGAIN;
		}
		switch (READ_ONCE(standby->phase)) {
		case KVMFT_STANDBY_REHEARSE:
			rehearse_vcpu(standby, index);
			break;
		case KVMFT_STANDBY_VM:
			restore_vm(standby);
			break;
		case KVMFT_STANDBY_VCPUS:
			restore_vcpu(standby, index);
			break;
		case KVMFT_STANDBY_DEVICES:
			load_devices(standby, hook);
			if (hook->action != KVMFT_ACTION_RUN)
				return 0;
			break;
		case KVMFT_STANDBY_RUN:
			return 0;
		default:
			break;
		}
	}
}

/* --- From outside --- */

static int standby_ticket(struct kvmft_vm *vm, u64 ticket)
{
	/* What runs here makes no epochs; its successor will. */
	return READ_ONCE(kvmft_standby_of(vm)->phase) == KVMFT_STANDBY_RUN ? 1 : 0;
}

static void standby_progress(struct kvmft_vm *vm, struct kvmft_vm_progress *progress)
{
	struct kvmft_standby *standby = kvmft_standby_of(vm);
	struct kvmft_intake *intake = &standby->intake;

	memset(progress, 0, sizeof(*progress));
	progress->tracking = vm->vmm->kvm->dirty_ring_size ? KVMFT_VM_RING : KVMFT_VM_LOG;
	/* It begins with its thread. */
	if (READ_ONCE(intake->channel.thread)) {
		spin_lock(&intake->lock);
		progress->generation = intake->committed_generation;
		progress->epoch = intake->committed_epoch;
		progress->committed = intake->committed_epoch;
		spin_unlock(&intake->lock);
	}
	spin_lock(&vm->lock);
	progress->promote = standby->promote;
	progress->applied = standby->whole;
	progress->copy_done = standby->copied;
	progress->exchanging = standby->wanted || standby->handed;
	spin_unlock(&vm->lock);
}

static int standby_set(struct kvmft_vm *vm, const struct kvmft_vm_changes *changes)
{
	struct kvmft_standby *standby = kvmft_standby_of(vm);

	if (changes->mode || changes->converge || changes->loss || changes->rate ||
	    changes->compress)
		return -EOPNOTSUPP;
	spin_lock(&vm->lock);
	vm->fencing = changes->fencing ?: vm->fencing;
	standby->promote = changes->promote ?: standby->promote;
	standby->asked = false;
	/* It may be waiting for somebody to say so. */
	if (!standby->closed)
		queue_delayed_work(vm->queue, &standby->loss, 0);
	spin_unlock(&vm->lock);
	return 0;
}

/* One that takes over isn't let go by the way: its guest would run on, known to nobody. */
static int standby_leave(struct kvmft_vm *vm, u32 reason)
{
	return kvmft_vm_state(vm) == KVMFT_VM_PROMOTING ? -EBUSY : 0;
}

static void standby_stop(struct kvmft_vm *vm)
{
	struct kvmft_standby *standby = kvmft_standby_of(vm);

	spin_lock(&vm->lock);
	WRITE_ONCE(standby->closed, true);
	spin_unlock(&vm->lock);
	/* Pairs with kvmft_standby_begin(): one of us sees what the other has done. */
	smp_mb();
	if (READ_ONCE(standby->intake.channel.thread))
		kvmft_channel_stop(&standby->intake.channel);
	cancel_delayed_work_sync(&standby->loss);
	cancel_delayed_work_sync(&standby->promotion);
	/* It may be what stops this one. */
	if (current_work() != &standby->succession &&
	    cancel_work_sync(&standby->succession))
		kvmft_vm_put(vm);
	wake_up_all(&vm->vmm->wait);
}

static void standby_free(struct kvmft_standby *standby)
{
	u32 i;

	for (i = 0; i < standby->state_count; i++) {
		if (standby->state[i])
			__free_page(standby->state[i]);
	}
	kvfree(standby->state);
	kvfree(standby->private);
	kvfree(standby->pinned);
	kvmft_vm_disown(&standby->vm);
	kvfree(standby);
}

static void standby_release(struct kvmft_vm *vm)
{
	standby_free(kvmft_standby_of(vm));
}

static const struct kvmft_vm_ops standby_ops = {
	.hook = standby_hook,
	.ticket = standby_ticket,
	.progress = standby_progress,
	.set = standby_set,
	.leave = standby_leave,
	.exchange = kvmft_standby_exchange,
	.lost = kvmft_standby_has_lost,
	.fenced = kvmft_standby_fenced,
	.stop = standby_stop,
	.release = standby_release,
};

static bool rehearsed(void *context)
{
	return READ_ONCE(((struct kvmft_standby *)context)->phase) != KVMFT_STANDBY_REHEARSE;
}

/**
 * kvmft_standby_attach() - be the standby of a guest
 * @pair: the pair
 * @config: what it is attached with
 * @notify: told about events
 * @verdict: why not
 *
 * Context: may sleep
 *
 * Return: the guest with a reference, or an error; kvmft_standby_begin() is next, when
 * its vcpus can find it
 */
struct kvmft_vm *kvmft_standby_attach(struct kvmft_pair *pair,
				      const struct kvmft_vm_config *config,
				      kvmft_vm_notify_fn notify,
				      struct kvmft_verdict *verdict)
{
	struct kvmft_standby *standby;
	int err;

	standby = kvzalloc(sizeof(*standby), GFP_KERNEL_ACCOUNT);
	if (!standby)
		return ERR_PTR(-ENOMEM);
	err = kvmft_vm_init(&standby->vm, &standby_ops, pair, config, notify, verdict);
	if (err) {
		kvfree(standby);
		return ERR_PTR(err);
	}
	standby->promote = config->promote;
	standby->mode = config->mode;
	kvmft_takeover_init(standby);
	return &standby->vm;
}

/**
 * kvmft_standby_begin() - have it rehearse, and then take epochs
 * @vm: the guest
 * @ceiling: bytes that may be staged
 * @verdict: why not
 *
 * Context: may sleep
 *
 * Return: 0 or a negative errno
 */
int kvmft_standby_begin(struct kvmft_vm *vm, u64 ceiling, struct kvmft_verdict *verdict)
{
	struct kvmft_standby *standby = kvmft_standby_of(vm);
	int err;

	wake_up_all(&vm->vmm->wait);
	err = wait_event_killable_timeout(vm->vmm->wait, rehearsed(standby),
					  REHEARSAL_TIMEOUT);
	if (err < 0)
		return err;
	if (!err) {
		kvmft_judge_saying(verdict, KVMFT_REASON_VMM,
				   "its vcpus aren't all in the hook");
		return -ETIMEDOUT;
	}
	if (READ_ONCE(standby->phase) == KVMFT_STANDBY_FAILED) {
		spin_lock(&vm->lock);
		*verdict = vm->verdict;
		spin_unlock(&vm->lock);
		return -EIO;
	}
	kvmft_vm_get(vm);
	err = kvmft_intake_start(&standby->intake, vm->pair, &kvmft_incoming_ops,
				 KVMFT_WIRE_ATTACH_GUEST, vm->name, ceiling);
	if (err) {
		kvmft_vm_put(vm);
		return err;
	}
	kvmft_channel_put(&standby->intake.channel);
	/* Pairs with standby_stop(). */
	smp_mb();
	if (READ_ONCE(standby->closed))
		kvmft_channel_stop(&standby->intake.channel);
	return 0;
}
