// SPDX-License-Identifier: GPL-2.0
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/net.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <linux/uio.h>
#include <net/net_namespace.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "auth.h"
#include "compat.h"
#include "conn.h"
#include "fault.h"

/* Enough for the frames of the handshake; larger ones need a proven peer. */
#define IN_SIZE (KVMFT_WIRE_HEADER_LEN + KVMFT_WIRE_HELLO_MAX)

/* How long the last words may take: 200 ms. */
#define LINGER_TRIES 20
#define LINGER_MS 10

/* A blocking send without any progress for this long has a peer that's stuck. */
#define SEND_TIMEOUT (10 * HZ)

/**
 * kvmft_conn_wrap() - make a connection of a socket
 * @sock: connected, or about to be; the connection's from now on, if that works
 * @tally: where to count
 *
 * Return: the connection with one reference, or an ERR_PTR()
 */
struct kvmft_conn *kvmft_conn_wrap(struct socket *sock, struct kvmft_tally *tally)
{
	struct kvmft_conn *conn;
	int err;

	err = kvmft_fault(KVMFT_FAULT_CONN_ALLOC);
	if (err)
		return ERR_PTR(err);

	conn = kzalloc(sizeof(*conn), GFP_KERNEL);
	if (!conn)
		return ERR_PTR(-ENOMEM);

	conn->in_size = IN_SIZE;
	conn->in = kvmalloc(conn->in_size, GFP_KERNEL);
	if (!conn->in) {
		kfree(conn);
		return ERR_PTR(-ENOMEM);
	}

	kref_init(&conn->ref);
	conn->sock = sock;
	conn->tally = tally;
	spin_lock_init(&conn->verdict_lock);
	mutex_init(&conn->tx_lock);

	tcp_sock_set_nodelay(sock->sk);
	sock_set_keepalive(sock->sk);
	sock->sk->sk_sndtimeo = SEND_TIMEOUT;
	return conn;
}

#define CLOSING (TCPF_FIN_WAIT1 | TCPF_CLOSING | TCPF_LAST_ACK)

static bool in_states(const struct sock *sk, unsigned int states)
{
	return 1U << READ_ONCE(sk->sk_state) & states;
}

static bool somebody_there(const struct kvmft_conn *conn)
{
	switch (conn->verdict.reason) {
	case KVMFT_REASON_TIMEOUT:
	case KVMFT_REASON_CLOSED:
	case KVMFT_REASON_STUCK:
	case KVMFT_REASON_UNREACHABLE:
	case KVMFT_REASON_NOBODY:
	/* There are many of those, and others wait for their place. */
	case KVMFT_REASON_CROWDED:
		return false;
	default:
		return true;
	}
}

/*
 * A kernel's socket loses its timers when it is released: what the peer hasn't
 * acknowledged by then is neither sent again nor ever freed, and that may be pages
 * of a guest. A reset lets go of everything.
 */
static void conn_free(struct kref *ref)
{
	struct kvmft_conn *conn = container_of(ref, struct kvmft_conn, ref);
	struct sock *sk = conn->sock->sk;

	if (in_states(sk, CLOSING | TCPF_ESTABLISHED | TCPF_CLOSE_WAIT))
		sock_no_linger(sk);
	sock_release(conn->sock);
	kvmft_mac_free(conn->tx_mac);
	kvmft_mac_free(conn->rx_mac);
	kvfree(conn->in);
	kfree(conn);
}

/**
 * kvmft_conn_get() - take a reference
 * @conn: the connection
 *
 * Return: @conn
 */
struct kvmft_conn *kvmft_conn_get(struct kvmft_conn *conn)
{
	kref_get(&conn->ref);
	return conn;
}

/**
 * kvmft_conn_put() - give a reference back
 * @conn: the connection, or NULL
 *
 * Context: may sleep
 */
void kvmft_conn_put(struct kvmft_conn *conn)
{
	if (conn)
		kref_put(&conn->ref, conn_free);
}

/**
 * kvmft_conn_cut() - end the connection for all who use it
 * @conn: the connection
 *
 * Context: may sleep, but not for long
 */
void kvmft_conn_cut(struct kvmft_conn *conn)
{
	/* Pairs with the READ_ONCE() in conn_ready(). */
	WRITE_ONCE(conn->cut, true);
	kernel_sock_shutdown(conn->sock, SHUT_RDWR);
	/* A socket that never was connected has nobody to wake by that. */
	wake_up_interruptible_all(sk_sleep(conn->sock->sk));
}

/**
 * kvmft_conn_close() - end the connection, and give its owner's reference back
 * @conn: the connection
 *
 * A peer that is there gets a moment for what was said last; see conn_free() for
 * why there has to be an end to that.
 *
 * Context: sleeps, for LINGER_TRIES * LINGER_MS at most
 */
void kvmft_conn_close(struct kvmft_conn *conn)
{
	int tries = somebody_there(conn) ? LINGER_TRIES : 0;

	kvmft_conn_cut(conn);
	/* Not by the socket's own means: they give up when a thread is to stop. */
	while (tries-- && in_states(conn->sock->sk, CLOSING))
		msleep(LINGER_MS);
	kvmft_conn_put(conn);
}

/**
 * kvmft_conn_fail() - say why the connection is of no use any more
 * @conn: the connection
 * @reason: why
 *
 * Return: -ECONNABORTED
 */
int kvmft_conn_fail(struct kvmft_conn *conn, u32 reason)
{
	spin_lock(&conn->verdict_lock);
	kvmft_judge(&conn->verdict, reason);
	spin_unlock(&conn->verdict_lock);
	return -ECONNABORTED;
}

/**
 * kvmft_conn_fail_saying() - the same with details
 * @conn: the connection
 * @reason: why
 * @format: more about it, as for printf()
 *
 * Return: -ECONNABORTED
 */
int kvmft_conn_fail_saying(struct kvmft_conn *conn, u32 reason,
			   const char *format, ...)
{
	char text[KVMFT_WIRE_TEXT_MAX + 1];
	va_list args;

	va_start(args, format);
	vscnprintf(text, sizeof(text), format, args);
	va_end(args);

	spin_lock(&conn->verdict_lock);
	kvmft_judge_saying(&conn->verdict, reason, "%s", text);
	spin_unlock(&conn->verdict_lock);
	return -ECONNABORTED;
}

/**
 * kvmft_conn_verdict() - why is the connection of no use any more?
 * @conn: the connection
 * @verdict: result
 */
void kvmft_conn_verdict(struct kvmft_conn *conn, struct kvmft_verdict *verdict)
{
	spin_lock(&conn->verdict_lock);
	*verdict = conn->verdict;
	spin_unlock(&conn->verdict_lock);
}

static int conn_fail_by(struct kvmft_conn *conn, int err)
{
	return kvmft_conn_fail(conn, kvmft_reason_of(err));
}

/**
 * kvmft_conn_tune() - set what depends on what the connection is for
 * @conn: the connection
 * @user_timeout_ms: for how long sent bytes may stay unacknowledged
 * @thin: little passes, and that soon: lost segments are sent again without
 *	ever longer pauses in between
 */
void kvmft_conn_tune(struct kvmft_conn *conn, u32 user_timeout_ms, bool thin)
{
	struct socket *sock = conn->sock;
	int on = 1;

	tcp_sock_set_user_timeout(sock->sk, user_timeout_ms);
	tcp_sock_set_keepidle(sock->sk, DIV_ROUND_UP(user_timeout_ms, 1000));
	tcp_sock_set_keepintvl(sock->sk, 1);
	tcp_sock_set_keepcnt(sock->sk, 3);
	if (thin)
		sock->ops->setsockopt(sock, SOL_TCP, TCP_THIN_LINEAR_TIMEOUTS,
				      KERNEL_SOCKPTR(&on), sizeof(on));
}

/**
 * kvmft_conn_secure() - from now on, frames carry MACs
 * @conn: the connection
 * @tx_key: key for what is sent
 * @rx_key: key for what is received
 *
 * Return: 0, or a negative errno after a verdict
 */
int kvmft_conn_secure(struct kvmft_conn *conn, const u8 *tx_key, const u8 *rx_key)
{
	struct crypto_shash *tx_mac, *rx_mac;

	tx_mac = kvmft_mac_alloc(tx_key);
	if (IS_ERR(tx_mac))
		return conn_fail_by(conn, PTR_ERR(tx_mac));
	rx_mac = kvmft_mac_alloc(rx_key);
	if (IS_ERR(rx_mac)) {
		kvmft_mac_free(tx_mac);
		return conn_fail_by(conn, PTR_ERR(rx_mac));
	}

	mutex_lock(&conn->tx_lock);
	conn->tx_mac = tx_mac;
	mutex_unlock(&conn->tx_lock);
	conn->rx_mac = rx_mac;
	return 0;
}

/**
 * kvmft_conn_peer() - where is the other end?
 * @conn: the connection
 * @address: result; AF_UNSPEC if it's gone
 */
void kvmft_conn_peer(struct kvmft_conn *conn, struct sockaddr_storage *address)
{
	memset(address, 0, sizeof(*address));
	if (kernel_getpeername(conn->sock, (struct sockaddr *)address) < 0)
		address->ss_family = AF_UNSPEC;
}

/* Something to receive, or nothing any more, or a state that was waited for. */
static bool conn_ready(struct kvmft_conn *conn)
{
	struct sock *sk = conn->sock->sk;

	return READ_ONCE(conn->cut) || READ_ONCE(sk->sk_err) ||
	       READ_ONCE(sk->sk_shutdown) & RCV_SHUTDOWN ||
	       (READ_ONCE(sk->sk_state) != TCP_ESTABLISHED &&
		READ_ONCE(sk->sk_state) != TCP_SYN_SENT) ||
	       !skb_queue_empty_lockless(&sk->sk_receive_queue);
}

/**
 * kvmft_conn_broken() - has the connection ended, as far as this host knows?
 * @conn: the connection, which once was made
 *
 * Return: whether it has
 */
bool kvmft_conn_broken(struct kvmft_conn *conn)
{
	struct sock *sk = conn->sock->sk;

	return READ_ONCE(conn->cut) || READ_ONCE(sk->sk_err) ||
	       READ_ONCE(sk->sk_shutdown) || !in_states(sk, TCPF_ESTABLISHED);
}

/* Returns what is left of the time; early when the thread is to stop. */
static long conn_wait(struct kvmft_conn *conn, bool connecting, long timeout)
{
	struct sock *sk = conn->sock->sk;
	DEFINE_WAIT_FUNC(wait, woken_wake_function);

	add_wait_queue(sk_sleep(sk), &wait);
	while (timeout > 0 && !kthread_should_stop() && !conn_ready(conn) &&
	       !(connecting && READ_ONCE(sk->sk_state) == TCP_ESTABLISHED))
		timeout = wait_woken(&wait, TASK_INTERRUPTIBLE, timeout);
	remove_wait_queue(sk_sleep(sk), &wait);
	return timeout;
}

/**
 * kvmft_conn_connect() - connect
 * @net: network namespace, which the caller keeps alive
 * @address: to whom
 * @timeout: jiffies to try for
 * @tally: where to count
 * @verdict: why it failed, if it does
 *
 * Context: a thread of the module's; returns early when it is to stop
 *
 * Return: the connection with one reference, or NULL
 */
struct kvmft_conn *kvmft_conn_connect(struct net *net,
				      const struct sockaddr_storage *address,
				      long timeout, struct kvmft_tally *tally,
				      struct kvmft_verdict *verdict)
{
	struct kvmft_conn *conn;
	struct socket *sock;
	int err;

	err = sock_create_kern(net, address->ss_family, SOCK_STREAM, IPPROTO_TCP,
			       &sock);
	if (err)
		goto fail;

	conn = kvmft_conn_wrap(sock, tally);
	if (IS_ERR(conn)) {
		sock_release(sock);
		err = PTR_ERR(conn);
		goto fail;
	}

	err = kernel_connect(sock, (struct sockaddr *)address, sizeof(*address),
			     O_NONBLOCK);
	if (err == -EINPROGRESS) {
		conn_wait(conn, true, timeout);
		err = sock_error(sock->sk);
		if (!err && READ_ONCE(sock->sk->sk_state) != TCP_ESTABLISHED)
			err = -EHOSTUNREACH;
	}
	if (!err)
		return conn;

	kvmft_conn_put(conn);
fail:
	kvmft_judge(verdict, kvmft_reason_of(err));
	return NULL;
}

/* Header, body and MAC: what is copied into the socket's own memory. */
static int conn_send_head(struct kvmft_conn *conn,
			  struct kvmft_wire_header *header, const u8 *body,
			  u8 *copy, int flags)
{
	u8 head[KVMFT_WIRE_HEADER_LEN], mac[KVMFT_WIRE_MAC_LEN];
	struct msghdr msg = { .msg_flags = MSG_NOSIGNAL | flags };
	struct kvec parts[3];
	size_t len;
	int err;

	lockdep_assert_held(&conn->tx_lock);

	header->sequence = conn->tx_sequence;
	kvmft_wire_put_header(head, header);
	parts[0] = (struct kvec){ head, sizeof(head) };
	parts[1] = (struct kvec){ (u8 *)body, header->body };
	parts[2] = (struct kvec){ mac, 0 };
	if (conn->tx_mac) {
		err = kvmft_mac_compute(conn->tx_mac, head, body, header->body,
					mac);
		if (err)
			return conn_fail_by(conn, err);
		parts[2].iov_len = sizeof(mac);
	}
	if (copy) {
		memcpy(copy, head, sizeof(head));
		memcpy(copy + sizeof(head), body, header->body);
	}

	len = parts[0].iov_len + parts[1].iov_len + parts[2].iov_len;
	err = kernel_sendmsg(conn->sock, &msg, parts, ARRAY_SIZE(parts), len);
	if (err == -EAGAIN || (err >= 0 && err < len))
		return kvmft_conn_fail(conn, KVMFT_REASON_STUCK);
	if (err < 0)
		return conn_fail_by(conn, err);

	conn->tx_sequence++;
	atomic64_add(len + header->bulk, &conn->tally->tx_bytes);
	atomic64_inc(&conn->tally->tx_frames);
	return 0;
}

/**
 * kvmft_conn_send() - send a frame without bulk
 * @conn: the connection
 * @header: its header; the sequence is filled in
 * @body: its body
 * @copy: if not NULL, gets header and body as they were sent
 *
 * Never waits for the peer: one whose buffers are full with so little has stopped
 * reading.
 *
 * Context: may sleep
 *
 * Return: 0, or a negative errno after a verdict
 */
int kvmft_conn_send(struct kvmft_conn *conn, struct kvmft_wire_header *header,
		    const u8 *body, u8 *copy)
{
	int err;

	mutex_lock(&conn->tx_lock);
	err = conn_send_head(conn, header, body, copy, MSG_DONTWAIT);
	mutex_unlock(&conn->tx_lock);
	return err;
}

/* Some of the bulk that is left, of which the last @copied bytes don't go by reference. */
static int conn_send_some(struct kvmft_conn *conn, struct msghdr *msg, u32 copied, bool more)
{
	size_t left = iov_iter_count(&msg->msg_iter);
	int err;

	msg->msg_flags = MSG_NOSIGNAL | (more ? MSG_MORE : 0);
	if (left <= copied)
		return sock_sendmsg(conn->sock, msg);
	if (copied)
		msg->msg_flags |= MSG_MORE;
	iov_iter_truncate(&msg->msg_iter, left - copied);
	err = kvmft_sock_splice_pages(conn->sock, msg);
	iov_iter_reexpand(&msg->msg_iter, iov_iter_count(&msg->msg_iter) + copied);
	return err;
}

/**
 * kvmft_conn_send_pages() - send a frame, and wait for the peer to take it
 * @conn: the connection
 * @header: its header; the sequence is filled in
 * @body: its body
 * @bulk: the bulk, which need not be whole pages; none for a frame without
 * @count: entries of @bulk
 * @referenced: how many bytes of it go by reference; the rest, behind them, is copied
 * @more: another one comes at once, so what doesn't fill a packet waits for it
 *
 * By reference means that the pages are read when they leave this host, and again
 * if they got lost. References to them are held for that long.
 *
 * Return: 0, or a negative errno after a verdict
 */
int kvmft_conn_send_pages(struct kvmft_conn *conn,
			  struct kvmft_wire_header *header, const u8 *body,
			  struct bio_vec *bulk, u32 count, u32 referenced, bool more)
{
	struct msghdr msg = { };
	int err;

	mutex_lock(&conn->tx_lock);
	err = conn_send_head(conn, header, body, NULL,
			     header->bulk || more ? MSG_MORE : 0);
	if (err || !header->bulk)
		goto out;

	iov_iter_bvec(&msg.msg_iter, ITER_SOURCE, bulk, count, header->bulk);
	while (iov_iter_count(&msg.msg_iter)) {
		err = conn_send_some(conn, &msg, header->bulk - referenced, more);
		if (err <= 0)
			break;
	}
	if (!iov_iter_count(&msg.msg_iter))
		err = 0;
	else if (err == -EAGAIN || !err)
		err = kvmft_conn_fail(conn, KVMFT_REASON_STUCK);
	else
		err = conn_fail_by(conn, err);
out:
	mutex_unlock(&conn->tx_lock);
	return err;
}

/**
 * kvmft_conn_bye() - tell the peer why the connection ends
 * @conn: the connection, with a verdict
 *
 * Says nothing when the verdict is that there is nobody to tell.
 */
void kvmft_conn_bye(struct kvmft_conn *conn)
{
	struct kvmft_wire_header header = { .type = KVMFT_WIRE_BYE };
	u8 body[KVMFT_WIRE_NOTICE_MAX];
	struct kvmft_wire_notice notice;
	struct kvmft_verdict verdict;

	if (READ_ONCE(conn->told))
		return;

	kvmft_conn_verdict(conn, &verdict);
	switch (verdict.reason) {
	case KVMFT_REASON_NONE:
	case KVMFT_REASON_UNREACHABLE:
	case KVMFT_REASON_NOBODY:
	case KVMFT_REASON_TIMEOUT:
	case KVMFT_REASON_CLOSED:
	case KVMFT_REASON_STUCK:
		return;
	default:
		break;
	}

	notice.reason = verdict.reason;
	strscpy(notice.text, verdict.text, sizeof(notice.text));
	header.body = kvmft_wire_put_notice(body, &notice);
	kvmft_conn_send(conn, &header, body, NULL);
}

/* Up to @len bytes into memory; 0 when there are none now. */
static int conn_read(struct kvmft_conn *conn, void *to, size_t len)
{
	struct msghdr msg = { .msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL };
	struct kvec part = { to, len };
	int got;

	/* What had come before it was cut isn't wanted any more either. */
	if (READ_ONCE(conn->cut))
		return kvmft_conn_fail(conn, KVMFT_REASON_CLOSED);

	got = kernel_recvmsg(conn->sock, &msg, &part, 1, len, msg.msg_flags);
	if (got == -EAGAIN)
		return 0;
	if (got == 0)
		return kvmft_conn_fail(conn, KVMFT_REASON_CLOSED);
	if (got < 0)
		return conn_fail_by(conn, got);

	atomic64_add(got, &conn->tally->rx_bytes);
	return got;
}

/* How many bytes of the frame are to be received before the bulk, as far as known. */
static u32 conn_want(const struct kvmft_conn *conn)
{
	if (conn->in_have < KVMFT_WIRE_HEADER_LEN)
		return KVMFT_WIRE_HEADER_LEN;
	return KVMFT_WIRE_HEADER_LEN + conn->header.body +
	       (conn->rx_mac ? KVMFT_WIRE_MAC_LEN : 0);
}

/* The header is there: may the rest come, and is there room for it? */
static int conn_check_header(struct kvmft_conn *conn, enum kvmft_wire_phase phase)
{
	enum kvmft_reason reason;
	u32 size;
	u8 *in;

	reason = kvmft_wire_get_header(conn->in, &conn->header) ?:
		 kvmft_wire_expect(&conn->header, phase);
	if (reason)
		return kvmft_conn_fail(conn, reason);

	size = conn_want(conn);
	if (size <= conn->in_size)
		return 0;

	in = kvmalloc(size, GFP_KERNEL);
	if (!in)
		return conn_fail_by(conn, -ENOMEM);
	memcpy(in, conn->in, KVMFT_WIRE_HEADER_LEN);
	kvfree(conn->in);
	conn->in = in;
	conn->in_size = size;
	return 0;
}

/* All but the bulk is there: is it the peer's, and the one that is due? */
static int conn_check_frame(struct kvmft_conn *conn)
{
	u8 mac[KVMFT_WIRE_MAC_LEN];
	int err;

	if (conn->rx_mac) {
		err = kvmft_mac_compute(conn->rx_mac, conn->in,
					kvmft_conn_body(conn), conn->header.body,
					mac);
		if (err)
			return conn_fail_by(conn, err);
		if (!kvmft_auth_equal(mac, kvmft_conn_body(conn) +
				      conn->header.body, sizeof(mac)))
			return kvmft_conn_fail(conn, KVMFT_REASON_BAD_MAC);
	}
	if (conn->header.sequence != conn->rx_sequence)
		return kvmft_conn_fail(conn, KVMFT_REASON_SEQUENCE);

	conn->rx_sequence++;
	atomic64_inc(&conn->tally->rx_frames);
	return 0;
}

static int conn_check_bye(struct kvmft_conn *conn)
{
	struct kvmft_wire_notice notice;
	enum kvmft_reason reason;

	reason = kvmft_wire_get_notice(kvmft_conn_body(conn), conn->header.body,
				       &notice);
	/* Those before it are for what an end finds out by itself. */
	if (!reason && notice.reason < KVMFT_REASON_BYE)
		reason = KVMFT_REASON_PROTOCOL;
	if (reason)
		return kvmft_conn_fail(conn, reason);

	spin_lock(&conn->verdict_lock);
	kvmft_judge_quoting(&conn->verdict, notice.reason, notice.text);
	spin_unlock(&conn->verdict_lock);
	/* There is no answer to a BYE. */
	WRITE_ONCE(conn->told, true);
	return -ECONNABORTED;
}

/**
 * kvmft_conn_receive() - receive a frame, without its bulk
 * @conn: the connection; the bulk of the frame before must have been received
 * @phase: which frames may come
 * @timeout: jiffies to wait, from 0 to MAX_SCHEDULE_TIMEOUT
 * @got: whether there is one now; what has come of it is kept otherwise
 *
 * The frame is in @conn->header and kvmft_conn_body(). BYE is taken for a failure.
 * Returns early, without a frame, when the thread is to stop.
 *
 * Return: 0, or a negative errno after a verdict
 */
int kvmft_conn_receive(struct kvmft_conn *conn, enum kvmft_wire_phase phase,
		       long timeout, bool *got)
{
	int len, err;

	*got = false;
	for (;;) {
		u32 want = conn_want(conn);

		len = conn_read(conn, conn->in + conn->in_have,
				want - conn->in_have);
		if (len < 0)
			return len;
		if (!len) {
			if (timeout <= 0 || kthread_should_stop())
				return 0;
			timeout = conn_wait(conn, false, timeout);
			continue;
		}

		conn->in_have += len;
		if (conn->in_have < want)
			continue;
		if (want == KVMFT_WIRE_HEADER_LEN) {
			err = conn_check_header(conn, phase);
			if (err)
				return err;
			if (conn_want(conn) > conn->in_have)
				continue;
		}

		conn->in_have = 0;
		err = conn_check_frame(conn);
		if (err)
			return err;
		if (conn->header.type == KVMFT_WIRE_BYE)
			return conn_check_bye(conn);
		*got = true;
		return 0;
	}
}

/* How much of the bulk came, or the verdict that it won't. */
static int conn_count_bulk(struct kvmft_conn *conn, int got)
{
	if (!got || READ_ONCE(conn->cut))
		return kvmft_conn_fail(conn, KVMFT_REASON_CLOSED);
	if (got < 0)
		return conn_fail_by(conn, got);
	atomic64_add(got, &conn->tally->rx_bytes);
	return got;
}

/**
 * kvmft_conn_receive_pages() - receive bulk straight into pages
 * @conn: the connection
 * @pages: enough of them; filled one after the other
 * @len: bytes, at most KVMFT_WIRE_BULK_MAX
 *
 * Waits for as long as it takes, or until the connection is cut.
 *
 * Return: 0, or a negative errno after a verdict
 */
int kvmft_conn_receive_pages(struct kvmft_conn *conn, struct page **pages, u32 len)
{
	struct msghdr msg = { .msg_flags = MSG_WAITALL | MSG_NOSIGNAL };
	u32 count = DIV_ROUND_UP(len, PAGE_SIZE);
	struct bio_vec *parts;
	u32 left = len;
	int got = 0;
	u32 i;

	parts = kmalloc_array(count, sizeof(*parts), GFP_KERNEL);
	if (!parts)
		return conn_fail_by(conn, -ENOMEM);

	for (i = 0; i < count; i++) {
		u32 part = min_t(u32, left, PAGE_SIZE);

		bvec_set_page(&parts[i], pages[i], part, 0);
		left -= part;
	}
	iov_iter_bvec(&msg.msg_iter, ITER_DEST, parts, count, len);
	while (len) {
		got = conn_count_bulk(conn, sock_recvmsg(conn->sock, &msg,
							 msg.msg_flags));
		if (got < 0)
			break;
		len -= got;
	}
	kfree(parts);
	return min(got, 0);
}

/**
 * kvmft_conn_discard() - receive bulk that nobody wants
 * @conn: the connection
 * @len: bytes
 *
 * Return: 0, or a negative errno after a verdict
 */
int kvmft_conn_discard(struct kvmft_conn *conn, u32 len)
{
	int flags = MSG_WAITALL | MSG_TRUNC | MSG_NOSIGNAL;
	int got;

	while (len) {
		/* TCP skips what MSG_TRUNC asks for, and looks at the length alone. */
		struct msghdr msg = { .msg_flags = flags };
		struct kvec nowhere = { NULL, len };

		iov_iter_kvec(&msg.msg_iter, ITER_DEST, &nowhere, 1, len);
		got = conn_count_bulk(conn, sock_recvmsg(conn->sock, &msg,
							 flags));
		if (got < 0)
			return got;
		len -= got;
	}
	return 0;
}
