// SPDX-License-Identifier: GPL-2.0
#include <linux/build_bug.h>
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/kvm_host.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/string.h>

#include "compat.h"
#include "kvmstate_record.h"
#include "reason.h"

static const char * const names[] = {
	[KVMFT_RECORD_CLOCK] = "the clock",
	[KVMFT_RECORD_PIT] = "the PIT",
	[KVMFT_RECORD_PIC_MASTER] = "the first PIC",
	[KVMFT_RECORD_PIC_SLAVE] = "the second PIC",
	[KVMFT_RECORD_IOAPIC] = "the I/O APIC",
	[KVMFT_RECORD_MP_STATE] = "MP state",
	[KVMFT_RECORD_EVENTS] = "events",
	[KVMFT_RECORD_REGS] = "registers",
	[KVMFT_RECORD_XSAVE] = "XSAVE state",
	[KVMFT_RECORD_XCRS] = "XCR0",
	[KVMFT_RECORD_SREGS] = "system registers",
	[KVMFT_RECORD_MSRS] = "MSRs",
	[KVMFT_RECORD_TSC] = "the TSC",
	[KVMFT_RECORD_DEADLINE] = "the TSC deadline",
	[KVMFT_RECORD_LAPIC] = "the local APIC",
	[KVMFT_RECORD_DEBUGREGS] = "debug registers",
	[KVMFT_RECORD_KICKED] = "the pending kick",
};

static_assert(ARRAY_SIZE(names) == KVMFT_RECORD_TYPES);

/**
 * kvmft_task_refuse() - end a task for a reason of one's own
 * @task: the task
 * @err: negative errno
 * @format: why, as for printf()
 *
 * Return: @err
 */
int kvmft_task_refuse(struct kvmft_task *task, int err, const char *format, ...)
{
	struct va_format vaf;
	va_list args;

	va_start(args, format);
	vaf.fmt = format;
	vaf.va = &args;
	if (task->vcpu)
		kvmft_judge_saying(task->verdict, KVMFT_REASON_STATE,
				   "vcpu %d: %pV", task->vcpu->vcpu_id, &vaf);
	else
		kvmft_judge_saying(task->verdict, KVMFT_REASON_STATE, "%pV", &vaf);
	va_end(args);
	return err;
}

/**
 * kvmft_task_failed() - end a task because KVM has refused something
 * @task: the task
 * @type: what was to be saved or restored
 * @err: negative errno of the ioctl
 *
 * Return: @err
 */
int kvmft_task_failed(struct kvmft_task *task, u32 type, int err)
{
	switch (err) {
	case -EFAULT:
		kvmft_judge_saying(task->verdict, KVMFT_REASON_VMM,
				   "it has unmapped the area of /dev/kvmft");
		return err;
	case -EINTR:
		kvmft_judge(task->verdict, KVMFT_REASON_VMM_GONE);
		return err;
	case -ENOMEM:
		kvmft_judge(task->verdict, KVMFT_REASON_MEMORY);
		return err;
	case -EIO:
		return kvmft_task_refuse(task, err,
					 "KVM has given up on it, see the kernel log");
	default:
		return kvmft_task_refuse(task, err, "KVM doesn't %s %s, error %d",
					 task->saving ? "give" : "take",
					 names[type], err);
	}
}

/**
 * kvmft_task_ioctl() - have KVM do something
 * @task: the task
 * @cmd: the ioctl
 * @offset: where in the window its argument is
 *
 * Return: what the ioctl returns
 */
int kvmft_task_ioctl(struct kvmft_task *task, unsigned int cmd, u32 offset)
{
	void __user *argument = task->window->user + offset;

	return vfs_ioctl(task->file, cmd, (unsigned long)argument);
}

/**
 * kvmft_record_room() - room for the next record's data
 * @task: the task
 * @len: bytes of data
 * @scratch: bytes that are needed behind them
 *
 * Return: where the data goes, zeroed; NULL after a verdict if there is none
 */
void *kvmft_record_room(struct kvmft_task *task, u32 len, u32 scratch)
{
	u32 size = kvmft_record_size(len);
	u32 left = task->window->size - task->used;
	void *data = task->window->kernel + task->used +
		     sizeof(struct kvmft_record);

	if (left < size || left - size < scratch) {
		kvmft_task_refuse(task, -ENOSPC,
				  "it is larger than the area for it");
		return NULL;
	}
	memset(data, 0, size - sizeof(struct kvmft_record));
	return data;
}

/**
 * kvmft_record_close() - finish a record whose data is in its place
 * @task: the task, after kvmft_record_room()
 * @type: of the record
 * @len: bytes of data
 */
void kvmft_record_close(struct kvmft_task *task, u32 type, u32 len)
{
	struct kvmft_record record = { .type = type, .len = len };

	memcpy(task->window->kernel + task->used, &record, sizeof(record));
	task->used += kvmft_record_size(len);
}

/**
 * kvmft_record_get() - make a record of what an ioctl gives
 * @task: the task
 * @type: of the record
 * @cmd: the ioctl
 * @len: bytes that it gives
 *
 * Return: 0 or a negative errno
 */
int kvmft_record_get(struct kvmft_task *task, u32 type, unsigned int cmd, u32 len)
{
	int err;

	if (!kvmft_record_room(task, len, 0))
		return -ENOSPC;

	err = kvmft_task_ioctl(task, cmd, task->used + sizeof(struct kvmft_record));
	if (err)
		return kvmft_task_failed(task, type, err);

	kvmft_record_close(task, type, len);
	return 0;
}

/**
 * kvmft_record_put() - make a record of what is known already
 * @task: the task
 * @type: of the record
 * @data: what to put
 * @len: its length
 *
 * Return: 0 or a negative errno
 */
int kvmft_record_put(struct kvmft_task *task, u32 type, const void *data, u32 len)
{
	void *to = kvmft_record_room(task, len, 0);

	if (!to)
		return -ENOSPC;
	memcpy(to, data, len);
	kvmft_record_close(task, type, len);
	return 0;
}

/**
 * kvmft_record_set() - hand a record's data to an ioctl
 * @task: the task
 * @type: of the record
 * @cmd: the ioctl
 * @data: its data
 * @len: its length
 *
 * Return: 0 or a negative errno
 */
int kvmft_record_set(struct kvmft_task *task, u32 type, unsigned int cmd,
		     const void *data, u32 len)
{
	int err;

	if (len > task->window->size)
		return kvmft_task_refuse(task, -ENOSPC,
					 "it is larger than the area for it");

	memcpy(task->window->kernel, data, len);
	err = kvmft_task_ioctl(task, cmd, 0);
	return err ? kvmft_task_failed(task, type, err) : 0;
}

static u32 rule_of(const struct kvmft_record_rule *rules, u32 count, u32 type)
{
	u32 i;

	for (i = 0; i < count; i++)
		if (rules[i].type == type)
			break;
	return i;
}

/**
 * kvmft_record_find() - take records apart that a peer has sent
 * @task: the task
 * @records: the records, in memory of the kernel
 * @len: their length
 * @rules: which must be there
 * @count: how many those are
 * @found: result, for each rule where the data is
 *
 * Every record of the rules is there once with its length, and no other.
 *
 * Return: 0 or -EBADMSG
 */
int kvmft_record_find(struct kvmft_task *task, const void *records, u32 len,
		      const struct kvmft_record_rule *rules, u32 count,
		      const void **found)
{
	struct kvmft_record record;
	u32 at = 0, left = count;
	u32 i;

	memset(found, 0, count * sizeof(*found));
	while (len - at >= sizeof(record)) {
		memcpy(&record, records + at, sizeof(record));
		i = rule_of(rules, count, record.type);
		if (i == count || found[i] || record.len != rules[i].len ||
		    kvmft_record_size(record.len) > len - at)
			return kvmft_task_refuse(task, -EBADMSG,
						 "record %u with %u bytes is wrong",
						 record.type, record.len);
		found[i] = records + at + sizeof(record);
		at += kvmft_record_size(record.len);
		left--;
	}
	if (at != len || left)
		return kvmft_task_refuse(task, -EBADMSG, "%u records are missing",
					 left);
	return 0;
}

/* One chunk; how many of it KVM could do, or a negative errno. */
static int some_msrs(struct kvmft_task *task, unsigned int cmd, const u32 *msrs,
		     u64 *values, u32 count, u32 offset)
{
	struct kvm_msrs *head = task->window->kernel + offset;
	struct kvm_msr_entry *entries = (void *)head + sizeof(*head);
	int done;
	u32 i;

	head->nmsrs = count;
	head->pad = 0;
	for (i = 0; i < count; i++) {
		entries[i].index = msrs[i];
		entries[i].reserved = 0;
		entries[i].data = cmd == KVM_SET_MSRS ? values[i] : 0;
	}

	done = kvmft_task_ioctl(task, cmd, offset);
	if (done < 0)
		return done;
	/* The VMM can make it any number by writing into the window. */
	done = min_t(u32, done, count);
	for (i = 0; cmd == KVM_GET_MSRS && i < done; i++)
		values[i] = entries[i].data;
	return done;
}

/**
 * kvmft_record_msrs() - have MSRs read or written
 * @task: the task, a vcpu's
 * @cmd: KVM_GET_MSRS or KVM_SET_MSRS
 * @msrs: which
 * @values: their values
 * @count: how many
 * @offset: where KVMFT_MSRS_SCRATCH bytes of the window are free
 *
 * KVM stops at the first MSR that it can't do.
 *
 * Return: how many it could do, or a negative errno
 */
int kvmft_record_msrs(struct kvmft_task *task, unsigned int cmd, const u32 *msrs,
		      u64 *values, u32 count, u32 offset)
{
	u32 at = 0;

	static_assert(sizeof(struct kvm_msrs) +
		      KVMFT_MSRS_AT_ONCE * sizeof(struct kvm_msr_entry) ==
		      KVMFT_MSRS_SCRATCH);

	while (at < count) {
		u32 some = min(count - at, KVMFT_MSRS_AT_ONCE);
		int done;

		done = some_msrs(task, cmd, msrs + at, values + at, some, offset);
		if (done < 0)
			return done;
		at += done;
		if (done < some)
			break;
	}
	return at;
}

/**
 * kvmft_record_copy() - the records of a window, out of the VMM's reach
 * @task: the task; not longer than @len
 * @len: their length
 *
 * Return: for kvfree(), or NULL after a verdict
 */
void *kvmft_record_copy(struct kvmft_task *task, u32 len)
{
	void *copy = kvmalloc(len, GFP_KERNEL_ACCOUNT);

	if (copy)
		memcpy(copy, task->window->kernel, len);
	else
		kvmft_judge(task->verdict, KVMFT_REASON_MEMORY);
	return copy;
}
