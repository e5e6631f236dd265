// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kernel.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timekeeping.h>

#include "compat.h"
#include "fault.h"
#include "pair.h"
#include "trace.h"

/* Refusals that are told in a second; anybody can cause them. */
#define REFUSALS_PER_SECOND 5

/**
 * kvmft_pair_create() - make a pair that does nothing yet
 * @net: the network namespace
 * @config: what it is made from
 * @notify: told about events
 *
 * Return: the pair with one reference, or NULL without memory
 */
struct kvmft_pair *kvmft_pair_create(struct net *net,
				     const struct kvmft_pair_config *config,
				     kvmft_pair_notify_fn notify)
{
	struct kvmft_pair *pair;

	if (kvmft_fault(KVMFT_FAULT_PAIR_ALLOC))
		return NULL;
	pair = kzalloc(sizeof(*pair), GFP_KERNEL);
	if (!pair)
		return NULL;

	kref_init(&pair->ref);
	INIT_LIST_HEAD(&pair->list);
	INIT_LIST_HEAD(&pair->channels);
	mutex_init(&pair->channels_lock);
	spin_lock_init(&pair->lock);
	init_waitqueue_head(&pair->wait);
	ratelimit_state_init(&pair->refusals, HZ, REFUSALS_PER_SECOND);
	ratelimit_state_init(&pair->log, DEFAULT_RATELIMIT_INTERVAL,
			     DEFAULT_RATELIMIT_BURST);
	/* What they keep back is counted; the kernel's log needn't say so. */
	ratelimit_set_flags(&pair->refusals, RATELIMIT_MSG_ON_RELEASE);
	ratelimit_set_flags(&pair->log, RATELIMIT_MSG_ON_RELEASE);
	pair->told_state = KVMFT_PAIR_CONNECTING;

	pair->net = net;
	pair->self = config->identity;
	pair->address = config->address;
	pair->notify = notify;
	get_random_bytes(pair->self.instance, sizeof(pair->self.instance));
	pair->status.state = KVMFT_PAIR_CONNECTING;
	pair->status.since_boot = ktime_get_boottime_ns();
	pair->status.since_real = ktime_get_real_ns();
	return pair;
}

static void pair_free(struct kref *ref)
{
	struct kvmft_pair *pair = container_of(ref, struct kvmft_pair, ref);

	WARN_ON_ONCE(!list_empty(&pair->channels) || pair->control || pair->offered);
	kfree_sensitive(pair);
}

/**
 * kvmft_pair_get() - take a reference
 * @pair: the pair
 *
 * Return: @pair
 */
struct kvmft_pair *kvmft_pair_get(struct kvmft_pair *pair)
{
	kref_get(&pair->ref);
	return pair;
}

/**
 * kvmft_pair_put() - give a reference back
 * @pair: the pair, or NULL
 */
void kvmft_pair_put(struct kvmft_pair *pair)
{
	if (pair)
		kref_put(&pair->ref, pair_free);
}

/**
 * kvmft_pair_status() - how is it with the pair?
 * @pair: the pair
 * @status: result
 */
void kvmft_pair_status(struct kvmft_pair *pair, struct kvmft_pair_status *status)
{
	spin_lock(&pair->lock);
	*status = pair->status;
	spin_unlock(&pair->lock);
}

/**
 * kvmft_pair_count() - count an error
 * @pair: the pair
 * @reason: which
 */
void kvmft_pair_count(struct kvmft_pair *pair, u32 reason)
{
	if (reason && reason <= KVMFT_REASON_MAX)
		atomic64_inc(&pair->errors[reason]);
}

static void pair_log(struct kvmft_pair *pair, u32 state,
		     const struct kvmft_verdict *verdict)
{
	if (!__ratelimit(&pair->log))
		return;
	if (state == KVMFT_PAIR_UP)
		pr_info("pair %s: up\n", pair->self.name);
	else if (state == KVMFT_PAIR_DOWN)
		pr_info("pair %s: down (%s): %s\n", pair->self.name,
			kvmft_reason_name(verdict->reason), verdict->text);
}

/*
 * A peer that is refused is tried for ever; that it gets as far as the handshake
 * each time, and no further, is no news.
 */
static bool is_news(struct kvmft_pair *pair, u32 state, u32 reason)
{
	lockdep_assert_held(&pair->lock);

	if (state == KVMFT_PAIR_AUTHENTICATING &&
	    pair->told_state == KVMFT_PAIR_DOWN) {
		switch (pair->told_reason) {
		case KVMFT_REASON_UNREACHABLE:
		case KVMFT_REASON_NOBODY:
		case KVMFT_REASON_TIMEOUT:
		case KVMFT_REASON_BYE:
			return true;
		default:
			return false;
		}
	}
	return state != pair->told_state || reason != pair->told_reason;
}

/**
 * kvmft_pair_enter() - note how it is with the link now, and tell
 * @pair: the pair
 * @state: &enum kvmft_pair_state
 * @verdict: why it is down; NULL for the other states
 *
 * A link that stays down for the same reason is told once.
 */
void kvmft_pair_enter(struct kvmft_pair *pair, u32 state,
		      const struct kvmft_verdict *verdict)
{
	struct kvmft_pair_status *status = &pair->status;
	u32 reason = verdict ? verdict->reason : 0;
	bool changed;

	spin_lock(&pair->lock);
	changed = is_news(pair, state, reason);
	status->state = state;
	if (verdict) {
		status->verdict = *verdict;
		status->error = *verdict;
	} else {
		memset(&status->verdict, 0, sizeof(status->verdict));
	}
	if (changed) {
		pair->told_state = state;
		pair->told_reason = reason;
		status->since_boot = ktime_get_boottime_ns();
		status->since_real = ktime_get_real_ns();
		if (state == KVMFT_PAIR_UP)
			status->links++;
	}
	spin_unlock(&pair->lock);

	kvmft_pair_count(pair, reason);
	if (!changed)
		return;

	trace_kvmft_pair_state(pair->self.name, state, reason);
	pair_log(pair, state, verdict);
	pair->notify(pair, KVMFT_PAIR_CHANGED, NULL);
}

/**
 * kvmft_pair_refused() - note that a connection was refused, and tell
 * @pair: the pair
 * @verdict: why
 */
void kvmft_pair_refused(struct kvmft_pair *pair,
			const struct kvmft_verdict *verdict)
{
	kvmft_pair_count(pair, verdict->reason);
	spin_lock(&pair->lock);
	/* A stranger has no say in what an operator reads about a link that is up. */
	if (pair->status.state != KVMFT_PAIR_UP)
		pair->status.error = *verdict;
	spin_unlock(&pair->lock);

	trace_kvmft_pair_refused(pair->self.name, verdict->reason);
	if (__ratelimit(&pair->refusals))
		pair->notify(pair, KVMFT_PAIR_REFUSED, verdict);
}

/**
 * kvmft_pair_set_control() - begin or end a session
 * @pair: the pair
 * @conn: its control connection, or NULL
 * @greeting: what its handshake was about
 */
void kvmft_pair_set_control(struct kvmft_pair *pair, struct kvmft_conn *conn,
			    const struct kvmft_greeting *greeting)
{
	struct kvmft_pair_status *status = &pair->status;
	struct sockaddr_storage peer;
	struct kvmft_conn *old;

	if (conn)
		kvmft_conn_peer(conn, &peer);

	spin_lock(&pair->lock);
	old = pair->control;
	pair->control = NULL;
	if (conn) {
		pair->control = kvmft_conn_get(conn);
		memcpy(pair->session, greeting->session, sizeof(pair->session));
		status->known = true;
		status->peer = peer;
		memcpy(status->host, greeting->peer.host, sizeof(status->host));
		memcpy(status->instance, greeting->peer.instance,
		       sizeof(status->instance));
		memset(&status->rtt, 0, sizeof(status->rtt));
	}
	spin_unlock(&pair->lock);
	kvmft_conn_put(old);
}

/**
 * kvmft_pair_get_control() - the present control connection
 * @pair: the pair
 *
 * Return: it with a reference of the caller's own, or NULL
 */
struct kvmft_conn *kvmft_pair_get_control(struct kvmft_pair *pair)
{
	struct kvmft_conn *conn;

	spin_lock(&pair->lock);
	conn = pair->control;
	if (conn)
		kvmft_conn_get(conn);
	spin_unlock(&pair->lock);
	return conn;
}

/**
 * kvmft_pair_session() - the present session
 * @pair: the pair
 * @session: result
 *
 * Return: whether there is one
 */
bool kvmft_pair_session(struct kvmft_pair *pair, u8 *session)
{
	bool live;

	spin_lock(&pair->lock);
	live = pair->control;
	memcpy(session, pair->session, sizeof(pair->session));
	spin_unlock(&pair->lock);
	return live;
}

/**
 * kvmft_pair_send() - send a frame on the control connection
 * @pair: the pair
 * @header: its header
 * @body: its body
 *
 * Context: a thread of the module's
 *
 * Return: 0; -ENOTCONN without a session; or what kvmft_conn_send() failed with,
 * in which case the session is going to end by itself
 */
int kvmft_pair_send(struct kvmft_pair *pair, struct kvmft_wire_header *header,
		    const u8 *body)
{
	struct kvmft_conn *conn = kvmft_pair_get_control(pair);
	int err;

	if (!conn)
		return -ENOTCONN;

	err = kvmft_conn_send(conn, header, body, NULL);
	if (err)
		kvmft_conn_cut(conn);
	kvmft_conn_put(conn);
	return err;
}
