/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_kvm.c - KVM makes a machine, at the second attempt if need be
 *
 * It brings an ioctl(2) of its own, for a KVM that can be anything.
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

#include "vmm/kvm.h"

#define FAKE_FD 1000

static struct {
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
	if (request == KVM_SET_IDENTITY_MAP_ADDR || request == KVM_SET_TSS_ADDR)
		return 0;
	if (fd != FAKE_FD) {
		errno = ENOTTY;
		return -1;
	}
	if (request == KVM_CREATE_VM)
		return fake_create_machine();
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
		cmocka_unit_test_setup(test_kvm__is_made_although_a_signal_comes, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
