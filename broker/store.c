/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * store.c - calls through the store's table of functions (carrel-broker)
 */
#include "broker/store.h"

#include <stdarg.h>
#include <string.h>

G_DEFINE_QUARK(carrel - store - error, store_error)

static json_t *
store_query_va(struct store *store, GError **error, const char *sql, const char *types,
	       va_list arguments)
{
	struct store_value values[STORE_MAX_PARAMETERS] = { 0 };
	guint count = (guint)strlen(types);

	g_assert(count <= STORE_MAX_PARAMETERS);
	for (guint i = 0; i < count; i++) {
		values[i].is_text = types[i] == 's';
		if (values[i].is_text)
			values[i].text = va_arg(arguments, const char *);
		else
			values[i].number = va_arg(arguments, gint64);
	}
	return store->ops->query(store, sql, values, count, error);
}

json_t *
store_query(struct store *store, GError **error, const char *sql, const char *types, ...)
{
	va_list arguments;
	json_t *rows;

	va_start(arguments, types);
	rows = store_query_va(store, error, sql, types, arguments);
	va_end(arguments);
	return rows;
}

json_t *
store_query_one(struct store *store, GError **error, const char *sql, const char *types, ...)
{
	va_list arguments;
	json_t *rows;
	json_t *row;

	va_start(arguments, types);
	rows = store_query_va(store, error, sql, types, arguments);
	va_end(arguments);
	row = json_incref(json_array_get(rows, 0));
	json_decref(rows);
	return row;
}

gint64
store_query_integer(struct store *store, GError **error, gint64 fallback, const char *sql,
		    const char *types, ...)
{
	va_list arguments;
	json_t *rows;
	void *first;
	json_t *value = NULL;

	va_start(arguments, types);
	rows = store_query_va(store, error, sql, types, arguments);
	va_end(arguments);
	first = json_object_iter(json_array_get(rows, 0));
	if (first)
		value = json_object_iter_value(first);
	if (json_is_integer(value))
		fallback = json_integer_value(value);
	json_decref(rows);
	return fallback;
}

gint64
store_change(struct store *store, GError **error, const char *sql, const char *types, ...)
{
	va_list arguments;
	json_t *rows;

	va_start(arguments, types);
	rows = store_query_va(store, error, sql, types, arguments);
	va_end(arguments);
	if (!rows)
		return -1;
	json_decref(rows);
	return store->ops->changes(store);
}

gboolean
store_begin(struct store *store, GError **error)
{
	return store->ops->begin(store, error);
}

gboolean
store_commit(struct store *store, GError **error)
{
	return store->ops->commit(store, error);
}

void
store_rollback(struct store *store)
{
	store->ops->rollback(store);
}

void
store_close(struct store *store)
{
	if (store)
		store->ops->close(store);
}
