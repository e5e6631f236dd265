/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pair_info: what the module tells about a pair, in an answer or an event.
 *
 * Contract: after pair_parse() every attribute is of the right size, and those
 * that the callers can't do without are there. A string that comes from elsewhere
 * is printed by print_plain(), which can't confuse a terminal.
 */
#ifndef FTCTL_PAIR_INFO_H
#define FTCTL_PAIR_INFO_H

#include <libmnl/libmnl.h>
#include <linux/kvmft.h>
#include <stdbool.h>
#include <stdint.h>

#include "address.h"
#include "json.h"

/**
 * struct pair_info - one answer or event
 * @message: The whole of it, which the caller keeps.
 * @attrs: Its attributes by number; NULL for those that aren't there.
 */
struct pair_info {
	const struct nlmsghdr *message;
	const struct nlattr *attrs[KVMFT_A_PAIR_MAX + 1];
};

bool pair_parse(const struct nlmsghdr *message, uint8_t command,
		struct pair_info *pair);
bool pair_has(const struct pair_info *pair, enum kvmft_a_pair type);
const char *pair_string(const struct pair_info *pair, enum kvmft_a_pair type);
uint64_t pair_number(const struct pair_info *pair, enum kvmft_a_pair type);
bool pair_address(const struct pair_info *pair, struct address *address);
bool pair_peer_address(const struct pair_info *pair, struct address *address);
const struct nlattr *pair_next_error(const struct pair_info *pair,
				     const struct nlattr *last,
				     uint32_t *reason, uint64_t *count);

void print_plain(const char *text);
void pair_print_peer(const struct pair_info *pair);
void pair_print_instance(const struct pair_info *pair);

void pair_json_string(struct json *json, const char *key,
		      const struct pair_info *pair, enum kvmft_a_pair type);
void pair_json_number(struct json *json, const char *key,
		      const struct pair_info *pair, enum kvmft_a_pair type);
void pair_json_state(struct json *json, const struct pair_info *pair);
void pair_json_peer(struct json *json, const struct pair_info *pair);

#endif /* FTCTL_PAIR_INFO_H */
