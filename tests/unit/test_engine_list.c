/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_engine_list.c - the engines of this host are found by their names and by what runs
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "host/engine.h"
#include "host/engine_list.h"

static void
test_engine_list__finds_by_name(void **state)
{
	(void)state;
	assert_ptr_equal(engine_list_find("qemu"), &engine_qemu_ops);
	assert_ptr_equal(engine_list_find("kvm"), &engine_kvm_ops);
	assert_null(engine_list_find("vax"));
	assert_null(engine_list_find(""));
}

static void
test_engine_list__finds_the_engine_of_what_runs(void **state)
{
	struct launch_record record = { .desktop = "d-aaaaaaaaaaaaaaaaaaaa" };

	(void)state;
	record.processes[LAUNCH_ROLE_DISPLAY].pid = 1;
	record.processes[LAUNCH_ROLE_NET].pid = 1;
	assert_null(engine_list_find_running(&record));
	record.processes[LAUNCH_ROLE_QEMU].pid = 1;
	assert_ptr_equal(engine_list_find_running(&record), &engine_qemu_ops);
	record.processes[LAUNCH_ROLE_QEMU].pid = 0;
	record.processes[LAUNCH_ROLE_VMM].pid = 1;
	assert_ptr_equal(engine_list_find_running(&record), &engine_kvm_ops);
}

static void
test_engine_list__refuses_one_that_is_not_here(void **state)
{
	g_autofree char *reason = engine_list_refuse("vax", TRUE);

	(void)state;
	assert_string_equal(reason, "this host has no engine 'vax'");
}

/* Whatever this machine can do: each engine is told of, and who is refused hears the reason that is told. */
static void
test_engine_list__tells_why_an_engine_is_refused(void **state)
{
	json_t *engines = engine_list_describe(FALSE);
	size_t index;
	json_t *engine;

	(void)state;
	assert_int_equal(json_array_size(engines), 2);
	json_array_foreach(engines, index, engine) {
		gboolean usable = json_get_flag(engine, "usable", FALSE);
		g_autofree char *reason =
			engine_list_refuse(json_get_text(engine, "name", ""), FALSE);

		if (strcmp(json_get_text(engine, "isolation", ""), "none") == 0)
			assert_false(usable);
		assert_string_equal(reason ? reason : "", json_get_text(engine, "reason", "?"));
		assert_int_equal(usable, reason == NULL);
	}
	json_decref(engines);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_engine_list__finds_by_name),
		cmocka_unit_test(test_engine_list__finds_the_engine_of_what_runs),
		cmocka_unit_test(test_engine_list__refuses_one_that_is_not_here),
		cmocka_unit_test(test_engine_list__tells_why_an_engine_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
