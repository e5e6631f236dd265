/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vm_rate: how fast a guest is replicated, from two looks at it.
 *
 * Contract: there is no rate when one of them is of another attachment, or in another
 * role.
 */
#ifndef FTCTL_VM_RATE_H
#define FTCTL_VM_RATE_H

#include <stdbool.h>

#include "vm_list.h"

/* Room for what rate_text() writes. */
#define RATE_SIZE 16

/**
 * struct vm_rate - how fast
 * @known: There were two looks; without, the rest is 0.
 * @sends: Pages and bytes are those of a primary. A standby doesn't count them.
 * @seconds: Between the two.
 * @checkpoints: Epochs committed, a second. So are the next.
 * @pages: Pages sent.
 * @bytes: Bytes of pages and state that were sent.
 */
struct vm_rate {
	bool known;
	bool sends;
	double seconds;
	double checkpoints;
	double pages;
	double bytes;
};

void vm_rate(const struct vm_list *before, const struct vm_list *list,
	     const struct vm *vm, struct vm_rate *rate);
const char *rate_text(double per_second, char text[RATE_SIZE]);
void vm_json_rate(struct json *json, const struct vm_rate *rate);

#endif /* FTCTL_VM_RATE_H */
