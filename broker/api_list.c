/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * api_list.c - lists of the API, a page at a time (carrel-broker)
 */
#include "broker/api.h"
#include "broker/broker.h"
#include "broker/http.h"

void
api_list_unpack(json_t *row, const char *column)
{
	json_t *value = json_loads(json_get_text(row, column, "null"), JSON_DECODE_ANY, NULL);

	json_object_set_new(row, column, value ? value : json_null());
}

json_t *
api_list_find_next(const json_t *rows, const char *key)
{
	const json_t *last = json_array_get(rows, json_array_size(rows) - 1);

	if (json_array_size(rows) < BROKER_PAGE_ROWS)
		return json_null();
	return json_incref(json_object_get(last, key));
}

void
api_list_respond(struct http_request *request, const char *noun, const char *key, json_t *rows)
{
	json_t *next = api_list_find_next(rows, key);

	http_respond(request, 200, json_pack("{s:o, s:o}", noun, rows, "next", next));
}
