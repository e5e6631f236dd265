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
 * KVMFT_EVENTS_GROUP - name of the multicast group with all events
 *
 * Anybody may join it; who does gets the events of its own network namespace.
 */
#define KVMFT_EVENTS_GROUP "events"

/**
 * enum kvmft_cmd - commands of the generic netlink family
 * @KVMFT_CMD_VERSION_GET: Dump only, no privilege, no attributes in the
 *	request. Answers with one message that carries the attributes of
 *	&enum kvmft_a_version.
 * @KVMFT_CMD_PAIR_ADD: Make this host one end of a pair. Privileged.
 *	Attributes of &enum kvmft_a_pair.
 * @KVMFT_CMD_PAIR_DEL: End a pair; the peer is told. Privileged.
 * @KVMFT_CMD_PAIR_GET: Tell about one pair, or with a dump about all pairs of
 *	the network namespace. No privilege.
 * @KVMFT_CMD_PAIR_EVENT: Never a request: what is sent to the group "events"
 *	when something happens to a pair.
 * @KVMFT_CMD_SELFTEST_ATTACH: Make one end of a synthetic guest. This and the
 *	other self-test commands are privileged and exist with the module
 *	parameter selftest=1 only. They serve the test suite; attributes of
 *	&enum kvmft_a_selftest.
 * @KVMFT_CMD_SELFTEST_DETACH: Remove one end of a synthetic guest.
 * @KVMFT_CMD_SELFTEST_SEND: Send epochs of a synthetic guest, and wait until the
 *	other end has acknowledged them or something went wrong. Answers with
 *	one message.
 * @KVMFT_CMD_SELFTEST_READ: Dump what the end that receives has committed: one
 *	message about the whole and then one for each page.
 * @__KVMFT_CMD_MAX: Only there to compute the next one.
 * @KVMFT_CMD_MAX: The highest command that this header knows.
 */
enum kvmft_cmd {
	KVMFT_CMD_VERSION_GET = 1,
	KVMFT_CMD_PAIR_ADD,
	KVMFT_CMD_PAIR_DEL,
	KVMFT_CMD_PAIR_GET,
	KVMFT_CMD_PAIR_EVENT,
	KVMFT_CMD_SELFTEST_ATTACH,
	KVMFT_CMD_SELFTEST_DETACH,
	KVMFT_CMD_SELFTEST_SEND,
	KVMFT_CMD_SELFTEST_READ,

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
 * KVMFT_PAIR_NAME_MAX - the longest name of a pair, without the NUL
 *
 * Letters, digits, ".", "_" and "-"; the first is a letter or a digit. Both hosts
 * use the same name.
 */
#define KVMFT_PAIR_NAME_MAX 31

/**
 * KVMFT_VM_NAME_MAX - the longest name of a guest, without the NUL
 *
 * The same characters as in the name of a pair.
 */
#define KVMFT_VM_NAME_MAX 63

/**
 * KVMFT_KEY_LEN - length of a pair's key in bytes
 */
#define KVMFT_KEY_LEN 32

/**
 * KVMFT_INSTANCE_LEN - length of an instance id in bytes
 */
#define KVMFT_INSTANCE_LEN 16

/* The limits of KVMFT_A_PAIR_HEARTBEAT and KVMFT_A_PAIR_TIMEOUT, in ms. */
#define KVMFT_HEARTBEAT_MIN 10
#define KVMFT_HEARTBEAT_MAX 60000
#define KVMFT_HEARTBEAT_DEFAULT 100
#define KVMFT_TIMEOUT_MIN 50
#define KVMFT_TIMEOUT_MAX 600000
#define KVMFT_TIMEOUT_DEFAULT 1000

/**
 * enum kvmft_pair_role - which end of a pair this host is
 * @KVMFT_PAIR_CONNECT: It connects, and connects again.
 * @KVMFT_PAIR_LISTEN: It listens.
 */
enum kvmft_pair_role {
	KVMFT_PAIR_CONNECT = 1,
	KVMFT_PAIR_LISTEN,
};

/**
 * enum kvmft_pair_state - how it is with the link to the peer
 * @KVMFT_PAIR_CONNECTING: There was no link yet, and nothing went wrong yet.
 * @KVMFT_PAIR_AUTHENTICATING: There is a connection whose other end has to
 *	prove itself.
 * @KVMFT_PAIR_UP: Heartbeats pass both ways.
 * @KVMFT_PAIR_DOWN: There is none, for KVMFT_A_PAIR_REASON. It is tried again for
 *	as long as the pair exists.
 */
enum kvmft_pair_state {
	KVMFT_PAIR_CONNECTING = 1,
	KVMFT_PAIR_AUTHENTICATING,
	KVMFT_PAIR_UP,
	KVMFT_PAIR_DOWN,
};

/**
 * enum kvmft_reason - why a link is down, a peer was refused, an epoch aborted
 * @KVMFT_REASON_NONE: Nothing is wrong.
 * @KVMFT_REASON_UNREACHABLE: No way to the peer's address.
 * @KVMFT_REASON_NOBODY: Nobody listens at the peer's address.
 * @KVMFT_REASON_TIMEOUT: Nothing was heard from the peer within the time-out.
 * @KVMFT_REASON_CLOSED: The connection was closed or reset without a word.
 * @KVMFT_REASON_BYE: The peer has ended the pair.
 * @KVMFT_REASON_BAD_KEY: The other end doesn't have the pair's key.
 * @KVMFT_REASON_BAD_NAME: The other end calls the pair something else.
 * @KVMFT_REASON_BAD_ROLE: Both ends connect, or both listen.
 * @KVMFT_REASON_VERSION: The other end speaks another version of the protocol.
 * @KVMFT_REASON_FEATURES: The other end demands a feature that this one lacks.
 * @KVMFT_REASON_BUSY: The pair has a live link to another peer.
 * @KVMFT_REASON_REPLACED: The same peer has connected again.
 * @KVMFT_REASON_PROTOCOL: What came is no frame, or none that may come now.
 * @KVMFT_REASON_LIMIT: A length or a count is beyond its limit.
 * @KVMFT_REASON_BAD_MAC: A frame was changed on the way.
 * @KVMFT_REASON_SEQUENCE: A frame is missing, repeated or out of order.
 * @KVMFT_REASON_SLOW: The other end didn't prove itself in time.
 * @KVMFT_REASON_CROWDED: Too many connections that haven't proved themselves.
 * @KVMFT_REASON_STUCK: The peer doesn't read what it is sent.
 * @KVMFT_REASON_MEMORY: This host has no memory for it.
 * @KVMFT_REASON_LOCAL: Something else failed on this host.
 * @KVMFT_REASON_NO_VM: There is no such guest at the other end.
 * @KVMFT_REASON_TOO_BIG: The epoch is larger than what may be staged.
 * @KVMFT_REASON_MISMATCH: What was staged isn't what COMMIT names.
 * @KVMFT_REASON_NOT_BEGUN: The epoch was never begun.
 * @KVMFT_REASON_STALE: The epoch or its generation is older than what is
 *	committed.
 * @KVMFT_REASON_GONE: The end that was to do it is being removed.
 * @__KVMFT_REASON_MAX: Only there to compute the next one.
 * @KVMFT_REASON_MAX: The highest reason that this header knows.
 */
enum kvmft_reason {
	KVMFT_REASON_NONE = 0,
	KVMFT_REASON_UNREACHABLE,
	KVMFT_REASON_NOBODY,
	KVMFT_REASON_TIMEOUT,
	KVMFT_REASON_CLOSED,
	KVMFT_REASON_BYE,
	KVMFT_REASON_BAD_KEY,
	KVMFT_REASON_BAD_NAME,
	KVMFT_REASON_BAD_ROLE,
	KVMFT_REASON_VERSION,
	KVMFT_REASON_FEATURES,
	KVMFT_REASON_BUSY,
	KVMFT_REASON_REPLACED,
	KVMFT_REASON_PROTOCOL,
	KVMFT_REASON_LIMIT,
	KVMFT_REASON_BAD_MAC,
	KVMFT_REASON_SEQUENCE,
	KVMFT_REASON_SLOW,
	KVMFT_REASON_CROWDED,
	KVMFT_REASON_STUCK,
	KVMFT_REASON_MEMORY,
	KVMFT_REASON_LOCAL,
	KVMFT_REASON_NO_VM,
	KVMFT_REASON_TOO_BIG,
	KVMFT_REASON_MISMATCH,
	KVMFT_REASON_NOT_BEGUN,
	KVMFT_REASON_STALE,
	KVMFT_REASON_GONE,

	__KVMFT_REASON_MAX,
	KVMFT_REASON_MAX = (__KVMFT_REASON_MAX - 1)
};

/**
 * enum kvmft_pair_event - what a KVMFT_CMD_PAIR_EVENT is about
 * @KVMFT_PAIR_ADDED: The pair was added.
 * @KVMFT_PAIR_DELETED: The pair was deleted.
 * @KVMFT_PAIR_CHANGED: The pair's state or the reason for it changed.
 * @KVMFT_PAIR_REFUSED: A connection that wanted to be the peer was refused for
 *	KVMFT_A_PAIR_REASON; the pair's state is unchanged. At most a few a
 *	second are told, KVMFT_A_PAIR_ERRORS counts all.
 */
enum kvmft_pair_event {
	KVMFT_PAIR_ADDED = 1,
	KVMFT_PAIR_DELETED,
	KVMFT_PAIR_CHANGED,
	KVMFT_PAIR_REFUSED,
};

/**
 * enum kvmft_a_pair - attributes of a pair
 * @KVMFT_A_PAIR_UNSPEC: Unused.
 * @KVMFT_A_PAIR_NAME: String, its name. In every request but a dump, and in every
 *	answer and event.
 * @KVMFT_A_PAIR_ROLE: u32, &enum kvmft_pair_role. Required to add a pair.
 * @KVMFT_A_PAIR_ADDRESS: Binary, 4 bytes of IPv4 or 16 of IPv6 in network order:
 *	where to listen or to connect to. Required to add a pair.
 * @KVMFT_A_PAIR_PORT: u16 in host order, the TCP port. Required to add a pair.
 * @KVMFT_A_PAIR_SCOPE: u32, index of the interface that a link-local IPv6 address
 *	belongs to.
 * @KVMFT_A_PAIR_KEY: Binary, KVMFT_KEY_LEN bytes, the secret that both hosts have.
 *	Required to add a pair; never in an answer.
 * @KVMFT_A_PAIR_HEARTBEAT: u32, ms between heartbeats. KVMFT_HEARTBEAT_DEFAULT if
 *	a request has none.
 * @KVMFT_A_PAIR_TIMEOUT: u32, ms after which a silent peer counts as lost; at
 *	least three heartbeats. KVMFT_TIMEOUT_DEFAULT if a request has none.
 * @KVMFT_A_PAIR_STATE: u32, &enum kvmft_pair_state.
 * @KVMFT_A_PAIR_REASON: u32, &enum kvmft_reason: why it is down, or what the event
 *	is about.
 * @KVMFT_A_PAIR_STATE_AGE: u64, ms since the state was entered.
 * @KVMFT_A_PAIR_STATE_TIME: u64, when that was, in ns since 1970.
 * @KVMFT_A_PAIR_ERROR: String, the last error in words; missing if there was none.
 * @KVMFT_A_PAIR_PEER_HOST: String, what the peer calls itself. This and the other
 *	attributes of the peer are there once it has proved itself, and stay
 *	when it is lost.
 * @KVMFT_A_PAIR_PEER_INSTANCE: Binary, KVMFT_INSTANCE_LEN bytes, new whenever the
 *	pair was added at the peer.
 * @KVMFT_A_PAIR_PEER_ADDRESS: Binary like KVMFT_A_PAIR_ADDRESS, the other end of
 *	the control connection.
 * @KVMFT_A_PAIR_PEER_PORT: u16, its port.
 * @KVMFT_A_PAIR_RTT_LAST: u64, ns, the last round trip of a heartbeat. The four of
 *	these are there when one was measured, and begin anew with each link.
 * @KVMFT_A_PAIR_RTT_MIN: u64, ns, the shortest.
 * @KVMFT_A_PAIR_RTT_AVG: u64, ns, the mean.
 * @KVMFT_A_PAIR_RTT_MAX: u64, ns, the longest.
 * @KVMFT_A_PAIR_RX_BYTES: u64, bytes received since the pair was added, by all of
 *	its connections.
 * @KVMFT_A_PAIR_TX_BYTES: u64, bytes sent.
 * @KVMFT_A_PAIR_RX_FRAMES: u64, frames received.
 * @KVMFT_A_PAIR_TX_FRAMES: u64, frames sent.
 * @KVMFT_A_PAIR_LINKS: u64, how often the link came up.
 * @KVMFT_A_PAIR_ERRORS: Nest, &enum kvmft_a_error; one attribute for each reason
 *	that has been counted.
 * @KVMFT_A_PAIR_EVENT: u32, &enum kvmft_pair_event. In events only.
 * @KVMFT_A_PAIR_PAD: Aligns what follows it.
 * @__KVMFT_A_PAIR_MAX: Only there to compute the next one.
 * @KVMFT_A_PAIR_MAX: The highest attribute that this header knows.
 */
enum kvmft_a_pair {
	KVMFT_A_PAIR_UNSPEC,
	KVMFT_A_PAIR_NAME,
	KVMFT_A_PAIR_ROLE,
	KVMFT_A_PAIR_ADDRESS,
	KVMFT_A_PAIR_PORT,
	KVMFT_A_PAIR_SCOPE,
	KVMFT_A_PAIR_KEY,
	KVMFT_A_PAIR_HEARTBEAT,
	KVMFT_A_PAIR_TIMEOUT,
	KVMFT_A_PAIR_STATE,
	KVMFT_A_PAIR_REASON,
	KVMFT_A_PAIR_STATE_AGE,
	KVMFT_A_PAIR_STATE_TIME,
	KVMFT_A_PAIR_ERROR,
	KVMFT_A_PAIR_PEER_HOST,
	KVMFT_A_PAIR_PEER_INSTANCE,
	KVMFT_A_PAIR_PEER_ADDRESS,
	KVMFT_A_PAIR_PEER_PORT,
	KVMFT_A_PAIR_RTT_LAST,
	KVMFT_A_PAIR_RTT_MIN,
	KVMFT_A_PAIR_RTT_AVG,
	KVMFT_A_PAIR_RTT_MAX,
	KVMFT_A_PAIR_RX_BYTES,
	KVMFT_A_PAIR_TX_BYTES,
	KVMFT_A_PAIR_RX_FRAMES,
	KVMFT_A_PAIR_TX_FRAMES,
	KVMFT_A_PAIR_LINKS,
	KVMFT_A_PAIR_ERRORS,
	KVMFT_A_PAIR_EVENT,
	KVMFT_A_PAIR_PAD,

	__KVMFT_A_PAIR_MAX,
	KVMFT_A_PAIR_MAX = (__KVMFT_A_PAIR_MAX - 1)
};

/**
 * enum kvmft_a_error - attributes of a counter of errors
 * @KVMFT_A_ERROR_UNSPEC: Unused.
 * @KVMFT_A_ERROR_REASON: u32, &enum kvmft_reason.
 * @KVMFT_A_ERROR_COUNT: u64, how often since the pair was added.
 * @KVMFT_A_ERROR_PAD: Aligns what follows it.
 * @__KVMFT_A_ERROR_MAX: Only there to compute the next one.
 * @KVMFT_A_ERROR_MAX: The highest attribute that this header knows.
 */
enum kvmft_a_error {
	KVMFT_A_ERROR_UNSPEC,
	KVMFT_A_ERROR_REASON,
	KVMFT_A_ERROR_COUNT,
	KVMFT_A_ERROR_PAD,

	__KVMFT_A_ERROR_MAX,
	KVMFT_A_ERROR_MAX = (__KVMFT_A_ERROR_MAX - 1)
};

/**
 * enum kvmft_selftest_role - which end of a synthetic guest this is
 * @KVMFT_SELFTEST_SOURCE: It sends epochs.
 * @KVMFT_SELFTEST_SINK: It receives them.
 */
enum kvmft_selftest_role {
	KVMFT_SELFTEST_SOURCE = 1,
	KVMFT_SELFTEST_SINK,
};

/**
 * enum kvmft_selftest_flags - how a synthetic epoch is sent
 * @KVMFT_SELFTEST_COPY: Copy the pages instead of sending them by reference.
 * @KVMFT_SELFTEST_TWICE: Send every page twice, with other contents at first.
 * @KVMFT_SELFTEST_BACKWARDS: Send the pages in falling order, each as a run.
 * @KVMFT_SELFTEST_ZEROES: Let every other page be zero, and send it as a flag.
 * @KVMFT_SELFTEST_BAD_SUM: Name a wrong sum in COMMIT.
 * @KVMFT_SELFTEST_BAD_COUNT: Name one page too many in COMMIT.
 * @KVMFT_SELFTEST_NO_BEGIN: Leave BEGIN out.
 * @KVMFT_SELFTEST_NO_COMMIT: Leave COMMIT out, and don't wait.
 * @KVMFT_SELFTEST_CUT: Close the data connection before COMMIT.
 */
enum kvmft_selftest_flags {
	KVMFT_SELFTEST_COPY = 1 << 0,
	KVMFT_SELFTEST_TWICE = 1 << 1,
	KVMFT_SELFTEST_BACKWARDS = 1 << 2,
	KVMFT_SELFTEST_ZEROES = 1 << 3,
	KVMFT_SELFTEST_BAD_SUM = 1 << 4,
	KVMFT_SELFTEST_BAD_COUNT = 1 << 5,
	KVMFT_SELFTEST_NO_BEGIN = 1 << 6,
	KVMFT_SELFTEST_NO_COMMIT = 1 << 7,
	KVMFT_SELFTEST_CUT = 1 << 8,
};

/**
 * enum kvmft_a_selftest - attributes of the self-test commands
 * @KVMFT_A_SELFTEST_UNSPEC: Unused.
 * @KVMFT_A_SELFTEST_PAIR: String, name of the pair. In every request.
 * @KVMFT_A_SELFTEST_VM: String, name of the synthetic guest. In every request.
 * @KVMFT_A_SELFTEST_ROLE: u32, &enum kvmft_selftest_role, to attach.
 * @KVMFT_A_SELFTEST_CEILING: u64, bytes that a sink may stage, to attach one.
 * @KVMFT_A_SELFTEST_EPOCHS: u32, how many epochs to send, one after the other.
 * @KVMFT_A_SELFTEST_PAGES: u32, pages of each epoch. In an answer, pages
 *	that are committed.
 * @KVMFT_A_SELFTEST_FIRST: u64, byte offset of the first page.
 * @KVMFT_A_SELFTEST_REGION: u32, RAM region of the pages.
 * @KVMFT_A_SELFTEST_SEED: u64, what the contents are made of.
 * @KVMFT_A_SELFTEST_STATE: u32, bytes of device state in each epoch.
 * @KVMFT_A_SELFTEST_FLAGS: u32, &enum kvmft_selftest_flags.
 * @KVMFT_A_SELFTEST_WAIT: u32, ms to wait for the other end to be attached.
 * @KVMFT_A_SELFTEST_EPOCH: u64, the last epoch that was acknowledged (an answer to
 *	a source) or committed (to a sink).
 * @KVMFT_A_SELFTEST_REASON: u32, &enum kvmft_reason of the epoch that failed.
 * @KVMFT_A_SELFTEST_NS: u64, ns that sending pages and the wait for the answer
 *	took.
 * @KVMFT_A_SELFTEST_BYTES: u64, bytes of pages that were sent.
 * @KVMFT_A_SELFTEST_OFFSET: u64, byte offset of a committed page.
 * @KVMFT_A_SELFTEST_CRC: u32, CRC32C of a committed page, or of the state.
 * @KVMFT_A_SELFTEST_POOL: u32, pages that the sink holds for reuse.
 * @KVMFT_A_SELFTEST_STAGED: u32, pages that are staged and not committed.
 * @KVMFT_A_SELFTEST_PAD: Aligns what follows it.
 * @__KVMFT_A_SELFTEST_MAX: Only there to compute the next one.
 * @KVMFT_A_SELFTEST_MAX: The highest attribute that this header knows.
 */
enum kvmft_a_selftest {
	KVMFT_A_SELFTEST_UNSPEC,
	KVMFT_A_SELFTEST_PAIR,
	KVMFT_A_SELFTEST_VM,
	KVMFT_A_SELFTEST_ROLE,
	KVMFT_A_SELFTEST_CEILING,
	KVMFT_A_SELFTEST_EPOCHS,
	KVMFT_A_SELFTEST_PAGES,
	KVMFT_A_SELFTEST_FIRST,
	KVMFT_A_SELFTEST_REGION,
	KVMFT_A_SELFTEST_SEED,
	KVMFT_A_SELFTEST_STATE,
	KVMFT_A_SELFTEST_FLAGS,
	KVMFT_A_SELFTEST_WAIT,
	KVMFT_A_SELFTEST_EPOCH,
	KVMFT_A_SELFTEST_REASON,
	KVMFT_A_SELFTEST_NS,
	KVMFT_A_SELFTEST_BYTES,
	KVMFT_A_SELFTEST_OFFSET,
	KVMFT_A_SELFTEST_CRC,
	KVMFT_A_SELFTEST_POOL,
	KVMFT_A_SELFTEST_STAGED,
	KVMFT_A_SELFTEST_PAD,

	__KVMFT_A_SELFTEST_MAX,
	KVMFT_A_SELFTEST_MAX = (__KVMFT_A_SELFTEST_MAX - 1)
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
