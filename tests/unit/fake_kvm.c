/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fake_kvm.c - a test's own ioctl(2)
 */
#include "tests/unit/fake_kvm.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RUN_BYTES 4096

/* A time stamp counter, its deadline, and some that are nothing but values. */
static const uint32_t msrs[] = { 0x6e0, 0x10, 0x174, 0xc0000081, 0xc0000082 };

#define N_MSRS (sizeof(msrs) / sizeof(msrs[0]))

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

static int
fake_kvm_make_file(off_t bytes)
{
	int fd = memfd_create("kvm", MFD_CLOEXEC);

	return ftruncate(fd, bytes) < 0 ? -1 : fd;
}

static int
fake_kvm_list_msrs(struct kvm_msr_list *list)
{
	list->nmsrs = N_MSRS;
	memcpy(list->indices, msrs, sizeof(msrs));
	return 0;
}

/* KVM says of MSRs how many it has set, and fails otherwise. */
static int
fake_kvm_set(unsigned long request, uintptr_t argument)
{
	bool is_refused = ++fake_kvm.n_set == fake_kvm.refused || request == fake_kvm.never;

	if (request == KVM_SET_MSRS)
		return is_refused ? 0 : (int)((const struct kvm_msrs *)argument)->nmsrs;
	errno = EINVAL;
	return is_refused ? -1 : 0;
}

static int
fake_kvm_ask_machine(unsigned long request, uintptr_t argument)
{
	switch (request) {
	case KVM_CREATE_VM:
		return fake_kvm_make_file(0);
	case KVM_CREATE_VCPU:
		return fake_kvm_make_file(RUN_BYTES);
	case KVM_GET_VCPU_MMAP_SIZE:
		return RUN_BYTES;
	case KVM_GET_TSC_KHZ:
		return FAKE_KVM_TSC_KHZ;
	case KVM_GET_MSR_INDEX_LIST:
		return fake_kvm_list_msrs((struct kvm_msr_list *)argument);
	case KVM_GET_MSRS:
		return (int)((const struct kvm_msrs *)argument)->nmsrs;
	case KVM_GET_IRQCHIP:
		return 0;
	case KVM_SET_IRQCHIP: /* by its number it reads */
		return fake_kvm_set(request, argument);
	default:
		break;
	}
	if (_IOC_DIR(request) != _IOC_READ)
		return fake_kvm_set(request, argument);
	memset((void *)argument, 0, _IOC_SIZE(request));
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
	if (fake_kvm.has_machines && _IOC_TYPE(request) == KVMIO)
		return fake_kvm_ask_machine(request, argument);
	return (int)syscall(SYS_ioctl, fd, request, argument);
}
