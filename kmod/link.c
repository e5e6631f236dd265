// SPDX-License-Identifier: GPL-2.0
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/timekeeping.h>

#include "channel.h"
#include "compat.h"
#include "control.h"
#include "fault.h"
#include "link.h"
#include "pair.h"
#include "trace.h"

/* How long an attempt to connect may take: TCP's own pauses grow without end. */
#define CONNECT_MIN HZ
#define CONNECT_MAX (5 * HZ)

/* Pauses between attempts to connect; each is twice the one before. */
#define BACKOFF_MIN (HZ / 20)
#define BACKOFF_MAX HZ
/* The same when somebody has to change a configuration before it can work. */
#define BACKOFF_REFUSED (2 * HZ)

/* A lease that comes with what is answered is an interval old: for so many more it has to last. */
#define ANSWER_LEAST 3

/* Of so many heartbeats that look like answers, after one it is seen whether they are. */
#define ANSWERS_TRIED 16

/**
 * struct session - a control connection at work
 * @pair: The pair.
 * @conn: The connection.
 * @heartbeat: ns between heartbeats.
 * @timeout: ns after which a silent peer is lost.
 * @sent: When one was sent last; all times are CLOCK_MONOTONIC.
 * @next: When the next one is due.
 * @patience: How much later than usual that will be, since one is to be answered before.
 * @answers: How many came that looked like answers.
 * @heard: When a frame was last heard.
 * @up: Whether one was heard at all.
 * @stamp: The peer's last stamp.
 * @stamp_at: When it came, by CLOCK_BOOTTIME as stamps are.
 */
struct session {
	struct kvmft_pair *pair;
	struct kvmft_conn *conn;
	u64 heartbeat;
	u64 timeout;
	u64 sent;
	u64 next;
	u64 patience;
	u32 answers;
	u64 heard;
	bool up;
	u64 stamp;
	u64 stamp_at;
};

/* The peer counts from its stamp, which is no later than when that came. */
static void note_lease(struct session *session, u64 lease)
{
	struct kvmft_pair *pair = session->pair;

	spin_lock(&pair->lock);
	if (lease)
		pair->granted = max(pair->granted, session->stamp_at + lease);
	spin_unlock(&pair->lock);
}

static int send_heartbeat(struct session *session)
{
	struct kvmft_wire_header header = {
		.type = KVMFT_WIRE_HEARTBEAT,
		.body = KVMFT_WIRE_HEARTBEAT_LEN,
	};
	u64 now = ktime_get_boottime_ns();
	struct kvmft_wire_heartbeat beat = {
		.stamp = now,
		.echo = session->stamp,
		.held = session->stamp ? now - session->stamp_at : 0,
		.lease = session->stamp ? session->timeout / 2 : 0,
	};
	u8 body[KVMFT_WIRE_HEARTBEAT_LEN];

	kvmft_wire_put_heartbeat(body, &beat);
	note_lease(session, beat.lease);
	return kvmft_conn_send(session->conn, &header, body, NULL);
}

static void note_rtt(struct kvmft_pair *pair, u64 rtt)
{
	struct kvmft_rtt *known = &pair->status.rtt;

	spin_lock(&pair->lock);
	known->last = rtt;
	known->min = known->count ? min(known->min, rtt) : rtt;
	known->max = max(known->max, rtt);
	known->sum += rtt;
	if (!(known->count % KVMFT_RTT_FEW)) {
		known->few[1] = known->count ? known->few[0] : rtt;
		known->few[0] = rtt;
	}
	known->few[0] = min(known->few[0], rtt);
	WRITE_ONCE(known->near, min(known->few[0], known->few[1]));
	known->count++;
	spin_unlock(&pair->lock);
}

/*
 * Send the next one now, or with the next one that comes: so who does so wakes up once for both.
 * That isn't for both ends, so answers aren't answered. However many a peer sends, it can't keep
 * us from sending for two intervals.
 */
static void plan_answer(struct session *session, u64 held)
{
	u64 interval = session->heartbeat;
	u64 now = ktime_get_ns();

	if (held < interval / 8) {
		/* If ours only come right before its own, soon they won't. */
		if (!(++session->answers % ANSWERS_TRIED))
			session->next = min(session->next + interval / 16,
					    session->sent + interval * 3 / 2);
	} else if (session->next <= now + interval / 2) {
		session->next = now;
		session->patience = interval / 8;
	} else if (get_random_u32() & 1) {
		/* Else both ends might wait for each other for ever. */
		session->next = min(now, session->sent + interval / 2) + interval + interval / 8;
	}
}

static enum kvmft_reason on_heartbeat(struct session *session,
				      const struct kvmft_wire_header *header,
				      const u8 *body)
{
	u64 now = ktime_get_boottime_ns();
	struct kvmft_wire_heartbeat beat;
	enum kvmft_reason reason;
	u64 rtt = 0;
	u64 until;

	reason = kvmft_wire_get_heartbeat(body, header->body, &beat);
	if (reason)
		return reason;

	session->stamp = beat.stamp;
	session->stamp_at = now;
	/* A peer that makes times up gets no round trip from them. */
	if (beat.echo && beat.echo <= now && beat.held <= now - beat.echo) {
		rtt = now - beat.echo - beat.held;
		note_rtt(session->pair, rtt);
		/* Half of our own time-out at most, whatever the peer thinks of its. */
		until = beat.echo + min(beat.lease, session->timeout / 2);
		if (beat.lease && kvmft_channels_lease(session->pair, until) &&
		    until >= now + ANSWER_LEAST * session->heartbeat)
			plan_answer(session, beat.held);
	}
	trace_kvmft_heartbeat(session->pair->self.name, rtt);

	if (!session->up) {
		session->up = true;
		kvmft_pair_enter(session->pair, KVMFT_PAIR_UP, NULL);
		kvmft_channels_up(session->pair);
	}
	return 0;
}

static int on_frame(struct session *session)
{
	struct kvmft_conn *conn = session->conn;
	const struct kvmft_wire_header *header = &conn->header;
	const u8 *body = kvmft_conn_body(conn);
	enum kvmft_reason reason;

	if (header->type == KVMFT_WIRE_HEARTBEAT)
		reason = on_heartbeat(session, header, body);
	else
		reason = kvmft_control_frame(session->pair, header, body);
	return reason ? kvmft_conn_fail(conn, reason) : 0;
}

/* Until the connection fails, or the thread is to stop, or another one is better. */
static void session_run(struct session *session)
{
	struct kvmft_pair *pair = session->pair;
	struct kvmft_conn *conn = session->conn;
	u64 now, due;
	bool got;

	session->heard = ktime_get_ns();
	session->next = session->heard;

	while (!kthread_should_stop() && !READ_ONCE(pair->offered)) {
		now = ktime_get_ns();
		if (now >= session->next) {
			if (send_heartbeat(session))
				return;
			session->sent = now;
			/* Late ones aren't made up for. */
			session->next = max(session->next + session->heartbeat,
					    now + session->heartbeat / 2) + session->patience;
			session->patience = 0;
		}

		due = min(session->next, session->heard + session->timeout);
		if (kvmft_conn_receive(conn, KVMFT_WIRE_CONTROL,
				       due > now ? nsecs_to_jiffies(due - now) + 1 : 0,
				       &got))
			return;
		if (got) {
			session->heard = ktime_get_ns();
			if (on_frame(session))
				return;
		} else if (ktime_get_ns() >= session->heard + session->timeout) {
			kvmft_conn_fail(conn, KVMFT_REASON_TIMEOUT);
			return;
		}
	}
	if (kthread_should_stop())
		kvmft_conn_fail(conn, KVMFT_REASON_BYE);
	else
		kvmft_conn_fail(conn, KVMFT_REASON_REPLACED);
}

/*
 * Takes the connection over, and ends it; the verdict is why it ended. Returns
 * whether it was up in between.
 */
static bool link_session(struct kvmft_pair *pair, struct kvmft_conn *conn,
			 const struct kvmft_greeting *greeting,
			 struct kvmft_verdict *verdict)
{
	struct session session = {
		.pair = pair,
		.conn = conn,
		.heartbeat = min(pair->self.heartbeat_ms,
				 greeting->peer.heartbeat_ms) * NSEC_PER_MSEC,
		.timeout = pair->self.timeout_ms * NSEC_PER_MSEC,
	};

	kvmft_conn_tune(conn, 2 * pair->self.timeout_ms, true);
	kvmft_pair_set_control(pair, conn, greeting);
	session_run(&session);

	/* In this order: nobody says more, the peer is told, guests lose it. */
	kvmft_pair_set_control(pair, NULL, NULL);
	kvmft_conn_bye(conn);
	kvmft_conn_verdict(conn, verdict);
	kvmft_channels_down(pair, verdict);
	kvmft_conn_close(conn);
	return session.up;
}

static bool is_refusal(u32 reason)
{
	switch (reason) {
	case KVMFT_REASON_BAD_KEY:
	case KVMFT_REASON_BAD_NAME:
	case KVMFT_REASON_BAD_ROLE:
	case KVMFT_REASON_VERSION:
	case KVMFT_REASON_FEATURES:
		return true;
	default:
		return false;
	}
}

static void pause_for(struct kvmft_pair *pair, long time)
{
	wait_event_interruptible_timeout(pair->wait, kthread_should_stop(), time);
}

/*
 * One attempt; the verdict is why it failed, or why the session ended. Returns
 * whether the link was up.
 */
static bool connect_once(struct kvmft_pair *pair, struct kvmft_verdict *verdict)
{
	struct kvmft_greeting greeting = { .kind = KVMFT_WIRE_KIND_CONTROL };
	struct kvmft_conn *conn;

	conn = kvmft_conn_connect(pair->net, &pair->address,
				  clamp_t(long,
					  msecs_to_jiffies(pair->self.timeout_ms),
					  CONNECT_MIN, CONNECT_MAX),
				  &pair->tally, verdict);
	if (!conn)
		return false;

	kvmft_pair_enter(pair, KVMFT_PAIR_AUTHENTICATING, NULL);
	if (kvmft_handshake_connect(conn, &pair->self, &greeting)) {
		kvmft_conn_verdict(conn, verdict);
		kvmft_conn_close(conn);
		return false;
	}
	return link_session(pair, conn, &greeting, verdict);
}

static int connect_thread(void *data)
{
	struct kvmft_pair *pair = data;
	long backoff = BACKOFF_MIN;

	while (!kthread_should_stop()) {
		struct kvmft_verdict verdict = { 0 };
		bool was_up = connect_once(pair, &verdict);

		if (kthread_should_stop())
			break;
		kvmft_pair_enter(pair, KVMFT_PAIR_DOWN, &verdict);

		if (was_up)
			backoff = BACKOFF_MIN;
		pause_for(pair, is_refusal(verdict.reason) ? BACKOFF_REFUSED :
			  backoff);
		backoff = min_t(long, 2 * backoff, BACKOFF_MAX);
	}
	return 0;
}

static struct kvmft_conn *take_offer(struct kvmft_pair *pair,
				     struct kvmft_greeting *greeting)
{
	struct kvmft_conn *conn;

	spin_lock(&pair->lock);
	conn = pair->offered;
	WRITE_ONCE(pair->offered, NULL);
	*greeting = pair->offer;
	spin_unlock(&pair->lock);
	return conn;
}

static int listen_thread(void *data)
{
	struct kvmft_pair *pair = data;

	while (!kthread_should_stop()) {
		struct kvmft_verdict verdict = { 0 };
		struct kvmft_greeting greeting;
		struct kvmft_conn *conn;

		wait_event_interruptible(pair->wait, kthread_should_stop() ||
					 READ_ONCE(pair->offered));
		conn = take_offer(pair, &greeting);
		if (!conn)
			continue;

		kvmft_pair_enter(pair, KVMFT_PAIR_AUTHENTICATING, NULL);
		link_session(pair, conn, &greeting, &verdict);
		if (!kthread_should_stop())
			kvmft_pair_enter(pair, KVMFT_PAIR_DOWN, &verdict);
	}
	return 0;
}

/**
 * kvmft_link_offer() - a peer has proved itself to the listener
 * @pair: the pair, which listens
 * @conn: the connection; on success, the caller's reference is gone
 * @greeting: what its handshake was about
 *
 * The peer that there is a live session with may connect anew, since it may know
 * earlier that the old connection is gone. Another one must wait until there is
 * none: else two hosts that believe in the same pair would push each other out.
 *
 * Return: 0, or a negative errno after a verdict
 */
int kvmft_link_offer(struct kvmft_pair *pair, struct kvmft_conn *conn,
		     const struct kvmft_greeting *greeting)
{
	struct kvmft_conn *control = NULL, *old = NULL;
	const u8 *present;
	bool busy;

	spin_lock(&pair->lock);
	/* Who is about to have a session counts like who has one. */
	present = pair->offered ? pair->offer.peer.instance :
		  pair->control ? pair->status.instance : NULL;
	busy = present && memcmp(present, greeting->peer.instance,
				 KVMFT_INSTANCE_LEN);
	if (!busy) {
		old = pair->offered;
		pair->offer = *greeting;
		WRITE_ONCE(pair->offered, conn);
		if (pair->control)
			control = kvmft_conn_get(pair->control);
	}
	spin_unlock(&pair->lock);

	if (busy)
		return kvmft_conn_fail(conn, KVMFT_REASON_BUSY);
	if (control) {
		/* The session's thread waits for what it says. */
		kvmft_conn_fail(control, KVMFT_REASON_REPLACED);
		kvmft_conn_bye(control);
		kvmft_conn_cut(control);
		kvmft_conn_put(control);
	}
	if (old) {
		kvmft_conn_fail(old, KVMFT_REASON_REPLACED);
		kvmft_conn_bye(old);
		kvmft_conn_close(old);
	}
	wake_up_all(&pair->wait);
	return 0;
}

/**
 * kvmft_link_prepare() - get ready to keep the link
 * @pair: the pair
 *
 * Return: 0 or a negative errno; kvmft_link_stop() undoes it
 */
int kvmft_link_prepare(struct kvmft_pair *pair)
{
	bool listens = pair->self.role == KVMFT_PAIR_LISTEN;
	struct task_struct *thread;
	int err;

	err = kvmft_fault(KVMFT_FAULT_LINK_PREPARE);
	if (err)
		return err;

	thread = kthread_create(listens ? listen_thread : connect_thread, pair,
				"kvmft/%s", pair->self.name);
	if (IS_ERR(thread))
		return PTR_ERR(thread);

	/* A guest that keeps the host busy must not cost it its peer. */
	sched_set_fifo_low(thread);
	pair->thread = thread;
	return 0;
}

/**
 * kvmft_link_start() - begin to keep the link
 * @pair: the pair, after kvmft_link_prepare()
 */
void kvmft_link_start(struct kvmft_pair *pair)
{
	wake_up_process(pair->thread);
}

/**
 * kvmft_link_stop() - end the link, and tell the peer
 * @pair: the pair; nothing is offered to it any more
 */
void kvmft_link_stop(struct kvmft_pair *pair)
{
	struct kvmft_greeting greeting;
	struct kvmft_conn *conn;

	kthread_stop(pair->thread);
	conn = take_offer(pair, &greeting);
	if (conn)
		kvmft_conn_close(conn);
}
