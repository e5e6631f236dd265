/* SPDX-License-Identifier: GPL-2.0 */
/*
 * link: keeps a pair's control connection up, and its heartbeats going.
 *
 * Contract: one thread a pair, which either connects again and again or waits for
 * what the listener accepted, and lives in the session while there is one. It
 * enters the pair's states.
 */
#ifndef _KVMFT_LINK_H
#define _KVMFT_LINK_H

struct kvmft_conn;
struct kvmft_greeting;
struct kvmft_pair;

int kvmft_link_prepare(struct kvmft_pair *pair);
void kvmft_link_start(struct kvmft_pair *pair);
void kvmft_link_stop(struct kvmft_pair *pair);
int kvmft_link_offer(struct kvmft_pair *pair, struct kvmft_conn *conn,
		     const struct kvmft_greeting *greeting);

#endif /* _KVMFT_LINK_H */
