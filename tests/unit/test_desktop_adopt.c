/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_desktop_adopt.c - a desktop whose machine runs since before this hostd was started
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/io.h"
#include "base/proto_agent.h"
#include "tests/unit/desktop_stage.h"
#include "tests/unit/fake_vmm.h"

static void
adopt(struct desktop_stage *f)
{
	desktop_stage_adopt(f, LAUNCH_ROLE_QEMU);
}

static void
adopt_with_user(struct desktop_stage *f)
{
	desktop_stage_fork(f);
	desktop_stage_log_in(f);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
	adopt(f);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
}

/* The machine is one of engine kvm then. */
static void
adopt_vmm(struct desktop_stage *f, struct fake_vmm *vmm)
{
	desktop_stage_fork(f);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_READY));
	assert_string_equal(desktop_get_reason(f->desktop), "");
	fake_vmm_init(vmm, f->qemu);
	desktop_stage_adopt(f, LAUNCH_ROLE_VMM);
}

/* Also when hostd was not there when it began: its desktop says so as long as it lasts, and is not touched. */
static void
test_desktop_adopt__tells_that_its_machine_waits_for_room(void **state)
{
	struct desktop_stage *f = *state;
	struct fake_vmm vmm = { .status = { .state = VMM_STATE_PAUSED,
					    .pause_reason = VMM_PAUSE_NO_SPACE } };

	adopt_vmm(f, &vmm);
	SERVE_UNTIL(f, strstr(f->events->str, "no_space ") != NULL);
	assert_non_null(
		strstr(desktop_get_reason(f->desktop), "the host's disk (or its memory) is full"));
	fake_vmm_tell(&vmm, VMM_EVENT_STATE, VMM_STATE_RUNNING, 0);
	SERVE_UNTIL(f, strstr(f->events->str, " space ") != NULL);
	assert_string_equal(desktop_get_reason(f->desktop), "");
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_READY));
	assert_int_equal(f->launch->count[LAUNCH_KILL], 0);
	fake_vmm_done(&vmm);
}

/* The process lives, and waits for its end: the desktop fails with what it said. */
static void
expect_failed(struct desktop_stage *f, const char *reason)
{
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_FAILED));
	print_message("%s\n", desktop_get_reason(f->desktop));
	assert_non_null(strstr(desktop_get_reason(f->desktop), reason));
	assert_true(g_str_has_suffix(f->events->str, "failed "));
	SERVE_UNTIL(f, f->launch->count[LAUNCH_KILL] == 1);
}

static void
test_desktop_adopt__fails_when_its_machine_fails(void **state)
{
	struct desktop_stage *f = *state;
	struct fake_vmm vmm = { .status = { .state = VMM_STATE_RUNNING } };
	g_autofree char *log = g_build_filename(f->lib, "desktops", DESKTOP, "vmm.log", NULL);

	adopt_vmm(f, &vmm);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_READY));
	assert_true(g_file_set_contents(log, "carrel-vmm[1]: error: KVM gave up\n", -1, NULL));
	fake_vmm_tell(&vmm, VMM_EVENT_STATE, VMM_STATE_FAILED, 0);
	expect_failed(f, "its machine failed; the last line of 'vmm.log' was: "
			 "carrel-vmm[1]: error: KVM gave up");
	fake_vmm_done(&vmm);
}

static void
test_desktop_adopt__fails_when_its_machine_has_failed(void **state)
{
	struct desktop_stage *f = *state;
	struct fake_vmm vmm = { .status = { .state = VMM_STATE_FAILED } };

	adopt_vmm(f, &vmm);
	expect_failed(f, "carrel-vmm cannot go on with the guest");
	fake_vmm_done(&vmm);
}

static void
test_desktop_adopt__is_at_once_what_it_was(void **state)
{
	struct desktop_stage *f = *state;

	adopt_with_user(f);
	assert_string_equal(desktop_get_session(f->desktop), SESSION);
	assert_int_equal(f->said[SAID_IDENTIFY], 1);
	assert_int_equal(f->said[SAID_LOGIN], 1);
	assert_int_equal(f->launch->count[LAUNCH_KILL], 0);
}

static void
test_desktop_adopt__its_user_stays_although_the_agent_is_silent(void **state)
{
	struct desktop_stage *f = *state;

	desktop_stage_fork(f);
	desktop_stage_log_in(f);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
	f->act = AGENT_SAYS_NOTHING;
	f->verb = AGENT_VERB_RESYNC;
	adopt(f);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
	f->verb = NULL;
	f->said[SAID_RESYNC] = 0;
	SERVE_UNTIL(f, f->said[SAID_RESYNC] > 0);
	assert_true(desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
}

/* What its user logged in with was known to the hostd that is gone. */
static void
test_desktop_adopt__goes_when_its_guest_reboots(void **state)
{
	struct desktop_stage *f = *state;

	adopt_with_user(f);
	desktop_stage_reset(f);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_GONE));
	assert_non_null(strstr(desktop_get_reason(f->desktop), "cannot be logged in again"));
}

/* The same when it rebooted while no hostd was there to be told. */
static void
test_desktop_adopt__goes_when_its_guest_rebooted_meanwhile(void **state)
{
	struct desktop_stage *f = *state;

	desktop_stage_fork(f);
	desktop_stage_log_in(f);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
	desktop_stage_boot(f);
	adopt(f);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_GONE));
	assert_non_null(strstr(desktop_get_reason(f->desktop), "cannot be logged in again"));
	assert_non_null(strstr(f->events->str, "rebooted "));
	assert_int_equal(f->said[SAID_IDENTIFY] + f->said[SAID_LOGIN], 2);
}

static void
test_desktop_adopt__is_identified_when_its_guest_rebooted_meanwhile(void **state)
{
	struct desktop_stage *f = *state;

	desktop_stage_fork(f);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_READY));
	desktop_stage_boot(f);
	f->up = FALSE;
	adopt(f);
	/* its agent is there before its desktop */
	SERVE_UNTIL(f, f->said[SAID_READY] == 2);
	assert_int_equal(f->said[SAID_IDENTIFY], 1);
	f->up = TRUE;
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_READY));
	assert_int_equal(f->said[SAID_IDENTIFY], 2);
	desktop_stage_log_in(f);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
}

/* The agent's word of it was for the hostd that is gone. */
static void
test_desktop_adopt__goes_when_its_user_logged_off_meanwhile(void **state)
{
	struct desktop_stage *f = *state;

	desktop_stage_fork(f);
	desktop_stage_log_in(f);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_ASSIGNED));
	f->says = AGENT_STATE_IDENTIFIED;
	adopt(f);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_GONE));
	assert_string_equal(desktop_get_reason(f->desktop), "its user logged off");
	assert_non_null(strstr(f->events->str, "logoff "));
}

static void
test_desktop_adopt__goes_without_a_machine(void **state)
{
	struct desktop_stage *f = *state;

	adopt(f);
	SERVE_UNTIL(f, desktop_stage_is_in(f, DESKTOP_STATE_GONE));
	assert_string_equal(desktop_get_reason(f->desktop), "its machine does not run any more");
}

#define TEST(name)                                                                       \
	cmocka_unit_test_setup_teardown(test_desktop_adopt__##name, desktop_stage_setup, \
					desktop_stage_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tells_that_its_machine_waits_for_room),
		TEST(fails_when_its_machine_fails),
		TEST(fails_when_its_machine_has_failed),
		TEST(is_at_once_what_it_was),
		TEST(its_user_stays_although_the_agent_is_silent),
		TEST(goes_when_its_guest_reboots),
		TEST(goes_when_its_guest_rebooted_meanwhile),
		TEST(is_identified_when_its_guest_rebooted_meanwhile),
		TEST(goes_when_its_user_logged_off_meanwhile),
		TEST(goes_without_a_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
