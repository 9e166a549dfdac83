/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_desktop.c - a desktop's life with a fake launch, a fake QEMU and an agent that may be silent or talk nonsense
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/proto_agent.h"
#include "tests/unit/desktop_stage.h"
#include "tests/unit/wait_for.h"

static void
test_desktop__forks_and_logs_its_user_in(void **state)
{
	struct desktop_stage *f = *state;
	g_autofree char *path = g_build_filename(f->lib, "desktops", DESKTOP, "session", NULL);
	g_autofree char *session = NULL;

	desktop_stage_fork(f);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_READY));
	desktop_stage_log_in(f);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
	assert_string_equal(f->events->str, "forked agent identified logged_in ");
	assert_true(g_file_get_contents(path, &session, NULL, NULL));
	assert_string_equal(session, SESSION);
	desktop_retire(f->desktop, "enough");
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_GONE));
	assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
	assert_int_equal(f->launch->count[LAUNCH_DESKTOP_REMOVE], 1);
}

static const struct {
	enum agent_act act;
	const char *verb;
	const char *reason; /* the desktop's, begins with it */
	const char *cause;  /* and has this in it */
} agent_faults[] = {
	{ AGENT_SAYS_NOTHING, AGENT_VERB_RESYNC,
	  "the agent inside gave no sign of life: ", "resync" },
	{ AGENT_SAYS_NONSENSE, AGENT_VERB_RESYNC,
	  "the agent inside gave no sign of life: ", "resync" },
	{ AGENT_ECHOES_OTHER, AGENT_VERB_RESYNC,
	  "the agent inside gave no sign of life: ", "resync" },
	{ AGENT_HANGS_UP, AGENT_VERB_RESYNC, "the agent inside gave no sign of life: ", "closed" },
	{ AGENT_SAYS_NOTHING, AGENT_VERB_IDENTIFY,
	  "the agent could not give the guest its names: ", "identify" },
	{ AGENT_SAYS_NONSENSE, AGENT_VERB_IDENTIFY,
	  "the agent could not give the guest its names: ", "too long frame" },
	{ AGENT_REFUSES, AGENT_VERB_IDENTIFY,
	  "the agent could not give the guest its names: ", "there is no room" },
	{ AGENT_HANGS_UP, AGENT_VERB_IDENTIFY,
	  "the agent could not give the guest its names: ", "closed" },
	{ AGENT_SAYS_NOTHING, AGENT_VERB_LOGIN,
	  "the user could not be logged in inside: ", "login" },
	{ AGENT_SAYS_NONSENSE, AGENT_VERB_LOGIN,
	  "the user could not be logged in inside: ", "too long frame" },
	{ AGENT_REFUSES, AGENT_VERB_LOGIN,
	  "the user could not be logged in inside: ", "there is no room" },
	{ AGENT_HANGS_UP, AGENT_VERB_LOGIN, "the user could not be logged in inside: ", "closed" },
};

static void
test_desktop__fails_with_one_reason_when_its_agent_does(void **unused)
{
	(void)unused;
	for (gsize i = 0; i < G_N_ELEMENTS(agent_faults); i++) {
		void *state = NULL;
		struct desktop_stage *f;

		desktop_stage_setup(&state);
		f = state;
		f->act = agent_faults[i].act;
		f->verb = agent_faults[i].verb;
		desktop_stage_fork(f);
		desktop_stage_log_in(f);
		SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_FAILED));
		print_message("%s\n", desktop_get_reason(f->desktop));
		assert_true(
			g_str_has_prefix(desktop_get_reason(f->desktop), agent_faults[i].reason));
		assert_non_null(strstr(desktop_get_reason(f->desktop), agent_faults[i].cause));
		assert_true(g_str_has_suffix(f->events->str, "failed "));
		SERVE_UNTIL(f, f->launch->count[LAUNCH_KILL] == 1);
		desktop_stage_teardown(&state);
	}
}

static void
test_desktop__an_agent_without_sense_does_not_take_the_desktop_from_its_user(void **state)
{
	struct desktop_stage *f = *state;
	guint resyncs;

	desktop_stage_fork(f);
	desktop_stage_log_in(f);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
	resyncs = f->said[SAID_RESYNC];
	f->act = AGENT_SAYS_NONSENSE;
	f->verb = AGENT_VERB_RESYNC;
	fake_peer_send(&f->agent, "\377\377\377\377", 4);
	/* It is asked again and again, on this connection and on new ones, and nothing is lost. */
	SERVE_UNTIL(f, f->said[SAID_RESYNC] >= resyncs + 3);
	assert_true(desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
	f->verb = NULL;
	resyncs = f->said[SAID_RESYNC];
	SERVE_UNTIL(f, f->said[SAID_RESYNC] > resyncs);
	fake_peer_settle();
	assert_true(desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
	assert_int_equal(f->said[SAID_LOGIN], 1);
}

static const struct {
	enum fake_qemu_fault fault;
	const char *command;
	const char *reason;
} machine_faults[] = {
	{ FAKE_QEMU_NO_SPAWN, NULL, "the fork failed: start the process: " },
	{ FAKE_QEMU_DIES, NULL, "the fork failed: connect to it: " },
	{ FAKE_QEMU_OTHER, "query-version", "the fork failed: compare its version: " },
	{ FAKE_QEMU_FAILS, "migrate-incoming", "the fork failed: load the state: " },
	{ FAKE_QEMU_REFUSES, "cont", "the fork failed: run: " },
};

static void
test_desktop__a_login_waits_for_an_agent_that_was_away(void **state)
{
	struct desktop_stage *f = *state;

	desktop_stage_fork(f);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_READY));
	fake_peer_done(&f->agent);
	/* It has come back, and has not echoed the nonce yet. */
	WAIT_FOR(f->agent.fd >= 0 && f->agent.input->len > 0);
	desktop_stage_log_in(f);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
	assert_int_equal(f->said[SAID_RESYNC], 2);
	assert_int_equal(f->said[SAID_LOGIN], 1);
}

static void
test_desktop__fails_when_its_engine_is_not_here(void **state)
{
	struct desktop_stage *f = *state;

	json_object_set_new(json_object_get(f->manifest->object, "engine"), "name",
			    json_string("vax"));
	desktop_stage_fork(f);
	WAIT_FOR(desktop_stage_is_in(f, DESKTOP_STATE_FAILED));
	assert_string_equal(desktop_get_reason(f->desktop),
			    "this host has no engine for its template");
	assert_int_equal(f->qemu->spawns, 0);
}

static void
test_desktop__fails_when_its_machine_does_not_start(void **unused)
{
	(void)unused;
	for (gsize i = 0; i < G_N_ELEMENTS(machine_faults); i++) {
		void *state = NULL;
		struct desktop_stage *f;

		desktop_stage_setup(&state);
		f = state;
		f->qemu->fault = machine_faults[i].fault;
		f->qemu->command = machine_faults[i].command;
		desktop_stage_fork(f);
		SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_FAILED));
		print_message("%s\n", desktop_get_reason(f->desktop));
		assert_true(
			g_str_has_prefix(desktop_get_reason(f->desktop), machine_faults[i].reason));
		/* a version that this host cannot restore is told of before */
		assert_int_equal(strstr(f->events->str, "foreign ") != NULL,
				 machine_faults[i].fault == FAKE_QEMU_OTHER);
		desktop_stage_teardown(&state);
	}
}

static void
test_desktop__fails_when_its_machine_ends(void **state)
{
	struct desktop_stage *f = *state;

	desktop_stage_fork(f);
	desktop_stage_log_in(f);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
	fake_qemu_die(f->qemu);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_FAILED));
	assert_non_null(strstr(desktop_get_reason(f->desktop), "its machine ended by itself"));
	desktop_fail(f->desktop, "another reason");
	assert_null(strstr(desktop_get_reason(f->desktop), "another reason"));
}

static void
test_desktop__log_off_inside_retires_it(void **state)
{
	struct desktop_stage *f = *state;

	desktop_stage_fork(f);
	desktop_stage_log_in(f);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
	desktop_stage_say(f, json_pack("{s:i, s:i, s:s, s:i, s:{s:s, s:s}}", "v",
				       AGENT_PROTOCOL_VERSION, "id", 0, "verb", AGENT_VERB_LOGOFF,
				       "generation", GENERATION, "body", "user", "ada", "reason",
				       "logoff"));
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_GONE));
	assert_true(g_str_has_suffix(f->events->str, "logoff "));
}

static void
test_desktop__a_machine_that_launch_cannot_make_fails_it(void **state)
{
	struct desktop_stage *f = *state;

	f->launch->refuse = -EMFILE;
	desktop_stage_fork(f);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_FAILED));
	assert_non_null(strstr(desktop_get_reason(f->desktop), "no such luck"));
}

#define TEST(name)                                                                 \
	cmocka_unit_test_setup_teardown(test_desktop__##name, desktop_stage_setup, \
					desktop_stage_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(forks_and_logs_its_user_in),
		cmocka_unit_test(test_desktop__fails_with_one_reason_when_its_agent_does),
		TEST(an_agent_without_sense_does_not_take_the_desktop_from_its_user),
		TEST(a_login_waits_for_an_agent_that_was_away),
		TEST(fails_when_its_engine_is_not_here),
		cmocka_unit_test(test_desktop__fails_when_its_machine_does_not_start),
		TEST(fails_when_its_machine_ends),
		TEST(log_off_inside_retires_it),
		TEST(a_machine_that_launch_cannot_make_fails_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
