/* SPDX-License-Identifier: GPL-2.0 */
/*
 * kvmstate_record: records of a guest's state, between KVM and a window.
 *
 * Contract: for kvmstate*.c alone. A task is one walk over the state of the VM or
 * of a vcpu. Nothing is written or read beyond the window or the records that are
 * given; the first failure gives the verdict and ends the task.
 */
#ifndef _KVMFT_KVMSTATE_RECORD_H
#define _KVMFT_KVMSTATE_RECORD_H

#include <linux/types.h>

#include "kvmstate.h"

/* KVM takes fewer than 256 MSRs at once. */
#define KVMFT_MSRS_AT_ONCE 255U
/* What kvmft_record_msrs() needs behind the records. */
#define KVMFT_MSRS_SCRATCH (8U + 16U * KVMFT_MSRS_AT_ONCE)

/**
 * struct kvmft_task - one walk over a VM's or vcpu's state
 * @file: The VM's or the vcpu's.
 * @vcpu: The vcpu, NULL for the VM.
 * @window: For KVM.
 * @verdict: For what goes wrong.
 * @saving: Or else restoring; for the words.
 * @used: Bytes of the window that have records in them.
 */
struct kvmft_task {
	struct file *file;
	struct kvm_vcpu *vcpu;
	const struct kvmft_window *window;
	struct kvmft_verdict *verdict;
	bool saving;
	u32 used;
};

/**
 * struct kvmft_record_rule - a record that must be there
 * @type: &enum kvmft_record_type.
 * @len: Its length.
 */
struct kvmft_record_rule {
	u32 type;
	u32 len;
};

/* Bytes that a record of so much data takes. */
static inline u32 kvmft_record_size(u32 len)
{
	return sizeof(struct kvmft_record) + ((len + 7) & ~7U);
}

__printf(3, 4)
int kvmft_task_refuse(struct kvmft_task *task, int err, const char *format, ...);
int kvmft_task_failed(struct kvmft_task *task, u32 type, int err);
int kvmft_task_ioctl(struct kvmft_task *task, unsigned int cmd, u32 offset);

void *kvmft_record_room(struct kvmft_task *task, u32 len, u32 scratch);
void kvmft_record_close(struct kvmft_task *task, u32 type, u32 len);
int kvmft_record_get(struct kvmft_task *task, u32 type, unsigned int cmd, u32 len);
int kvmft_record_put(struct kvmft_task *task, u32 type, const void *data, u32 len);
int kvmft_record_set(struct kvmft_task *task, u32 type, unsigned int cmd,
		     const void *data, u32 len);
int kvmft_record_find(struct kvmft_task *task, const void *records, u32 len,
		      const struct kvmft_record_rule *rules, u32 count,
		      const void **found);

int kvmft_record_msrs(struct kvmft_task *task, unsigned int cmd, const u32 *msrs,
		      u64 *values, u32 count, u32 offset);
void *kvmft_record_copy(struct kvmft_task *task, u32 len);

#endif /* _KVMFT_KVMSTATE_RECORD_H */
