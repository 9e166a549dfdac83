/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * json.c - JSON from strangers: strict, bounded, checked against a table (all processes)
 */
#include "base/json.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char *const kind_names[] = {
	[JSON_KIND_STRING] = "a string",       [JSON_KIND_INTEGER] = "an integer",
	[JSON_KIND_BOOLEAN] = "true or false", [JSON_KIND_OBJECT] = "an object",
	[JSON_KIND_ARRAY] = "an array",
};
static_assert(sizeof(kind_names) / sizeof(kind_names[0]) == JSON_KIND_COUNT, "a name a kind");

#define PROBLEM(problem, ...) snprintf((problem)->text, sizeof((problem)->text), __VA_ARGS__)

/* Jansson recurses up to 2048 levels; count the levels before it sees the text. */
static bool
json_depth_ok(const char *text, size_t size)
{
	bool in_string = false;
	int depth = 0;

	for (size_t i = 0; i < size; i++) {
		if (in_string) {
			if (text[i] == '\\')
				i++;
			else if (text[i] == '"')
				in_string = false;
		} else if (text[i] == '"') {
			in_string = true;
		} else if (text[i] == '{' || text[i] == '[') {
			if (++depth > JSON_MAX_DEPTH)
				return false;
		} else if (text[i] == '}' || text[i] == ']') {
			depth--;
		}
	}
	return true;
}

json_t *
json_parse_strict(const char *text, size_t size, size_t max_size, struct json_problem *ret_problem)
{
	json_error_t error;
	json_t *value;

	if (size > max_size) {
		PROBLEM(ret_problem, "the JSON text has %zu bytes; at most %zu are allowed", size,
			max_size);
		return NULL;
	}
	if (!json_depth_ok(text, size)) {
		PROBLEM(ret_problem, "the JSON text is nested deeper than %d levels",
			JSON_MAX_DEPTH);
		return NULL;
	}
	value = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
	if (!value)
		PROBLEM(ret_problem, "not valid JSON: %.100s at byte %d", error.text,
			error.position);
	return value;
}

static bool
json_kind_matches(const json_t *value, enum json_kind kind)
{
	switch (kind) {
	case JSON_KIND_STRING:
		return json_is_string(value);
	case JSON_KIND_INTEGER:
		return json_is_integer(value);
	case JSON_KIND_BOOLEAN:
		return json_is_boolean(value);
	case JSON_KIND_OBJECT:
		return json_is_object(value);
	case JSON_KIND_ARRAY:
		return json_is_array(value);
	case JSON_KIND_COUNT:
		break;
	}
	return false;
}

static bool
json_range_ok(const json_t *value, const struct json_field *field)
{
	int64_t amount;

	if (field->kind == JSON_KIND_STRING)
		amount = (int64_t)json_string_length(value);
	else if (field->kind == JSON_KIND_INTEGER)
		amount = json_integer_value(value);
	else if (field->kind == JSON_KIND_ARRAY)
		amount = (int64_t)json_array_size(value);
	else
		return true;
	return amount >= field->min && amount <= field->max;
}

static const struct json_field *
json_field_find(const char *name, const struct json_field *fields, size_t n_fields)
{
	for (size_t i = 0; i < n_fields; i++)
		if (strcmp(fields[i].name, name) == 0)
			return &fields[i];
	return NULL;
}

static int
json_check_known(const json_t *object, const char *what, const struct json_field *fields,
		 size_t n_fields, struct json_problem *ret_problem)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)object, key, value) {
		const struct json_field *field = json_field_find(key, fields, n_fields);

		if (!field) {
			PROBLEM(ret_problem, "unknown key '%.40s' in %s", key, what);
			return -EINVAL;
		}
		if (!json_kind_matches(value, field->kind)) {
			PROBLEM(ret_problem, "'%s' in %s must be %s", key, what,
				kind_names[field->kind]);
			return -EINVAL;
		}
		if (!json_range_ok(value, field)) {
			PROBLEM(ret_problem, "'%s' in %s is out of range: %lld to %lld", key, what,
				(long long)field->min, (long long)field->max);
			return -EINVAL;
		}
	}
	return 0;
}

int
json_check_object(const json_t *object, const char *what, const struct json_field *fields,
		  size_t n_fields, struct json_problem *ret_problem)
{
	int error;

	if (!json_is_object(object)) {
		PROBLEM(ret_problem, "%s must be a JSON object", what);
		return -EINVAL;
	}
	error = json_check_known(object, what, fields, n_fields, ret_problem);
	if (error < 0)
		return error;
	for (size_t i = 0; i < n_fields; i++) {
		if (fields[i].optional || json_object_get(object, fields[i].name))
			continue;
		PROBLEM(ret_problem, "'%s' is missing in %s", fields[i].name, what);
		return -EINVAL;
	}
	return 0;
}

const char *
json_get_text(const json_t *object, const char *name, const char *fallback)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : fallback;
}

int64_t
json_get_integer(const json_t *object, const char *name, int64_t fallback)
{
	const json_t *value = json_object_get(object, name);

	return json_is_integer(value) ? json_integer_value(value) : fallback;
}

int
json_get_flag(const json_t *object, const char *name, int fallback)
{
	const json_t *value = json_object_get(object, name);

	return json_is_boolean(value) ? json_is_true(value) : fallback;
}
