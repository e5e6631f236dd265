/* SPDX-License-Identifier: GPL-2.0 */
/*
 * unit: what the tests of the module's pure parts share.
 *
 * Contract: a test is a function that checks; a check that fails says where and
 * what, and the test goes on. After each test there must be no page and no node of
 * an xarray left.
 */
#ifndef _UNIT_H
#define _UNIT_H

#include <linux/types.h>

#define ATTRIBUTE(...) __attribute__((__VA_ARGS__))

#define check(condition, ...) \
	check_at(__FILE__, __LINE__, condition, __VA_ARGS__)
#define check_eq(got, wanted, ...) \
	check_eq_at(__FILE__, __LINE__, got, wanted, __VA_ARGS__)

ATTRIBUTE(format(printf, 4, 5))
bool check_at(const char *file, int line, bool condition, const char *format, ...);
ATTRIBUTE(format(printf, 5, 6))
bool check_eq_at(const char *file, int line, u64 got, u64 wanted,
		 const char *format, ...);

/*
 * Bytes as somebody wrote them down: "4b56" in hexadecimal, "'text'", "00*16" for
 * sixteen of one, with spaces and line ends where they please. The result is memory
 * of exactly that length, so that AddressSanitizer sees who reads beyond it; to be
 * freed.
 */
u8 *bytes_of(const char *text, size_t *len);

/* A copy of some bytes in memory of exactly that length. */
u8 *copy_of(const void *from, size_t len);

/**
 * struct unit_test - one of them
 * @name: What must be so.
 * @run: Checks it.
 */
struct unit_test {
	const char *name;
	void (*run)(void);
};

extern const struct unit_test header_tests[], body_tests[], stage_tests[];
extern const struct unit_test pageset_tests[], histogram_tests[], pack_tests[], pace_tests[];

#endif /* _UNIT_H */
