/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_host_room.c - what a desktop takes of a host's memory and disk
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/statvfs.h>

#include "host/engine_list.h"
#include "host/host_room.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)

static const struct {
	const char *engine;
	guint ram_mib;
	guint64 pages_bytes;
	guint expected_mib;
} resumes[] = {
	{ "qemu", 4096, 0, 96 + 4096 },		 { "kvm", 4096, 0, 96 + 512 },
	{ "kvm", 4096, 1000 * MIB, 96 + 1512 },	 { "kvm", 4096, 4000 * MIB, 96 + 4096 },
	{ "kvm", 4096, G_MAXUINT64, 96 + 4096 },
};

static void
test_host_room__what_one_takes_that_is_resumed(void **state)
{
	(void)state;
	for (gsize i = 0; i < G_N_ELEMENTS(resumes); i++)
		assert_int_equal(host_room_get_resume_mib(engine_list_find(resumes[i].engine),
							  resumes[i].ram_mib,
							  resumes[i].pages_bytes),
				 resumes[i].expected_mib);
	assert_int_equal(host_room_get_fork_mib(4096), 96 + 512);
}

static void
test_host_room__a_reserve_of_the_disk_stays(void **state)
{
	struct statvfs about;
	guint64 left;

	(void)state;
	assert_int_equal(statvfs("/", &about), 0);
	left = (guint64)about.f_bavail * about.f_frsize;
	assert_false(host_room_has_disk("/", left));
	assert_false(host_room_has_disk("/", G_MAXUINT64));
	assert_true(host_room_has_disk("/nowhere", G_MAXUINT64));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host_room__what_one_takes_that_is_resumed),
		cmocka_unit_test(test_host_room__a_reserve_of_the_disk_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
