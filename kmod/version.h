/* SPDX-License-Identifier: GPL-2.0 */
/*
 * version: which kvmft this is, and which wire protocol it speaks.
 *
 * Contract: two macros and nothing else, without any include, because the
 * module, the control tool and the packaging read the same file.
 */
#ifndef _KVMFT_VERSION_H
#define _KVMFT_VERSION_H

/* For people. dkms.conf carries the same string. */
#define KVMFT_VERSION "0.1.0"

/*
 * For peers. Two hosts work together when this is equal, and refuse each other
 * when it isn't: a host that guesses at the other's state is worse than none.
 * It therefore counts by itself and changes when the bytes on the wire or their
 * meaning do, not with each release, so that hosts can be upgraded in turn.
 * It stands here and not with the frame format because the tool and the netlink
 * interface report it without knowing a single frame.
 */
#define KVMFT_PROTOCOL_VERSION 1

#endif /* _KVMFT_VERSION_H */
