// SPDX-License-Identifier: GPL-2.0
/* Headers of frames, and the small things of wire.c. */
#include <stdlib.h>
#include <string.h>

#include <linux/crc32c.h>

#include "documented.h"
#include "unit.h"
#include "wire.h"

#define OK KVMFT_REASON_NONE
#define LIMIT KVMFT_REASON_LIMIT
#define PROTOCOL KVMFT_REASON_PROTOCOL

/* A good header of a type. */
static struct kvmft_wire_header good(int type)
{
	return (struct kvmft_wire_header) {
		.type = type,
		.body = documented[type - 1].min,
		.vm = 0x80000001,
		.generation = ~0ULL,
		.epoch = 1ULL << 63,
		.sequence = 0x123456789abcdef0,
	};
}

static enum kvmft_reason judge(const struct kvmft_wire_header *header)
{
	u8 *bytes = malloc(KVMFT_WIRE_HEADER_LEN);
	struct kvmft_wire_header got;
	enum kvmft_reason reason;

	memset(&got, 0, sizeof(got));
	kvmft_wire_put_header(bytes, header);
	reason = kvmft_wire_get_header(bytes, &got);
	check(reason || !memcmp(&got, header, sizeof(got)),
	      "type %d comes back changed", header->type);
	free(bytes);
	return reason;
}

static void golden_header(void)
{
	static const struct kvmft_wire_header header = {
		.type = KVMFT_WIRE_PAGES, .flags = KVMFT_WIRE_WANT_STAGED,
		.body = 0x18, .bulk = 0x1000, .vm = 0x80000003,
		.generation = 0x1122334455667788, .epoch = 0x99aabbccddeeff00,
		.sequence = 0x0102030405060708,
	};
	struct kvmft_wire_header got;
	u8 made[KVMFT_WIRE_HEADER_LEN];
	size_t len;
	u8 *bytes = bytes_of("'KVFT' 09 02 0000 18000000 00100000 03000080 00000000\n"
			     "8877665544332211 00ffeeddccbbaa99 0807060504030201",
			     &len);

	memset(&got, 0, sizeof(got));
	check_eq(len, KVMFT_WIRE_HEADER_LEN, "length");
	kvmft_wire_put_header(made, &header);
	check(!memcmp(made, bytes, len), "put_header writes something else");
	check_eq(kvmft_wire_get_header(bytes, &got), OK, "reason");
	check(!memcmp(&got, &header, sizeof(got)), "get_header reads something else");
	for (u32 i = 0; i < 4; i++) {
		bytes[i] ^= 0x20;
		check_eq(kvmft_wire_get_header(bytes, &got), PROTOCOL, "magic, byte %u", i);
		bytes[i] ^= 0x20;
	}
	for (u32 i = 6; i < 24; i = i == 7 ? 20 : i + 1) {
		bytes[i] = 0x80;
		check_eq(kvmft_wire_get_header(bytes, &got), PROTOCOL, "reserved byte %u", i);
		bytes[i] = 0;
	}
	free(bytes);
}

static void header_limits(void)
{
	check_eq(DOCUMENTED, KVMFT_WIRE_TYPES - 1, "number of types");
	for (int type = 0; type < 256; type++) {
		struct kvmft_wire_header header;
		u32 min, max, bulk;

		if (!type || type > DOCUMENTED) {
			header = good(1);
			header.type = type;
			check_eq(judge(&header), PROTOCOL, "type %d", type);
			continue;
		}
		min = documented[type - 1].min;
		max = documented[type - 1].max;
		bulk = documented[type - 1].bulk;
		for (int i = 0; i < 8; i++) {
			const struct {
				u32 body, bulk;
				enum kvmft_reason reason;
			} lengths[8] = {
				{ min, 0, OK }, { max, bulk, OK },
				{ min - 1, 0, LIMIT }, { max + 1, 0, LIMIT },
				{ 0, 0, LIMIT }, { ~0U, 0, LIMIT },
				{ min, bulk + 1, LIMIT }, { min, ~0U, LIMIT },
			};

			header = good(type);
			header.body = lengths[i].body;
			header.bulk = lengths[i].bulk;
			check_eq(judge(&header), lengths[i].reason,
				 "type %d, body %u, bulk %u", type, header.body,
				 header.bulk);
		}
		for (int flag = 1; flag < 256; flag <<= 1) {
			header = good(type);
			header.flags = flag;
			check_eq(judge(&header),
				 flag == documented[type - 1].flags ? OK : PROTOCOL,
				 "type %d, flag %#x", type, flag);
		}
		header = good(type);
		header.vm = 0;
		check_eq(judge(&header), documented[type - 1].vm ? PROTOCOL : OK,
			 "type %d without a guest", type);
	}
}

static void phases(void)
{
	for (int type = 1; type <= DOCUMENTED; type++) {
		struct kvmft_wire_header header = good(type);

		for (int phase = 0; phase < 4; phase++)
			check_eq(kvmft_wire_expect(&header, phase),
				 documented[type - 1].phases >> phase & 1 ? OK : PROTOCOL,
				 "type %d in phase %d", type, phase);
	}
}

/* All computed by another program. */
static void terms(void)
{
	static const struct {
		u32 region;
		u64 offset;
		u32 crc;
		u64 term;
	} known[] = {
		{ 0, 0, 0, 0x42709aea00000000 },
		{ 0, 0, 0x98f94189, 0x8ba8594598f94189 },
		{ 1, 0x1000, 0x26c74ca2, 0x4c67794626c74ca2 },
		{ 1023, (1ULL << 52) - 4096, 0xffffffff, 0xf6b2a966ffffffff },
	};
	static const u8 zero[4096];
	u8 page[4096];

	check_eq(~crc32c(~0U, "123456789", 9), 0xe3069283, "CRC32C");
	check_eq(~crc32c(~0U, zero, 4096), 0x98f94189, "CRC32C of zeroes");
	memset(page, 'a', sizeof(page));
	check_eq(~crc32c(~0U, page, 4096), 0x26c74ca2, "CRC32C of a page");
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		check_eq(kvmft_wire_page_term(known[i].region, known[i].offset,
					      known[i].crc),
			 known[i].term, "term %zu", i);
}

static void names(void)
{
	static const struct {
		const char *name;
		bool good;
	} known[] = {
		{ "a", true }, { "Z", true }, { "0", true }, { "a.b_c-d", true },
		{ "AZaz09", true },
		{ "9-", true }, { "1234567890123456789012345678901", true },
		{ "12345678901234567890123456789012", false }, { "", false },
		{ ".a", false }, { "_a", false }, { "-a", false }, { "a b", false },
		{ "a/b", false }, { "a\n", false }, { "a\x7f", false },
		{ "a\xc3\xa4", false }, { "a@", false }, { "a[", false },
		{ "a`", false }, { "a{", false }, { "a:", false }, { "a,", false },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		char *name = (char *)copy_of(known[i].name, strlen(known[i].name) + 1);

		check_eq(kvmft_wire_name_ok(name, 31), known[i].good, "'%s'", name);
		free(name);
	}
	check(kvmft_wire_name_ok("abc", 3), "three of three");
	check(!kvmft_wire_name_ok("abc", 2), "three of two");
}

static void texts(void)
{
	static const struct {
		const char *bytes;
		size_t size;
		const char *clean;
	} known[] = {
		{ "'no room'", 16, "no room" },
		{ "1f 20 7e 7f 80 ff 0a 1b '[m'", 16, "? ~?????[m" },
		{ "'abc' 00 'def'", 16, "abc" },
		{ "00", 16, "" },
		{ "", 16, "" },
		{ "'0123456789abcde'", 16, "0123456789abcde" },
		{ "'0123456789abcdef'", 16, "0123456789abcde" },
		{ "'0123'", 1, "" },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		char *to = malloc(known[i].size);
		size_t len;
		u8 *from = bytes_of(known[i].bytes, &len);

		kvmft_wire_clean_text(to, known[i].size, from, len);
		check(!strcmp(to, known[i].clean), "%s became '%s'", known[i].bytes, to);
		free(from);
		free(to);
	}
}

const struct unit_test header_tests[] = {
	{ "a header is the bytes of wire.rst", golden_header },
	{ "each type has its lengths, its flags and its guest, and no more", header_limits },
	{ "each type comes in its phases only", phases },
	{ "CRC32C and the terms of the sum are the known ones", terms },
	{ "names are what they may be", names },
	{ "a peer's words become fit to be shown", texts },
	{ }
};
