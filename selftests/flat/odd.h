/* SPDX-License-Identifier: GPL-2.0 */
/*
 * odd: a VM that isn't quite like others of the same options.
 *
 * Contract: vmm.options.odd says in what; without it nothing is done here.
 */
#ifndef _ODD_H
#define _ODD_H

#include "vmm.h"

/* The names, a NULL behind them. */
extern const char *const odds[];

enum odd {
	ODD_NOT, ODD_CPUID, ODD_LEAF, ODD_MSR, ODD_TSC, ODD_PIT, ODD_QUIRKS, ODD_SWITCH,
	ODD_IRQCHIP,
};

/* Is it odd in this? */
bool odd_in(enum odd what);

/* After the VM was made, before vcpus. */
void odd_vm(int vm);

/* Before it is given to a vcpu. */
void odd_cpuid(struct kvm_cpuid2 *cpuid);

/* After a vcpu has its CPUID. */
void odd_vcpu(int fd);

#endif /* _ODD_H */
