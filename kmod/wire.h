/* SPDX-License-Identifier: GPL-2.0 */
/*
 * wire: what the bytes between two hosts mean. Documentation/wire.rst is the
 * specification; this is its only translation into C.
 *
 * Contract: pure functions over buffers. They allocate nothing, keep nothing,
 * and know neither sockets nor keys, so that the same files are compiled into
 * the module, into tests and into the fuzzer. All bounds of the protocol are
 * checked here: what a kvmft_wire_get_*() function accepts is within the limits
 * below, and whatever it is given, it reads nothing beyond the length it is
 * given. They return 0 or the &enum kvmft_reason for which the frame is refused.
 * A kvmft_wire_put_*() function writes what its counterpart accepts if the
 * fields are within their limits, and returns the length written.
 */
#ifndef _KVMFT_WIRE_H
#define _KVMFT_WIRE_H

#include <linux/kvmft.h>
#include <linux/types.h>

#define KVMFT_WIRE_MAGIC 0x5446564bU	/* "KVFT" as bytes */

#define KVMFT_WIRE_HEADER_LEN	48
#define KVMFT_WIRE_MAC_LEN	32
#define KVMFT_WIRE_NONCE_LEN	32
#define KVMFT_WIRE_SESSION_LEN	16
#define KVMFT_WIRE_HOST_LEN	64
#define KVMFT_WIRE_NAME_LEN	32
#define KVMFT_WIRE_VM_NAME_LEN	64
#define KVMFT_WIRE_TEXT_MAX	128

#define KVMFT_WIRE_HELLO_LEN	192
#define KVMFT_WIRE_HELLO_MIN	4	/* of any version */
#define KVMFT_WIRE_HELLO_MAX	512
#define KVMFT_WIRE_AUTH_LEN	32
#define KVMFT_WIRE_HEARTBEAT_LEN 32
#define KVMFT_WIRE_ATTACH_LEN	80
#define KVMFT_WIRE_LAYOUT_HEAD	8
#define KVMFT_WIRE_LAYOUT_ENTRY	32
#define KVMFT_WIRE_CONFIG_HEAD	8
#define KVMFT_WIRE_CONFIG_ITEM	8
#define KVMFT_WIRE_BEGIN_LEN	16
#define KVMFT_WIRE_PAGES_HEAD	8
#define KVMFT_WIRE_RUN_LEN	16
#define KVMFT_WIRE_PACKED_HEAD	2
#define KVMFT_WIRE_STAGED_LEN	8
#define KVMFT_WIRE_STATE_LEN	16
#define KVMFT_WIRE_COMMIT_LEN	48
#define KVMFT_WIRE_ACK_LEN	16
#define KVMFT_WIRE_NOTICE_HEAD	8
#define KVMFT_WIRE_SWITCH_LEN	16
#define KVMFT_WIRE_VMM_GONE_LEN	8
#define KVMFT_WIRE_FENCE_LEN	24

#define KVMFT_WIRE_PAGE_SHIFT	12
#define KVMFT_WIRE_PAGE_SIZE	4096U

/* No frame has a longer body, or more bulk. */
#define KVMFT_WIRE_BODY_MAX	65536U
#define KVMFT_WIRE_BULK_MAX	(1024U * 1024U)

#define KVMFT_WIRE_LAYOUT_MAX	1024U
#define KVMFT_WIRE_RUNS_MAX	256U
#define KVMFT_WIRE_FRAME_PAGES_MAX 65536U	/* zero ones included */
#define KVMFT_WIRE_DATA_PAGES_MAX (KVMFT_WIRE_BULK_MAX / KVMFT_WIRE_PAGE_SIZE)
#define KVMFT_WIRE_REGION_MAX	1023U
#define KVMFT_WIRE_OFFSET_MAX	0x10000000000000ULL
#define KVMFT_WIRE_STATE_MAX	(128ULL << 20)
/* Of generations and epochs, so that the next one is always greater. */
#define KVMFT_WIRE_NUMBER_MAX	(U64_MAX / 4)

/**
 * enum kvmft_wire_type - type of a frame
 * @KVMFT_WIRE_HELLO: Who one is, and what one can; the first frame both ways.
 * @KVMFT_WIRE_AUTH: Proof that one has the key; the second.
 * @KVMFT_WIRE_BYE: The connection ends, and why.
 * @KVMFT_WIRE_HEARTBEAT: One is alive.
 * @KVMFT_WIRE_ATTACH: A guest wants to be, or is, attached at both ends.
 * @KVMFT_WIRE_LAYOUT: Memory regions of a guest, for comparison.
 * @KVMFT_WIRE_CONFIG: CPUID, rates, capabilities of a guest, for comparison.
 * @KVMFT_WIRE_BEGIN: An epoch begins.
 * @KVMFT_WIRE_PAGES: Pages of it.
 * @KVMFT_WIRE_STAGED: All up to a frame of the data connection is staged.
 * @KVMFT_WIRE_STATE: A piece of the epoch's state.
 * @KVMFT_WIRE_COMMIT: The epoch is whole, and what it holds.
 * @KVMFT_WIRE_ACK: It is committed.
 * @KVMFT_WIRE_ABORT: It is thrown away, and why.
 * @KVMFT_WIRE_SWITCH: Steps of a planned exchange of roles.
 * @KVMFT_WIRE_VMM_GONE: The process that held the guest has ended.
 * @KVMFT_WIRE_FENCE: Who must stand down.
 * @KVMFT_WIRE_DETACH: A guest isn't attached any more, and why.
 * @KVMFT_WIRE_TYPES: Only there to count them.
 */
enum kvmft_wire_type {
	KVMFT_WIRE_HELLO = 1,
	KVMFT_WIRE_AUTH,
	KVMFT_WIRE_BYE,
	KVMFT_WIRE_HEARTBEAT,
	KVMFT_WIRE_ATTACH,
	KVMFT_WIRE_LAYOUT,
	KVMFT_WIRE_CONFIG,
	KVMFT_WIRE_BEGIN,
	KVMFT_WIRE_PAGES,
	KVMFT_WIRE_STAGED,
	KVMFT_WIRE_STATE,
	KVMFT_WIRE_COMMIT,
	KVMFT_WIRE_ACK,
	KVMFT_WIRE_ABORT,
	KVMFT_WIRE_SWITCH,
	KVMFT_WIRE_VMM_GONE,
	KVMFT_WIRE_FENCE,
	KVMFT_WIRE_DETACH,

	KVMFT_WIRE_TYPES
};

/* Flags of a header: an answer; a wish to be told when this frame is staged. */
#define KVMFT_WIRE_REPLY	0x01
#define KVMFT_WIRE_WANT_STAGED	0x02

/**
 * enum kvmft_wire_phase - what a connection is in, and so which frames may come
 * @KVMFT_WIRE_EXPECT_HELLO: The other end has said nothing yet.
 * @KVMFT_WIRE_EXPECT_AUTH: It has said who it is.
 * @KVMFT_WIRE_CONTROL: It has proved it, and this is the control connection.
 * @KVMFT_WIRE_DATA: The same on the data connection of a guest, for the end that
 *	receives epochs.
 */
enum kvmft_wire_phase {
	KVMFT_WIRE_EXPECT_HELLO,
	KVMFT_WIRE_EXPECT_AUTH,
	KVMFT_WIRE_CONTROL,
	KVMFT_WIRE_DATA,
};

/**
 * struct kvmft_wire_header - header of a frame
 * @type: &enum kvmft_wire_type.
 * @flags: KVMFT_WIRE_REPLY, KVMFT_WIRE_WANT_STAGED.
 * @body: Bytes of the body.
 * @bulk: Bytes that follow the body and its MAC, without being covered by it.
 * @vm: Which guest this is about, 0 for none.
 * @generation: The guest's generation.
 * @epoch: The epoch.
 * @sequence: Number of the frame on this connection, in this direction.
 */
struct kvmft_wire_header {
	u8 type;
	u8 flags;
	u32 body;
	u32 bulk;
	u32 vm;
	u64 generation;
	u64 epoch;
	u64 sequence;
};

enum kvmft_wire_kind {
	KVMFT_WIRE_KIND_CONTROL = 1,
	KVMFT_WIRE_KIND_DATA,
};

/**
 * struct kvmft_wire_hello - HELLO
 * @version: Version of the protocol. The only field that holds for all versions.
 * @role: &enum kvmft_pair_role of the sender.
 * @kind: &enum kvmft_wire_kind of the connection.
 * @features: Features that the sender has, a bit each.
 * @required: Features that it can't do without.
 * @nonce: Random, new for each connection.
 * @instance: The sender's instance id.
 * @session: Session that a data connection belongs to, otherwise zeroes.
 * @heartbeat_ms: The sender's settings.
 * @timeout_ms: The same.
 * @name: The pair.
 * @host: What the sender's host is called, for people.
 */
struct kvmft_wire_hello {
	u32 version;
	u8 role;
	u8 kind;
	u64 features;
	u64 required;
	u8 nonce[KVMFT_WIRE_NONCE_LEN];
	u8 instance[KVMFT_INSTANCE_LEN];
	u8 session[KVMFT_WIRE_SESSION_LEN];
	u32 heartbeat_ms;
	u32 timeout_ms;
	char name[KVMFT_WIRE_NAME_LEN];
	char host[KVMFT_WIRE_HOST_LEN];
};

/**
 * struct kvmft_wire_heartbeat - HEARTBEAT
 * @stamp: The sender's CLOCK_BOOTTIME in ns.
 * @echo: The last stamp that it has received, 0 for none.
 * @held: For how many ns that has been there.
 * @lease: For how many ns, counted from @echo, the receiver has permission.
 */
struct kvmft_wire_heartbeat {
	u64 stamp;
	u64 echo;
	u64 held;
	u64 lease;
};

enum kvmft_wire_attach_kind {
	KVMFT_WIRE_ATTACH_GUEST = 1,
	KVMFT_WIRE_ATTACH_SELFTEST,
};

/**
 * struct kvmft_wire_attach - ATTACH, and the answer to it
 * @reason: In an answer, &enum kvmft_reason why it is refused, or 0.
 * @kind: &enum kvmft_wire_attach_kind.
 * @ceiling: In an answer, bytes that the receiver of epochs may stage.
 * @name: The guest.
 *
 * An answer's header names the generation and the epoch last committed.
 */
struct kvmft_wire_attach {
	u32 reason;
	u8 kind;
	u64 ceiling;
	char name[KVMFT_WIRE_VM_NAME_LEN];
};

/**
 * struct kvmft_wire_range - one entry of LAYOUT
 * @gpa: Guest physical address.
 * @size: Bytes, both multiples of the page size.
 * @offset: Where in the region it begins.
 * @region: RAM region.
 * @flags: Bit 0: read-only.
 */
struct kvmft_wire_range {
	u64 gpa;
	u64 size;
	u64 offset;
	u32 region;
	u32 flags;
};

/**
 * struct kvmft_wire_item - one item of CONFIG
 * @key: What it is.
 * @len: Bytes of its value.
 * @value: The value, inside the body.
 */
struct kvmft_wire_item {
	u32 key;
	u32 len;
	const u8 *value;
};

/* BEGIN: what isn't named is zero; the pages go where they belong at once. */
#define KVMFT_WIRE_BEGIN_FULL	0x1
/* BEGIN: it counts only if the one whose number is one less does, which isn't answered yet. */
#define KVMFT_WIRE_BEGIN_FOLLOWS	0x2

/* A feature in HELLO: PAGES may have runs with KVMFT_WIRE_RUN_LZ4. */
#define KVMFT_WIRE_FEATURE_LZ4	BIT_ULL(0)
/* Another one: BEGIN may have KVMFT_WIRE_BEGIN_FOLLOWS. */
#define KVMFT_WIRE_FEATURE_FOLLOWS	BIT_ULL(1)

/**
 * struct kvmft_wire_begin - BEGIN
 * @flags: KVMFT_WIRE_BEGIN_FULL or KVMFT_WIRE_BEGIN_FOLLOWS.
 * @stamp: The sender's CLOCK_BOOTTIME in ns.
 */
struct kvmft_wire_begin {
	u32 flags;
	u64 stamp;
};

/* A run of pages that are all zero, and therefore not in the bulk. */
#define KVMFT_WIRE_RUN_ZERO	0x1
/* A run of pages each of which is an LZ4 block, behind those that are as they are. */
#define KVMFT_WIRE_RUN_LZ4	0x2

/**
 * struct kvmft_wire_run - neighbouring pages in PAGES
 * @region: RAM region.
 * @pages: How many, at least 1.
 * @flags: KVMFT_WIRE_RUN_ZERO or KVMFT_WIRE_RUN_LZ4, or none.
 * @offset: Byte offset of the first one in the region.
 */
struct kvmft_wire_run {
	u32 region;
	u16 pages;
	u16 flags;
	u64 offset;
};

/**
 * struct kvmft_wire_pages - what a PAGES has
 * @runs: Runs that kvmft_wire_get_run() has.
 * @whole: Pages that are in the bulk as they are, at its begin.
 * @packed: Those that are LZ4 blocks, behind these.
 */
struct kvmft_wire_pages {
	u32 runs;
	u32 whole;
	u32 packed;
};

/**
 * struct kvmft_wire_state - STATE, a piece of the state
 * @offset: Where the piece belongs; pieces come in order, without gaps, and in
 *	whole pages up to the last.
 * @total: Bytes of all pieces.
 */
struct kvmft_wire_state {
	u64 offset;
	u64 total;
};

/**
 * struct kvmft_wire_commit - COMMIT
 * @pages: Different pages in the epoch.
 * @bytes: Bytes of those that aren't zero.
 * @sum: Sum of kvmft_wire_page_term() over all of them.
 * @state_bytes: Bytes of state.
 * @state_crc: CRC32C of the state.
 * @stamp: The sender's CLOCK_BOOTTIME in ns.
 */
struct kvmft_wire_commit {
	u64 pages;
	u64 bytes;
	u64 sum;
	u64 state_bytes;
	u32 state_crc;
	u64 stamp;
};

/**
 * struct kvmft_wire_ack - ACK
 * @stamp: The stamp of COMMIT.
 * @lease: For how many ns, counted from it, output is permitted.
 */
struct kvmft_wire_ack {
	u64 stamp;
	u64 lease;
};

/**
 * struct kvmft_wire_notice - BYE, ABORT and DETACH
 * @reason: &enum kvmft_reason.
 * @text: The same for people. What isn't printable ASCII became "?".
 */
struct kvmft_wire_notice {
	u32 reason;
	char text[KVMFT_WIRE_TEXT_MAX + 1];
};

enum kvmft_wire_switch_step {
	KVMFT_WIRE_SWITCH_PREPARE = 1,
	KVMFT_WIRE_SWITCH_READY,
	KVMFT_WIRE_SWITCH_DONE,
	KVMFT_WIRE_SWITCH_CANCEL,
};

/**
 * struct kvmft_wire_switch - SWITCH
 * @step: &enum kvmft_wire_switch_step.
 * @still: With DONE, for how long the guest has stood still so far, in ns.
 */
struct kvmft_wire_switch {
	u32 step;
	u64 still;
};

enum kvmft_wire_gone {
	KVMFT_WIRE_GONE_CRASHED = 1,
	KVMFT_WIRE_GONE_SHUTDOWN,
};

enum kvmft_wire_verdict {
	KVMFT_WIRE_FENCE_STAND_DOWN = 1,
	KVMFT_WIRE_FENCE_HELD,
};

/**
 * struct kvmft_wire_fence - FENCE
 * @verdict: &enum kvmft_wire_verdict.
 * @instance: The instance that is meant.
 */
struct kvmft_wire_fence {
	u32 verdict;
	u8 instance[KVMFT_INSTANCE_LEN];
};

/* Length of a body with one notice, ready to be sent. */
#define KVMFT_WIRE_NOTICE_MAX (KVMFT_WIRE_NOTICE_HEAD + KVMFT_WIRE_TEXT_MAX)

/* wire.c: frames */
void kvmft_wire_put_header(u8 *to, const struct kvmft_wire_header *header);
enum kvmft_reason kvmft_wire_get_header(const u8 *from,
					struct kvmft_wire_header *header);
enum kvmft_reason kvmft_wire_expect(const struct kvmft_wire_header *header,
				    enum kvmft_wire_phase phase);
u64 kvmft_wire_page_term(u32 region, u64 offset, u32 crc);
bool kvmft_wire_name_ok(const char *name, size_t max);
void kvmft_wire_clean_text(char *to, size_t size, const u8 *from, size_t len);

/* wire_link.c: bodies about the link */
size_t kvmft_wire_put_hello(u8 *to, const struct kvmft_wire_hello *hello);
enum kvmft_reason kvmft_wire_get_hello(const u8 *from, u32 len,
				       struct kvmft_wire_hello *hello);
size_t kvmft_wire_put_heartbeat(u8 *to, const struct kvmft_wire_heartbeat *beat);
enum kvmft_reason kvmft_wire_get_heartbeat(const u8 *from, u32 len,
					   struct kvmft_wire_heartbeat *beat);
size_t kvmft_wire_put_notice(u8 *to, const struct kvmft_wire_notice *notice);
enum kvmft_reason kvmft_wire_get_notice(const u8 *from, u32 len,
					struct kvmft_wire_notice *notice);

/* wire_vm.c: bodies about a guest as a whole */
size_t kvmft_wire_put_attach(u8 *to, const struct kvmft_wire_attach *attach);
enum kvmft_reason kvmft_wire_get_attach(const u8 *from, u32 len,
					struct kvmft_wire_attach *attach);
size_t kvmft_wire_put_layout(u8 *to, u32 count);
size_t kvmft_wire_put_range(u8 *to, u32 index,
			    const struct kvmft_wire_range *range);
enum kvmft_reason kvmft_wire_get_layout(const u8 *from, u32 len, u32 *count);
void kvmft_wire_get_range(const u8 *from, u32 index,
			  struct kvmft_wire_range *range);
size_t kvmft_wire_put_config(u8 *to, u32 count);
size_t kvmft_wire_put_item(u8 *to, const struct kvmft_wire_item *item);
enum kvmft_reason kvmft_wire_get_config(const u8 *from, u32 len, u32 *count);
u32 kvmft_wire_get_item(const u8 *from, u32 at, struct kvmft_wire_item *item);
size_t kvmft_wire_put_switch(u8 *to, const struct kvmft_wire_switch *step);
enum kvmft_reason kvmft_wire_get_switch(const u8 *from, u32 len,
					struct kvmft_wire_switch *step);
size_t kvmft_wire_put_vmm_gone(u8 *to, u32 how);
enum kvmft_reason kvmft_wire_get_vmm_gone(const u8 *from, u32 len, u32 *how);
size_t kvmft_wire_put_fence(u8 *to, const struct kvmft_wire_fence *fence);
enum kvmft_reason kvmft_wire_get_fence(const u8 *from, u32 len,
				       struct kvmft_wire_fence *fence);

/* wire_epoch.c: bodies about an epoch */
size_t kvmft_wire_put_begin(u8 *to, const struct kvmft_wire_begin *begin);
enum kvmft_reason kvmft_wire_get_begin(const u8 *from, u32 len,
				       struct kvmft_wire_begin *begin);
size_t kvmft_wire_put_pages(u8 *to, u32 runs);
size_t kvmft_wire_put_run(u8 *to, u32 index, const struct kvmft_wire_run *run);
enum kvmft_reason kvmft_wire_get_pages(const u8 *from, u32 len, u32 bulk,
				       struct kvmft_wire_pages *pages);
void kvmft_wire_get_run(const u8 *from, u32 index, struct kvmft_wire_run *run);
size_t kvmft_wire_put_staged(u8 *to, u64 sequence);
enum kvmft_reason kvmft_wire_get_staged(const u8 *from, u32 len, u64 *sequence);
size_t kvmft_wire_put_state(u8 *to, const struct kvmft_wire_state *state);
enum kvmft_reason kvmft_wire_get_state(const u8 *from, u32 len, u32 bulk,
				       struct kvmft_wire_state *state);
size_t kvmft_wire_put_commit(u8 *to, const struct kvmft_wire_commit *commit);
enum kvmft_reason kvmft_wire_get_commit(const u8 *from, u32 len,
					struct kvmft_wire_commit *commit);
size_t kvmft_wire_put_ack(u8 *to, const struct kvmft_wire_ack *ack);
enum kvmft_reason kvmft_wire_get_ack(const u8 *from, u32 len,
				     struct kvmft_wire_ack *ack);

#endif /* _KVMFT_WIRE_H */
