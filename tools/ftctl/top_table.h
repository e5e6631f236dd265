/* SPDX-License-Identifier: GPL-2.0 */
/*
 * top_table: guests as a table, sorted, for top.
 *
 * Contract: a line a guest, of less than 80 columns as long as its name has no more than
 * ten characters, its numbers aren't beyond what a column has, and it is well.
 */
#ifndef FTCTL_TOP_TABLE_H
#define FTCTL_TOP_TABLE_H

#include <stdbool.h>

#include "vm_list.h"

/**
 * struct top_field - what the table can be sorted by
 * @name: What the operator types.
 */
struct top_field;

/**
 * struct top_sample - what one table is about
 * @list: The guests.
 * @before: The same a moment ago, or NULL.
 * @field: What they are sorted by.
 */
struct top_sample {
	const struct vm_list *list;
	const struct vm_list *before;
	const struct top_field *field;
};

const struct top_field *top_find_field(const char *name);
const char *top_field_names(void);
bool top_print(const struct top_sample *sample, int columns, int rows);
bool top_print_json(const struct top_sample *sample);

#endif /* FTCTL_TOP_TABLE_H */
