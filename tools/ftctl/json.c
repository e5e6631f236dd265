// SPDX-License-Identifier: GPL-2.0
#include "json.h"

/*
 * The length of the UTF-8 sequence that @text starts with, 0 if it starts with
 * none. The end of the string is no continuation byte, so this can't pass it.
 */
static int utf8_length(const unsigned char *text)
{
	uint32_t code;
	int len, i;

	if (text[0] < 0x80)
		return 1;
	if (text[0] >= 0xc2 && text[0] <= 0xdf)
		len = 2;
	else if (text[0] >= 0xe0 && text[0] <= 0xef)
		len = 3;
	else if (text[0] >= 0xf0 && text[0] <= 0xf4)
		len = 4;
	else
		return 0;

	code = text[0] & (0x7f >> len);
	for (i = 1; i < len; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (text[i] & 0x3f);
	}

	/* A longer spelling than needed, a surrogate, or past the last one. */
	if ((len == 3 && code < 0x800) || (len == 4 && code < 0x10000) ||
	    (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff)
		return 0;
	return len;
}

static void write_string(FILE *out, const char *value)
{
	const unsigned char *at = (const unsigned char *)value;

	fputc('"', out);
	while (*at) {
		int len = utf8_length(at);

		if (!len) {
			/* The mark for what isn't text. */
			fputs("\\ufffd", out);
			len = 1;
		} else if (*at == '"' || *at == '\\') {
			fprintf(out, "\\%c", *at);
		} else if (*at < 0x20 || *at == 0x7f) {
			fprintf(out, "\\u%04x", *at);
		} else {
			fwrite(at, len, 1, out);
		}
		at += len;
	}
	fputc('"', out);
}

/* What stands before a value; without a key it is one of an array. */
static void write_key(struct json *json, const char *key)
{
	if (!json->empty)
		fputc(',', json->out);
	json->empty = false;
	if (!key)
		return;
	write_string(json->out, key);
	fputc(':', json->out);
}

/**
 * json_begin() - begin an object
 * @json: what the other functions want
 * @out: where to write it
 */
void json_begin(struct json *json, FILE *out)
{
	json->out = out;
	json->empty = true;
	fputc('{', out);
}

/**
 * json_begin_array() - begin an array
 * @json: what the other functions want
 * @out: where to write it
 */
void json_begin_array(struct json *json, FILE *out)
{
	json->out = out;
	json->empty = true;
	fputc('[', out);
}

/**
 * json_open() - add an object; what is added next is added to that
 * @json: the object or array
 * @key: its name; NULL in an array
 */
void json_open(struct json *json, const char *key)
{
	write_key(json, key);
	json->empty = true;
	fputc('{', json->out);
}

/**
 * json_close() - go back to what the object of json_open() was added to
 * @json: the object
 */
void json_close(struct json *json)
{
	fputc('}', json->out);
	json->empty = false;
}

/**
 * json_open_array() - add an array; what is added next is added to that
 * @json: the object or array
 * @key: its name; NULL in an array
 */
void json_open_array(struct json *json, const char *key)
{
	write_key(json, key);
	json->empty = true;
	fputc('[', json->out);
}

/**
 * json_close_array() - go back to what the array of json_open_array() was added to
 * @json: the array
 */
void json_close_array(struct json *json)
{
	fputc(']', json->out);
	json->empty = false;
}

/**
 * json_string() - add a string
 * @json: the object or array
 * @key: its name; NULL in an array
 * @value: any bytes; those that aren't UTF-8 become U+FFFD
 */
void json_string(struct json *json, const char *key, const char *value)
{
	write_key(json, key);
	write_string(json->out, value);
}

/**
 * json_number() - add a number
 * @json: the object or array
 * @key: its name; NULL in an array
 * @value: the number
 */
void json_number(struct json *json, const char *key, uint64_t value)
{
	write_key(json, key);
	fprintf(json->out, "%llu", (unsigned long long)value);
}

/**
 * json_real() - add a number that isn't whole
 * @json: the object or array
 * @key: its name; NULL in an array
 * @value: the number, which has to be finite; three places of it
 */
void json_real(struct json *json, const char *key, double value)
{
	write_key(json, key);
	fprintf(json->out, "%.3f", value);
}

/**
 * json_null() - say that something isn't known
 * @json: the object or array
 * @key: its name; NULL in an array
 */
void json_null(struct json *json, const char *key)
{
	write_key(json, key);
	fputs("null", json->out);
}

/**
 * json_end() - end the object and its line
 * @json: the object
 */
void json_end(struct json *json)
{
	fputs("}\n", json->out);
}

/**
 * json_end_array() - end the array and its line
 * @json: the array
 */
void json_end_array(struct json *json)
{
	fputs("]\n", json->out);
}
