// SPDX-License-Identifier: GPL-2.0
#include "names.h"
#include "prometheus.h"

/* Room for any number of ns as seconds. */
#define SECONDS_SIZE 32
#define NS_PER_SECOND 1000000000ULL

static void write_value(FILE *out, const char *value)
{
	fputc('"', out);
	for (; *value; value++) {
		if (*value == '\n')
			fputs("\\n", out);
		else if (*value == '"' || *value == '\\')
			fprintf(out, "\\%c", *value);
		else
			fputc(*value, out);
	}
	fputc('"', out);
}

static void write_labels(FILE *out, const struct prometheus_label *labels,
			 const struct prometheus_label *more)
{
	char separator = '{';

	for (; labels->name; labels++) {
		fprintf(out, "%c%s=", separator, labels->name);
		write_value(out, labels->value);
		separator = ',';
	}
	for (; more && more->name; more++) {
		fprintf(out, "%c%s=", separator, more->name);
		write_value(out, more->value);
		separator = ',';
	}
	if (separator == ',')
		fputc('}', out);
}

/* Without loss, which binary fractions would have. */
static const char *seconds_text(uint64_t ns, char text[SECONDS_SIZE])
{
	int len = snprintf(text, SECONDS_SIZE, "%llu.%09llu",
			   (unsigned long long)(ns / NS_PER_SECOND),
			   (unsigned long long)(ns % NS_PER_SECOND));

	while (text[len - 1] == '0')
		len--;
	if (text[len - 1] == '.')
		len--;
	text[len] = '\0';
	return text;
}

/**
 * prometheus_family() - begin with metrics of one name
 * @to: what they are written to
 * @name: the name, which has to stay
 * @type: counter, gauge or histogram
 * @help: one line of text, without a backslash
 */
void prometheus_family(struct prometheus *to, const char *name, const char *type,
		       const char *help)
{
	to->family = name;
	fprintf(to->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/**
 * prometheus_number() - write a sample that is a whole number
 * @to: what it is written to
 * @suffix: what is behind the name of the family
 * @labels: its labels
 * @more: more of them, or NULL
 * @value: the number
 */
void prometheus_number(struct prometheus *to, const char *suffix,
		       const struct prometheus_label *labels,
		       const struct prometheus_label *more, uint64_t value)
{
	fprintf(to->out, "%s%s", to->family, suffix);
	write_labels(to->out, labels, more);
	fprintf(to->out, " %llu\n", (unsigned long long)value);
}

/**
 * prometheus_seconds() - write a sample that is a time
 * @to: what it is written to
 * @suffix: what is behind the name of the family
 * @labels: its labels
 * @ns: the time in ns
 */
void prometheus_seconds(struct prometheus *to, const char *suffix,
			const struct prometheus_label *labels, uint64_t ns)
{
	char text[SECONDS_SIZE];

	fprintf(to->out, "%s%s", to->family, suffix);
	write_labels(to->out, labels, NULL);
	fprintf(to->out, " %s\n", seconds_text(ns, text));
}

/**
 * prometheus_state() - write a sample for each state: 1 for what it is, 0 for the others
 * @to: what it is written to
 * @labels: their labels, without "state"
 * @state: what it is
 * @name: what states are called
 */
void prometheus_state(struct prometheus *to, const struct prometheus_label *labels,
		      uint32_t state, prometheus_state_fn name)
{
	struct prometheus_label more[] = { { "state", NULL }, { NULL, NULL } };
	char unknown[NAME_SIZE];
	uint32_t number;

	for (number = 1; ; number++) {
		more[0].value = name(number, unknown);
		if (more[0].value == unknown)
			break;
		prometheus_number(to, "", labels, more, number == state);
	}

	/* One of a newer module. */
	more[0].value = name(state, unknown);
	if (more[0].value == unknown)
		prometheus_number(to, "", labels, more, 1);
}

/**
 * prometheus_bucket() - write one bucket of a histogram of times
 * @to: what it is written to
 * @labels: the histogram's labels
 * @bound_ns: how far the bucket reaches, in ns; UINT64_MAX if it has no end
 * @count: how many are in it and in those before
 */
void prometheus_bucket(struct prometheus *to, const struct prometheus_label *labels,
		       uint64_t bound_ns, uint64_t count)
{
	struct prometheus_label le[] = { { "le", "+Inf" }, { NULL, NULL } };
	char text[SECONDS_SIZE];

	if (bound_ns != UINT64_MAX)
		le[0].value = seconds_text(bound_ns, text);
	prometheus_number(to, "_bucket", labels, le, count);
}
