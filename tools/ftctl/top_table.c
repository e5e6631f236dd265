// SPDX-License-Identifier: GPL-2.0
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duration.h"
#include "ftctl.h"
#include "json.h"
#include "names.h"
#include "top_table.h"
#include "vm_rate.h"

#define NS_PER_MS 1000000ULL
#define LINE_SIZE 512

/* All but the name, with the blank behind it. */
#define WIDTH_WITHOUT_NAME 69
#define NAME_WIDTH_MIN 8

/**
 * struct row - a guest of the table
 * @vm: The guest.
 * @rate: How fast it is replicated.
 */
struct row {
	const struct vm_info *vm;
	struct vm_rate rate;
};

struct top_field {
	const char *name;
	int (*compare)(const struct row *a, const struct row *b);
};

/* Falling: what is most is what is looked for. */
static int compare_numbers(double a, double b)
{
	return a < b ? 1 : a > b ? -1 : 0;
}

static int by_name(const struct row *a, const struct row *b)
{
	return strcmp(vm_string(a->vm, KVMFT_A_VM_NAME),
		      vm_string(b->vm, KVMFT_A_VM_NAME));
}

static int by_role(const struct row *a, const struct row *b)
{
	return compare_numbers(vm_number(b->vm, KVMFT_A_VM_ROLE),
			       vm_number(a->vm, KVMFT_A_VM_ROLE));
}

/* Who isn't protected comes first. */
static int by_state(const struct row *a, const struct row *b)
{
	uint64_t x = vm_number(a->vm, KVMFT_A_VM_STATE);
	uint64_t y = vm_number(b->vm, KVMFT_A_VM_STATE);

	if (x != y && x == KVMFT_VM_PROTECTED)
		return 1;
	if (x != y && y == KVMFT_VM_PROTECTED)
		return -1;
	return compare_numbers(y, x);
}

static int by_generation(const struct row *a, const struct row *b)
{
	return compare_numbers(vm_number(a->vm, KVMFT_A_VM_GENERATION),
			       vm_number(b->vm, KVMFT_A_VM_GENERATION));
}

static int by_epoch(const struct row *a, const struct row *b)
{
	return compare_numbers(vm_number(a->vm, KVMFT_A_VM_EPOCH),
			       vm_number(b->vm, KVMFT_A_VM_EPOCH));
}

static int by_checkpoints(const struct row *a, const struct row *b)
{
	return compare_numbers(a->rate.checkpoints, b->rate.checkpoints);
}

static int by_pages(const struct row *a, const struct row *b)
{
	return compare_numbers(a->rate.pages, b->rate.pages);
}

static int by_bytes(const struct row *a, const struct row *b)
{
	return compare_numbers(a->rate.bytes, b->rate.bytes);
}

static int by_p50(const struct row *a, const struct row *b)
{
	return compare_numbers(vm_counter(a->vm, KVMFT_A_COUNTER_PARKED_P50),
			       vm_counter(b->vm, KVMFT_A_COUNTER_PARKED_P50));
}

static int by_p99(const struct row *a, const struct row *b)
{
	return compare_numbers(vm_counter(a->vm, KVMFT_A_COUNTER_PARKED_P99),
			       vm_counter(b->vm, KVMFT_A_COUNTER_PARKED_P99));
}

static int by_lag(const struct row *a, const struct row *b)
{
	return compare_numbers(vm_number(a->vm, KVMFT_A_VM_COMMITTED_AGE),
			       vm_number(b->vm, KVMFT_A_VM_COMMITTED_AGE));
}

static const struct top_field fields[] = {
	{ "name", by_name },
	{ "role", by_role },
	{ "state", by_state },
	{ "gen", by_generation },
	{ "epoch", by_epoch },
	{ "checkpoints", by_checkpoints },
	{ "pages", by_pages },
	{ "bytes", by_bytes },
	{ "p50", by_p50 },
	{ "p99", by_p99 },
	{ "lag", by_lag },
};

/**
 * top_find_field() - what to sort by
 * @name: what the operator calls it, NULL for what is usual
 *
 * Return: the field, or NULL
 */
const struct top_field *top_find_field(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		if (!name || !strcmp(fields[i].name, name))
			return &fields[i];
	}
	return NULL;
}

/**
 * top_field_names() - what the table can be sorted by
 *
 * Return: the names
 */
const char *top_field_names(void)
{
	static char text[128];
	size_t i, len = 0;

	for (i = 0; i < ARRAY_SIZE(fields); i++)
		len += snprintf(text + len, sizeof(text) - len, "%s%s", i ? ", " : "",
				fields[i].name);
	return text;
}

/* What qsort() has no argument for. */
static const struct top_field *sorted_by;

static int compare(const void *a, const void *b)
{
	int order = sorted_by->compare(a, b);

	return order ? order : by_name(a, b);
}

/* The rows, sorted, or NULL after a complaint; to be freed. */
static struct row *make_rows(const struct top_sample *sample, size_t *count)
{
	const struct vm *vm;
	struct row *rows;
	size_t n = 0;

	for (vm = sample->list->first; vm; vm = vm->next)
		n++;
	rows = calloc(n + 1, sizeof(*rows));
	if (!rows) {
		complain("out of memory");
		return NULL;
	}

	*count = n;
	for (n = 0, vm = sample->list->first; vm; vm = vm->next, n++) {
		rows[n].vm = &vm->info;
		vm_rate(sample->before, sample->list, vm, &rows[n].rate);
	}
	sorted_by = sample->field;
	qsort(rows, n, sizeof(*rows), compare);
	return rows;
}

/* A line; on a terminal as much as fits, and nothing of what was there before. */
ATTRIBUTE(format(printf, 2, 3))
static void print_line(int columns, const char *format, ...)
{
	char line[LINE_SIZE];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (columns)
		printf("%.*s\033[K\n", columns - 1, line);
	else
		puts(line);
}

static const char *dash(bool known, const char *text)
{
	return known ? text : "-";
}

/* It is known in milliseconds. */
static const char *age_text(const struct vm_info *vm, char *text)
{
	uint64_t ms = vm_number(vm, KVMFT_A_VM_COMMITTED_AGE);

	return ms ? duration_brief(ms * NS_PER_MS, text) : "<1ms";
}

static void print_row(const struct row *row, int columns, int width)
{
	char checkpoints[RATE_SIZE], pages[RATE_SIZE], bytes[RATE_SIZE];
	char p50[DURATION_SIZE], p99[DURATION_SIZE], lag[DURATION_SIZE];
	char unknown_role[NAME_SIZE], unknown[NAME_SIZE], why[NAME_SIZE];
	const struct vm_rate *rate = &row->rate;
	const struct vm_info *vm = row->vm;
	uint32_t reason = vm_number(vm, KVMFT_A_VM_REASON);
	bool parks = vm_counter(vm, KVMFT_A_COUNTER_PARKED_P99);

	print_line(columns,
		   "%-*.*s %-7s %-12s %3llu %7llu %5s %5s %5s %5s %5s %5s%s%s", width, width,
		   vm_string(vm, KVMFT_A_VM_NAME),
		   vm_role_name(vm_number(vm, KVMFT_A_VM_ROLE), unknown_role),
		   vm_state_name(vm_number(vm, KVMFT_A_VM_STATE), unknown),
		   (unsigned long long)vm_number(vm, KVMFT_A_VM_GENERATION),
		   (unsigned long long)vm_number(vm, KVMFT_A_VM_EPOCH),
		   dash(rate->known, rate_text(rate->checkpoints, checkpoints)),
		   dash(rate->sends, rate_text(rate->pages, pages)),
		   dash(rate->sends, rate_text(rate->bytes / 1e6, bytes)),
		   dash(parks, duration_brief(vm_counter(vm, KVMFT_A_COUNTER_PARKED_P50), p50)),
		   dash(parks, duration_brief(vm_counter(vm, KVMFT_A_COUNTER_PARKED_P99), p99)),
		   dash(vm_has(vm, KVMFT_A_VM_COMMITTED_AGE), age_text(vm, lag)),
		   reason ? " " : "", reason ? reason_name(reason, why) : "");
}

/**
 * top_print() - print a table for people
 * @sample: what it is about
 * @columns: width of the terminal; 0 if it is none, and names are written in full
 * @rows: lines of it that there are; guests beyond are counted
 *
 * Return: true, or false after a complaint
 */
bool top_print(const struct top_sample *sample, int columns, int rows)
{
	size_t i, count, shown, is_protected = 0, longest = NAME_WIDTH_MIN;
	struct row *all = make_rows(sample, &count);
	int width;

	if (!all)
		return false;

	for (i = 0; i < count; i++) {
		size_t len = strlen(vm_string(all[i].vm, KVMFT_A_VM_NAME));

		longest = len > longest ? len : longest;
		is_protected += vm_number(all[i].vm, KVMFT_A_VM_STATE) == KVMFT_VM_PROTECTED;
	}
	width = longest;
	if (columns && width > columns - 1 - WIDTH_WITHOUT_NAME)
		width = columns - 1 - WIDTH_WITHOUT_NAME;
	if (width < NAME_WIDTH_MIN)
		width = NAME_WIDTH_MIN;

	print_line(columns, "%zu guest%s, %zu protected, by %s", count, count == 1 ? "" : "s",
		   is_protected, sample->field->name);
	print_line(columns, "%-*s %-7s %-12s %3s %7s %5s %5s %5s %5s %5s %5s", width, "NAME",
		   "ROLE", "STATE", "GEN", "EPOCH", "CP/S", "PG/S", "MB/S", "P50", "P99", "LAG");
	/* Two are above, the cursor has one, and so has what is only counted. */
	shown = count;
	if (columns && (int)count > rows - 3)
		shown = rows > 4 ? rows - 4 : 0;
	for (i = 0; i < shown; i++)
		print_row(&all[i], columns, width);
	if (shown < count)
		print_line(columns, "and %zu more", count - shown);
	free(all);
	return true;
}

static void add_counter(struct json *json, const char *key, const struct vm_info *vm,
			enum kvmft_a_counter type)
{
	if (vm_has_counter(vm, type))
		json_number(json, key, vm_counter(vm, type));
	else
		json_null(json, key);
}

static void add_row(struct json *json, const struct row *row)
{
	const struct vm_info *vm = row->vm;

	json_open(json, NULL);
	vm_json_string(json, "name", vm, KVMFT_A_VM_NAME);
	vm_json_name(json, "role", vm, KVMFT_A_VM_ROLE, vm_role_name);
	vm_json_string(json, "pair", vm, KVMFT_A_VM_PAIR);
	vm_json_state(json, vm);
	vm_json_number(json, "generation", vm, KVMFT_A_VM_GENERATION);
	vm_json_number(json, "epoch", vm, KVMFT_A_VM_EPOCH);
	vm_json_number(json, "committed", vm, KVMFT_A_VM_COMMITTED);
	vm_json_number(json, "applied", vm, KVMFT_A_VM_APPLIED);
	json_number(json, "lag_epochs", vm_lag(vm));
	vm_json_number(json, "committed_age_ms", vm, KVMFT_A_VM_COMMITTED_AGE);
	vm_json_rate(json, &row->rate);
	add_counter(json, "parked_p50_ns", vm, KVMFT_A_COUNTER_PARKED_P50);
	add_counter(json, "parked_p99_ns", vm, KVMFT_A_COUNTER_PARKED_P99);
	json_close(json);
}

/**
 * top_print_json() - print a table as an array, on one line
 * @sample: what it is about
 *
 * Return: true, or false after a complaint
 */
bool top_print_json(const struct top_sample *sample)
{
	struct row *all;
	struct json json;
	size_t i, count;

	all = make_rows(sample, &count);
	if (!all)
		return false;

	json_begin_array(&json, stdout);
	for (i = 0; i < count; i++)
		add_row(&json, &all[i]);
	json_end_array(&json);
	free(all);
	return true;
}
