/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fake_kvm.c - a test's own ioctl(2)
 */
#include "tests/unit/fake_kvm.h"

#include <linux/kvm.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

struct fake_kvm fake_kvm;

void
fake_kvm_set_up(void)
{
	fake_kvm = (struct fake_kvm){ .version = KVM_API_VERSION, .missing = { -1, -1 } };
}

static int
fake_kvm_list_cpuid(struct kvm_cpuid2 *list)
{
	static const uint32_t leaves[] = { 0x0, 0x1, 0x7, 0xd, 0x40000001, 0x80000001, 0x80000008 };

	list->nent = sizeof(leaves) / sizeof(leaves[0]);
	for (uint32_t i = 0; i < list->nent; i++)
		list->entries[i] = (struct kvm_cpuid_entry2){ .function = leaves[i],
							      .eax = UINT32_MAX,
							      .ebx = UINT32_MAX,
							      .ecx = UINT32_MAX,
							      .edx = leaves[i] == 7 ? fake_kvm.flaws
										    : UINT32_MAX };
	return 0;
}

int
ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	uintptr_t argument;

	va_start(arguments, request);
	argument = va_arg(arguments, uintptr_t);
	va_end(arguments);
	if (fake_kvm.version && request == KVM_GET_API_VERSION)
		return fake_kvm.version;
	if (fake_kvm.has_cpu && request == KVM_GET_SUPPORTED_CPUID)
		return fake_kvm_list_cpuid((struct kvm_cpuid2 *)argument);
	if (fake_kvm.version && request == KVM_CHECK_EXTENSION)
		return fake_kvm.all_missing || (int)argument == fake_kvm.missing[0] ||
				       (int)argument == fake_kvm.missing[1]
			       ? 0
			       : 1000;
	return (int)syscall(SYS_ioctl, fd, request, argument);
}
