/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_pools.c - how many desktops a host is promised, and which are wanted
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "broker/assign.h"
#include "broker/pools.h"
#include "tests/unit/broker_stage.h"

static gint64
fits(struct broker *broker, const char *pool, const char *templ)
{
	struct pools_room room = { 0 };
	g_autoptr(GError) error = NULL;

	assert_true(pools_find_room(broker->store, pool, templ, 0, &room, &error));
	return room.versions > 0 ? room.fits : -1;
}

static void
reconcile(struct broker *broker, gboolean wanted_change)
{
	g_autoptr(GError) error = NULL;
	gboolean changed;

	assert_true(pools_reconcile(broker->store, &changed, &error));
	assert_int_equal(changed, wanted_change);
}

#define WANTED "SELECT count(*) FROM desktop WHERE want = 'ready'"

static void
test_pools__forks_share_their_template(void **state)
{
	struct broker broker;

	(void)state;
	broker_stage_init(&broker);
	/* 24 GiB take 200 forks of 1 GiB; 10 % of it each, and the template once. */
	assert_int_equal(fits(&broker, "p", "t"), (24576 - 1024) / 102);
	assert_true(fits(&broker, "p", "t") >= 200);
	assert_int_equal(fits(&broker, "p", "none"), -1);
	broker_stage_add_pool(&broker, "p", 100, 100);
	assert_int_equal(fits(&broker, "p", "t"), (24576 - 1024) / 102);
	assert_int_equal(fits(&broker, "q", "t"), (24576 - 1024 - 100 * 102) / 102);
	broker_stage_run(
		&broker,
		"INSERT INTO template VALUES ('small', 1, 'h1', 'qemu', '[]', 256, 1, 'r')");
	assert_int_equal(fits(&broker, "q", "small"), (24576 - 1024 - 100 * 102 - 256) / 64);
	broker_stage_run(&broker, "UPDATE host SET ram_mib = 900");
	assert_int_equal(fits(&broker, "p", "t"), 0);
	broker_stage_run(&broker, "UPDATE host SET ram_mib = 1024 + 101");
	assert_int_equal(fits(&broker, "p", "t"), 0);
	broker_stage_run(&broker, "UPDATE host SET ram_mib = 1024 + 102");
	assert_int_equal(fits(&broker, "p", "t"), 1);
	broker_stage_done(&broker);
}

static void
test_pools__spare_ones_follow_the_used(void **state)
{
	struct broker broker;
	g_autofree char *session = NULL;

	(void)state;
	broker_stage_init(&broker);
	broker_stage_add_pool(&broker, "p", 3, 1);
	reconcile(&broker, TRUE);
	reconcile(&broker, FALSE);
	assert_int_equal(broker_stage_count(&broker, WANTED), 1);
	session = broker_stage_assign(&broker, "ada");
	assert_non_null(session);
	reconcile(&broker, TRUE);
	assert_int_equal(broker_stage_count(&broker, WANTED), 2);
	broker_stage_run(&broker, "UPDATE pool SET size = 1");
	reconcile(&broker, TRUE);
	assert_int_equal(broker_stage_count(&broker, WANTED), 1);
	/* The one in use stays, even in a pool that has shrunk to nothing. */
	broker_stage_run(&broker, "UPDATE pool SET size = 0");
	reconcile(&broker, FALSE);
	assert_int_equal(broker_stage_count(&broker, WANTED), 1);
	broker_stage_done(&broker);
}

/* What making a desktop of 't' has taken, in a row that is gone since. */
static void
note_forks(struct broker *broker, gint64 ms, guint count)
{
	static guint number;

	for (guint i = 0; i < count; i++) {
		g_autofree char *id = g_strdup_printf("d-%u", number++);

		broker_stage_add_desktop(broker, id, "other", "ready");
		assert_true(assign_note_time(broker->store, id, "fork", ms / 3, NULL));
		assert_true(assign_note_time(broker->store, id, "agent", ms / 3, NULL));
		assert_true(assign_note_time(broker->store, id, "identify", ms - ms / 3 * 2, NULL));
	}
	broker_stage_run(broker,
			 "UPDATE desktop SET want = 'gone', state = 'gone' WHERE pool = 'other'");
	broker_stage_run(broker, "UPDATE desktop SET created_ms = created_ms - 1000000");
}

static void
test_pools__spare_ones_follow_the_time_that_one_takes(void **state)
{
	static const struct {
		gint64 ms; /* of each */
		guint count;
		gint64 wanted;
	} cases[] = {
		{ 0, 0, 5 }, /* nobody has seen one yet */
		{ 300, 3, 0 }, { 301, 5, 1 }, { 2500, 20, 3 }, { 3000, 20, 3 }, { 90000, 20, 5 },
	};
	struct broker broker;

	(void)state;
	broker_stage_init(&broker);
	broker_stage_add_pool(&broker, "other", 100, 0);
	broker_stage_add_pool(&broker, "p", 5, 2);
	broker_stage_run(&broker, "UPDATE pool SET auto_spare = 1 WHERE name = 'p'");
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;
		gboolean changed;

		note_forks(&broker, cases[i].ms, cases[i].count);
		assert_true(pools_reconcile(broker.store, &changed, &error));
		assert_int_equal(broker_stage_count(&broker, WANTED " AND pool = 'p'"),
				 cases[i].wanted);
	}
	/* of another version nothing is known */
	broker_stage_run(&broker,
			 "INSERT INTO template VALUES ('t', 2, 'h1', 'qemu', '[]', 1024, 1, 'r')");
	note_forks(&broker, 100, 20);
	reconcile(&broker, TRUE);
	assert_int_equal(broker_stage_count(&broker, WANTED " AND pool = 'p'"), 5);
	broker_stage_done(&broker);
}

/* A pool that keeps none ready makes one for who comes, as many as it may have. */
static void
test_pools__who_finds_none_free_makes_one(void **state)
{
	g_autofree char *ada = NULL, *bob = NULL;
	struct broker broker;

	(void)state;
	broker_stage_init(&broker);
	broker_stage_add_pool(&broker, "p", 1, 0);
	reconcile(&broker, FALSE);
	assert_int_equal(broker_stage_count(&broker, WANTED), 0);
	ada = broker_stage_assign(&broker, "ada");
	assert_non_null(ada);
	assert_int_equal(broker_stage_count(&broker, WANTED), 1);
	reconcile(&broker, FALSE);
	bob = broker_stage_assign(&broker, "bob");
	assert_null(bob);
	broker_stage_run(&broker, "UPDATE pool SET size = 2");
	broker_stage_run(&broker, "UPDATE host SET drain = 1");
	bob = broker_stage_assign(&broker, "bob");
	assert_null(bob);
	broker_stage_run(&broker, "UPDATE host SET drain = 0");
	bob = broker_stage_assign(&broker, "bob");
	assert_non_null(bob);
	assert_int_equal(broker_stage_count(&broker, WANTED), 2);
	broker_stage_done(&broker);
}

#define GONE "SELECT count(*) FROM desktop WHERE want = 'gone'"

static void
test_pools__old_ones_are_replaced(void **state)
{
	/* One after the other, in a pool of three of which one is used: that one always stays. */
	static const struct {
		const char *change;
		gint64 replaced;
	} cases[] = {
		{ "INSERT INTO template VALUES ('t', 2, 'h1', 'qemu', '[]', 1024, 1, 'r')", 2 },
		{ "INSERT INTO template VALUES ('u', 2, 'h1', 'qemu', '[]', 1024, 1, 'r')", 0 },
		{ "UPDATE pool SET template = 'u'", 2 },
		{ "UPDATE pool SET network = 'passt'", 2 },
	};
	struct broker broker;
	g_autofree char *session = NULL;

	(void)state;
	broker_stage_init(&broker);
	broker_stage_add_pool(&broker, "p", 3, 3);
	reconcile(&broker, TRUE);
	session = broker_stage_assign(&broker, "ada");
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		gint64 gone = broker_stage_count(&broker, GONE);

		broker_stage_run(&broker, cases[i].change);
		reconcile(&broker, cases[i].replaced > 0);
		assert_int_equal(broker_stage_count(&broker, WANTED), 3);
		assert_int_equal(broker_stage_count(&broker, GONE) - gone, cases[i].replaced);
	}
	assert_int_equal(
		broker_stage_count(&broker,
				   "SELECT count(*) FROM desktop WHERE want = 'ready' AND id ="
				   " (SELECT desktop FROM session)"),
		1);
	broker_stage_run(&broker, "DELETE FROM template");
	reconcile(&broker, FALSE);
	broker_stage_done(&broker);
}

static void
test_pools__rest_after_failures(void **state)
{
	struct broker broker;

	(void)state;
	broker_stage_init(&broker);
	broker_stage_add_pool(&broker, "p", 5, 5);
	reconcile(&broker, TRUE);
	broker_stage_run(&broker, "UPDATE desktop SET state = 'failed', want = 'gone',"
				  " changed_ms = CAST(strftime('%s', 'now') AS INTEGER) * 1000");
	reconcile(&broker, FALSE);
	assert_non_null(strstr(pools_explain_rest(broker.store, "p"), "carrel desktop list"));
	broker_stage_run(&broker, "UPDATE desktop SET changed_ms = changed_ms - 121000");
	assert_string_equal(pools_explain_rest(broker.store, "p"), "");
	reconcile(&broker, TRUE);
	assert_int_equal(broker_stage_count(&broker, WANTED), 5);
	broker_stage_done(&broker);
}

#define SEEN	  "UPDATE host SET seen_ms = unixepoch() * 1000"
#define ON_SILENT " AND host = 'silent'"
#define ASSIGNED  " AND id IN (SELECT desktop FROM session)"

/* And the other one has just reported. */
static void
add_silent_host(struct broker *broker)
{
	broker_stage_run(broker, SEEN);
	broker_stage_run(
		broker,
		"INSERT INTO host (name, instance, seen_ms, ram_mib, ram_free_mib, cpus, engines, proxy)"
		" VALUES ('silent', 'i2', 1, 49152, 40000, 2, '[]', '')");
	broker_stage_run(
		broker,
		"INSERT INTO template (name, version, host, engine, kinds, ram_mib, created_ms, author)"
		" VALUES ('t', 1, 'silent', 'qemu', '[\"user\"]', 1024, 1, 'root')");
}

/* It has most room, and does not answer; where there is no other its desktops wait for it. */
static void
test_pools__a_silent_host_comes_last(void **state)
{
	struct broker broker;

	(void)state;
	broker_stage_init(&broker);
	add_silent_host(&broker);
	broker_stage_add_pool(&broker, "p", 2, 1);
	reconcile(&broker, TRUE);
	assert_int_equal(broker_stage_count(&broker, WANTED ON_SILENT), 0);
	broker_stage_run(&broker, "UPDATE pool SET spare = 2");
	broker_stage_run(&broker, "UPDATE host SET drain = 1 WHERE name = 'h1'");
	reconcile(&broker, TRUE);
	assert_int_equal(broker_stage_count(&broker, WANTED ON_SILENT), 2);
	broker_stage_done(&broker);
}

/* What is free there is nobody's until its host is back; then there are too many. */
static void
test_pools__others_stand_in_for_those_of_a_silent_host(void **state)
{
	struct broker broker;

	(void)state;
	broker_stage_init(&broker);
	add_silent_host(&broker);
	broker_stage_run(&broker, "UPDATE host SET drain = name = 'h1'");
	broker_stage_add_pool(&broker, "p", 3, 2);
	reconcile(&broker, TRUE);
	assert_int_equal(broker_stage_count(&broker, WANTED ON_SILENT), 2);
	broker_stage_run(&broker, "UPDATE host SET drain = 0");
	reconcile(&broker, TRUE);
	reconcile(&broker, FALSE);
	assert_int_equal(broker_stage_count(&broker, WANTED ON_SILENT), 2);
	assert_int_equal(broker_stage_count(&broker, WANTED), 3);
	broker_stage_run(&broker, SEEN);
	reconcile(&broker, TRUE);
	reconcile(&broker, FALSE);
	assert_int_equal(broker_stage_count(&broker, WANTED), 2);
	broker_stage_done(&broker);
}

/* Its user would wait for a host that may never come back. */
static void
test_pools__nobody_gets_one_of_a_silent_host_while_there_is_another(void **state)
{
	struct broker broker;
	g_autofree char *ada = NULL;
	g_autofree char *bob = NULL;
	g_autofree char *eve = NULL;

	(void)state;
	broker_stage_init(&broker);
	add_silent_host(&broker);
	broker_stage_run(&broker, "UPDATE host SET drain = name = 'h1'");
	broker_stage_add_pool(&broker, "p", 3, 1);
	reconcile(&broker, TRUE);
	assert_int_equal(broker_stage_count(&broker, WANTED ON_SILENT), 1);
	broker_stage_run(&broker, "UPDATE host SET drain = 0");
	ada = broker_stage_assign(&broker, "ada");
	bob = broker_stage_assign(&broker, "bob");
	assert_non_null(ada);
	assert_non_null(bob);
	assert_int_equal(broker_stage_count(&broker, WANTED ON_SILENT ASSIGNED), 0);
	/* the pool is full, and hers may come back */
	eve = broker_stage_assign(&broker, "eve");
	assert_non_null(eve);
	assert_int_equal(broker_stage_count(&broker, WANTED ON_SILENT ASSIGNED), 1);
	broker_stage_done(&broker);
}

static void
test_pools__drained_hosts_keep_only_users(void **state)
{
	struct broker broker;
	g_autofree char *session = NULL;

	(void)state;
	broker_stage_init(&broker);
	broker_stage_add_pool(&broker, "p", 3, 3);
	reconcile(&broker, TRUE);
	session = broker_stage_assign(&broker, "ada");
	broker_stage_run(&broker, "UPDATE host SET drain = 1");
	reconcile(&broker, TRUE);
	reconcile(&broker, FALSE);
	assert_int_equal(broker_stage_count(&broker, WANTED), 1);
	assert_null(broker_stage_assign(&broker, "bob"));
	broker_stage_run(&broker, "UPDATE host SET drain = 0");
	reconcile(&broker, TRUE);
	assert_int_equal(broker_stage_count(&broker, WANTED), 3);
	broker_stage_run(&broker, "UPDATE host SET maintenance = 1");
	reconcile(&broker, TRUE);
	reconcile(&broker, FALSE);
	assert_int_equal(broker_stage_count(&broker, WANTED), 1);
	broker_stage_done(&broker);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pools__forks_share_their_template),
		cmocka_unit_test(test_pools__spare_ones_follow_the_used),
		cmocka_unit_test(test_pools__spare_ones_follow_the_time_that_one_takes),
		cmocka_unit_test(test_pools__who_finds_none_free_makes_one),
		cmocka_unit_test(test_pools__old_ones_are_replaced),
		cmocka_unit_test(test_pools__rest_after_failures),
		cmocka_unit_test(test_pools__a_silent_host_comes_last),
		cmocka_unit_test(test_pools__others_stand_in_for_those_of_a_silent_host),
		cmocka_unit_test(
			test_pools__nobody_gets_one_of_a_silent_host_while_there_is_another),
		cmocka_unit_test(test_pools__drained_hosts_keep_only_users),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
