/* SPDX-License-Identifier: GPL-2.0 */
/*
 * sysfs: the class kvmft, below which everything shows its state.
 *
 * Contract: one value a file, as Documentation/ABI/ says. Reading never changes
 * anything and never waits for a peer; there is nothing to write. A directory
 * belongs to the network namespace of what it is about, and is seen there alone.
 * Readers have left when its removal returns.
 */
#ifndef _KVMFT_SYSFS_H
#define _KVMFT_SYSFS_H

struct kvmft_pair;
struct kvmft_vm;

int kvmft_sysfs_init(void);
void kvmft_sysfs_exit(void);
int kvmft_sysfs_add_pair(struct kvmft_pair *pair);
void kvmft_sysfs_del_pair(struct kvmft_pair *pair);
int kvmft_sysfs_add_vm(struct kvmft_vm *vm);
void kvmft_sysfs_del_vm(struct kvmft_vm *vm);

/* For sysfs_vm.c. */
extern struct class kvmft_class;

#endif /* _KVMFT_SYSFS_H */
