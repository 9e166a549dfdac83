/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_moves.c - who has a desktop that moves: refusals, the way there, and the way back
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "broker/assign.h"
#include "broker/host_report.h"
#include "broker/moves.h"
#include "broker/ticket_issue.h"
#include "tests/unit/broker_stage.h"

#define ENGINES "[{\"name\":\"qemu\",\"usable\":true,\"networks\":[\"none\"]}]"
#define TEMPLATE                                                                                   \
	"{\"name\":\"t\",\"version\":1,\"engine\":\"qemu\",\"kinds\":[\"user\"],\"ram_mib\":1024," \
	"\"created_ms\":1,\"author\":\"root\"}"

struct stage {
	struct broker broker;
	char *session;
	gint64 events; /* told by each host */
	int number;    /* of the answer that says what is wanted now */
	int seen;      /* of the last one that they have heard */
};

/* An element of a report's desktops or events; NULL: none. */
static void
report(struct stage *f, const char *host, const char *state, const char *failure)
{
	g_autofree char *desktops =
		state ? g_strdup_printf("{\"id\":\"d-1\",\"generation\":1,\"state\":\"%s\"}", state)
		      : g_strdup("");
	g_autofree char *events =
		failure ? g_strdup_printf(
				  "{\"number\":%d,\"time_ms\":1,\"kind\":\"move_failed\",\"desktop\":\"d-1\","
				  "\"generation\":1,\"text\":\"%s\"}",
				  (int)++f->events, failure)
			: g_strdup("");
	g_autofree char *text = g_strdup_printf(
		"{\"v\":1,\"instance\":\"%s\",\"seen\":%d,\"capacity\":{\"ram_mib\":24576,\"ram_free_mib\":1,"
		"\"cpus\":2,\"engines\":" ENGINES
		",\"exchange\":true},\"gateway\":{\"proxy\":\"x\"},"
		"\"templates\":[" TEMPLATE "],\"images\":[],\"desktops\":[%s],\"jobs\":[],"
		"\"tickets\":[],\"answers\":[],\"events\":[%s]}",
		host, f->seen, desktops, events);
	json_t *whole = json_loads(text, 0, NULL);
	struct json_problem problem;
	g_autoptr(GError) error = NULL;
	gint64 acknowledged;

	assert_non_null(whole);
	if (host_report_check(whole, &problem) < 0)
		fail_msg("%s", problem.text);
	if (!host_report_apply(&f->broker, host, whole, f->number, &acknowledged, &error))
		fail_msg("%s", error->message);
	json_decref(whole);
}

static int
setup(void **state)
{
	struct stage *f = g_new0(struct stage, 1);

	f->number = 2;
	f->seen = 2;
	broker_stage_init(&f->broker);
	f->broker.tickets = ticket_table_new(&f->broker);
	broker_stage_add_pool(&f->broker, "p", 5, 0);
	broker_stage_add_desktop(&f->broker, "d-1", "p", "ready");
	f->session = broker_stage_assign(&f->broker, "ada");
	broker_stage_run(&f->broker, "UPDATE desktop SET suspend = 1");
	report(f, "h1", "suspended", NULL);
	report(f, "h2", NULL, NULL);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct stage *f = *state;

	ticket_table_free(f->broker.tickets);
	broker_stage_done(&f->broker);
	g_free(f->session);
	g_free(f);
	return 0;
}

static void
move(struct stage *f, const char *host)
{
	struct stage_request *request = stage_request_new("root", "d-1", NULL);

	if (!moves_begin(f->broker.store, &request->request, host))
		fail_msg("%s", stage_request_code(request));
	stage_request_free(request);
}

/* The row, and what its host is told. */
static void
assert_row(struct stage *f, const char *host, const char *want, const char *error_word)
{
	json_t *row =
		store_query_one(f->broker.store, NULL,
				"SELECT d.host AS host, " ASSIGN_DESKTOP_WANT
				" AS want, d.generation AS generation,"
				" d.move_error AS error, (SELECT count(*) FROM session s WHERE"
				" s.desktop = d.id AND s.closed_ms IS NULL) AS sessions"
				" FROM desktop d WHERE d.id = $1",
				"s", "d-1");

	assert_string_equal(json_get_text(row, "host", ""), host);
	assert_string_equal(json_get_text(row, "want", ""), want);
	assert_int_equal(json_get_integer(row, "generation", 0), 1);
	assert_int_equal(json_get_integer(row, "sessions", 0), 1);
	if (error_word[0] == '\0')
		assert_string_equal(json_get_text(row, "error", ""), "");
	else
		assert_non_null(strstr(json_get_text(row, "error", ""), error_word));
	json_decref(row);
}

static void
test_moves__are_refused_with_what_to_do(void **unused)
{
	static const struct {
		const char *sql;
		const char *host;
		guint status;
		const char *code;
		const char *word;
	} cases[] = {
		{ "UPDATE desktop SET want = 'gone'", "h2", 409, "desktop.gone", "" },
		{ "UPDATE desktop SET move_to = 'h2'", "h2", 409, "desktop.moving", "list" },
		{ "UPDATE desktop SET move_from = 'h2'", "h2", 409, "desktop.moving", "list" },
		{ "UPDATE desktop SET state = 'active'", "h2", 409, "desktop.running",
		  "'carrel desktop suspend d-1'" },
		{ "UPDATE desktop SET state = 'resuming'", "h2", 409, "desktop.running",
		  "resuming" },
		{ "", "h3", 404, "host.unknown", "'carrel host list'" },
		{ "", "h1", 409, "host.same", "'h1'" },
		{ "UPDATE host SET seen_ms = 1 WHERE name = 'h2'", "h2", 409, "host.silent",
		  "'h2'" },
		{ "UPDATE host SET seen_ms = 1 WHERE name = 'h1'", "h2", 409, "host.silent",
		  "'h1'" },
		{ "UPDATE host SET drain = 1 WHERE name = 'h2'", "h2", 409, "host.drained", "end" },
		{ "UPDATE host SET maintenance = 1 WHERE name = 'h2'", "h2", 409, "host.drained",
		  "end" },
		{ "UPDATE host SET exchange = 0 WHERE name = 'h2'", "h2", 409, "host.exchange",
		  "host 'h2' has no folder through which desktops move: set 'exchange'" },
		{ "UPDATE host SET exchange = 0 WHERE name = 'h1'", "h2", 409, "host.exchange",
		  "host 'h1'" },
		{ "DELETE FROM template WHERE host = 'h2'", "h2", 409, "host.template", "'t@1'" },
		{ "UPDATE template SET engine = 'kvm' WHERE host = 'h2'", "h2", 409,
		  "host.template", "'qemu'" },
		{ "UPDATE host SET engines = '[]' WHERE name = 'h2'", "h2", 409, "host.engine",
		  "doctor" },
		{ "UPDATE host SET engines = replace(engines, 'true', 'false')", "h2", 409,
		  "host.engine", "doctor" },
		{ "UPDATE desktop SET network = 'passt'", "h2", 409, "host.engine", "'passt'" },
	};

	(void)unused;
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		void *state = NULL;
		struct stage *f;
		struct stage_request *request = stage_request_new("root", "d-1", NULL);
		const char *title;

		setup(&state);
		f = state;
		if (cases[i].sql[0])
			broker_stage_run(&f->broker, cases[i].sql);
		assert_false(moves_begin(f->broker.store, &request->request, cases[i].host));
		assert_int_equal(request->answers, 1);
		assert_int_equal(request->status, cases[i].status);
		assert_string_equal(stage_request_code(request), cases[i].code);
		title = json_get_text(request->body, "title", "");
		print_message("%s\n", title);
		assert_non_null(strstr(title, cases[i].word));
		stage_request_free(request);
		teardown(&state);
	}
}

static void
assert_left(struct stage *f, const char *host, gboolean left)
{
	json_t *list = moves_list_left(f->broker.store, host);

	assert_int_equal(json_array_size(list), left);
	if (left) {
		assert_string_equal(json_get_text(json_array_get(list, 0), "id", ""), "d-1");
		assert_string_equal(json_get_text(json_array_get(list, 0), "template", ""), "t");
	}
	json_decref(list);
}

/* It may come back: until then that host keeps its version as it is. */
static void
test_moves__have_left_until_they_are_taken_in(void **state)
{
	struct stage *f = *state;

	move(f, "h2");
	assert_left(f, "h1", FALSE);
	report(f, "h1", "exported", NULL);
	assert_left(f, "h1", TRUE);
	assert_left(f, "h2", FALSE);
	report(f, "h2", "exported", "another CPU");
	assert_left(f, "h1", FALSE);
	report(f, "h1", "suspended", NULL);
	move(f, "h2");
	report(f, "h1", "exported", NULL);
	assert_left(f, "h1", TRUE);
	report(f, "h2", "suspended", NULL);
	assert_left(f, "h1", FALSE);
}

/* A host in maintenance is left like this, and what it had goes on on the other. */
static void
test_moves__end_on_the_other_host(void **state)
{
	struct stage *f = *state;

	broker_stage_run(&f->broker, "UPDATE desktop SET suspend = 0");
	broker_stage_run(&f->broker, "UPDATE host SET maintenance = 1 WHERE name = 'h1'");
	move(f, "h2");
	assert_row(f, "h1", "exported", "");
	report(f, "h1", "suspended", NULL);
	assert_row(f, "h1", "exported", "");
	report(f, "h1", "exporting", NULL);
	assert_row(f, "h1", "exported", "");
	report(f, "h1", "exported", NULL);
	assert_row(f, "h2", "arrives", "");
	/* neither has lost it by being silent about it, and the first clears away what it had */
	report(f, "h2", NULL, NULL);
	report(f, "h1", "retiring", NULL);
	report(f, "h1", NULL, NULL);
	report(f, "h2", "arriving", NULL);
	report(f, "h2", NULL, NULL);
	assert_row(f, "h2", "arrives", "");
	report(f, "h2", "suspended", NULL);
	assert_row(f, "h2", "ready", "");
	report(f, "h2", "resuming", NULL);
	report(f, "h2", "ready", NULL);
	assert_row(f, "h2", "ready", "");
}

static void
test_moves__one_that_cannot_go_stays(void **state)
{
	struct stage *f = *state;

	move(f, "h2");
	report(f, "h1", "suspended", "no room");
	assert_row(f, "h1", "suspended", "host 'h1' does not let it go: no room");
	/* no more than a note: it is as good as before, and the note goes when it runs */
	assert_int_equal(
		broker_stage_count(&f->broker, "SELECT count(*) FROM desktop WHERE error = ''"), 1);
	report(f, "h1", "resuming", NULL);
	assert_row(f, "h1", "suspended", "");
	report(f, "h1", "suspended", NULL);
	move(f, "h2");
	assert_row(f, "h1", "exported", "");
}

static void
test_moves__one_that_is_refused_goes_back(void **state)
{
	struct stage *f = *state;

	move(f, "h2");
	report(f, "h1", "exported", NULL);
	/* a word of the host that has let it go counts no more */
	report(f, "h1", "exported", "late");
	assert_row(f, "h2", "arrives", "");
	report(f, "h2", "exported", "another CPU");
	assert_row(f, "h1", "returns", "host 'h2' does not take it: another CPU");
	/* nor one of the host that has refused it */
	report(f, "h2", "suspended", "still another CPU");
	assert_row(f, "h1", "returns", "another CPU");
	/* there is no other host any more: it tries again */
	report(f, "h1", "exported", "not mounted");
	assert_row(f, "h1", "returns", "another CPU");
	report(f, "h1", NULL, NULL);
	report(f, "h1", "gone", NULL);
	assert_row(f, "h1", "returns", "another CPU");
	report(f, "h1", "suspended", NULL);
	assert_row(f, "h1", "suspended", "another CPU");
	move(f, "h2");
	assert_row(f, "h1", "exported", "");
}

/* It has refused it first, which is told, and then done what an older answer said: its broker was away. */
static void
test_moves__one_that_was_let_go_late_goes_back(void **state)
{
	struct stage *f = *state;

	move(f, "h2");
	report(f, "h1", "suspended", "no room");
	assert_row(f, "h1", "suspended", "no room");
	report(f, "h1", "exported", NULL);
	assert_row(f, "h1", "returns", "no room");
	report(f, "h1", "exported", NULL);
	report(f, "h1", NULL, NULL);
	assert_row(f, "h1", "returns", "no room");
	report(f, "h1", "suspended", NULL);
	assert_row(f, "h1", "suspended", "no room");
}

static void
test_moves__are_nobody_elses_meanwhile(void **state)
{
	struct stage *f = *state;

	assert_int_equal(store_change(f->broker.store, NULL,
				      "UPDATE session SET closed_ms = 1, reason = 'x'", ""),
			 1);
	broker_stage_run(&f->broker, "UPDATE pool SET size = 1");
	move(f, "h2");
	assert_null(broker_stage_assign(&f->broker, "bob"));
	report(f, "h1", "exported", NULL);
	assert_null(broker_stage_assign(&f->broker, "bob"));
	report(f, "h2", "suspended", NULL);
	g_free(f->session);
	f->session = broker_stage_assign(&f->broker, "bob");
	assert_non_null(f->session);
}

static void
assert_gone(struct stage *f, gboolean gone)
{
	assert_int_equal(broker_stage_count(&f->broker,
					    "SELECT count(*) FROM desktop WHERE want = 'gone'"
					    " AND state = 'gone'"),
			 gone);
}

/* Neither has it then, but its files lie between them: a host that does not know it has to look there first. */
static void
test_moves__are_gone_when_their_host_says_so(void **state)
{
	struct stage *f = *state;

	move(f, "h2");
	report(f, "h1", "exported", NULL);
	assert_row(f, "h2", "arrives", "");
	assert_true(moves_give_up(f->broker.store, "d-1", NULL));
	report(f, "h2", NULL, NULL);
	assert_gone(f, FALSE);
	/* one that has just begun, or has not heard of it yet, clears away what it had before */
	for (f->seen = 0; f->seen < f->number; f->seen++) {
		report(f, "h2", "retiring", NULL);
		report(f, "h2", "gone", NULL);
		assert_gone(f, FALSE);
	}
	report(f, "h2", "forking", NULL);
	assert_gone(f, FALSE);
	report(f, "h2", "gone", NULL);
	assert_gone(f, TRUE);
}

/* Wherever it is, its host is told that it goes, and hears it once more from nobody. */
static void
test_moves__are_given_up(void **state)
{
	struct stage *f = *state;

	move(f, "h2");
	report(f, "h1", "exporting", NULL);
	assert_true(moves_give_up(f->broker.store, "d-1", NULL));
	assert_int_equal(broker_stage_count(&f->broker,
					    "SELECT count(*) FROM session WHERE closed_ms IS NULL"),
			 0);
	report(f, "h1", "exported", NULL);
	assert_int_equal(
		broker_stage_count(
			&f->broker,
			"SELECT count(*) FROM desktop WHERE host = 'h1' AND want = 'gone'"),
		1);
	report(f, "h1", "gone", NULL);
	report(f, "h1", NULL, NULL);
	assert_int_equal(
		broker_stage_count(&f->broker, "SELECT count(*) FROM desktop WHERE state = 'gone'"),
		1);
}

/* Its host has not heard of it yet when it is to be moved. */
static void
test_moves__one_that_was_stopped_is_not_moved(void **state)
{
	struct stage *f = *state;
	struct stage_request *request = stage_request_new("root", "d-1", NULL);

	assert_true(moves_give_up(f->broker.store, "d-1", NULL));
	assert_false(moves_begin(f->broker.store, &request->request, "h2"));
	assert_string_equal(stage_request_code(request), "desktop.gone");
	stage_request_free(request);
}

static void
test_moves__others_are_not_given_up(void **state)
{
	struct stage *f = *state;

	report(f, "h1", "active", NULL);
	assert_true(moves_give_up(f->broker.store, "d-1", NULL));
	assert_row(f, "h1", "suspended", "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_moves__##name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_moves__are_refused_with_what_to_do),
		TEST(end_on_the_other_host),
		TEST(have_left_until_they_are_taken_in),
		TEST(one_that_cannot_go_stays),
		TEST(one_that_is_refused_goes_back),
		TEST(one_that_was_let_go_late_goes_back),
		TEST(are_nobody_elses_meanwhile),
		TEST(are_given_up),
		TEST(are_gone_when_their_host_says_so),
		TEST(one_that_was_stopped_is_not_moved),
		TEST(others_are_not_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
