/* SPDX-License-Identifier: GPL-2.0 */
/*
 * flight: a primary's epochs between COMMIT and the answer.
 *
 * Contract: whoever hears first of an answer, the control connection's thread or the
 * sender's, lets the guest and its output go; what is the sender's own, what is pending and what
 * was copied, follows in its thread, under the desk. An epoch whose guest has gone on takes off
 * when all of it is sent: then the guest may make another one, which is begun, sent and
 * committed on top of it. There are no more than these two, and one comes to nothing with the one
 * before. What they are made of isn't used for anything else before they are answered. If
 * there is no answer with this connection, the next one tells.
 */
#ifndef _KVMFT_FLIGHT_H
#define _KVMFT_FLIGHT_H

#include <linux/types.h>

struct kvmft_copies;
struct kvmft_primary;
struct kvmft_sender;
struct kvmft_sent;

void kvmft_flight_await(struct kvmft_sender *sender, bool still);
bool kvmft_flight_acked(struct kvmft_primary *primary, u64 generation, u64 epoch);
void kvmft_flight_learn(struct kvmft_sender *sender, const struct kvmft_sent *sent, u64 begun);
void kvmft_flight_done(struct kvmft_sender *sender);
bool kvmft_flight_was_answered(struct kvmft_primary *primary);

bool kvmft_flight_flies(struct kvmft_primary *primary);
bool kvmft_flight_may_begin(struct kvmft_sender *sender);
void kvmft_flight_begin(struct kvmft_sender *sender, struct kvmft_copies *copies,
			const struct kvmft_sent *sent, u64 begun);
bool kvmft_flight_is_answered(struct kvmft_sender *sender);
int kvmft_flight_look(struct kvmft_sender *sender);
int kvmft_flight_wait(struct kvmft_sender *sender);
void kvmft_flight_end(struct kvmft_sender *sender);

void kvmft_flight_lost(struct kvmft_primary *primary);
bool kvmft_flight_arrived(struct kvmft_sender *sender, u64 epoch);

#endif /* _KVMFT_FLIGHT_H */
