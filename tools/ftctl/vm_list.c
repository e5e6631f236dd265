// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ftctl.h"
#include "genl.h"
#include "vm_list.h"

#define NS_PER_SECOND 1000000000ULL

/**
 * vm_list_forget() - free a list
 * @list: what vm_list_ask() filled; it is empty afterwards
 */
void vm_list_forget(struct vm_list *list)
{
	struct vm *vm;

	while (list->first) {
		vm = list->first;
		list->first = vm->next;
		free(vm->message);
		free(vm);
	}
	list->end = &list->first;
}

static void forget(void *data)
{
	vm_list_forget(data);
}

static bool remember(const struct nlmsghdr *message, void *data)
{
	struct vm *vm = calloc(1, sizeof(*vm));
	struct vm_list *list = data;

	if (vm)
		vm->message = malloc(message->nlmsg_len);
	if (!vm || !vm->message) {
		complain("out of memory");
		free(vm);
		return false;
	}

	memcpy(vm->message, message, message->nlmsg_len);
	*list->end = vm;
	list->end = &vm->next;
	return vm_parse(vm->message, KVMFT_CMD_VM_GET, &vm->info);
}

static bool ask_for_one(struct genl *genl, const char *name,
			struct vm_list *list)
{
	struct nlmsghdr *request = genl_begin(genl, KVMFT_CMD_VM_GET);

	mnl_attr_put_strz(request, KVMFT_A_VM_NAME, name);
	if (!genl_request(genl, request, remember, list))
		return false;

	if (!list->first || list->first->next) {
		complain("the module told about %s guests instead of one",
			 list->first ? "several" : "no");
		return false;
	}
	return true;
}

/**
 * vm_list_ask() - ask the module about guests
 * @genl: what connect_to_module() returned
 * @name: the guest, NULL for all
 * @list: gets them; exactly one if there is a @name
 *
 * Return: true, or false after a complaint
 */
bool vm_list_ask(struct genl *genl, const char *name, struct vm_list *list)
{
	struct timespec now;
	bool ok;

	list->first = NULL;
	list->end = &list->first;
	if (name)
		ok = ask_for_one(genl, name, list);
	else
		ok = genl_dump(genl, KVMFT_CMD_VM_GET, remember, forget, list);
	clock_gettime(CLOCK_MONOTONIC, &now);
	list->time = now.tv_sec * NS_PER_SECOND + now.tv_nsec;
	return ok;
}
