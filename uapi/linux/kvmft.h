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
 * @KVMFT_CMD_VM_ATTACH: Make a guest of this host the primary or the standby of
 *	a guest that both hosts call the same. Privileged. Attributes of
 *	&enum kvmft_a_vm.
 * @KVMFT_CMD_VM_DETACH: Let it go; it runs on without protection. Privileged.
 * @KVMFT_CMD_VM_GET: Tell about one guest, or with a dump about all of the
 *	network namespace. No privilege.
 * @KVMFT_CMD_VM_SET: Change what can be changed about a guest while it is
 *	attached. Privileged.
 * @KVMFT_CMD_VM_FAILOVER: Let the standby go on from the last committed epoch.
 *	Privileged; on the standby.
 * @KVMFT_CMD_VM_EVENT: Never a request: what is sent to the group "events" when
 *	something happens to a guest.
 * @KVMFT_CMD_VM_FENCE: Have the other host of a guest fenced, which isn't there, and the guest go
 *	on here when that is done. Privileged.
 * @KVMFT_CMD_VM_FENCE_ANSWER: What came of KVMFT_VM_ASKS_FENCE. Privileged.
 * @KVMFT_CMD_VM_SOLO: Let a guest that is held go on without a standby. Privileged;
 *	on the primary.
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
	KVMFT_CMD_VM_ATTACH,
	KVMFT_CMD_VM_DETACH,
	KVMFT_CMD_VM_GET,
	KVMFT_CMD_VM_SET,
	KVMFT_CMD_VM_FAILOVER,
	KVMFT_CMD_VM_EVENT,
	KVMFT_CMD_VM_SOLO,
	KVMFT_CMD_VM_FENCE,
	KVMFT_CMD_VM_FENCE_ANSWER,

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
 * KVMFT_TIMES_FIRST - where the first class of KVMFT_A_TIMES_CLASSES ends, in ns
 *
 * Each one that follows ends at twice as much; the last one has no end.
 */
#define KVMFT_TIMES_FIRST 1024

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
 * @KVMFT_REASON_CONFIG: The two guests aren't alike.
 * @KVMFT_REASON_LAYOUT: The guest's memory isn't where it was.
 * @KVMFT_REASON_STATE: The guest's state can't be saved or restored.
 * @KVMFT_REASON_VMM: The VMM has done what it must not do, or not what it must.
 * @KVMFT_REASON_VMM_GONE: The VMM has ended.
 * @KVMFT_REASON_NOT_CONVERGING: The guest writes faster than its memory can be
 *	copied.
 * @KVMFT_REASON_SUPERSEDED: The other host has a later generation of the guest.
 * @KVMFT_REASON_RIVAL: The other host has the same generation of it, and both ran.
 * @KVMFT_REASON_SWITCHED: The two hosts exchange their roles, as somebody has asked.
 * @KVMFT_REASON_SHUTDOWN: The guest was shut down.
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
	KVMFT_REASON_CONFIG,
	KVMFT_REASON_LAYOUT,
	KVMFT_REASON_STATE,
	KVMFT_REASON_VMM,
	KVMFT_REASON_VMM_GONE,
	KVMFT_REASON_NOT_CONVERGING,
	KVMFT_REASON_SUPERSEDED,
	KVMFT_REASON_RIVAL,
	KVMFT_REASON_SWITCHED,
	KVMFT_REASON_SHUTDOWN,

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
 * enum kvmft_vm_role - what a guest of this host is
 * @KVMFT_VM_PRIMARY: It runs, and its epochs go to the other host.
 * @KVMFT_VM_STANDBY: It has never run, and takes epochs.
 */
enum kvmft_vm_role {
	KVMFT_VM_PRIMARY = 1,
	KVMFT_VM_STANDBY,
};

/**
 * enum kvmft_vm_mode - how a guest's output waits
 * @KVMFT_VM_SYNC: The guest stands still until its epoch is committed.
 * @KVMFT_VM_ASYNC: The guest runs on, its output waits.
 */
enum kvmft_vm_mode {
	KVMFT_VM_SYNC = 1,
	KVMFT_VM_ASYNC,
};

/**
 * enum kvmft_vm_promote - what a standby does when its primary is lost
 * @KVMFT_VM_AUTO: It takes over.
 * @KVMFT_VM_MANUAL: It waits for KVMFT_CMD_VM_FAILOVER.
 * @KVMFT_VM_ASK: The same, and tells that it does: KVMFT_VM_ASKS.
 */
enum kvmft_vm_promote {
	KVMFT_VM_AUTO = 1,
	KVMFT_VM_MANUAL,
	KVMFT_VM_ASK,
};

/**
 * enum kvmft_vm_loss - what a primary does when its standby is lost
 * @KVMFT_VM_LOSS_HOLD: Its output waits, until the standby is there or somebody decides.
 * @KVMFT_VM_LOSS_SOLO: It has the other host fenced, and goes on alone when that is done.
 *	Only with KVMFT_VM_FENCING_REQUIRED.
 * @KVMFT_VM_LOSS_ASK: Its output waits, and KVMFT_VM_ASKS tells that it does.
 */
enum kvmft_vm_loss {
	KVMFT_VM_LOSS_HOLD = 1,
	KVMFT_VM_LOSS_SOLO,
	KVMFT_VM_LOSS_ASK,
};

/**
 * enum kvmft_vm_fencing - does a guest go on without the other host before that is fenced?
 * @KVMFT_VM_FENCING_NONE: It does, when leases have run out.
 * @KVMFT_VM_FENCING_REQUIRED: It doesn't.
 */
enum kvmft_vm_fencing {
	KVMFT_VM_FENCING_NONE = 1,
	KVMFT_VM_FENCING_REQUIRED,
};

/**
 * enum kvmft_vm_fence - what became of fencing the other host
 * @KVMFT_VM_FENCE_ASKED: Somebody is asked to do it.
 * @KVMFT_VM_FENCE_DONE: It is done.
 * @KVMFT_VM_FENCE_FAILED: It couldn't be done.
 */
enum kvmft_vm_fence {
	KVMFT_VM_FENCE_ASKED = 1,
	KVMFT_VM_FENCE_DONE,
	KVMFT_VM_FENCE_FAILED,
};

/**
 * enum kvmft_vm_compress - how a primary sends pages
 * @KVMFT_VM_COMPRESS_NONE: Pages are sent as they are.
 * @KVMFT_VM_COMPRESS_LZ4: Pages that LZ4 makes smaller are sent so.
 */
enum kvmft_vm_compress {
	KVMFT_VM_COMPRESS_NONE = 1,
	KVMFT_VM_COMPRESS_LZ4,
};

/**
 * enum kvmft_vm_state - how it is with a guest
 * @KVMFT_VM_WAITING_PEER: The other host doesn't have it attached, or isn't there,
 *	and it was never protected.
 * @KVMFT_VM_SYNCING: Its memory is being copied; the guest runs, its output isn't
 *	held.
 * @KVMFT_VM_PROTECTED: Each output waits for the epoch behind it. On a standby: it
 *	holds a committed epoch, and its primary is connected.
 * @KVMFT_VM_HELD: It was protected and isn't, for KVMFT_A_VM_REASON: it is stopped
 *	at its next output until it is protected again or detached.
 * @KVMFT_VM_UNPROTECTED: It can't be protected any more, for KVMFT_A_VM_REASON,
 *	until it is attached anew.
 * @KVMFT_VM_PROMOTING: The standby takes the state of the last committed epoch.
 * @KVMFT_VM_SOLO: It goes on alone: it was promoted, or was told to. Its output leaves at
 *	once, until it has a standby again.
 * @KVMFT_VM_FENCED: The other host has a later generation of it: it is stopped, for
 *	good.
 */
enum kvmft_vm_state {
	KVMFT_VM_WAITING_PEER = 1,
	KVMFT_VM_SYNCING,
	KVMFT_VM_PROTECTED,
	KVMFT_VM_HELD,
	KVMFT_VM_UNPROTECTED,
	KVMFT_VM_PROMOTING,
	KVMFT_VM_SOLO,
	KVMFT_VM_FENCED,
};

/**
 * enum kvmft_vm_event - what a KVMFT_CMD_VM_EVENT is about
 * @KVMFT_VM_ATTACHED: The guest was attached.
 * @KVMFT_VM_DETACHED: The guest was detached.
 * @KVMFT_VM_CHANGED: Its state or the reason for it changed.
 * @KVMFT_VM_ASKS: It has lost the other one, and somebody has to say who goes on.
 * @KVMFT_VM_ASKS_FENCE: The other host is to be fenced; KVMFT_CMD_VM_FENCE_ANSWER tells what
 *	came of it.
 * @KVMFT_VM_FENCE_SUCCEEDS: It is fenced.
 * @KVMFT_VM_FENCE_FAILS: It couldn't be.
 */
enum kvmft_vm_event {
	KVMFT_VM_ATTACHED = 1,
	KVMFT_VM_DETACHED,
	KVMFT_VM_CHANGED,
	KVMFT_VM_ASKS,
	KVMFT_VM_ASKS_FENCE,
	KVMFT_VM_FENCE_SUCCEEDS,
	KVMFT_VM_FENCE_FAILS,
};

/**
 * enum kvmft_a_vm - attributes of a guest
 * @KVMFT_A_VM_UNSPEC: Unused.
 * @KVMFT_A_VM_NAME: String, its name. In every request but a dump, and in every
 *	answer and event.
 * @KVMFT_A_VM_PAIR: String, name of the pair. Required to attach.
 * @KVMFT_A_VM_ROLE: u32, &enum kvmft_vm_role. Required to attach.
 * @KVMFT_A_VM_MODE: u32, &enum kvmft_vm_mode; KVMFT_VM_SYNC if a request to attach
 *	has none.
 * @KVMFT_A_VM_PID: u32, the process of the VMM, in the answer.
 * @KVMFT_A_VM_FD: u32, descriptor of the VM in the requesting process. Required to
 *	attach.
 * @KVMFT_A_VM_VCPU_FDS: Binary, one u32 for each vcpu: their descriptors in the
 *	requesting process, in any order. Required to attach.
 * @KVMFT_A_VM_MSRS: Binary, one u32 for each MSR that belongs to a vcpu's state.
 *	Required to attach.
 * @KVMFT_A_VM_CONVERGE: Flag: if the full copy doesn't come to an end because the
 *	guest writes faster, stop the guest for the rest of it.
 * @KVMFT_A_VM_CEILING: u64, bytes that a standby may stage.
 * @KVMFT_A_VM_FORCE: Flag, for KVMFT_CMD_VM_FAILOVER: promote without asking the
 *	primary. With KVMFT_CMD_VM_DETACH: also if the standby can't
 *	be told that it isn't to take over.
 * @KVMFT_A_VM_STATE: u32, &enum kvmft_vm_state.
 * @KVMFT_A_VM_REASON: u32, &enum kvmft_reason, why it is in that state; missing if
 *	there is none.
 * @KVMFT_A_VM_WHY: String, the same in words.
 * @KVMFT_A_VM_STATE_AGE: u64, ms since the state was entered.
 * @KVMFT_A_VM_VCPUS: u32, number of vcpus.
 * @KVMFT_A_VM_MEMORY: u64, bytes of RAM regions.
 * @KVMFT_A_VM_TRACKING: u32, &enum kvmft_vm_tracking.
 * @KVMFT_A_VM_GENERATION: u64, rises with each promotion, and when a primary is told to
 *	go on alone.
 * @KVMFT_A_VM_EPOCH: u64, the last epoch that was begun.
 * @KVMFT_A_VM_COMMITTED: u64, the last epoch that was committed.
 * @KVMFT_A_VM_COPY_DONE: u64, bytes of the full copy that were dealt with.
 * @KVMFT_A_VM_COPY_TOTAL: u64, bytes that there were to deal with.
 * @KVMFT_A_VM_COPY_ROUND: u32, how often the copy has gone over what was written
 *	meanwhile.
 * @KVMFT_A_VM_COUNTERS: Nest of &enum kvmft_a_counter.
 * @KVMFT_A_VM_EVENT: u32, &enum kvmft_vm_event. In events only.
 * @KVMFT_A_VM_PAD: Aligns what follows it.
 * @KVMFT_A_VM_PROMOTE: u32, &enum kvmft_vm_promote, of a standby; KVMFT_VM_AUTO if a
 *	request to attach has none.
 * @KVMFT_A_VM_LOSS: u32, &enum kvmft_vm_loss, of a primary; KVMFT_VM_LOSS_HOLD if a request
 *	to attach has none.
 * @KVMFT_A_VM_FENCING: u32, &enum kvmft_vm_fencing; KVMFT_VM_FENCING_NONE if a request to
 *	attach has none.
 * @KVMFT_A_VM_FENCE: u32, &enum kvmft_vm_fence; missing if it wasn't asked for. With
 *	KVMFT_CMD_VM_FENCE_ANSWER what came of it.
 * @KVMFT_A_VM_FENCE_TOKEN: u64, which fence that is about.
 * @KVMFT_A_VM_RATE: u64, bytes that a primary sends in a second at most while the guest runs and
 *	all of its memory is copied; 0 for no limit.
 * @KVMFT_A_VM_EXCHANGE: Flag: it is being handed over to the other host, or taken from there, as
 *	KVMFT_CMD_VM_FAILOVER has asked.
 * @KVMFT_A_VM_APPLIED: u64, of a standby: the last epoch that is in its memory.
 * @KVMFT_A_VM_COMMITTED_AGE: u64, ms since an epoch was last committed, as of this host;
 *	missing if none was since it was attached or promoted.
 * @KVMFT_A_VM_PARKED: Nest of &enum kvmft_a_times, how long the guest stood still. This
 *	and the next two aren't in events.
 * @KVMFT_A_VM_TRANSFER: The same, from the end of a harvest to the answer.
 * @KVMFT_A_VM_APPLY: The same, of a standby, what epochs took to apply.
 * @KVMFT_A_VM_COMPRESS: u32, &enum kvmft_vm_compress, of a primary; KVMFT_VM_COMPRESS_NONE if a
 *	request to attach has none.
 * @__KVMFT_A_VM_MAX: Only there to compute the next one.
 * @KVMFT_A_VM_MAX: The highest attribute that this header knows.
 */
enum kvmft_a_vm {
	KVMFT_A_VM_UNSPEC,
	KVMFT_A_VM_NAME,
	KVMFT_A_VM_PAIR,
	KVMFT_A_VM_ROLE,
	KVMFT_A_VM_MODE,
	KVMFT_A_VM_PID,
	KVMFT_A_VM_FD,
	KVMFT_A_VM_VCPU_FDS,
	KVMFT_A_VM_MSRS,
	KVMFT_A_VM_CONVERGE,
	KVMFT_A_VM_CEILING,
	KVMFT_A_VM_FORCE,
	KVMFT_A_VM_STATE,
	KVMFT_A_VM_REASON,
	KVMFT_A_VM_WHY,
	KVMFT_A_VM_STATE_AGE,
	KVMFT_A_VM_VCPUS,
	KVMFT_A_VM_MEMORY,
	KVMFT_A_VM_TRACKING,
	KVMFT_A_VM_GENERATION,
	KVMFT_A_VM_EPOCH,
	KVMFT_A_VM_COMMITTED,
	KVMFT_A_VM_COPY_DONE,
	KVMFT_A_VM_COPY_TOTAL,
	KVMFT_A_VM_COPY_ROUND,
	KVMFT_A_VM_COUNTERS,
	KVMFT_A_VM_EVENT,
	KVMFT_A_VM_PAD,
	KVMFT_A_VM_PROMOTE,
	KVMFT_A_VM_LOSS,
	KVMFT_A_VM_FENCING,
	KVMFT_A_VM_FENCE,
	KVMFT_A_VM_FENCE_TOKEN,
	KVMFT_A_VM_RATE,
	KVMFT_A_VM_EXCHANGE,
	KVMFT_A_VM_APPLIED,
	KVMFT_A_VM_COMMITTED_AGE,
	KVMFT_A_VM_PARKED,
	KVMFT_A_VM_TRANSFER,
	KVMFT_A_VM_APPLY,
	KVMFT_A_VM_COMPRESS,

	__KVMFT_A_VM_MAX,
	KVMFT_A_VM_MAX = (__KVMFT_A_VM_MAX - 1)
};

/**
 * enum kvmft_vm_tracking - how KVM tells which pages the guest wrote
 * @KVMFT_VM_RING: By dirty rings; the VMM enabled them before it made vcpus.
 * @KVMFT_VM_LOG: By the dirty log.
 */
enum kvmft_vm_tracking {
	KVMFT_VM_RING = 1,
	KVMFT_VM_LOG,
};

/**
 * enum kvmft_a_counter - counters of a guest, all u64 and since it was attached
 * @KVMFT_A_COUNTER_UNSPEC: Unused.
 * @KVMFT_A_COUNTER_BEGUN: Epochs begun.
 * @KVMFT_A_COUNTER_COMMITTED: Epochs committed.
 * @KVMFT_A_COUNTER_ABORTED: Epochs given up or refused.
 * @KVMFT_A_COUNTER_PAGES_TRACKED: Pages that KVM told of, by ring or log; and those that are
 *	written in each epoch, of which it needn't.
 * @KVMFT_A_COUNTER_PAGES_MARKED: Pages that the VMM marked.
 * @KVMFT_A_COUNTER_PAGES_RESENT: Pages sent again after an epoch that failed.
 * @KVMFT_A_COUNTER_PAGES_AHEAD: Pages sent while the guest ran.
 * @KVMFT_A_COUNTER_PAGES_SENT: Pages sent, each version counted.
 * @KVMFT_A_COUNTER_PAGES_ZERO: Those of them that went as a flag.
 * @KVMFT_A_COUNTER_PAGES_COPIED: Pages that were copied before they were sent.
 * @KVMFT_A_COUNTER_BYTES: Bytes of pages and state that were sent.
 * @KVMFT_A_COUNTER_KICKS: Vcpus that had to be kicked more than once.
 * @KVMFT_A_COUNTER_PARKED_LAST: ns that the guest last stood still.
 * @KVMFT_A_COUNTER_PARKED_P50: The same, median; from a histogram whose classes are
 *	within an eighth.
 * @KVMFT_A_COUNTER_PARKED_P99: The same, 99th percentile.
 * @KVMFT_A_COUNTER_HARVEST_LAST: ns that the last harvest took.
 * @KVMFT_A_COUNTER_TRANSFER_LAST: ns from its end to the answer.
 * @KVMFT_A_COUNTER_APPLY_LAST: On a standby, ns that the last epoch took to apply.
 * @KVMFT_A_COUNTER_PAD: Aligns what follows it.
 * @KVMFT_A_COUNTER_SWITCHED: ns from the standstill for a planned switch to the news that
 *	the other host has the guest.
 * @KVMFT_A_COUNTER_TRANSFER_P50: As KVMFT_A_COUNTER_PARKED_P50, of transfers.
 * @KVMFT_A_COUNTER_TRANSFER_P99: The same, 99th percentile.
 * @KVMFT_A_COUNTER_APPLY_P50: As KVMFT_A_COUNTER_PARKED_P50, of applying.
 * @KVMFT_A_COUNTER_APPLY_P99: The same, 99th percentile.
 * @KVMFT_A_COUNTER_PAGES_PACKED: Pages that were sent compressed.
 * @__KVMFT_A_COUNTER_MAX: Only there to compute the next one.
 * @KVMFT_A_COUNTER_MAX: The highest attribute that this header knows.
 */
enum kvmft_a_counter {
	KVMFT_A_COUNTER_UNSPEC,
	KVMFT_A_COUNTER_BEGUN,
	KVMFT_A_COUNTER_COMMITTED,
	KVMFT_A_COUNTER_ABORTED,
	KVMFT_A_COUNTER_PAGES_TRACKED,
	KVMFT_A_COUNTER_PAGES_MARKED,
	KVMFT_A_COUNTER_PAGES_RESENT,
	KVMFT_A_COUNTER_PAGES_AHEAD,
	KVMFT_A_COUNTER_PAGES_SENT,
	KVMFT_A_COUNTER_PAGES_ZERO,
	KVMFT_A_COUNTER_PAGES_COPIED,
	KVMFT_A_COUNTER_BYTES,
	KVMFT_A_COUNTER_KICKS,
	KVMFT_A_COUNTER_PARKED_LAST,
	KVMFT_A_COUNTER_PARKED_P50,
	KVMFT_A_COUNTER_PARKED_P99,
	KVMFT_A_COUNTER_HARVEST_LAST,
	KVMFT_A_COUNTER_TRANSFER_LAST,
	KVMFT_A_COUNTER_APPLY_LAST,
	KVMFT_A_COUNTER_PAD,
	KVMFT_A_COUNTER_SWITCHED,
	KVMFT_A_COUNTER_TRANSFER_P50,
	KVMFT_A_COUNTER_TRANSFER_P99,
	KVMFT_A_COUNTER_APPLY_P50,
	KVMFT_A_COUNTER_APPLY_P99,
	KVMFT_A_COUNTER_PAGES_PACKED,

	__KVMFT_A_COUNTER_MAX,
	KVMFT_A_COUNTER_MAX = (__KVMFT_A_COUNTER_MAX - 1)
};

/**
 * enum kvmft_a_times - how long something took, since the guest was attached
 * @KVMFT_A_TIMES_UNSPEC: Unused.
 * @KVMFT_A_TIMES_SUM: u64, ns, all together.
 * @KVMFT_A_TIMES_LONGEST: u64, ns, the longest.
 * @KVMFT_A_TIMES_CLASSES: Binary, a u64 for each class: how many times it took longer than
 *	the classes before reach, and no longer than this one does. See KVMFT_TIMES_FIRST.
 * @KVMFT_A_TIMES_PAD: Aligns what follows it.
 * @__KVMFT_A_TIMES_MAX: Only there to compute the next one.
 * @KVMFT_A_TIMES_MAX: The highest attribute that this header knows.
 */
enum kvmft_a_times {
	KVMFT_A_TIMES_UNSPEC,
	KVMFT_A_TIMES_SUM,
	KVMFT_A_TIMES_LONGEST,
	KVMFT_A_TIMES_CLASSES,
	KVMFT_A_TIMES_PAD,

	__KVMFT_A_TIMES_MAX,
	KVMFT_A_TIMES_MAX = (__KVMFT_A_TIMES_MAX - 1)
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
 * @KVMFT_SELFTEST_PACK: Let two of three pages be such that get smaller, and compress.
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
	KVMFT_SELFTEST_PACK = 1 << 9,
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

/* Limits of what a VMM may ask for. */
#define KVMFT_VCPUS_MAX 64
#define KVMFT_STATE_MAX (64U << 20)
#define KVMFT_GPA_MAX 0x10000000000ULL

/**
 * enum kvmft_bind_flags - what a VMM says of itself
 * @KVMFT_BIND_STANDBY: No vcpu has run, and none will before the hook says so.
 * @KVMFT_BIND_COVERED: It uses irqfds or ioeventfds, and whoever is behind them takes
 *	part as a device thread: writes memory only between enter and leave, and lets
 *	output out only by ticket.
 */
enum kvmft_bind_flags {
	KVMFT_BIND_STANDBY = 1 << 0,
	KVMFT_BIND_COVERED = 1 << 1,
};

/**
 * struct kvmft_bind - what KVMFT_BIND takes
 * @size: sizeof(struct kvmft_bind).
 * @vm_fd: Descriptor of the VM.
 * @flags: &enum kvmft_bind_flags.
 * @vcpus: The highest number of a vcpu that will be, plus 1; up to KVMFT_VCPUS_MAX.
 * @gpa_end: End of all guest memory, a multiple of the page size.
 * @state_max: Most bytes of device state, up to KVMFT_STATE_MAX.
 * @area_size: Result: how many bytes to map.
 */
struct kvmft_bind {
	__u32 size;
	__s32 vm_fd;
	__u32 flags;
	__u32 vcpus;
	__u64 gpa_end;
	__u64 state_max;
	__u64 area_size;
};

/**
 * KVMFT_BIND - make a descriptor of /dev/kvmft the one of a VM
 *
 * Once for each open descriptor, and one descriptor for each VM, by a thread of the
 * process that created the VM. After it, the area is to be mapped: @area_size bytes from
 * offset 0, shared, readable and writable, once.
 */
#define KVMFT_BIND _IOWR(KVMFT_IOC_MAGIC, 0x01, struct kvmft_bind)

/**
 * enum kvmft_hook_flags - why a vcpu's thread comes
 * @KVMFT_HOOK_OUTPUT: There is output that needs an epoch.
 * @KVMFT_HOOK_STATE: The device state in the area is up to date, its length in
 *	@state_len. The answer to KVMFT_ACTION_SAVE; a lone vcpu may bring it along
 *	with its output. As the answer to KVMFT_ACTION_LOAD it means: the VMM has
 *	taken what is there.
 * @KVMFT_HOOK_RING_FULL: KVM_RUN returned KVM_EXIT_DIRTY_RING_FULL.
 * @KVMFT_HOOK_QUIET: The answer to KVMFT_ACTION_LEAVE: no output is under way.
 */
enum kvmft_hook_flags {
	KVMFT_HOOK_OUTPUT = 1 << 0,
	KVMFT_HOOK_STATE = 1 << 1,
	KVMFT_HOOK_RING_FULL = 1 << 2,
	KVMFT_HOOK_QUIET = 1 << 3,
};

/**
 * enum kvmft_action - what a vcpu's thread is to do next
 * @KVMFT_ACTION_RUN: Call KVM_RUN. If there was output, @ticket is its: it may leave
 *	when kvmft_may_leave() says so, which in sync mode is now.
 * @KVMFT_ACTION_EMULATE: There is a new exit in the vcpu's struct kvm_run; emulate it
 *	and come again, with the output that there was and has been added.
 * @KVMFT_ACTION_SAVE: All vcpus and device threads stand still. Write the device
 *	state into the area, and come again with KVMFT_HOOK_STATE.
 * @KVMFT_ACTION_LOAD: Of a standby, for one vcpu: it was promoted. Take @state_len bytes
 *	of device state from the area, and come again with KVMFT_HOOK_STATE. After that
 *	the VMM is the guest's only one; output that the state says wasn't out is to
 *	go out again.
 * @KVMFT_ACTION_LEAVE: The guest is about to go on at the other host, all stand still, and
 *	kvmft_may_leave() permits nothing any more. Wait until what it has permitted before
 *	isn't under way any more, and come again with KVMFT_HOOK_QUIET.
 */
enum kvmft_action {
	KVMFT_ACTION_RUN = 0,
	KVMFT_ACTION_EMULATE,
	KVMFT_ACTION_SAVE,
	KVMFT_ACTION_LOAD,
	KVMFT_ACTION_LEAVE,
};

/**
 * struct kvmft_hook - what KVMFT_HOOK takes
 * @size: sizeof(struct kvmft_hook).
 * @vcpu: Number of the vcpu, the one that KVM_CREATE_VCPU was given.
 * @flags: &enum kvmft_hook_flags.
 * @action: Result: &enum kvmft_action.
 * @state_len: Bytes of device state, with KVMFT_HOOK_STATE; a result with
 *	KVMFT_ACTION_LOAD.
 * @ticket: Result: the ticket of the output; 0 if it needs none.
 * @reason: Result with KVMFT_ACTION_LOAD: &enum kvmft_reason, why it was promoted.
 * @entered: With KVMFT_HOOK_STATE, what @entered in the area was before the device state
 *	was written; 0 without device threads.
 */
struct kvmft_hook {
	__u32 size;
	__u32 vcpu;
	__u32 flags;
	__u32 action;
	__u64 state_len;
	__u64 ticket;
	__u32 reason;
	__u32 entered;
};

/**
 * KVMFT_HOOK - a vcpu's thread between emulation and KVM_RUN
 *
 * Call kvmft_hook(), which calls this when there is something to do. Interrupted by a
 * signal it fails with EINTR; call it again with the same content after having dealt
 * with the signal.
 */
#define KVMFT_HOOK _IOWR(KVMFT_IOC_MAGIC, 0x02, struct kvmft_hook)

/**
 * struct kvmft_wait - what KVMFT_WAIT and KVMFT_WAIT_SENT take
 * @size: sizeof(struct kvmft_wait).
 * @timeout_ms: For how long to wait; 0 just looks.
 * @ticket: What to wait for.
 */
struct kvmft_wait {
	__u32 size;
	__u32 timeout_ms;
	__u64 ticket;
};

/**
 * KVMFT_WAIT - wait until a ticket may leave
 *
 * Returns 0 when it may; fails with EAGAIN when the time is over, with ENOENT if no
 * such ticket was given, with ESTALE if the guest was discarded, with EINTR.
 *
 * Waiting for many: poll() tells POLLIN after each change of @committed or @lease in
 * the area since the last KVMFT_WAIT.
 */
#define KVMFT_WAIT _IOW(KVMFT_IOC_MAGIC, 0x03, struct kvmft_wait)

/**
 * KVMFT_SET_EVENTFD - have an eventfd signalled
 *
 * Takes the descriptor of an eventfd, which is signalled with each change of
 * @committed, @lease or @state in the area; -1 to end that.
 */
#define KVMFT_SET_EVENTFD _IO(KVMFT_IOC_MAGIC, 0x04)

/**
 * KVMFT_DEVICE - a device thread has to wait, or has left
 *
 * kvmft_enter() and kvmft_leave() call this when they have to. Takes 1 to wait until
 * nothing is parked any more, 0 to tell that the thread has left.
 */
#define KVMFT_DEVICE _IO(KVMFT_IOC_MAGIC, 0x05)

/**
 * KVMFT_END - the guest has ended by itself
 *
 * To be called when it was shut down, and all of its output has left: its standby isn't to
 * take over. Takes no argument: pass 0. Fails with ENOTCONN if the standby can't be told;
 * then, if it takes over, it does so from before the end.
 */
#define KVMFT_END _IO(KVMFT_IOC_MAGIC, 0x06)

/**
 * KVMFT_WAIT_SENT - wait until another epoch can be made
 *
 * Takes a struct kvmft_wait, whose ticket is the last one that was given. Returns 0 when a
 * vcpu with output wouldn't have to wait in the hook for that ticket's epoch, see
 * kvmft_is_busy(), or if the ticket may leave; fails like KVMFT_WAIT, and with ENOTTY if this
 * version of kvmft has one epoch at a time: then KVMFT_WAIT is to be used.
 */
#define KVMFT_WAIT_SENT _IOW(KVMFT_IOC_MAGIC, 0x07, struct kvmft_wait)

/**
 * enum kvmft_area_state - what a VMM has to know of its guest
 * @KVMFT_AREA_IDLE: Nothing is asked of it, output may leave at once.
 * @KVMFT_AREA_TRACKED: What the VMM writes into guest memory has to be marked; output may
 *	leave at once.
 * @KVMFT_AREA_PROTECTED: The same, and output needs an epoch.
 * @KVMFT_AREA_STANDBY: It waits to be promoted.
 */
enum kvmft_area_state {
	KVMFT_AREA_IDLE = 0,
	KVMFT_AREA_TRACKED,
	KVMFT_AREA_PROTECTED,
	KVMFT_AREA_STANDBY,
};

/**
 * struct kvmft_area - begin of the shared area
 * @state: &enum kvmft_area_state.
 * @park: Not 0: vcpus have to come to the hook, device threads to wait.
 * @devices: Device threads that are between enter and leave.
 * @vcpus: As bound.
 * @entered: How often a device thread has entered or left.
 * @reserved: 0.
 * @epoch: The last epoch that was begun. Not a ticket: those come from the hook.
 * @committed: The last epoch that was committed; output with a ticket up to it may leave
 *	while the lease lasts.
 * @lease: CLOCK_BOOTTIME in ns until when it may.
 * @generation: Rises with each promotion; of the epochs that are told here.
 * @gpa_end: As bound.
 * @summary: Where the upper level of the bitmap is: a bit for each 64 pages.
 * @bitmap: Where the lower level is: a bit for each page.
 * @device_state: Where the device state is.
 * @state_max: As bound.
 * @size: Of all.
 * @sent: The last epoch behind which another one can be made, without waiting for it in the
 *	hook; 0 in versions that have one epoch at a time.
 *
 * The VMM may write the bitmaps, the device state, @devices and @entered. Offsets count from the
 * begin of the area, all are multiples of 8.
 */
struct kvmft_area {
	__u32 state;
	__u32 park;
	__u32 devices;
	__u32 vcpus;
	__u32 entered;
	__u32 reserved;
	__u64 epoch;
	__u64 committed;
	__u64 lease;
	__u64 generation;
	__u64 gpa_end;
	__u64 summary;
	__u64 bitmap;
	__u64 device_state;
	__u64 state_max;
	__u64 size;
	__u64 sent;
};

#ifndef __KERNEL__

#include <errno.h>
#include <sys/ioctl.h>

/**
 * kvmft_mark() - tell that the VMM has written guest memory
 * @area: the shared area, or NULL
 * @gpa: guest physical address of the first byte
 * @len: bytes
 *
 * After the write, and between kvmft_enter() and kvmft_leave() if not in a vcpu's
 * thread. What is beyond the end of memory is ignored.
 */
static inline void kvmft_mark(struct kvmft_area *area, __u64 gpa, __u64 len)
{
	__u64 page, end;
	__u64 *bitmap, *summary;

	if (!area || !len || gpa >= area->gpa_end ||
	    __atomic_load_n(&area->state, __ATOMIC_RELAXED) == KVMFT_AREA_IDLE)
		return;

	bitmap = (__u64 *)(void *)((char *)area + area->bitmap);
	summary = (__u64 *)(void *)((char *)area + area->summary);
	end = len > area->gpa_end - gpa ? area->gpa_end : gpa + len;
	for (page = gpa >> 12; page < (end + 4095) >> 12; page++) {
		/* The lower level first: who finds the upper bit finds this one. */
		__atomic_fetch_or(&bitmap[page / 64], 1ULL << page % 64,
				  __ATOMIC_RELEASE);
		__atomic_fetch_or(&summary[page / 4096], 1ULL << page / 64 % 64,
				  __ATOMIC_RELEASE);
	}
}

/**
 * kvmft_is_busy() - would a vcpu with output have to wait in the hook?
 * @area: the shared area
 * @ticket: the last one that any vcpu got
 *
 * In async mode the guest may as well go on, and collect more output, until that epoch is sent.
 *
 * Return: whether
 */
static inline int kvmft_is_busy(const struct kvmft_area *area, __u64 ticket)
{
	return __atomic_load_n(&area->sent, __ATOMIC_RELAXED) < ticket &&
	       __atomic_load_n(&area->committed, __ATOMIC_ACQUIRE) < ticket;
}

/**
 * kvmft_enter() - begin to write guest memory, in a device thread
 * @area: the shared area
 * @fd: descriptor of /dev/kvmft
 *
 * Waits while all stand still for a checkpoint.
 *
 * Return: 0, or -1 with errno EINTR, or ESTALE if the guest was discarded
 */
static inline int kvmft_enter(struct kvmft_area *area, int fd)
{
	for (;;) {
		__atomic_fetch_add(&area->devices, 1, __ATOMIC_SEQ_CST);
		if (!__atomic_load_n(&area->park, __ATOMIC_SEQ_CST)) {
			__atomic_fetch_add(&area->entered, 1, __ATOMIC_SEQ_CST);
			return 0;
		}

		__atomic_fetch_sub(&area->devices, 1, __ATOMIC_SEQ_CST);
		if (ioctl(fd, KVMFT_DEVICE, 1UL))
			return -1;
	}
}

/**
 * kvmft_leave() - end of writing guest memory, in a device thread
 * @area: the shared area
 * @fd: descriptor of /dev/kvmft
 */
static inline void kvmft_leave(struct kvmft_area *area, int fd)
{
	/* What is done by now isn't in a device state that was written meanwhile. */
	__atomic_fetch_add(&area->entered, 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_sub(&area->devices, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&area->park, __ATOMIC_SEQ_CST)) {
		int err = errno;

		ioctl(fd, KVMFT_DEVICE, 0UL);
		errno = err;
	}
}

/**
 * kvmft_may_leave() - may output leave now?
 * @area: the shared area
 * @ticket: what the hook gave for it
 * @now: CLOCK_BOOTTIME in ns
 *
 * To be asked right before the output leaves.
 *
 * Return: whether it may
 */
static inline int kvmft_may_leave(const struct kvmft_area *area, __u64 ticket,
				  __u64 now)
{
	__u32 state = __atomic_load_n(&area->state, __ATOMIC_ACQUIRE);

	if (state == KVMFT_AREA_IDLE || state == KVMFT_AREA_TRACKED)
		return 1;
	return ticket <= __atomic_load_n(&area->committed, __ATOMIC_ACQUIRE) &&
	       now < __atomic_load_n(&area->lease, __ATOMIC_ACQUIRE);
}

/**
 * kvmft_hook() - what a vcpu's thread calls right before KVM_RUN
 * @area: the shared area
 * @fd: descriptor of /dev/kvmft
 * @immediate_exit: the vcpu's, in its struct kvm_run
 * @hook: @size, @vcpu, @flags and what they need are filled in
 *
 * Unless there is output or all are to stand still, it is two loads and a store.
 * It clears @immediate_exit, since who wants the vcpu to stop sets it first and @park
 * then; a VMM that uses it for its own signals looks at those after this.
 *
 * Return: 0 with @action, or -1 with errno
 */
static inline int kvmft_hook(struct kvmft_area *area, int fd,
			     __u8 *immediate_exit, struct kvmft_hook *hook)
{
	__atomic_store_n(immediate_exit, 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!hook->flags && !__atomic_load_n(&area->park, __ATOMIC_RELAXED)) {
		hook->action = KVMFT_ACTION_RUN;
		hook->ticket = 0;
		return 0;
	}
	return ioctl(fd, KVMFT_HOOK, hook);
}

#endif /* __KERNEL__ */

#endif /* _UAPI_LINUX_KVMFT_H */
