/* SPDX-License-Identifier: GPL-2.0 */
/*
 * netlink: the generic netlink family, the operators' door.
 *
 * Contract: turns requests into calls of the other parts and their answers
 * into messages; keeps no state of its own. Reading needs no privilege, changing
 * needs CAP_NET_ADMIN in the initial user namespace. Requests are validated
 * strictly: what isn't understood is refused, with a text that says why.
 *
 * The family is in netlink.c, its commands in netlink_pair.c, netlink_vm.c
 * and netlink_selftest.c, for which the second half of this file is.
 */
#ifndef _KVMFT_NETLINK_H
#define _KVMFT_NETLINK_H

#include <linux/kvmft.h>
#include <net/genetlink.h>

struct kvmft_pair;
struct kvmft_verdict;

int kvmft_netlink_init(void);
void kvmft_netlink_exit(void);

extern struct genl_family kvmft_family;

/* May this request change anything? 0, or -EPERM with a text. */
int kvmft_netlink_may_change(struct sk_buff *skb, struct netlink_ext_ack *extack);

extern const struct nla_policy kvmft_pair_add_policy[KVMFT_A_PAIR_MAX + 1];
extern const struct nla_policy kvmft_pair_name_policy[KVMFT_A_PAIR_MAX + 1];

int kvmft_pair_add_doit(struct sk_buff *skb, struct genl_info *info);
int kvmft_pair_del_doit(struct sk_buff *skb, struct genl_info *info);
int kvmft_pair_get_doit(struct sk_buff *skb, struct genl_info *info);
int kvmft_pair_get_dump(struct sk_buff *skb, struct netlink_callback *cb);

extern const struct nla_policy kvmft_vm_attach_policy[KVMFT_A_VM_MAX + 1];
extern const struct nla_policy kvmft_vm_name_policy[KVMFT_A_VM_MAX + 1];
extern const struct nla_policy kvmft_vm_set_policy[KVMFT_A_VM_MAX + 1];
extern const struct nla_policy kvmft_vm_answer_policy[KVMFT_A_VM_MAX + 1];
extern const struct nla_policy kvmft_vm_force_policy[KVMFT_A_VM_MAX + 1];

int kvmft_vm_attach_doit(struct sk_buff *skb, struct genl_info *info);
int kvmft_vm_detach_doit(struct sk_buff *skb, struct genl_info *info);
int kvmft_vm_get_doit(struct sk_buff *skb, struct genl_info *info);
int kvmft_vm_get_dump(struct sk_buff *skb, struct netlink_callback *cb);
int kvmft_vm_set_doit(struct sk_buff *skb, struct genl_info *info);
int kvmft_vm_failover_doit(struct sk_buff *skb, struct genl_info *info);
int kvmft_vm_solo_doit(struct sk_buff *skb, struct genl_info *info);
int kvmft_vm_fence_doit(struct sk_buff *skb, struct genl_info *info);
int kvmft_vm_fence_answer_doit(struct sk_buff *skb, struct genl_info *info);

extern const struct nla_policy kvmft_selftest_attach_policy[KVMFT_A_SELFTEST_MAX + 1];
extern const struct nla_policy kvmft_selftest_name_policy[KVMFT_A_SELFTEST_MAX + 1];
extern const struct nla_policy kvmft_selftest_send_policy[KVMFT_A_SELFTEST_MAX + 1];

int kvmft_selftest_attach_doit(struct sk_buff *skb, struct genl_info *info);
int kvmft_selftest_detach_doit(struct sk_buff *skb, struct genl_info *info);
int kvmft_selftest_send_doit(struct sk_buff *skb, struct genl_info *info);
int kvmft_selftest_read_start(struct netlink_callback *cb);
int kvmft_selftest_read_dump(struct sk_buff *skb, struct netlink_callback *cb);
int kvmft_selftest_read_done(struct netlink_callback *cb);

#endif /* _KVMFT_NETLINK_H */
