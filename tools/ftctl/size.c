// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <string.h>

#include "size.h"

/* Each is 1024 times the one before. */
static const char units[] = "BKMGT";

/**
 * size_parse() - read an amount of memory like "512M" or "2G"
 * @text: what the operator typed
 * @bytes: gets it in bytes
 *
 * Return: NULL, or what is wrong with @text
 */
const char *size_parse(const char *text, uint64_t *bytes)
{
	const char *unit;
	unsigned int shift;
	uint64_t value = 0;

	if (*text < '0' || *text > '9')
		return "that is no size; say 512M or 2G";
	for (; *text >= '0' && *text <= '9'; text++) {
		if (value > (UINT64_MAX - 9) / 10)
			return "that is too much";
		value = value * 10 + (*text - '0');
	}

	if (!*text)
		return "the unit is missing; say 512M or 2G";
	if (*text == '.')
		return "only whole numbers; say 1536M instead of 1.5G";
	unit = strchr(units, *text);
	if (!unit || (text[1] && (unit == units || strcmp(text + 1, "iB"))))
		return "there is no such unit; say 512M or 2G";

	shift = 10 * (unit - units);
	if (value > UINT64_MAX >> shift)
		return "that is too much";
	*bytes = value << shift;
	return NULL;
}

/**
 * size_text() - write an amount of memory, as exactly as people care
 * @bytes: the amount
 * @text: room for it
 *
 * Return: @text
 */
const char *size_text(uint64_t bytes, char text[SIZE_SIZE])
{
	unsigned int unit = 0;
	uint64_t whole = bytes;

	while (whole >= 1024 && units[unit + 1]) {
		whole >>= 10;
		unit++;
	}

	if (whole << 10 * unit == bytes)
		snprintf(text, SIZE_SIZE, "%llu%c", (unsigned long long)whole,
			 units[unit]);
	else
		snprintf(text, SIZE_SIZE, "%.1f%c",
			 (double)bytes / (1ULL << 10 * unit), units[unit]);
	return text;
}
