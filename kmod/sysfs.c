// SPDX-License-Identifier: GPL-2.0
#include <linux/device/class.h>
#include <linux/init.h>

#include "compat.h"
#include "sysfs.h"

/*
 * Static rather than from class_create(), whose arguments changed between the
 * kernels we build for. Not const: 6.1 keeps its private data inside.
 */
static struct class kvmft_class = {
	.name = "kvmft",
};

/**
 * kvmft_sysfs_init() - create /sys/class/kvmft
 *
 * Return: 0 or a negative errno
 */
int __init kvmft_sysfs_init(void)
{
	return class_register(&kvmft_class);
}

/**
 * kvmft_sysfs_exit() - remove /sys/class/kvmft
 *
 * The class must be empty by then.
 */
void kvmft_sysfs_exit(void)
{
	class_unregister(&kvmft_class);
}
