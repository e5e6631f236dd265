// SPDX-License-Identifier: GPL-2.0
#include <linux/kernel.h>
#include <linux/string.h>
#include <linux/ktime.h>

#include "channel.h"
#include "compat.h"
#include "control.h"
#include "role.h"

/* Two sources of a guest: who isn't to run is told, or stops its own. */
static u32 meet(struct kvmft_channel *channel, u64 theirs, u64 *mine)
{
	u32 to_them, to_us;

	*mine = channel->ops->claim ? channel->ops->claim(channel) : KVMFT_CLAIM_NONE;
	to_us = kvmft_role_meet(*mine, theirs, &to_them);
	if (to_us && channel->ops->yield)
		channel->ops->yield(channel, to_us, theirs);
	return to_them;
}

/* The other end's source is attached: are we its sink? */
static enum kvmft_reason on_attach_request(struct kvmft_pair *pair,
					   const struct kvmft_wire_header *request,
					   struct kvmft_wire_attach *attach)
{
	struct kvmft_wire_header header = {
		.type = KVMFT_WIRE_ATTACH,
		.flags = KVMFT_WIRE_REPLY,
		.body = KVMFT_WIRE_ATTACH_LEN,
		.vm = request->vm,
	};
	struct kvmft_channel *channel;
	u8 body[KVMFT_WIRE_ATTACH_LEN];
	bool we_listen = pair->self.role == KVMFT_PAIR_LISTEN;
	bool they_listen = request->vm & KVMFT_LISTEN_VM;

	/* The number must be one of theirs. */
	if (they_listen == we_listen || request->generation > KVMFT_WIRE_NUMBER_MAX)
		return KVMFT_REASON_PROTOCOL;

	attach->reason = KVMFT_REASON_NO_VM;
	mutex_lock(&pair->channels_lock);
	channel = kvmft_channel_by_name(pair, attach->kind, attach->name);
	if (channel && !channel->source &&
	    (!kvmft_channel_by_vm(pair, request->vm) || channel->vm == request->vm)) {
		struct kvmft_conn *offered = NULL, *data = NULL;

		spin_lock(&channel->lock);
		WRITE_ONCE(channel->vm, request->vm);
		WRITE_ONCE(channel->attached, true);
		memset(&channel->lost, 0, sizeof(channel->lost));
		channel->attachment++;
		/* A source that attaches has no connection, whatever we have. */
		if (channel->data)
			data = kvmft_conn_get(channel->data);
		swap(offered, channel->offered);
		spin_unlock(&channel->lock);
		if (data)
			kvmft_conn_cut(data);
		kvmft_conn_put(data);
		kvmft_conn_put(offered);

		/* Nothing that came on it is committed after this. */
		attach->reason = 0;
		channel->ops->describe(channel, request->generation, &header, attach);
	} else if (channel && channel->source) {
		attach->reason = meet(channel, request->generation, &header.generation);
	}
	kvmft_wire_put_attach(body, attach);
	/* The answer leaves before the connection that it permits. */
	kvmft_pair_send(pair, &header, body);
	if (channel && !attach->reason)
		wake_up_all(&channel->wait);
	mutex_unlock(&pair->channels_lock);
	return 0;
}

static enum kvmft_reason on_attach(struct kvmft_pair *pair,
				   const struct kvmft_wire_header *header,
				   const u8 *body)
{
	struct kvmft_channel *channel;
	struct kvmft_wire_attach attach;
	enum kvmft_reason reason;
	bool asked;

	reason = kvmft_wire_get_attach(body, header->body, &attach);
	if (reason)
		return reason;
	if (!(header->flags & KVMFT_WIRE_REPLY)) {
		if (attach.reason || attach.ceiling || header->vm == KVMFT_LISTEN_VM)
			return KVMFT_REASON_PROTOCOL;
		return on_attach_request(pair, header, &attach);
	}
	if (header->generation > KVMFT_WIRE_NUMBER_MAX || header->epoch > KVMFT_WIRE_NUMBER_MAX)
		return KVMFT_REASON_PROTOCOL;

	mutex_lock(&pair->channels_lock);
	channel = kvmft_channel_by_vm(pair, header->vm);
	if (channel && channel->source) {
		spin_lock(&channel->lock);
		asked = channel->asked;
		channel->asked = false;
		if (asked)
			channel->refused = attach.reason;
		if (asked && !attach.reason && !channel->data) {
			WRITE_ONCE(channel->attached, true);
			memset(&channel->lost, 0, sizeof(channel->lost));
			channel->attachment++;
			memset(&channel->outcome, 0, sizeof(channel->outcome));
			channel->outcome.acked_generation = header->generation;
			channel->outcome.acked_epoch = header->epoch;
		}
		spin_unlock(&channel->lock);
		if (asked && channel->ops->yield &&
		    (attach.reason == KVMFT_REASON_SUPERSEDED ||
		     attach.reason == KVMFT_REASON_RIVAL))
			channel->ops->yield(channel, attach.reason, header->generation);
		wake_up_all(&channel->wait);
	}
	mutex_unlock(&pair->channels_lock);
	return 0;
}

/* A stamp is ours, so it isn't from the future; and half of our time-out is the most. */
static u64 lease_end(struct kvmft_pair *pair, const struct kvmft_wire_ack *ack)
{
	u64 most = pair->self.timeout_ms * NSEC_PER_MSEC / 2;

	return min(ack->stamp, ktime_get_boottime_ns()) + min(ack->lease, most);
}

static enum kvmft_reason on_outcome(struct kvmft_channel *channel,
				    const struct kvmft_wire_header *header,
				    const u8 *body)
{
	struct kvmft_wire_notice notice;
	struct kvmft_outcome *outcome;
	struct kvmft_wire_ack ack;
	enum kvmft_reason reason;
	u64 sequence;

	switch (header->type) {
	case KVMFT_WIRE_ACK:
		reason = kvmft_wire_get_ack(body, header->body, &ack);
		break;
	case KVMFT_WIRE_STAGED:
		reason = kvmft_wire_get_staged(body, header->body, &sequence);
		break;
	default:
		reason = kvmft_wire_get_notice(body, header->body, &notice);
		break;
	}
	/* It may be about a guest that was just removed here. */
	if (reason || !channel)
		return reason;
	if (!channel->source)
		return KVMFT_REASON_PROTOCOL;

	outcome = &channel->outcome;
	spin_lock(&channel->lock);
	switch (header->type) {
	case KVMFT_WIRE_ACK:
		outcome->acked_generation = header->generation;
		outcome->acked_epoch = header->epoch;
		break;
	case KVMFT_WIRE_STAGED:
		outcome->staged_generation = header->generation;
		outcome->staged_epoch = header->epoch;
		outcome->staged_sequence = sequence;
		break;
	default:
		outcome->aborted_generation = header->generation;
		outcome->aborted_epoch = header->epoch;
		memset(&outcome->aborted, 0, sizeof(outcome->aborted));
		kvmft_judge_quoting(&outcome->aborted, notice.reason, notice.text);
		break;
	}
	spin_unlock(&channel->lock);
	if (header->type == KVMFT_WIRE_ACK && channel->ops->acked)
		channel->ops->acked(channel, header->generation, header->epoch,
				    ack.lease ? lease_end(channel->pair, &ack) : 0);
	wake_up_all(&channel->wait);
	return 0;
}

/*
 * The other end isn't attached any more. A source that lets go waits until its sink knows
 * that it isn't to take over; one that has done that already doesn't say that it does.
 */
static enum kvmft_reason on_detach(struct kvmft_pair *pair, struct kvmft_channel *channel,
				   const struct kvmft_wire_header *header,
				   const u8 *body)
{
	struct kvmft_verdict verdict = { 0 };
	struct kvmft_wire_notice notice;
	enum kvmft_reason reason;
	bool asked = false;

	reason = kvmft_wire_get_notice(body, header->body, &notice);
	if (reason || !channel)
		return reason;
	if (header->flags & KVMFT_WIRE_REPLY) {
		if (!channel->source)
			return KVMFT_REASON_PROTOCOL;
		asked = READ_ONCE(channel->asked);
		/* It stays so until the next commit, however often we attach. */
		if (!channel->ops->speaks || channel->ops->speaks(channel))
			WRITE_ONCE(channel->released, true);
	}
	/* That is for another answer. */
	if (asked)
		return 0;
	kvmft_judge_quoting(&verdict, notice.reason, notice.text);
	kvmft_channel_lose(channel, &verdict);
	if (channel->source)
		return 0;
	/* Nothing is committed after this; if it takes over, the source mustn't wait. */
	if (channel->ops->released(channel))
		kvmft_channel_say_released(pair, header->vm);
	else
		kvmft_channel_say_detach(pair, header->vm, KVMFT_REASON_GONE);
	return 0;
}

/* A sink asks for the guest, its source hands it over or declines. */
static enum kvmft_reason on_switch(struct kvmft_channel *channel,
				   const struct kvmft_wire_header *header, const u8 *body)
{
	struct kvmft_wire_switch step;
	enum kvmft_reason reason;
	bool asks;

	reason = kvmft_wire_get_switch(body, header->body, &step);
	if (reason)
		return reason;
	asks = step.step == KVMFT_WIRE_SWITCH_PREPARE;
	if (channel->source != asks || step.step == KVMFT_WIRE_SWITCH_READY)
		return KVMFT_REASON_PROTOCOL;
	if (channel->ops->exchange && READ_ONCE(channel->attached))
		channel->ops->exchange(channel, &step, header->generation, header->epoch);
	return 0;
}

/* Those that only guests use are judged, and answered by who has none. */
static enum kvmft_reason check_guest_frame(const struct kvmft_wire_header *header,
					   const u8 *body)
{
	struct kvmft_wire_switch step;
	struct kvmft_wire_fence fence;
	u32 number;

	switch (header->type) {
	case KVMFT_WIRE_LAYOUT:
		return kvmft_wire_get_layout(body, header->body, &number);
	case KVMFT_WIRE_CONFIG:
		return kvmft_wire_get_config(body, header->body, &number);
	case KVMFT_WIRE_SWITCH:
		return kvmft_wire_get_switch(body, header->body, &step);
	case KVMFT_WIRE_VMM_GONE:
		return kvmft_wire_get_vmm_gone(body, header->body, &number);
	case KVMFT_WIRE_FENCE:
		return kvmft_wire_get_fence(body, header->body, &fence);
	default:
		return KVMFT_REASON_PROTOCOL;
	}
}

/**
 * kvmft_control_frame() - a frame about a guest came on the control connection
 * @pair: the pair
 * @header: its header
 * @body: its body
 *
 * Return: 0, or the reason why the connection is to end
 */
enum kvmft_reason kvmft_control_frame(struct kvmft_pair *pair,
				      const struct kvmft_wire_header *header,
				      const u8 *body)
{
	struct kvmft_channel *channel;
	enum kvmft_reason reason;

	if (header->type == KVMFT_WIRE_ATTACH)
		return on_attach(pair, header, body);

	mutex_lock(&pair->channels_lock);
	channel = kvmft_channel_by_vm(pair, header->vm);
	switch (header->type) {
	case KVMFT_WIRE_STAGED:
	case KVMFT_WIRE_ACK:
	case KVMFT_WIRE_ABORT:
		reason = on_outcome(channel, header, body);
		break;
	case KVMFT_WIRE_DETACH:
		reason = on_detach(pair, channel, header, body);
		break;
	default:
		reason = check_guest_frame(header, body);
		if (reason)
			break;
		if (header->type == KVMFT_WIRE_VMM_GONE && channel &&
		    channel->ops->lost) {
			channel->ops->lost(channel, KVMFT_LOSS_ENDED);
			break;
		}
		if (channel && header->type == KVMFT_WIRE_SWITCH)
			reason = on_switch(channel, header, body);
		else if (channel && channel->ops->about &&
			 (header->type == KVMFT_WIRE_LAYOUT ||
			  header->type == KVMFT_WIRE_CONFIG))
			reason = channel->ops->about(channel, header, body);
		else if (!channel)
			kvmft_channel_say_detach(pair, header->vm, KVMFT_REASON_NO_VM);
		break;
	}
	mutex_unlock(&pair->channels_lock);
	return reason;
}
