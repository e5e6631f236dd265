// SPDX-License-Identifier: GPL-2.0
#include <linux/genetlink.h>
#include <stdio.h>
#include <string.h>

#include "ftctl.h"
#include "genl.h"
#include "names.h"
#include "pair_info.h"

static const struct genl_field fields[KVMFT_A_PAIR_MAX + 1] = {
	[KVMFT_A_PAIR_NAME] = { MNL_TYPE_NUL_STRING, true },
	[KVMFT_A_PAIR_ROLE] = { MNL_TYPE_U32, false },
	[KVMFT_A_PAIR_ADDRESS] = { MNL_TYPE_BINARY, false },
	[KVMFT_A_PAIR_PORT] = { MNL_TYPE_U16, false },
	[KVMFT_A_PAIR_SCOPE] = { MNL_TYPE_U32, false },
	[KVMFT_A_PAIR_HEARTBEAT] = { MNL_TYPE_U32, false },
	[KVMFT_A_PAIR_TIMEOUT] = { MNL_TYPE_U32, false },
	[KVMFT_A_PAIR_STATE] = { MNL_TYPE_U32, false },
	[KVMFT_A_PAIR_REASON] = { MNL_TYPE_U32, false },
	[KVMFT_A_PAIR_STATE_AGE] = { MNL_TYPE_U64, false },
	[KVMFT_A_PAIR_STATE_TIME] = { MNL_TYPE_U64, false },
	[KVMFT_A_PAIR_ERROR] = { MNL_TYPE_NUL_STRING, false },
	[KVMFT_A_PAIR_PEER_HOST] = { MNL_TYPE_NUL_STRING, false },
	[KVMFT_A_PAIR_PEER_INSTANCE] = { MNL_TYPE_BINARY, false },
	[KVMFT_A_PAIR_PEER_ADDRESS] = { MNL_TYPE_BINARY, false },
	[KVMFT_A_PAIR_PEER_PORT] = { MNL_TYPE_U16, false },
	[KVMFT_A_PAIR_RTT_LAST] = { MNL_TYPE_U64, false },
	[KVMFT_A_PAIR_RTT_MIN] = { MNL_TYPE_U64, false },
	[KVMFT_A_PAIR_RTT_AVG] = { MNL_TYPE_U64, false },
	[KVMFT_A_PAIR_RTT_MAX] = { MNL_TYPE_U64, false },
	[KVMFT_A_PAIR_RX_BYTES] = { MNL_TYPE_U64, false },
	[KVMFT_A_PAIR_TX_BYTES] = { MNL_TYPE_U64, false },
	[KVMFT_A_PAIR_RX_FRAMES] = { MNL_TYPE_U64, false },
	[KVMFT_A_PAIR_TX_FRAMES] = { MNL_TYPE_U64, false },
	[KVMFT_A_PAIR_LINKS] = { MNL_TYPE_U64, false },
	[KVMFT_A_PAIR_ERRORS] = { MNL_TYPE_NESTED, false },
	[KVMFT_A_PAIR_EVENT] = { MNL_TYPE_U32, false },
};

/* The sizes that the fields above can't tell. */
static bool has_size(const struct nlattr *attr, unsigned int size,
		     unsigned int or_size)
{
	unsigned int len;

	if (!attr)
		return true;

	len = mnl_attr_get_payload_len(attr);
	if (len == size || len == or_size)
		return true;

	complain("attribute %u of the kernel's answer is malformed",
		 mnl_attr_get_type(attr));
	return false;
}

static bool parse_error(const struct nlattr *attr, uint32_t *reason,
			uint64_t *count)
{
	static const struct genl_field error_fields[KVMFT_A_ERROR_MAX + 1] = {
		[KVMFT_A_ERROR_REASON] = { MNL_TYPE_U32, true },
		[KVMFT_A_ERROR_COUNT] = { MNL_TYPE_U64, true },
	};
	const struct nlattr *attrs[KVMFT_A_ERROR_MAX + 1];

	if (!genl_parse_nested(attr, error_fields, KVMFT_A_ERROR_MAX, attrs))
		return false;
	*reason = mnl_attr_get_u32(attrs[KVMFT_A_ERROR_REASON]);
	*count = mnl_attr_get_u64(attrs[KVMFT_A_ERROR_COUNT]);
	return true;
}

static bool are_errors_valid(const struct nlmsghdr *message)
{
	const struct nlattr *attr;
	uint32_t reason;
	uint64_t count;

	mnl_attr_for_each(attr, message, GENL_HDRLEN) {
		if (mnl_attr_get_type(attr) == KVMFT_A_PAIR_ERRORS &&
		    !parse_error(attr, &reason, &count))
			return false;
	}
	return true;
}

/**
 * pair_parse() - find out what a message tells about a pair
 * @message: the message, which has to stay where it is
 * @command: KVMFT_CMD_PAIR_GET or KVMFT_CMD_PAIR_EVENT, which it has to be of
 * @pair: gets it
 *
 * Return: true, or false after a complaint
 */
bool pair_parse(const struct nlmsghdr *message, uint8_t command,
		struct pair_info *pair)
{
	static const enum kvmft_a_pair in_answers[] = {
		KVMFT_A_PAIR_ROLE,
		KVMFT_A_PAIR_ADDRESS,
		KVMFT_A_PAIR_PORT,
		KVMFT_A_PAIR_HEARTBEAT,
		KVMFT_A_PAIR_TIMEOUT,
		KVMFT_A_PAIR_STATE,
	};
	struct genl_field wanted[ARRAY_SIZE(fields)];
	size_t i;

	memcpy(wanted, fields, sizeof(wanted));
	if (command == KVMFT_CMD_PAIR_EVENT) {
		wanted[KVMFT_A_PAIR_EVENT].required = true;
	} else {
		for (i = 0; i < ARRAY_SIZE(in_answers); i++)
			wanted[in_answers[i]].required = true;
	}

	pair->message = message;
	return genl_parse(message, command, wanted, KVMFT_A_PAIR_MAX,
			  pair->attrs) &&
	       has_size(pair->attrs[KVMFT_A_PAIR_ADDRESS], 4, 16) &&
	       has_size(pair->attrs[KVMFT_A_PAIR_PEER_ADDRESS], 4, 16) &&
	       has_size(pair->attrs[KVMFT_A_PAIR_PEER_INSTANCE],
			KVMFT_INSTANCE_LEN, KVMFT_INSTANCE_LEN) &&
	       are_errors_valid(message);
}

/**
 * pair_has() - whether something was told
 * @pair: what pair_parse() found
 * @type: an attribute
 *
 * Return: true if it was
 */
bool pair_has(const struct pair_info *pair, enum kvmft_a_pair type)
{
	return pair->attrs[type];
}

/**
 * pair_string() - a string that was told
 * @pair: what pair_parse() found
 * @type: an attribute that is a string
 *
 * Return: the string, NULL without the attribute
 */
const char *pair_string(const struct pair_info *pair, enum kvmft_a_pair type)
{
	return pair->attrs[type] ? mnl_attr_get_str(pair->attrs[type]) : NULL;
}

/**
 * pair_number() - a number that was told
 * @pair: what pair_parse() found
 * @type: an attribute that is a number of any size
 *
 * Return: the number, 0 without the attribute
 */
uint64_t pair_number(const struct pair_info *pair, enum kvmft_a_pair type)
{
	const struct nlattr *attr = pair->attrs[type];

	if (!attr)
		return 0;
	if (fields[type].type == MNL_TYPE_U64)
		return mnl_attr_get_u64(attr);
	return fields[type].type == MNL_TYPE_U32 ? mnl_attr_get_u32(attr) :
						   mnl_attr_get_u16(attr);
}

static bool get_address(const struct pair_info *pair, enum kvmft_a_pair bytes,
			enum kvmft_a_pair port, struct address *address)
{
	memset(address, 0, sizeof(*address));
	if (!pair->attrs[bytes])
		return false;

	address->length = mnl_attr_get_payload_len(pair->attrs[bytes]);
	memcpy(address->bytes, mnl_attr_get_payload(pair->attrs[bytes]),
	       address->length);
	address->port = pair_number(pair, port);
	return true;
}

/**
 * pair_address() - where the pair listens or connects to
 * @pair: what pair_parse() found
 * @address: gets it
 *
 * Return: true if it was told
 */
bool pair_address(const struct pair_info *pair, struct address *address)
{
	if (!get_address(pair, KVMFT_A_PAIR_ADDRESS, KVMFT_A_PAIR_PORT, address))
		return false;

	address->scope = pair_number(pair, KVMFT_A_PAIR_SCOPE);
	return true;
}

/**
 * pair_peer_address() - the other end of the control connection
 * @pair: what pair_parse() found
 * @address: gets it
 *
 * Return: true if it was told
 */
bool pair_peer_address(const struct pair_info *pair, struct address *address)
{
	return get_address(pair, KVMFT_A_PAIR_PEER_ADDRESS,
			   KVMFT_A_PAIR_PEER_PORT, address);
}

/**
 * pair_next_error() - go through the counters of errors
 * @pair: what pair_parse() found
 * @last: what this returned before, NULL to begin
 * @reason: gets what was counted
 * @count: gets how often it happened
 *
 * Return: something for @last, or NULL when there are no more
 */
const struct nlattr *pair_next_error(const struct pair_info *pair,
				     const struct nlattr *last,
				     uint32_t *reason, uint64_t *count)
{
	const char *tail = mnl_nlmsg_get_payload_tail(pair->message);
	const struct nlattr *attr;

	if (last)
		attr = mnl_attr_next(last);
	else
		attr = mnl_nlmsg_get_payload_offset(pair->message, GENL_HDRLEN);

	for (; mnl_attr_ok(attr, tail - (const char *)attr);
	     attr = mnl_attr_next(attr)) {
		if (mnl_attr_get_type(attr) == KVMFT_A_PAIR_ERRORS &&
		    parse_error(attr, reason, count))
			return attr;
	}
	return NULL;
}

/**
 * print_plain() - print what somebody else wrote
 * @text: any bytes; a "?" stands for what isn't printable ASCII
 */
void print_plain(const char *text)
{
	for (; *text; text++)
		putchar(*text >= ' ' && *text <= '~' ? *text : '?');
}

/**
 * pair_print_peer() - print the name and the address of the peer
 * @pair: what pair_parse() found, with a peer
 */
void pair_print_peer(const struct pair_info *pair)
{
	char text[ADDRESS_SIZE];
	struct address address;

	print_plain(pair_string(pair, KVMFT_A_PAIR_PEER_HOST));
	if (pair_peer_address(pair, &address))
		printf(" %s", address_text(&address, text));
}

static void write_instance(const struct pair_info *pair,
			   char text[2 * KVMFT_INSTANCE_LEN + 1])
{
	const uint8_t *bytes =
		mnl_attr_get_payload(pair->attrs[KVMFT_A_PAIR_PEER_INSTANCE]);
	int i;

	for (i = 0; i < KVMFT_INSTANCE_LEN; i++)
		sprintf(text + 2 * i, "%02x", bytes[i]);
}

/**
 * pair_print_instance() - print the id of the peer's instance, if it was told
 * @pair: what pair_parse() found
 */
void pair_print_instance(const struct pair_info *pair)
{
	char text[2 * KVMFT_INSTANCE_LEN + 1];

	if (!pair_has(pair, KVMFT_A_PAIR_PEER_INSTANCE))
		return;

	write_instance(pair, text);
	printf(" instance %s", text);
}

/**
 * pair_json_string() - add a string, or null when it wasn't told
 * @json: the object
 * @key: its name
 * @pair: what pair_parse() found
 * @type: an attribute that is a string
 */
void pair_json_string(struct json *json, const char *key,
		      const struct pair_info *pair, enum kvmft_a_pair type)
{
	if (pair_has(pair, type))
		json_string(json, key, pair_string(pair, type));
	else
		json_null(json, key);
}

/**
 * pair_json_number() - add a number, or null when it wasn't told
 * @json: the object
 * @key: its name
 * @pair: what pair_parse() found
 * @type: an attribute that is a number
 */
void pair_json_number(struct json *json, const char *key,
		      const struct pair_info *pair, enum kvmft_a_pair type)
{
	if (pair_has(pair, type))
		json_number(json, key, pair_number(pair, type));
	else
		json_null(json, key);
}

/**
 * pair_json_state() - add the state and the reason for it, as far as told
 * @json: the object
 * @pair: what pair_parse() found
 */
void pair_json_state(struct json *json, const struct pair_info *pair)
{
	uint32_t reason = pair_number(pair, KVMFT_A_PAIR_REASON);
	char unknown[NAME_SIZE];

	if (pair_has(pair, KVMFT_A_PAIR_STATE))
		json_string(json, "state",
			    state_name(pair_number(pair, KVMFT_A_PAIR_STATE),
				       unknown));
	else
		json_null(json, "state");

	if (reason != KVMFT_REASON_NONE)
		json_string(json, "reason", reason_name(reason, unknown));
	else
		json_null(json, "reason");
}

/**
 * pair_json_peer() - add the object "peer", or null when none was told
 * @json: the object
 * @pair: what pair_parse() found
 */
void pair_json_peer(struct json *json, const struct pair_info *pair)
{
	char instance[2 * KVMFT_INSTANCE_LEN + 1];
	char text[ADDRESS_SIZE];
	struct address address;

	if (!pair_has(pair, KVMFT_A_PAIR_PEER_HOST)) {
		json_null(json, "peer");
		return;
	}

	json_open(json, "peer");
	pair_json_string(json, "host", pair, KVMFT_A_PAIR_PEER_HOST);
	if (pair_has(pair, KVMFT_A_PAIR_PEER_INSTANCE)) {
		write_instance(pair, instance);
		json_string(json, "instance", instance);
	} else {
		json_null(json, "instance");
	}
	if (pair_peer_address(pair, &address))
		json_string(json, "address", address_host(&address, text));
	else
		json_null(json, "address");
	pair_json_number(json, "port", pair, KVMFT_A_PAIR_PEER_PORT);
	json_close(json);
}
