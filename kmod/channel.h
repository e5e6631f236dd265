/* SPDX-License-Identifier: GPL-2.0 */
/*
 * channel: what one guest has between the two hosts of a pair: its attachment, agreed
 * on over the control connection, and its data connection.
 *
 * Contract: a channel has a direction: epochs go from its source to its sink. It has
 * a thread of its own, which attaches, gets a data connection, and lends it to its
 * user's run(); when that returns, it does so again. It outlives links; what a
 * source sent that wasn't acknowledged by then is to be sent again, in a new epoch.
 * Knows nothing about what an epoch is made of.
 */
#ifndef _KVMFT_CHANNEL_H
#define _KVMFT_CHANNEL_H

#include <linux/completion.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "conn.h"
#include "pair.h"
#include "reason.h"
#include "wire.h"

/* Numbers that the listening end chooses; the connecting end has the others. */
#define KVMFT_LISTEN_VM 0x80000000U

struct kvmft_channel;
struct task_struct;

/**
 * enum kvmft_loss - what is known of a source that isn't attached any more
 * @KVMFT_LOSS_UNKNOWN: It may come again at once.
 * @KVMFT_LOSS_SILENT: Nothing was heard of its host within the time-out.
 * @KVMFT_LOSS_ENDED: It has ended, and lets nothing out any more.
 */
enum kvmft_loss {
	KVMFT_LOSS_UNKNOWN,
	KVMFT_LOSS_SILENT,
	KVMFT_LOSS_ENDED,
};

/**
 * struct kvmft_channel_ops - what a channel's user does
 * @run: Use the data connection; until it fails or kvmft_channel_stopping(). In the
 *	channel's thread.
 * @describe: Of a sink: fill in the answer to ATTACH of a source that claims a
 *	generation, with the generation and epoch last committed, or why not. In the
 *	control connection's thread; must not wait.
 * @claim: Of a source: which generation it claims, see role.h; must not wait. NULL if
 *	none.
 * @yield: Of a source: there is another one, it has to stop its guest, for this &enum
 *	kvmft_reason, since the other one claims this generation. In the control
 *	connection's thread; must not wait.
 * @speaks: Of a source: is its sink, as it attached last, the one that might take over? NULL if it
 *	always is. In the control connection's thread; must not wait.
 * @lost: Of a sink: the source isn't attached any more. Any thread; must not wait, and may
 *	come when it is attached again.
 * @released: Of a sink: the source lets go of it, it mustn't take over any more. Whether that is
 *	so; false if it is too late. In the control connection's thread; must not wait.
 * @exchange: SWITCH came, with this generation and epoch: PREPARE to a source, DONE and
 *	CANCEL to a sink. In the control connection's thread; must not wait. NULL if nobody
 *	exchanges roles.
 * @about: LAYOUT or CONFIG came: the reason why the connection is to end, or 0. In the
 *	control connection's thread; must not wait. NULL for those that have none.
 * @acked: Of a source: this epoch is committed, and output may leave until then,
 *	CLOCK_BOOTTIME in ns or 0. In the control connection's thread; must not wait. NULL
 *	if nobody wants to know earlier than from kvmft_channel_outcome().
 * @lease: Of a source: output may leave until then. In the same way.
 * @release: The last reference is gone.
 */
struct kvmft_channel_ops {
	void (*run)(struct kvmft_channel *channel, struct kvmft_conn *conn);
	void (*describe)(struct kvmft_channel *channel,
			 u64 claim, struct kvmft_wire_header *header,
			 struct kvmft_wire_attach *attach);
	u64 (*claim)(struct kvmft_channel *channel);
	void (*yield)(struct kvmft_channel *channel, u32 reason, u64 generation);
	bool (*speaks)(struct kvmft_channel *channel);
	void (*lost)(struct kvmft_channel *channel, enum kvmft_loss loss);
	bool (*released)(struct kvmft_channel *channel);
	void (*exchange)(struct kvmft_channel *channel, const struct kvmft_wire_switch *step,
			 u64 generation, u64 epoch);
	enum kvmft_reason (*about)(struct kvmft_channel *channel,
				   const struct kvmft_wire_header *header,
				   const u8 *body);
	void (*acked)(struct kvmft_channel *channel, u64 generation, u64 epoch, u64 until);
	void (*lease)(struct kvmft_channel *channel, u64 until);
	void (*release)(struct kvmft_channel *channel);
};

/**
 * struct kvmft_outcome - what the sink said about epochs of this attachment
 * @acked_generation: Of the last epoch that it acknowledged.
 * @acked_epoch: Its number.
 * @aborted_generation: Of the last one that it aborted.
 * @aborted_epoch: Its number, 0 for none.
 * @aborted: Why.
 * @staged_generation: Of the last frame that it was asked about and that is staged.
 * @staged_epoch: Of which epoch that was.
 * @staged_sequence: Its number on its connection.
 */
struct kvmft_outcome {
	u64 acked_generation;
	u64 acked_epoch;
	u64 aborted_generation;
	u64 aborted_epoch;
	struct kvmft_verdict aborted;
	u64 staged_generation;
	u64 staged_epoch;
	u64 staged_sequence;
};

/**
 * struct kvmft_channel - one guest, between the hosts of a pair
 * @ref: References; the user's structure around it goes with the last one.
 * @list: In the pair's list, under its lock.
 * @pair: The pair. A reference.
 * @ops: What the user does.
 * @source: Whether epochs go out from here.
 * @kind: &enum kvmft_wire_attach_kind.
 * @name: The guest.
 * @thread: See above.
 * @ended: It has.
 * @wait: Woken by every change of what follows.
 * @lock: Protects all that follows.
 * @stopping: Set once, when the channel is being removed.
 * @vm: Its number; that of a sink is 0 without attachment.
 * @released: Of a source, the other end won't take over any more.
 * @keeps: Of a sink that goes: it has taken over.
 * @attached: The other end is attached too.
 * @lost: Why it isn't any more; nothing if it is, or was never.
 * @asked: Of a source, the other end owes an answer to ATTACH.
 * @attachment: Counts the times that it was attached.
 * @refused: Why it isn't, of a source, as the other end said last.
 * @offered: A data connection for @thread to take over, with a reference.
 * @data: The one that @thread uses, with a reference.
 * @outcome: What the sink said.
 */
struct kvmft_channel {
	struct kref ref;
	struct list_head list;
	struct kvmft_pair *pair;
	const struct kvmft_channel_ops *ops;
	bool source;
	u8 kind;
	char name[KVMFT_WIRE_VM_NAME_LEN];
	struct task_struct *thread;
	struct completion ended;
	wait_queue_head_t wait;

	spinlock_t lock;	/* what follows */
	bool stopping;
	u32 vm;
	bool released;
	bool keeps;
	bool attached;
	struct kvmft_verdict lost;
	bool asked;
	u32 attachment;
	u32 refused;
	struct kvmft_conn *offered;
	struct kvmft_conn *data;
	struct kvmft_outcome outcome;
};

int kvmft_channel_start(struct kvmft_channel *channel, struct kvmft_pair *pair,
			const struct kvmft_channel_ops *ops, bool source,
			u8 kind, const char *name);
void kvmft_channel_stop(struct kvmft_channel *channel);
struct kvmft_channel *kvmft_channel_get(struct kvmft_channel *channel);
void kvmft_channel_put(struct kvmft_channel *channel);
struct kvmft_channel *kvmft_channel_find(struct kvmft_pair *pair, u8 kind,
					 const char *name);
bool kvmft_channel_stopping(struct kvmft_channel *channel);
void kvmft_channel_outcome(struct kvmft_channel *channel,
			   struct kvmft_outcome *outcome);
void kvmft_channel_lost(struct kvmft_channel *channel, struct kvmft_verdict *verdict);
bool kvmft_channel_release(struct kvmft_channel *channel, u32 reason);
void kvmft_channel_keep(struct kvmft_channel *channel);
int kvmft_channel_say(struct kvmft_channel *channel, u8 type, u64 generation,
		      u64 epoch, const u8 *body, u32 len);
int kvmft_channel_reply(struct kvmft_channel *channel, u8 type, const u8 *body,
			u32 len);

/* For control: under the pair's lock of channels. */
struct kvmft_channel *kvmft_channel_by_name(struct kvmft_pair *pair, u8 kind,
					    const char *name);
struct kvmft_channel *kvmft_channel_by_vm(struct kvmft_pair *pair, u32 vm);
void kvmft_channel_say_detach(struct kvmft_pair *pair, u32 vm, u32 reason);
void kvmft_channel_say_released(struct kvmft_pair *pair, u32 vm);
void kvmft_channel_lose(struct kvmft_channel *channel, const struct kvmft_verdict *verdict);

/* For link and listener. */
void kvmft_channels_up(struct kvmft_pair *pair);
void kvmft_channels_down(struct kvmft_pair *pair, const struct kvmft_verdict *verdict);
void kvmft_channels_stop(struct kvmft_pair *pair);
bool kvmft_channels_lease(struct kvmft_pair *pair, u64 until);
bool kvmft_channels_expect(struct kvmft_pair *pair, u32 vm);
bool kvmft_channels_offer(struct kvmft_pair *pair, u32 vm, struct kvmft_conn *conn);

#endif /* _KVMFT_CHANNEL_H */
