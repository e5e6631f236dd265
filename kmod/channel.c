// SPDX-License-Identifier: GPL-2.0
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "channel.h"
#include "compat.h"
#include "fault.h"

/* How long a reason may come later than the end that it is for. */
#define LAST_WORDS (HZ / 5)

/* How often a source asks whether the other end is attached by now. */
#define ATTACH_INTERVAL (HZ / 5)

/* How long to wait for a data connection before attaching once more. */
#define DATA_TIMEOUT (3 * HZ)

/* A data connection ends with its session, which watches the peer closely. */
#define DATA_USER_TIMEOUT_MS 30000

static void channel_free(struct kref *ref)
{
	struct kvmft_channel *channel = container_of(ref, struct kvmft_channel, ref);
	struct kvmft_pair *pair = channel->pair;

	channel->ops->release(channel);
	kvmft_pair_put(pair);
}

/**
 * kvmft_channel_get() - take a reference
 * @channel: the channel
 *
 * Return: @channel
 */
struct kvmft_channel *kvmft_channel_get(struct kvmft_channel *channel)
{
	kref_get(&channel->ref);
	return channel;
}

/**
 * kvmft_channel_put() - give a reference back
 * @channel: the channel, or NULL
 *
 * Context: may sleep
 */
void kvmft_channel_put(struct kvmft_channel *channel)
{
	if (channel)
		kref_put(&channel->ref, channel_free);
}

/**
 * kvmft_channel_by_name() - look a guest up, under the pair's lock of channels
 * @pair: the pair
 * @kind: &enum kvmft_wire_attach_kind
 * @name: the guest
 *
 * Return: its channel or NULL
 */
struct kvmft_channel *kvmft_channel_by_name(struct kvmft_pair *pair, u8 kind,
					    const char *name)
{
	struct kvmft_channel *channel;

	lockdep_assert_held(&pair->channels_lock);
	list_for_each_entry(channel, &pair->channels, list) {
		if (channel->kind == kind && !strcmp(channel->name, name))
			return channel;
	}
	return NULL;
}

/**
 * kvmft_channel_by_vm() - the same by its number in this session
 * @pair: the pair
 * @vm: the number, not 0
 *
 * Return: its channel or NULL
 */
struct kvmft_channel *kvmft_channel_by_vm(struct kvmft_pair *pair, u32 vm)
{
	struct kvmft_channel *channel;

	lockdep_assert_held(&pair->channels_lock);
	list_for_each_entry(channel, &pair->channels, list) {
		if (READ_ONCE(channel->vm) == vm)
			return channel;
	}
	return NULL;
}

/**
 * kvmft_channel_find() - look a guest up
 * @pair: the pair
 * @kind: &enum kvmft_wire_attach_kind
 * @name: the guest
 *
 * Return: its channel with a reference, or NULL
 */
struct kvmft_channel *kvmft_channel_find(struct kvmft_pair *pair, u8 kind,
					 const char *name)
{
	struct kvmft_channel *channel;

	mutex_lock(&pair->channels_lock);
	channel = kvmft_channel_by_name(pair, kind, name);
	if (channel)
		kvmft_channel_get(channel);
	mutex_unlock(&pair->channels_lock);
	return channel;
}

/**
 * kvmft_channel_stopping() - is the thread to come to its end?
 * @channel: the channel
 *
 * Return: whether it is
 */
bool kvmft_channel_stopping(struct kvmft_channel *channel)
{
	return READ_ONCE(channel->stopping);
}

/**
 * kvmft_channel_outcome() - what did the sink say?
 * @channel: the channel of a source
 * @outcome: result
 */
void kvmft_channel_outcome(struct kvmft_channel *channel,
			   struct kvmft_outcome *outcome)
{
	spin_lock(&channel->lock);
	*outcome = channel->outcome;
	spin_unlock(&channel->lock);
}

/**
 * kvmft_channel_say() - send a frame about this guest on the control connection
 * @channel: the channel
 * @type: &enum kvmft_wire_type
 * @generation: of the guest
 * @epoch: that it is about
 * @body: its body
 * @len: length of that
 *
 * Return: 0 or a negative errno, see kvmft_pair_send()
 */
int kvmft_channel_say(struct kvmft_channel *channel, u8 type, u64 generation,
		      u64 epoch, const u8 *body, u32 len)
{
	struct kvmft_wire_header header = {
		.type = type,
		.body = len,
		.vm = READ_ONCE(channel->vm),
		.generation = generation,
		.epoch = epoch,
	};

	if (!header.vm)
		return -ENOTCONN;
	return kvmft_pair_send(channel->pair, &header, body);
}

/**
 * kvmft_channel_reply() - answer a frame about this guest on the control connection
 * @channel: the channel
 * @type: &enum kvmft_wire_type
 * @body: its body
 * @len: length of that
 *
 * Return: as kvmft_channel_say()
 */
int kvmft_channel_reply(struct kvmft_channel *channel, u8 type, const u8 *body,
			u32 len)
{
	struct kvmft_wire_header header = {
		.type = type,
		.flags = KVMFT_WIRE_REPLY,
		.body = len,
		.vm = READ_ONCE(channel->vm),
	};

	if (!header.vm)
		return -ENOTCONN;
	return kvmft_pair_send(channel->pair, &header, body);
}

/**
 * kvmft_channel_lost() - why isn't the other end attached any more?
 * @channel: the channel
 * @verdict: what the data connection knows; more than that, if there is more
 *
 * An end without a word is mostly followed by one on the control connection.
 *
 * Context: the channel's thread
 */
void kvmft_channel_lost(struct kvmft_channel *channel, struct kvmft_verdict *verdict)
{
	if (!verdict->reason || verdict->reason == KVMFT_REASON_CLOSED)
		wait_event_interruptible_timeout(channel->wait,
						 !READ_ONCE(channel->attached) ||
						 READ_ONCE(channel->offered), LAST_WORDS);
	spin_lock(&channel->lock);
	if (channel->lost.reason)
		*verdict = channel->lost;
	spin_unlock(&channel->lock);
}

static void say_detach(struct kvmft_pair *pair, u32 vm, u32 reason, u8 flags)
{
	struct kvmft_wire_header header = {
		.type = KVMFT_WIRE_DETACH, .flags = flags, .vm = vm,
	};
	struct kvmft_wire_notice notice = { .reason = reason };
	u8 body[KVMFT_WIRE_NOTICE_MAX];

	strscpy(notice.text, kvmft_reason_text(reason), sizeof(notice.text));
	header.body = kvmft_wire_put_notice(body, &notice);
	kvmft_pair_send(pair, &header, body);
}

/**
 * kvmft_channel_say_detach() - tell the other end that a guest isn't attached here
 * @pair: the pair
 * @vm: the guest
 * @reason: why
 */
void kvmft_channel_say_detach(struct kvmft_pair *pair, u32 vm, u32 reason)
{
	say_detach(pair, vm, reason, 0);
}

/**
 * kvmft_channel_say_released() - tell a source that its sink is gone, and won't take over
 * @pair: the pair
 * @vm: the guest
 */
void kvmft_channel_say_released(struct kvmft_pair *pair, u32 vm)
{
	say_detach(pair, vm, KVMFT_REASON_GONE, KVMFT_WIRE_REPLY);
}

/**
 * kvmft_channel_release() - let go of the sink, and wait until it knows
 * @channel: the channel of a source, attached
 * @reason: why, &enum kvmft_reason
 *
 * Context: the channel's thread
 *
 * Return: whether it knows, so that it won't take over
 */
bool kvmft_channel_release(struct kvmft_channel *channel, u32 reason)
{
	kvmft_channel_say_detach(channel->pair, READ_ONCE(channel->vm), reason);
	wait_event_interruptible_timeout(channel->wait, READ_ONCE(channel->released) ||
					 !READ_ONCE(channel->attached) ||
					 READ_ONCE(channel->stopping),
					 msecs_to_jiffies(channel->pair->self.timeout_ms));
	return READ_ONCE(channel->released);
}

/**
 * kvmft_channel_keep() - this sink takes over
 * @channel: the channel
 *
 * When it is stopped, the source isn't told that it may go on.
 */
void kvmft_channel_keep(struct kvmft_channel *channel)
{
	spin_lock(&channel->lock);
	channel->keeps = true;
	spin_unlock(&channel->lock);
}

/*
 * Once, until there is an answer: a sink takes each of them for the news that the
 * source has no connection.
 */
static void say_attach(struct kvmft_channel *channel)
{
	u64 claim = channel->ops->claim ? channel->ops->claim(channel) : 0;
	struct kvmft_wire_attach attach = { .kind = channel->kind };
	u8 body[KVMFT_WIRE_ATTACH_LEN];
	bool asked;

	spin_lock(&channel->lock);
	/* An attachment of before has no data connection; the answer to this one counts. */
	WRITE_ONCE(channel->attached, false);
	asked = channel->asked;
	channel->asked = true;
	spin_unlock(&channel->lock);
	if (asked)
		return;
	strscpy(attach.name, channel->name, sizeof(attach.name));
	kvmft_wire_put_attach(body, &attach);
	if (!kvmft_channel_say(channel, KVMFT_WIRE_ATTACH, claim, 0, body, sizeof(body)))
		return;

	/* Nobody was asked. */
	spin_lock(&channel->lock);
	channel->asked = false;
	spin_unlock(&channel->lock);
}

static bool connects(const struct kvmft_channel *channel)
{
	return channel->pair->self.role == KVMFT_PAIR_CONNECT;
}

/* An offer that is there is for the present attachment. */
static struct kvmft_conn *take_offer(struct kvmft_channel *channel, u32 *attachment)
{
	struct kvmft_conn *conn;

	spin_lock(&channel->lock);
	conn = channel->offered;
	channel->offered = NULL;
	*attachment = channel->attachment;
	spin_unlock(&channel->lock);
	return conn;
}

static struct kvmft_conn *connect_data(struct kvmft_channel *channel)
{
	struct kvmft_greeting greeting = {
		.kind = KVMFT_WIRE_KIND_DATA,
		.vm = READ_ONCE(channel->vm),
	};
	struct kvmft_pair *pair = channel->pair;
	struct kvmft_verdict verdict = { 0 };
	struct kvmft_conn *conn;

	if (!greeting.vm || !kvmft_pair_session(pair, greeting.session))
		return NULL;

	conn = kvmft_conn_connect(pair->net, &pair->address,
				  msecs_to_jiffies(pair->self.timeout_ms),
				  &pair->tally, &verdict);
	if (!conn) {
		kvmft_pair_count(pair, verdict.reason);
		return NULL;
	}
	if (kvmft_handshake_connect(conn, &pair->self, &greeting)) {
		kvmft_conn_verdict(conn, &verdict);
		kvmft_pair_count(pair, verdict.reason);
		kvmft_conn_close(conn);
		return NULL;
	}
	return conn;
}

static bool attached_or_stopping(struct kvmft_channel *channel)
{
	return READ_ONCE(channel->attached) || READ_ONCE(channel->stopping);
}

static bool offered_or_lost(struct kvmft_channel *channel)
{
	return READ_ONCE(channel->offered) || !READ_ONCE(channel->attached) ||
	       READ_ONCE(channel->stopping);
}

/* Agrees with the other end, and gets a data connection; NULL to try again. */
static struct kvmft_conn *channel_open(struct kvmft_channel *channel,
				       u32 *attachment)
{
	struct kvmft_conn *conn = NULL;
	bool attached;

	if (channel->source) {
		wait_event_interruptible(channel->wait,
					 READ_ONCE(channel->pair->control) ||
					 READ_ONCE(channel->stopping));
		say_attach(channel);
		wait_event_interruptible_timeout(channel->wait,
						 attached_or_stopping(channel),
						 ATTACH_INTERVAL);
	} else {
		wait_event_interruptible(channel->wait,
					 attached_or_stopping(channel));
	}
	spin_lock(&channel->lock);
	attached = channel->attached && !channel->stopping;
	*attachment = channel->attachment;
	spin_unlock(&channel->lock);
	if (!attached)
		return NULL;

	if (connects(channel)) {
		conn = connect_data(channel);
		if (!conn)
			wait_event_interruptible_timeout(channel->wait,
							 READ_ONCE(channel->stopping),
							 ATTACH_INTERVAL);
	} else {
		wait_event_interruptible_timeout(channel->wait,
						 offered_or_lost(channel),
						 DATA_TIMEOUT);
		conn = take_offer(channel, attachment);
	}
	return conn;
}

/* Lets the connection be cut from outside; false if that is wanted already. */
static bool publish_data(struct kvmft_channel *channel, struct kvmft_conn *conn,
			 u32 attachment)
{
	bool wanted;

	spin_lock(&channel->lock);
	wanted = channel->attached && !channel->stopping &&
		 channel->attachment == attachment;
	if (wanted)
		channel->data = kvmft_conn_get(conn);
	spin_unlock(&channel->lock);
	return wanted;
}

static void unpublish_data(struct kvmft_channel *channel, u32 attachment)
{
	struct kvmft_conn *offered = NULL;
	struct kvmft_conn *conn;
	bool lost;

	spin_lock(&channel->lock);
	conn = channel->data;
	channel->data = NULL;
	if (channel->source)
		swap(offered, channel->offered);
	/* A source attaches anew. A sink that connects is told when to. */
	if (channel->source ||
	    (connects(channel) && channel->attachment == attachment))
		WRITE_ONCE(channel->attached, false);
	lost = !channel->attached && !channel->stopping;
	spin_unlock(&channel->lock);
	kvmft_conn_put(conn);
	kvmft_conn_put(offered);
	if (lost && channel->ops->lost)
		channel->ops->lost(channel, KVMFT_LOSS_UNKNOWN);
}

static int channel_thread(void *data)
{
	struct kvmft_channel *channel = data;
	struct kvmft_pair *pair = channel->pair;
	struct kvmft_verdict verdict;
	struct kvmft_conn *conn;
	u32 attachment;

	while (!kvmft_channel_stopping(channel)) {
		conn = channel_open(channel, &attachment);
		if (!conn)
			continue;

		if (publish_data(channel, conn, attachment)) {
			kvmft_conn_tune(conn, DATA_USER_TIMEOUT_MS, false);
			channel->ops->run(channel, conn);
			unpublish_data(channel, attachment);

			kvmft_conn_bye(conn);
			kvmft_conn_verdict(conn, &verdict);
			kvmft_pair_count(pair, verdict.reason);
		}
		kvmft_conn_close(conn);
	}

	/* kthread_stop() is to find a thread. */
	while (!kthread_should_stop())
		wait_event_interruptible(channel->wait, kthread_should_stop());
	return 0;
}

static u32 next_vm(struct kvmft_pair *pair)
{
	lockdep_assert_held(&pair->channels_lock);
	do {
		pair->next_vm = (pair->next_vm + 1) & ~KVMFT_LISTEN_VM;
	} while (!pair->next_vm || kvmft_channel_by_vm(pair, pair->next_vm) ||
		 kvmft_channel_by_vm(pair, pair->next_vm | KVMFT_LISTEN_VM));
	return pair->self.role == KVMFT_PAIR_LISTEN ?
		pair->next_vm | KVMFT_LISTEN_VM : pair->next_vm;
}

/**
 * kvmft_channel_start() - begin to be one end of a guest's channel
 * @channel: inside a zeroed structure of the user's
 * @pair: the pair
 * @ops: what the user does
 * @source: whether epochs go out from here
 * @kind: &enum kvmft_wire_attach_kind
 * @name: the guest
 *
 * Context: may sleep
 *
 * Return: 0, after which the caller has a reference and the user's release() ends
 * it; -EEXIST if the name is taken; -ESHUTDOWN if the pair is going; or another negative errno
 */
int kvmft_channel_start(struct kvmft_channel *channel, struct kvmft_pair *pair,
			const struct kvmft_channel_ops *ops, bool source,
			u8 kind, const char *name)
{
	struct task_struct *thread;
	int err;

	kref_init(&channel->ref);
	channel->pair = pair;
	channel->ops = ops;
	channel->source = source;
	channel->kind = kind;
	strscpy(channel->name, name, sizeof(channel->name));
	init_waitqueue_head(&channel->wait);
	init_completion(&channel->ended);
	spin_lock_init(&channel->lock);

	err = kvmft_fault(KVMFT_FAULT_CHANNEL_START);
	if (err)
		return err;
	thread = kthread_create(channel_thread, channel, "kvmft-vm/%s", name);
	if (IS_ERR(thread))
		return PTR_ERR(thread);

	mutex_lock(&pair->channels_lock);
	if (pair->closed)
		err = -ESHUTDOWN;
	else if (kvmft_channel_by_name(pair, kind, name))
		err = -EEXIST;
	if (err) {
		mutex_unlock(&pair->channels_lock);
		/* It never ran, so it just goes. */
		kthread_stop(thread);
		return err;
	}
	kvmft_pair_get(pair);
	channel->thread = thread;
	if (source)
		channel->vm = next_vm(pair);
	kvmft_channel_get(channel);
	list_add_tail(&channel->list, &pair->channels);
	/* Under the lock: who finds the channel may stop its thread. */
	wake_up_process(thread);
	mutex_unlock(&pair->channels_lock);
	return 0;
}

static void lose(struct kvmft_channel *channel, const struct kvmft_verdict *verdict,
		 enum kvmft_loss loss, bool stop)
{
	struct kvmft_conn *data = NULL;
	struct kvmft_conn *offered;

	spin_lock(&channel->lock);
	if (stop)
		WRITE_ONCE(channel->stopping, true);
	if (verdict && channel->attached)
		channel->lost = *verdict;
	WRITE_ONCE(channel->attached, false);
	channel->asked = false;
	if (!channel->source)
		WRITE_ONCE(channel->vm, 0);
	offered = channel->offered;
	channel->offered = NULL;
	if (channel->data)
		data = kvmft_conn_get(channel->data);
	spin_unlock(&channel->lock);

	if (data)
		kvmft_conn_cut(data);
	kvmft_conn_put(data);
	kvmft_conn_put(offered);
	if (!stop && channel->ops->lost)
		channel->ops->lost(channel, loss);
	wake_up_all(&channel->wait);
}

/**
 * kvmft_channel_lose() - end the attachment of this session, and what waits for it
 * @channel: the channel
 * @verdict: why, or NULL
 */
void kvmft_channel_lose(struct kvmft_channel *channel, const struct kvmft_verdict *verdict)
{
	lose(channel, verdict, KVMFT_LOSS_UNKNOWN, false);
}

/* Whoever took the channel out of the list stops it, so only one does. */
static void channel_finish(struct kvmft_channel *channel)
{
	u32 vm = READ_ONCE(channel->vm);

	if (vm && !channel->source && !READ_ONCE(channel->keeps))
		kvmft_channel_say_released(channel->pair, vm);
	else if (vm)
		kvmft_channel_say_detach(channel->pair, vm, KVMFT_REASON_GONE);
	lose(channel, NULL, KVMFT_LOSS_UNKNOWN, true);
	kthread_stop(channel->thread);
	complete_all(&channel->ended);
	kvmft_channel_put(channel);
}

/**
 * kvmft_channel_stop() - be no end of the channel any more
 * @channel: the channel; the caller's reference stays
 *
 * On return the thread has ended.
 */
void kvmft_channel_stop(struct kvmft_channel *channel)
{
	struct kvmft_pair *pair = channel->pair;
	bool mine;

	mutex_lock(&pair->channels_lock);
	mine = !list_empty(&channel->list);
	list_del_init(&channel->list);
	mutex_unlock(&pair->channels_lock);

	if (mine)
		channel_finish(channel);
	else
		wait_for_completion(&channel->ended);
}

/**
 * kvmft_channels_stop() - stop all guests of a pair, for good
 * @pair: the pair; none can be added from now on
 */
void kvmft_channels_stop(struct kvmft_pair *pair)
{
	struct kvmft_channel *channel;

	for (;;) {
		mutex_lock(&pair->channels_lock);
		pair->closed = true;
		channel = list_first_entry_or_null(&pair->channels,
						   struct kvmft_channel, list);
		if (channel)
			list_del_init(&channel->list);
		mutex_unlock(&pair->channels_lock);
		if (!channel)
			return;
		channel_finish(channel);
	}
}

/**
 * kvmft_channels_up() - there is a session
 * @pair: the pair
 */
void kvmft_channels_up(struct kvmft_pair *pair)
{
	struct kvmft_channel *channel;

	mutex_lock(&pair->channels_lock);
	list_for_each_entry(channel, &pair->channels, list)
		wake_up_all(&channel->wait);
	mutex_unlock(&pair->channels_lock);
}

/**
 * kvmft_channels_down() - the session has ended
 * @pair: the pair
 * @verdict: why
 */
void kvmft_channels_down(struct kvmft_pair *pair, const struct kvmft_verdict *verdict)
{
	struct kvmft_channel *channel;

	mutex_lock(&pair->channels_lock);
	list_for_each_entry(channel, &pair->channels, list)
		lose(channel, verdict, verdict->reason == KVMFT_REASON_TIMEOUT ?
		     KVMFT_LOSS_SILENT : KVMFT_LOSS_UNKNOWN, false);
	mutex_unlock(&pair->channels_lock);
}

/**
 * kvmft_channels_lease() - the peer permits output
 * @pair: the pair
 * @until: for so long, CLOCK_BOOTTIME in ns
 *
 * Return: whether there is anybody here who lives by that
 */
bool kvmft_channels_lease(struct kvmft_pair *pair, u64 until)
{
	struct kvmft_channel *channel;
	bool any = false;

	mutex_lock(&pair->channels_lock);
	list_for_each_entry(channel, &pair->channels, list) {
		if (channel->source && channel->ops->lease && READ_ONCE(channel->attached)) {
			channel->ops->lease(channel, until);
			any = true;
		}
	}
	mutex_unlock(&pair->channels_lock);
	return any;
}

/**
 * kvmft_channels_expect() - may a data connection for this guest come?
 * @pair: the pair
 * @vm: the guest's number
 *
 * Return: whether it may
 */
bool kvmft_channels_expect(struct kvmft_pair *pair, u32 vm)
{
	struct kvmft_channel *channel;
	bool expected;

	mutex_lock(&pair->channels_lock);
	channel = vm ? kvmft_channel_by_vm(pair, vm) : NULL;
	expected = channel && READ_ONCE(channel->attached);
	mutex_unlock(&pair->channels_lock);
	return expected;
}

/**
 * kvmft_channels_offer() - here is a data connection
 * @pair: the pair
 * @vm: the guest's number
 * @conn: the connection; with true, the caller's reference is gone
 *
 * It takes the place of one that there is.
 *
 * Return: whether the guest has taken it
 */
bool kvmft_channels_offer(struct kvmft_pair *pair, u32 vm, struct kvmft_conn *conn)
{
	struct kvmft_conn *offered = NULL, *data = NULL;
	struct kvmft_channel *channel;
	bool taken = false;

	mutex_lock(&pair->channels_lock);
	channel = kvmft_channel_by_vm(pair, vm);
	if (channel) {
		spin_lock(&channel->lock);
		taken = channel->attached && !channel->stopping;
		if (taken) {
			offered = channel->offered;
			WRITE_ONCE(channel->offered, conn);
			if (channel->data)
				data = kvmft_conn_get(channel->data);
		}
		spin_unlock(&channel->lock);
		/* First the cut, then the wake-up for those who look for it. */
		if (data) {
			kvmft_conn_fail(data, KVMFT_REASON_REPLACED);
			kvmft_conn_cut(data);
		}
		wake_up_all(&channel->wait);
	}
	mutex_unlock(&pair->channels_lock);

	kvmft_conn_put(data);
	kvmft_conn_put(offered);
	return taken;
}
