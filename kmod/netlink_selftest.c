// SPDX-License-Identifier: GPL-2.0
#include <linux/kvmft.h>
#include <linux/string.h>
#include <net/genetlink.h>
#include <net/sock.h>

#include "compat.h"
#include "netlink.h"
#include "pairs.h"
#include "selftest.h"

#define FLAGS_MASK (2 * KVMFT_SELFTEST_PACK - 1)

/* Not const: policies of 6.1 don't take them so. */
static struct netlink_range_validation pages_range = {
	.max = KVMFT_SELFTEST_PAGES_MAX,
};

static struct netlink_range_validation state_range = {
	.max = KVMFT_SELFTEST_STATE_MAX,
};

static struct netlink_range_validation wait_range = {
	.max = 60000,
};

#define NAMES \
	[KVMFT_A_SELFTEST_PAIR] = { .type = NLA_NUL_STRING, .len = KVMFT_PAIR_NAME_MAX }, \
	[KVMFT_A_SELFTEST_VM] = { .type = NLA_NUL_STRING, .len = KVMFT_VM_NAME_MAX }

#define NOT_HERE { \
	.type = NLA_REJECT, \
	.reject_message = "this attribute has no meaning here", \
}

const struct nla_policy kvmft_selftest_attach_policy[KVMFT_A_SELFTEST_MAX + 1] = {
	NAMES,
	[KVMFT_A_SELFTEST_ROLE] = NLA_POLICY_RANGE(NLA_U32, KVMFT_SELFTEST_SOURCE,
						   KVMFT_SELFTEST_SINK),
	[KVMFT_A_SELFTEST_CEILING] = { .type = NLA_U64 },
	[KVMFT_A_SELFTEST_EPOCHS ... KVMFT_A_SELFTEST_MAX] = NOT_HERE,
};

const struct nla_policy kvmft_selftest_name_policy[KVMFT_A_SELFTEST_MAX + 1] = {
	NAMES,
	[KVMFT_A_SELFTEST_ROLE ... KVMFT_A_SELFTEST_MAX] = NOT_HERE,
};

const struct nla_policy kvmft_selftest_send_policy[KVMFT_A_SELFTEST_MAX + 1] = {
	NAMES,
	[KVMFT_A_SELFTEST_ROLE ... KVMFT_A_SELFTEST_CEILING] = NOT_HERE,
	[KVMFT_A_SELFTEST_EPOCHS] = NLA_POLICY_RANGE(NLA_U32, 1, 10000),
	[KVMFT_A_SELFTEST_PAGES] = NLA_POLICY_FULL_RANGE(NLA_U32, &pages_range),
	[KVMFT_A_SELFTEST_FIRST] = { .type = NLA_U64 },
	[KVMFT_A_SELFTEST_REGION] = NLA_POLICY_MAX(NLA_U32, KVMFT_WIRE_REGION_MAX),
	[KVMFT_A_SELFTEST_SEED] = { .type = NLA_U64 },
	[KVMFT_A_SELFTEST_STATE] = NLA_POLICY_FULL_RANGE(NLA_U32, &state_range),
	[KVMFT_A_SELFTEST_FLAGS] = NLA_POLICY_MASK(NLA_U32, FLAGS_MASK),
	[KVMFT_A_SELFTEST_WAIT] = NLA_POLICY_FULL_RANGE(NLA_U32, &wait_range),
	[KVMFT_A_SELFTEST_EPOCH ... KVMFT_A_SELFTEST_MAX] = NOT_HERE,
};

static int check_permission(struct sk_buff *skb, struct netlink_ext_ack *extack)
{
	int err = kvmft_netlink_may_change(skb, extack);

	if (err)
		return err;
	if (!kvmft_selftest_enabled()) {
		NL_SET_ERR_MSG(extack, "self-tests are off; load the module with selftest=1");
		return -EOPNOTSUPP;
	}
	return 0;
}

static int check_names(struct nlattr *const *attrs, struct netlink_ext_ack *extack)
{
	if (!attrs[KVMFT_A_SELFTEST_PAIR] || !attrs[KVMFT_A_SELFTEST_VM]) {
		NL_SET_ERR_MSG(extack, "KVMFT_A_SELFTEST_PAIR or _VM is missing");
		return -EINVAL;
	}
	if (!kvmft_wire_name_ok(nla_data(attrs[KVMFT_A_SELFTEST_VM]),
				KVMFT_VM_NAME_MAX)) {
		NL_SET_ERR_MSG_ATTR(extack, attrs[KVMFT_A_SELFTEST_VM],
				    "a name has letters, digits, '.', '_' and '-', and begins with one of the first two");
		return -EINVAL;
	}
	return 0;
}

static struct kvmft_pair *find_pair(struct net *net, struct nlattr *const *attrs,
				    struct netlink_ext_ack *extack)
{
	struct kvmft_pair *pair;

	pair = kvmft_pairs_find(net, nla_data(attrs[KVMFT_A_SELFTEST_PAIR]));
	if (!pair)
		NL_SET_ERR_MSG_ATTR(extack, attrs[KVMFT_A_SELFTEST_PAIR],
				    "there is no pair of this name in this network namespace");
	return pair;
}

static struct kvmft_channel *find_channel(struct net *net,
					  struct nlattr *const *attrs,
					  struct netlink_ext_ack *extack)
{
	struct kvmft_pair *pair = find_pair(net, attrs, extack);
	struct kvmft_channel *channel;

	if (!pair)
		return NULL;
	channel = kvmft_channel_find(pair, KVMFT_WIRE_ATTACH_SELFTEST,
				     nla_data(attrs[KVMFT_A_SELFTEST_VM]));
	kvmft_pair_put(pair);
	if (!channel)
		NL_SET_ERR_MSG_ATTR(extack, attrs[KVMFT_A_SELFTEST_VM],
				    "there is no synthetic guest of this name on this pair");
	return channel;
}

static int begin(struct sk_buff *skb, struct genl_info *info)
{
	return check_permission(skb, info->extack) ?:
	       check_names(info->attrs, info->extack);
}

int kvmft_selftest_attach_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr *ceiling = info->attrs[KVMFT_A_SELFTEST_CEILING];
	struct kvmft_pair *pair;
	const char *name;
	int err;

	err = begin(skb, info);
	if (err)
		return err;
	if (GENL_REQ_ATTR_CHECK(info, KVMFT_A_SELFTEST_ROLE)) {
		NL_SET_ERR_MSG(info->extack, "KVMFT_A_SELFTEST_ROLE is missing");
		return -EINVAL;
	}

	pair = find_pair(genl_info_net(info), info->attrs, info->extack);
	if (!pair)
		return -ENOENT;
	name = nla_data(info->attrs[KVMFT_A_SELFTEST_VM]);
	if (nla_get_u32(info->attrs[KVMFT_A_SELFTEST_ROLE]) == KVMFT_SELFTEST_SOURCE)
		err = kvmft_selftest_source(pair, name);
	else
		err = kvmft_selftest_sink(pair, name, ceiling ?
					  nla_get_u64(ceiling) :
					  KVMFT_SELFTEST_CEILING_DEFAULT);
	kvmft_pair_put(pair);
	if (err == -EEXIST)
		NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[KVMFT_A_SELFTEST_VM],
				    "there is a synthetic guest of this name");
	return err;
}

int kvmft_selftest_detach_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct kvmft_channel *channel;
	int err;

	err = begin(skb, info);
	if (err)
		return err;
	channel = find_channel(genl_info_net(info), info->attrs, info->extack);
	if (!channel)
		return -ENOENT;
	kvmft_channel_stop(channel);
	kvmft_channel_put(channel);
	return 0;
}

static u32 get_u32(struct genl_info *info, int attr, u32 otherwise)
{
	return info->attrs[attr] ? nla_get_u32(info->attrs[attr]) : otherwise;
}

static u64 get_u64(struct genl_info *info, int attr, u64 otherwise)
{
	return info->attrs[attr] ? nla_get_u64(info->attrs[attr]) : otherwise;
}

static int put_result(struct sk_buff *skb, struct genl_info *info,
		      const struct kvmft_selftest_result *result)
{
	void *msg = genlmsg_put(skb, info->snd_portid, info->snd_seq,
				&kvmft_family, 0, KVMFT_CMD_SELFTEST_SEND);

	if (!msg ||
	    nla_put_u64_64bit(skb, KVMFT_A_SELFTEST_EPOCH, result->epoch,
			      KVMFT_A_SELFTEST_PAD) ||
	    nla_put_u32(skb, KVMFT_A_SELFTEST_REASON, result->verdict.reason) ||
	    nla_put_u64_64bit(skb, KVMFT_A_SELFTEST_NS, result->ns,
			      KVMFT_A_SELFTEST_PAD) ||
	    nla_put_u64_64bit(skb, KVMFT_A_SELFTEST_BYTES, result->bytes,
			      KVMFT_A_SELFTEST_PAD))
		return -EMSGSIZE;
	genlmsg_end(skb, msg);
	return 0;
}

int kvmft_selftest_send_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct kvmft_selftest_order order;
	struct kvmft_selftest_result result;
	struct kvmft_channel *channel;
	struct sk_buff *answer;
	u64 size;
	int err;

	err = begin(skb, info);
	if (err)
		return err;

	order = (struct kvmft_selftest_order){
		.epochs = get_u32(info, KVMFT_A_SELFTEST_EPOCHS, 1),
		.pages = get_u32(info, KVMFT_A_SELFTEST_PAGES, 0),
		.region = get_u32(info, KVMFT_A_SELFTEST_REGION, 0),
		.first = get_u64(info, KVMFT_A_SELFTEST_FIRST, 0),
		.seed = get_u64(info, KVMFT_A_SELFTEST_SEED, 0),
		.state = get_u32(info, KVMFT_A_SELFTEST_STATE, 0),
		.flags = get_u32(info, KVMFT_A_SELFTEST_FLAGS, 0),
		.wait_ms = get_u32(info, KVMFT_A_SELFTEST_WAIT, 5000),
	};
	size = (u64)order.pages << KVMFT_WIRE_PAGE_SHIFT;
	if (order.first & (KVMFT_WIRE_PAGE_SIZE - 1) ||
	    order.first >= KVMFT_WIRE_OFFSET_MAX ||
	    size > KVMFT_WIRE_OFFSET_MAX - order.first) {
		NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[KVMFT_A_SELFTEST_FIRST],
				    "no page begins here, or it is too far up");
		return -EINVAL;
	}

	answer = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!answer)
		return -ENOMEM;
	channel = find_channel(genl_info_net(info), info->attrs, info->extack);
	if (!channel) {
		err = -ENOENT;
		goto out;
	}

	err = kvmft_selftest_send(channel, &order, &result);
	if (err == -EINVAL)
		NL_SET_ERR_MSG(info->extack, "this end receives");
	else if (err == -EBUSY)
		NL_SET_ERR_MSG(info->extack, "epochs are being sent already");
	else if (err == -ENOTCONN)
		NL_SET_ERR_MSG(info->extack, "the other end isn't attached");
	else if (err == -ESHUTDOWN)
		NL_SET_ERR_MSG(info->extack, "the guest or its pair is being removed");
	kvmft_channel_put(channel);
	if (!err)
		err = put_result(answer, info, &result);
	if (!err)
		return genlmsg_reply(answer, info);
out:
	nlmsg_free(answer);
	return err;
}

/**
 * struct read_cursor - where a dump is
 * @channel: What is read; a reference.
 * @begun: The summary was sent.
 * @next: The next page.
 */
struct read_cursor {
	struct kvmft_channel *channel;
	bool begun;
	unsigned long next;
};

static struct read_cursor *cursor_of(struct netlink_callback *cb)
{
	BUILD_BUG_ON(sizeof(struct read_cursor) > sizeof(cb->ctx));
	return (struct read_cursor *)cb->ctx;
}

int kvmft_selftest_read_start(struct netlink_callback *cb)
{
	struct nlattr **attrs = kvmft_dump_attrs(cb);
	struct read_cursor *cursor = cursor_of(cb);
	int err;

	err = check_permission(cb->skb, cb->extack) ?:
	      check_names(attrs, cb->extack);
	if (err)
		return err;
	cursor->channel = find_channel(sock_net(cb->skb->sk), attrs, cb->extack);
	if (!cursor->channel)
		return -ENOENT;
	if (cursor->channel->source) {
		kvmft_channel_put(cursor->channel);
		cursor->channel = NULL;
		NL_SET_ERR_MSG(cb->extack, "this end sends");
		return -EINVAL;
	}
	return 0;
}

int kvmft_selftest_read_done(struct netlink_callback *cb)
{
	kvmft_channel_put(cursor_of(cb)->channel);
	return 0;
}

static int put_summary(struct sk_buff *skb, struct kvmft_channel *channel)
{
	struct kvmft_selftest_summary summary;

	kvmft_selftest_summary(channel, &summary);
	return nla_put_u64_64bit(skb, KVMFT_A_SELFTEST_EPOCH, summary.epoch,
				 KVMFT_A_SELFTEST_PAD) ?:
	       nla_put_u32(skb, KVMFT_A_SELFTEST_PAGES, summary.pages) ?:
	       nla_put_u32(skb, KVMFT_A_SELFTEST_STAGED, summary.staged) ?:
	       nla_put_u32(skb, KVMFT_A_SELFTEST_POOL, summary.pooled) ?:
	       nla_put_u32(skb, KVMFT_A_SELFTEST_STATE, summary.state) ?:
	       nla_put_u32(skb, KVMFT_A_SELFTEST_CRC, summary.crc);
}

static int put_page_of(struct sk_buff *skb, const struct kvmft_selftest_page *page)
{
	return nla_put_u32(skb, KVMFT_A_SELFTEST_REGION, page->region) ?:
	       nla_put_u64_64bit(skb, KVMFT_A_SELFTEST_OFFSET, page->offset,
				 KVMFT_A_SELFTEST_PAD) ?:
	       nla_put_u32(skb, KVMFT_A_SELFTEST_CRC, page->crc);
}

int kvmft_selftest_read_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct read_cursor *cursor = cursor_of(cb);
	struct kvmft_selftest_page page;
	unsigned long next;
	void *msg;
	int err;

	for (;;) {
		next = cursor->next;
		if (cursor->begun &&
		    !kvmft_selftest_next(cursor->channel, &next, &page))
			return skb->len;

		msg = genlmsg_put(skb, NETLINK_CB(cb->skb).portid,
				  cb->nlh->nlmsg_seq, &kvmft_family, NLM_F_MULTI,
				  KVMFT_CMD_SELFTEST_READ);
		if (!msg)
			return skb->len;
		err = cursor->begun ? put_page_of(skb, &page) :
				      put_summary(skb, cursor->channel);
		if (err) {
			genlmsg_cancel(skb, msg);
			return skb->len;
		}
		genlmsg_end(skb, msg);
		cursor->begun = true;
		cursor->next = next;
	}
}
