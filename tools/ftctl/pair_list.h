/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pair_list: the pairs that the module knows.
 *
 * Contract: a list that was asked for is to be forgotten, also when asking failed.
 */
#ifndef FTCTL_PAIR_LIST_H
#define FTCTL_PAIR_LIST_H

#include <stdbool.h>

#include "pair_info.h"

struct genl;

/**
 * struct pair - one pair of a list
 * @next: The one that was told after it.
 * @message: A copy of the message.
 * @info: What is in there.
 */
struct pair {
	struct pair *next;
	struct nlmsghdr *message;
	struct pair_info info;
};

struct pair_list {
	struct pair *first;
	struct pair **end;
};

bool pair_list_ask(struct genl *genl, const char *name, struct pair_list *list);
void pair_list_forget(struct pair_list *list);

#endif /* FTCTL_PAIR_LIST_H */
