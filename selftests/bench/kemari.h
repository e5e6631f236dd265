/* SPDX-License-Identifier: GPL-2.0 */
/*
 * kemari: what ftvmm-kemari and its receiver say to each other.
 *
 * The method is the one that was published as Kemari: a transaction of BEGIN, any number
 * of CONTINUE, and COMMIT, which the receiver buffers whole, acknowledges, and only then
 * applies. Between hosts of one kind, so numbers stand as they are in memory.
 */
#ifndef BENCH_KEMARI_H
#define BENCH_KEMARI_H

#include <stdint.h>

#define KEMARI_MAGIC 0x6b656d61
#define KEMARI_PAGE 4096
/* Of pages in a CONTINUE. */
#define KEMARI_PAGES_MAX 1000
#define KEMARI_STATE_MAX 33554432

enum kemari_kind {
	/* Once, before all else; @at is where guest memory ends. */
	KEMARI_HELLO = 1,
	KEMARI_BEGIN,
	/* @count addresses, 8 bytes each, then as many pages. */
	KEMARI_CONTINUE,
	/* @count bytes of the state of vcpus and devices. */
	KEMARI_STATE,
	KEMARI_COMMIT,
	/* The receiver's: all up to COMMIT is there. */
	KEMARI_ACK,
};

/**
 * struct kemari_head - what each message begins with
 * @magic: KEMARI_MAGIC.
 * @kind: &enum kemari_kind.
 * @at: Number of the transaction.
 * @count: How much follows.
 * @reserved: 0.
 */
struct kemari_head {
	uint32_t magic;
	uint32_t kind;
	uint64_t at;
	uint32_t count;
	uint32_t reserved;
};

#endif /* BENCH_KEMARI_H */
