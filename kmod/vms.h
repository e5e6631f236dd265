/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vms: the registry of guests: attach, detach, look up.
 *
 * Contract: a guest is found by its network namespace and name, and by its VMM, from
 * kvmft_vms_attach() to its end. That comes with kvmft_vms_detach(), with the end of
 * the VMM, of the namespace, or of the module. The network namespace of a guest is
 * that of its pair, which can't be deleted before.
 */
#ifndef _KVMFT_VMS_H
#define _KVMFT_VMS_H

#include "vm.h"

struct kvmft_vmm;

typedef int (*kvmft_vms_fn)(void *context, struct kvmft_vm *vm);

int kvmft_vms_attach(struct kvmft_pair *pair, const struct kvmft_vm_config *config,
		     kvmft_vm_notify_fn notify, struct kvmft_verdict *verdict);
int kvmft_vms_detach(struct net *net, const char *name, bool force);
struct kvmft_vm *kvmft_vms_find(struct net *net, const char *name);
int kvmft_vms_walk(struct net *net, unsigned long *position,
		   unsigned int *generation, kvmft_vms_fn take, void *context);
bool kvmft_vms_leave(struct kvmft_pair *pair);

struct kvmft_vm *kvmft_vms_of(struct kvmft_vmm *vmm);
void kvmft_vms_vmm_gone(struct kvmft_vmm *vmm);
int kvmft_vms_init(void);
void kvmft_vms_exit(void);

#endif /* _KVMFT_VMS_H */
