// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fences.h"
#include "ftctl.h"

/**
 * fences_add() - a guest may have been asked for a fence
 * @fences: the list
 * @vm: what was told of the guest
 * @due: when to begin
 * @added: gets the fence; NULL if there is none to be done, or it is known already
 *
 * Return: true, or false after a complaint
 */
bool fences_add(struct fences *fences, const struct vm_info *vm, uint64_t due,
		struct fence **added)
{
	const char *name = vm_string(vm, KVMFT_A_VM_NAME);
	const char *pair = vm_string(vm, KVMFT_A_VM_PAIR);
	uint64_t token = vm_number(vm, KVMFT_A_VM_FENCE_TOKEN);
	struct fence *fence, **end;

	*added = NULL;
	if (vm_number(vm, KVMFT_A_VM_FENCE) != KVMFT_VM_FENCE_ASKED || !pair)
		return true;
	for (fence = fences->first; fence; fence = fence->next) {
		if (fence->token == token && !strcmp(fence->name, name))
			return true;
	}

	fences_forget(fences, name);
	fence = calloc(1, sizeof(*fence));
	if (!fence) {
		complain("out of memory");
		return false;
	}
	snprintf(fence->name, sizeof(fence->name), "%s", name);
	snprintf(fence->pair, sizeof(fence->pair), "%s", pair);
	fence->role = vm_number(vm, KVMFT_A_VM_ROLE);
	fence->token = token;
	fence->due = due;
	for (end = &fences->first; *end; end = &(*end)->next)
		;
	*end = fence;
	*added = fence;
	return true;
}

/**
 * fences_are_under_way() - does a command run that fences the other host of a pair?
 * @fences: the list
 * @pair: the pair's name
 *
 * Return: whether
 */
bool fences_are_under_way(const struct fences *fences, const char *pair)
{
	const struct fence *fence;

	for (fence = fences->first; fence; fence = fence->next) {
		if (fence->phase == FENCE_RUNS && !strcmp(fence->pair, pair))
			return true;
	}
	return false;
}

/**
 * fences_forget() - remember no more what was done for a guest
 * @fences: the list
 * @name: the guest; NULL for all guests
 *
 * What is still to be done, or hasn't quite ended, remains.
 */
void fences_forget(struct fences *fences, const char *name)
{
	struct fence **at = &fences->first, *fence;

	while ((fence = *at)) {
		if (fence->phase == FENCE_OVER && !fence->task.pid &&
		    (!name || !strcmp(fence->name, name))) {
			*at = fence->next;
			free(fence);
		} else {
			at = &fence->next;
		}
	}
}

/**
 * fences_forget_all() - free the list
 * @fences: the list; it is empty afterwards
 */
void fences_forget_all(struct fences *fences)
{
	struct fence *fence;

	while ((fence = fences->first)) {
		fences->first = fence->next;
		free(fence);
	}
}
