// SPDX-License-Identifier: GPL-2.0
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/random.h>

#include "compat.h"
#include "fence.h"
#include "vm.h"

/**
 * kvmft_fence_want() - have the other host fenced
 * @vm: the guest, which has lost it
 *
 * Context: under the VM's lock
 *
 * Return: whether that is to be told (KVMFT_VM_ASKS_FENCE); not twice
 */
bool kvmft_fence_want(struct kvmft_vm *vm)
{
	lockdep_assert_held(&vm->lock);
	if (vm->fence == KVMFT_VM_FENCE_ASKED)
		return false;
	vm->fence = KVMFT_VM_FENCE_ASKED;
	vm->fence_token = get_random_u64();
	return true;
}

/**
 * kvmft_fence_ask() - the same, as somebody wants it
 * @vm: the guest
 *
 * Context: may sleep
 *
 * Return: 0, or -EBUSY if it hasn't lost the other host
 */
int kvmft_fence_ask(struct kvmft_vm *vm)
{
	bool lost, tells = false;

	spin_lock(&vm->lock);
	lost = vm->ops->lost(vm);
	if (lost)
		tells = kvmft_fence_want(vm);
	spin_unlock(&vm->lock);
	if (tells)
		kvmft_vm_tell(vm, KVMFT_VM_ASKS_FENCE);
	return lost ? 0 : -EBUSY;
}

/**
 * kvmft_fence_answer() - somebody has fenced the other host, or couldn't
 * @vm: the guest
 * @token: the number of what was asked for
 * @done: whether it is done
 *
 * Context: may sleep
 *
 * Return: 0, or -ESTALE if nobody waits for that
 */
int kvmft_fence_answer(struct kvmft_vm *vm, u64 token, bool done)
{
	bool awaited;

	spin_lock(&vm->lock);
	awaited = vm->fence == KVMFT_VM_FENCE_ASKED && vm->fence_token == token;
	if (awaited)
		vm->fence = done ? KVMFT_VM_FENCE_DONE : KVMFT_VM_FENCE_FAILED;
	spin_unlock(&vm->lock);
	if (!awaited)
		return -ESTALE;
	kvmft_vm_tell(vm, done ? KVMFT_VM_FENCE_SUCCEEDS : KVMFT_VM_FENCE_FAILS);
	if (done)
		vm->ops->fenced(vm);
	return 0;
}

/**
 * kvmft_fence_forget() - the other host is there
 * @vm: the guest
 *
 * Context: under the VM's lock
 */
void kvmft_fence_forget(struct kvmft_vm *vm)
{
	lockdep_assert_held(&vm->lock);
	vm->fence = 0;
}

/**
 * kvmft_fence_permits() - may it go on without the other host, as far as fencing goes?
 * @vm: the guest
 *
 * Context: under the VM's lock
 *
 * Return: whether
 */
bool kvmft_fence_permits(struct kvmft_vm *vm)
{
	lockdep_assert_held(&vm->lock);
	return vm->fencing != KVMFT_VM_FENCING_REQUIRED || vm->fence == KVMFT_VM_FENCE_DONE;
}
