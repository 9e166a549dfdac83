/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * json.h - JSON from strangers: strict, bounded, checked against a table
 *
 * The door to Jansson: everybody who needs json_t includes this file. json_parse_strict() refuses what RFC 8259
 * leaves open to doubt: duplicate keys, trailing bytes, NUL characters, more than JSON_MAX_DEPTH levels.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_MAX_DEPTH 16

enum json_kind {
	JSON_KIND_STRING,
	JSON_KIND_INTEGER,
	JSON_KIND_BOOLEAN,
	JSON_KIND_OBJECT,
	JSON_KIND_ARRAY,
	JSON_KIND_COUNT,
};

/* One key of an object. An object with a key that is not in its table is refused. */
struct json_field {
	const char *name;
	enum json_kind kind;
	int optional;
	int64_t min; /* integer: value; string: bytes; array: elements */
	int64_t max;
};

struct json_problem {
	char text[160]; /* one line for people, e.g. "unknown key 'siez' in the request" */
};

/* The parsed value (a new reference), or NULL and the problem. */
json_t *json_parse_strict(const char *text, size_t size, size_t max_size,
			  struct json_problem *ret_problem);

/* 0, or -EINVAL and the problem. "what" names the object in the text. */
int json_check_object(const json_t *object, const char *what, const struct json_field *fields,
		      size_t n_fields, struct json_problem *ret_problem);

/* After the check: a field's value, or the fallback when it is not there. */
const char *json_get_text(const json_t *object, const char *name, const char *fallback);
int64_t json_get_integer(const json_t *object, const char *name, int64_t fallback);
int json_get_flag(const json_t *object, const char *name, int fallback);

#endif
