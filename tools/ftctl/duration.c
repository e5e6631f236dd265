// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <string.h>

#include "duration.h"

/* More digits than any limit has, and still no overflow. */
#define MAX_DIGITS 9

static int read_digits(const char **at, uint64_t *value)
{
	int count = 0;

	*value = 0;
	while (**at >= '0' && **at <= '9') {
		if (++count <= MAX_DIGITS)
			*value = *value * 10 + (**at - '0');
		++*at;
	}
	return count;
}

/**
 * duration_parse() - read a length of time like "100ms" or "1.5s"
 * @text: what the operator typed
 * @ms: gets it in ms
 *
 * Return: NULL, or what is wrong with @text
 */
const char *duration_parse(const char *text, uint32_t *ms)
{
	uint64_t whole, part = 0;
	int digits, places = 0;
	const char *start = NULL;

	digits = read_digits(&text, &whole);
	if (!digits)
		return "that is no time; say 100ms or 1s";
	if (*text == '.') {
		start = ++text;
		places = read_digits(&text, &part);
		if (!places)
			return "that is no time; say 100ms or 1s";

		/* Zeros at the end say nothing, and may be many. */
		while (places && start[places - 1] == '0')
			places--;
	}

	if (!*text)
		return "the unit is missing; say 100ms or 1s";
	if (!strcmp(text, "us") || !strcmp(text, "ns"))
		return "only whole milliseconds; say 100ms or 1s";
	if (strcmp(text, "ms") && strcmp(text, "s"))
		return "there is no such unit; say 100ms or 1s";
	if (places > (*text == 's' ? 3 : 0))
		return "only whole milliseconds; say 100ms or 1s";
	if (digits > MAX_DIGITS)
		return "that is too long";

	if (*text == 's') {
		uint64_t unit = 100;
		int i;

		whole *= 1000;
		for (i = 0; i < places; i++, unit /= 10)
			whole += (start[i] - '0') * unit;
	}

	if (whole > UINT32_MAX)
		return "that is too long";
	*ms = whole;
	return NULL;
}

/**
 * duration_text() - write a length of time without loss
 * @ms: the time in ms
 * @text: room for it
 *
 * Return: @text
 */
const char *duration_text(uint32_t ms, char text[DURATION_SIZE])
{
	int len;

	if (ms < 1000) {
		snprintf(text, DURATION_SIZE, "%ums", ms);
		return text;
	}

	len = snprintf(text, DURATION_SIZE, "%u.%03u", ms / 1000, ms % 1000);
	while (text[len - 1] == '0')
		len--;
	if (text[len - 1] == '.')
		len--;
	strcpy(text + len, "s");
	return text;
}

/**
 * duration_age() - write for how long something is so, as exactly as people care
 * @ms: the time in ms
 * @text: room for it
 *
 * Return: @text
 */
const char *duration_age(uint64_t ms, char text[DURATION_SIZE])
{
	unsigned long long s = ms / 1000;

	if (s < 60)
		snprintf(text, DURATION_SIZE, "%llu.%llus", s, ms / 100 % 10ULL);
	else if (s < 60 * 60)
		snprintf(text, DURATION_SIZE, "%llumin %llus", s / 60, s % 60);
	else if (s < 24 * 60 * 60)
		snprintf(text, DURATION_SIZE, "%lluh %llumin", s / 3600,
			 s / 60 % 60);
	else
		snprintf(text, DURATION_SIZE, "%llud %lluh", s / 86400,
			 s / 3600 % 24);
	return text;
}

/**
 * duration_brief() - write a length of time in five characters
 * @ns: the time in ns
 * @text: room for it
 *
 * Return: @text
 */
const char *duration_brief(uint64_t ns, char text[DURATION_SIZE])
{
	static const char *const units[] = { "us", "ms", "s" };
	double value = ns / 1e3;
	unsigned int i = 0;

	if (ns < 1000) {
		snprintf(text, DURATION_SIZE, "%uns", (unsigned int)ns);
		return text;
	}

	while (value >= 999.5 && units[i][1]) {
		value /= 1000;
		i++;
	}
	if (units[i][1] || value < 99.5)
		snprintf(text, DURATION_SIZE, value < 9.95 ? "%.1f%s" : "%.0f%s", value,
			 units[i]);
	else if (value < 60 * 60)
		snprintf(text, DURATION_SIZE, "%.0fmin", value / 60);
	else if (value < 100 * 60 * 60)
		snprintf(text, DURATION_SIZE, "%.0fh", value / 3600);
	else
		snprintf(text, DURATION_SIZE, "%.0fd", value / 86400);
	return text;
}
