/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_launch_record.c - records are read back as written, and nothing else is read
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/proto_launch.h"
#include "host/launch_record.h"

#define ID "d-aaaaaaaaaaaaaaaaaaaa"

static const char good[] =
	"version=1\nname=" ID "\ngeneration=3\nvm_uid=200064\ndisplay_uid=200065\n"
	"qemu=12 345\nvmm=0 0\ndisplay=0 0\nnet=0 0\nworker=0 0\nbuild=0 0\n";

static void
test_launch_record__round_trip(void **state)
{
	struct launch_record record;
	char text[LAUNCH_RECORD_MAX_BYTES];

	(void)state;
	assert_int_equal(launch_record_parse(good, strlen(good), &record), 0);
	assert_string_equal(record.desktop, ID);
	assert_int_equal(record.generation, 3);
	assert_int_equal(record.display_uid, 200065);
	assert_int_equal(record.processes[LAUNCH_ROLE_QEMU].pid, 12);
	assert_int_equal(record.processes[LAUNCH_ROLE_QEMU].start_ticks, 345);
	assert_int_equal(launch_record_format(&record, text, sizeof(text)), strlen(good));
	assert_string_equal(text, good);
}

static void
test_launch_record__refuses_any_other_text(void **state)
{
	static const struct {
		const char *from;
		const char *to;
	} changes[] = {
		{ "version=1", "version=2" },
		{ "name=d-", "name=x-" },
		{ "name=d-a", "name=d-/" },
		{ "generation=3", "generation=03" },
		{ "generation=3", "generation=-3" },
		{ "generation=3", "generation=99999999999999999999" },
		{ "vm_uid=200064", "vm_uid=99999999999" },
		{ "qemu=12 345", "qemu=-12 345" },
		{ "qemu=12 345", "qemu=12  345" },
		{ "qemu=12 345", "qemu=12" },
		{ "vmm=", "wmm=" },
		{ "build=0 0\n", "build=0 0" },
		{ "build=0 0\n", "build=0 0\nmore=1\n" },
		{ "net=0 0\n", "" },
	};
	struct launch_record record;
	char text[LAUNCH_RECORD_MAX_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		const char *at = strstr(good, changes[i].from);

		assert_non_null(at);
		snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - good), good, changes[i].to,
			 at + strlen(changes[i].from));
		assert_int_equal(launch_record_parse(text, strlen(text), &record), -EINVAL);
	}
	assert_int_equal(launch_record_parse("", 0, &record), -EINVAL);
	assert_int_equal(launch_record_parse(good, sizeof(good), &record), -EINVAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_launch_record__round_trip),
		cmocka_unit_test(test_launch_record__refuses_any_other_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
