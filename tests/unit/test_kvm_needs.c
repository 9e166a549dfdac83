/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_kvm_needs.c - what is said of a host whose KVM is not there or lacks something
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>

#include "base/kvm_needs.h"
#include "tests/unit/fake_kvm.h"

#define NO_FD 1000

static int
setup(void **state)
{
	(void)state;
	fake_kvm_set_up();
	return 0;
}

static void
test_kvm_needs__takes_a_host_that_can_do_everything(void **state)
{
	char problem[KVM_NEEDS_PROBLEM_BYTES];

	(void)state;
	assert_int_equal(kvm_needs_check(NO_FD, problem), 0);
}

static void
test_kvm_needs__names_what_is_missing_and_what_to_do(void **state)
{
	static const struct {
		int missing[2];
		const char *text;
	} cases[] = {
		{ { KVM_CAP_IRQCHIP, -1 },
		  "this host's KVM lacks KVM_CAP_IRQCHIP: boot a newer kernel, or use engine qemu" },
		{ { KVM_CAP_SIGNAL_MSI, KVM_CAP_PIT2 },
		  "this host's KVM lacks KVM_CAP_PIT2, KVM_CAP_SIGNAL_MSI: boot a newer kernel, or "
		  "use engine qemu" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char problem[KVM_NEEDS_PROBLEM_BYTES];

		memcpy(fake_kvm.missing, cases[i].missing, sizeof(fake_kvm.missing));
		assert_int_equal(kvm_needs_check(NO_FD, problem), -ENOTSUP);
		assert_string_equal(problem, cases[i].text);
	}
}

static void
test_kvm_needs__keeps_to_its_room_when_everything_is_missing(void **state)
{
	char problem[KVM_NEEDS_PROBLEM_BYTES + 1];

	(void)state;
	fake_kvm.all_missing = true;
	problem[KVM_NEEDS_PROBLEM_BYTES] = '#';
	assert_int_equal(kvm_needs_check(NO_FD, problem), -ENOTSUP);
	assert_int_equal(strlen(problem), KVM_NEEDS_PROBLEM_BYTES - 1);
	assert_int_equal(problem[KVM_NEEDS_PROBLEM_BYTES], '#');
}

static void
test_kvm_needs__refuses_what_is_not_kvm(void **state)
{
	char problem[KVM_NEEDS_PROBLEM_BYTES];

	(void)state;
	fake_kvm.version = 0;
	assert_int_equal(kvm_needs_check(5, problem), -ENOTTY);
	assert_string_equal(problem, "descriptor 5 is not /dev/kvm");
	fake_kvm.version = 11;
	assert_int_equal(kvm_needs_check(NO_FD, problem), -ENOTSUP);
	assert_string_equal(problem, "KVM's interface is version 11, not 12");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_kvm_needs__takes_a_host_that_can_do_everything, setup),
		cmocka_unit_test_setup(test_kvm_needs__names_what_is_missing_and_what_to_do, setup),
		cmocka_unit_test_setup(test_kvm_needs__keeps_to_its_room_when_everything_is_missing,
				       setup),
		cmocka_unit_test_setup(test_kvm_needs__refuses_what_is_not_kvm, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
