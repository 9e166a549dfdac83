/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_kvm.c - what KVM tells of a host, and a machine that it makes at the second attempt
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

#include "vmm/cpuid_table.h"
#include "vmm/kvm.h"

#define FAKE_FD 1000

static struct {
	uint32_t n_leaves;
	int interruptions; /* of KVM_CREATE_VM that are still to come */
	int refusal;	   /* what comes of it then; 0: a machine */
	int attempts;
} fake;

static int
fake_create_machine(void)
{
	fake.attempts++;
	if (fake.interruptions == 0 && fake.refusal == 0)
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	errno = fake.interruptions > 0 ? EINTR : fake.refusal;
	fake.interruptions -= fake.interruptions > 0;
	return -1;
}

int
ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	void *argument;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	if (request == KVM_SET_IDENTITY_MAP_ADDR || request == KVM_SET_TSS_ADDR)
		return 0;
	if (fd != FAKE_FD) {
		errno = ENOTTY;
		return -1;
	}
	if (request == KVM_CREATE_VM)
		return fake_create_machine();
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

static void
test_kvm__is_made_although_a_signal_comes(void **state)
{
	struct kvm *kvm;

	(void)state;
	fake.interruptions = 2;
	assert_int_equal(kvm_new(FAKE_FD, 0, 0, &kvm), 0);
	assert_int_equal(fake.attempts, 3);
	kvm_free(kvm);
	fake.attempts = 0;
	fake.refusal = ENOMEM;
	assert_int_equal(kvm_new(FAKE_FD, 0, 0, &kvm), -ENOMEM);
	assert_int_equal(fake.attempts, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_kvm__lists_the_processor_with_its_subleaves, setup),
		cmocka_unit_test_setup(test_kvm__is_made_although_a_signal_comes, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
