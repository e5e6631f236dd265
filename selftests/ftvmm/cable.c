// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "cable.h"

#include <linux/if_tun.h>
#include <stdio.h>
#include <sys/socket.h>

#include "../../tools/ftvmm/tap.h"

static struct {
	int end;
	bool asked_wrong;
} cable;

bool cable_send(const void *frame, u32 len)
{
	return send(cable.end, frame, len, 0) == (ssize_t)len;
}

ssize_t cable_receive(void *frame, u32 room)
{
	return recv(cable.end, frame, room, 0);
}

bool cable_is_honest(void)
{
	if (cable.asked_wrong)
		printf("# a tap doesn't have such offloads\n");
	return !cable.asked_wrong;
}

/* --- In place of tap.c --- */

int tap_open(const char *name, int head_len)
{
	int ends[2];

	(void)name;
	(void)head_len;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends))
		die("a pair of sockets");
	cable.end = ends[1];
	return ends[0];
}

/* Only what builds on one another; that is how the kernel's tap judges. */
bool tap_set_offloads(int tap, unsigned int flags)
{
	(void)tap;
	if (flags & ~(TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN) ||
	    (flags && !(flags & TUN_F_CSUM)) ||
	    (flags & TUN_F_TSO_ECN && !(flags & (TUN_F_TSO4 | TUN_F_TSO6))))
		cable.asked_wrong = true;
	return !cable.asked_wrong;
}
