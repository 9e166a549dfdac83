/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_kvm_device.c - what keeps stock guests off a machine's /dev/kvm is told in one line
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/kvm_device.h"

#define FLAGS(words) "processor\t: 0\nflags\t\t: fpu " words "\n"

static const struct {
	const char *cpuinfo;
	gboolean device;
	const char *said; /* NULL: nothing is wrong */
} machines[] = {
	{ FLAGS("vmx apic"), TRUE, NULL },
	{ FLAGS("apic svm"), TRUE, NULL },
	{ FLAGS("vmx apic"), FALSE, "there is no /dev/kvm" },
	{ FLAGS("apic"), TRUE, "neither vmx nor svm" },
	{ FLAGS("svm_lock xvmx"), TRUE, "neither vmx nor svm" }, /* words, not their parts */
	{ "vmx\n", TRUE, "neither vmx nor svm" },
};

static char *
make_machine(const char *cpuinfo, gboolean device)
{
	char *root = g_dir_make_tmp("test-kvm-XXXXXX", NULL);
	g_autofree char *dev = g_build_filename(root, "dev", NULL);
	g_autofree char *proc = g_build_filename(root, "proc", NULL);
	g_autofree char *kvm = g_build_filename(dev, "kvm", NULL);
	g_autofree char *info = g_build_filename(proc, "cpuinfo", NULL);

	assert_int_equal(g_mkdir(dev, 0700) | g_mkdir(proc, 0700), 0);
	assert_true(g_file_set_contents(info, cpuinfo, -1, NULL));
	if (device)
		assert_true(g_file_set_contents(kvm, "", 0, NULL));
	return root;
}

static void
remove_machine(char *root)
{
	static const char *const paths[] = { "dev/kvm", "dev", "proc/cpuinfo", "proc", "" };

	for (gsize i = 0; i < G_N_ELEMENTS(paths); i++) {
		g_autofree char *path = g_build_filename(root, paths[i], NULL);

		g_remove(path);
	}
	g_free(root);
}

static void
test_kvm_device__says_what_is_wrong(void **state)
{
	(void)state;
	for (gsize i = 0; i < G_N_ELEMENTS(machines); i++) {
		char *root = make_machine(machines[i].cpuinfo, machines[i].device);
		const char *said = kvm_device_find_refusal(root, -1);

		if (machines[i].said)
			assert_non_null(strstr(said ? said : "", machines[i].said));
		else
			assert_null(said);
		remove_machine(root);
	}
}

/* A worker may not open it, but was given it. */
static void
test_kvm_device__a_held_one_need_not_be_opened(void **state)
{
	char *root = make_machine(FLAGS("svm"), FALSE);
	int held = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)state;
	assert_null(kvm_device_find_refusal(root, held));
	assert_int_equal(fcntl(held, F_GETFD), FD_CLOEXEC); /* still open */
	close(held);
	remove_machine(root);
}

static void
test_kvm_device__explains_each_error(void **state)
{
	(void)state;
	assert_non_null(strstr(kvm_device_explain(-EACCES), "group 'kvm'"));
	assert_non_null(strstr(kvm_device_explain(-ENOENT), "firmware"));
	assert_non_null(strstr(kvm_device_explain(-EIO), "kernel's log"));
}

static void
test_kvm_device__is_public_by_its_mode(void **state)
{
	char *root = make_machine(FLAGS("svm"), TRUE);
	g_autofree char *kvm = g_build_filename(root, "dev", "kvm", NULL);

	(void)state;
	assert_int_equal(chmod(kvm, 0660), 0);
	assert_false(kvm_device_is_public(root));
	assert_int_equal(chmod(kvm, 0666), 0);
	assert_true(kvm_device_is_public(root));
	remove_machine(root);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kvm_device__says_what_is_wrong),
		cmocka_unit_test(test_kvm_device__a_held_one_need_not_be_opened),
		cmocka_unit_test(test_kvm_device__explains_each_error),
		cmocka_unit_test(test_kvm_device__is_public_by_its_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
