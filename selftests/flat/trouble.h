/* SPDX-License-Identifier: GPL-2.0 */
/*
 * trouble: ends that a VMM may come to while others still have its descriptors.
 */
#ifndef _TROUBLE_H
#define _TROUBLE_H

#include <sys/types.h>

#include "vmm.h"

/*
 * A child that does nothing until it is killed. It keeps all descriptors, or of those of
 * KVM and kvmft only the hook's. -1 with errno.
 */
pid_t trouble_fork(bool hook_only);

/* Becomes a program that does nothing, and keeps KVM's and kvmft's descriptors, or not. */
ATTRIBUTE(noreturn)
void trouble_exec(bool keep);

#endif /* _TROUBLE_H */
