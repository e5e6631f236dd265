// SPDX-License-Identifier: GPL-2.0
#include <linux/crc32c.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "compat.h"
#include "wire.h"

#define IN(phase) (1U << KVMFT_WIRE_##phase)
#define IN_HANDSHAKE (IN(EXPECT_HELLO) | IN(EXPECT_AUTH))

/**
 * struct frame_rule - what frames of a type look like
 * @body_min: The shortest body.
 * @body_max: The longest.
 * @bulk_max: The most bulk; with any at all it is at least one byte.
 * @phases: Bits of the phases in which one may come.
 * @flags: Flags that it may have.
 * @vm: Whether it is about a guest.
 */
struct frame_rule {
	u32 body_min;
	u32 body_max;
	u32 bulk_max;
	u8 phases;
	u8 flags;
	bool vm;
};

static const struct frame_rule frame_rules[KVMFT_WIRE_TYPES] = {
	/*
	 * That of another version may have another length: it must get as far as
	 * the field that says so. A data connection's HELLO names its guest,
	 * so .vm can't say.
	 */
	[KVMFT_WIRE_HELLO] = {
		.body_min = KVMFT_WIRE_HELLO_MIN,
		.body_max = KVMFT_WIRE_HELLO_MAX,
		.phases = IN(EXPECT_HELLO),
	},
	[KVMFT_WIRE_AUTH] = {
		.body_min = KVMFT_WIRE_AUTH_LEN,
		.body_max = KVMFT_WIRE_AUTH_LEN,
		.phases = IN(EXPECT_AUTH),
	},
	[KVMFT_WIRE_BYE] = {
		.body_min = KVMFT_WIRE_NOTICE_HEAD,
		.body_max = KVMFT_WIRE_NOTICE_MAX,
		.phases = IN_HANDSHAKE | IN(CONTROL) | IN(DATA),
	},
	[KVMFT_WIRE_HEARTBEAT] = {
		.body_min = KVMFT_WIRE_HEARTBEAT_LEN,
		.body_max = KVMFT_WIRE_HEARTBEAT_LEN,
		.phases = IN(CONTROL),
	},
	[KVMFT_WIRE_ATTACH] = {
		.body_min = KVMFT_WIRE_ATTACH_LEN,
		.body_max = KVMFT_WIRE_ATTACH_LEN,
		.phases = IN(CONTROL), .flags = KVMFT_WIRE_REPLY, .vm = true,
	},
	[KVMFT_WIRE_LAYOUT] = {
		.body_min = KVMFT_WIRE_LAYOUT_HEAD,
		.body_max = KVMFT_WIRE_LAYOUT_HEAD +
			    KVMFT_WIRE_LAYOUT_MAX * KVMFT_WIRE_LAYOUT_ENTRY,
		.phases = IN(CONTROL), .flags = KVMFT_WIRE_REPLY, .vm = true,
	},
	[KVMFT_WIRE_CONFIG] = {
		.body_min = KVMFT_WIRE_CONFIG_HEAD,
		.body_max = KVMFT_WIRE_BODY_MAX,
		.phases = IN(CONTROL), .flags = KVMFT_WIRE_REPLY, .vm = true,
	},
	[KVMFT_WIRE_BEGIN] = {
		.body_min = KVMFT_WIRE_BEGIN_LEN,
		.body_max = KVMFT_WIRE_BEGIN_LEN,
		.phases = IN(DATA), .vm = true,
	},
	[KVMFT_WIRE_PAGES] = {
		.body_min = KVMFT_WIRE_PAGES_HEAD + KVMFT_WIRE_RUN_LEN,
		.body_max = KVMFT_WIRE_PAGES_HEAD +
			    KVMFT_WIRE_RUNS_MAX * KVMFT_WIRE_RUN_LEN,
		.bulk_max = KVMFT_WIRE_BULK_MAX,
		.phases = IN(DATA), .flags = KVMFT_WIRE_WANT_STAGED, .vm = true,
	},
	[KVMFT_WIRE_STAGED] = {
		.body_min = KVMFT_WIRE_STAGED_LEN,
		.body_max = KVMFT_WIRE_STAGED_LEN,
		.phases = IN(CONTROL), .vm = true,
	},
	[KVMFT_WIRE_STATE] = {
		.body_min = KVMFT_WIRE_STATE_LEN,
		.body_max = KVMFT_WIRE_STATE_LEN,
		.bulk_max = KVMFT_WIRE_BULK_MAX,
		.phases = IN(DATA), .vm = true,
	},
	[KVMFT_WIRE_COMMIT] = {
		.body_min = KVMFT_WIRE_COMMIT_LEN,
		.body_max = KVMFT_WIRE_COMMIT_LEN,
		.phases = IN(DATA), .vm = true,
	},
	[KVMFT_WIRE_ACK] = {
		.body_min = KVMFT_WIRE_ACK_LEN,
		.body_max = KVMFT_WIRE_ACK_LEN,
		.phases = IN(CONTROL), .vm = true,
	},
	/* The receiver aborts on the control connection, the sender in the data. */
	[KVMFT_WIRE_ABORT] = {
		.body_min = KVMFT_WIRE_NOTICE_HEAD,
		.body_max = KVMFT_WIRE_NOTICE_MAX,
		.phases = IN(CONTROL) | IN(DATA), .vm = true,
	},
	[KVMFT_WIRE_SWITCH] = {
		.body_min = KVMFT_WIRE_SWITCH_LEN,
		.body_max = KVMFT_WIRE_SWITCH_LEN,
		.phases = IN(CONTROL), .vm = true,
	},
	[KVMFT_WIRE_VMM_GONE] = {
		.body_min = KVMFT_WIRE_VMM_GONE_LEN,
		.body_max = KVMFT_WIRE_VMM_GONE_LEN,
		.phases = IN(CONTROL), .vm = true,
	},
	[KVMFT_WIRE_FENCE] = {
		.body_min = KVMFT_WIRE_FENCE_LEN,
		.body_max = KVMFT_WIRE_FENCE_LEN,
		.phases = IN(CONTROL), .vm = true,
	},
	[KVMFT_WIRE_DETACH] = {
		.body_min = KVMFT_WIRE_NOTICE_HEAD,
		.body_max = KVMFT_WIRE_NOTICE_MAX,
		.phases = IN(CONTROL), .flags = KVMFT_WIRE_REPLY, .vm = true,
	},
};

/**
 * kvmft_wire_put_header() - encode a frame's header
 * @to: KVMFT_WIRE_HEADER_LEN bytes
 * @header: what to encode
 */
void kvmft_wire_put_header(u8 *to, const struct kvmft_wire_header *header)
{
	put_unaligned_le32(KVMFT_WIRE_MAGIC, to);
	to[4] = header->type;
	to[5] = header->flags;
	put_unaligned_le16(0, to + 6);
	put_unaligned_le32(header->body, to + 8);
	put_unaligned_le32(header->bulk, to + 12);
	put_unaligned_le32(header->vm, to + 16);
	put_unaligned_le32(0, to + 20);
	put_unaligned_le64(header->generation, to + 24);
	put_unaligned_le64(header->epoch, to + 32);
	put_unaligned_le64(header->sequence, to + 40);
}

/**
 * kvmft_wire_get_header() - decode a frame's header, and check all that it says
 * @from: KVMFT_WIRE_HEADER_LEN bytes
 * @header: result
 *
 * Return: 0, KVMFT_REASON_PROTOCOL or KVMFT_REASON_LIMIT
 */
enum kvmft_reason kvmft_wire_get_header(const u8 *from,
					struct kvmft_wire_header *header)
{
	const struct frame_rule *rule;

	header->type = from[4];
	header->flags = from[5];
	header->body = get_unaligned_le32(from + 8);
	header->bulk = get_unaligned_le32(from + 12);
	header->vm = get_unaligned_le32(from + 16);
	header->generation = get_unaligned_le64(from + 24);
	header->epoch = get_unaligned_le64(from + 32);
	header->sequence = get_unaligned_le64(from + 40);

	if (get_unaligned_le32(from) != KVMFT_WIRE_MAGIC ||
	    get_unaligned_le16(from + 6) || get_unaligned_le32(from + 20) ||
	    header->type < KVMFT_WIRE_HELLO || header->type >= KVMFT_WIRE_TYPES)
		return KVMFT_REASON_PROTOCOL;

	rule = &frame_rules[header->type];
	if (header->body < rule->body_min || header->body > rule->body_max ||
	    header->bulk > rule->bulk_max)
		return KVMFT_REASON_LIMIT;
	if (header->flags & ~rule->flags || (rule->vm && !header->vm))
		return KVMFT_REASON_PROTOCOL;
	return 0;
}

/**
 * kvmft_wire_expect() - may this frame come now?
 * @header: what kvmft_wire_get_header() accepted
 * @phase: what the connection is in
 *
 * Return: 0 or KVMFT_REASON_PROTOCOL
 */
enum kvmft_reason kvmft_wire_expect(const struct kvmft_wire_header *header,
				    enum kvmft_wire_phase phase)
{
	if (frame_rules[header->type].phases & (1U << phase))
		return 0;
	return KVMFT_REASON_PROTOCOL;
}

/**
 * kvmft_wire_page_term() - what one page adds to the sum in COMMIT
 * @region: RAM region
 * @offset: byte offset in it
 * @crc: CRC32C of the page
 *
 * Return: the term; sums are modulo 2^64, so the order of pages doesn't matter
 * and a page that is replaced is subtracted
 */
u64 kvmft_wire_page_term(u32 region, u64 offset, u32 crc)
{
	u8 record[16];

	put_unaligned_le64(offset, record);
	put_unaligned_le32(region, record + 8);
	put_unaligned_le32(crc, record + 12);
	return (u64)~crc32c(~0U, record, sizeof(record)) << 32 | crc;
}

/**
 * kvmft_wire_name_ok() - is this a name of a pair or a guest?
 * @name: NUL-terminated
 * @max: the longest it may be, without the NUL
 *
 * Return: whether it is
 */
bool kvmft_wire_name_ok(const char *name, size_t max)
{
	size_t i;

	for (i = 0; name[i]; i++) {
		char c = name[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			      (c >= '0' && c <= '9');

		if (i >= max || !(letter || (i && strchr("._-", c))))
			return false;
	}
	return i;
}

/**
 * kvmft_wire_clean_text() - make a peer's words fit to be shown
 * @to: result, NUL-terminated
 * @size: bytes there
 * @from: the words, which a NUL may end early
 * @len: how many bytes they have at most
 */
void kvmft_wire_clean_text(char *to, size_t size, const u8 *from, size_t len)
{
	size_t i;

	for (i = 0; i < len && i < size - 1 && from[i]; i++)
		to[i] = from[i] >= 0x20 && from[i] < 0x7f ? from[i] : '?';
	to[i] = '\0';
}
