/* SPDX-License-Identifier: GPL-2.0 */
/*
 * cpuid: what the guest's processors are.
 *
 * Contract: all that KVM can do, but for what a guest can't take to another host or
 * this VMM doesn't want; one package, a core for each vcpu. The same options on two
 * alike hosts make the same.
 */
#ifndef FTVMM_CPUID_H
#define FTVMM_CPUID_H

#include "vmm.h"

void cpuid_set(int vcpu_fd, u32 id);

#endif /* FTVMM_CPUID_H */
