// SPDX-License-Identifier: GPL-2.0
/*
 * The decoders. The input is a header and what remains is a body, which all of
 * them get, whatever the header says. What one accepts must be what it came from
 * when it is encoded again; where wire.rst has limits, they are computed here
 * again, and a decoder must accept what is within them and nothing else.
 */
#include <documented.h>

#include "fuzz.h"
#include "wire.h"

#define PAGE 4096ULL
#define OFFSET_END 0x10000000000000ULL

static void header(const u8 *bytes, struct kvmft_wire_header *header)
{
	enum kvmft_reason reason = kvmft_wire_get_header(bytes, header);
	u32 type = bytes[4];
	u8 again[48];
	bool legal = type >= 1 && type <= DOCUMENTED;

	if (legal)
		legal = !memcmp(bytes, "KVFT", 4) && !number(bytes + 6, 2) &&
			!number(bytes + 20, 4) &&
			number(bytes + 8, 4) >= documented[type - 1].min &&
			number(bytes + 8, 4) <= documented[type - 1].max &&
			number(bytes + 12, 4) <= documented[type - 1].bulk &&
			!(bytes[5] & ~documented[type - 1].flags) &&
			(number(bytes + 16, 4) || !documented[type - 1].vm);
	must(legal == !reason);
	if (reason)
		return;

	kvmft_wire_put_header(again, header);
	must(!memcmp(again, bytes, sizeof(again)));
	for (int phase = 0; phase < 4; phase++)
		must((kvmft_wire_expect(header, phase) == 0) ==
		     (documented[type - 1].phases >> phase & 1));
}

static bool printable(const char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			return false;
	return true;
}

static void hello(const u8 *body, u32 len)
{
	struct kvmft_wire_hello hello;
	u8 again[192];
	enum kvmft_reason reason = kvmft_wire_get_hello(body, len, &hello);

	must((len >= 4 && number(body, 4) != 1) == (reason == KVMFT_REASON_VERSION));
	if (reason)
		return;
	must(len == sizeof(again));
	must(kvmft_wire_put_hello(again, &hello) == len);
	must(!memcmp(again, body, 128));
	must(strlen(hello.host) < sizeof(hello.host) && printable(hello.host));
	must(hello.name[0] && strlen(hello.name) < sizeof(hello.name));
	must(hello.role == 1 || hello.role == 2);
	must(hello.kind == 1 || hello.kind == 2);
	must(hello.heartbeat_ms >= 10 && hello.heartbeat_ms <= 60000);
	must(hello.timeout_ms >= 50 && hello.timeout_ms <= 600000);
	for (int i = 128; i < 192; i++)
		must(again[i] == body[i] || again[i] == '?');
}

static void notice(const u8 *body, u32 len)
{
	struct kvmft_wire_notice notice;
	u8 again[KVMFT_WIRE_NOTICE_MAX];
	size_t put;

	if (kvmft_wire_get_notice(body, len, &notice)) {
		must(len < 8 || len > 136 || !number(body, 4) || number(body + 4, 4));
		return;
	}
	must(strlen(notice.text) <= len - 8 && printable(notice.text));
	put = kvmft_wire_put_notice(again, &notice);
	must(put <= len && (put == len || !body[put]));
	must(!memcmp(again, body, 8));
	for (size_t i = 8; i < put; i++)
		must(again[i] == body[i] || again[i] == '?');
}

/* A body that is a struct: whatever is accepted is encoded to the same bytes. */
#define SAME(body_name) \
static void body_name(const u8 *body, u32 len) \
{ \
	struct kvmft_wire_##body_name value; \
	u8 again[256]; \
	\
	if (kvmft_wire_get_##body_name(body, len, &value)) \
		return; \
	must(kvmft_wire_put_##body_name(again, &value) == len); \
	must(!memcmp(again, body, len)); \
}

SAME(heartbeat)
SAME(attach)
SAME(fence)
SAME(begin)
SAME(commit)
SAME(ack)

static void small_ones(const u8 *body, u32 len)
{
	struct kvmft_wire_switch step;
	u8 again[16];
	u64 sequence;
	u32 how;

	if (!kvmft_wire_get_switch(body, len, &step)) {
		must(step.step >= 1 && step.step <= 4);
		must(kvmft_wire_put_switch(again, &step) == len);
		must(!memcmp(again, body, len));
	}
	if (!kvmft_wire_get_vmm_gone(body, len, &how)) {
		must(how == 1 || how == 2);
		must(kvmft_wire_put_vmm_gone(again, how) == len);
		must(!memcmp(again, body, len));
	}
	if (!kvmft_wire_get_staged(body, len, &sequence)) {
		must(kvmft_wire_put_staged(again, sequence) == len);
		must(!memcmp(again, body, len));
	}
}

static void state(const u8 *body, u32 len, u32 bulk)
{
	struct kvmft_wire_state state;
	enum kvmft_reason reason = kvmft_wire_get_state(body, len, bulk, &state);
	bool legal = false;
	u8 again[16];

	if (len == 16) {
		u64 offset = number(body, 8);
		u64 total = number(body + 8, 8);

		legal = bulk && bulk <= 1 << 20 && total <= 128 << 20 &&
			offset <= total && offset % PAGE == 0 &&
			offset + bulk <= total &&
			(bulk % PAGE == 0 || offset + bulk == total);
	}
	must(legal == !reason);
	if (!reason) {
		must(kvmft_wire_put_state(again, &state) == len);
		must(!memcmp(again, body, len));
	}
}

static bool range_legal(const u8 *entry, u64 *end)
{
	u64 gpa = number(entry, 8);
	u64 size = number(entry + 8, 8);
	u64 offset = number(entry + 16, 8);
	bool after = gpa >= *end;

	*end = gpa + size;
	return after && size && gpa <= OFFSET_END && size <= OFFSET_END &&
	       offset <= OFFSET_END && gpa + size <= OFFSET_END &&
	       offset + size <= OFFSET_END && gpa % PAGE == 0 && size % PAGE == 0 &&
	       offset % PAGE == 0 && number(entry + 24, 4) <= 1023 &&
	       number(entry + 28, 4) <= 1;
}

static void layout(const u8 *body, u32 len)
{
	u32 count;
	enum kvmft_reason reason = kvmft_wire_get_layout(body, len, &count);
	struct kvmft_wire_range range;
	bool legal = len >= 8 && number(body, 4) <= 1024 && !number(body + 4, 4) &&
		     len == 8 + number(body, 4) * 32;
	u8 *again = malloc(len);
	u64 end = 0;

	for (u32 at = 8; legal && at < len; at += 32)
		legal = range_legal(body + at, &end);
	must(legal == !reason);
	if (!reason) {
		must(kvmft_wire_put_layout(again, count) == len);
		for (u32 i = 0; i < count; i++) {
			kvmft_wire_get_range(body, i, &range);
			must(kvmft_wire_put_range(again, i, &range) == 32);
		}
		must(!memcmp(again, body, len));
	}
	free(again);
}

static void config(const u8 *body, u32 len)
{
	u32 count;
	enum kvmft_reason reason = kvmft_wire_get_config(body, len, &count);
	struct kvmft_wire_item item;
	bool legal = len >= 8 && len <= 65536 && !number(body + 4, 4);
	u8 *again = malloc(len);
	u32 items = 0;
	u64 at = 8;

	while (legal && at < len) {
		u64 value = at + 8;

		at = value + 8;
		if (value <= len)
			at = value + (number(body + value - 4, 4) + 7) / 8 * 8;
		legal = at <= len;
		if (legal)
			for (value += number(body + value - 4, 4); value < at; value++)
				legal = legal && !body[value];
		items++;
	}
	must((legal && items == number(body, 4)) == !reason);
	if (!reason) {
		u32 from = 8;
		size_t to = kvmft_wire_put_config(again, count);

		for (u32 i = 0; i < count; i++) {
			from = kvmft_wire_get_item(body, from, &item);
			must(item.value + item.len <= body + len);
			to += kvmft_wire_put_item(again + to, &item);
			must(from == to);
		}
		must(to == len && !memcmp(again, body, len));
	}
	free(again);
}

static void pages(const u8 *body, u32 len, u32 bulk)
{
	struct kvmft_wire_pages got;
	enum kvmft_reason reason = kvmft_wire_get_pages(body, len, bulk, &got);
	struct kvmft_wire_run run;
	bool legal = len >= 24 && len <= 4104 && !number(body + 4, 4) &&
		     len == 8 + number(body, 4) * 16;
	u8 *again = malloc(len);
	u64 bytes = 0;
	u64 packed = 0;
	u64 all = 0;

	for (u32 at = 8; legal && at < len; at += 16) {
		u64 size = number(body + at + 4, 2) * PAGE;
		u64 offset = number(body + at + 8, 8);

		legal = number(body + at, 4) <= 1023 && size &&
			number(body + at + 6, 2) <= 2 && offset % PAGE == 0 &&
			offset <= OFFSET_END && offset + size <= OFFSET_END;
		all += size;
		if (!number(body + at + 6, 2))
			bytes += size;
		if (number(body + at + 6, 2) == 2)
			packed += size / PAGE;
	}
	legal = legal && bytes + packed * PAGE <= 1 << 20 && bulk <= 1 << 20 &&
		all <= 65536 * PAGE &&
		bulk >= bytes + packed * 3 && bulk <= bytes + packed * 4097;
	must(legal == !reason);
	if (!reason) {
		must(got.whole * PAGE == bytes && got.packed == packed);
		must(kvmft_wire_put_pages(again, got.runs) == len);
		for (u32 i = 0; i < got.runs; i++) {
			kvmft_wire_get_run(body, i, &run);
			must(kvmft_wire_put_run(again, i, &run) == 16);
		}
		must(!memcmp(again, body, len));
	}
	free(again);
}

static void texts(const u8 *body, u32 len)
{
	u32 size = len ? 1 + body[0] : 1;
	char *clean = malloc(size);
	char *name = malloc(len + 1);
	bool legal;
	size_t i;

	kvmft_wire_clean_text(clean, size, body, len);
	must(strlen(clean) < size && printable(clean));

	memcpy(name, body, len);
	name[len] = '\0';
	legal = name[0] && strlen(name) <= 31 && !strchr("._-", name[0]);
	for (i = 0; legal && name[i]; i++)
		legal = strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-",
			       name[i]);
	must(kvmft_wire_name_ok(name, 31) == legal);
	free(name);
	free(clean);
}

int fuzz_input(const u8 *data, size_t size)
{
	struct kvmft_wire_header head;
	u8 *first, *body;
	u32 len;

	if (size < KVMFT_WIRE_HEADER_LEN)
		return 0;
	len = size - KVMFT_WIRE_HEADER_LEN;
	first = copy_of(data, KVMFT_WIRE_HEADER_LEN);
	body = copy_of(data + KVMFT_WIRE_HEADER_LEN, len);

	header(first, &head);
	hello(body, len);
	notice(body, len);
	heartbeat(body, len);
	attach(body, len);
	fence(body, len);
	begin(body, len);
	commit(body, len);
	ack(body, len);
	small_ones(body, len);
	state(body, len, number(first + 12, 4));
	layout(body, len);
	config(body, len);
	pages(body, len, number(first + 12, 4));
	texts(body, len);
	free(first);
	free(body);
	return 0;
}
