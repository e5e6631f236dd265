// SPDX-License-Identifier: GPL-2.0
/*
 * Bodies of frames. Each is written down twice, as bytes by hand from wire.rst and
 * as a value, so that encoder and decoder can't be wrong alike.
 */
#include <stdlib.h>
#include <string.h>

#include "unit.h"
#include "wire.h"

#define LIMIT KVMFT_REASON_LIMIT
#define PROTOCOL KVMFT_REASON_PROTOCOL

/* What is made of these three by their getters, as one value. */
struct layout {
	u32 count;
	struct kvmft_wire_range range[3];
};

struct config {
	u32 count;
	struct {
		u32 key, len;
		u8 value[8];
	} item[3];
};

struct pages {
	u32 count;
	struct kvmft_wire_run run[3];
};

/* Bulk that the header of the body at hand names. */
static u32 bulk;

#define PLAIN(body) \
static size_t put_##body(u8 *to, const void *value) \
{ \
	return kvmft_wire_put_##body(to, value); \
} \
static enum kvmft_reason get_##body(const u8 *from, u32 len, void *value) \
{ \
	return kvmft_wire_get_##body(from, len, value); \
}

PLAIN(hello)
PLAIN(heartbeat)
PLAIN(notice)
PLAIN(attach)
PLAIN(switch)
PLAIN(fence)
PLAIN(begin)
PLAIN(commit)
PLAIN(ack)

static size_t put_vmm_gone(u8 *to, const void *value)
{
	return kvmft_wire_put_vmm_gone(to, *(const u32 *)value);
}

static enum kvmft_reason get_vmm_gone(const u8 *from, u32 len, void *value)
{
	return kvmft_wire_get_vmm_gone(from, len, value);
}

static size_t put_staged(u8 *to, const void *value)
{
	return kvmft_wire_put_staged(to, *(const u64 *)value);
}

static enum kvmft_reason get_staged(const u8 *from, u32 len, void *value)
{
	return kvmft_wire_get_staged(from, len, value);
}

static size_t put_state(u8 *to, const void *value)
{
	return kvmft_wire_put_state(to, value);
}

static enum kvmft_reason get_state(const u8 *from, u32 len, void *value)
{
	return kvmft_wire_get_state(from, len, bulk, value);
}

static size_t put_layout(u8 *to, const void *value)
{
	const struct layout *layout = value;
	size_t len = kvmft_wire_put_layout(to, layout->count);

	for (u32 i = 0; i < layout->count; i++)
		check_eq(kvmft_wire_put_range(to, i, &layout->range[i]), 32, "put_range");
	return len;
}

static enum kvmft_reason get_layout(const u8 *from, u32 len, void *value)
{
	struct layout *layout = value;
	enum kvmft_reason reason = kvmft_wire_get_layout(from, len, &layout->count);

	for (u32 i = 0; !reason && i < layout->count; i++)
		kvmft_wire_get_range(from, i, &layout->range[i]);
	return reason;
}

static size_t put_config(u8 *to, const void *value)
{
	const struct config *config = value;
	size_t len = kvmft_wire_put_config(to, config->count);

	for (u32 i = 0; i < config->count; i++) {
		const struct kvmft_wire_item item = {
			config->item[i].key, config->item[i].len,
			config->item[i].value,
		};

		len += kvmft_wire_put_item(to + len, &item);
	}
	return len;
}

static enum kvmft_reason get_config(const u8 *from, u32 len, void *value)
{
	struct config *config = value;
	enum kvmft_reason reason = kvmft_wire_get_config(from, len, &config->count);
	u32 at = KVMFT_WIRE_CONFIG_HEAD;

	for (u32 i = 0; !reason && i < config->count; i++) {
		struct kvmft_wire_item item;

		at = kvmft_wire_get_item(from, at, &item);
		config->item[i].key = item.key;
		config->item[i].len = item.len;
		memcpy(config->item[i].value, item.value, item.len < 8 ? item.len : 8);
	}
	check(reason || at == len, "the last item ends at %u", at);
	return reason;
}

static size_t put_pages(u8 *to, const void *value)
{
	const struct pages *pages = value;
	size_t len = kvmft_wire_put_pages(to, pages->count);

	for (u32 i = 0; i < pages->count; i++)
		check_eq(kvmft_wire_put_run(to, i, &pages->run[i]), 16, "put_run");
	return len;
}

static enum kvmft_reason get_pages(const u8 *from, u32 len, void *value)
{
	struct pages *pages = value;
	struct kvmft_wire_pages frame;
	enum kvmft_reason reason;

	reason = kvmft_wire_get_pages(from, len, bulk, &frame);
	pages->count = frame.runs;
	for (u32 i = 0; !reason && i < pages->count; i++)
		kvmft_wire_get_run(from, i, &pages->run[i]);
	return reason;
}

#define VALUE(type, ...) \
	.value = &(const struct type) { __VA_ARGS__ }, .size = sizeof(struct type)
#define BODY(body) .name = #body, .put = put_##body, .get = get_##body

/**
 * struct body - one body
 * @name: Of its type.
 * @put: Encodes a value.
 * @get: Decodes it.
 * @bytes: The body.
 * @value: What that means.
 * @size: Of @value.
 * @bulk: Bytes of bulk in the header of such a frame.
 * @longer: It may be longer than this one.
 */
static const struct body {
	const char *name;
	size_t (*put)(u8 *to, const void *value);
	enum kvmft_reason (*get)(const u8 *from, u32 len, void *value);
	const char *bytes;
	const void *value;
	size_t size;
	u32 bulk;
	bool longer;
} bodies[] = {
	{
		BODY(hello),
		.bytes = "01000000 02 01 0000 8877665544332211 0100000000000080\n"
			 "a1*32 b2*16 c3*16 64000000 e8030000\n"
			 "'web-1' 00*27 'host.example' 00*52",
		VALUE(kvmft_wire_hello, .version = 1, .role = 2, .kind = 1,
		      .features = 0x1122334455667788, .required = 0x8000000000000001,
		      .nonce = { [0 ... 31] = 0xa1 }, .instance = { [0 ... 15] = 0xb2 },
		      .session = { [0 ... 15] = 0xc3 }, .heartbeat_ms = 100,
		      .timeout_ms = 1000, .name = "web-1", .host = "host.example"),
	}, {
		BODY(heartbeat),
		.bytes = "0100000000000000 02*8 0300000000000080 ff*8",
		VALUE(kvmft_wire_heartbeat, .stamp = 1, .echo = 0x0202020202020202,
		      .held = 0x8000000000000003, .lease = ~0ULL),
	}, {
		BODY(notice), .longer = true,
		.bytes = "0d000000 00000000 'no room'",
		VALUE(kvmft_wire_notice, .reason = PROTOCOL, .text = "no room"),
	}, {
		BODY(notice), .longer = true,
		.bytes = "ffffffff 00000000",
		VALUE(kvmft_wire_notice, .reason = ~0U),
	}, {
		BODY(notice),
		.bytes = "05000000 00000000 'x'*128",
		VALUE(kvmft_wire_notice, .reason = KVMFT_REASON_BYE,
		      .text = { [0 ... 127] = 'x' }),
	}, {
		BODY(attach),
		.bytes = "16000000 02 000000 0000004000000000 'guest.1' 00*57",
		VALUE(kvmft_wire_attach, .reason = KVMFT_REASON_NO_VM, .kind = 2,
		      .ceiling = 1ULL << 30, .name = "guest.1"),
	}, {
		BODY(attach),
		.bytes = "00000000 01 000000 0000000000000000 'n'*63 00",
		VALUE(kvmft_wire_attach, .kind = 1, .name = { [0 ... 62] = 'n' }),
	}, {
		BODY(layout),
		.bytes = "02000000 00000000\n"
			 "0000000000000000 0000100000000000 0000000000000000 00000000 01000000\n"
			 "0000100000000000 0010000000000000 00f0ffffffff0f00 ff030000 00000000",
		VALUE(layout, 2, .range = {
			{ .size = 1 << 20, .flags = 1 },
			{ 1 << 20, 4096, (1ULL << 52) - 4096, 1023, 0 },
		}),
	}, {
		BODY(layout),
		.bytes = "00000000 00000000",
		VALUE(layout, 0),
	}, {
		BODY(config),
		.bytes = "03000000 00000000 01000000 08000000 0102030405060708\n"
			 "02000000 00000000 ffffffff 01000000 'Z' 00*7",
		VALUE(config, 3, .item = {
			{ 1, 8, { 1, 2, 3, 4, 5, 6, 7, 8 } },
			{ 2 },
			{ ~0U, 1, { 'Z' } },
		}),
	}, {
		BODY(config),
		.bytes = "00000000 00000000",
		VALUE(config, 0),
	}, {
		BODY(config),
		.bytes = "01000000 00000000 07000000 00000000",
		VALUE(config, 1, { { 7 } }),
	}, {
		BODY(switch),
		.bytes = "04000000 00000000 efcdab8967452301",
		VALUE(kvmft_wire_switch, 4, 0x0123456789abcdef),
	}, {
		BODY(vmm_gone), .bytes = "02000000 00000000",
		.value = &(const u32) { 2 }, .size = 4,
	}, {
		BODY(fence),
		.bytes = "02000000 00000000 'sixteen letters!'",
		VALUE(kvmft_wire_fence, 2, { "sixteen letters!" }),
	}, {
		BODY(begin),
		.bytes = "01000000 00000000 efcdab8967452301",
		VALUE(kvmft_wire_begin, 1, 0x0123456789abcdef),
	}, {
		BODY(pages), .bulk = 2 * 4096,
		.bytes = "03000000 00000000 00000000 0200 0000 0000000000000000\n"
			 "ff030000 0100 0100 00f0ffffffff0f00 01000000 fdff 0100 0010000000000000",
		VALUE(pages, 3, .run = {
			{ .pages = 2 },
			{ 1023, 1, 1, (1ULL << 52) - 4096 },
			{ 1, 65533, 1, 4096 },
		}),
	}, {
		BODY(staged), .bytes = "efcdab8967452301",
		.value = &(const u64) { 0x0123456789abcdef }, .size = 8,
	}, {
		BODY(state), .bulk = 1,
		.bytes = "0010000000000000 0110000000000000",
		VALUE(kvmft_wire_state, 4096, 4097),
	}, {
		BODY(commit),
		.bytes = "01*8 02*8 03*8 04*8 05*4 00000000 06*8",
		VALUE(kvmft_wire_commit, 0x0101010101010101, 0x0202020202020202,
		      0x0303030303030303, 0x0404040404040404, 0x05050505,
		      0x0606060606060606),
	}, {
		BODY(ack), .bytes = "01*8 02*8",
		VALUE(kvmft_wire_ack, 0x0101010101010101, 0x0202020202020202),
	},
};

#define BODIES (sizeof(bodies) / sizeof(*bodies))

static enum kvmft_reason judge(const struct body *body, const u8 *bytes, size_t len,
			       void *value)
{
	u8 *exact = copy_of(bytes, len);
	enum kvmft_reason reason;

	reason = body->get(exact, len, value);
	free(exact);
	return reason;
}

static void golden_bodies(void)
{
	for (const struct body *body = bodies; body < bodies + BODIES; body++) {
		size_t len;
		u8 *bytes = bytes_of(body->bytes, &len);
		u8 *made = malloc(len);
		u8 *value = calloc(1, body->size);

		bulk = body->bulk;
		memset(made, 0xee, len);
		check_eq(body->put(made, body->value), len, "%s: put", body->name);
		check(!memcmp(made, bytes, len), "%s: put writes something else",
		      body->name);
		check_eq(judge(body, bytes, len, value), 0, "%s: get", body->name);
		check(!memcmp(value, body->value, body->size),
		      "%s: get reads something else", body->name);
		free(bytes);
		free(made);
		free(value);
	}
}

/* No length is accepted but the right one, and nothing beyond any is read. */
static void body_lengths(void)
{
	for (const struct body *body = bodies; body < bodies + BODIES; body++) {
		size_t len;
		u8 *bytes = bytes_of(body->bytes, &len);
		u8 *longer = calloc(1, len + 9);
		u8 *value = calloc(1, body->size);

		memcpy(longer, bytes, len);
		bulk = body->bulk;
		for (size_t n = 0; n < len + 9; n++) {
			bool good = n == len;

			/* A text may end anywhere. */
			if (!strcmp(body->name, "notice"))
				good = n >= 8 && (n <= len || body->longer);
			check_eq(!judge(body, longer, n, value), good,
				 "%s: %zu bytes instead of %zu", body->name, n, len);
		}
		free(bytes);
		free(longer);
		free(value);
	}
}

/**
 * struct change - a good body with other bytes somewhere
 * @body: The first of that name in bodies[].
 * @at: Where.
 * @bytes: What is there instead.
 * @reason: What then happens.
 * @bulk: Its bulk, if it isn't the body's.
 */
static const struct change {
	const char *body;
	u32 at;
	const char *bytes;
	enum kvmft_reason reason;
	u32 bulk;
} changes[] = {
	{ "hello", 0, "00", KVMFT_REASON_VERSION },
	{ "hello", 0, "02", KVMFT_REASON_VERSION },
	{ "hello", 3, "01", KVMFT_REASON_VERSION },
	{ "hello", 4, "01", 0 }, { "hello", 4, "00", PROTOCOL },
	{ "hello", 4, "03", PROTOCOL }, { "hello", 5, "02", 0 },
	{ "hello", 5, "00", PROTOCOL }, { "hello", 5, "03", PROTOCOL },
	{ "hello", 6, "01", PROTOCOL }, { "hello", 7, "80", PROTOCOL },
	{ "hello", 88, "0a000000", 0 }, { "hello", 88, "09000000", LIMIT },
	{ "hello", 88, "60ea0000", 0 }, { "hello", 88, "61ea0000", LIMIT },
	{ "hello", 92, "32000000", 0 }, { "hello", 92, "31000000", LIMIT },
	{ "hello", 92, "c0270900", 0 }, { "hello", 92, "c1270900", LIMIT },
	{ "hello", 96, "'n'*31 00", 0 }, { "hello", 96, "'n'*32", PROTOCOL },
	{ "hello", 96, "00*32", PROTOCOL }, { "hello", 96, "'.'", PROTOCOL },
	{ "hello", 97, "00", PROTOCOL }, { "hello", 127, "'n'", PROTOCOL },
	{ "hello", 128, "'h'*63 00", 0 }, { "hello", 128, "'h'*64", PROTOCOL },
	{ "hello", 128, "00*64", 0 }, { "hello", 128, "00", PROTOCOL },
	{ "hello", 191, "'h'", PROTOCOL }, { "hello", 130, "07ff", 0 },

	{ "notice", 0, "00000000", PROTOCOL }, { "notice", 4, "01", PROTOCOL },
	{ "notice", 7, "80", PROTOCOL }, { "notice", 8, "00ff07", 0 },

	{ "attach", 0, "ffffffff", 0 }, { "attach", 4, "01", 0 },
	{ "attach", 4, "00", PROTOCOL }, { "attach", 4, "03", PROTOCOL },
	{ "attach", 5, "01", PROTOCOL }, { "attach", 6, "01", PROTOCOL },
	{ "attach", 7, "01", PROTOCOL }, { "attach", 16, "'n'*64", PROTOCOL },
	{ "attach", 16, "00*64", PROTOCOL }, { "attach", 17, "00", PROTOCOL },
	{ "attach", 16, "'-'", PROTOCOL }, { "attach", 79, "'n'", PROTOCOL },

	{ "layout", 0, "01", PROTOCOL }, { "layout", 0, "03", PROTOCOL },
	{ "layout", 0, "0004", PROTOCOL }, { "layout", 0, "0104", LIMIT },
	{ "layout", 0, "ffffffff", LIMIT }, { "layout", 4, "01", PROTOCOL },
	{ "layout", 7, "80", PROTOCOL },
	/* The first range ends where the second begins. */
	{ "layout", 8, "0010", PROTOCOL }, { "layout", 8, "01", PROTOCOL },
	{ "layout", 8, "0100000000000000 0010", PROTOCOL },
	{ "layout", 16, "01f00f", PROTOCOL }, { "layout", 24, "01", PROTOCOL },
	{ "layout", 16, "0001", PROTOCOL }, { "layout", 16, "00*8", PROTOCOL },
	{ "layout", 16, "00f00f", 0 }, { "layout", 16, "001010", PROTOCOL },
	{ "layout", 24, "0010", 0 }, { "layout", 24, "0008", PROTOCOL },
	{ "layout", 24, "0000f0ffffff0f00", 0 },
	{ "layout", 24, "0010f0ffffff0f00", PROTOCOL },
	{ "layout", 36, "02", PROTOCOL }, { "layout", 39, "80", PROTOCOL },
	{ "layout", 40, "0000000000001000", PROTOCOL },
	{ "layout", 40, "00f0ffffffff0f00", 0 },
	{ "layout", 40, "00f0ffffffffffff", PROTOCOL },
	{ "layout", 48, "0020", PROTOCOL }, { "layout", 48, "00f0ffffffffffff", PROTOCOL },
	{ "layout", 56, "0000000000001000", PROTOCOL },
	{ "layout", 64, "00040000", PROTOCOL },

	{ "config", 0, "02", PROTOCOL }, { "config", 0, "04", PROTOCOL },
	{ "config", 0, "ffffffff", PROTOCOL }, { "config", 4, "01", PROTOCOL },
	{ "config", 7, "01", PROTOCOL }, { "config", 12, "09", PROTOCOL },
	{ "config", 12, "ffffffff", PROTOCOL }, { "config", 12, "f8ffffff", PROTOCOL },
	{ "config", 36, "08", 0 }, { "config", 36, "09", PROTOCOL },
	{ "config", 36, "00", PROTOCOL },
	{ "config", 41, "01", PROTOCOL }, { "config", 47, "01", PROTOCOL },

	{ "switch", 0, "01", 0 }, { "switch", 0, "00", PROTOCOL },
	{ "switch", 0, "05", PROTOCOL }, { "switch", 3, "80", PROTOCOL },
	{ "switch", 4, "01", PROTOCOL }, { "switch", 7, "80", PROTOCOL },
	{ "vmm_gone", 0, "01", 0 }, { "vmm_gone", 0, "00", PROTOCOL },
	{ "vmm_gone", 0, "03", PROTOCOL }, { "vmm_gone", 4, "01", PROTOCOL },
	{ "vmm_gone", 7, "80", PROTOCOL },
	{ "fence", 0, "01", 0 }, { "fence", 0, "00", PROTOCOL },
	{ "fence", 0, "03", PROTOCOL }, { "fence", 4, "01", PROTOCOL },
	{ "fence", 7, "80", PROTOCOL },
	{ "begin", 0, "00", 0 }, { "begin", 0, "02", 0 },
	{ "begin", 0, "03", PROTOCOL }, { "begin", 0, "04", PROTOCOL },
	{ "begin", 3, "80", PROTOCOL }, { "begin", 4, "01", PROTOCOL },
	{ "begin", 7, "80", PROTOCOL },
	{ "commit", 36, "01", PROTOCOL }, { "commit", 39, "80", PROTOCOL },

	{ "pages", 0, "00", LIMIT }, { "pages", 0, "02", PROTOCOL },
	{ "pages", 0, "04", PROTOCOL }, { "pages", 0, "0001", PROTOCOL },
	{ "pages", 0, "0101", LIMIT }, { "pages", 0, "ffffffff", LIMIT },
	{ "pages", 4, "01", PROTOCOL }, { "pages", 7, "80", PROTOCOL },
	{ "pages", 8, "ff030000", 0 }, { "pages", 8, "00040000", PROTOCOL },
	{ "pages", 12, "0000", PROTOCOL }, { "pages", 12, "0100", PROTOCOL },
	{ "pages", 12, "0100", 0, 4096 }, { "pages", 12, "0300", LIMIT },
	{ "pages", 12, "0001", LIMIT, 1 << 20 },
	{ "pages", 12, "0101", LIMIT, 257 << 12 },
	{ "pages", 14, "0100", PROTOCOL }, { "pages", 14, "0300", PROTOCOL },
	{ "pages", 14, "0400", PROTOCOL }, { "pages", 14, "0200", 0 },
	{ "pages", 14, "0200", PROTOCOL, 5 }, { "pages", 14, "0200", 0, 6 },
	{ "pages", 30, "0200", PROTOCOL }, { "pages", 30, "0200", 0, (2 << 12) + 3 },
	{ "pages", 30, "0200", PROTOCOL, (2 << 12) + 2 },
	{ "pages", 30, "0200", PROTOCOL, 4095 },
	{ "pages", 14, "0200", 0, 2 * 4097 }, { "pages", 14, "0200", PROTOCOL, 2 * 4097 + 1 },
	{ "pages", 15, "80", PROTOCOL }, { "pages", 16, "01", PROTOCOL },
	{ "pages", 17, "08", PROTOCOL }, { "pages", 17, "10", 0 },
	{ "pages", 16, "00e0ffffffff0f00", 0 },
	{ "pages", 16, "00f0ffffffff0f00", PROTOCOL },
	{ "pages", 16, "0000000000001000", PROTOCOL },
	{ "pages", 16, "00f0ffffffffffff", PROTOCOL },
	{ "pages", 28, "0200", PROTOCOL }, { "pages", 28, "0000", PROTOCOL },
	{ "pages", 28, "ffff", PROTOCOL }, { "pages", 30, "0000", PROTOCOL },
	{ "pages", 30, "0000", 0, 3 << 12 }, { "pages", 44, "feff", LIMIT },
	{ "pages", 44, "0100 0000", 0, 3 << 12 },
	{ "pages", 44, "0100 0000", PROTOCOL, (3 << 12) + 1 },

	{ "state", 0, "0000", LIMIT, (1 << 20) + 1 },
	{ "state", 0, "0000", 0, 4097 }, { "state", 0, "0000", 0, 4096 },
	{ "state", 0, "0000", PROTOCOL, 4098 }, { "state", 0, "0000", PROTOCOL, 4095 },
	{ "state", 0, "0001", PROTOCOL }, { "state", 0, "0110", PROTOCOL },
	{ "state", 0, "0020", PROTOCOL }, { "state", 0, "00f0ffffffffffff", PROTOCOL },
	{ "state", 0, "00f0ffffffffffff", PROTOCOL, 4096 },
	{ "state", 0, "0020000000000000 0030", 0, 4096 },
	{ "state", 0, "0020000000000000 0030", PROTOCOL, 8192 },
	{ "state", 0, "0020000000000000 0050", PROTOCOL, 4097 },
	{ "state", 0, "0120000000000000 0050", PROTOCOL, 4096 },
	{ "state", 8, "0000000800000000", 0, 4096 },
	{ "state", 8, "0000000800000000", 0, 1 << 20 },
	{ "state", 8, "0100000800000000", LIMIT, 4096 },
	{ "state", 8, "ff*8", LIMIT }, { "state", 8, "00*8", PROTOCOL },
	{ "state", 8, "0010", PROTOCOL },
};

static void changed_bodies(void)
{
	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		const struct change *change = &changes[i];
		const struct body *body = bodies;
		size_t len, part;
		u8 *bytes, *with, *value;

		while (strcmp(body->name, change->body))
			body++;
		bytes = bytes_of(body->bytes, &len);
		with = bytes_of(change->bytes, &part);
		value = calloc(1, body->size);
		if (check(change->at + part <= len, "change %zu is beyond the end", i))
			memcpy(bytes + change->at, with, part);
		bulk = change->bulk ? change->bulk : body->bulk;
		check_eq(judge(body, bytes, len, value), change->reason,
			 "%s with %s at %u, bulk %u", change->body, change->bytes,
			 change->at, bulk);
		free(bytes);
		free(with);
		free(value);
	}
}

/* Of HELLO the version is looked at first, whatever its length is. */
static void other_versions(void)
{
	struct kvmft_wire_hello hello;

	for (u32 len = 0; len <= 512; len++) {
		u8 *body = calloc(1, len);

		if (len)
			body[0] = 2;
		check_eq(kvmft_wire_get_hello(body, len, &hello),
			 len < 4 ? LIMIT : KVMFT_REASON_VERSION, "%u bytes", len);
		check(len < 4 || hello.version == 2, "version %u", hello.version);
		free(body);
	}
}

/* What a table of bytes can't say well: the longest bodies there are. */
static void longest_bodies(void)
{
	u8 *body = calloc(1, KVMFT_WIRE_BODY_MAX + 8);
	struct kvmft_wire_range range = { .size = 4096 };
	struct kvmft_wire_item item = { .len = KVMFT_WIRE_BODY_MAX - 16 };
	struct kvmft_wire_run run = { .pages = 256, .flags = KVMFT_WIRE_RUN_ZERO };
	u8 *value = calloc(1, item.len);
	struct kvmft_wire_state state = { .offset = 0, .total = 4096 };
	struct kvmft_wire_pages pages;
	u32 len, count;

	len = kvmft_wire_put_layout(body, 1024);
	check_eq(len, 32776, "1024 ranges");
	for (u32 i = 0; i < 1024; i++, range.gpa += 4096)
		kvmft_wire_put_range(body, i, &range);
	check_eq(kvmft_wire_get_layout(body, len, &count), 0, "1024 ranges");
	check_eq(count, 1024, "ranges");

	kvmft_wire_put_config(body, 1);
	item.value = value;
	len = 8 + kvmft_wire_put_item(body + 8, &item);
	check_eq(len, 65536, "a config");
	check_eq(kvmft_wire_get_config(body, len, &count), 0, "the longest config");
	item.len += 8;
	kvmft_wire_put_config(body, 1);
	check_eq(kvmft_wire_get_config(body, len + 8, &count), LIMIT, "a longer one");

	len = kvmft_wire_put_pages(body, 256);
	check_eq(len, 4104, "256 runs");
	for (u32 i = 0; i < 256; i++)
		kvmft_wire_put_run(body, i, &run);
	check_eq(kvmft_wire_get_pages(body, len, 0, &pages), 0, "65536 zero pages");
	run.pages = 257;
	kvmft_wire_put_run(body, 255, &run);
	check_eq(kvmft_wire_get_pages(body, len, 0, &pages), LIMIT, "65537 zero pages");
	run.pages = 1;
	run.flags = 0;
	for (u32 i = 0; i < 256; i++)
		kvmft_wire_put_run(body, i, &run);
	check_eq(kvmft_wire_get_pages(body, len, 1 << 20, &pages), 0, "1 MiB");
	run.flags = KVMFT_WIRE_RUN_LZ4;
	kvmft_wire_put_run(body, 7, &run);
	check_eq(kvmft_wire_get_pages(body, len, 1 << 20, &pages), 0, "1 MiB, one packed");
	check_eq(kvmft_wire_get_pages(body, len, (1 << 20) + 1, &pages), LIMIT, "a byte more");
	for (u32 i = 0; i < 256; i++)
		kvmft_wire_put_run(body, i, &run);
	check_eq(kvmft_wire_get_pages(body, len, 256 * 3, &pages), 0, "256 packed pages");
	check_eq(pages.packed, 256, "packed pages");
	check_eq(kvmft_wire_get_pages(body, len, 256 * 3 - 1, &pages),
		 KVMFT_REASON_PROTOCOL, "a byte less");
	run.pages = 2;
	kvmft_wire_put_run(body, 7, &run);
	check_eq(kvmft_wire_get_pages(body, len, 257 * 3, &pages), LIMIT, "one more");
	for (u32 i = 0; i < 256; i++) {
		run.pages = 1 + (i == 7);
		run.flags = 0;
		kvmft_wire_put_run(body, i, &run);
	}
	check_eq(kvmft_wire_get_pages(body, len, 257 << 12, &pages), LIMIT,
		 "a page more");

	kvmft_wire_put_state(body, &state);
	check_eq(kvmft_wire_get_state(body, 16, 0, &state), LIMIT, "state without bulk");
	free(value);
	free(body);
}

const struct unit_test body_tests[] = {
	{ "each body is the bytes of wire.rst", golden_bodies },
	{ "each body has its length", body_lengths },
	{ "each field of a body has its limits, what is reserved is zero", changed_bodies },
	{ "HELLO of another version is known as such", other_versions },
	{ "the longest bodies are accepted, longer ones aren't", longest_bodies },
	{ }
};
