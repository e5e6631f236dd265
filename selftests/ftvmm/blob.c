// SPDX-License-Identifier: GPL-2.0
/* Device states that were never saved like that. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "../../tools/ftvmm/blob.h"
#include "../../tools/ftvmm/promise.h"
#include "../../tools/ftvmm/request.h"

#define ROOM 65536
#define REQUESTS 8
#define PART 7

static struct request *some_request(void)
{
	struct request *request = request_make(1 + below(REQUEST_KIND_MAX), below(3000));
	struct segment segments[CHAIN_MAX] = { 0 };
	u32 count = rarely(4) ? CHAIN_MAX : below(9), i;

	for (i = 0; i < count && count < CHAIN_MAX; i++)
		segments[i] = (struct segment){ below(ARENA_SIZE - 64), below(64) };
	if (!request || !request_take_segments(request, segments, count))
		die("no memory");
	for (i = 0; i < request->data_len; i++)
		request->data[i] = chance();
	request->gated = rarely(2);
	request->stale = rarely(2);
	request->told = rarely(2);
	request->after = chance() & (PROMISE_NUMBER_MAX >> 1);
	if (request->told && (request->kind == REQUEST_WRITE || request->kind == REQUEST_FLUSH))
		request->promise = request->after + 1 + below(1000);
	request->queue = chance();
	request->head = chance();
	request->at = chance();
	request->len = chance();
	request->status_gpa = chance();
	return request;
}

static u64 write_blob(u8 *bytes, u32 count)
{
	struct blob_head head = { 1 + below(8), chance(), chance() };
	struct blob blob = { .data = bytes, .len = ROOM };
	struct request *request;
	u64 part;

	blob_put_head(&blob, &head);
	part = blob_put_begin(&blob, PART, 1);
	while (count--) {
		request = some_request();
		request_save(&blob, request);
		request_free(request);
	}
	blob_put_end(&blob, part);
	blob_seal(&blob);
	return blob.bad ? 0 : blob.at;
}

/* Reads it, and writes what was read; whether it could be. */
static bool read_blob(u8 *bytes, u64 len, u32 count, u8 *again, u64 *again_len)
{
	struct blob blob = { .data = bytes, .len = len }, part;
	struct blob copy = { .data = again, .len = ROOM };
	struct blob_head head;
	struct request *request;
	u64 begin;

	if (blob_open(&blob, &head))
		return false;
	blob_put_head(&copy, &head);
	begin = blob_put_begin(&copy, PART, 1);
	part = blob_get_part(&blob, PART, 1);
	while (count--) {
		request = request_load(&part);
		if (!request)
			return false;
		request_save(&copy, request);
		request_free(request);
	}
	blob_put_end(&copy, begin);
	blob_seal(&copy);
	*again_len = copy.at;
	return blob_is_good(&part) && blob_is_good(&blob);
}

/* Something else, and maybe with a checksum that fits to it. */
static void spoil(u8 *bytes, u64 *len)
{
	struct blob blob = { .data = bytes, .len = ROOM, .at = *len };
	u32 n = below(8);

	/* A number of something, a little too large. */
	if (rarely(2))
		bytes[below(*len - 1) + 1] = below(4);
	while (n--)
		bytes[below(*len)] = rarely(2) ? chance() : 0xff * below(2);
	if (rarely(4))
		*len = below(*len);
	else if (!rarely(4))
		blob_seal(&blob);
}

bool try_blob(void)
{
	u8 *bytes = malloc(ROOM), *again = malloc(ROOM), *tight;
	u32 count = below(REQUESTS + 1);
	u64 len = write_blob(bytes, count), again_len = 0;
	bool good = len && read_blob(bytes, len, count, again, &again_len) &&
		    again_len == len && !memcmp(bytes, again, len);

	if (!good)
		printf("# what was written isn't what is read\n");
	if (good) {
		spoil(bytes, &len);
		/* No byte more than there is. */
		tight = malloc(len ? len : 1);
		memcpy(tight, bytes, len);
		read_blob(tight, len, count, again, &again_len);
		free(tight);
	}
	free(bytes);
	free(again);
	return good;
}
