/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_kvm_cpuid.c - what KVM tells of a host's processor
 *
 * It brings an ioctl(2) of its own, for a host whose KVM can be anything.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/cpuid_table.h"
#include "base/kvm_cpuid.h"

#define FAKE_FD 1000

static struct {
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
	return 0;
}

static void
test_kvm_cpuid__lists_the_processor_with_its_subleaves(void **state)
{
	struct cpuid_table table;

	(void)state;
	fake.n_leaves = 3;
	assert_int_equal(kvm_cpuid_list(FAKE_FD, &table), 0);
	assert_int_equal(table.n_leaves, 3);
	assert_int_equal(table.leaves[2].leaf, 7);
	assert_int_equal(table.leaves[2].subleaf, 1);
	assert_true(table.leaves[2].indexed);
	assert_false(table.leaves[1].indexed);
	assert_int_equal(table.leaves[2].edx, 5);
	fake.n_leaves = CPUID_TABLE_MAX + 1;
	assert_int_equal(kvm_cpuid_list(FAKE_FD, &table), -E2BIG);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_kvm_cpuid__lists_the_processor_with_its_subleaves,
				       setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
