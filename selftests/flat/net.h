/* SPDX-License-Identifier: GPL-2.0 */
/*
 * net: TCP connections to an ADDRESS:PORT.
 *
 * Contract: all of it ends the process if it can't be; bytes come whole or not at all.
 */
#ifndef _NET_H
#define _NET_H

#include "vmm.h"

/* Tried for a while, since who listens may come later. */
int net_connect(const char *where);

/* Starts a thread for each connection. */
void net_listen(const char *where, void *(*serve)(void *fd));

/* False if the other end is gone. */
bool net_send(int fd, const void *data, size_t len);
bool net_receive(int fd, void *data, size_t len);

#endif /* _NET_H */
