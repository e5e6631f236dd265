// SPDX-License-Identifier: GPL-2.0
#include <linux/kernel.h>
#include <linux/kvm_host.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <linux/wait.h>

#include "capture.h"
#include "checkpoint.h"
#include "compat.h"
#include "fault.h"
#include "primary.h"
#include "trace.h"
#include "vmm.h"

/**
 * kvmft_capture_vcpu() - save a vcpu's state
 * @primary: the guest, which stands still
 * @index: the vcpu
 *
 * Context: the vcpu's own thread; what goes wrong is noted, for the leader
 */
void kvmft_capture_vcpu(struct kvmft_primary *primary, u32 index)
{
	struct kvmft_vm *vm = &primary->vm;
	struct kvmft_verdict verdict = { 0 };
	struct kvmft_window window;
	int err;

	kvmft_vmm_window(vm->vmm, 1 + index, &window);
	err = kvmft_kvmstate_save_vcpu(&vm->kvmstate, vm->vcpu_files[index], &window,
				       &primary->clock, &primary->lengths[1 + index],
				       &verdict);
	if (err) {
		kvmft_judge(&verdict, KVMFT_REASON_STATE);
		spin_lock(&vm->lock);
		if (!primary->failed.reason)
			primary->failed = verdict;
		spin_unlock(&vm->lock);
	}
	kvmft_park_saved(&primary->park, index);
}

/* Only now: some of it takes a vcpu's own thread. */
static int probe(struct kvmft_primary *primary, u32 index,
		 const struct kvmft_window *window)
{
	struct kvmft_vm *vm = &primary->vm;
	struct kvmft_window own;
	int err;

	if (primary->probed)
		return 0;
	kvmft_vmm_window(vm->vmm, 1 + index, &own);
	err = kvmft_kvmstate_probe_vm(&vm->kvmstate, vm->vmm->vm_file, window,
				      &primary->failed) ?:
	      kvmft_kvmstate_probe_vcpu(&vm->kvmstate, vm->vcpu_files[index], &own,
					&primary->failed);
	primary->probed = !err;
	return err;
}

static int save_all(struct kvmft_primary *primary, u32 index)
{
	struct kvmft_vm *vm = &primary->vm;
	struct kvmft_window window;
	int err;

	/* Interrupted, it finds that all this is done. */
	if (READ_ONCE(primary->park.phase) != KVMFT_PARK_GATHER)
		goto still;
	memset(&primary->failed, 0, sizeof(primary->failed));
	kvmft_vmm_window(vm->vmm, 0, &window);
	err = kvmft_fault(KVMFT_FAULT_SAVE_STATE) ?:
	      probe(primary, index, &window) ?:
	      kvmft_kvmstate_check(&vm->kvmstate, vm->vmm->kvm, &primary->failed) ?:
	      kvmft_kvmstate_save_vm(&vm->kvmstate, vm->vmm->vm_file, &window,
				     &primary->clock, &primary->lengths[0],
				     &primary->failed);
	if (err) {
		kvmft_judge(&primary->failed, KVMFT_REASON_STATE);
		return -EIO;
	}
	kvmft_park_save(&primary->park);
	kvmft_capture_vcpu(primary, index);
still:
	err = kvmft_park_still(&primary->park);
	if (!err && primary->failed.reason)
		err = -EIO;
	return err;
}

/* Is the guest's memory, and are its vcpus, what they were? */
static int look(struct kvmft_primary *primary)
{
	struct kvmft_vm *vm = &primary->vm;
	struct kvmft_verdict verdict = { 0 };

	if (atomic_read(&vm->vmm->kvm->online_vcpus) != vm->vcpu_count) {
		kvmft_judge_saying(&verdict, KVMFT_REASON_CONFIG, "it got another vcpu");
		goto give_up;
	}
	switch (kvmft_memory_look(&vm->memory, &verdict)) {
	case KVMFT_MEMORY_SAME:
		return 0;
	case KVMFT_MEMORY_NOT_LOGGED:
		/* What KVM knew of writes is gone, so all has to be sent again. */
		if (!kvmft_memory_log(&vm->memory, true)) {
			kvmft_harvest_everything(&primary->harvest);
			return 0;
		}
		kvmft_judge_saying(&verdict, KVMFT_REASON_LAYOUT,
				   "the VMM has ended the logging of writes, and it can't begin again");
		break;
	case KVMFT_MEMORY_CHANGED:
		break;
	}
give_up:
	kvmft_primary_give_up(primary, &verdict);
	return -ESHUTDOWN;
}

/**
 * kvmft_capture_harvest() - find what anybody knows of writes
 * @primary: the guest
 *
 * The VMM may have changed a slot since somebody looked, and then there is no log of it.
 *
 * Context: with the VMM's address space; may sleep
 *
 * Return: 0; -ESHUTDOWN if the guest was given up; what KVM says
 */
int kvmft_capture_harvest(struct kvmft_primary *primary)
{
	int err = kvmft_harvest_all(&primary->harvest);

	if (err == -ENOENT)
		err = look(primary) ?: kvmft_harvest_all(&primary->harvest);
	return err;
}

/**
 * kvmft_capture_config() - find out what the guest on the other host must have, too
 * @primary: the guest, of which no vcpu is in KVM_RUN
 * @index: the vcpu that leads
 *
 * Context: that vcpu's thread
 */
void kvmft_capture_config(struct kvmft_primary *primary, u32 index)
{
	struct kvmft_window window;

	memset(&primary->failed, 0, sizeof(primary->failed));
	kvmft_vmm_window(primary->vm.vmm, 0, &window);
	if (probe(primary, index, &window) ||
	    kvmft_vm_configure(&primary->vm, &primary->failed)) {
		kvmft_judge(&primary->failed, KVMFT_REASON_STATE);
		kvmft_primary_give_up(primary, &primary->failed);
	}
	wake_up_all(&primary->channel.wait);
}

/**
 * kvmft_capture() - make the checkpoint of a standing guest ready
 * @primary: the guest
 * @index: the vcpu that leads
 * @hook: what its VMM said, with the device state
 *
 * Context: that vcpu's thread; interrupted, it goes on the next time
 *
 * Return: 0, also if the guest was given up; -ERESTARTSYS; -ESHUTDOWN
 */
int kvmft_capture(struct kvmft_primary *primary, u32 index,
		  const struct kvmft_hook *hook)
{
	struct kvmft_vm *vm = &primary->vm;
	u64 before;
	int err;

	if (hook->state_len > vm->vmm->state_max)
		return kvmft_primary_drop(primary, KVMFT_REASON_VMM,
					  "its device state is longer than it said");
	err = look(primary);
	if (err)
		return err;
	err = save_all(primary, index);
	if (err == -ERESTARTSYS || err == -ESHUTDOWN)
		return err;
	if (err == -ETIMEDOUT)
		return kvmft_primary_drop(primary, KVMFT_REASON_VMM, "a vcpu has left the hook");
	if (err) {
		kvmft_primary_give_up(primary, &primary->failed);
		return 0;
	}

	before = ktime_get_ns();
	err = kvmft_capture_harvest(primary);
	kvmft_vm_note(vm, KVMFT_A_COUNTER_HARVEST_LAST, ktime_get_ns() - before);
	trace_kvmft_harvested(vm->name, primary->park.round,
			      ktime_get_ns() - primary->park.begun,
			      kvmft_harvest_due(&primary->harvest));
	if (err == -ESHUTDOWN)
		return err;
	if (err)
		return kvmft_primary_drop(primary, KVMFT_REASON_STATE,
					  "KVM doesn't tell what was written");

	primary->device_len = hook->state_len;
	if (kvmft_checkpoint_copy(primary))
		return 0;
	spin_lock(&vm->lock);
	/* Without protection so far, nothing waits for a link to come back. */
	WRITE_ONCE(primary->checkpoint, primary->session || primary->synced ?
					KVMFT_CHECKPOINT_READY :
					KVMFT_CHECKPOINT_CANCELLED);
	spin_unlock(&vm->lock);
	wake_up_all(&primary->channel.wait);
	return 0;
}
