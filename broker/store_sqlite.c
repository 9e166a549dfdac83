/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * store_sqlite.c - the store in one SQLite file (carrel-broker; the door to SQLite)
 *
 * How it works: there is exactly one connection, and it holds the file exclusively: WAL mode of SQLite 3.40.1 can
 * corrupt a database that several connections use, and the fence against two brokers on one file comes with it.
 * synchronous=FULL makes each commit durable before anybody hears of it. Prepared statements are kept in a table by their
 * text; all SQL texts are constants of the program, so it stays small.
 *
 * An I/O error, a full disk or a corrupt file ends the process (store_sqlite_die): after a failed fsync(2) nobody knows
 * what is on the disk, and at the next start the journal decides.
 */
#include "broker/store_sqlite.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "broker/store_schema.h"

struct store_sqlite {
	struct store base;
	sqlite3 *connection;
	GHashTable *statements; /* const char *sql -> sqlite3_stmt */
};

static void __attribute__((noreturn)) store_sqlite_die(struct store_sqlite *store, const char *what)
{
	log_error(
		"the database cannot %s: %s; carrel-broker ends now, because what is on the disk is not known. Check the disk "
		"(space, errors), then start it again: it goes on from the last complete transaction",
		what, sqlite3_errmsg(store->connection));
	_exit(1);
}

static void
store_sqlite_set_error(struct store_sqlite *store, const char *what, GError **error)
{
	int code = sqlite3_extended_errcode(store->connection) & 0xff;

	if (code == SQLITE_IOERR || code == SQLITE_CORRUPT || code == SQLITE_FULL ||
	    code == SQLITE_NOTADB)
		store_sqlite_die(store, what);
	g_set_error(error, STORE_ERROR,
		    code == SQLITE_CONSTRAINT ? STORE_ERROR_CONSTRAINT : STORE_ERROR_FAILED, "%s",
		    sqlite3_errmsg(store->connection));
}

static sqlite3_stmt *
store_sqlite_prepare(struct store_sqlite *store, const char *sql, GError **error)
{
	sqlite3_stmt *statement = g_hash_table_lookup(store->statements, sql);

	if (statement)
		return statement;
	if (sqlite3_prepare_v3(store->connection, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement,
			       NULL) != SQLITE_OK) {
		store_sqlite_set_error(store, "prepare a statement", error);
		return NULL;
	}
	g_hash_table_insert(store->statements, g_strdup(sql), statement);
	return statement;
}

/* $1 is a parameter's name to SQLite, not its number. One that the statement does not use is a programmer's error. */
static void
store_sqlite_bind(sqlite3_stmt *statement, const struct store_value *values, guint n_values)
{
	g_assert((guint)sqlite3_bind_parameter_count(statement) == n_values);
	for (guint i = 0; i < n_values; i++) {
		char name[8];
		int index;

		g_snprintf(name, sizeof(name), "$%u", i + 1);
		index = sqlite3_bind_parameter_index(statement, name);
		g_assert(index > 0);
		if (values[i].is_text)
			sqlite3_bind_text(statement, index, values[i].text, -1, SQLITE_STATIC);
		else
			sqlite3_bind_int64(statement, index, values[i].number);
	}
}

static json_t *
store_sqlite_read_column(sqlite3_stmt *statement, int column)
{
	switch (sqlite3_column_type(statement, column)) {
	case SQLITE_INTEGER:
		return json_integer(sqlite3_column_int64(statement, column));
	case SQLITE_TEXT:
		return json_stringn((const char *)sqlite3_column_text(statement, column),
				    (size_t)sqlite3_column_bytes(statement, column));
	default:
		return json_null();
	}
}

static json_t *
store_sqlite_read_row(sqlite3_stmt *statement)
{
	json_t *row = json_object();

	for (int i = 0; i < sqlite3_column_count(statement); i++)
		json_object_set_new(row, sqlite3_column_name(statement, i),
				    store_sqlite_read_column(statement, i));
	return row;
}

static json_t *
store_sqlite_query(struct store *base, const char *sql, const struct store_value *values,
		   guint n_values, GError **error)
{
	struct store_sqlite *store = (struct store_sqlite *)base;
	sqlite3_stmt *statement = store_sqlite_prepare(store, sql, error);
	json_t *rows;
	int code;

	if (!statement)
		return NULL;
	store_sqlite_bind(statement, values, n_values);
	rows = json_array();
	while ((code = sqlite3_step(statement)) == SQLITE_ROW)
		json_array_append_new(rows, store_sqlite_read_row(statement));
	if (code != SQLITE_DONE) {
		store_sqlite_set_error(store, "run a statement", error);
		json_decref(rows);
		rows = NULL;
	}
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return rows;
}

static gint64
store_sqlite_changes(struct store *base)
{
	return sqlite3_changes64(((struct store_sqlite *)base)->connection);
}

static gboolean
store_sqlite_run(struct store_sqlite *store, const char *sql, GError **error)
{
	if (sqlite3_exec(store->connection, sql, NULL, NULL, NULL) == SQLITE_OK)
		return TRUE;
	store_sqlite_set_error(store, "run a transaction", error);
	return FALSE;
}

static gboolean
store_sqlite_begin(struct store *base, GError **error)
{
	return store_sqlite_run((struct store_sqlite *)base, "BEGIN IMMEDIATE", error);
}

static gboolean
store_sqlite_commit(struct store *base, GError **error)
{
	return store_sqlite_run((struct store_sqlite *)base, "COMMIT", error);
}

static void
store_sqlite_rollback(struct store *base)
{
	struct store_sqlite *store = (struct store_sqlite *)base;

	if (!sqlite3_get_autocommit(store->connection))
		store_sqlite_run(store, "ROLLBACK", NULL);
}

static void
store_sqlite_finalize(gpointer statement)
{
	sqlite3_finalize(statement);
}

static void
store_sqlite_close(struct store *base)
{
	struct store_sqlite *store = (struct store_sqlite *)base;

	g_hash_table_unref(store->statements);
	sqlite3_close(store->connection);
	g_free(store);
}

static const struct store_ops sqlite_ops = {
	.query = store_sqlite_query,
	.changes = store_sqlite_changes,
	.begin = store_sqlite_begin,
	.commit = store_sqlite_commit,
	.rollback = store_sqlite_rollback,
	.close = store_sqlite_close,
};

static gboolean
store_sqlite_apply_step(struct store_sqlite *store, guint index, GError **error)
{
	g_autofree char *sql =
		g_strdup_printf("BEGIN IMMEDIATE; %s PRAGMA user_version = %u; COMMIT;",
				store_schema_steps[index], index + 1);

	if (store_sqlite_run(store, sql, error))
		return TRUE;
	store_sqlite_rollback(&store->base);
	return FALSE;
}

static gboolean
store_sqlite_migrate(struct store_sqlite *store, GError **error)
{
	gint64 version = store_query_integer(&store->base, error, -1, "PRAGMA user_version", "");

	if (version < 0)
		return FALSE;
	if (version > (gint64)G_N_ELEMENTS(store_schema_steps)) {
		g_set_error(error, STORE_ERROR, STORE_ERROR_VERSION,
			    "its schema has version %" G_GINT64_FORMAT
			    ", this program knows up to %zu; start the newer "
			    "carrel-broker that wrote it",
			    version, G_N_ELEMENTS(store_schema_steps));
		return FALSE;
	}
	for (guint i = (guint)version; i < G_N_ELEMENTS(store_schema_steps); i++)
		if (!store_sqlite_apply_step(store, i, error))
			return FALSE;
	return TRUE;
}

static gboolean
store_sqlite_prepare_connection(struct store_sqlite *store, GError **error)
{
	static const char pragmas[] =
		"PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
		"PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;"
		"PRAGMA temp_store = MEMORY; BEGIN IMMEDIATE; COMMIT;";

	return store_sqlite_run(store, pragmas, error) && store_sqlite_migrate(store, error);
}

struct store *
store_sqlite_open(const char *path, GError **error)
{
	struct store_sqlite *store = g_new0(struct store_sqlite, 1);
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
			  SQLITE_OPEN_NOFOLLOW;

	store->base.ops = &sqlite_ops;
	store->statements =
		g_hash_table_new_full(g_str_hash, g_str_equal, g_free, store_sqlite_finalize);
	if (sqlite3_open_v2(path, &store->connection, flags, NULL) == SQLITE_OK &&
	    store_sqlite_prepare_connection(store, error))
		return &store->base;
	if (error && !*error)
		g_set_error(error, STORE_ERROR, STORE_ERROR_FAILED, "%s",
			    store->connection ? sqlite3_errmsg(store->connection)
					      : "out of memory");
	if (store->connection && sqlite3_errcode(store->connection) == SQLITE_BUSY)
		g_prefix_error(error,
			       "another carrel-broker uses it; end that one first, or give this "
			       "one another --lib: ");
	g_prefix_error(error, "cannot use the database '%s': ", path);
	store_sqlite_close(&store->base);
	return NULL;
}
