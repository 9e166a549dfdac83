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
#include "host/kvm_device.h"

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

static void
test_engine_list__chooses_the_first_that_can_run(void **state)
{
	static const struct {
		const char *setting;
		int kvm;
		int qemu;
		const char *chosen;
	} cases[] = {
		{ "auto", 1, 1, "kvm" },  { "auto", 0, 1, "qemu" }, { "auto", 1, 0, "kvm" },
		{ "auto", 0, 0, "qemu" }, { "qemu", 1, 1, "qemu" }, { "kvm", 0, 1, "kvm" },
	};

	(void)state;
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		json_t *engines = json_pack("[{s:s, s:b}, {s:s, s:b}]", "name", "kvm", "usable",
					    cases[i].kvm, "name", "qemu", "usable", cases[i].qemu);

		assert_string_equal(engine_list_choose(cases[i].setting, engines), cases[i].chosen);
		json_decref(engines);
	}
}

/* A machine's /dev/kvm counts only with VT-x or AMD-V behind it. The list is told as it is chosen from. */
static void
test_engine_list__tells_the_best_first(void **state)
{
	json_t *engines = engine_list_describe(TRUE);

	(void)state;
	assert_string_equal(json_get_text(json_array_get(engines, 0), "name", ""), "kvm");
	if (!kvm_device_find_extension(""))
		assert_string_equal(engine_list_choose("auto", engines), "qemu");
	json_decref(engines);
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
		cmocka_unit_test(test_engine_list__chooses_the_first_that_can_run),
		cmocka_unit_test(test_engine_list__tells_the_best_first),
		cmocka_unit_test(test_engine_list__tells_why_an_engine_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
