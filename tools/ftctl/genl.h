/* SPDX-License-Identifier: GPL-2.0 */
/*
 * genl: requests to a generic netlink family, and the answers.
 *
 * Contract: only the kernel's answers count, and whatever they are, no function
 * here reads outside of them or waits for long for one that doesn't come (the
 * kernel's own work on a request isn't bounded by us). All but
 * genl_find_family() complain by themselves before they report a failure.
 */
#ifndef FTCTL_GENL_H
#define FTCTL_GENL_H

#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stdint.h>

struct genl;

/**
 * struct genl_field - what an attribute of an answer has to look like
 * @type: Its type; %MNL_TYPE_UNSPEC to skip it.
 * @required: The answer is worth nothing without it.
 */
struct genl_field {
	enum mnl_attr_data_type type;
	bool required;
};

/* Takes one message of a dump; false after a complaint ends the dump. */
typedef bool (*genl_object_fn)(const struct nlmsghdr *message, void *data);

/* Forgets the messages so far, because the dump starts anew. */
typedef void (*genl_restart_fn)(void *data);

struct genl *genl_open(void);
void genl_close(struct genl *genl);
int genl_find_family(struct genl *genl, const char *name);
bool genl_dump(struct genl *genl, uint8_t command, genl_object_fn object,
	       genl_restart_fn restart, void *data);
bool genl_parse(const struct nlmsghdr *message, uint8_t command,
		const struct genl_field *fields, unsigned int max,
		const struct nlattr **attrs);

#endif /* FTCTL_GENL_H */
