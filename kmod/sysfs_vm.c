// SPDX-License-Identifier: GPL-2.0
#include <linux/device.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/sysfs.h>

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
	&dev_attr_role.attr,
	&dev_attr_pair.attr,
	&dev_attr_generation.attr,
	&dev_attr_epoch.attr,
	&dev_attr_committed.attr,
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
	u64 value;

	/* Some are kept elsewhere, and brought here by this. */
	vm->ops->progress(vm, &progress);
	if (counter == KVMFT_A_COUNTER_PARKED_P50)
		value = kvmft_vm_percentile(vm, 50);
	else if (counter == KVMFT_A_COUNTER_PARKED_P99)
		value = kvmft_vm_percentile(vm, 99);
	else
		value = atomic64_read(&vm->counters[counter]);
	return sysfs_emit(buffer, "%llu\n", value);
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
COUNTER_ATTR(bytes, KVMFT_A_COUNTER_BYTES);
COUNTER_ATTR(kicks, KVMFT_A_COUNTER_KICKS);
COUNTER_ATTR(parked_last_ns, KVMFT_A_COUNTER_PARKED_LAST);
COUNTER_ATTR(parked_p50_ns, KVMFT_A_COUNTER_PARKED_P50);
COUNTER_ATTR(parked_p99_ns, KVMFT_A_COUNTER_PARKED_P99);
COUNTER_ATTR(harvest_last_ns, KVMFT_A_COUNTER_HARVEST_LAST);
COUNTER_ATTR(transfer_last_ns, KVMFT_A_COUNTER_TRANSFER_LAST);
COUNTER_ATTR(apply_last_ns, KVMFT_A_COUNTER_APPLY_LAST);
COUNTER_ATTR(switched_ns, KVMFT_A_COUNTER_SWITCHED);

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
	&counter_bytes.attr.attr,
	&counter_kicks.attr.attr,
	&counter_parked_last_ns.attr.attr,
	&counter_parked_p50_ns.attr.attr,
	&counter_parked_p99_ns.attr.attr,
	&counter_harvest_last_ns.attr.attr,
	&counter_transfer_last_ns.attr.attr,
	&counter_apply_last_ns.attr.attr,
	&counter_switched_ns.attr.attr,
	NULL
};

static const struct attribute_group counter_group = {
	.name = "counters",
	.attrs = counter_attrs,
};

static const struct attribute_group *vm_groups[] = {
	&vm_group,
	&counter_group,
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
