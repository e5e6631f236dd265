/* SPDX-License-Identifier: GPL-2.0 */
/*
 * genl: requests to a generic netlink family, the answers, and events.
 *
 * Contract: only the kernel's answers count, and whatever they are, no function
 * here reads outside of them or waits for long for one that doesn't come (the
 * kernel's own work on a request isn't bounded by us). All but
 * genl_find_family() and genl_try() complain by themselves before they report a
 * failure. No request is left in memory once it was sent.
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

/* Takes one message of an answer, or an event; false after a complaint ends it. */
typedef bool (*genl_object_fn)(const struct nlmsghdr *message, void *data);

/* Forgets the messages so far, because the dump starts anew. */
typedef void (*genl_restart_fn)(void *data);

/* Takes notice that events are missing here. */
typedef void (*genl_lost_fn)(void *data);

struct genl *genl_open(void);
void genl_close(struct genl *genl);
int genl_find_family(struct genl *genl, const char *name);
bool genl_dump(struct genl *genl, uint8_t command, genl_object_fn object,
	       genl_restart_fn restart, void *data);
struct nlmsghdr *genl_begin(struct genl *genl, uint8_t command);
int genl_try(struct genl *genl, struct nlmsghdr *request, genl_object_fn object, void *data);
void genl_complain(const struct genl *genl, int err);
bool genl_request(struct genl *genl, struct nlmsghdr *request,
		  genl_object_fn object, void *data);
bool genl_join(struct genl *genl, const char *group);
int genl_descriptor(const struct genl *genl);
bool genl_listen(struct genl *genl, genl_object_fn event, genl_lost_fn lost,
		 void *data);
bool genl_parse(const struct nlmsghdr *message, uint8_t command,
		const struct genl_field *fields, unsigned int max,
		const struct nlattr **attrs);
bool genl_parse_nested(const struct nlattr *nest,
		       const struct genl_field *fields, unsigned int max,
		       const struct nlattr **attrs);

#endif /* FTCTL_GENL_H */
