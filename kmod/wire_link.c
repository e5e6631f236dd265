// SPDX-License-Identifier: GPL-2.0
#include <linux/kernel.h>
#include <linux/string.h>

#include "compat.h"
#include "version.h"
#include "wire.h"

/* Copies a name with a NUL, and nothing but NULs behind it; false if it isn't. */
static bool get_padded(char *to, const u8 *from, size_t len)
{
	size_t used;

	memcpy(to, from, len);
	used = strnlen(to, len);
	return used < len && !memchr_inv(to + used, 0, len - used);
}

/**
 * kvmft_wire_put_hello() - encode HELLO
 * @to: KVMFT_WIRE_HELLO_LEN bytes
 * @hello: what to encode
 *
 * Return: length of the body
 */
size_t kvmft_wire_put_hello(u8 *to, const struct kvmft_wire_hello *hello)
{
	put_unaligned_le32(hello->version, to);
	to[4] = hello->role;
	to[5] = hello->kind;
	put_unaligned_le16(0, to + 6);
	put_unaligned_le64(hello->features, to + 8);
	put_unaligned_le64(hello->required, to + 16);
	memcpy(to + 24, hello->nonce, KVMFT_WIRE_NONCE_LEN);
	memcpy(to + 56, hello->instance, KVMFT_INSTANCE_LEN);
	memcpy(to + 72, hello->session, KVMFT_WIRE_SESSION_LEN);
	put_unaligned_le32(hello->heartbeat_ms, to + 88);
	put_unaligned_le32(hello->timeout_ms, to + 92);
	strncpy((char *)to + 96, hello->name, KVMFT_WIRE_NAME_LEN);
	strncpy((char *)to + 128, hello->host, KVMFT_WIRE_HOST_LEN);
	return KVMFT_WIRE_HELLO_LEN;
}

/**
 * kvmft_wire_get_hello() - decode HELLO
 * @from: the body
 * @len: its length
 * @hello: result; with KVMFT_REASON_VERSION only its version is set
 *
 * Return: 0 or the reason why it is refused
 */
enum kvmft_reason kvmft_wire_get_hello(const u8 *from, u32 len,
				       struct kvmft_wire_hello *hello)
{
	bool host_ok;

	if (len < KVMFT_WIRE_HELLO_MIN)
		return KVMFT_REASON_LIMIT;
	hello->version = get_unaligned_le32(from);
	if (hello->version != KVMFT_PROTOCOL_VERSION)
		return KVMFT_REASON_VERSION;
	if (len != KVMFT_WIRE_HELLO_LEN)
		return KVMFT_REASON_LIMIT;

	hello->role = from[4];
	hello->kind = from[5];
	hello->features = get_unaligned_le64(from + 8);
	hello->required = get_unaligned_le64(from + 16);
	memcpy(hello->nonce, from + 24, KVMFT_WIRE_NONCE_LEN);
	memcpy(hello->instance, from + 56, KVMFT_INSTANCE_LEN);
	memcpy(hello->session, from + 72, KVMFT_WIRE_SESSION_LEN);
	hello->heartbeat_ms = get_unaligned_le32(from + 88);
	hello->timeout_ms = get_unaligned_le32(from + 92);
	host_ok = get_padded(hello->host, from + 128, KVMFT_WIRE_HOST_LEN);
	kvmft_wire_clean_text(hello->host, sizeof(hello->host), from + 128,
			      KVMFT_WIRE_HOST_LEN);

	if (!host_ok ||
	    !get_padded(hello->name, from + 96, KVMFT_WIRE_NAME_LEN) ||
	    !kvmft_wire_name_ok(hello->name, KVMFT_PAIR_NAME_MAX) ||
	    get_unaligned_le16(from + 6) ||
	    hello->role < KVMFT_PAIR_CONNECT || hello->role > KVMFT_PAIR_LISTEN ||
	    hello->kind < KVMFT_WIRE_KIND_CONTROL ||
	    hello->kind > KVMFT_WIRE_KIND_DATA)
		return KVMFT_REASON_PROTOCOL;
	if (hello->heartbeat_ms < KVMFT_HEARTBEAT_MIN ||
	    hello->heartbeat_ms > KVMFT_HEARTBEAT_MAX ||
	    hello->timeout_ms < KVMFT_TIMEOUT_MIN ||
	    hello->timeout_ms > KVMFT_TIMEOUT_MAX)
		return KVMFT_REASON_LIMIT;
	return 0;
}

/**
 * kvmft_wire_put_heartbeat() - encode HEARTBEAT
 * @to: KVMFT_WIRE_HEARTBEAT_LEN bytes
 * @beat: what to encode
 *
 * Return: length of the body
 */
size_t kvmft_wire_put_heartbeat(u8 *to, const struct kvmft_wire_heartbeat *beat)
{
	put_unaligned_le64(beat->stamp, to);
	put_unaligned_le64(beat->echo, to + 8);
	put_unaligned_le64(beat->held, to + 16);
	put_unaligned_le64(beat->lease, to + 24);
	return KVMFT_WIRE_HEARTBEAT_LEN;
}

/**
 * kvmft_wire_get_heartbeat() - decode HEARTBEAT
 * @from: the body
 * @len: its length
 * @beat: result
 *
 * Return: 0 or the reason why it is none
 */
enum kvmft_reason kvmft_wire_get_heartbeat(const u8 *from, u32 len,
					   struct kvmft_wire_heartbeat *beat)
{
	if (len != KVMFT_WIRE_HEARTBEAT_LEN)
		return KVMFT_REASON_LIMIT;
	beat->stamp = get_unaligned_le64(from);
	beat->echo = get_unaligned_le64(from + 8);
	beat->held = get_unaligned_le64(from + 16);
	beat->lease = get_unaligned_le64(from + 24);
	return 0;
}

/**
 * kvmft_wire_put_notice() - encode BYE, ABORT or DETACH
 * @to: KVMFT_WIRE_NOTICE_MAX bytes
 * @notice: what to encode
 *
 * Return: length of the body
 */
size_t kvmft_wire_put_notice(u8 *to, const struct kvmft_wire_notice *notice)
{
	size_t len = strnlen(notice->text, KVMFT_WIRE_TEXT_MAX);

	put_unaligned_le32(notice->reason, to);
	put_unaligned_le32(0, to + 4);
	memcpy(to + KVMFT_WIRE_NOTICE_HEAD, notice->text, len);
	return KVMFT_WIRE_NOTICE_HEAD + len;
}

/**
 * kvmft_wire_get_notice() - decode BYE, ABORT or DETACH
 * @from: the body
 * @len: its length
 * @notice: result; its reason may be one that a later version knows, not 0
 *
 * Return: 0 or the reason why it is none
 */
enum kvmft_reason kvmft_wire_get_notice(const u8 *from, u32 len,
					struct kvmft_wire_notice *notice)
{
	if (len < KVMFT_WIRE_NOTICE_HEAD || len > KVMFT_WIRE_NOTICE_MAX)
		return KVMFT_REASON_LIMIT;
	notice->reason = get_unaligned_le32(from);
	if (!notice->reason || get_unaligned_le32(from + 4))
		return KVMFT_REASON_PROTOCOL;
	kvmft_wire_clean_text(notice->text, sizeof(notice->text),
			      from + KVMFT_WIRE_NOTICE_HEAD,
			      len - KVMFT_WIRE_NOTICE_HEAD);
	return 0;
}
