/* SPDX-License-Identifier: GPL-2.0 */
/*
 * netlink: the generic netlink family, the operators' door.
 *
 * Contract: turns requests into calls of the other parts and their answers
 * into messages; keeps no state of its own. Reading needs no privilege.
 * Requests are validated strictly: what isn't understood is refused, with a
 * text that says why.
 */
#ifndef _KVMFT_NETLINK_H
#define _KVMFT_NETLINK_H

int kvmft_netlink_init(void);
void kvmft_netlink_exit(void);

#endif /* _KVMFT_NETLINK_H */
