// SPDX-License-Identifier: GPL-2.0
#include <linux/err.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/net.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <net/sock.h>

#include "channel.h"
#include "compat.h"
#include "fault.h"
#include "handshake.h"
#include "link.h"
#include "listener.h"
#include "pair.h"

/* What the kernel queues before accept(). */
#define BACKLOG 16

/**
 * struct kvmft_listener - what accepts for a pair
 * @pair: The pair, which outlives this.
 * @sock: The listening socket.
 * @thread: Accepts.
 * @work: Where handshakes run.
 * @wait: Where their end is waited for.
 * @lock: Protects the following.
 * @strangers: Handshakes under way, the oldest first.
 * @count: How many.
 */
struct kvmft_listener {
	struct kvmft_pair *pair;
	struct socket *sock;
	struct task_struct *thread;
	struct workqueue_struct *work;
	wait_queue_head_t wait;
	spinlock_t lock;	/* what follows */
	struct list_head strangers;
	u32 count;
};

/**
 * struct stranger - a connection that hasn't proved anything yet
 * @list: In the listener's list, under its lock.
 * @work: The handshake.
 * @listener: Where it came in.
 * @conn: The connection; a reference.
 */
struct stranger {
	struct list_head list;
	struct work_struct work;
	struct kvmft_listener *listener;
	struct kvmft_conn *conn;
};

static u32 admit(void *context, const struct kvmft_greeting *greeting)
{
	u8 session[KVMFT_WIRE_SESSION_LEN];
	struct kvmft_pair *pair = context;

	if (greeting->kind == KVMFT_WIRE_KIND_CONTROL)
		return greeting->vm || memchr_inv(greeting->session, 0,
						  sizeof(greeting->session)) ?
		       KVMFT_REASON_PROTOCOL : 0;

	if (!kvmft_pair_session(pair, session) ||
	    memcmp(session, greeting->session, sizeof(session)) ||
	    !kvmft_channels_expect(pair, greeting->vm))
		return KVMFT_REASON_NO_VM;
	return 0;
}

/* Gives a proven connection to whom it is for. */
static int hand_over(struct kvmft_pair *pair, struct kvmft_conn *conn,
		     const struct kvmft_greeting *greeting)
{
	if (greeting->kind == KVMFT_WIRE_KIND_CONTROL)
		return kvmft_link_offer(pair, conn, greeting);
	/* The session may have ended while this one proved itself. */
	if (admit(pair, greeting) ||
	    !kvmft_channels_offer(pair, greeting->vm, conn))
		return kvmft_conn_fail(conn, KVMFT_REASON_NO_VM);
	return 0;
}

static void greet(struct work_struct *work)
{
	struct stranger *stranger = container_of(work, struct stranger, work);
	struct kvmft_listener *listener = stranger->listener;
	struct kvmft_pair *pair = listener->pair;
	struct kvmft_conn *conn = stranger->conn;
	struct kvmft_greeting greeting = { 0 };
	struct kvmft_verdict verdict;
	int err;

	err = kvmft_handshake_listen(conn, &pair->self, admit, pair, &greeting);

	/* From here on it can't be pushed out any more. */
	spin_lock(&listener->lock);
	list_del(&stranger->list);
	spin_unlock(&listener->lock);

	if (!err) {
		err = hand_over(pair, conn, &greeting);
		if (err)
			kvmft_conn_bye(conn);
	}
	if (err) {
		kvmft_conn_verdict(conn, &verdict);
		/* Whoever said so has proved nothing: his words, not his reason. */
		if (READ_ONCE(conn->told))
			verdict.reason = KVMFT_REASON_BYE;
		kvmft_pair_refused(pair, &verdict);
		kvmft_conn_close(conn);
	}
	kfree(stranger);

	spin_lock(&listener->lock);
	listener->count--;
	wake_up_all(&listener->wait);
	spin_unlock(&listener->lock);
}

/* A newcomer is more likely to be the peer than who has been silent for longer. */
static void make_room(struct kvmft_listener *listener)
{
	struct kvmft_conn *oldest = NULL;
	struct stranger *stranger;

	spin_lock(&listener->lock);
	if (listener->count >= KVMFT_STRANGERS) {
		stranger = list_first_entry_or_null(&listener->strangers,
						    struct stranger, list);
		if (stranger)
			oldest = kvmft_conn_get(stranger->conn);
	}
	spin_unlock(&listener->lock);

	if (oldest) {
		kvmft_conn_fail(oldest, KVMFT_REASON_CROWDED);
		kvmft_conn_bye(oldest);
		kvmft_conn_cut(oldest);
		kvmft_conn_put(oldest);
	}
	wait_event_interruptible(listener->wait,
				 READ_ONCE(listener->count) < KVMFT_STRANGERS ||
				 kthread_should_stop());
}

static void refuse_for_memory(struct kvmft_pair *pair)
{
	struct kvmft_verdict verdict = { 0 };

	kvmft_judge(&verdict, KVMFT_REASON_MEMORY);
	kvmft_pair_refused(pair, &verdict);
}

static void welcome(struct kvmft_listener *listener, struct socket *sock)
{
	struct kvmft_pair *pair = listener->pair;
	struct stranger *stranger;
	struct kvmft_conn *conn;

	make_room(listener);

	stranger = kzalloc(sizeof(*stranger), GFP_KERNEL);
	conn = kvmft_conn_wrap(sock, &pair->tally);
	if (!stranger || IS_ERR(conn)) {
		kfree(stranger);
		if (IS_ERR(conn))
			sock_release(sock);
		else
			kvmft_conn_put(conn);
		refuse_for_memory(pair);
		return;
	}

	INIT_WORK(&stranger->work, greet);
	stranger->listener = listener;
	stranger->conn = conn;
	spin_lock(&listener->lock);
	list_add_tail(&stranger->list, &listener->strangers);
	listener->count++;
	spin_unlock(&listener->lock);
	queue_work(listener->work, &stranger->work);
}

static int accept_thread(void *data)
{
	struct kvmft_listener *listener = data;
	struct socket *sock;
	int err;

	while (!kthread_should_stop()) {
		err = kernel_accept(listener->sock, &sock, 0);
		if (!err)
			welcome(listener, sock);
		else if (!kthread_should_stop())
			/* No memory, or a connection that is gone already. */
			schedule_timeout_interruptible(HZ / 50);
	}
	return 0;
}

static int open_socket(struct kvmft_pair *pair, struct socket **result)
{
	struct socket *sock;
	int err;

	err = sock_create_kern(pair->net, pair->address.ss_family, SOCK_STREAM,
			       IPPROTO_TCP, &sock);
	if (err)
		return err;

	sock_set_reuseaddr(sock->sk);
	/* Two families don't get in each other's way, whatever the sysctl says. */
	if (pair->address.ss_family == AF_INET6) {
		int on = 1;

		err = sock->ops->setsockopt(sock, SOL_IPV6, IPV6_V6ONLY,
					    KERNEL_SOCKPTR(&on), sizeof(on));
	}
	err = err ?: kernel_bind(sock, (struct sockaddr *)&pair->address,
				 sizeof(pair->address)) ?:
	      kernel_listen(sock, BACKLOG);
	if (err) {
		sock_release(sock);
		return err;
	}
	*result = sock;
	return 0;
}

/**
 * kvmft_listener_prepare() - get ready to accept
 * @pair: the pair
 *
 * Return: 0, to be undone by kvmft_listener_stop(); what bind(2) fails with; or
 * -ENOMEM
 */
int kvmft_listener_prepare(struct kvmft_pair *pair)
{
	struct kvmft_listener *listener;
	int err;

	err = kvmft_fault(KVMFT_FAULT_LISTENER_PREPARE);
	if (err)
		return err;

	listener = kzalloc(sizeof(*listener), GFP_KERNEL);
	if (!listener)
		return -ENOMEM;
	listener->pair = pair;
	init_waitqueue_head(&listener->wait);
	spin_lock_init(&listener->lock);
	INIT_LIST_HEAD(&listener->strangers);

	/* Without the pair's name, which may be longer than a workqueue's. */
	listener->work = alloc_workqueue("kvmft_greet", WQ_UNBOUND,
					 KVMFT_STRANGERS);
	if (!listener->work) {
		err = -ENOMEM;
		goto err_free;
	}
	err = open_socket(pair, &listener->sock);
	if (err)
		goto err_work;

	listener->thread = kthread_create(accept_thread, listener,
					  "kvmft-acc/%s", pair->self.name);
	if (IS_ERR(listener->thread)) {
		err = PTR_ERR(listener->thread);
		goto err_sock;
	}

	pair->listener = listener;
	return 0;

err_sock:
	sock_release(listener->sock);
err_work:
	destroy_workqueue(listener->work);
err_free:
	kfree(listener);
	return err;
}

/**
 * kvmft_listener_start() - begin to accept
 * @pair: the pair, after kvmft_listener_prepare()
 */
void kvmft_listener_start(struct kvmft_pair *pair)
{
	wake_up_process(pair->listener->thread);
}

static void send_away(struct kvmft_listener *listener)
{
	struct kvmft_conn *conn;
	struct stranger *stranger;

	for (;;) {
		conn = NULL;
		spin_lock(&listener->lock);
		list_for_each_entry(stranger, &listener->strangers, list) {
			if (!READ_ONCE(stranger->conn->cut)) {
				conn = kvmft_conn_get(stranger->conn);
				break;
			}
		}
		spin_unlock(&listener->lock);
		if (!conn)
			return;
		kvmft_conn_fail(conn, KVMFT_REASON_GONE);
		kvmft_conn_cut(conn);
		kvmft_conn_put(conn);
	}
}

/**
 * kvmft_listener_stop() - accept no more
 * @pair: the pair; if it doesn't listen, nothing happens
 *
 * On return no handshake is under way.
 */
void kvmft_listener_stop(struct kvmft_pair *pair)
{
	struct kvmft_listener *listener = pair->listener;

	if (!listener)
		return;

	/* Wakes who waits in accept(); from then on it fails at once. */
	kernel_sock_shutdown(listener->sock, SHUT_RDWR);
	kthread_stop(listener->thread);
	send_away(listener);
	destroy_workqueue(listener->work);
	sock_release(listener->sock);
	pair->listener = NULL;
	kfree(listener);
}
