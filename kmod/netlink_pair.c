// SPDX-License-Identifier: GPL-2.0
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/inet.h>
#include <linux/kvmft.h>
#include <linux/math64.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <net/genetlink.h>
#include <net/ipv6.h>
#include <net/net_namespace.h>

#include "compat.h"
#include "netlink.h"
#include "pairs.h"
#include "vms.h"

/* Not const: policies of 6.1 don't take them so. */
static struct netlink_range_validation heartbeat_range = {
	.min = KVMFT_HEARTBEAT_MIN,
	.max = KVMFT_HEARTBEAT_MAX,
};

static struct netlink_range_validation timeout_range = {
	.min = KVMFT_TIMEOUT_MIN,
	.max = KVMFT_TIMEOUT_MAX,
};

#define ANSWER_ONLY { \
	.type = NLA_REJECT, \
	.reject_message = "this attribute is for answers only", \
}

const struct nla_policy kvmft_pair_add_policy[KVMFT_A_PAIR_MAX + 1] = {
	[KVMFT_A_PAIR_NAME] = { .type = NLA_NUL_STRING, .len = KVMFT_PAIR_NAME_MAX },
	[KVMFT_A_PAIR_ROLE] = NLA_POLICY_RANGE(NLA_U32, KVMFT_PAIR_CONNECT,
					       KVMFT_PAIR_LISTEN),
	[KVMFT_A_PAIR_ADDRESS] = NLA_POLICY_RANGE(NLA_BINARY,
						  sizeof(struct in_addr),
						  sizeof(struct in6_addr)),
	[KVMFT_A_PAIR_PORT] = NLA_POLICY_MIN(NLA_U16, 1),
	[KVMFT_A_PAIR_SCOPE] = { .type = NLA_U32 },
	[KVMFT_A_PAIR_KEY] = NLA_POLICY_EXACT_LEN(KVMFT_KEY_LEN),
	[KVMFT_A_PAIR_HEARTBEAT] = NLA_POLICY_FULL_RANGE(NLA_U32, &heartbeat_range),
	[KVMFT_A_PAIR_TIMEOUT] = NLA_POLICY_FULL_RANGE(NLA_U32, &timeout_range),
	[KVMFT_A_PAIR_STATE ... KVMFT_A_PAIR_MAX] = ANSWER_ONLY,
};

const struct nla_policy kvmft_pair_name_policy[KVMFT_A_PAIR_MAX + 1] = {
	[KVMFT_A_PAIR_NAME] = { .type = NLA_NUL_STRING, .len = KVMFT_PAIR_NAME_MAX },
	[KVMFT_A_PAIR_ROLE ... KVMFT_A_PAIR_MAX] = {
		.type = NLA_REJECT,
		.reject_message = "this request takes a name and nothing else",
	},
};

static int read_name(struct genl_info *info, const char **name)
{
	if (GENL_REQ_ATTR_CHECK(info, KVMFT_A_PAIR_NAME)) {
		NL_SET_ERR_MSG(info->extack, "KVMFT_A_PAIR_NAME, the name of the pair, is missing");
		return -EINVAL;
	}
	*name = nla_data(info->attrs[KVMFT_A_PAIR_NAME]);
	if (!kvmft_wire_name_ok(*name, KVMFT_PAIR_NAME_MAX)) {
		NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[KVMFT_A_PAIR_NAME],
				    "a name has letters, digits, '.', '_' and '-', and begins with one of the first two");
		return -EINVAL;
	}
	return 0;
}

static int read_address4(struct genl_info *info, struct sockaddr_storage *address)
{
	struct sockaddr_in *in = (struct sockaddr_in *)address;
	const struct nlattr *attr = info->attrs[KVMFT_A_PAIR_ADDRESS];

	in->sin_family = AF_INET;
	in->sin_port = htons(nla_get_u16(info->attrs[KVMFT_A_PAIR_PORT]));
	in->sin_addr.s_addr = nla_get_in_addr(attr);
	if (info->attrs[KVMFT_A_PAIR_SCOPE]) {
		NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[KVMFT_A_PAIR_SCOPE],
				    "an IPv4 address has no scope");
		return -EINVAL;
	}
	if (ipv4_is_multicast(in->sin_addr.s_addr) ||
	    ipv4_is_lbcast(in->sin_addr.s_addr)) {
		NL_SET_ERR_MSG_ATTR(info->extack, attr,
				    "the address is no single host's");
		return -EINVAL;
	}
	return 0;
}

static int read_address6(struct genl_info *info, struct sockaddr_storage *address)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)address;
	const struct nlattr *attr = info->attrs[KVMFT_A_PAIR_ADDRESS];

	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(nla_get_u16(info->attrs[KVMFT_A_PAIR_PORT]));
	in6->sin6_addr = nla_get_in6_addr(attr);
	if (info->attrs[KVMFT_A_PAIR_SCOPE])
		in6->sin6_scope_id = nla_get_u32(info->attrs[KVMFT_A_PAIR_SCOPE]);

	if (ipv6_addr_is_multicast(&in6->sin6_addr) ||
	    ipv6_addr_v4mapped(&in6->sin6_addr)) {
		NL_SET_ERR_MSG_ATTR(info->extack, attr,
				    "the address is no single IPv6 host's");
		return -EINVAL;
	}
	if (ipv6_addr_type(&in6->sin6_addr) & IPV6_ADDR_LINKLOCAL &&
	    !in6->sin6_scope_id) {
		NL_SET_ERR_MSG_ATTR(info->extack, attr,
				    "a link-local address needs KVMFT_A_PAIR_SCOPE, its interface");
		return -EINVAL;
	}
	return 0;
}

static int read_address(struct genl_info *info, struct kvmft_pair_config *config)
{
	const struct nlattr *attr = info->attrs[KVMFT_A_PAIR_ADDRESS];
	struct sockaddr_storage *address = &config->address;

	switch (nla_len(attr)) {
	case sizeof(struct in_addr):
		return read_address4(info, address);
	case sizeof(struct in6_addr):
		return read_address6(info, address);
	default:
		NL_SET_ERR_MSG_ATTR(info->extack, attr,
				    "KVMFT_A_PAIR_ADDRESS has 4 bytes (IPv4) or 16 (IPv6)");
		return -EINVAL;
	}
}

static int read_times(struct genl_info *info, struct kvmft_identity *self)
{
	struct nlattr *heartbeat = info->attrs[KVMFT_A_PAIR_HEARTBEAT];
	struct nlattr *timeout = info->attrs[KVMFT_A_PAIR_TIMEOUT];

	self->heartbeat_ms = heartbeat ? nla_get_u32(heartbeat) :
					 KVMFT_HEARTBEAT_DEFAULT;
	self->timeout_ms = timeout ? nla_get_u32(timeout) : KVMFT_TIMEOUT_DEFAULT;
	if (self->timeout_ms >= 3 * self->heartbeat_ms)
		return 0;

	NL_SET_ERR_MSG_ATTR(info->extack, timeout ?: heartbeat,
			    "the timeout must be at least three heartbeats");
	return -EINVAL;
}

/* All that a pair can't be added without. */
static int check_complete(struct genl_info *info)
{
	if (GENL_REQ_ATTR_CHECK(info, KVMFT_A_PAIR_ROLE))
		NL_SET_ERR_MSG(info->extack, "KVMFT_A_PAIR_ROLE, listen or connect, is missing");
	else if (GENL_REQ_ATTR_CHECK(info, KVMFT_A_PAIR_ADDRESS))
		NL_SET_ERR_MSG(info->extack, "KVMFT_A_PAIR_ADDRESS, where to, is missing");
	else if (GENL_REQ_ATTR_CHECK(info, KVMFT_A_PAIR_PORT))
		NL_SET_ERR_MSG(info->extack, "KVMFT_A_PAIR_PORT, the TCP port, is missing");
	else if (GENL_REQ_ATTR_CHECK(info, KVMFT_A_PAIR_KEY))
		NL_SET_ERR_MSG(info->extack, "KVMFT_A_PAIR_KEY, the pair's key, is missing");
	else
		return 0;
	return -EINVAL;
}

static int read_config(struct genl_info *info, struct kvmft_pair_config *config)
{
	struct kvmft_identity *self = &config->identity;
	const char *name;
	int err;

	err = read_name(info, &name) ?: check_complete(info);
	if (err)
		return err;

	strscpy(self->name, name, sizeof(self->name));
	self->role = nla_get_u32(info->attrs[KVMFT_A_PAIR_ROLE]);
	memcpy(self->key, nla_data(info->attrs[KVMFT_A_PAIR_KEY]), sizeof(self->key));
	return read_address(info, config) ?: read_times(info, self);
}

static int put_address(struct sk_buff *skb, int address_attr, int port_attr,
		       const struct sockaddr_storage *address)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
	const struct sockaddr_in *in = (const struct sockaddr_in *)address;

	switch (address->ss_family) {
	case AF_INET:
		return nla_put_in_addr(skb, address_attr, in->sin_addr.s_addr) ?:
		       nla_put_u16(skb, port_attr, ntohs(in->sin_port));
	case AF_INET6:
		return nla_put_in6_addr(skb, address_attr, &in6->sin6_addr) ?:
		       nla_put_u16(skb, port_attr, ntohs(in6->sin6_port));
	default:
		return 0;
	}
}

static int put_u64(struct sk_buff *skb, int attr, u64 value)
{
	return nla_put_u64_64bit(skb, attr, value, KVMFT_A_PAIR_PAD);
}

static int put_rtt(struct sk_buff *skb, const struct kvmft_rtt *rtt)
{
	if (!rtt->count)
		return 0;
	return put_u64(skb, KVMFT_A_PAIR_RTT_LAST, rtt->last) ?:
	       put_u64(skb, KVMFT_A_PAIR_RTT_MIN, rtt->min) ?:
	       put_u64(skb, KVMFT_A_PAIR_RTT_AVG,
		       div64_u64(rtt->sum, rtt->count)) ?:
	       put_u64(skb, KVMFT_A_PAIR_RTT_MAX, rtt->max);
}

static int put_peer(struct sk_buff *skb, const struct kvmft_pair_status *status)
{
	if (!status->known)
		return 0;
	return nla_put_string(skb, KVMFT_A_PAIR_PEER_HOST, status->host) ?:
	       nla_put(skb, KVMFT_A_PAIR_PEER_INSTANCE, KVMFT_INSTANCE_LEN,
		       status->instance) ?:
	       put_address(skb, KVMFT_A_PAIR_PEER_ADDRESS, KVMFT_A_PAIR_PEER_PORT,
			   &status->peer);
}

static int put_errors(struct sk_buff *skb, struct kvmft_pair *pair)
{
	struct nlattr *nest;
	u64 count;
	u32 reason;

	for (reason = 1; reason <= KVMFT_REASON_MAX; reason++) {
		count = atomic64_read(&pair->errors[reason]);
		if (!count)
			continue;
		nest = nla_nest_start(skb, KVMFT_A_PAIR_ERRORS);
		if (!nest || nla_put_u32(skb, KVMFT_A_ERROR_REASON, reason) ||
		    nla_put_u64_64bit(skb, KVMFT_A_ERROR_COUNT, count,
				      KVMFT_A_ERROR_PAD))
			return -EMSGSIZE;
		nla_nest_end(skb, nest);
	}
	return 0;
}

static int put_config(struct sk_buff *skb, struct kvmft_pair *pair)
{
	const struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&pair->address;
	int err;

	err = nla_put_string(skb, KVMFT_A_PAIR_NAME, pair->self.name) ?:
	      nla_put_u32(skb, KVMFT_A_PAIR_ROLE, pair->self.role) ?:
	      put_address(skb, KVMFT_A_PAIR_ADDRESS, KVMFT_A_PAIR_PORT,
			  &pair->address) ?:
	      nla_put_u32(skb, KVMFT_A_PAIR_HEARTBEAT, pair->self.heartbeat_ms) ?:
	      nla_put_u32(skb, KVMFT_A_PAIR_TIMEOUT, pair->self.timeout_ms);
	if (!err && in6->sin6_family == AF_INET6 && in6->sin6_scope_id)
		err = nla_put_u32(skb, KVMFT_A_PAIR_SCOPE, in6->sin6_scope_id);
	return err;
}

static int put_status(struct sk_buff *skb, struct kvmft_pair *pair,
		      const struct kvmft_pair_status *status)
{
	u64 age = ktime_get_boottime_ns() - status->since_boot;
	int err;

	err = nla_put_u32(skb, KVMFT_A_PAIR_STATE, status->state) ?:
	      nla_put_u32(skb, KVMFT_A_PAIR_REASON, status->verdict.reason) ?:
	      put_u64(skb, KVMFT_A_PAIR_STATE_AGE, div_u64(age, NSEC_PER_MSEC)) ?:
	      put_u64(skb, KVMFT_A_PAIR_STATE_TIME, status->since_real) ?:
	      put_peer(skb, status) ?:
	      put_rtt(skb, &status->rtt) ?:
	      put_u64(skb, KVMFT_A_PAIR_RX_BYTES,
		      atomic64_read(&pair->tally.rx_bytes)) ?:
	      put_u64(skb, KVMFT_A_PAIR_TX_BYTES,
		      atomic64_read(&pair->tally.tx_bytes)) ?:
	      put_u64(skb, KVMFT_A_PAIR_RX_FRAMES,
		      atomic64_read(&pair->tally.rx_frames)) ?:
	      put_u64(skb, KVMFT_A_PAIR_TX_FRAMES,
		      atomic64_read(&pair->tally.tx_frames)) ?:
	      put_u64(skb, KVMFT_A_PAIR_LINKS, status->links);
	if (!err && status->error.reason)
		err = nla_put_string(skb, KVMFT_A_PAIR_ERROR, status->error.text);
	return err ?: put_errors(skb, pair);
}

static int put_pair(struct sk_buff *skb, u32 portid, u32 seq,
		    struct netlink_callback *cb, struct kvmft_pair *pair)
{
	struct kvmft_pair_status status;
	void *msg;

	msg = genlmsg_put(skb, portid, seq, &kvmft_family, cb ? NLM_F_MULTI : 0,
			  KVMFT_CMD_PAIR_GET);
	if (!msg)
		return -EMSGSIZE;
	/* Pairs may have come or gone between two parts of a dump: say so. */
	if (cb)
		genl_dump_check_consistent(cb, msg);

	kvmft_pair_status(pair, &status);
	if (put_config(skb, pair) || put_status(skb, pair, &status)) {
		genlmsg_cancel(skb, msg);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, msg);
	return 0;
}

/* Tells who listens what happened. In the thread in which it happened. */
static void notify(struct kvmft_pair *pair, u32 event,
		   const struct kvmft_verdict *verdict)
{
	struct kvmft_pair_status status;
	struct sk_buff *skb;
	void *msg;

	if (!genl_has_listeners(&kvmft_family, pair->net, 0))
		return;
	skb = genlmsg_new(NLMSG_GOODSIZE, GFP_KERNEL);
	if (!skb)
		goto lost;
	msg = genlmsg_put(skb, 0, 0, &kvmft_family, 0, KVMFT_CMD_PAIR_EVENT);
	if (!msg)
		goto lost;

	kvmft_pair_status(pair, &status);
	if (verdict) {
		status.verdict = *verdict;
		status.error = *verdict;
	}
	if (nla_put_u32(skb, KVMFT_A_PAIR_EVENT, event) || put_config(skb, pair) ||
	    nla_put_u32(skb, KVMFT_A_PAIR_STATE, status.state) ||
	    nla_put_u32(skb, KVMFT_A_PAIR_REASON, status.verdict.reason) ||
	    put_u64(skb, KVMFT_A_PAIR_STATE_TIME, status.since_real) ||
	    put_peer(skb, &status) ||
	    (status.verdict.reason &&
	     nla_put_string(skb, KVMFT_A_PAIR_ERROR, status.verdict.text)))
		goto lost;

	genlmsg_end(skb, msg);
	genlmsg_multicast_netns(&kvmft_family, pair->net, skb, 0, 0, GFP_KERNEL);
	return;

lost:
	/* Who listens learns that something is missing, as with a full socket. */
	nlmsg_free(skb);
	genl_set_err(&kvmft_family, pair->net, 0, 0, -ENOBUFS);
}

int kvmft_pair_add_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct kvmft_pair_config config = { 0 };
	int err;

	err = kvmft_netlink_may_change(skb, info->extack) ?:
	      read_config(info, &config);
	if (err)
		goto out;

	err = kvmft_pairs_add(genl_info_net(info), &config, notify);
	switch (err) {
	case 0:
		break;
	case -EEXIST:
		NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[KVMFT_A_PAIR_NAME],
				    "there is a pair of this name; delete it first");
		break;
	case -EADDRINUSE:
		NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[KVMFT_A_PAIR_PORT],
				    "something listens there already; each pair needs a port of its own");
		break;
	case -EADDRNOTAVAIL:
		NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[KVMFT_A_PAIR_ADDRESS],
				    "this host doesn't have the address to listen on");
		break;
	case -ENOMEM:
		NL_SET_ERR_MSG(info->extack, "there is no memory for another pair");
		break;
	case -ESHUTDOWN:
		NL_SET_ERR_MSG(info->extack, "the module is being unloaded");
		break;
	default:
		NL_SET_ERR_MSG(info->extack, "the pair can't be set up on this host");
		break;
	}
out:
	memzero_explicit(&config, sizeof(config));
	/* The request in the socket's buffer has the key, too. */
	if (info->attrs[KVMFT_A_PAIR_KEY])
		memzero_explicit(nla_data(info->attrs[KVMFT_A_PAIR_KEY]),
				 nla_len(info->attrs[KVMFT_A_PAIR_KEY]));
	return err;
}

static int no_such_pair(struct genl_info *info)
{
	NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[KVMFT_A_PAIR_NAME],
			    "there is no pair of this name in this network namespace");
	return -ENOENT;
}

int kvmft_pair_del_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct kvmft_pair *pair;
	const char *name;
	bool used;
	int err;

	err = kvmft_netlink_may_change(skb, info->extack) ?: read_name(info, &name);
	if (err)
		return err;
	pair = kvmft_pairs_find(genl_info_net(info), name);
	used = pair && !kvmft_vms_leave(pair);
	kvmft_pair_put(pair);
	if (used) {
		NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[KVMFT_A_PAIR_NAME],
				    "a guest is attached to this pair; 'ftctl detach' it first");
		return -EBUSY;
	}
	err = kvmft_pairs_del(genl_info_net(info), name);
	return err ? no_such_pair(info) : 0;
}

int kvmft_pair_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct kvmft_pair *pair;
	struct sk_buff *answer;
	const char *name;
	int err;

	err = read_name(info, &name);
	if (err)
		return err;
	pair = kvmft_pairs_find(genl_info_net(info), name);
	if (!pair)
		return no_such_pair(info);

	answer = genlmsg_new(NLMSG_GOODSIZE, GFP_KERNEL);
	err = answer ? put_pair(answer, info->snd_portid, info->snd_seq, NULL, pair) :
		       -ENOMEM;
	kvmft_pair_put(pair);
	if (err) {
		nlmsg_free(answer);
		return err;
	}
	return genlmsg_reply(answer, info);
}

/**
 * struct pair_dump - a dump of pairs that is being filled
 * @skb: Where to.
 * @cb: The dump.
 */
struct pair_dump {
	struct sk_buff *skb;
	struct netlink_callback *cb;
};

static int dump_pair(void *context, struct kvmft_pair *pair)
{
	struct pair_dump *dump = context;

	return put_pair(dump->skb, NETLINK_CB(dump->cb->skb).portid,
			dump->cb->nlh->nlmsg_seq, dump->cb, pair);
}

int kvmft_pair_get_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct pair_dump dump = { skb, cb };
	unsigned long position = cb->args[0];
	int err;

	if (kvmft_dump_attrs(cb)[KVMFT_A_PAIR_NAME]) {
		NL_SET_ERR_MSG(cb->extack, "a dump takes no name; leave NLM_F_DUMP out");
		return -EINVAL;
	}

	err = kvmft_pairs_walk(sock_net(skb->sk), &position, &cb->seq, dump_pair,
			       &dump);
	cb->args[0] = position;
	if (err && !skb->len)
		return err;
	return skb->len;
}
