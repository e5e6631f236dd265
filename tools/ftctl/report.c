// SPDX-License-Identifier: GPL-2.0
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <unistd.h>

#include "fences.h"
#include "json.h"
#include "moment.h"
#include "names.h"
#include "report.h"

/* Of any line; a pipe that takes something takes as much as this makes of it. */
#define TEXT_SIZE 768

/* Decimal digits of a token. */
#define TOKEN_SIZE sizeof("18446744073709551615")

static void write_json(FILE *out, const char *event, const struct fence *fence,
		       const char *text)
{
	char unknown[NAME_SIZE], token[TOKEN_SIZE];
	struct json json;

	json_begin(&json, out);
	json_string(&json, "event", event);
	json_number(&json, "time_ns", moment_now());
	if (fence) {
		/* Not a number: those of many programs have 53 bits. */
		snprintf(token, sizeof(token), "%llu", (unsigned long long)fence->token);
		json_string(&json, "name", fence->name);
		json_string(&json, "pair", fence->pair);
		json_string(&json, "role", vm_role_name(fence->role, unknown));
		json_string(&json, "token", token);
	}
	json_string(&json, "text", text);
	json_end(&json);
}

static void write_text(FILE *out, const struct fence *fence, const char *text)
{
	moment_print(out, moment_now());
	if (fence)
		fprintf(out, "vm %s: ", fence->name);
	fprintf(out, "%s\n", text);
}

static bool can_write(void)
{
	struct pollfd polled = { .fd = STDOUT_FILENO, .events = POLLOUT };

	return poll(&polled, 1, 0) == 1 && polled.revents & POLLOUT;
}

static bool write_line(const struct report *report, const char *event,
		       const struct fence *fence, const char *text)
{
	if (!can_write())
		return false;
	if (report->json)
		write_json(stdout, event, fence, text);
	else
		write_text(stdout, fence, text);
	if (!fflush(stdout))
		return true;
	/* main() will complain; until then nothing is to be said twice. */
	__fpurge(stdout);
	return false;
}

/**
 * report() - say that something has happened
 * @report: where
 * @event: what, in a word for programs
 * @fence: what it is about; NULL if it is about none
 * @format: the same in words, as for printf()
 */
void report(struct report *report, const char *event, const struct fence *fence,
	    const char *format, ...)
{
	char text[TEXT_SIZE];
	va_list args;

	if (report->missing) {
		snprintf(text, sizeof(text), "%lu lines couldn't be written", report->missing);
		if (write_line(report, "missing", NULL, text))
			report->missing = 0;
	}

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (report->missing || !write_line(report, event, fence, text))
		report->missing++;
}
