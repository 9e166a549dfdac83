/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_kvm.c - what is said of a host whose KVM is not there or lacks something
 *
 * It brings an ioctl(2) of its own, for a host whose KVM can be anything.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm/cpuid_table.h"
#include "vmm/kvm.h"

#define FAKE_FD 1000

static struct {
	int version;
	int missing[2];
	bool all_missing;
	uint32_t n_leaves;
} fake;

int
ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	void *argument;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	if (fd != FAKE_FD) {
		errno = ENOTTY;
		return -1;
	}
	if (request == KVM_GET_API_VERSION)
		return fake.version;
	if (request == KVM_CHECK_EXTENSION) {
		int number = (int)(uintptr_t)argument;

		return fake.all_missing || number == fake.missing[0] || number == fake.missing[1]
			       ? 0
			       : 1000;
	}
	if (request == KVM_GET_SUPPORTED_CPUID) {
		struct kvm_cpuid2 *list = argument;

		if (list->nent < fake.n_leaves) {
			errno = E2BIG;
			return -1;
		}
		list->nent = fake.n_leaves;
		list->entries[fake.n_leaves - 1] = (struct kvm_cpuid_entry2){ .function = 7,
									      .index = 1,
									      .flags = 1,
									      .eax = 2,
									      .ebx = 3,
									      .ecx = 4,
									      .edx = 5 };
		return 0;
	}
	fail();
	return -1;
}

static int
setup(void **state)
{
	(void)state;
	memset(&fake, 0, sizeof(fake));
	fake.version = KVM_API_VERSION;
	fake.missing[0] = -1;
	fake.missing[1] = -1;
	return 0;
}

static void
test_kvm__takes_a_host_that_can_do_everything(void **state)
{
	char problem[KVM_PROBLEM_BYTES];

	(void)state;
	assert_int_equal(kvm_check(FAKE_FD, problem), 0);
}

static void
test_kvm__names_what_is_missing(void **state)
{
	static const struct {
		int missing[2];
		const char *text;
	} cases[] = {
		{ { KVM_CAP_IRQCHIP, -1 }, "this host's KVM lacks KVM_CAP_IRQCHIP" },
		{ { KVM_CAP_NR_MEMSLOTS, -1 }, "this host's KVM lacks KVM_CAP_NR_MEMSLOTS" },
		{ { KVM_CAP_SIGNAL_MSI, KVM_CAP_PIT2 },
		  "this host's KVM lacks KVM_CAP_PIT2, KVM_CAP_SIGNAL_MSI" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char problem[KVM_PROBLEM_BYTES];

		memcpy(fake.missing, cases[i].missing, sizeof(fake.missing));
		assert_int_equal(kvm_check(FAKE_FD, problem), -ENOTSUP);
		assert_string_equal(problem, cases[i].text);
	}
}

static void
test_kvm__keeps_to_its_room_when_everything_is_missing(void **state)
{
	char problem[KVM_PROBLEM_BYTES + 1];

	(void)state;
	fake.all_missing = true;
	problem[KVM_PROBLEM_BYTES] = '#';
	assert_int_equal(kvm_check(FAKE_FD, problem), -ENOTSUP);
	assert_int_equal(strlen(problem), KVM_PROBLEM_BYTES - 1);
	assert_int_equal(problem[KVM_PROBLEM_BYTES], '#');
}

static void
test_kvm__refuses_what_is_not_kvm(void **state)
{
	char problem[KVM_PROBLEM_BYTES];

	(void)state;
	assert_int_equal(kvm_check(5, problem), -ENOTTY);
	assert_string_equal(problem, "descriptor 5 is not /dev/kvm");
	fake.version = 11;
	assert_int_equal(kvm_check(FAKE_FD, problem), -ENOTSUP);
	assert_string_equal(problem, "KVM's interface is version 11, not 12");
}

static void
test_kvm__lists_the_processor_with_its_subleaves(void **state)
{
	struct cpuid_table table;

	(void)state;
	fake.n_leaves = 3;
	assert_int_equal(kvm_list_cpuid(FAKE_FD, &table), 0);
	assert_int_equal(table.n_leaves, 3);
	assert_int_equal(table.leaves[2].leaf, 7);
	assert_int_equal(table.leaves[2].subleaf, 1);
	assert_true(table.leaves[2].indexed);
	assert_false(table.leaves[1].indexed);
	assert_int_equal(table.leaves[2].edx, 5);
	fake.n_leaves = CPUID_TABLE_MAX + 1;
	assert_int_equal(kvm_list_cpuid(FAKE_FD, &table), -E2BIG);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_kvm__takes_a_host_that_can_do_everything, setup),
		cmocka_unit_test_setup(test_kvm__names_what_is_missing, setup),
		cmocka_unit_test_setup(test_kvm__keeps_to_its_room_when_everything_is_missing,
				       setup),
		cmocka_unit_test_setup(test_kvm__refuses_what_is_not_kvm, setup),
		cmocka_unit_test_setup(test_kvm__lists_the_processor_with_its_subleaves, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
