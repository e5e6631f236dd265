// SPDX-License-Identifier: GPL-2.0
#include <linux/file.h>
#include <linux/kvmft.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <net/genetlink.h>
#include <net/sock.h>

#include "compat.h"
#include "fence.h"
#include "netlink.h"
#include "pair.h"
#include "pairs.h"
#include "standby.h"
#include "vmm.h"
#include "vms.h"
#include "wire.h"

#define CEILING_DEFAULT BIT_ULL(30)
#define CEILING_MIN BIT_ULL(20)

/* Not const: policies of 6.1 don't take them so. */
static struct netlink_range_validation ceiling_range = {
	.min = CEILING_MIN,
	.max = BIT_ULL(46),
};

#define ANSWER_ONLY { \
	.type = NLA_REJECT, \
	.reject_message = "this attribute is for answers only", \
}

#define NOT_HERE { \
	.type = NLA_REJECT, \
	.reject_message = "this attribute has no meaning here", \
}

const struct nla_policy kvmft_vm_attach_policy[KVMFT_A_VM_MAX + 1] = {
	[KVMFT_A_VM_NAME] = { .type = NLA_NUL_STRING, .len = KVMFT_VM_NAME_MAX },
	[KVMFT_A_VM_PAIR] = { .type = NLA_NUL_STRING, .len = KVMFT_PAIR_NAME_MAX },
	[KVMFT_A_VM_ROLE] = NLA_POLICY_RANGE(NLA_U32, KVMFT_VM_PRIMARY,
					     KVMFT_VM_STANDBY),
	[KVMFT_A_VM_MODE] = NLA_POLICY_RANGE(NLA_U32, KVMFT_VM_SYNC, KVMFT_VM_ASYNC),
	[KVMFT_A_VM_PID] = { .type = NLA_U32 },
	[KVMFT_A_VM_FD] = { .type = NLA_U32 },
	[KVMFT_A_VM_VCPU_FDS] = NLA_POLICY_RANGE(NLA_BINARY, sizeof(u32),
						 4 * KVMFT_VCPUS_MAX * sizeof(u32)),
	[KVMFT_A_VM_MSRS] = NLA_POLICY_RANGE(NLA_BINARY, sizeof(u32),
					     KVMFT_KVMSTATE_MSRS_MAX * sizeof(u32)),
	[KVMFT_A_VM_CONVERGE] = { .type = NLA_FLAG },
	[KVMFT_A_VM_CEILING] = NLA_POLICY_FULL_RANGE(NLA_U64, &ceiling_range),
	[KVMFT_A_VM_FORCE] = NOT_HERE,
	[KVMFT_A_VM_STATE ... KVMFT_A_VM_PAD] = ANSWER_ONLY,
	[KVMFT_A_VM_PROMOTE] = NLA_POLICY_RANGE(NLA_U32, KVMFT_VM_AUTO, KVMFT_VM_ASK),
	[KVMFT_A_VM_LOSS] = NLA_POLICY_RANGE(NLA_U32, KVMFT_VM_LOSS_HOLD, KVMFT_VM_LOSS_ASK),
	[KVMFT_A_VM_FENCING] = NLA_POLICY_RANGE(NLA_U32, KVMFT_VM_FENCING_NONE,
						KVMFT_VM_FENCING_REQUIRED),
	[KVMFT_A_VM_FENCE ... KVMFT_A_VM_FENCE_TOKEN] = ANSWER_ONLY,
	[KVMFT_A_VM_RATE] = { .type = NLA_U64 },
	[KVMFT_A_VM_EXCHANGE ... KVMFT_A_VM_APPLY] = ANSWER_ONLY,
	[KVMFT_A_VM_COMPRESS] = NLA_POLICY_RANGE(NLA_U32, KVMFT_VM_COMPRESS_NONE,
						 KVMFT_VM_COMPRESS_LZ4),
};

const struct nla_policy kvmft_vm_name_policy[KVMFT_A_VM_MAX + 1] = {
	[KVMFT_A_VM_NAME] = { .type = NLA_NUL_STRING, .len = KVMFT_VM_NAME_MAX },
	[KVMFT_A_VM_PAIR ... KVMFT_A_VM_MAX] = {
		.type = NLA_REJECT,
		.reject_message = "this request takes a name and nothing else",
	},
};

const struct nla_policy kvmft_vm_set_policy[KVMFT_A_VM_MAX + 1] = {
	[KVMFT_A_VM_NAME] = { .type = NLA_NUL_STRING, .len = KVMFT_VM_NAME_MAX },
	[KVMFT_A_VM_PAIR ... KVMFT_A_VM_ROLE] = NOT_HERE,
	[KVMFT_A_VM_MODE] = NLA_POLICY_RANGE(NLA_U32, KVMFT_VM_SYNC, KVMFT_VM_ASYNC),
	[KVMFT_A_VM_PID ... KVMFT_A_VM_MSRS] = NOT_HERE,
	[KVMFT_A_VM_CONVERGE] = { .type = NLA_FLAG },
	[KVMFT_A_VM_CEILING ... KVMFT_A_VM_PAD] = NOT_HERE,
	[KVMFT_A_VM_PROMOTE] = NLA_POLICY_RANGE(NLA_U32, KVMFT_VM_AUTO, KVMFT_VM_ASK),
	[KVMFT_A_VM_LOSS] = NLA_POLICY_RANGE(NLA_U32, KVMFT_VM_LOSS_HOLD, KVMFT_VM_LOSS_ASK),
	[KVMFT_A_VM_FENCING] = NLA_POLICY_RANGE(NLA_U32, KVMFT_VM_FENCING_NONE,
						KVMFT_VM_FENCING_REQUIRED),
	[KVMFT_A_VM_FENCE ... KVMFT_A_VM_FENCE_TOKEN] = ANSWER_ONLY,
	[KVMFT_A_VM_RATE] = { .type = NLA_U64 },
	[KVMFT_A_VM_EXCHANGE ... KVMFT_A_VM_APPLY] = ANSWER_ONLY,
	[KVMFT_A_VM_COMPRESS] = NLA_POLICY_RANGE(NLA_U32, KVMFT_VM_COMPRESS_NONE,
						 KVMFT_VM_COMPRESS_LZ4),
};

const struct nla_policy kvmft_vm_answer_policy[KVMFT_A_VM_MAX + 1] = {
	[KVMFT_A_VM_NAME] = { .type = NLA_NUL_STRING, .len = KVMFT_VM_NAME_MAX },
	[KVMFT_A_VM_PAIR ... KVMFT_A_VM_FENCING] = NOT_HERE,
	[KVMFT_A_VM_FENCE] = NLA_POLICY_RANGE(NLA_U32, KVMFT_VM_FENCE_DONE,
					      KVMFT_VM_FENCE_FAILED),
	[KVMFT_A_VM_FENCE_TOKEN] = { .type = NLA_U64 },
	[KVMFT_A_VM_RATE] = NOT_HERE,
	[KVMFT_A_VM_EXCHANGE ... KVMFT_A_VM_APPLY] = ANSWER_ONLY,
	[KVMFT_A_VM_COMPRESS] = NOT_HERE,
};

const struct nla_policy kvmft_vm_force_policy[KVMFT_A_VM_MAX + 1] = {
	[KVMFT_A_VM_NAME] = { .type = NLA_NUL_STRING, .len = KVMFT_VM_NAME_MAX },
	[KVMFT_A_VM_PAIR ... KVMFT_A_VM_CEILING] = NOT_HERE,
	[KVMFT_A_VM_FORCE] = { .type = NLA_FLAG },
	[KVMFT_A_VM_STATE ... KVMFT_A_VM_MAX] = ANSWER_ONLY,
};

static int read_name(struct genl_info *info, const char **name)
{
	struct nlattr *attr = info->attrs[KVMFT_A_VM_NAME];

	if (!attr) {
		NL_SET_ERR_MSG(info->extack, "KVMFT_A_VM_NAME, the name of the guest, is missing");
		return -EINVAL;
	}
	*name = nla_data(attr);
	if (kvmft_wire_name_ok(*name, KVMFT_VM_NAME_MAX))
		return 0;
	NL_SET_ERR_MSG_ATTR(info->extack, attr,
			    "a name has letters, digits, '.', '_' and '-', and begins with one of the first two");
	return -EINVAL;
}

/*
 * A text that was made up can't be said through extack, which takes what stays: on
 * some kernels not at all, on others 80 characters. The request stays until the answer
 * is made, and nobody reads its list of MSRs any more.
 */
static void say(struct genl_info *info, const struct kvmft_verdict *verdict)
{
	struct nlattr *room = info->attrs[KVMFT_A_VM_MSRS];

	if (!verdict->reason || !room || nla_len(room) < 16)
		return;
	strscpy(nla_data(room), verdict->text, nla_len(room));
	info->extack->_msg = nla_data(room);
}

static int check_missing(struct genl_info *info)
{
	static const struct {
		int attr;
		const char *text;
	} needed[] = {
		{ KVMFT_A_VM_PAIR, "KVMFT_A_VM_PAIR, the name of the pair, is missing" },
		{ KVMFT_A_VM_ROLE, "KVMFT_A_VM_ROLE, primary or standby, is missing" },
		{ KVMFT_A_VM_FD, "KVMFT_A_VM_FD, the descriptor of the VM, is missing" },
		{ KVMFT_A_VM_VCPU_FDS,
		  "KVMFT_A_VM_VCPU_FDS, the descriptors of its vcpus, are missing" },
		{ KVMFT_A_VM_MSRS, "KVMFT_A_VM_MSRS, the list of MSRs, is missing" },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(needed); i++) {
		if (info->attrs[needed[i].attr])
			continue;
		info->extack->_msg = needed[i].text;
		return -EINVAL;
	}
	if (nla_len(info->attrs[KVMFT_A_VM_VCPU_FDS]) % sizeof(u32) ||
	    nla_len(info->attrs[KVMFT_A_VM_MSRS]) % sizeof(u32)) {
		NL_SET_ERR_MSG(info->extack, "a list isn't one of 32-bit numbers");
		return -EINVAL;
	}
	return 0;
}

static void put_files(struct kvmft_vm_config *config)
{
	while (config->vcpu_count)
		fput(config->vcpu_files[--config->vcpu_count]);
	kfree(config->vcpu_files);
	if (config->vm_file)
		fput(config->vm_file);
}

/* The request is handled in the thread that sent it, so these are its descriptors. */
static int take_files(struct genl_info *info, struct kvmft_vm_config *config)
{
	struct nlattr *attr = info->attrs[KVMFT_A_VM_VCPU_FDS];
	u32 count = nla_len(attr) / sizeof(u32);
	u32 fd, i;

	config->vm_file = fget(nla_get_u32(info->attrs[KVMFT_A_VM_FD]));
	config->vcpu_files = kcalloc(count, sizeof(*config->vcpu_files), GFP_KERNEL);
	if (!config->vcpu_files)
		return -ENOMEM;
	if (!config->vm_file) {
		NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[KVMFT_A_VM_FD],
				    "this descriptor isn't open in the requesting process");
		return -EBADF;
	}
	for (i = 0; i < count; i++) {
		memcpy(&fd, nla_data(attr) + i * sizeof(u32), sizeof(fd));
		config->vcpu_files[i] = fget(fd);
		if (!config->vcpu_files[i]) {
			NL_SET_ERR_MSG_ATTR(info->extack, attr,
					    "a descriptor isn't open in the requesting process");
			return -EBADF;
		}
		config->vcpu_count++;
	}
	return 0;
}

static int put_u64(struct sk_buff *skb, int attr, u64 value)
{
	return nla_put_u64_64bit(skb, attr, value, KVMFT_A_VM_PAD);
}

static int put_counters(struct sk_buff *skb, struct kvmft_vm *vm)
{
	struct nlattr *nest = nla_nest_start(skb, KVMFT_A_VM_COUNTERS);
	u32 i;

	if (!nest)
		return -EMSGSIZE;
	for (i = 1; i <= KVMFT_A_COUNTER_MAX; i++) {
		if (i == KVMFT_A_COUNTER_PAD)
			continue;
		if (nla_put_u64_64bit(skb, i, kvmft_vm_counter(vm, i),
				      KVMFT_A_COUNTER_PAD))
			return -EMSGSIZE;
	}
	nla_nest_end(skb, nest);
	return 0;
}

static int put_times(struct sk_buff *skb, struct kvmft_vm *vm, int attr,
		     enum kvmft_vm_time time)
{
	struct nlattr *nest = nla_nest_start(skb, attr);
	struct kvmft_vm_times times;

	kvmft_vm_times(vm, time, &times);
	if (!nest ||
	    nla_put_u64_64bit(skb, KVMFT_A_TIMES_SUM, times.sum, KVMFT_A_TIMES_PAD) ||
	    nla_put_u64_64bit(skb, KVMFT_A_TIMES_LONGEST, times.longest,
			      KVMFT_A_TIMES_PAD) ||
	    nla_put(skb, KVMFT_A_TIMES_CLASSES, sizeof(times.classes), times.classes))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

/* More than all that an answer has about a guest: numbers, names, words, times. */
#define VM_MESSAGE_MAX \
	(nlmsg_total_size(GENL_HDRLEN) + \
	 (KVMFT_A_VM_MAX + KVMFT_A_COUNTER_MAX) * nla_total_size_64bit(sizeof(u64)) + \
	 nla_total_size(KVMFT_VM_NAME_MAX + 1) + nla_total_size(KVMFT_PAIR_NAME_MAX + 1) + \
	 nla_total_size(KVMFT_VERDICT_TEXT) + \
	 KVMFT_TIMES * (2 * nla_total_size_64bit(sizeof(u64)) + \
			nla_total_size(sizeof_field(struct kvmft_vm_times, classes))))

static int put_what(struct sk_buff *skb, struct kvmft_vm *vm)
{
	s64 committed_age = kvmft_vm_committed_age(vm);
	struct kvmft_vm_progress progress;
	struct kvmft_verdict verdict;
	u32 state, fencing, fence;
	u64 since, token;

	/* One at a time is what an event's or an answer's buffer must have room for. */
	BUILD_BUG_ON(VM_MESSAGE_MAX > NLMSG_GOODSIZE);
	vm->ops->progress(vm, &progress);
	spin_lock(&vm->lock);
	state = vm->state;
	verdict = vm->verdict;
	since = vm->since;
	fencing = vm->fencing;
	fence = vm->fence;
	token = vm->fence_token;
	spin_unlock(&vm->lock);

	if (nla_put_string(skb, KVMFT_A_VM_NAME, vm->name) ||
	    nla_put_string(skb, KVMFT_A_VM_PAIR, vm->pair->self.name) ||
	    nla_put_u32(skb, KVMFT_A_VM_ROLE, vm->role) ||
	    (progress.mode && nla_put_u32(skb, KVMFT_A_VM_MODE, progress.mode)) ||
	    (progress.promote &&
	     nla_put_u32(skb, KVMFT_A_VM_PROMOTE, progress.promote)) ||
	    (progress.loss && nla_put_u32(skb, KVMFT_A_VM_LOSS, progress.loss)) ||
	    nla_put_u32(skb, KVMFT_A_VM_FENCING, fencing) ||
	    (progress.exchanging && nla_put_flag(skb, KVMFT_A_VM_EXCHANGE)) ||
	    (progress.rate && put_u64(skb, KVMFT_A_VM_RATE, progress.rate)) ||
	    (progress.compress &&
	     nla_put_u32(skb, KVMFT_A_VM_COMPRESS, progress.compress)) ||
	    (fence && nla_put_u32(skb, KVMFT_A_VM_FENCE, fence)) ||
	    (fence && put_u64(skb, KVMFT_A_VM_FENCE_TOKEN, token)) ||
	    nla_put_u32(skb, KVMFT_A_VM_PID, vm->pid) ||
	    nla_put_u32(skb, KVMFT_A_VM_STATE, state) ||
	    (verdict.reason && nla_put_u32(skb, KVMFT_A_VM_REASON, verdict.reason)) ||
	    (verdict.reason && nla_put_string(skb, KVMFT_A_VM_WHY, verdict.text)) ||
	    put_u64(skb, KVMFT_A_VM_STATE_AGE,
		    div_u64(ktime_get_boottime_ns() - since, NSEC_PER_MSEC)) ||
	    nla_put_u32(skb, KVMFT_A_VM_VCPUS, vm->vcpu_count) ||
	    put_u64(skb, KVMFT_A_VM_MEMORY, vm->memory.pages << PAGE_SHIFT) ||
	    nla_put_u32(skb, KVMFT_A_VM_TRACKING, progress.tracking) ||
	    put_u64(skb, KVMFT_A_VM_GENERATION, progress.generation) ||
	    put_u64(skb, KVMFT_A_VM_EPOCH, progress.epoch) ||
	    put_u64(skb, KVMFT_A_VM_COMMITTED, progress.committed) ||
	    (vm->role == KVMFT_VM_STANDBY &&
	     put_u64(skb, KVMFT_A_VM_APPLIED, progress.applied)) ||
	    (committed_age >= 0 &&
	     put_u64(skb, KVMFT_A_VM_COMMITTED_AGE, committed_age)) ||
	    put_u64(skb, KVMFT_A_VM_COPY_DONE, progress.copy_done) ||
	    put_u64(skb, KVMFT_A_VM_COPY_TOTAL, progress.copy_total) ||
	    nla_put_u32(skb, KVMFT_A_VM_COPY_ROUND, progress.copy_round))
		return -EMSGSIZE;
	return put_counters(skb, vm);
}

static void notify(struct kvmft_vm *vm, u32 event)
{
	struct sk_buff *skb;
	void *msg;

	if (!genl_has_listeners(&kvmft_family, vm->net, 0))
		return;
	skb = genlmsg_new(NLMSG_GOODSIZE, GFP_KERNEL);
	if (!skb)
		goto lost;
	msg = genlmsg_put(skb, 0, 0, &kvmft_family, 0, KVMFT_CMD_VM_EVENT);
	if (!msg || nla_put_u32(skb, KVMFT_A_VM_EVENT, event) || put_what(skb, vm))
		goto lost;
	genlmsg_end(skb, msg);
	genlmsg_multicast_netns(&kvmft_family, vm->net, skb, 0, 0, GFP_KERNEL);
	return;

lost:
	nlmsg_free(skb);
	netlink_set_err(vm->net->genl_sock, 0, kvmft_family.mcgrp_offset, ENOBUFS);
}

static int attach(struct genl_info *info, struct kvmft_vm_config *config)
{
	struct nlattr **attrs = info->attrs;
	struct kvmft_verdict verdict = { 0 };
	struct kvmft_pair *pair;
	u32 *msrs;
	int err;

	pair = kvmft_pairs_find(genl_info_net(info), nla_data(attrs[KVMFT_A_VM_PAIR]));
	if (!pair) {
		NL_SET_ERR_MSG_ATTR(info->extack, attrs[KVMFT_A_VM_PAIR],
				    "there is no pair of this name; make one with 'ftctl pair add'");
		return -ENOENT;
	}
	/* Attributes aren't aligned for it on their own. */
	msrs = kmemdup(nla_data(attrs[KVMFT_A_VM_MSRS]),
		       nla_len(attrs[KVMFT_A_VM_MSRS]), GFP_KERNEL);
	if (!msrs) {
		err = -ENOMEM;
		goto out;
	}
	config->msrs = msrs;
	config->msr_count = nla_len(attrs[KVMFT_A_VM_MSRS]) / sizeof(u32);
	err = kvmft_vms_attach(pair, config, notify, &verdict);
	if (err == -EEXIST)
		NL_SET_ERR_MSG_ATTR(info->extack, attrs[KVMFT_A_VM_NAME],
				    "there is a guest of this name; detach it first (a standby takes the place of a fenced one)");
	else if (err)
		say(info, &verdict);
	kfree(msrs);
out:
	kvmft_pair_put(pair);
	return err;
}

/* What it does when the other one is lost, and what only one of the two does. */
static int read_policies(struct genl_info *info, struct kvmft_vm_config *config)
{
	bool standby = config->role == KVMFT_VM_STANDBY;
	struct nlattr **attrs = info->attrs;

	config->promote = KVMFT_VM_AUTO;
	config->loss = KVMFT_VM_LOSS_HOLD;
	config->fencing = KVMFT_VM_FENCING_NONE;
	config->compress = KVMFT_VM_COMPRESS_NONE;
	if (attrs[KVMFT_A_VM_PROMOTE])
		config->promote = nla_get_u32(attrs[KVMFT_A_VM_PROMOTE]);
	if (attrs[KVMFT_A_VM_LOSS])
		config->loss = nla_get_u32(attrs[KVMFT_A_VM_LOSS]);
	if (attrs[KVMFT_A_VM_FENCING])
		config->fencing = nla_get_u32(attrs[KVMFT_A_VM_FENCING]);
	if (attrs[KVMFT_A_VM_COMPRESS])
		config->compress = nla_get_u32(attrs[KVMFT_A_VM_COMPRESS]);
	if (attrs[KVMFT_A_VM_PROMOTE] && !standby) {
		NL_SET_ERR_MSG_ATTR(info->extack, attrs[KVMFT_A_VM_PROMOTE],
				    "only a standby is promoted; leave it out, or say it on the other host");
		return -EINVAL;
	}
	if (attrs[KVMFT_A_VM_LOSS] && standby) {
		NL_SET_ERR_MSG_ATTR(info->extack, attrs[KVMFT_A_VM_LOSS],
				    "only a primary can lose its standby; leave it out, or say it on the other host");
		return -EINVAL;
	}
	if (config->rate && standby) {
		NL_SET_ERR_MSG_ATTR(info->extack, attrs[KVMFT_A_VM_RATE],
				    "only a primary sends a copy; leave it out, or say it on the other host");
		return -EINVAL;
	}
	if (attrs[KVMFT_A_VM_COMPRESS] && standby) {
		NL_SET_ERR_MSG_ATTR(info->extack, attrs[KVMFT_A_VM_COMPRESS],
				    "only a primary sends pages; leave it out, or say it on the other host");
		return -EINVAL;
	}
	if (config->loss == KVMFT_VM_LOSS_SOLO &&
	    config->fencing != KVMFT_VM_FENCING_REQUIRED) {
		NL_SET_ERR_MSG_ATTR(info->extack, attrs[KVMFT_A_VM_LOSS],
				    "going on alone takes a fence; say 'fencing required', too");
		return -EINVAL;
	}
	return 0;
}

int kvmft_vm_attach_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct kvmft_vm_config config = { .mode = KVMFT_VM_SYNC, .ceiling = CEILING_DEFAULT };
	struct nlattr **attrs = info->attrs;
	int err;

	err = kvmft_netlink_may_change(skb, info->extack) ?:
	      read_name(info, &config.name) ?: check_missing(info);
	if (err)
		return err;
	config.role = nla_get_u32(attrs[KVMFT_A_VM_ROLE]);
	if (attrs[KVMFT_A_VM_MODE])
		config.mode = nla_get_u32(attrs[KVMFT_A_VM_MODE]);
	if (attrs[KVMFT_A_VM_CEILING])
		config.ceiling = nla_get_u64(attrs[KVMFT_A_VM_CEILING]);
	if (attrs[KVMFT_A_VM_PID])
		config.pid = nla_get_u32(attrs[KVMFT_A_VM_PID]);
	if (attrs[KVMFT_A_VM_RATE])
		config.rate = nla_get_u64(attrs[KVMFT_A_VM_RATE]);
	config.converge = attrs[KVMFT_A_VM_CONVERGE];
	err = read_policies(info, &config);
	if (err)
		return err;
	err = take_files(info, &config) ?: attach(info, &config);
	put_files(&config);
	return err;
}

static int no_such_guest(struct genl_info *info)
{
	NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[KVMFT_A_VM_NAME],
			    "there is no guest of this name in this network namespace");
	return -ENOENT;
}

/* The guest that a request names, with a reference. */
static int find(struct genl_info *info, struct kvmft_vm **vm)
{
	const char *name;
	int err = read_name(info, &name);

	if (err)
		return err;
	*vm = kvmft_vms_find(genl_info_net(info), name);
	return *vm ? 0 : no_such_guest(info);
}

int kvmft_vm_detach_doit(struct sk_buff *skb, struct genl_info *info)
{
	const char *name;
	int err;

	err = kvmft_netlink_may_change(skb, info->extack) ?: read_name(info, &name);
	if (err)
		return err;
	err = kvmft_vms_detach(genl_info_net(info), name, info->attrs[KVMFT_A_VM_FORCE]);
	if (err == -ENOENT)
		return no_such_guest(info);
	if (err == -ENOTCONN)
		NL_SET_ERR_MSG(info->extack,
			       "its standby can't be told, and may take over; make sure that it doesn't, and say KVMFT_A_VM_FORCE (--force)");
	if (err == -EBUSY)
		NL_SET_ERR_MSG(info->extack,
			       "it takes over just now; wait until it is solo, or say KVMFT_A_VM_FORCE (--force) to have it run on unattached");
	return err;
}

int kvmft_vm_solo_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct kvmft_vm *vm;
	int err;

	err = kvmft_netlink_may_change(skb, info->extack) ?: find(info, &vm);
	if (err)
		return err;
	err = vm->ops->alone ? vm->ops->alone(vm) : -EOPNOTSUPP;
	if (err == -EOPNOTSUPP)
		NL_SET_ERR_MSG(info->extack,
			       "this host has the standby; to have it take over: failover");
	else if (err == -EBUSY)
		NL_SET_ERR_MSG(info->extack, "it isn't held");
	kvmft_vm_put(vm);
	return err;
}

int kvmft_vm_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr *mode = info->attrs[KVMFT_A_VM_MODE];
	struct nlattr *promote = info->attrs[KVMFT_A_VM_PROMOTE];
	struct nlattr *loss = info->attrs[KVMFT_A_VM_LOSS];
	struct nlattr *fencing = info->attrs[KVMFT_A_VM_FENCING];
	struct nlattr *compress = info->attrs[KVMFT_A_VM_COMPRESS];
	struct nlattr *limit = info->attrs[KVMFT_A_VM_RATE];
	u64 rate = limit ? nla_get_u64(limit) : 0;
	struct kvmft_vm_changes changes = {
		.mode = mode ? nla_get_u32(mode) : 0,
		.converge = info->attrs[KVMFT_A_VM_CONVERGE],
		.promote = promote ? nla_get_u32(promote) : 0,
		.loss = loss ? nla_get_u32(loss) : 0,
		.fencing = fencing ? nla_get_u32(fencing) : 0,
		.rate = limit ? &rate : NULL,
		.compress = compress ? nla_get_u32(compress) : 0,
	};
	struct kvmft_vm *vm;
	int err;

	err = kvmft_netlink_may_change(skb, info->extack) ?: find(info, &vm);
	if (err)
		return err;
	err = vm->ops->set(vm, &changes);
	if (err == -EOPNOTSUPP)
		NL_SET_ERR_MSG(info->extack,
			       "mode, convergence, rate, loss and compression are the primary's, how it is promoted is the standby's; ask the other host");
	else if (err == -EPERM)
		NL_SET_ERR_MSG(info->extack,
			       "going on alone takes a fence; with 'loss solo' goes 'fencing required'");
	kvmft_vm_put(vm);
	return err;
}

/* The primary isn't asked. */
static int fail_over(struct kvmft_vm *vm, struct netlink_ext_ack *extack)
{
	int err;

	if (vm->role != KVMFT_VM_STANDBY) {
		NL_SET_ERR_MSG(extack,
			       "it runs here; without force it is handed over, with force ask the host that has the standby");
		return -EINVAL;
	}
	err = kvmft_standby_promote(vm, KVMFT_REASON_NONE);
	if (err == -EBUSY)
		NL_SET_ERR_MSG(extack, "it is taking over already, or can't");
	else if (err == -EPERM)
		NL_SET_ERR_MSG(extack,
			       "the other host has to be fenced first: ftctl fence; or say 'set fencing none', if it is off");
	else if (err == -ENODATA)
		NL_SET_ERR_MSG(extack,
			       "it has no committed epoch yet; only a protected guest can fail over");
	return err;
}

/* Who has asked looks what becomes of it. */
static int exchange(struct kvmft_vm *vm, struct netlink_ext_ack *extack)
{
	int err = vm->ops->exchange(vm);

	if (err == -ENOTCONN)
		NL_SET_ERR_MSG(extack,
			       "it isn't protected just now, so there is nobody to hand it over to; see 'ftctl show'");
	return err;
}

int kvmft_vm_failover_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct kvmft_vm *vm;
	int err;

	err = kvmft_netlink_may_change(skb, info->extack) ?: find(info, &vm);
	if (err)
		return err;
	err = info->attrs[KVMFT_A_VM_FORCE] ? fail_over(vm, info->extack) :
					      exchange(vm, info->extack);
	kvmft_vm_put(vm);
	return err;
}

int kvmft_vm_fence_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct kvmft_vm *vm;
	int err;

	err = kvmft_netlink_may_change(skb, info->extack) ?: find(info, &vm);
	if (err)
		return err;
	err = kvmft_fence_ask(vm);
	if (err)
		NL_SET_ERR_MSG(info->extack,
			       "it hasn't lost the other host: a standby that waits for its peer can have it fenced, and a guest that is held");
	kvmft_vm_put(vm);
	return err;
}

int kvmft_vm_fence_answer_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr *token = info->attrs[KVMFT_A_VM_FENCE_TOKEN];
	struct nlattr *fence = info->attrs[KVMFT_A_VM_FENCE];
	struct kvmft_vm *vm;
	const char *name;
	int err;

	err = kvmft_netlink_may_change(skb, info->extack) ?: read_name(info, &name);
	if (err)
		return err;
	if (!token || !fence) {
		NL_SET_ERR_MSG(info->extack,
			       "KVMFT_A_VM_FENCE, what came of it, or KVMFT_A_VM_FENCE_TOKEN, of what, is missing");
		return -EINVAL;
	}
	vm = kvmft_vms_find(genl_info_net(info), name);
	if (!vm)
		return no_such_guest(info);
	err = kvmft_fence_answer(vm, nla_get_u64(token),
				 nla_get_u32(fence) == KVMFT_VM_FENCE_DONE);
	if (err)
		NL_SET_ERR_MSG(info->extack, "nobody waits for this answer any more");
	kvmft_vm_put(vm);
	return err;
}

static int put_vm(struct sk_buff *skb, struct kvmft_vm *vm, u32 portid, u32 seq, int flags)
{
	void *msg = genlmsg_put(skb, portid, seq, &kvmft_family, flags, KVMFT_CMD_VM_GET);

	if (!msg)
		return -EMSGSIZE;
	if (put_what(skb, vm) ||
	    put_times(skb, vm, KVMFT_A_VM_PARKED, KVMFT_TIME_PARKED) ||
	    put_times(skb, vm, KVMFT_A_VM_TRANSFER, KVMFT_TIME_TRANSFER) ||
	    put_times(skb, vm, KVMFT_A_VM_APPLY, KVMFT_TIME_APPLY)) {
		genlmsg_cancel(skb, msg);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, msg);
	return 0;
}

int kvmft_vm_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct sk_buff *answer;
	struct kvmft_vm *vm;
	int err;

	err = find(info, &vm);
	if (err)
		return err;
	answer = genlmsg_new(NLMSG_GOODSIZE, GFP_KERNEL);
	err = answer ? put_vm(answer, vm, info->snd_portid, info->snd_seq, 0) : -ENOMEM;
	kvmft_vm_put(vm);
	if (!err)
		return genlmsg_reply(answer, info);
	nlmsg_free(answer);
	return err;
}

/**
 * struct dump - a dump at work
 * @skb: Where to.
 * @cb: What for.
 */
struct dump {
	struct sk_buff *skb;
	struct netlink_callback *cb;
};

static int dump_vm(void *context, struct kvmft_vm *vm)
{
	struct dump *dump = context;

	return put_vm(dump->skb, vm, NETLINK_CB(dump->cb->skb).portid,
		      dump->cb->nlh->nlmsg_seq, NLM_F_MULTI);
}

int kvmft_vm_get_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct dump dump = { skb, cb };
	unsigned long position = cb->args[0];
	unsigned int generation;
	int err;

	if (kvmft_dump_attrs(cb)[KVMFT_A_VM_NAME]) {
		NL_SET_ERR_MSG(cb->extack, "a dump is about all; leave the name or NLM_F_DUMP out");
		return -EINVAL;
	}
	err = kvmft_vms_walk(sock_net(cb->skb->sk), &position, &generation, dump_vm, &dump);
	cb->seq = generation;
	cb->args[0] = position;
	/* A full message is sent, and the next one begins where it ended. */
	return err && !skb->len ? err : skb->len;
}
