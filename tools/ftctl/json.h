/* SPDX-License-Identifier: GPL-2.0 */
/*
 * json: writes one JSON value to a stream, on one line.
 *
 * Contract: what is begun is ended and what is opened is closed, in order; then
 * the output is valid JSON whatever bytes a string holds. Errors of the stream
 * stay in the stream, for ferror().
 */
#ifndef FTCTL_JSON_H
#define FTCTL_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/**
 * struct json - an object or array that is being written
 * @out: Where to.
 * @empty: Nothing is so far in the innermost one that is open.
 */
struct json {
	FILE *out;
	bool empty;
};

void json_begin(struct json *json, FILE *out);
void json_begin_array(struct json *json, FILE *out);
void json_open(struct json *json, const char *key);
void json_close(struct json *json);
void json_open_array(struct json *json, const char *key);
void json_close_array(struct json *json);
void json_string(struct json *json, const char *key, const char *value);
void json_number(struct json *json, const char *key, uint64_t value);
void json_real(struct json *json, const char *key, double value);
void json_null(struct json *json, const char *key);
void json_end(struct json *json);
void json_end_array(struct json *json);

#endif /* FTCTL_JSON_H */
