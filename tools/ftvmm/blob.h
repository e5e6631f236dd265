/* SPDX-License-Identifier: GPL-2.0 */
/*
 * blob: numbers and bytes, one behind the other; the form of the device state.
 *
 * Contract: little endian, without gaps. Nothing is read or written outside the
 * buffer: what doesn't fit, or isn't there, makes the blob bad, and reading goes on
 * with zeroes. So only the end has to be judged. Needs nothing else of the VMM.
 */
#ifndef FTVMM_BLOB_H
#define FTVMM_BLOB_H

#include "vmm.h"

/**
 * struct blob - one being written or read
 * @data: Where.
 * @len: How much room there is, or what there is to read.
 * @at: How far it has come.
 * @lean: Data that guest memory has as well is left out; whoever reads it can't do with that.
 * @bad: What should have been there wasn't, or didn't fit.
 */
struct blob {
	u8 *data;
	u64 len, at;
	bool lean, bad;
};

void blob_put(struct blob *blob, const void *data, u64 len);
void blob_put_u8(struct blob *blob, u8 value);
void blob_put_u16(struct blob *blob, u16 value);
void blob_put_u32(struct blob *blob, u32 value);
void blob_put_u64(struct blob *blob, u64 value);

void blob_get(struct blob *blob, void *data, u64 len);
u8 blob_get_u8(struct blob *blob);
u16 blob_get_u16(struct blob *blob);
u32 blob_get_u32(struct blob *blob);
u64 blob_get_u64(struct blob *blob);

/* A number that may be up to most; otherwise the blob is bad, and it is 0. */
u32 blob_get_limited(struct blob *blob, u32 most);

/* A part with a name; returns where it began, for the end of it. */
u64 blob_put_begin(struct blob *blob, u32 kind, u32 id);
void blob_put_end(struct blob *blob, u64 begin);

/* The next part, as a blob of its own; bad unless it is this one. */
struct blob blob_get_part(struct blob *blob, u32 kind, u32 id);

/* Has all been read, and was all there? */
bool blob_is_good(const struct blob *blob);

/* What stands at the begin of the device state. */
struct blob_head {
	u32 vcpus;
	u64 memory;
	u64 flags;
};

void blob_put_head(struct blob *blob, const struct blob_head *head);
/* When all is written: its length and its checksum. */
void blob_seal(struct blob *blob);

/* Begins to read; what is wrong with it, NULL if nothing. */
const char *blob_open(struct blob *blob, struct blob_head *head);

#endif /* FTVMM_BLOB_H */
