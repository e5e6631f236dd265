/* SPDX-License-Identifier: GPL-2.0 */
/*
 * sysfs: the class directory /sys/class/kvmft.
 *
 * Contract: owns the class, which exists from kvmft_sysfs_init() to
 * kvmft_sysfs_exit(); pairs and guests appear in it as devices.
 */
#ifndef _KVMFT_SYSFS_H
#define _KVMFT_SYSFS_H

int kvmft_sysfs_init(void);
void kvmft_sysfs_exit(void);

#endif /* _KVMFT_SYSFS_H */
