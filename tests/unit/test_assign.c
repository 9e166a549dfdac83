/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_assign.c - one transaction decides who gets which desktop
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/assign.h"
#include "tests/unit/broker_stage.h"

#define WANTED(want) "SELECT count(*) FROM desktop d WHERE " ASSIGN_DESKTOP_WANT " = '" want "'"

static enum assign_result
take(struct broker *broker, const char *user, const char *key, json_t **ret_session)
{
	const struct assign_request request = { .user = user,
						.groups = "[]",
						.pool = "p",
						.key = key,
						.keyboard = "us",
						.variant = "",
						.locale = "C.UTF-8",
						.timezone = "UTC",
						.authenticate_ms = 12,
						.begun_us = g_get_monotonic_time() };
	g_autoptr(GError) error = NULL;
	enum assign_result result = assign_take(broker->store, &request, ret_session, &error);

	assert_null(error);
	return result;
}

static void
expect(json_t *session, const char *desktop, const char *wanted)
{
	assert_string_equal(json_get_text(session, "desktop", ""), desktop);
	assert_string_equal(json_get_text(session, "state", ""), wanted);
	json_decref(session);
}

static void
test_assign__prefers_what_is_ready(void **state)
{
	struct broker broker;
	json_t *session;

	(void)state;
	broker_stage_init(&broker);
	broker_stage_add_pool(&broker, "p", 9, 9);
	broker_stage_add_pool(&broker, "q", 9, 9);
	broker_stage_add_desktop(&broker, "d-other", "q", "ready");
	broker_stage_add_desktop(&broker, "d-failed", "p", "failed");
	broker_stage_add_desktop(&broker, "d-forking", "p", "forking");
	broker_stage_add_desktop(&broker, "d-identifying", "p", "identifying");
	broker_stage_add_desktop(&broker, "d-ready", "p", "ready");
	broker_stage_add_desktop(&broker, "d-leaving", "p", "ready");
	broker_stage_run(&broker, "UPDATE desktop SET want = 'gone' WHERE id = 'd-leaving'");
	assert_int_equal(take(&broker, "ada", NULL, &session), ASSIGN_NEW);
	expect(session, "d-ready", "logging-in");
	assert_int_equal(take(&broker, "bob", NULL, &session), ASSIGN_NEW);
	expect(session, "d-identifying", "identifying");
	assert_int_equal(take(&broker, "eve", NULL, &session), ASSIGN_NEW);
	expect(session, "d-forking", "forking");
	broker_stage_run(&broker, "UPDATE pool SET size = 4 WHERE name = 'p'");
	assert_int_equal(take(&broker, "zoe", NULL, &session), ASSIGN_EMPTY);
	assert_null(session);
	broker_stage_done(&broker);
}

/* The last of all are those that have to be resumed first; on a host in maintenance there are none. */
static void
test_assign__wakes_what_is_suspended(void **state)
{
	struct broker broker;
	json_t *session;

	(void)state;
	broker_stage_init(&broker);
	broker_stage_add_pool(&broker, "p", 9, 9);
	broker_stage_add_desktop(&broker, "d-asleep", "p", "suspended");
	broker_stage_add_desktop(&broker, "d-forking", "p", "forking");
	broker_stage_run(&broker, "UPDATE desktop SET suspend = 1 WHERE id = 'd-asleep'");
	assert_int_equal(take(&broker, "ada", NULL, &session), ASSIGN_NEW);
	expect(session, "d-forking", "forking");
	broker_stage_run(&broker, "UPDATE host SET maintenance = 1");
	assert_int_equal(take(&broker, "bob", NULL, &session), ASSIGN_EMPTY);
	broker_stage_run(&broker, "UPDATE host SET maintenance = 0");
	assert_int_equal(take(&broker, "bob", NULL, &session), ASSIGN_NEW);
	expect(session, "d-asleep", "suspended");
	assert_int_equal(
		broker_stage_count(&broker, "SELECT count(*) FROM desktop WHERE suspend = 1"), 0);
	/* Whoever has one comes back to it. */
	broker_stage_run(&broker, "UPDATE desktop SET suspend = 1");
	assert_int_equal(take(&broker, "ada", NULL, &session), ASSIGN_EXISTING);
	expect(session, "d-forking", "forking");
	assert_int_equal(
		broker_stage_count(&broker, "SELECT count(*) FROM desktop WHERE suspend = 1"), 1);
	broker_stage_done(&broker);
}

/* One that its host could not resume is nobody's new desktop. */
static void
test_assign__leaves_what_cannot_be_resumed(void **state)
{
	struct broker broker;
	json_t *session;

	(void)state;
	broker_stage_init(&broker);
	broker_stage_add_pool(&broker, "p", 1, 1);
	broker_stage_add_desktop(&broker, "d-asleep", "p", "suspended");
	broker_stage_run(&broker, "UPDATE desktop SET error = 'it cannot be resumed: why'");
	assert_int_equal(take(&broker, "ada", NULL, &session), ASSIGN_EMPTY);
	broker_stage_run(&broker, "UPDATE desktop SET error = ''");
	assert_int_equal(take(&broker, "ada", NULL, &session), ASSIGN_NEW);
	expect(session, "d-asleep", "suspended");
	broker_stage_done(&broker);
}

static void
test_assign__wanted_is_what_its_host_makes_of_it(void **state)
{
	struct broker broker;

	(void)state;
	broker_stage_init(&broker);
	broker_stage_add_pool(&broker, "p", 9, 9);
	broker_stage_add_desktop(&broker, "d-1", "p", "active");
	broker_stage_add_desktop(&broker, "d-2", "p", "active");
	broker_stage_add_desktop(&broker, "d-3", "p", "active");
	broker_stage_run(&broker, "UPDATE desktop SET suspend = 1 WHERE id <> 'd-1'");
	broker_stage_run(&broker, "UPDATE desktop SET want = 'gone' WHERE id = 'd-3'");
	assert_int_equal(broker_stage_count(&broker, WANTED("ready")), 1);
	assert_int_equal(broker_stage_count(&broker, WANTED("suspended")), 1);
	assert_int_equal(broker_stage_count(&broker, WANTED("gone")), 1);
	broker_stage_run(&broker, "UPDATE host SET maintenance = 1");
	assert_int_equal(broker_stage_count(&broker, WANTED("suspended")), 2);
	assert_int_equal(broker_stage_count(&broker, WANTED("gone")), 1);
	broker_stage_done(&broker);
}

static void
test_assign__is_idempotent(void **state)
{
	struct broker broker;
	json_t *session;

	(void)state;
	broker_stage_init(&broker);
	broker_stage_add_pool(&broker, "p", 2, 2);
	broker_stage_add_desktop(&broker, "d-1", "p", "ready");
	broker_stage_add_desktop(&broker, "d-2", "p", "ready");
	assert_int_equal(take(&broker, "ada", "k", &session), ASSIGN_NEW);
	json_decref(session);
	broker_stage_run(&broker, "UPDATE desktop SET state = 'assigned' WHERE id = 'd-1'");
	assert_int_equal(take(&broker, "ada", "k", &session), ASSIGN_EXISTING);
	expect(session, "d-1", "assigned");
	assert_int_equal(take(&broker, "ada", NULL, &session), ASSIGN_EXISTING);
	expect(session, "d-1", "assigned");
	assert_int_equal(take(&broker, "bob", "k", &session), ASSIGN_NEW);
	expect(session, "d-2", "logging-in");
	broker_stage_run(&broker, "UPDATE session SET closed_ms = 1 WHERE user = 'ada'");
	assert_int_equal(take(&broker, "ada", "k", &session), ASSIGN_EXISTING);
	expect(session, "d-1", "closed");
	broker_stage_done(&broker);
}

static void
test_assign__released_desktops_are_destroyed(void **state)
{
	struct broker broker;
	g_autoptr(GError) error = NULL;
	g_autofree char *session = NULL, *other = NULL;

	(void)state;
	broker_stage_init(&broker);
	broker_stage_add_pool(&broker, "p", 1, 1);
	broker_stage_add_desktop(&broker, "d-1", "p", "ready");
	session = broker_stage_assign(&broker, "ada");
	assert_non_null(session);
	assert_true(assign_release(broker.store, session, "logoff", FALSE, &error));
	assert_true(assign_release(broker.store, session, "revoked", TRUE, &error));
	assert_true(assign_release(broker.store, "s-none", "revoked", TRUE, &error));
	assert_int_equal(
		broker_stage_count(&broker, "SELECT count(*) FROM desktop WHERE want = 'gone'"), 1);
	assert_int_equal(
		broker_stage_count(
			&broker,
			"SELECT count(*) FROM session WHERE reason = 'logoff' AND revoked = 0"
			" AND closed_ms > 0"),
		1);
	/* the next one gets another, which is made for him */
	other = broker_stage_assign(&broker, "bob");
	assert_non_null(other);
	assert_int_equal(
		broker_stage_count(&broker, "SELECT count(*) FROM session WHERE desktop = 'd-1'"),
		1);
	broker_stage_done(&broker);
}

static void
test_assign__first_time_of_a_step_counts(void **state)
{
	struct broker broker;
	g_autoptr(GError) error = NULL;

	(void)state;
	broker_stage_init(&broker);
	assert_true(assign_note_time(broker.store, "s-1", "fork", 5, &error));
	assert_true(assign_note_time(broker.store, "s-1", "fork", 9, &error));
	assert_true(assign_note_time(broker.store, "s-1", "connect", -3, &error));
	assert_int_equal(broker_stage_count(&broker, "SELECT sum(ms) FROM timing"), 5);
	assert_false(assign_note_time(broker.store, "s-1", "dream", 5, &error));
	broker_stage_done(&broker);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_assign__prefers_what_is_ready),
		cmocka_unit_test(test_assign__wakes_what_is_suspended),
		cmocka_unit_test(test_assign__leaves_what_cannot_be_resumed),
		cmocka_unit_test(test_assign__wanted_is_what_its_host_makes_of_it),
		cmocka_unit_test(test_assign__is_idempotent),
		cmocka_unit_test(test_assign__released_desktops_are_destroyed),
		cmocka_unit_test(test_assign__first_time_of_a_step_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
