/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_qemu_machine.c - QEMU's command line keeps a machine's memory to itself
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "host/qemu_machine.h"

/* Has the command such an option with that property? */
static gboolean
has_property(const struct qemu_command *command, const char *option, const char *property)
{
	for (guint i = 0; i + 2 < command->argv->len; i++) {
		g_auto(GStrv) properties = NULL;

		if (strcmp(g_ptr_array_index(command->argv, i), option) != 0)
			continue;
		properties = g_strsplit(g_ptr_array_index(command->argv, i + 1), ",", -1);
		if (g_strv_contains((const char *const *)properties, property))
			return TRUE;
	}
	return FALSE;
}

/* "merge" of the RAM's object, which is not given, is then the machine's "mem-merge". */
static void
test_qemu_machine__memory_is_a_machines_own(void **state)
{
	static const struct {
		enum qemu_machine_mode mode;
		const char *share;
	} cases[] = {
		{ QEMU_MACHINE_SEAL, "share=on" }, /* with who holds the memfd */
		{ QEMU_MACHINE_FORK, "share=off" },
	};

	(void)state;
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		const struct qemu_machine machine = { .mode = cases[i].mode,
						      .id = "dt0",
						      .accelerator = "tcg",
						      .cpu = "Nehalem",
						      .cpus = 1,
						      .ram_mib = 256,
						      .command_line = "quiet" };
		struct qemu_command command;

		qemu_machine_build(&machine, &command);
		assert_true(has_property(&command, "-machine", "mem-merge=off"));
		assert_true(has_property(&command, "-object", "id=ram"));
		assert_true(has_property(&command, "-object", cases[i].share));
		assert_false(has_property(&command, "-object", "merge=on"));
		qemu_command_done(&command);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_qemu_machine__memory_is_a_machines_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
