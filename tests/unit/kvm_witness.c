/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kvm_witness.c - notes what KVM is asked: the program's own ioctl(2)
 */
#include "tests/unit/kvm_witness.h"

#include <linux/kvm.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/ioctl.h>

#define MSR_TSC		 0x10
#define MSR_TSC_DEADLINE 0x6e0

static struct kvm_witness witness;
static pthread_mutex_t witness_mutex = PTHREAD_MUTEX_INITIALIZER;
static const unsigned long *wanted; /* NULL: it does not listen */
static size_t n_wanted;

int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);

static void
kvm_witness_look_at_msrs(struct kvm_act *act, const struct kvm_msrs *msrs)
{
	bool has_tsc = false;

	for (uint32_t i = 0; i < msrs->nmsrs; i++) {
		if (msrs->entries[i].index == MSR_TSC) {
			act->tsc = msrs->entries[i].data;
			has_tsc = true;
		}
		if (msrs->entries[i].index == MSR_TSC_DEADLINE)
			act->deadline_last = has_tsc && i + 1 == msrs->nmsrs;
	}
}

static void
kvm_witness_look_at_line(struct kvm_act *act, const struct kvm_irq_level *line)
{
	act->line = line->irq;
	act->is_high = line->level;
}

static void
kvm_witness_note(int fd, unsigned long request, const void *argument)
{
	struct kvm_act act = { .fd = fd, .request = request };

	if (request == KVM_SET_MSRS || request == KVM_GET_MSRS)
		kvm_witness_look_at_msrs(&act, argument);
	else if (request == KVM_IRQ_LINE)
		kvm_witness_look_at_line(&act, argument);
	pthread_mutex_lock(&witness_mutex);
	for (size_t i = 0; wanted && i < n_wanted && witness.n_acts < KVM_WITNESS_MAX; i++)
		if (wanted[i] == request)
			witness.acts[witness.n_acts++] = act;
	pthread_mutex_unlock(&witness_mutex);
}

/* The MSRs that are read are known after the call; all others are noted before. */
int
__wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	void *argument;
	int result;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	if (request != KVM_GET_MSRS)
		kvm_witness_note(fd, request, argument);
	result = __real_ioctl(fd, request, argument);
	if (request == KVM_GET_MSRS)
		kvm_witness_note(fd, request, argument);
	return result;
}

void
kvm_witness_begin(const unsigned long *requests, size_t n_requests)
{
	pthread_mutex_lock(&witness_mutex);
	witness.n_acts = 0;
	wanted = requests;
	n_wanted = n_requests;
	pthread_mutex_unlock(&witness_mutex);
}

void
kvm_witness_end(void)
{
	pthread_mutex_lock(&witness_mutex);
	wanted = NULL;
	pthread_mutex_unlock(&witness_mutex);
}

const struct kvm_witness *
kvm_witness_get(void)
{
	return &witness;
}

size_t
kvm_witness_find(int fd, unsigned long request)
{
	for (size_t i = 0; i < witness.n_acts; i++)
		if (witness.acts[i].request == request && (fd < 0 || witness.acts[i].fd == fd))
			return i;
	return KVM_WITNESS_MAX;
}

size_t
kvm_witness_find_last(unsigned long request)
{
	for (size_t i = witness.n_acts; i-- > 0;)
		if (witness.acts[i].request == request)
			return i;
	return KVM_WITNESS_MAX;
}

size_t
kvm_witness_find_high(uint32_t line)
{
	for (size_t i = 0; i < witness.n_acts; i++)
		if (witness.acts[i].request == KVM_IRQ_LINE && witness.acts[i].line == line &&
		    witness.acts[i].is_high)
			return i;
	return KVM_WITNESS_MAX;
}

size_t
kvm_witness_count_fds(unsigned long request)
{
	size_t count = 0;

	pthread_mutex_lock(&witness_mutex);
	for (size_t i = 0; i < witness.n_acts; i++)
		count += witness.acts[i].request == request &&
			 kvm_witness_find(witness.acts[i].fd, request) == i;
	pthread_mutex_unlock(&witness_mutex);
	return count;
}
