/* SPDX-License-Identifier: GPL-2.0 */
/*
 * listener: accepts connections for a pair, and lets in who proves himself.
 *
 * Contract: anybody may connect, so what a stranger costs is bounded: connections
 * that haven't proved anything are KVMFT_STRANGERS at most, a newcomer takes the
 * place of the oldest, and each has KVMFT_HANDSHAKE_TIMEOUT. What is proved goes to
 * link or to a channel.
 */
#ifndef _KVMFT_LISTENER_H
#define _KVMFT_LISTENER_H

struct kvmft_pair;

#define KVMFT_STRANGERS 8

int kvmft_listener_prepare(struct kvmft_pair *pair);
void kvmft_listener_start(struct kvmft_pair *pair);
void kvmft_listener_stop(struct kvmft_pair *pair);

#endif /* _KVMFT_LISTENER_H */
