// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <string.h>

#include "ftctl.h"
#include "genl.h"
#include "pair_list.h"

/**
 * pair_list_forget() - free a list
 * @list: what pair_list_ask() filled; it is empty afterwards
 */
void pair_list_forget(struct pair_list *list)
{
	struct pair *pair;

	while (list->first) {
		pair = list->first;
		list->first = pair->next;
		free(pair->message);
		free(pair);
	}
	list->end = &list->first;
}

static void forget(void *data)
{
	pair_list_forget(data);
}

static bool remember(const struct nlmsghdr *message, void *data)
{
	struct pair *pair = calloc(1, sizeof(*pair));
	struct pair_list *list = data;

	if (pair)
		pair->message = malloc(message->nlmsg_len);
	if (!pair || !pair->message) {
		complain("out of memory");
		free(pair);
		return false;
	}

	memcpy(pair->message, message, message->nlmsg_len);
	*list->end = pair;
	list->end = &pair->next;
	return pair_parse(pair->message, KVMFT_CMD_PAIR_GET, &pair->info);
}

static bool ask_for_one(struct genl *genl, const char *name,
			struct pair_list *list)
{
	struct nlmsghdr *request = genl_begin(genl, KVMFT_CMD_PAIR_GET);

	mnl_attr_put_strz(request, KVMFT_A_PAIR_NAME, name);
	if (!genl_request(genl, request, remember, list))
		return false;

	if (!list->first || list->first->next) {
		complain("the module told about %s pairs instead of one",
			 list->first ? "several" : "no");
		return false;
	}
	return true;
}

/**
 * pair_list_ask() - ask the module about pairs
 * @genl: what connect_to_module() returned
 * @name: the pair, NULL for all
 * @list: gets them; exactly one if there is a @name
 *
 * Return: true, or false after a complaint
 */
bool pair_list_ask(struct genl *genl, const char *name, struct pair_list *list)
{
	list->first = NULL;
	list->end = &list->first;
	if (name)
		return ask_for_one(genl, name, list);
	return genl_dump(genl, KVMFT_CMD_PAIR_GET, remember, forget, list);
}
