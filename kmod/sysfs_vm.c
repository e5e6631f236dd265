// SPDX-License-Identifier: GPL-2.0
#include <linux/device.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/sysfs.h>
#include <linux/timekeeping.h>

#include "compat.h"
#include "fault.h"
#include "pair.h"
#include "sysfs.h"
#include "vm.h"

static struct kvmft_vm *to_vm(struct device *device)
{
	return dev_get_drvdata(device);
}

static ssize_t state_show(struct device *device, struct device_attribute *attr,
			  char *buffer)
{
	return sysfs_emit(buffer, "%s\n", kvmft_vm_state_name(kvmft_vm_state(to_vm(device))));
}
static DEVICE_ATTR_RO(state);

static ssize_t reason_show(struct device *device, struct device_attribute *attr,
			   char *buffer)
{
	struct kvmft_vm *vm = to_vm(device);
	u32 reason;

	spin_lock(&vm->lock);
	reason = vm->verdict.reason;
	spin_unlock(&vm->lock);
	return sysfs_emit(buffer, "%s\n", kvmft_reason_name(reason));
}
static DEVICE_ATTR_RO(reason);

static ssize_t why_show(struct device *device, struct device_attribute *attr,
			char *buffer)
{
	struct kvmft_vm *vm = to_vm(device);
	struct kvmft_verdict verdict;

	spin_lock(&vm->lock);
	verdict = vm->verdict;
	spin_unlock(&vm->lock);
	return sysfs_emit(buffer, "%s\n", verdict.reason ? verdict.text : "");
}
static DEVICE_ATTR_RO(why);

static ssize_t state_age_ms_show(struct device *device, struct device_attribute *attr,
				 char *buffer)
{
	struct kvmft_vm *vm = to_vm(device);
	u64 since;

	spin_lock(&vm->lock);
	since = vm->since;
	spin_unlock(&vm->lock);
	return sysfs_emit(buffer, "%llu\n",
			  div_u64(ktime_get_boottime_ns() - since, NSEC_PER_MSEC));
}
static DEVICE_ATTR_RO(state_age_ms);

static ssize_t role_show(struct device *device, struct device_attribute *attr,
			 char *buffer)
{
	return sysfs_emit(buffer, "%s\n",
			  to_vm(device)->role == KVMFT_VM_PRIMARY ? "primary" : "standby");
}
static DEVICE_ATTR_RO(role);

static ssize_t pair_show(struct device *device, struct device_attribute *attr,
			 char *buffer)
{
	return sysfs_emit(buffer, "%s\n", to_vm(device)->pair->self.name);
}
static DEVICE_ATTR_RO(pair);

static struct kvmft_vm_progress progress_of(struct device *device)
{
	struct kvmft_vm_progress progress;
	struct kvmft_vm *vm = to_vm(device);

	vm->ops->progress(vm, &progress);
	return progress;
}

/* What isn't of this role has no name, and the file is empty. */
static ssize_t mode_show(struct device *device, struct device_attribute *attr,
			 char *buffer)
{
	static const char *const names[] = {
		[KVMFT_VM_SYNC] = "sync",
		[KVMFT_VM_ASYNC] = "async",
	};
	u32 mode = progress_of(device).mode;

	return sysfs_emit(buffer, "%s\n", mode ? names[mode] : "");
}
static DEVICE_ATTR_RO(mode);

static ssize_t promote_show(struct device *device, struct device_attribute *attr,
			    char *buffer)
{
	static const char *const names[] = {
		[KVMFT_VM_AUTO] = "auto",
		[KVMFT_VM_MANUAL] = "manual",
		[KVMFT_VM_ASK] = "ask",
	};
	u32 promote = progress_of(device).promote;

	return sysfs_emit(buffer, "%s\n", promote ? names[promote] : "");
}
static DEVICE_ATTR_RO(promote);

static ssize_t tracking_show(struct device *device, struct device_attribute *attr,
			     char *buffer)
{
	return sysfs_emit(buffer, "%s\n",
			  progress_of(device).tracking == KVMFT_VM_RING ? "ring" : "log");
}
static DEVICE_ATTR_RO(tracking);

static ssize_t pid_show(struct device *device, struct device_attribute *attr, char *buffer)
{
	return sysfs_emit(buffer, "%d\n", to_vm(device)->pid);
}
static DEVICE_ATTR_RO(pid);

static ssize_t vcpus_show(struct device *device, struct device_attribute *attr,
			  char *buffer)
{
	return sysfs_emit(buffer, "%u\n", to_vm(device)->vcpu_count);
}
static DEVICE_ATTR_RO(vcpus);

static ssize_t memory_bytes_show(struct device *device, struct device_attribute *attr,
				 char *buffer)
{
	return sysfs_emit(buffer, "%llu\n", to_vm(device)->memory.pages << PAGE_SHIFT);
}
static DEVICE_ATTR_RO(memory_bytes);

static ssize_t generation_show(struct device *device,
			       struct device_attribute *attr, char *buffer)
{
	return sysfs_emit(buffer, "%llu\n", progress_of(device).generation);
}
static DEVICE_ATTR_RO(generation);

static ssize_t epoch_show(struct device *device,
			  struct device_attribute *attr, char *buffer)
{
	return sysfs_emit(buffer, "%llu\n", progress_of(device).epoch);
}
static DEVICE_ATTR_RO(epoch);

static ssize_t committed_show(struct device *device,
			      struct device_attribute *attr, char *buffer)
{
	return sysfs_emit(buffer, "%llu\n", progress_of(device).committed);
}
static DEVICE_ATTR_RO(committed);

static ssize_t applied_show(struct device *device,
			    struct device_attribute *attr, char *buffer)
{
	return sysfs_emit(buffer, "%llu\n", progress_of(device).applied);
}
static DEVICE_ATTR_RO(applied);

static ssize_t lag_epochs_show(struct device *device,
			       struct device_attribute *attr, char *buffer)
{
	struct kvmft_vm_progress progress = progress_of(device);
	u64 done = to_vm(device)->role == KVMFT_VM_STANDBY ? progress.applied :
							      progress.committed;

	/* What is done may have become more since the epoch was looked at. */
	return sysfs_emit(buffer, "%llu\n", max(progress.epoch, done) - done);
}
static DEVICE_ATTR_RO(lag_epochs);

static ssize_t committed_age_ms_show(struct device *device,
				     struct device_attribute *attr, char *buffer)
{
	s64 age = kvmft_vm_committed_age(to_vm(device));

	return age < 0 ? sysfs_emit(buffer, "\n") : sysfs_emit(buffer, "%lld\n", age);
}
static DEVICE_ATTR_RO(committed_age_ms);

static ssize_t copy_done_show(struct device *device,
			      struct device_attribute *attr, char *buffer)
{
	return sysfs_emit(buffer, "%llu\n", progress_of(device).copy_done);
}
static DEVICE_ATTR_RO(copy_done);

static ssize_t copy_total_show(struct device *device,
			       struct device_attribute *attr, char *buffer)
{
	return sysfs_emit(buffer, "%llu\n", progress_of(device).copy_total);
}
static DEVICE_ATTR_RO(copy_total);

static ssize_t copy_round_show(struct device *device,
			       struct device_attribute *attr, char *buffer)
{
	return sysfs_emit(buffer, "%u\n", progress_of(device).copy_round);
}
static DEVICE_ATTR_RO(copy_round);

static struct attribute *vm_attrs[] = {
	&dev_attr_state.attr,
	&dev_attr_reason.attr,
	&dev_attr_why.attr,
	&dev_attr_state_age_ms.attr,
	&dev_attr_role.attr,
	&dev_attr_pair.attr,
	&dev_attr_mode.attr,
	&dev_attr_promote.attr,
	&dev_attr_tracking.attr,
	&dev_attr_pid.attr,
	&dev_attr_vcpus.attr,
	&dev_attr_memory_bytes.attr,
	&dev_attr_generation.attr,
	&dev_attr_epoch.attr,
	&dev_attr_committed.attr,
	&dev_attr_applied.attr,
	&dev_attr_lag_epochs.attr,
	&dev_attr_committed_age_ms.attr,
	&dev_attr_copy_done.attr,
	&dev_attr_copy_total.attr,
	&dev_attr_copy_round.attr,
	NULL
};

static const struct attribute_group vm_group = {
	.attrs = vm_attrs,
};

static ssize_t counter_show(struct device *device, struct device_attribute *attr,
			    char *buffer)
{
	struct dev_ext_attribute *file =
		container_of(attr, struct dev_ext_attribute, attr);
	unsigned long counter = (unsigned long)file->var;
	struct kvmft_vm_progress progress;
	struct kvmft_vm *vm = to_vm(device);

	/* Some are kept elsewhere, and brought here by this. */
	vm->ops->progress(vm, &progress);
	return sysfs_emit(buffer, "%llu\n", kvmft_vm_counter(vm, counter));
}

/* counters/NAME */
#define COUNTER_ATTR(_name, counter) \
static struct dev_ext_attribute counter_##_name = { \
	__ATTR(_name, 0444, counter_show, NULL), (void *)(counter) \
}

COUNTER_ATTR(begun, KVMFT_A_COUNTER_BEGUN);
COUNTER_ATTR(committed, KVMFT_A_COUNTER_COMMITTED);
COUNTER_ATTR(aborted, KVMFT_A_COUNTER_ABORTED);
COUNTER_ATTR(pages_tracked, KVMFT_A_COUNTER_PAGES_TRACKED);
COUNTER_ATTR(pages_marked, KVMFT_A_COUNTER_PAGES_MARKED);
COUNTER_ATTR(pages_resent, KVMFT_A_COUNTER_PAGES_RESENT);
COUNTER_ATTR(pages_ahead, KVMFT_A_COUNTER_PAGES_AHEAD);
COUNTER_ATTR(pages_sent, KVMFT_A_COUNTER_PAGES_SENT);
COUNTER_ATTR(pages_zero, KVMFT_A_COUNTER_PAGES_ZERO);
COUNTER_ATTR(pages_copied, KVMFT_A_COUNTER_PAGES_COPIED);
COUNTER_ATTR(pages_packed, KVMFT_A_COUNTER_PAGES_PACKED);
COUNTER_ATTR(bytes, KVMFT_A_COUNTER_BYTES);
COUNTER_ATTR(kicks, KVMFT_A_COUNTER_KICKS);
COUNTER_ATTR(parked_last_ns, KVMFT_A_COUNTER_PARKED_LAST);
COUNTER_ATTR(parked_p50_ns, KVMFT_A_COUNTER_PARKED_P50);
COUNTER_ATTR(parked_p99_ns, KVMFT_A_COUNTER_PARKED_P99);
COUNTER_ATTR(harvest_last_ns, KVMFT_A_COUNTER_HARVEST_LAST);
COUNTER_ATTR(transfer_last_ns, KVMFT_A_COUNTER_TRANSFER_LAST);
COUNTER_ATTR(transfer_p50_ns, KVMFT_A_COUNTER_TRANSFER_P50);
COUNTER_ATTR(transfer_p99_ns, KVMFT_A_COUNTER_TRANSFER_P99);
COUNTER_ATTR(apply_last_ns, KVMFT_A_COUNTER_APPLY_LAST);
COUNTER_ATTR(switched_ns, KVMFT_A_COUNTER_SWITCHED);
COUNTER_ATTR(apply_p50_ns, KVMFT_A_COUNTER_APPLY_P50);
COUNTER_ATTR(apply_p99_ns, KVMFT_A_COUNTER_APPLY_P99);

static struct attribute *counter_attrs[] = {
	&counter_begun.attr.attr,
	&counter_committed.attr.attr,
	&counter_aborted.attr.attr,
	&counter_pages_tracked.attr.attr,
	&counter_pages_marked.attr.attr,
	&counter_pages_resent.attr.attr,
	&counter_pages_ahead.attr.attr,
	&counter_pages_sent.attr.attr,
	&counter_pages_zero.attr.attr,
	&counter_pages_copied.attr.attr,
	&counter_pages_packed.attr.attr,
	&counter_bytes.attr.attr,
	&counter_kicks.attr.attr,
	&counter_parked_last_ns.attr.attr,
	&counter_parked_p50_ns.attr.attr,
	&counter_parked_p99_ns.attr.attr,
	&counter_harvest_last_ns.attr.attr,
	&counter_transfer_last_ns.attr.attr,
	&counter_transfer_p50_ns.attr.attr,
	&counter_transfer_p99_ns.attr.attr,
	&counter_apply_last_ns.attr.attr,
	&counter_switched_ns.attr.attr,
	&counter_apply_p50_ns.attr.attr,
	&counter_apply_p99_ns.attr.attr,
	NULL
};

static const struct attribute_group counter_group = {
	.name = "counters",
	.attrs = counter_attrs,
};

/* A line for each class, all of them always, so that it can be read by position. */
static ssize_t histogram_show(struct device *device, struct device_attribute *attr,
			      char *buffer)
{
	struct dev_ext_attribute *file =
		container_of(attr, struct dev_ext_attribute, attr);
	struct kvmft_vm_times times;
	int len = 0;
	u32 i;

	kvmft_vm_times(to_vm(device), (unsigned long)file->var, &times);
	for (i = 0; i < KVMFT_HISTOGRAM_CLASSES - 1; i++)
		len += sysfs_emit_at(buffer, len, "%llu %llu\n",
				     kvmft_histogram_bound(i), times.classes[i]);
	return len + sysfs_emit_at(buffer, len, "inf %llu\n", times.classes[i]);
}

/* histograms/NAME */
#define HISTOGRAM_ATTR(_name, time) \
static struct dev_ext_attribute histogram_##_name = { \
	__ATTR(_name, 0444, histogram_show, NULL), (void *)(time) \
}

HISTOGRAM_ATTR(parked_ns, KVMFT_TIME_PARKED);
HISTOGRAM_ATTR(transfer_ns, KVMFT_TIME_TRANSFER);
HISTOGRAM_ATTR(apply_ns, KVMFT_TIME_APPLY);

static struct attribute *histogram_attrs[] = {
	&histogram_parked_ns.attr.attr,
	&histogram_transfer_ns.attr.attr,
	&histogram_apply_ns.attr.attr,
	NULL
};

static const struct attribute_group histogram_group = {
	.name = "histograms",
	.attrs = histogram_attrs,
};

static const struct attribute_group *vm_groups[] = {
	&vm_group,
	&counter_group,
	&histogram_group,
	NULL
};

/**
 * kvmft_sysfs_add_vm() - create the directory of a guest
 * @vm: the guest
 *
 * Return: 0 or a negative errno
 */
int kvmft_sysfs_add_vm(struct kvmft_vm *vm)
{
	struct device *device;
	int err;

	err = kvmft_fault(KVMFT_FAULT_SYSFS_VM);
	if (err)
		return err;
	device = device_create_with_groups(&kvmft_class, NULL, MKDEV(0, 0), vm,
					   vm_groups, "vm-%s", vm->name);
	if (IS_ERR(device))
		return PTR_ERR(device);
	vm->device = device;
	return 0;
}

/**
 * kvmft_sysfs_del_vm() - remove the directory of a guest
 * @vm: the guest
 */
void kvmft_sysfs_del_vm(struct kvmft_vm *vm)
{
	if (vm->device)
		device_unregister(vm->device);
	vm->device = NULL;
}
