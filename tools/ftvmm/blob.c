// SPDX-License-Identifier: GPL-2.0
#include "blob.h"

#include <endian.h>
#include <string.h>

#define MAGIC 0x74736d6d76746665ULL
#define VERSION 2

/* Magic, version, length, checksum. */
#define LEN_AT 12
#define SUM_AT 20
#define HEAD_LEN 28

void blob_put(struct blob *blob, const void *data, u64 len)
{
	if (blob->bad || len > blob->len - blob->at) {
		blob->bad = true;
		return;
	}
	if (len)
		memcpy(blob->data + blob->at, data, len);
	blob->at += len;
}

void blob_put_u8(struct blob *blob, u8 value)
{
	blob_put(blob, &value, sizeof(value));
}

void blob_put_u16(struct blob *blob, u16 value)
{
	value = htole16(value);
	blob_put(blob, &value, sizeof(value));
}

void blob_put_u32(struct blob *blob, u32 value)
{
	value = htole32(value);
	blob_put(blob, &value, sizeof(value));
}

void blob_put_u64(struct blob *blob, u64 value)
{
	value = htole64(value);
	blob_put(blob, &value, sizeof(value));
}

void blob_get(struct blob *blob, void *data, u64 len)
{
	if (blob->bad || len > blob->len - blob->at) {
		blob->bad = true;
		memset(data, 0, len);
		return;
	}
	if (len)
		memcpy(data, blob->data + blob->at, len);
	blob->at += len;
}

u8 blob_get_u8(struct blob *blob)
{
	u8 value;

	blob_get(blob, &value, sizeof(value));
	return value;
}

u16 blob_get_u16(struct blob *blob)
{
	u16 value;

	blob_get(blob, &value, sizeof(value));
	return le16toh(value);
}

u32 blob_get_u32(struct blob *blob)
{
	u32 value;

	blob_get(blob, &value, sizeof(value));
	return le32toh(value);
}

u64 blob_get_u64(struct blob *blob)
{
	u64 value;

	blob_get(blob, &value, sizeof(value));
	return le64toh(value);
}

u32 blob_get_limited(struct blob *blob, u32 most)
{
	u32 value = blob_get_u32(blob);

	if (value <= most)
		return value;
	blob->bad = true;
	return 0;
}

/* Over what was written before. */
static void overwrite(struct blob *blob, u64 at, const void *data, u64 len)
{
	if (!blob->bad)
		memcpy(blob->data + at, data, len);
}

u64 blob_put_begin(struct blob *blob, u32 kind, u32 id)
{
	blob_put_u32(blob, kind);
	blob_put_u32(blob, id);
	blob_put_u64(blob, 0);
	return blob->at;
}

void blob_put_end(struct blob *blob, u64 begin)
{
	u64 len = htole64(blob->at - begin);

	overwrite(blob, begin - sizeof(len), &len, sizeof(len));
}

struct blob blob_get_part(struct blob *blob, u32 kind, u32 id)
{
	struct blob part = { 0 };
	bool same = blob_get_u32(blob) == kind;

	same &= blob_get_u32(blob) == id;
	part.len = blob_get_u64(blob);
	if (!same || blob->bad || part.len > blob->len - blob->at) {
		blob->bad = true;
		return (struct blob){ .bad = true };
	}
	part.data = blob->data + blob->at;
	blob->at += part.len;
	return part;
}

bool blob_is_good(const struct blob *blob)
{
	return !blob->bad && blob->at == blob->len;
}

/* Of everything behind it. */
static u64 checksum(const u8 *data, u64 len)
{
	u64 sum = 14695981039346656037ULL, at, word;

	for (at = HEAD_LEN; at + sizeof(word) <= len; at += sizeof(word)) {
		memcpy(&word, data + at, sizeof(word));
		sum = (sum ^ le64toh(word)) * 1099511628211ULL;
		sum ^= sum >> 29;
	}
	for (; at < len; at++)
		sum = (sum ^ data[at]) * 1099511628211ULL;
	return sum;
}

void blob_put_head(struct blob *blob, const struct blob_head *head)
{
	blob_put_u64(blob, MAGIC);
	blob_put_u32(blob, VERSION);
	blob_put_u64(blob, 0);
	blob_put_u64(blob, 0);
	blob_put_u32(blob, head->vcpus);
	blob_put_u64(blob, head->memory);
	blob_put_u64(blob, head->flags);
}

void blob_seal(struct blob *blob)
{
	u64 len = htole64(blob->at), sum;

	overwrite(blob, LEN_AT, &len, sizeof(len));
	if (blob->bad)
		return;
	sum = htole64(checksum(blob->data, blob->at));
	overwrite(blob, SUM_AT, &sum, sizeof(sum));
}

const char *blob_open(struct blob *blob, struct blob_head *head)
{
	u64 len, sum;

	if (blob_get_u64(blob) != MAGIC)
		return "it is none of ours";
	if (blob_get_u32(blob) != VERSION)
		return "it is of another version";
	len = blob_get_u64(blob);
	sum = blob_get_u64(blob);
	if (blob->bad || len < HEAD_LEN || len > blob->len)
		return "it isn't whole";
	if (sum != checksum(blob->data, len))
		return "its checksum is wrong";
	blob->len = len;
	head->vcpus = blob_get_u32(blob);
	head->memory = blob_get_u64(blob);
	head->flags = blob_get_u64(blob);
	return blob->bad ? "it isn't whole" : NULL;
}
