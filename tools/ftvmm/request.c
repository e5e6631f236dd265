// SPDX-License-Identifier: GPL-2.0
#include "request.h"

#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "promise.h"

#define FLAG_GATED 1
#define FLAG_STALE 2
#define FLAG_TOLD 4
#define FLAGS (FLAG_GATED | FLAG_STALE | FLAG_TOLD)

struct request *request_make(u8 kind, u32 data_len)
{
	struct request *request = calloc(1, sizeof(*request));

	if (!request)
		return NULL;
	request->kind = kind;
	request->ticket = TICKET_PENDING;
	if (data_len) {
		if (posix_memalign((void **)&request->data, REQUEST_ALIGN, data_len)) {
			free(request);
			return NULL;
		}
		memset(request->data, 0, data_len);
		request->data_len = data_len;
	}
	return request;
}

bool request_take_segments(struct request *request, const struct segment *segments, u32 count)
{
	request->segments = calloc(count ? count : 1, sizeof(*segments));
	if (!request->segments)
		return false;
	if (count)
		memcpy(request->segments, segments, count * sizeof(*segments));
	request->segment_count = count;
	return true;
}

void request_free(struct request *request)
{
	if (!request)
		return;
	free(request->data);
	free(request->segments);
	free(request);
}

u64 request_room(u32 data_len)
{
	return 80 + CHAIN_MAX * 12 + (u64)data_len;
}

void request_save(struct blob *blob, const struct request *request)
{
	u32 i;

	blob_put_u8(blob, request->kind);
	blob_put_u8(blob, (request->gated ? FLAG_GATED : 0) | (request->stale ? FLAG_STALE : 0) |
			  (request->told ? FLAG_TOLD : 0));
	blob_put_u64(blob, request->after);
	blob_put_u64(blob, request->promise);
	blob_put_u16(blob, request->queue);
	blob_put_u16(blob, request->head);
	blob_put_u64(blob, request->at);
	blob_put_u64(blob, request->len);
	blob_put_u64(blob, request->status_gpa);
	blob_put_u32(blob, request->data_len);
	/* What was told isn't in guest memory any more. */
	if (!blob->lean || request->told)
		blob_put(blob, request->data, request->data_len);
	blob_put_u32(blob, request->segment_count);
	for (i = 0; i < request->segment_count; i++) {
		blob_put_u64(blob, request->segments[i].gpa);
		blob_put_u32(blob, request->segments[i].len);
	}
}

static bool load_segments(struct blob *blob, struct request *request)
{
	u32 count = blob_get_limited(blob, CHAIN_MAX), i;
	struct segment segments[CHAIN_MAX];

	for (i = 0; i < count; i++) {
		segments[i].gpa = blob_get_u64(blob);
		segments[i].len = blob_get_u32(blob);
		if (blob->bad || !memory_at(segments[i].gpa, segments[i].len))
			return false;
	}
	return request_take_segments(request, segments, count);
}

/* Only disks give them, and none waits for itself. */
static bool is_possible_promise(const struct request *request, u8 flags)
{
	return !request->promise ||
	       (flags & FLAG_TOLD && request->promise <= PROMISE_NUMBER_MAX &&
		request->after < request->promise &&
		(request->kind == REQUEST_WRITE || request->kind == REQUEST_FLUSH));
}

struct request *request_load(struct blob *blob)
{
	struct request *request, head = { 0 };
	u8 flags;

	head.kind = blob_get_u8(blob);
	flags = blob_get_u8(blob);
	head.after = blob_get_u64(blob);
	head.promise = blob_get_u64(blob);
	head.queue = blob_get_u16(blob);
	head.head = blob_get_u16(blob);
	head.at = blob_get_u64(blob);
	head.len = blob_get_u64(blob);
	head.status_gpa = blob_get_u64(blob);
	head.data_len = blob_get_limited(blob, REQUEST_DATA_MAX);
	if (blob->bad || !head.kind || head.kind > REQUEST_KIND_MAX ||
	    flags & ~FLAGS || head.after > PROMISE_NUMBER_MAX ||
	    !is_possible_promise(&head, flags) ||
	    head.data_len > blob->len - blob->at) {
		blob->bad = true;
		return NULL;
	}
	request = request_make(head.kind, head.data_len);
	if (!request)
		die("no memory");
	request->queue = head.queue;
	request->head = head.head;
	request->at = head.at;
	request->len = head.len;
	request->status_gpa = head.status_gpa;
	request->gated = flags & FLAG_GATED;
	request->stale = flags & FLAG_STALE;
	request->told = flags & FLAG_TOLD;
	request->after = head.after;
	request->promise = head.promise;
	request->owner = OWNER_LOADED;
	blob_get(blob, request->data, request->data_len);
	if (load_segments(blob, request))
		return request;
	blob->bad = true;
	request_free(request);
	return NULL;
}
