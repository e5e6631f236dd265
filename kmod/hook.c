// SPDX-License-Identifier: GPL-2.0
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/kvm_host.h>
#include <linux/kvmft.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "fault.h"
#include "hook.h"
#include "park.h"
#include "trace.h"
#include "vmm.h"
#include "vms.h"

#define HOOK_FLAGS (KVMFT_HOOK_OUTPUT | KVMFT_HOOK_STATE | KVMFT_HOOK_RING_FULL | \
		    KVMFT_HOOK_QUIET)

/* Set once, when nothing of the module's initialization can fail any more. */
static bool hook_admits;

static int hook_open(struct inode *inode, struct file *file)
{
	int err;

	/* The misc device leaves itself here; a VMM takes its place. */
	file->private_data = NULL;
	/*
	 * Pairs with the release in kvmft_hook_admit(): who gets in sees all that
	 * the initialization made.
	 */
	if (!smp_load_acquire(&hook_admits))
		return -ENODEV;

	err = kvmft_hold(KVMFT_FAULT_HOOK_OPEN);
	if (err)
		return err;
	err = kvmft_fault(KVMFT_FAULT_HOOK_OPEN);
	if (err)
		return err;

	/*
	 * Once KVM has begun to switch virtualization off for a reboot, no guest
	 * runs on this host again. That it is told here is not promised to VMMs,
	 * since kernels differ in how early they set this. What counts is that
	 * kvm.ko is a dependency that the module loader knows: modprobe loads it
	 * first, insmod without it fails, and it can't be unloaded under us.
	 */
	if (READ_ONCE(kvm_rebooting))
		return -ESHUTDOWN;

	return 0;
}

static int hook_release(struct inode *inode, struct file *file)
{
	if (file->private_data)
		kvmft_vmm_end(file->private_data);
	return 0;
}

/* The VMM of this descriptor, in whose process we must be. */
static struct kvmft_vmm *vmm_of(struct file *file)
{
	/* Pairs with the exchange in do_bind(). */
	struct kvmft_vmm *vmm = smp_load_acquire(&file->private_data);

	if (!vmm)
		return ERR_PTR(-ENXIO);
	if (vmm->mm != current->mm)
		return ERR_PTR(-EPERM);
	return vmm;
}

static long do_bind(struct file *file, void __user *argument)
{
	struct kvmft_bind bind;
	struct kvmft_vmm *vmm;

	if (copy_from_user(&bind, argument, sizeof(bind)))
		return -EFAULT;
	if (READ_ONCE(file->private_data))
		return -EBUSY;
	vmm = kvmft_vmm_bind(&bind, kvmft_vms_vmm_gone);
	if (IS_ERR(vmm))
		return PTR_ERR(vmm);
	if (copy_to_user(argument, &bind, sizeof(bind))) {
		kvmft_vmm_end(vmm);
		return -EFAULT;
	}
	if (cmpxchg(&file->private_data, NULL, vmm)) {
		kvmft_vmm_end(vmm);
		return -EBUSY;
	}
	return 0;
}

/* Which of the guest's vcpus this is, if it is this thread's. */
static int find_vcpu(struct kvmft_vm *vm, u32 id)
{
	struct kvm_vcpu *vcpu;
	struct pid *pid;
	bool ours;
	u32 i;

	for (i = 0; i < vm->vcpu_count; i++) {
		vcpu = vm->vcpu_files[i]->private_data;
		if (vcpu->vcpu_id != id)
			continue;
		rcu_read_lock();
		pid = rcu_dereference(vcpu->pid);
		ours = !pid || pid == task_pid(current);
		rcu_read_unlock();
		return ours ? i : -EPERM;
	}
	return -ENOENT;
}

static bool attached_or_dead(void *context)
{
	struct kvmft_vmm *vmm = context;

	return READ_ONCE(vmm->guest) || READ_ONCE(vmm->dead);
}

/* A standby that isn't attached waits, since it must not run. */
static int wait_for_attachment(struct kvmft_vmm *vmm)
{
	int err;

	do {
		err = kvmft_park_sleep(vmm, attached_or_dead, vmm, jiffies + HZ);
	} while (err == -ETIMEDOUT);
	return err ?: READ_ONCE(vmm->dead) ? -ESHUTDOWN : 0;
}

static int hook_once(struct kvmft_vmm *vmm, struct kvmft_hook *hook)
{
	struct kvmft_vm *vm;
	int index, err;

	if (READ_ONCE(vmm->condemned))
		return -ESTALE;
	vm = kvmft_vms_of(vmm);
	if (!vm) {
		if (READ_ONCE(vmm->waits))
			return wait_for_attachment(vmm) ?: -EAGAIN;
		hook->action = KVMFT_ACTION_RUN;
		hook->ticket = 0;
		return 0;
	}
	index = find_vcpu(vm, hook->vcpu);
	if (index < 0) {
		err = index;
	} else if (test_and_set_bit_lock(index, vm->hooked)) {
		/*
		 * Whose a vcpu is, KVM_RUN decides anew each time, and for one that
		 * never ran nobody has. All behind here relies on a thread a vcpu.
		 */
		err = -EBUSY;
	} else {
		err = vm->ops->hook(vm, index, hook);
		clear_bit_unlock(index, vm->hooked);
	}
	trace_kvmft_hook(vm->name, hook->vcpu, hook->flags, err ? 0 : hook->action,
			 hook->ticket, err);
	kvmft_vm_put(vm);
	return err;
}

static long do_hook(struct kvmft_vmm *vmm, void __user *argument)
{
	struct kvmft_hook hook;
	int err;

	if (copy_from_user(&hook, argument, sizeof(hook)))
		return -EFAULT;
	if (hook.size != sizeof(hook) || hook.flags & ~HOOK_FLAGS)
		return -EINVAL;
	do {
		err = hook_once(vmm, &hook);
		cond_resched();
		if (fatal_signal_pending(current))
			err = err == -EAGAIN ? -EINTR : err;
	} while (err == -EAGAIN);
	if (err)
		return err;
	return copy_to_user(argument, &hook, sizeof(hook)) ? -EFAULT : 0;
}

/**
 * struct awaited - a ticket, and who waits for it
 * @vmm: The VMM.
 * @vm: What its VM is attached as; a reference.
 * @ticket: The ticket.
 * @sent: That its epoch is sent is enough.
 * @may: What became of it.
 */
struct awaited {
	struct kvmft_vmm *vmm;
	struct kvmft_vm *vm;
	u64 ticket;
	bool sent;
	int may;
};

static bool settled(void *context)
{
	struct awaited *awaited = context;

	if (awaited->sent) {
		kvmft_vmm_crowd(awaited->vmm);
		awaited->may = awaited->ticket <= READ_ONCE(awaited->vmm->sent);
		if (awaited->may)
			return true;
	} else {
		spin_lock(&awaited->vmm->lock);
		awaited->vmm->seen = awaited->vmm->changes;
		spin_unlock(&awaited->vmm->lock);
	}
	/* A guest that isn't attached any more has no tickets. */
	if (!awaited->vm ||
	    READ_ONCE(awaited->vmm->guest) != awaited->vm)
		awaited->may = 1;
	else
		awaited->may = awaited->vm->ops->ticket(awaited->vm, awaited->ticket);
	return awaited->may;
}

static long do_wait(struct kvmft_vmm *vmm, bool sent, const void __user *argument)
{
	struct awaited awaited = { .vmm = vmm, .sent = sent };
	struct kvmft_wait wait;
	int err;

	if (copy_from_user(&wait, argument, sizeof(wait)))
		return -EFAULT;
	if (wait.size != sizeof(wait))
		return -EINVAL;
	awaited.ticket = wait.ticket;
	awaited.vm = kvmft_vms_of(vmm);
	err = kvmft_park_sleep(vmm, settled, &awaited,
			       jiffies + msecs_to_jiffies(wait.timeout_ms));
	kvmft_vm_put(awaited.vm);
	/* Its guest isn't attached any more, but that permits nothing. */
	if (READ_ONCE(vmm->condemned))
		return -ESTALE;
	if (err)
		return err == -ETIMEDOUT ? -EAGAIN : err;
	return min(awaited.may, 0);
}

static bool not_parked(void *context)
{
	struct kvmft_vmm *vmm = context;

	return !READ_ONCE(vmm->area->park) || READ_ONCE(vmm->dead) ||
	       READ_ONCE(vmm->condemned);
}

/* Nobody else may be left to notice that it takes too long. */
static void still_parked(struct kvmft_vmm *vmm)
{
	struct kvmft_vm *vm = kvmft_vms_of(vmm);

	if (vm && vm->ops->waiting)
		vm->ops->waiting(vm);
	kvmft_vm_put(vm);
}

static long do_device(struct kvmft_vmm *vmm, unsigned long argument)
{
	int err;

	switch (argument) {
	case 0:
		wake_up_all(&vmm->wait);
		return 0;
	case 1:
		for (;;) {
			err = kvmft_park_sleep(vmm, not_parked, vmm, jiffies + HZ);
			if (!err && READ_ONCE(vmm->condemned))
				return -ESTALE;
			if (err != -ETIMEDOUT)
				return err;
			still_parked(vmm);
		}
	default:
		return -EINVAL;
	}
}

/* Of a guest that was shut down. */
static long do_end(struct kvmft_vmm *vmm, unsigned long argument)
{
	struct kvmft_vm *vm;
	long err = 0;

	if (argument)
		return -EINVAL;
	vm = kvmft_vms_of(vmm);
	if (vm && vm->role != KVMFT_VM_PRIMARY)
		err = -EINVAL;
	else if (vm && vm->ops->leave)
		err = vm->ops->leave(vm, KVMFT_REASON_SHUTDOWN);
	kvmft_vm_put(vm);
	return err;
}

static long hook_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct kvmft_vmm *vmm;

	switch (cmd) {
	case KVMFT_GET_API_VERSION:
		return arg ? -EINVAL : KVMFT_API_VERSION;
	case KVMFT_BIND:
		return do_bind(file, (void __user *)arg);
	case KVMFT_HOOK:
	case KVMFT_WAIT:
	case KVMFT_WAIT_SENT:
	case KVMFT_SET_EVENTFD:
	case KVMFT_DEVICE:
	case KVMFT_END:
		break;
	default:
		return -ENOTTY;
	}

	vmm = vmm_of(file);
	if (IS_ERR(vmm))
		return PTR_ERR(vmm);
	switch (cmd) {
	case KVMFT_HOOK:
		return do_hook(vmm, (void __user *)arg);
	case KVMFT_WAIT:
		return do_wait(vmm, false, (void __user *)arg);
	case KVMFT_WAIT_SENT:
		return do_wait(vmm, true, (void __user *)arg);
	case KVMFT_SET_EVENTFD:
		return kvmft_vmm_set_eventfd(vmm, (int)arg);
	case KVMFT_END:
		return do_end(vmm, arg);
	default:
		return do_device(vmm, arg);
	}
}

static int hook_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct kvmft_vmm *vmm = vmm_of(file);

	return IS_ERR(vmm) ? PTR_ERR(vmm) : kvmft_vmm_map(vmm, vma);
}

static __poll_t hook_poll(struct file *file, poll_table *table)
{
	struct kvmft_vmm *vmm = vmm_of(file);
	__poll_t mask = 0;

	if (IS_ERR(vmm))
		return EPOLLERR;
	poll_wait(file, &vmm->wait, table);
	spin_lock(&vmm->lock);
	if (vmm->seen != vmm->changes)
		mask = EPOLLIN | EPOLLRDNORM;
	spin_unlock(&vmm->lock);
	return mask;
}

/* No .llseek: from 6.0 on that alone makes a file unseekable (ESPIPE). */
static const struct file_operations hook_fops = {
	.owner = THIS_MODULE,
	.open = hook_open,
	.release = hook_release,
	.unlocked_ioctl = hook_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = hook_mmap,
	.poll = hook_poll,
};

static struct miscdevice hook_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "kvmft",
	.fops = &hook_fops,
};

/**
 * kvmft_hook_init() - create /dev/kvmft, which doesn't let anybody in yet
 *
 * Return: 0 or a negative errno
 */
int __init kvmft_hook_init(void)
{
	return misc_register(&hook_device);
}

/**
 * kvmft_hook_admit() - let VMMs in
 *
 * After this the module must not fail to initialize.
 */
void __init kvmft_hook_admit(void)
{
	/* Pairs with the acquire in hook_open(). */
	smp_store_release(&hook_admits, true);
}

/**
 * kvmft_hook_exit() - remove /dev/kvmft
 *
 * Runs only when no descriptor is open: an open one holds the module, and before
 * kvmft_hook_admit() there is none. Waits for an open that is about to fail; what
 * the VFS still does with our file operations after that is a few instructions,
 * and takes somebody who may open the device.
 */
void kvmft_hook_exit(void)
{
	misc_deregister(&hook_device);
}
