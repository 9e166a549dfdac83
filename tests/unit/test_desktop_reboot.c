/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_desktop_reboot.c - a desktop whose guest begins anew gets its names and its user again, whenever it does so
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "host/desktop_parts.h"
#include "tests/unit/desktop_stage.h"
#include "tests/unit/wait_for.h"

#define RESETS	    1000
#define LONG_AGO_US (G_GINT64_CONSTANT(3600) * G_USEC_PER_SEC)

/* It has come back, and has not echoed the nonce yet. */
static void
await_agent(struct desktop_stage *f)
{
	/* the machine keeps its end of the agent's port, and there is nobody in the guest who would close it */
	SERVE_UNTIL(f, f->agent.ended);
	fake_peer_done(&f->agent);
	WAIT_FOR(f->agent.fd >= 0 && f->agent.input->len > 0);
}

static void
reboot(struct desktop_stage *f)
{
	desktop_stage_reset(f);
	SERVE_UNTIL(f, strstr(f->events->str, "rebooted ") != NULL);
	await_agent(f);
}

static guint
count_reboots(const struct desktop_stage *f)
{
	guint n = 0;

	for (const char *at = f->events->str; (at = strstr(at, "rebooted ")) != NULL; at++)
		n++;
	return n;
}

static void
gets_its_user_back(struct desktop_stage *f)
{
	guint resyncs;

	desktop_stage_fork(f);
	desktop_stage_log_in(f);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
	reboot(f);
	assert_true(desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
	/* its agent is there before its desktop, in which nobody can be logged in yet */
	f->up = FALSE;
	SERVE_UNTIL(f, f->said[SAID_READY] == 2);
	assert_int_equal(f->said[SAID_IDENTIFY] + f->said[SAID_LOGIN], 2);
	f->up = TRUE;
	SERVE_UNTIL(f, f->said[SAID_LOGIN] == 2);
	assert_int_equal(f->said[SAID_IDENTIFY], 2);
	assert_true(desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
	/* an agent that was only away is told nothing anew */
	resyncs = f->said[SAID_RESYNC];
	fake_peer_done(&f->agent);
	SERVE_UNTIL(f, f->said[SAID_RESYNC] == resyncs + 1);
	fake_peer_settle();
	assert_int_equal(f->said[SAID_IDENTIFY] + f->said[SAID_LOGIN], 4);
}

static void
test_desktop_reboot__gets_its_user_back(void **state)
{
	gets_its_user_back(*state);
}

/* Agents are sealed into templates: older ones do not tell what their guest has got. */
static void
test_desktop_reboot__of_a_guest_with_an_older_agent(void **state)
{
	struct desktop_stage *f = *state;

	f->says = AGENT_STATE_UNKNOWN;
	gets_its_user_back(f);
}

/* The machine's word of it was lost; the agent's state says the same. */
static void
test_desktop_reboot__that_only_the_agent_tells(void **state)
{
	struct desktop_stage *f = *state;

	desktop_stage_fork(f);
	desktop_stage_log_in(f);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
	desktop_stage_boot(f);
	f->up = FALSE;
	fake_peer_done(&f->agent);
	SERVE_UNTIL(f, f->said[SAID_READY] == 2);
	assert_int_equal(count_reboots(f), 1);
	assert_int_equal(f->said[SAID_IDENTIFY] + f->said[SAID_LOGIN], 2);
	f->up = TRUE;
	SERVE_UNTIL(f, f->said[SAID_LOGIN] == 2);
	assert_int_equal(f->said[SAID_IDENTIFY], 2);
	fake_peer_settle();
	assert_true(desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
	assert_int_equal(count_reboots(f), 1);
}

/* Its user comes while it reboots: the names are given first, as to any other. */
static void
test_desktop_reboot__a_login_waits_for_it(void **state)
{
	struct desktop_stage *f = *state;

	desktop_stage_fork(f);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_READY));
	reboot(f);
	/* nor is it lost when it is silent for a while */
	f->act = AGENT_SAYS_NOTHING;
	f->verb = AGENT_VERB_RESYNC;
	SERVE_UNTIL(f, f->said[SAID_RESYNC] == 3);
	assert_true(desktop_stage_is_in(f, DESKTOP_STATE_READY));
	f->verb = AGENT_VERB_IDENTIFY;
	SERVE_UNTIL(f, f->said[SAID_IDENTIFY] == 2);
	desktop_stage_log_in(f);
	fake_peer_settle();
	desktop_stage_serve_agent(f);
	assert_int_equal(f->said[SAID_LOGIN], 0);
	/* which it has not got when it reboots once more */
	f->verb = NULL;
	desktop_stage_reset(f);
	await_agent(f);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
	assert_int_equal(f->said[SAID_IDENTIFY], 3);
	assert_int_equal(f->said[SAID_LOGIN], 1);
}

/* What the agent had been asked for when the guest began anew has no answer: it is asked again. */
static void
test_desktop_reboot__while_the_agent_is_asked(void **unused)
{
	static const char *const verbs[] = { AGENT_VERB_IDENTIFY, AGENT_VERB_LOGIN };

	(void)unused;
	for (gsize i = 0; i < G_N_ELEMENTS(verbs); i++) {
		void *state = NULL;
		struct desktop_stage *f;

		desktop_stage_setup(&state);
		f = state;
		f->act = AGENT_SAYS_NOTHING;
		f->verb = verbs[i];
		desktop_stage_fork(f);
		desktop_stage_log_in(f);
		SERVE_UNTIL(f, f->said[SAID_IDENTIFY + i] == 1);
		f->verb = NULL;
		reboot(f);
		SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
		assert_int_equal(f->said[SAID_IDENTIFY + i], 2);
		assert_string_equal(desktop_get_reason(f->desktop), "");
		desktop_stage_teardown(&state);
	}
}

static void
test_desktop_reboot__again_while_its_user_is_logged_in_again(void **state)
{
	struct desktop_stage *f = *state;

	desktop_stage_fork(f);
	desktop_stage_log_in(f);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
	reboot(f);
	f->act = AGENT_SAYS_NOTHING;
	f->verb = AGENT_VERB_LOGIN;
	SERVE_UNTIL(f, f->said[SAID_LOGIN] == 2);
	f->verb = NULL;
	desktop_stage_reset(f);
	await_agent(f);
	SERVE_UNTIL(f, f->said[SAID_LOGIN] == 3);
	fake_peer_settle();
	assert_true(desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
	assert_int_equal(count_reboots(f), 2);
}

/* A guest that does nothing else neither floods the host's list of events nor is it waited for without end. */
static void
test_desktop_reboot__in_a_circle(void **state)
{
	struct desktop_stage *f = *state;

	desktop_stage_fork(f);
	desktop_stage_log_in(f);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
	for (guint i = 0; i < RESETS; i++) {
		desktop_stage_reset(f);
		fake_peer_settle();
	}
	assert_int_equal(count_reboots(f), 1);
	assert_true(desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
	f->desktop->since_us -= LONG_AGO_US;
	desktop_stage_reset(f);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_FAILED));
	assert_string_equal(desktop_get_reason(f->desktop), "its guest reboots again and again");
}

static void
test_desktop_reboot__that_has_no_end(void **state)
{
	struct desktop_stage *f = *state;

	desktop_stage_fork(f);
	desktop_stage_log_in(f);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
	reboot(f);
	f->up = FALSE;
	SERVE_UNTIL(f, f->said[SAID_READY] == 2);
	assert_true(desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
	f->desktop->since_us -= LONG_AGO_US;
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_FAILED));
	assert_non_null(strstr(desktop_get_reason(f->desktop), "its desktop is not up yet"));
}

#define TEST(name)                                                                        \
	cmocka_unit_test_setup_teardown(test_desktop_reboot__##name, desktop_stage_setup, \
					desktop_stage_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(gets_its_user_back),
		TEST(of_a_guest_with_an_older_agent),
		TEST(that_only_the_agent_tells),
		TEST(a_login_waits_for_it),
		cmocka_unit_test(test_desktop_reboot__while_the_agent_is_asked),
		TEST(again_while_its_user_is_logged_in_again),
		TEST(in_a_circle),
		TEST(that_has_no_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
