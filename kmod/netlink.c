// SPDX-License-Identifier: GPL-2.0
#include <linux/capability.h>
#include <linux/init.h>
#include <linux/kvmft.h>
#include <linux/module.h>
#include <net/genetlink.h>

#include "compat.h"
#include "fault.h"
#include "netlink.h"
#include "version.h"

/*
 * The request takes no attributes. Saying so needs a policy that rejects each:
 * without one the core doesn't look at them at all.
 */
static const struct nla_policy version_get_policy[] = {
	[1 ... KVMFT_A_VERSION_MAX] = {
		.type = NLA_REJECT,
		.reject_message = "a version request takes no attributes",
	},
};

static int version_get_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	void *msg;
	int err;

	err = kvmft_hold(KVMFT_FAULT_VERSION_DUMP);
	if (err)
		return err;
	err = kvmft_fault(KVMFT_FAULT_VERSION_DUMP);
	if (err)
		return err;

	msg = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
			  &kvmft_family, NLM_F_MULTI, KVMFT_CMD_VERSION_GET);
	if (!msg)
		return -EMSGSIZE;

	if (nla_put_string(skb, KVMFT_A_VERSION_MODULE, KVMFT_VERSION) ||
	    nla_put_u32(skb, KVMFT_A_VERSION_PROTOCOL,
			KVMFT_PROTOCOL_VERSION)) {
		genlmsg_cancel(skb, msg);
		return -EMSGSIZE;
	}

	genlmsg_end(skb, msg);

	/* 0, not skb->len: the dump ends with this message. */
	return 0;
}

/**
 * kvmft_netlink_may_change() - may this request change anything?
 * @skb: the request
 * @extack: where to say why not
 *
 * Not GENL_ADMIN_PERM, which refuses without a word.
 *
 * Return: 0 or -EPERM
 */
int kvmft_netlink_may_change(struct sk_buff *skb, struct netlink_ext_ack *extack)
{
	if (netlink_capable(skb, CAP_NET_ADMIN))
		return 0;
	NL_SET_ERR_MSG(extack, "this needs CAP_NET_ADMIN in the initial user namespace");
	return -EPERM;
}

static const struct genl_ops kvmft_ops[] = {
	{
		.cmd = KVMFT_CMD_VERSION_GET,
		.dumpit = version_get_dump,
		.policy = version_get_policy,
		.maxattr = ARRAY_SIZE(version_get_policy) - 1,
	},
	{
		.cmd = KVMFT_CMD_PAIR_ADD,
		.doit = kvmft_pair_add_doit,
		.policy = kvmft_pair_add_policy,
		.maxattr = ARRAY_SIZE(kvmft_pair_add_policy) - 1,
	},
	{
		.cmd = KVMFT_CMD_PAIR_DEL,
		.doit = kvmft_pair_del_doit,
		.policy = kvmft_pair_name_policy,
		.maxattr = ARRAY_SIZE(kvmft_pair_name_policy) - 1,
	},
	{
		.cmd = KVMFT_CMD_PAIR_GET,
		.doit = kvmft_pair_get_doit,
		.dumpit = kvmft_pair_get_dump,
		.policy = kvmft_pair_name_policy,
		.maxattr = ARRAY_SIZE(kvmft_pair_name_policy) - 1,
	},
	{
		.cmd = KVMFT_CMD_SELFTEST_ATTACH,
		.doit = kvmft_selftest_attach_doit,
		.policy = kvmft_selftest_attach_policy,
		.maxattr = ARRAY_SIZE(kvmft_selftest_attach_policy) - 1,
	},
	{
		.cmd = KVMFT_CMD_SELFTEST_DETACH,
		.doit = kvmft_selftest_detach_doit,
		.policy = kvmft_selftest_name_policy,
		.maxattr = ARRAY_SIZE(kvmft_selftest_name_policy) - 1,
	},
	{
		.cmd = KVMFT_CMD_SELFTEST_SEND,
		.doit = kvmft_selftest_send_doit,
		.policy = kvmft_selftest_send_policy,
		.maxattr = ARRAY_SIZE(kvmft_selftest_send_policy) - 1,
	},
	{
		.cmd = KVMFT_CMD_SELFTEST_READ,
		.start = kvmft_selftest_read_start,
		.dumpit = kvmft_selftest_read_dump,
		.done = kvmft_selftest_read_done,
		.policy = kvmft_selftest_name_policy,
		.maxattr = ARRAY_SIZE(kvmft_selftest_name_policy) - 1,
	},
	{
		.cmd = KVMFT_CMD_VM_ATTACH,
		.doit = kvmft_vm_attach_doit,
		.policy = kvmft_vm_attach_policy,
		.maxattr = ARRAY_SIZE(kvmft_vm_attach_policy) - 1,
	},
	{
		.cmd = KVMFT_CMD_VM_DETACH,
		.doit = kvmft_vm_detach_doit,
		.policy = kvmft_vm_force_policy,
		.maxattr = ARRAY_SIZE(kvmft_vm_force_policy) - 1,
	},
	{
		.cmd = KVMFT_CMD_VM_GET,
		.doit = kvmft_vm_get_doit,
		.dumpit = kvmft_vm_get_dump,
		.policy = kvmft_vm_name_policy,
		.maxattr = ARRAY_SIZE(kvmft_vm_name_policy) - 1,
	},
	{
		.cmd = KVMFT_CMD_VM_SET,
		.doit = kvmft_vm_set_doit,
		.policy = kvmft_vm_set_policy,
		.maxattr = ARRAY_SIZE(kvmft_vm_set_policy) - 1,
	},
	{
		.cmd = KVMFT_CMD_VM_FAILOVER,
		.doit = kvmft_vm_failover_doit,
		.policy = kvmft_vm_force_policy,
		.maxattr = ARRAY_SIZE(kvmft_vm_force_policy) - 1,
	},
	{
		.cmd = KVMFT_CMD_VM_SOLO,
		.doit = kvmft_vm_solo_doit,
		.policy = kvmft_vm_name_policy,
		.maxattr = ARRAY_SIZE(kvmft_vm_name_policy) - 1,
	},
	{
		.cmd = KVMFT_CMD_VM_FENCE,
		.doit = kvmft_vm_fence_doit,
		.policy = kvmft_vm_name_policy,
		.maxattr = ARRAY_SIZE(kvmft_vm_name_policy) - 1,
	},
	{
		.cmd = KVMFT_CMD_VM_FENCE_ANSWER,
		.doit = kvmft_vm_fence_answer_doit,
		.policy = kvmft_vm_answer_policy,
		.maxattr = ARRAY_SIZE(kvmft_vm_answer_policy) - 1,
	},
};

static const struct genl_multicast_group kvmft_groups[] = {
	{ .name = KVMFT_EVENTS_GROUP },
};

struct genl_family kvmft_family __ro_after_init = {
	.name = KVMFT_FAMILY_NAME,
	.version = KVMFT_FAMILY_VERSION,
	.module = THIS_MODULE,
	.ops = kvmft_ops,
	.n_ops = ARRAY_SIZE(kvmft_ops),
	.mcgrps = kvmft_groups,
	.n_mcgrps = ARRAY_SIZE(kvmft_groups),
	/* No command is old enough to be let off the checks of the header. */
	.resv_start_op = KVMFT_CMD_VERSION_GET,
	.netnsok = true,
	/*
	 * Without this a handler runs under the one mutex of all such families,
	 * and one that waits here stops unrelated parts of the host.
	 */
	.parallel_ops = true,
};

/**
 * kvmft_netlink_init() - register the netlink family
 *
 * Requests may arrive before this returns. The module's initialization must not
 * fail after it; see kvmft_netlink_exit().
 *
 * Return: 0 or a negative errno
 */
int __init kvmft_netlink_init(void)
{
	return genl_register_family(&kvmft_family);
}

/**
 * kvmft_netlink_exit() - unregister the netlink family
 *
 * Waits for the requests under way; on return none is handled and none will be.
 * It doesn't wait for a dump that was put off until its socket is read. Such a
 * one holds the module, which is enough at unload, but is why nothing may fail
 * after kvmft_netlink_init().
 */
void kvmft_netlink_exit(void)
{
	genl_unregister_family(&kvmft_family);
}
