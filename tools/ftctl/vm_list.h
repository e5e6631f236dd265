/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vm_list: the guests that the module knows.
 *
 * Contract: a list that was asked for is to be forgotten, also when asking failed.
 * Two lists can be compared: each knows when it was asked for.
 */
#ifndef FTCTL_VM_LIST_H
#define FTCTL_VM_LIST_H

#include <stdbool.h>

#include "vm_info.h"

struct genl;

/**
 * struct vm - one guest of a list
 * @next: The one that was told after it.
 * @message: A copy of the message.
 * @info: What is in there.
 */
struct vm {
	struct vm *next;
	struct nlmsghdr *message;
	struct vm_info info;
};

/**
 * struct vm_list - guests
 * @first: The one that was told first.
 * @end: Where the next one goes.
 * @time: When it was complete, CLOCK_MONOTONIC in ns.
 */
struct vm_list {
	struct vm *first;
	struct vm **end;
	uint64_t time;
};

bool vm_list_ask(struct genl *genl, const char *name, struct vm_list *list);
void vm_list_forget(struct vm_list *list);

#endif /* FTCTL_VM_LIST_H */
