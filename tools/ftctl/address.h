/* SPDX-License-Identifier: GPL-2.0 */
/*
 * address: where a host can be reached, as people type and read it.
 *
 * Contract: addresses only, no names of hosts: a pair must not depend on somebody
 * else's server.
 */
#ifndef FTCTL_ADDRESS_H
#define FTCTL_ADDRESS_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

/* Room for what the functions below write: "[ADDRESS%INTERFACE]:PORT". */
#define ADDRESS_SIZE (INET6_ADDRSTRLEN + IF_NAMESIZE + sizeof("[%]:65535"))

/**
 * struct address - an IP address with a TCP port
 * @bytes: The address in network order.
 * @length: How many of these count: 4 or 16.
 * @port: The port, in host order.
 * @interface: What the operator typed behind "%", "" if nothing.
 * @scope: Index of the interface, 0 if there is none.
 */
struct address {
	uint8_t bytes[16];
	uint8_t length;
	uint16_t port;
	char interface[IF_NAMESIZE];
	uint32_t scope;
};

const char *address_parse(const char *text, struct address *address);
bool address_find_interface(struct address *address);
const char *address_host(const struct address *address,
			 char text[ADDRESS_SIZE]);
const char *address_text(const struct address *address,
			 char text[ADDRESS_SIZE]);

#endif /* FTCTL_ADDRESS_H */
