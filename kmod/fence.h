/* SPDX-License-Identifier: GPL-2.0 */
/*
 * fence: have the other host of a guest kept from all that both could write to, by
 * somebody outside of the kernel.
 *
 * Contract: what is asked for has a number, and only an answer with that number counts.
 * It is asked for until it is answered, or the other host is there again. What a guest
 * does when it is done is its role's business.
 */
#ifndef _KVMFT_FENCE_H
#define _KVMFT_FENCE_H

#include <linux/types.h>

struct kvmft_vm;

int kvmft_fence_ask(struct kvmft_vm *vm);
int kvmft_fence_answer(struct kvmft_vm *vm, u64 token, bool done);

/* Under the VM's lock. */
bool kvmft_fence_want(struct kvmft_vm *vm);
void kvmft_fence_forget(struct kvmft_vm *vm);
bool kvmft_fence_permits(struct kvmft_vm *vm);

#endif /* _KVMFT_FENCE_H */
