/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_store_sqlite.c - the schema holds its invariants; one broker a file; transactions
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib/gstdio.h>
#include <sqlite3.h>

#include "broker/store_schema.h"
#include "broker/store_sqlite.h"
#include "tests/unit/broker_stage.h"

static const char *const rows[] = {
	"INSERT INTO session (id, user, groups, pool, desktop, generation, keyboard, variant, locale, timezone, idempotency_key,"
	" opened_ms) VALUES ('s-1', 'ada', '[]', 'p', 'd-1', 1, 'us', '', 'C', 'UTC', 'key', 1)",
	"INSERT INTO ticket (hash, session, desktop, generation, host, instance, protocol, state, created_ms)"
	" VALUES ('a', 's-1', 'd-1', 1, 'h1', 'i1', 'spice', 'spent', 1)",
	"INSERT INTO job (id, kind, arguments, host, template, version, state, user, created_ms, changed_ms)"
	" VALUES ('j-1', 'publish', '{}', 'h1', 't', 2, 'done', 'root', 1, 1)",
	"UPDATE desktop SET state = 'gone', want = 'gone' WHERE id = 'd-3'",
};

#define SESSION(id, user, desktop, key)                                                                \
	"INSERT INTO session (id, user, groups, pool, desktop, generation, keyboard, variant, locale," \
	" timezone, idempotency_key, opened_ms) VALUES ('" id "', '" user                              \
	"', '[]', 'p', '" desktop "', 1, 'us', '', 'C', 'UTC', '" key "', 1)"
#define DESKTOP(id, generation, state)                                                                        \
	"INSERT INTO desktop (id, generation, pool, host, template, version, engine, kind, ram_mib, network," \
	" want, state, created_ms, changed_ms) VALUES ('" id "', " generation                                 \
	", 'p', 'h1', 't', 1, 'qemu', 'user', 1, 'none', 'ready', '" state "', 1, 1)"

/* What the schema must refuse, whatever the code around it does, and a word of the message. */
static const struct {
	const char *sql;
	const char *word;
} broken[] = {
	{ SESSION("s-2", "bob", "d-1", "x"), "session.desktop" },
	{ SESSION("s-2", "ada", "d-2", "x"), "session.user, session.pool" },
	{ SESSION("s-2", "bob", "d-3", "x"), "session.desktop" },
	{ SESSION("s-2", "bob", "d-none", "x"), "session.desktop" },
	{ "UPDATE session SET user = 'bob'", "session.owner" },
	{ "UPDATE session SET desktop = 'd-2'", "session.owner" },
	{ DESKTOP("d-9", "1", "forking"), "pool.limit" },
	{ "UPDATE desktop SET generation = 0 WHERE id = 'd-1'", "desktop.generation" },
	{ "UPDATE desktop SET state = 'ready' WHERE id = 'd-3'", "desktop.gone" },
	{ "UPDATE desktop SET state = 'flying'", "CHECK" },
	{ "DELETE FROM desktop WHERE id = 'd-1'", "FOREIGN KEY" },
	{ "UPDATE ticket SET state = 'ready'", "ticket.spent" },
	{ "INSERT INTO ticket SELECT 'b', session, desktop, generation, host, instance, 'rdp', 'sent', 1 FROM ticket",
	  "CHECK" },
	{ "UPDATE job SET state = 'running'", "job.ended" },
	{ "INSERT INTO job SELECT 'j-2', kind, arguments, host, template, version, 'queued', '', 0, 0, '', '{}', 0, 0,"
	  " 'root', 1, 1, '' FROM job",
	  "job.template, job.version" },
	{ "UPDATE job SET kind = 'wish'", "CHECK" },
	{ "INSERT INTO job SELECT 'j-2', 'seal', arguments, host, template, version, 'flying', '', 0, 0, '', '{}', 0, 0,"
	  " '', 1, 1, '' FROM job",
	  "CHECK" },
	{ "UPDATE job SET percent = 101", "CHECK" },
	{ "UPDATE job SET host = 'h9'", "FOREIGN KEY" },
	{ "INSERT INTO pool VALUES ('P', 't', 0, 10001, 0, '[]', '[]', 'none', 'destroy-on-logoff', NULL, 'r', 1, 0)",
	  "CHECK" },
	{ "INSERT INTO timing VALUES ('s-1', 'dream', 1, 1)", "CHECK" },
	{ "INSERT INTO host (name) VALUES ('h2')", "NOT NULL" },
	{ "UPDATE host SET cpus = 'two'", "cannot store TEXT" },
};

static void
test_store_sqlite__schema_holds_the_invariants(void **state)
{
	struct broker broker;

	(void)state;
	broker_stage_init(&broker);
	broker_stage_add_pool(&broker, "p", 3, 3);
	broker_stage_add_desktop(&broker, "d-1", "p", "ready");
	broker_stage_add_desktop(&broker, "d-2", "p", "ready");
	broker_stage_add_desktop(&broker, "d-3", "p", "ready");
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
		broker_stage_run(&broker, rows[i]);
	broker_stage_add_desktop(&broker, "d-4", "p", "ready");
	for (gsize i = 0; i < G_N_ELEMENTS(broken); i++) {
		g_autoptr(GError) error = NULL;

		if (store_change(broker.store, &error, broken[i].sql, "") >= 0)
			fail_msg("was not refused: %s", broken[i].sql);
		assert_true(g_error_matches(error, STORE_ERROR, STORE_ERROR_CONSTRAINT));
		if (!strstr(error->message, broken[i].word))
			fail_msg("%s: '%s' does not say '%s'", broken[i].sql, error->message,
				 broken[i].word);
	}
	assert_int_equal(broker_stage_count(&broker, "SELECT count(*) FROM session"), 1);
	broker_stage_done(&broker);
}

static void
test_store_sqlite__values_come_back(void **state)
{
	struct broker broker;
	g_autoptr(GError) error = NULL;
	json_t *row;

	(void)state;
	broker_stage_init(&broker);
	row = store_query_one(broker.store, &error,
			      "SELECT $2 AS text, $1 AS number, $3 AS absent, $2 AS again", "iss",
			      G_MAXINT64, "a'b\"; DROP", NULL);
	assert_non_null(row);
	assert_string_equal(json_get_text(row, "text", ""), "a'b\"; DROP");
	assert_string_equal(json_get_text(row, "again", ""), "a'b\"; DROP");
	assert_true(json_get_integer(row, "number", 0) == G_MAXINT64);
	assert_true(json_is_null(json_object_get(row, "absent")));
	json_decref(row);
	assert_null(store_query_one(broker.store, &error, "SELECT 1 FROM pool", ""));
	assert_null(error);
	assert_int_equal(store_query_integer(broker.store, &error, 7, "SELECT NULL", ""), 7);
	assert_int_equal(store_change(broker.store, &error, "UPDATE nothing SET a = 1", ""), -1);
	assert_true(g_error_matches(error, STORE_ERROR, STORE_ERROR_FAILED));
	broker_stage_done(&broker);
}

static void
test_store_sqlite__rolls_back_and_commits(void **state)
{
	struct broker broker;
	g_autoptr(GError) error = NULL;

	(void)state;
	broker_stage_init(&broker);
	assert_true(store_begin(broker.store, &error));
	broker_stage_add_pool(&broker, "a", 1, 1);
	store_rollback(broker.store);
	assert_int_equal(broker_stage_count(&broker, "SELECT count(*) FROM pool"), 0);
	assert_true(store_begin(broker.store, &error));
	broker_stage_add_pool(&broker, "a", 1, 1);
	assert_true(store_commit(broker.store, &error));
	store_rollback(broker.store);
	assert_int_equal(broker_stage_count(&broker, "SELECT count(*) FROM pool"), 1);
	broker_stage_done(&broker);
}

static void
test_store_sqlite__keeps_a_file_to_itself(void **state)
{
	g_autofree char *folder = g_dir_make_tmp("carrel-store-XXXXXX", NULL);
	g_autofree char *path = g_build_filename(folder, "carrel.db", NULL);
	g_autofree char *link = g_build_filename(folder, "link.db", NULL);
	g_autoptr(GError) error = NULL;
	struct store *store = store_sqlite_open(path, &error);

	(void)state;
	assert_non_null(store);
	assert_null(store_sqlite_open(path, &error));
	assert_non_null(strstr(error->message, path));
	assert_non_null(strstr(error->message, "another carrel-broker uses it"));
	g_clear_error(&error);
	assert_int_equal(store_change(store, &error, "PRAGMA user_version = 99", ""), 0);
	store_close(store);
	assert_null(store_sqlite_open(path, &error));
	assert_true(g_error_matches(error, STORE_ERROR, STORE_ERROR_VERSION));
	g_clear_error(&error);
	assert_int_equal(symlink(path, link), 0);
	assert_null(store_sqlite_open(link, &error));
	g_unlink(link);
	g_unlink(path);
	g_rmdir(folder);
}

/* A database as a broker before schema 4 left it. */
static const char old_rows[] =
	"INSERT INTO host (name, instance, seen_ms, ram_mib, ram_free_mib, cpus, engines, proxy, drain)"
	" VALUES ('h1', 'i1', 1, 1024, 1024, 2, '[]', '', 1);"
	"INSERT INTO pool VALUES ('p', 't', 0, 1, 1, '[]', '[]', 'none', 'destroy-on-logoff', NULL, 'r', 1);"
	"INSERT INTO desktop VALUES ('d-1', 3, 'p', 'h1', 't', 1, 'kvm', 'user', 512, 'none', 'ready', 'active', 1,"
	" 'why', 11, 12);"
	"INSERT INTO session (id, user, groups, pool, desktop, generation, keyboard, variant, locale, timezone,"
	" opened_ms) VALUES ('s-1', 'ada', '[]', 'p', 'd-1', 3, 'us', '', 'C', 'UTC', 1);"
	"INSERT INTO ticket VALUES ('x', 's-1', 'd-1', 3, 'h1', 'i1', 'spice', 'sent', 1);"
	/* more than the pool's size, as after it was made smaller; one is gone */
	"UPDATE pool SET size = 2;"
	"INSERT INTO desktop VALUES ('d-2', 1, 'p', 'h1', 't', 1, 'kvm', 'user', 512, 'none', 'ready', 'ready', 1,"
	" '', 1, 1);"
	"UPDATE pool SET size = 1;"
	"INSERT INTO desktop VALUES ('d-3', 1, 'p', 'h1', 't', 1, 'kvm', 'user', 512, 'none', 'gone', 'gone', 1,"
	" '', 1, 1);"
	"INSERT INTO job VALUES ('j-1', 'publish', '{\"a\":1}', 'h1', 't', 2, 'failed', 'seal', 40, 7, 'why', '{\"b\":2}', 1, 1,"
	" 'root', 13, 14);";

static void
make_old(const char *path, guint version)
{
	g_autofree char *set = g_strdup_printf("PRAGMA user_version = %u", version);
	sqlite3 *old;

	assert_int_equal(sqlite3_open(path, &old), SQLITE_OK);
	for (guint i = 0; i < version; i++)
		assert_int_equal(sqlite3_exec(old, store_schema_steps[i], NULL, NULL, NULL),
				 SQLITE_OK);
	assert_int_equal(sqlite3_exec(old, old_rows, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_exec(old, set, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(old), SQLITE_OK);
}

/* Who is logged in while the broker is replaced by a newer one stays so. */
static void
test_store_sqlite__an_old_one_keeps_its_rows(void **state)
{
	static const char *const kept[] = {
		"SELECT count(*) = 1 FROM session WHERE id = 's-1' AND desktop = 'd-1' AND closed_ms IS NULL",
		"SELECT count(*) = 1 FROM ticket WHERE session = 's-1'",
		"SELECT count(*) = 1 FROM desktop WHERE id = 'd-1' AND generation = 3 AND state = 'active' AND want = 'ready'"
		" AND suspend = 0 AND reported = 1 AND error = 'why' AND created_ms = 11 AND changed_ms = 12",
		"SELECT count(*) = 3 FROM desktop",
		"SELECT count(*) = 3 FROM desktop WHERE move_to IS NULL AND move_from IS NULL AND move_error = ''",
		"SELECT count(*) = 1 FROM job WHERE id = 'j-1' AND kind = 'publish' AND arguments = '{\"a\":1}' AND host = 'h1'"
		" AND template = 't' AND version = 2 AND state = 'failed' AND step = 'seal' AND percent = 40"
		" AND seconds_left = 7 AND error = 'why' AND result = '{\"b\":2}' AND cancel = 1 AND reported = 1"
		" AND user = 'root' AND created_ms = 13 AND changed_ms = 14 AND reason = ''",
		"SELECT drain = 1 AND maintenance = 0 AND exchange = 0 FROM host",
		"SELECT size = 1 AND auto_spare = 0 FROM pool",
		"SELECT count(*) = 0 FROM pragma_foreign_key_check",
	};
	g_autofree char *folder = g_dir_make_tmp("carrel-store-XXXXXX", NULL);
	struct broker broker = { .store = NULL };
	g_autofree char *path = g_build_filename(folder, "carrel.db", NULL);
	g_autoptr(GError) error = NULL;

	(void)state;
	make_old(path, 3);
	broker.store = store_sqlite_open(path, &error);
	if (!broker.store)
		fail_msg("%s", error->message);
	for (gsize i = 0; i < G_N_ELEMENTS(kept); i++)
		if (broker_stage_count(&broker, kept[i]) != 1)
			fail_msg("is not so: %s", kept[i]);
	/* the new table is what sessions refer to, and has the old one's triggers */
	assert_int_equal(
		store_change(broker.store, NULL, "DELETE FROM desktop WHERE id = 'd-1'", ""), -1);
	assert_int_equal(store_change(broker.store, NULL,
				      "UPDATE desktop SET state = 'ready' WHERE id = 'd-3'", ""),
			 -1);
	assert_int_equal(store_change(broker.store, NULL, "UPDATE job SET state = 'done'", ""), -1);
	broker_stage_done(&broker);
	g_unlink(path);
	g_rmdir(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_store_sqlite__schema_holds_the_invariants),
		cmocka_unit_test(test_store_sqlite__values_come_back),
		cmocka_unit_test(test_store_sqlite__rolls_back_and_commits),
		cmocka_unit_test(test_store_sqlite__keeps_a_file_to_itself),
		cmocka_unit_test(test_store_sqlite__an_old_one_keeps_its_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
