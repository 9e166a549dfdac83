/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_host_report.c - what a host says is checked whole, then applied to its own desktops only
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/host_report.h"
#include "broker/ticket_issue.h"
#include "tests/unit/broker_stage.h"

#define CAPACITY "\"capacity\":{\"ram_mib\":24576,\"ram_free_mib\":1,\"cpus\":2,\"engines\":[]}"
#define GATEWAY	 "\"gateway\":{\"proxy\":\"http://127.0.0.1:3128\"}"
#define TEMPLATE                                                                                   \
	"{\"name\":\"t\",\"version\":1,\"engine\":\"qemu\",\"kinds\":[\"user\"],\"ram_mib\":1024," \
	"\"created_ms\":1,\"author\":\"root\"}"
#define DESKTOP(id, generation, state) \
	"{\"id\":\"" id "\",\"generation\":" generation ",\"state\":\"" state "\"}"
#define EVENT(number, kind, desktop, generation)                                            \
	"{\"number\":" number ",\"time_ms\":1,\"kind\":\"" kind "\",\"desktop\":\"" desktop \
	"\",\"generation\":" generation ",\"session\":\"s-1\",\"value\":7}"

/* The arrays of a report: templates, images, desktops, jobs, tickets, events */
static json_t *
report_new(const char *instance, const char *desktops, const char *jobs, const char *events)
{
	g_autofree char *text = g_strdup_printf("{\"v\":1,\"instance\":\"%s\",\"seen\":0," CAPACITY
						"," GATEWAY ",\"templates\":[" TEMPLATE
						"],\"images\":[],\"desktops\":[%s],\"jobs\":[%s],"
						"\"tickets\":[],\"answers\":[],\"events\":[%s]}",
						instance, desktops, jobs, events);
	json_t *report = json_loads(text, 0, NULL);

	assert_non_null(report);
	return report;
}

static gint64
apply(struct broker *broker, const char *host, const char *instance, const char *desktops,
      const char *events)
{
	json_t *report = report_new(instance, desktops, "", events);
	struct json_problem problem;
	g_autoptr(GError) error = NULL;
	gint64 acknowledged = -1;

	if (host_report_check(report, &problem) < 0)
		fail_msg("%s", problem.text);
	if (!host_report_apply(broker, host, report, 1, &acknowledged, &error))
		fail_msg("%s", error->message);
	json_decref(report);
	return acknowledged;
}

static char *
stage_init(struct broker *broker)
{
	broker_stage_init(broker);
	broker->tickets = ticket_table_new(broker);
	broker_stage_add_pool(broker, "p", 5, 5);
	broker_stage_add_desktop(broker, "d-1", "p", "ready");
	broker_stage_add_desktop(broker, "d-2", "p", "ready");
	return broker_stage_assign(broker, "ada");
}

static void
stage_done(struct broker *broker, char *session)
{
	ticket_table_free(broker->tickets);
	broker_stage_done(broker);
	g_free(session);
}

#define OPEN		 "SELECT count(*) FROM session WHERE closed_ms IS NULL"
#define IN_STATE(id, st) "SELECT count(*) FROM desktop WHERE id = '" id "' AND state = '" st "'"

static void
test_host_report__is_checked_whole(void **state)
{
	/* The desktops and events of a report, and a word of the complaint; NULL: it is good. */
	static const struct {
		const char *desktops;
		const char *jobs;
		const char *events;
		const char *word;
	} cases[] = {
		{ DESKTOP("d-1", "1", "ready"), "", EVENT("1", "forked", "d-1", "1"), NULL },
		{ DESKTOP("d-1", "1", "flying"), "", "", "unknown state 'flying' of a desktop" },
		{ DESKTOP("d-1", "0", "ready"), "", "", "'generation'" },
		{ DESKTOP("d-1", "\"1\"", "ready"), "", "", "'generation'" },
		{ DESKTOP("", "1", "ready"), "", "", "'id'" },
		{ "{\"id\":\"d-1\"}", "", "", "missing in a desktop" },
		{ "7", "", "", "a desktop must be" },
		{ DESKTOP("d-1", "1", "ready") ",[]", "", "", "a desktop must be" },
		{ "", "{\"id\":\"j-1\",\"state\":\"napping\"}", "", "unknown state" },
		{ "", "{\"id\":\"j-1\",\"state\":\"running\",\"percent\":101}", "", "'percent'" },
		{ "", "", EVENT("0", "forked", "d-1", "1"), "'number'" },
		{ "", "", "{\"number\":1,\"time_ms\":1,\"kind\":\"x\",\"more\":1}", "unknown key" },
	};

	(void)state;
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		json_t *report = report_new("i", cases[i].desktops, cases[i].jobs, cases[i].events);
		struct json_problem problem = { "" };
		int error = host_report_check(report, &problem);

		assert_int_equal(error == 0, cases[i].word == NULL);
		if (cases[i].word && !strstr(problem.text, cases[i].word))
			fail_msg("'%s' does not say '%s'", problem.text, cases[i].word);
		json_decref(report);
	}
}

static void
test_host_report__counts_for_the_own_generation(void **state)
{
	struct broker broker;
	char *session = stage_init(&broker);

	(void)state;
	apply(&broker, "h1", "i1",
	      DESKTOP("d-1", "1", "assigned") "," DESKTOP("d-2", "9", "failed"), "");
	assert_int_equal(broker_stage_count(&broker, IN_STATE("d-1", "assigned")), 1);
	assert_int_equal(broker_stage_count(&broker, IN_STATE("d-2", "ready")), 1);
	apply(&broker, "h2", "x", DESKTOP("d-1", "1", "failed") "," DESKTOP("d-99", "1", "ready"),
	      EVENT("1", "logoff", "d-1", "1"));
	assert_int_equal(broker_stage_count(&broker, IN_STATE("d-1", "assigned")), 1);
	assert_int_equal(broker_stage_count(&broker, OPEN), 1);
	stage_done(&broker, session);
}

/* It is shown with its reason as long as it lasts, and nothing is taken from its user. */
static void
test_host_report__keeps_what_a_living_desktop_waits_for(void **state)
{
	struct broker broker;
	char *session = stage_init(&broker);

	(void)state;
	apply(&broker, "h1", "i1",
	      "{\"id\":\"d-1\",\"generation\":1,\"state\":\"active\",\"error\":\"no room\"}", "");
	assert_int_equal(
		broker_stage_count(&broker, IN_STATE("d-1", "active") " AND error = 'no room'"), 1);
	assert_int_equal(broker_stage_count(&broker, OPEN), 1);
	apply(&broker, "h1", "i1",
	      "{\"id\":\"d-1\",\"generation\":1,\"state\":\"active\",\"error\":\"\"}",
	      EVENT("1", "space", "d-1", "1"));
	assert_int_equal(broker_stage_count(&broker, IN_STATE("d-1", "active") " AND error = ''"),
			 1);
	stage_done(&broker, session);
}

static void
test_host_report__end_of_a_desktop_ends_its_session(void **state)
{
	static const char *const ends[] = {
		DESKTOP("d-1", "1", "failed") "," DESKTOP("d-2", "1", "ready"),
		DESKTOP("d-1", "1", "gone") "," DESKTOP("d-2", "1", "ready"),
		DESKTOP("d-1", "1", "retiring") "," DESKTOP("d-2", "1", "ready"),
		DESKTOP("d-2", "1", "ready"), /* lost */
	};

	(void)state;
	for (gsize i = 0; i < G_N_ELEMENTS(ends); i++) {
		struct broker broker;
		char *session = stage_init(&broker);

		apply(&broker, "h1", "i1", ends[i], "");
		assert_int_equal(broker_stage_count(&broker, OPEN), 0);
		assert_int_equal(
			broker_stage_count(
				&broker,
				"SELECT count(*) FROM desktop WHERE id = 'd-1' AND want = 'gone'"),
			1);
		assert_int_equal(
			broker_stage_count(
				&broker,
				"SELECT count(*) FROM desktop WHERE id = 'd-2' AND want = 'ready'"),
			1);
		stage_done(&broker, session);
	}
}

static void
test_host_report__lost_free_one_gets_a_generation(void **state)
{
	struct broker broker;
	char *session = stage_init(&broker);

	(void)state;
	broker_stage_run(&broker,
			 "UPDATE desktop SET state = 'suspended', suspend = 1 WHERE id = 'd-2'");
	apply(&broker, "h1", "i1", DESKTOP("d-1", "1", "assigned"), "");
	assert_int_equal(
		broker_stage_count(&broker, "SELECT generation FROM desktop WHERE id = 'd-2'"), 2);
	/* What was suspended is no more: its host is to make the new one. */
	assert_int_equal(
		broker_stage_count(&broker, "SELECT count(*) FROM desktop WHERE suspend = 1"), 0);
	assert_int_equal(broker_stage_count(&broker, IN_STATE("d-2", "forking")), 1);
	/* What the old one still says is not taken for the new one. */
	apply(&broker, "h1", "i1", DESKTOP("d-1", "1", "assigned") "," DESKTOP("d-2", "1", "ready"),
	      "");
	assert_int_equal(broker_stage_count(&broker, IN_STATE("d-2", "forking")), 1);
	stage_done(&broker, session);
}

static void
test_host_report__events_count_once(void **state)
{
	static const char desktops[] =
		DESKTOP("d-1", "1", "assigned") "," DESKTOP("d-2", "1", "ready");
	struct broker broker;
	char *session = stage_init(&broker);

	(void)state;
	assert_int_equal(
		apply(&broker, "h1", "i1", desktops,
		      EVENT("3", "connected", "d-1", "1") "," EVENT("4", "logoff", "d-2", "1")),
		4);
	assert_int_equal(
		broker_stage_count(&broker, "SELECT ms FROM timing WHERE step = 'connect'"), 7);
	/* Seen already; of another generation; of nobody's desktop */
	assert_int_equal(
		apply(&broker, "h1", "i1", desktops,
		      EVENT("4", "logoff", "d-1", "1") "," EVENT(
			      "5", "logoff", "d-1", "2") "," EVENT("6", "logoff", "d-77", "1")),
		6);
	assert_int_equal(broker_stage_count(&broker, OPEN), 1);
	/* A new instance counts from the beginning. */
	assert_int_equal(apply(&broker, "h1", "i2", desktops, EVENT("1", "logoff", "d-1", "1")), 1);
	assert_int_equal(broker_stage_count(&broker, OPEN), 0);
	assert_int_equal(
		broker_stage_count(&broker, "SELECT count(*) FROM session WHERE reason = 'logoff'"),
		1);
	stage_done(&broker, session);
}

static void
test_host_report__forgets_what_is_gone(void **state)
{
	struct broker broker;
	char *session = stage_init(&broker);
	json_t *report;
	g_autoptr(GError) error = NULL;
	gint64 acknowledged;

	(void)state;
	broker_stage_run(&broker,
			 "INSERT INTO template VALUES ('old', 1, 'h1', 'qemu', '[]', 1, 1, 'r')");
	broker_stage_run(&broker, "INSERT INTO image VALUES ('old', 'h1', 1)");
	broker_stage_run(
		&broker,
		"INSERT INTO job (id, kind, arguments, host, template, version, state, reported, user,"
		" created_ms, changed_ms) VALUES ('j-1', 'build', '{}', 'h1', 't', 0, 'running', 1, 'r', 1, 1),"
		" ('j-2', 'build', '{}', 'h1', 't', 0, 'queued', 0, 'r', 1, 1),"
		" ('j-3', 'build', '{}', 'h1', 't', 0, 'running', 1, 'r', 1, 1)");
	report = report_new("i1", "", "{\"id\":\"j-3\",\"state\":\"done\",\"percent\":100}", "");
	assert_true(host_report_apply(&broker, "h1", report, 1, &acknowledged, &error));
	json_decref(report);
	assert_int_equal(broker_stage_count(&broker, "SELECT count(*) FROM template"), 1);
	assert_int_equal(broker_stage_count(&broker, "SELECT count(*) FROM image"), 0);
	assert_int_equal(
		broker_stage_count(
			&broker, "SELECT count(*) FROM job WHERE id = 'j-1' AND state = 'failed'"),
		1);
	assert_int_equal(
		broker_stage_count(
			&broker, "SELECT count(*) FROM job WHERE id = 'j-2' AND state = 'queued'"),
		1);
	assert_int_equal(
		broker_stage_count(&broker,
				   "SELECT count(*) FROM job WHERE id = 'j-3' AND state = 'done'"),
		1);
	stage_done(&broker, session);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host_report__is_checked_whole),
		cmocka_unit_test(test_host_report__counts_for_the_own_generation),
		cmocka_unit_test(test_host_report__keeps_what_a_living_desktop_waits_for),
		cmocka_unit_test(test_host_report__end_of_a_desktop_ends_its_session),
		cmocka_unit_test(test_host_report__lost_free_one_gets_a_generation),
		cmocka_unit_test(test_host_report__events_count_once),
		cmocka_unit_test(test_host_report__forgets_what_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
