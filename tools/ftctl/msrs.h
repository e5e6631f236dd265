/* SPDX-License-Identifier: GPL-2.0 */
/*
 * msrs: the MSRs that belong to the state of a vcpu.
 *
 * Contract: every one can be read from a vcpu of this host's KVM and written back.
 * A vcpu that its VMM gave less than KVM has to offer may lack some: banks of
 * machine checks, which come last, and what its CPUID doesn't have. No guest is
 * touched to find out.
 */
#ifndef FTCTL_MSRS_H
#define FTCTL_MSRS_H

#include <stdbool.h>
#include <stdint.h>

/* More than KVM knows. */
#define MSRS_MAX 1024

/**
 * struct msrs - numbers of MSRs
 * @len: How many.
 * @numbers: Each one once.
 */
struct msrs {
	unsigned int len;
	uint32_t numbers[MSRS_MAX];
};

bool msrs_find(struct msrs *msrs);

#endif /* FTCTL_MSRS_H */
