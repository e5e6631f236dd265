// SPDX-License-Identifier: GPL-2.0
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "ftctl.h"

#define NO_ADDRESS \
	"that is no address (host names aren't looked up); say 10.0.0.2:7700 or [fd77::2]:7700"

static bool parse_port(const char *text, uint16_t *port)
{
	unsigned long value;

	if (!text[0] || strlen(text) > 5 || text[strspn(text, "0123456789")])
		return false;

	value = strtoul(text, NULL, 10);
	if (value < 1 || value > UINT16_MAX)
		return false;
	*port = value;
	return true;
}

/**
 * address_parse() - read an address like "10.0.0.2:7700" or "[fe80::1%eth0]:7700"
 * @text: what the operator typed
 * @address: gets it; what is behind "%" has yet to be looked up
 *
 * Return: NULL, or what is wrong with @text
 */
const char *address_parse(const char *text, struct address *address)
{
	char host[INET6_ADDRSTRLEN + IF_NAMESIZE];
	const char *colon = strrchr(text, ':');
	bool brackets = text[0] == '[';
	struct in6_addr in6;
	size_t len;
	char *mark;

	memset(address, 0, sizeof(*address));

	/* Without a port, say "10.0.0.2" or "[fd77::2]". */
	if (!colon || (brackets && strchr(colon, ']')))
		return "the port is missing; say 10.0.0.2:7700 or [fd77::2]:7700";
	if (!brackets && inet_pton(AF_INET6, text, &in6) == 1)
		return "an IPv6 address needs brackets and a port; say [fd77::2]:7700";

	len = colon - text;
	if (brackets) {
		if (len < 2 || text[len - 1] != ']')
			return NO_ADDRESS;
		text++;
		len -= 2;
	}
	if (len >= sizeof(host))
		return NO_ADDRESS;
	memcpy(host, text, len);
	host[len] = '\0';

	if (brackets) {
		mark = strchr(host, '%');
		if (mark) {
			*mark++ = '\0';
			if (!*mark || strlen(mark) >= sizeof(address->interface))
				return "behind % belongs an interface";
			strcpy(address->interface, mark);
		}
		address->length = 16;
		if (inet_pton(AF_INET6, host, address->bytes) != 1)
			return NO_ADDRESS;
	} else {
		address->length = 4;
		if (inet_pton(AF_INET, host, address->bytes) != 1) {
			if (inet_pton(AF_INET6, host, &in6) == 1)
				return "an IPv6 address needs brackets; say [fd77::2]:7700";
			return NO_ADDRESS;
		}
	}

	if (!parse_port(colon + 1, &address->port))
		return "the port has to be a number from 1 to 65535";
	return NULL;
}

/**
 * address_find_interface() - look up what stands behind "%", if something does
 * @address: what address_parse() read
 *
 * Return: true, or false after a complaint
 */
bool address_find_interface(struct address *address)
{
	const char *name = address->interface;

	if (!name[0])
		return true;

	/* An interface may be called "2", so names come first. */
	address->scope = if_nametoindex(name);
	if (!address->scope && strlen(name) <= 9 &&
	    !name[strspn(name, "0123456789")])
		address->scope = strtoul(name, NULL, 10);
	if (address->scope)
		return true;

	complain("there is no interface '%s'", name);
	return false;
}

/**
 * address_host() - write an address without its port
 * @address: the address
 * @text: room for it
 *
 * Return: @text
 */
const char *address_host(const struct address *address,
			 char text[ADDRESS_SIZE])
{
	char interface[IF_NAMESIZE];
	size_t len;

	inet_ntop(address->length == 4 ? AF_INET : AF_INET6, address->bytes,
		  text, INET6_ADDRSTRLEN);
	if (!address->scope)
		return text;

	/* The interface may be gone by now. */
	len = strlen(text);
	if (if_indextoname(address->scope, interface))
		snprintf(text + len, ADDRESS_SIZE - len, "%%%s", interface);
	else
		snprintf(text + len, ADDRESS_SIZE - len, "%%%u", address->scope);
	return text;
}

/**
 * address_text() - write an address with its port, as address_parse() reads it
 * @address: the address
 * @text: room for it
 *
 * Return: @text
 */
const char *address_text(const struct address *address,
			 char text[ADDRESS_SIZE])
{
	char host[ADDRESS_SIZE];

	address_host(address, host);
	snprintf(text, ADDRESS_SIZE,
		 address->length == 4 ? "%s:%u" : "[%s]:%u", host, address->port);
	return text;
}
