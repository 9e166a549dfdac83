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
#include <linux/kvm.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/kvm_device.h"
#include "host/vmm_machine.h"
#include "tests/unit/fake_kvm.h"
#include "base/cpu_model.h"
#include "base/cpuid_table.h"

#define FLAGS(words) "processor\t: 0\nflags\t\t: fpu " words "\n"
#define MODEL_FLAGS                                                                          \
	"pni pclmulqdq ssse3 fma cx16 sse4_1 sse4_2 movbe popcnt aes xsave avx f16c rdrand " \
	"fsgsbase bmi1 avx2 smep bmi2 adx smap abm rdtscp"

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

static char *
find_lack(const char *cpuinfo)
{
	char *root = make_machine(cpuinfo, TRUE);
	char *lack = kvm_device_find_lack(root, -1);

	remove_machine(root);
	return lack;
}

static void
test_kvm_device__names_what_engine_kvm_lacks(void **state)
{
	g_autofree char *nothing = NULL;
	g_autofree char *capability = NULL;
	g_autofree char *feature = NULL;

	(void)state;
	fake_kvm_set_up();
	nothing = find_lack(FLAGS("svm " MODEL_FLAGS));
	assert_null(nothing);
	fake_kvm.missing[0] = KVM_CAP_PIT2;
	capability = find_lack(FLAGS("svm " MODEL_FLAGS));
	assert_string_equal(capability, "this host's KVM lacks KVM_CAP_PIT2: boot a newer kernel, "
					"or use engine qemu");
	fake_kvm_set_up();
	feature = find_lack("flags : x\nflags : fpu svm " MODEL_FLAGS "2 rdtscp_\n");
	assert_string_equal(feature, "the processor lacks of model 'carrel-v1': rdtscp: use a "
				     "later one, or engine qemu");
}

/* Both lists of the model's features name the same: here of a host that has only what carrel-v0 has. */
static void
test_kvm_device__knows_the_model_as_carrel_vmm_does(void **state)
{
	static const struct cpuid_table old_host = {
		.n_leaves = 3,
		.leaves = { { .leaf = 1, .ecx = 1 << 21, .edx = UINT32_MAX },
			    { .leaf = 0x80000001, .ecx = 1, .edx = ~(UINT32_C(1) << 27) },
			    { .leaf = 0x40000001, .eax = UINT32_MAX } },
	};
	char said[CPU_MODEL_PROBLEM_BYTES];
	g_autofree char *lack = NULL;
	g_auto(GStrv) words = NULL;
	g_auto(GStrv) flags = g_strsplit(MODEL_FLAGS, " ", -1);

	(void)state;
	fake_kvm_set_up();
	assert_int_equal(cpu_model_check("carrel-v0", &old_host, said), 0);
	assert_int_equal(cpu_model_check(VMM_MACHINE_CPU, &old_host, said), -ENOTSUP);
	words = g_strsplit(strchr(said, ':') + 2, " ", -1);
	assert_int_equal(g_strv_length(words), g_strv_length(flags));
	lack = find_lack(FLAGS("svm"));
	for (gsize i = 0; words[i]; i++) {
		g_autofree char *word =
			g_strconcat(" ", strcmp(words[i], "sse3") == 0 ? "pni" : words[i], NULL);

		assert_non_null(strstr(lack, word));
	}
}

static void
test_kvm_device__is_for_services_by_its_group(void **state)
{
	char *root = make_machine(FLAGS("svm"), TRUE);
	g_autofree char *kvm = g_build_filename(root, "dev", "kvm", NULL);

	(void)state;
	assert_int_equal(chmod(kvm, 0600), 0);
	assert_false(kvm_device_is_for_services(root));
	assert_int_equal(chmod(kvm, 0666), 0);
	assert_true(kvm_device_is_for_services(root));
	if (geteuid() == 0) {
		assert_int_equal(chmod(kvm, 0660), 0);
		assert_false(kvm_device_is_for_services(root));
		assert_int_equal(chown(kvm, 0, 12345), 0);
		assert_true(kvm_device_is_for_services(root));
	}
	remove_machine(root);
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
		cmocka_unit_test(test_kvm_device__names_what_engine_kvm_lacks),
		cmocka_unit_test(test_kvm_device__knows_the_model_as_carrel_vmm_does),
		cmocka_unit_test(test_kvm_device__is_for_services_by_its_group),
		cmocka_unit_test(test_kvm_device__is_public_by_its_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
