/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pair: one host's end of a pair, and how it is with the link.
 *
 * Contract: the object, its state and its counters; what moves is in link (the
 * control connection) and channel (a guest's connections). Whoever keeps a pointer
 * keeps a reference. A pair that is being deleted stays readable for those.
 *
 * Locks, outermost first: channels_lock, a channel's own lock, lock.
 */
#ifndef _KVMFT_PAIR_H
#define _KVMFT_PAIR_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/ratelimit.h>
#include <linux/socket.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "conn.h"
#include "handshake.h"
#include "reason.h"

struct device;
struct kvmft_pair;
struct net;
struct task_struct;

/**
 * struct kvmft_pair_config - what a pair is made from
 * @identity: This end, but for the instance id.
 * @address: Where to listen, or to connect to.
 */
struct kvmft_pair_config {
	struct kvmft_identity identity;
	struct sockaddr_storage address;
};

/**
 * struct kvmft_rtt - round trips, in ns
 * @last: The last one.
 * @min: The shortest.
 * @max: The longest.
 * @sum: Of all.
 * @count: How many; with 0 the others mean nothing.
 * @few: The shortest of the latest KVMFT_RTT_FEW at most, and of as many before those.
 * @near: The shortest of all of these; also read without the lock.
 */
struct kvmft_rtt {
	u64 last;
	u64 min;
	u64 max;
	u64 sum;
	u64 count;
	u64 few[2];
	u64 near;
};

#define KVMFT_RTT_FEW 4

/**
 * struct kvmft_pair_status - how it is with a pair
 * @state: &enum kvmft_pair_state.
 * @verdict: Why it is down.
 * @error: The last verdict that there was, whatever the state is now.
 * @since_boot: When the state was entered, by CLOCK_BOOTTIME.
 * @since_real: The same by CLOCK_REALTIME.
 * @links: How often the link came up.
 * @known: Whether there ever was a peer; if not, the following mean nothing.
 * @host: What the peer calls itself.
 * @instance: Its instance id.
 * @peer: Where it was seen.
 * @rtt: Round trips of this link.
 */
struct kvmft_pair_status {
	u32 state;
	struct kvmft_verdict verdict;
	struct kvmft_verdict error;
	u64 since_boot;
	u64 since_real;
	u64 links;
	bool known;
	char host[KVMFT_WIRE_HOST_LEN];
	u8 instance[KVMFT_INSTANCE_LEN];
	struct sockaddr_storage peer;
	struct kvmft_rtt rtt;
};

/*
 * Told about events, in the thread that makes them happen. @verdict is what a
 * refusal is about, and NULL for the rest.
 */
typedef void (*kvmft_pair_notify_fn)(struct kvmft_pair *pair, u32 event,
				     const struct kvmft_verdict *verdict);

/**
 * struct kvmft_pair - one end of a pair
 * @ref: References; the last one wipes and frees.
 * @list: In the registry, under its lock.
 * @net: The network namespace. Not held: when it goes, it deletes its pairs.
 * @self: This end. Doesn't change.
 * @address: Where to listen, or to connect to. Doesn't change.
 * @notify: Told about events.
 * @device: Its directory in sysfs, or NULL; the registry's.
 * @tally: What went over its connections.
 * @errors: How often there was which reason.
 * @refusals: Limits how often refusals are told.
 * @log: Limits lines in the kernel's log.
 * @thread: Keeps the link; link's.
 * @listener: What accepts, or NULL; link's.
 * @wait: Where @thread waits when it has no connection.
 * @leaving: It is about to be deleted; belongs to the registry of guests.
 * @channels_lock: Protects the following three.
 * @channels: Guests of this pair.
 * @next_vm: For the number of the next source.
 * @closed: The pair is being deleted; no guest can be added.
 * @lock: Protects all that follows.
 * @status: How it is.
 * @told_state: The state that was told last.
 * @told_reason: The reason for it.
 * @control: The control connection, while there is a session. Holds a reference.
 * @session: Its session.
 * @granted: Until when heartbeats have permitted the peer's guests' output, at most;
 *	CLOCK_BOOTTIME in ns.
 * @offered: A control connection for @thread to take over, with a reference.
 * @offer: What its handshake was about.
 */
struct kvmft_pair {
	struct kref ref;
	struct list_head list;
	struct net *net;
	struct kvmft_identity self;
	struct sockaddr_storage address;
	kvmft_pair_notify_fn notify;
	struct device *device;
	struct kvmft_tally tally;
	atomic64_t errors[KVMFT_REASON_MAX + 1];
	struct ratelimit_state refusals;
	struct ratelimit_state log;
	struct task_struct *thread;
	struct kvmft_listener *listener;
	wait_queue_head_t wait;
	bool leaving;
	struct mutex channels_lock;	/* the following three */
	struct list_head channels;
	u32 next_vm;
	bool closed;

	spinlock_t lock;	/* what follows */
	struct kvmft_pair_status status;
	u32 told_state;
	u32 told_reason;
	struct kvmft_conn *control;
	u8 session[KVMFT_WIRE_SESSION_LEN];
	u64 granted;
	struct kvmft_conn *offered;
	struct kvmft_greeting offer;
};

struct kvmft_pair *kvmft_pair_create(struct net *net,
				     const struct kvmft_pair_config *config,
				     kvmft_pair_notify_fn notify);
struct kvmft_pair *kvmft_pair_get(struct kvmft_pair *pair);
void kvmft_pair_put(struct kvmft_pair *pair);

void kvmft_pair_status(struct kvmft_pair *pair, struct kvmft_pair_status *status);
void kvmft_pair_enter(struct kvmft_pair *pair, u32 state,
		      const struct kvmft_verdict *verdict);
void kvmft_pair_count(struct kvmft_pair *pair, u32 reason);
void kvmft_pair_refused(struct kvmft_pair *pair,
			const struct kvmft_verdict *verdict);

void kvmft_pair_set_control(struct kvmft_pair *pair, struct kvmft_conn *conn,
			    const struct kvmft_greeting *greeting);
struct kvmft_conn *kvmft_pair_get_control(struct kvmft_pair *pair);
bool kvmft_pair_session(struct kvmft_pair *pair, u8 *session);
int kvmft_pair_send(struct kvmft_pair *pair, struct kvmft_wire_header *header,
		    const u8 *body);

#endif /* _KVMFT_PAIR_H */
