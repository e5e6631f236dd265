// SPDX-License-Identifier: GPL-2.0
#include <string.h>
#include <time.h>

#include "moment.h"

#define NS_PER_SECOND 1000000000ULL
#define NS_PER_MS 1000000ULL
#define MS_PER_SECOND 1000ULL

/**
 * moment_now() - what time it is
 *
 * Return: ns since 1970
 */
uint64_t moment_now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_REALTIME, &time);
	return time.tv_sec * NS_PER_SECOND + time.tv_nsec;
}

/**
 * moment_ms() - what to measure time with
 *
 * Return: ms since some moment, whatever is done to the clock
 */
uint64_t moment_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * MS_PER_SECOND + time.tv_nsec / NS_PER_MS;
}

/**
 * moment_print() - begin a line with when it happened
 * @out: where to
 * @ns: when, since 1970
 */
void moment_print(FILE *out, uint64_t ns)
{
	time_t seconds = ns / NS_PER_SECOND;
	char text[64];
	struct tm tm;

	if (!localtime_r(&seconds, &tm) ||
	    !strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm))
		strcpy(text, "?");
	fprintf(out, "%s.%03u ", text, (unsigned int)(ns % NS_PER_SECOND / NS_PER_MS));
}
