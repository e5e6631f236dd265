/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vm_times: how long something took in a guest, as a histogram.
 *
 * Contract: classes are in order; each holds what took longer than the one before
 * reaches, and no longer than it reaches itself. The last one has no end.
 */
#ifndef FTCTL_VM_TIMES_H
#define FTCTL_VM_TIMES_H

#include <stdbool.h>
#include <stdint.h>

#include "vm_info.h"

/**
 * struct vm_times - a histogram
 * @count: How many times.
 * @sum: All of them together, in ns.
 * @longest: The longest, in ns.
 * @classes: How many classes there are, at least two.
 * @payload: How many times in each, not aligned.
 */
struct vm_times {
	uint64_t count;
	uint64_t sum;
	uint64_t longest;
	unsigned int classes;
	const char *payload;
};

bool vm_times_parse(struct vm_info *vm);
bool vm_times(const struct vm_info *vm, enum kvmft_a_vm type, struct vm_times *times);
uint64_t vm_times_count(const struct vm_times *times, unsigned int number);
uint64_t vm_times_bound(const struct vm_times *times, unsigned int number);

#endif /* FTCTL_VM_TIMES_H */
