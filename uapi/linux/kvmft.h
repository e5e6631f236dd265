/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The userspace interface of kvmft: everything a program may rely on.
 *
 * Two doors lead into the module. Operators use generic netlink (family
 * "kvmft"), a VMM uses ioctls on /dev/kvmft. Values in this file are never
 * renumbered or reused; new ones are added at the end. Documentation/uapi.rst
 * describes the behaviour behind each name.
 */
#ifndef _UAPI_LINUX_KVMFT_H
#define _UAPI_LINUX_KVMFT_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * KVMFT_FAMILY_NAME - name of the generic netlink family
 *
 * Resolve it with CTRL_CMD_GETFAMILY; that fails with ENOENT while the module
 * isn't loaded.
 */
#define KVMFT_FAMILY_NAME "kvmft"

/**
 * KVMFT_FAMILY_VERSION - version of the generic netlink family
 *
 * Stands in the header of every message that the module sends, and in
 * CTRL_ATTR_VERSION. It stays 1: a message whose meaning would have to change
 * gets a new command instead, so that a program that finds another version has
 * found something else than this interface, and must stop. Whether the running
 * module knows a command is asked from the controller (CTRL_ATTR_OPS), and an
 * attribute that a program doesn't know is skipped. The version in a request is
 * ignored.
 */
#define KVMFT_FAMILY_VERSION 1

/**
 * enum kvmft_cmd - commands of the generic netlink family
 * @KVMFT_CMD_VERSION_GET: Dump only, no privilege, no attributes in the
 *	request. Answers with one message that carries the attributes of
 *	&enum kvmft_a_version.
 * @__KVMFT_CMD_MAX: Only there to compute the next one.
 * @KVMFT_CMD_MAX: The highest command that this header knows.
 */
enum kvmft_cmd {
	KVMFT_CMD_VERSION_GET = 1,

	__KVMFT_CMD_MAX,
	KVMFT_CMD_MAX = (__KVMFT_CMD_MAX - 1)
};

/**
 * enum kvmft_a_version - attributes that describe the loaded module
 * @KVMFT_A_VERSION_MODULE: NUL-terminated string, the version of the module,
 *	the one that modinfo(8) shows. For people and logs: don't derive
 *	features from it.
 * @KVMFT_A_VERSION_PROTOCOL: u32, the version of the wire protocol that the
 *	module speaks to its peers. Two hosts can be paired when it is equal.
 * @__KVMFT_A_VERSION_MAX: Only there to compute the next one.
 * @KVMFT_A_VERSION_MAX: The highest attribute that this header knows.
 */
enum kvmft_a_version {
	KVMFT_A_VERSION_MODULE = 1,
	KVMFT_A_VERSION_PROTOCOL,

	__KVMFT_A_VERSION_MAX,
	KVMFT_A_VERSION_MAX = (__KVMFT_A_VERSION_MAX - 1)
};

/**
 * KVMFT_IOC_MAGIC - type byte of the ioctls on /dev/kvmft
 *
 * Not shared with KVM (0xAE), so that an ioctl sent to the wrong descriptor
 * fails with ENOTTY instead of doing something else.
 */
#define KVMFT_IOC_MAGIC 0xBF

/**
 * KVMFT_API_VERSION - version of the ioctl interface
 *
 * What KVMFT_GET_API_VERSION returns. As with KVM_API_VERSION, it isn't meant
 * to change: additions don't change it, and a VMM that gets any other value
 * must not use the device.
 */
#define KVMFT_API_VERSION 1

/**
 * KVMFT_GET_API_VERSION - ask for the version of the ioctl interface
 *
 * Takes no argument: pass 0, anything else fails with EINVAL. Returns
 * KVMFT_API_VERSION.
 */
#define KVMFT_GET_API_VERSION _IO(KVMFT_IOC_MAGIC, 0x00)

#endif /* _UAPI_LINUX_KVMFT_H */
