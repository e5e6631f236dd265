/* SPDX-License-Identifier: GPL-2.0 */
/*
 * fuzz: what the targets share. A target is a function that libFuzzer calls with
 * bytes of its own making; it aborts if anything isn't as it must be.
 */
#ifndef _FUZZ_H
#define _FUZZ_H

#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* libFuzzer has a name for it that isn't in our style; "run" gives it that. */
int fuzz_input(const u8 *data, size_t size);

#define must(condition) must_at(condition, #condition, __FILE__, __LINE__)

static inline void must_at(bool condition, const char *text, const char *file, int line)
{
	if (condition)
		return;
	fprintf(stderr, "%s:%d: not so: %s\n", file, line, text);
	abort();
}

/* A copy of exactly this length, so that AddressSanitizer sees who reads beyond. */
static inline u8 *copy_of(const u8 *from, size_t len)
{
	u8 *copy = malloc(len);

	if (len)
		memcpy(copy, from, len);
	return copy;
}

/* A little-endian number, read in another way than the module does. */
static inline u64 number(const u8 *from, unsigned int len)
{
	u64 value = 0;

	for (unsigned int i = 0; i < len; i++)
		value += (u64)from[i] << (8 * i);
	return value;
}

#endif /* _FUZZ_H */
