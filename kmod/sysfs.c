// SPDX-License-Identifier: GPL-2.0
#include <linux/device.h>
#include <linux/device/class.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/math64.h>
#include <linux/netdevice.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <net/net_namespace.h>

#include "compat.h"
#include "fault.h"
#include "pair.h"
#include "sysfs.h"
#include "vm.h"

static const void *device_namespace(KVMFT_CONST_DEVICE struct device *device)
{
	void *what = dev_get_drvdata(device);

	/* These are our own names; no pair is called so, see kvmft_sysfs_add_pair(). */
	if (str_has_prefix(dev_name(device), "vm-"))
		return ((struct kvmft_vm *)what)->net;
	return ((struct kvmft_pair *)what)->net;
}

/*
 * Static rather than from class_create(), whose arguments changed between the
 * kernels we build for. Not const: 6.1 keeps its private data inside.
 */
struct class kvmft_class = {
	.name = "kvmft",
	.ns_type = &net_ns_type_operations,
	.namespace = device_namespace,
};

static struct kvmft_pair *to_pair(struct device *device)
{
	return dev_get_drvdata(device);
}

static ssize_t role_show(struct device *device, struct device_attribute *attr,
			 char *buffer)
{
	return sysfs_emit(buffer, "%s\n",
			  to_pair(device)->self.role == KVMFT_PAIR_LISTEN ?
			  "listen" : "connect");
}
static DEVICE_ATTR_RO(role);

static ssize_t address_show(struct device *device, struct device_attribute *attr,
			    char *buffer)
{
	return sysfs_emit(buffer, "%pISpc\n", &to_pair(device)->address);
}
static DEVICE_ATTR_RO(address);

static ssize_t heartbeat_ms_show(struct device *device,
				 struct device_attribute *attr, char *buffer)
{
	return sysfs_emit(buffer, "%u\n", to_pair(device)->self.heartbeat_ms);
}
static DEVICE_ATTR_RO(heartbeat_ms);

static ssize_t timeout_ms_show(struct device *device,
			       struct device_attribute *attr, char *buffer)
{
	return sysfs_emit(buffer, "%u\n", to_pair(device)->self.timeout_ms);
}
static DEVICE_ATTR_RO(timeout_ms);

static ssize_t state_show(struct device *device, struct device_attribute *attr,
			  char *buffer)
{
	static const char *const names[] = {
		[KVMFT_PAIR_CONNECTING] = "connecting",
		[KVMFT_PAIR_AUTHENTICATING] = "authenticating",
		[KVMFT_PAIR_UP] = "up",
		[KVMFT_PAIR_DOWN] = "down",
	};
	struct kvmft_pair_status status;

	kvmft_pair_status(to_pair(device), &status);
	return sysfs_emit(buffer, "%s\n", names[status.state]);
}
static DEVICE_ATTR_RO(state);

static ssize_t reason_show(struct device *device, struct device_attribute *attr,
			   char *buffer)
{
	struct kvmft_pair_status status;

	kvmft_pair_status(to_pair(device), &status);
	return sysfs_emit(buffer, "%s\n", kvmft_reason_name(status.verdict.reason));
}
static DEVICE_ATTR_RO(reason);

static ssize_t last_error_show(struct device *device,
			       struct device_attribute *attr, char *buffer)
{
	struct kvmft_pair_status status;

	kvmft_pair_status(to_pair(device), &status);
	return sysfs_emit(buffer, "%s\n", status.error.text);
}
static DEVICE_ATTR_RO(last_error);

static ssize_t peer_host_show(struct device *device,
			      struct device_attribute *attr, char *buffer)
{
	struct kvmft_pair_status status;

	kvmft_pair_status(to_pair(device), &status);
	return sysfs_emit(buffer, "%s\n", status.host);
}
static DEVICE_ATTR_RO(peer_host);

static ssize_t peer_instance_show(struct device *device,
				  struct device_attribute *attr, char *buffer)
{
	struct kvmft_pair_status status;

	kvmft_pair_status(to_pair(device), &status);
	if (!status.known)
		return sysfs_emit(buffer, "\n");
	return sysfs_emit(buffer, "%*phN\n", KVMFT_INSTANCE_LEN, status.instance);
}
static DEVICE_ATTR_RO(peer_instance);

static ssize_t links_show(struct device *device, struct device_attribute *attr,
			  char *buffer)
{
	struct kvmft_pair_status status;

	kvmft_pair_status(to_pair(device), &status);
	return sysfs_emit(buffer, "%llu\n", status.links);
}
static DEVICE_ATTR_RO(links);

static ssize_t rtt_last_ns_show(struct device *device,
				struct device_attribute *attr, char *buffer)
{
	struct kvmft_pair_status status;

	kvmft_pair_status(to_pair(device), &status);
	return sysfs_emit(buffer, "%llu\n", status.rtt.last);
}
static DEVICE_ATTR_RO(rtt_last_ns);

static ssize_t rtt_min_ns_show(struct device *device,
			       struct device_attribute *attr, char *buffer)
{
	struct kvmft_pair_status status;

	kvmft_pair_status(to_pair(device), &status);
	return sysfs_emit(buffer, "%llu\n", status.rtt.min);
}
static DEVICE_ATTR_RO(rtt_min_ns);

static ssize_t rtt_avg_ns_show(struct device *device,
			       struct device_attribute *attr, char *buffer)
{
	struct kvmft_pair_status status;

	kvmft_pair_status(to_pair(device), &status);
	return sysfs_emit(buffer, "%llu\n",
			  status.rtt.count ?
			  div64_u64(status.rtt.sum, status.rtt.count) : 0);
}
static DEVICE_ATTR_RO(rtt_avg_ns);

static ssize_t rtt_max_ns_show(struct device *device,
			       struct device_attribute *attr, char *buffer)
{
	struct kvmft_pair_status status;

	kvmft_pair_status(to_pair(device), &status);
	return sysfs_emit(buffer, "%llu\n", status.rtt.max);
}
static DEVICE_ATTR_RO(rtt_max_ns);

static ssize_t rx_bytes_show(struct device *device,
			     struct device_attribute *attr, char *buffer)
{
	return sysfs_emit(buffer, "%lld\n",
			  atomic64_read(&to_pair(device)->tally.rx_bytes));
}
static DEVICE_ATTR_RO(rx_bytes);

static ssize_t tx_bytes_show(struct device *device,
			     struct device_attribute *attr, char *buffer)
{
	return sysfs_emit(buffer, "%lld\n",
			  atomic64_read(&to_pair(device)->tally.tx_bytes));
}
static DEVICE_ATTR_RO(tx_bytes);

static ssize_t rx_frames_show(struct device *device,
			      struct device_attribute *attr, char *buffer)
{
	return sysfs_emit(buffer, "%lld\n",
			  atomic64_read(&to_pair(device)->tally.rx_frames));
}
static DEVICE_ATTR_RO(rx_frames);

static ssize_t tx_frames_show(struct device *device,
			      struct device_attribute *attr, char *buffer)
{
	return sysfs_emit(buffer, "%lld\n",
			  atomic64_read(&to_pair(device)->tally.tx_frames));
}
static DEVICE_ATTR_RO(tx_frames);

static struct attribute *pair_attrs[] = {
	&dev_attr_role.attr,
	&dev_attr_address.attr,
	&dev_attr_heartbeat_ms.attr,
	&dev_attr_timeout_ms.attr,
	&dev_attr_state.attr,
	&dev_attr_reason.attr,
	&dev_attr_last_error.attr,
	&dev_attr_peer_host.attr,
	&dev_attr_peer_instance.attr,
	&dev_attr_links.attr,
	&dev_attr_rtt_last_ns.attr,
	&dev_attr_rtt_min_ns.attr,
	&dev_attr_rtt_avg_ns.attr,
	&dev_attr_rtt_max_ns.attr,
	&dev_attr_rx_bytes.attr,
	&dev_attr_tx_bytes.attr,
	&dev_attr_rx_frames.attr,
	&dev_attr_tx_frames.attr,
	NULL
};

static const struct attribute_group pair_group = {
	.attrs = pair_attrs,
};

/* errors/NAME for each reason but "none"; filled in once, from the names. */
static struct dev_ext_attribute error_files[KVMFT_REASON_MAX];
static struct attribute *error_attrs[KVMFT_REASON_MAX + 1];

static const struct attribute_group error_group = {
	.name = "errors",
	.attrs = error_attrs,
};

static const struct attribute_group *pair_groups[] = {
	&pair_group,
	&error_group,
	NULL
};

static ssize_t error_show(struct device *device, struct device_attribute *attr,
			  char *buffer)
{
	struct dev_ext_attribute *file =
		container_of(attr, struct dev_ext_attribute, attr);
	unsigned long reason = (unsigned long)file->var;

	return sysfs_emit(buffer, "%lld\n",
			  atomic64_read(&to_pair(device)->errors[reason]));
}

static void __init name_error_files(void)
{
	unsigned long reason;

	for (reason = 1; reason <= KVMFT_REASON_MAX; reason++) {
		struct dev_ext_attribute *file = &error_files[reason - 1];

		sysfs_attr_init(&file->attr.attr);
		file->attr.attr.name = kvmft_reason_name(reason);
		file->attr.attr.mode = 0444;
		file->attr.show = error_show;
		file->var = (void *)reason;
		error_attrs[reason - 1] = &file->attr.attr;
	}
}

/**
 * kvmft_sysfs_add_pair() - create the directory of a pair
 * @pair: the pair
 *
 * Return: 0 or a negative errno
 */
int kvmft_sysfs_add_pair(struct kvmft_pair *pair)
{
	struct device *device;
	int err;

	err = kvmft_fault(KVMFT_FAULT_SYSFS_PAIR);
	if (err)
		return err;

	device = device_create_with_groups(&kvmft_class, NULL, MKDEV(0, 0), pair,
					   pair_groups, "pair-%s",
					   pair->self.name);
	if (IS_ERR(device))
		return PTR_ERR(device);
	pair->device = device;
	return 0;
}

/**
 * kvmft_sysfs_del_pair() - remove the directory of a pair
 * @pair: the pair
 */
void kvmft_sysfs_del_pair(struct kvmft_pair *pair)
{
	device_unregister(pair->device);
	pair->device = NULL;
}

/**
 * kvmft_sysfs_init() - create /sys/class/kvmft
 *
 * Return: 0 or a negative errno
 */
int __init kvmft_sysfs_init(void)
{
	name_error_files();
	return class_register(&kvmft_class);
}

/**
 * kvmft_sysfs_exit() - remove /sys/class/kvmft
 *
 * The class must be empty by then.
 */
void kvmft_sysfs_exit(void)
{
	class_unregister(&kvmft_class);
}
