/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_ticket_issue.c - a ticket waits for the log-in inside and its host's word, and is its user's only
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "broker/assign.h"
#include "broker/host_sync.h"
#include "broker/ticket_issue.h"
#include "tests/unit/broker_stage.h"

struct ticket_stage {
	struct broker broker;
	char *session;
};

static void
stage_init(struct ticket_stage *stage)
{
	broker_stage_init(&stage->broker);
	stage->broker.tickets = ticket_table_new(&stage->broker);
	stage->broker.hosts = host_table_new(&stage->broker);
	broker_stage_add_pool(&stage->broker, "p", 5, 5);
	broker_stage_add_desktop(&stage->broker, "d-1", "p", "ready");
	stage->session = broker_stage_assign(&stage->broker, "ada");
	assert_non_null(stage->session);
}

static void
stage_done(struct ticket_stage *stage)
{
	ticket_table_free(stage->broker.tickets);
	host_table_free(stage->broker.hosts);
	broker_stage_done(&stage->broker);
	g_free(stage->session);
}

static struct stage_request *
begin(struct ticket_stage *stage, const char *user)
{
	struct stage_request *request = stage_request_new(user, stage->session, NULL);

	ticket_issue_begin(stage->broker.tickets, &request->request, "spice");
	return request;
}

static void
set_state(struct ticket_stage *stage, const char *desktop_state)
{
	assert_int_equal(store_change(stage->broker.store, NULL, "UPDATE desktop SET state = $1",
				      "s", desktop_state),
			 1);
}

/* The host says this of every ticket in its list; returns how many there were. */
static gsize
note(struct ticket_stage *stage, const char *host, const char *ticket_state)
{
	json_t *list = ticket_issue_list(stage->broker.tickets, "h1");
	gsize count = json_array_size(list);
	g_autoptr(GError) error = NULL;

	for (gsize i = 0; i < count; i++) {
		json_t *report = json_pack("{s:s, s:s, s:s, s:s, s:i}", "hash",
					   json_get_text(json_array_get(list, i), "hash", ""),
					   "state", ticket_state, "ca", "PEM", "host_subject",
					   "CN=d-1", "tls_port", 61000);

		assert_true(ticket_issue_note(stage->broker.tickets, host, report, &error));
		json_decref(report);
	}
	json_decref(list);
	ticket_issue_answer(stage->broker.tickets);
	return count;
}

static void
test_ticket_issue__waits_for_the_login_inside(void **state)
{
	/* The desktop's state, and whether its host gets the ticket then. */
	static const struct {
		const char *name;
		gsize count;
	} states[] = {
		{ "forking", 0 }, { "identifying", 0 },	 { "ready", 0 },    { "retiring", 0 },
		{ "active", 1 },  { "disconnected", 1 }, { "assigned", 1 },
	};
	struct ticket_stage stage;
	struct stage_request *request;
	json_t *vv;

	(void)state;
	stage_init(&stage);
	request = begin(&stage, "ada");
	for (gsize i = 0; i < G_N_ELEMENTS(states); i++) {
		json_t *list;

		set_state(&stage, states[i].name);
		list = ticket_issue_list(stage.broker.tickets, "h1");
		assert_int_equal(json_array_size(list), states[i].count);
		json_decref(list);
		assert_int_equal(request->answers, 0);
	}
	assert_int_equal(note(&stage, "h1", "ready"), 1);
	assert_int_equal(request->answers, 1);
	assert_int_equal(request->status, 200);
	vv = json_object_get(request->body, "vv");
	assert_string_equal(json_get_text(vv, "host-subject", ""), "CN=d-1");
	assert_string_equal(json_get_text(vv, "proxy", ""), "http://127.0.0.1:3128");
	assert_string_not_equal(json_get_text(vv, "host", ""), json_get_text(vv, "password", ""));
	/* The secrets are nowhere but in the answer. */
	assert_int_equal(store_query_integer(stage.broker.store, NULL, -1,
					     "SELECT count(*) FROM ticket WHERE hash IN ($1, $2)",
					     "ss", json_get_text(vv, "host", ""),
					     json_get_text(vv, "password", "")),
			 0);
	assert_int_equal(note(&stage, "h1", "spent"), 0);
	stage_request_free(request);
	stage_done(&stage);
}

static void
test_ticket_issue__is_refused(void **state)
{
	/* What the host says, or what happens to the session; the answer. */
	static const struct {
		const char *ticket_state;
		const char *sql;
		guint status;
		const char *code;
	} cases[] = {
		{ "refused", NULL, 409, "ticket.refused" },
		{ "void", NULL, 409, "ticket.refused" },
		{ "expired", NULL, 409, "ticket.refused" },
		{ "ready", "UPDATE session SET closed_ms = 1", 404, "session.unknown" },
	};

	(void)state;
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct ticket_stage stage;
		struct stage_request *request;

		stage_init(&stage);
		set_state(&stage, "assigned");
		request = begin(&stage, "ada");
		if (cases[i].sql)
			broker_stage_run(&stage.broker, cases[i].sql);
		note(&stage, "h1", cases[i].ticket_state);
		assert_int_equal(request->status, cases[i].status);
		assert_string_equal(stage_request_code(request), cases[i].code);
		stage_request_free(request);
		stage_done(&stage);
	}
}

/* Its host says why a desktop does not go on: the user is told that, not that the host is silent. */
static void
test_ticket_issue__of_what_cannot_be_resumed_is_answered(void **state)
{
	static const struct {
		const char *state;
		const char *error;
		guint answers;
	} cases[] = {
		{ "suspended", "", 0 }, /* it has not begun */
		{ "resuming", "it cannot be resumed: why", 0 },
		{ "assigned", "it cannot be suspended: why", 0 },
		{ "suspended", "it cannot be resumed: why", 1 },
	};

	(void)state;
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct ticket_stage stage;
		struct stage_request *request;

		stage_init(&stage);
		set_state(&stage, "suspended");
		broker_stage_run(&stage.broker, "UPDATE desktop SET suspend = 1");
		request = begin(&stage, "ada");
		assert_int_equal(store_change(stage.broker.store, NULL,
					      "UPDATE desktop SET state = $1, error = $2", "ss",
					      cases[i].state, cases[i].error),
				 1);
		ticket_issue_answer(stage.broker.tickets);
		assert_int_equal(request->answers, cases[i].answers);
		if (cases[i].answers > 0) {
			assert_int_equal(request->status, 503);
			assert_string_equal(stage_request_code(request), "desktop.stuck");
		}
		assert_int_equal(
			broker_stage_count(&stage.broker,
					   "SELECT count(*) FROM ticket WHERE state = 'void'"),
			cases[i].answers);
		stage_done(&stage); /* answers all that still wait */
		stage_request_free(request);
	}
}

static void
test_ticket_issue__is_its_users_and_hosts(void **state)
{
	struct ticket_stage stage;
	struct stage_request *request;
	struct stage_request *other;

	(void)state;
	stage_init(&stage);
	set_state(&stage, "assigned");
	other = begin(&stage, "bob");
	assert_string_equal(stage_request_code(other), "session.unknown");
	request = begin(&stage, "ada");
	assert_int_equal(note(&stage, "h2", "ready"), 1);
	assert_int_equal(request->answers, 0);
	assert_int_equal(broker_stage_count(&stage.broker,
					    "SELECT count(*) FROM ticket WHERE state = 'sent'"),
			 1);
	assert_int_equal(note(&stage, "h1", "ready"), 1);
	assert_int_equal(request->status, 200);
	stage_request_free(other);
	stage_request_free(request);
	stage_done(&stage);
}

static void
test_ticket_issue__a_new_instance_voids_all(void **state)
{
	struct ticket_stage stage;
	struct stage_request *request;
	g_autoptr(GError) error = NULL;

	(void)state;
	stage_init(&stage);
	set_state(&stage, "assigned");
	request = begin(&stage, "ada");
	assert_true(ticket_issue_void_host(stage.broker.tickets, "h2", &error));
	ticket_issue_answer(stage.broker.tickets);
	assert_int_equal(request->answers, 0);
	assert_true(ticket_issue_void_host(stage.broker.tickets, "h1", &error));
	ticket_issue_answer(stage.broker.tickets);
	assert_string_equal(stage_request_code(request), "ticket.refused");
	assert_int_equal(broker_stage_count(&stage.broker,
					    "SELECT count(*) FROM ticket WHERE state = 'void'"),
			 1);
	stage_request_free(request);
	stage_done(&stage);
}

static void
test_ticket_issue__a_session_has_four_at_a_time(void **state)
{
	struct stage_request *requests[5];
	struct ticket_stage stage;

	(void)state;
	stage_init(&stage);
	for (gsize i = 0; i < G_N_ELEMENTS(requests); i++)
		requests[i] = begin(&stage, "ada");
	assert_int_equal(requests[3]->answers, 0);
	assert_string_equal(stage_request_code(requests[4]), "ticket.busy");
	/* The broker's end answers those that wait. */
	stage_done(&stage);
	for (gsize i = 0; i < G_N_ELEMENTS(requests); i++) {
		assert_int_equal(requests[i]->answers, 1);
		assert_int_equal(requests[i]->status, 503);
		stage_request_free(requests[i]);
	}
}

/* Two viewers that lose their display to each other must not take it back by themselves. */
static void
test_ticket_issue__a_display_taken_since_is_not_taken_back(void **state)
{
	static const struct {
		const char *after;
		const char *newer_state;
		const char *code; /* "": it is made */
	} cases[] = {
		{ "mine", "spent", "session.elsewhere" },
		{ "newer", "spent", "" },
		{ "nobody's", "spent", "" },
		{ "mine", "ready", "" },
		{ "mine", "expired", "" },
		{ NULL, "spent", "" },
	};
	struct ticket_stage stage;

	(void)state;
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct stage_request *request;

		stage_init(&stage);
		assert_int_equal(
			store_change(
				stage.broker.store, NULL,
				"INSERT INTO ticket SELECT column1, $1, 'd-1', 1, 'h1', 'i', 'spice',"
				" column2, column3 FROM (VALUES ('mine', 'spent', 1), ('newer', $2, 2))",
				"ss", stage.session, cases[i].newer_state),
			2);
		request = stage_request_new(
			"ada", stage.session,
			json_pack("{s:s, s:s*}", "protocol", "spice", "after", cases[i].after));
		ticket_issue_begin(stage.broker.tickets, &request->request, "spice");
		assert_string_equal(stage_request_code(request), cases[i].code);
		stage_done(&stage);
		stage_request_free(request);
	}
}

/* Its user's word resumes it; a viewer that lost its display to the suspension comes back by itself and does not. */
static void
test_ticket_issue__resumes_what_its_user_opens(void **state)
{
	static const struct {
		const char *state;
		gint64 suspend, maintenance;
		const char *after;
		const char *code; /* "": it is made, and waits */
		gint64 left;	  /* suspended still */
	} cases[] = {
		{ "suspended", 1, 0, NULL, "", 0 },
		{ "active", 1, 0, NULL, "", 0 },
		{ "suspending", 0, 0, NULL, "", 0 },
		{ "suspended", 1, 0, "mine", "session.suspended", 1 },
		{ "active", 1, 0, "mine", "session.suspended", 1 },
		{ "suspending", 0, 0, "mine", "session.suspended", 0 },
		{ "resuming", 0, 0, "mine", "", 0 },
		{ "suspended", 0, 1, NULL, "host.maintenance", 0 },
		{ "suspended", 1, 1, "mine", "host.maintenance", 1 },
		{ "active", 0, 1, NULL, "host.maintenance", 0 },
		{ "exporting", 1, 0, NULL, "desktop.moving", 0 },
		{ "arriving", 0, 0, NULL, "desktop.moving", 0 },
		{ "exported", 1, 1, NULL, "desktop.moving", 0 },
		{ "arriving", 1, 0, "mine", "session.suspended", 1 },
	};

	(void)state;
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct stage_request *request;
		struct ticket_stage stage;

		stage_init(&stage);
		set_state(&stage, cases[i].state);
		assert_int_equal(store_change(stage.broker.store, NULL,
					      "UPDATE desktop SET suspend = $1", "i",
					      cases[i].suspend),
				 1);
		assert_int_equal(store_change(stage.broker.store, NULL,
					      "UPDATE host SET maintenance = $1", "i",
					      cases[i].maintenance),
				 1);
		broker_stage_run(&stage.broker, "UPDATE desktop SET move_from = host WHERE state IN"
						" ('exporting', 'exported', 'arriving')");
		request = stage_request_new(
			"ada", stage.session,
			json_pack("{s:s, s:s*}", "protocol", "spice", "after", cases[i].after));
		ticket_issue_begin(stage.broker.tickets, &request->request, "spice");
		assert_string_equal(stage_request_code(request), cases[i].code);
		assert_int_equal(
			broker_stage_count(&stage.broker, "SELECT sum(suspend) FROM desktop"),
			cases[i].left);
		stage_done(&stage);
		stage_request_free(request);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ticket_issue__waits_for_the_login_inside),
		cmocka_unit_test(test_ticket_issue__is_refused),
		cmocka_unit_test(test_ticket_issue__of_what_cannot_be_resumed_is_answered),
		cmocka_unit_test(test_ticket_issue__is_its_users_and_hosts),
		cmocka_unit_test(test_ticket_issue__a_new_instance_voids_all),
		cmocka_unit_test(test_ticket_issue__a_session_has_four_at_a_time),
		cmocka_unit_test(test_ticket_issue__a_display_taken_since_is_not_taken_back),
		cmocka_unit_test(test_ticket_issue__resumes_what_its_user_opens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
