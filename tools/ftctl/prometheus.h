/* SPDX-License-Identifier: GPL-2.0 */
/*
 * prometheus: writes metrics in Prometheus's text format.
 *
 * Contract: samples follow the family that they belong to. Values of labels may be any
 * text; names are those of the caller, and have to be good ones. Errors of the stream
 * stay in the stream, for ferror().
 */
#ifndef FTCTL_PROMETHEUS_H
#define FTCTL_PROMETHEUS_H

#include <stdint.h>
#include <stdio.h>

/**
 * struct prometheus_label - a label; a list of them ends with one without a name
 * @name: Its name.
 * @value: Its value.
 */
struct prometheus_label {
	const char *name;
	const char *value;
};

/**
 * struct prometheus - metrics that are being written
 * @out: Where to.
 * @family: What the samples that follow are called.
 */
struct prometheus {
	FILE *out;
	const char *family;
};

/* What a state is called; one of names.h. States are numbered from 1. */
typedef const char *(*prometheus_state_fn)(uint32_t state, char *unknown);

void prometheus_family(struct prometheus *to, const char *name, const char *type,
		       const char *help);
void prometheus_number(struct prometheus *to, const char *suffix,
		       const struct prometheus_label *labels,
		       const struct prometheus_label *more, uint64_t value);
void prometheus_seconds(struct prometheus *to, const char *suffix,
			const struct prometheus_label *labels, uint64_t ns);
void prometheus_state(struct prometheus *to, const struct prometheus_label *labels,
		      uint32_t state, prometheus_state_fn name);
void prometheus_bucket(struct prometheus *to, const struct prometheus_label *labels,
		       uint64_t bound_ns, uint64_t count);

#endif /* FTCTL_PROMETHEUS_H */
