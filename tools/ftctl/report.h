/* SPDX-License-Identifier: GPL-2.0 */
/*
 * report: what "ftctl agent" says on the standard output, a line for each happening.
 *
 * Contract: each line is there at once and whole, or not at all: that nobody reads them
 * keeps nobody from working. How many are missing is said as soon as it can be.
 */
#ifndef FTCTL_REPORT_H
#define FTCTL_REPORT_H

#include <stdbool.h>

#include "ftctl.h"

struct fence;

/**
 * struct report - where it is said
 * @json: As JSON.
 * @missing: Lines that couldn't be written.
 */
struct report {
	bool json;
	unsigned long missing;
};

ATTRIBUTE(format(printf, 4, 5))
void report(struct report *report, const char *event, const struct fence *fence,
	    const char *format, ...);

#endif /* FTCTL_REPORT_H */
