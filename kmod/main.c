// SPDX-License-Identifier: GPL-2.0
/*
 * main: the order in which the module comes up and goes down.
 *
 * Each step may use the ones before it. A module that fails to initialize is
 * freed at once, whoever uses it, so nothing may fail any more once somebody
 * can. Netlink is the last that can fail because it can't be taken back: a dump
 * whose socket was full is put off until somebody reads from it, and nobody
 * waits for that. The device opens for nobody until all is done.
 *
 * There is no alias for the netlink family or the device on purpose: with one,
 * any user who asks for the family would load the module.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/init.h>
#include <linux/module.h>

#include "compat.h"
#include "fault.h"
#include "hook.h"
#include "netlink.h"
#include "pairs.h"
#include "sysfs.h"
#include "version.h"
#include "vms.h"

/* A fault at a step's point stands for the failure of that step. */
static int __init fault_at(enum kvmft_fault_point point)
{
	int err = kvmft_hold(point);

	return err ?: kvmft_fault(point);
}

static int __init kvmft_init(void)
{
	int err;

	err = fault_at(KVMFT_FAULT_INIT_SYSFS) ?: kvmft_sysfs_init();
	if (err)
		return err;

	err = fault_at(KVMFT_FAULT_INIT_HOOK) ?: kvmft_hook_init();
	if (err)
		goto err_sysfs;

	err = fault_at(KVMFT_FAULT_INIT_PAIRS) ?: kvmft_pairs_init();
	if (err)
		goto err_hook;

	err = fault_at(KVMFT_FAULT_INIT_VMS) ?: kvmft_vms_init();
	if (err)
		goto err_pairs;

	err = fault_at(KVMFT_FAULT_INIT_NETLINK) ?: kvmft_netlink_init();
	if (err)
		goto err_vms;

	kvmft_hook_admit();
	pr_info("version %s, protocol %u\n", KVMFT_VERSION,
		KVMFT_PROTOCOL_VERSION);
	return 0;

err_vms:
	kvmft_vms_exit();
err_pairs:
	kvmft_pairs_exit();
err_hook:
	kvmft_hook_exit();
err_sysfs:
	kvmft_sysfs_exit();
	return err;
}

static void __exit kvmft_exit(void)
{
	/* Pairs tell of their end by netlink, and netlink asks for pairs. */
	kvmft_pairs_close();
	kvmft_netlink_exit();
	kvmft_vms_exit();
	kvmft_pairs_exit();
	kvmft_hook_exit();
	kvmft_sysfs_exit();
}

module_init(kvmft_init);
module_exit(kvmft_exit);

MODULE_DESCRIPTION("Fault tolerance for KVM guests");
MODULE_LICENSE("GPL");
MODULE_VERSION(KVMFT_VERSION);
