// SPDX-License-Identifier: GPL-2.0
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/kvm_host.h>
#include <linux/kvmft.h>
#include <linux/miscdevice.h>
#include <linux/module.h>

#include "compat.h"
#include "fault.h"
#include "hook.h"

/* Set once, when nothing of the module's initialization can fail any more. */
static bool hook_admits;

static int hook_open(struct inode *inode, struct file *file)
{
	int err;

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

static long hook_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case KVMFT_GET_API_VERSION:
		return arg ? -EINVAL : KVMFT_API_VERSION;
	default:
		return -ENOTTY;
	}
}

/* No .llseek: from 6.0 on that alone makes a file unseekable (ESPIPE). */
static const struct file_operations hook_fops = {
	.owner = THIS_MODULE,
	.open = hook_open,
	.unlocked_ioctl = hook_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
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
