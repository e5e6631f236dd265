// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <shim.h>

#include "unit.h"

static bool failed;

static void complain(const char *file, int line, const char *format, va_list args)
{
	const char *slash = strrchr(file, '/');

	printf("# %s:%d: ", slash ? slash + 1 : file, line);
	vprintf(format, args);
	failed = true;
}

bool check_at(const char *file, int line, bool condition, const char *format, ...)
{
	va_list args;

	if (!condition) {
		va_start(args, format);
		complain(file, line, format, args);
		va_end(args);
		printf("\n");
	}
	return condition;
}

bool check_eq_at(const char *file, int line, u64 got, u64 wanted,
		 const char *format, ...)
{
	va_list args;

	if (got != wanted) {
		va_start(args, format);
		complain(file, line, format, args);
		va_end(args);
		printf(": wanted %#llx, got %#llx\n", (unsigned long long)wanted,
		       (unsigned long long)got);
	}
	return got == wanted;
}

u8 *bytes_of(const char *text, size_t *len)
{
	u8 *all = malloc(1 << 20);
	unsigned int byte;
	size_t n = 0;
	long times;
	u8 *exact;
	char *end;

	while (*text) {
		if (isspace(*text)) {
			text++;
		} else if (*text == '\'') {
			for (text++; *text != '\''; text++)
				all[n++] = *text;
			text++;
		} else if (*text == '*') {
			times = strtol(text + 1, &end, 10);
			memset(all + n, all[n - 1], times - 1);
			n += times - 1;
			text = end;
		} else if (sscanf(text, "%2x", &byte) == 1 && isxdigit(text[1])) {
			all[n++] = byte;
			text += 2;
		} else {
			fprintf(stderr, "these aren't bytes: %s\n", text);
			abort();
		}
	}
	*len = n;
	exact = copy_of(all, n);
	free(all);
	return exact;
}

u8 *copy_of(const void *from, size_t len)
{
	u8 *copy = malloc(len);

	memcpy(copy, from, len);
	return copy;
}

static void run(const struct unit_test *test, int number)
{
	failed = false;
	test->run();
	check_eq(shim_pages, 0, "pages that nobody freed");
	check_eq(shim_nodes, 0, "nodes that nobody freed");
	shim_pages = 0;
	shim_nodes = 0;
	shim_allocations_left = -1;
	printf("%sok %d %s\n", failed ? "not " : "", number, test->name);
}

int main(void)
{
	const struct unit_test *all[] = { header_tests, body_tests, stage_tests,
					   pageset_tests, histogram_tests, pack_tests,
					   pace_tests };
	int number = 0;
	int bad = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		for (const struct unit_test *test = all[i]; test->name; test++) {
			run(test, ++number);
			bad += failed;
		}
	}
	printf("1..%d\n", number);
	return bad ? 1 : 0;
}
