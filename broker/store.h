/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * store.h - the database behind the broker, as a table of functions
 *
 * SQL is the common part of SQLite and PostgreSQL: parameters are $1, $2, ..., values are text, 64 bit integers or NULL,
 * upserts are ON CONFLICT. Rows come as JSON arrays of objects, named after the columns, so that a list of the API is
 * one statement. The invariants (who may own what) are constraints of the schema; a statement that would break one
 * fails with STORE_ERROR_CONSTRAINT and the constraint's name in the message.
 *
 * Everything runs in the main loop's thread. A failing disk ends the process: what fsync(2) has lost cannot be asked
 * for again.
 */
#ifndef BROKER_STORE_H
#define BROKER_STORE_H

#include <glib.h>

#include "base/json.h"

#define STORE_MAX_PARAMETERS 24

#define STORE_ERROR store_error_quark()
GQuark store_error_quark(void);

enum store_error {
	STORE_ERROR_FAILED,
	STORE_ERROR_CONSTRAINT,
	STORE_ERROR_VERSION
};

struct store_value {
	gboolean is_text;
	const char *text; /* NULL is SQL's NULL */
	gint64 number;
};

struct store_ops;

struct store {
	const struct store_ops *ops;
};

struct store_ops {
	/* An array of objects, or NULL and error. Statements without rows give an empty array. */
	json_t *(*query)(struct store *store, const char *sql, const struct store_value *values,
			 guint n_values, GError **error);
	gint64 (*changes)(struct store *store); /* rows changed by the last statement */
	gboolean (*begin)(struct store *store, GError **error);
	gboolean (*commit)(struct store *store, GError **error);
	void (*rollback)(struct store *store);
	void (*close)(struct store *store);
};

/*
 * "types" has a letter for each parameter: 's' a const char * (may be NULL), 'i' a gint64. Arguments must have exactly
 * these types.
 */
json_t *store_query(struct store *store, GError **error, const char *sql, const char *types, ...);

/* The first row (a new reference); NULL without an error when there is none. */
json_t *store_query_one(struct store *store, GError **error, const char *sql, const char *types,
			...);

/* A column of the first row, or the fallback when there is no row or the column is NULL. */
gint64 store_query_integer(struct store *store, GError **error, gint64 fallback, const char *sql,
			   const char *types, ...);

/* The number of changed rows, or -1 and error. */
gint64 store_change(struct store *store, GError **error, const char *sql, const char *types, ...);

gboolean store_begin(struct store *store, GError **error);
gboolean store_commit(struct store *store, GError **error);
void store_rollback(struct store *store);
void store_close(struct store *store);

#endif
