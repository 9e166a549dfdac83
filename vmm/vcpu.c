/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vcpu.c - one vCPU and its thread (carrel-vmm, a thread per vCPU)
 *
 * How it works: the thread does what "wish" says, which others change under the vCPU's own mutex.
 * To stand, they set the wish and kick: "immediate_exit" makes a KVM_RUN that has not begun yet
 * return at once, the signal gets one that has begun out of the guest. Before it stands the thread
 * enters KVM once more with immediate_exit set, because KVM completes an access that it has handed
 * to us only on the next entry, and registers are not consistent before.
 *
 * vcpu_loop() is: run, one switch, one call per exit. The machine's lock is held around bus
 * accesses only. Who holds that lock may take the vCPU's mutex (machine.c does, for vcpu_run() and
 * vcpu_stop()), never the other way round.
 */
#include "vmm/vcpu.h"

#include <errno.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cpuid_table.h"
#include "vmm/bus.h"
#include "vmm/kvm.h"
#include "vmm/state_file.h"

#define KICK_SIGNAL SIGRTMIN
/* Linux gives out the usual 8 MiB in huge pages: the first touch would cost 2 MiB. */
#define STACK_BYTES   (256 * 1024)
#define STATE_VERSION 1

enum vcpu_wish {
	VCPU_WISH_STAND,
	VCPU_WISH_RUN,
	VCPU_WISH_END,
};

struct vcpu {
	uint32_t index;
	const struct vcpu_host *host;
	int fd;
	struct kvm_run *run; /* shared with KVM */
	size_t run_bytes;
	struct vcpu_state *power_on;
	struct vcpu_state *taken; /* between vcpu_take() and vcpu_load() */
	pthread_t thread;
	bool has_thread;
	atomic_uint_fast64_t exits;

	pthread_mutex_t mutex; /* of these two */
	pthread_cond_t changed;
	enum vcpu_wish wish;
	bool stands;
};

static void
vcpu_handle_kick(int signal_number)
{
	(void)signal_number; /* only to interrupt KVM_RUN */
}

/* With the mutex. The thread itself clears immediate_exit before it runs. */
static void
vcpu_set_wish(struct vcpu *vcpu, enum vcpu_wish wish)
{
	vcpu->wish = wish;
	if (wish == VCPU_WISH_RUN)
		vcpu->stands = false;
	else
		__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	pthread_cond_broadcast(&vcpu->changed);
}

static void vcpu_end(struct vcpu *vcpu, enum vcpu_end end, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void
vcpu_end(struct vcpu *vcpu, enum vcpu_end end, const char *format, ...)
{
	char reason[VCPU_REASON_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(reason, sizeof(reason), format, arguments);
	va_end(arguments);
	pthread_mutex_lock(&vcpu->mutex);
	if (vcpu->wish == VCPU_WISH_RUN)
		vcpu_set_wish(vcpu, VCPU_WISH_STAND);
	pthread_mutex_unlock(&vcpu->mutex);
	pthread_mutex_lock(vcpu->host->lock);
	vcpu->host->ended(vcpu->host->context, vcpu->index, end, reason);
	pthread_mutex_unlock(vcpu->host->lock);
}

/* Port I/O; "count" is above 1 for string instructions. */
static void
vcpu_handle_io(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	uint32_t bytes = run->io.size;

	pthread_mutex_lock(vcpu->host->lock);
	for (uint32_t i = 0; i < run->io.count; i++, data += bytes) {
		uint64_t value = 0;

		if (run->io.direction == KVM_EXIT_IO_OUT) {
			memcpy(&value, data, bytes);
			bus_write(vcpu->host->pio, run->io.port, bytes, value);
		} else {
			value = bus_read(vcpu->host->pio, run->io.port, bytes);
			memcpy(data, &value, bytes);
		}
	}
	pthread_mutex_unlock(vcpu->host->lock);
}

/*
 * An access over the end of a page comes in odd lengths: byte by byte then, since devices know 1,
 * 2, 4 and 8 only.
 */
static void
vcpu_handle_mmio(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint32_t bytes =
		run->mmio.len < sizeof(run->mmio.data) ? run->mmio.len : sizeof(run->mmio.data);
	uint32_t step = bytes & (bytes - 1) ? 1 : bytes;

	pthread_mutex_lock(vcpu->host->lock);
	for (uint32_t i = 0; i < bytes; i += step) {
		uint64_t value = 0;

		if (run->mmio.is_write) {
			memcpy(&value, run->mmio.data + i, step);
			bus_write(vcpu->host->mmio, run->mmio.phys_addr + i, step, value);
		} else {
			value = bus_read(vcpu->host->mmio, run->mmio.phys_addr + i, step);
			memcpy(run->mmio.data + i, &value, step);
		}
	}
	pthread_mutex_unlock(vcpu->host->lock);
}

static void
vcpu_handle_system_event(struct vcpu *vcpu)
{
	uint32_t type = vcpu->run->system_event.type;

	if (type == KVM_SYSTEM_EVENT_SHUTDOWN)
		vcpu_end(vcpu, VCPU_END_SHUTDOWN, "system event");
	else if (type == KVM_SYSTEM_EVENT_RESET)
		vcpu_end(vcpu, VCPU_END_RESET, "system event");
	else
		vcpu_end(vcpu, VCPU_END_FAILED, "system event %u", type);
}

static void
vcpu_handle_internal_error(struct vcpu *vcpu)
{
	struct kvm_regs regs = { 0 };

	if (ioctl(vcpu->fd, KVM_GET_REGS, &regs) < 0)
		regs.rip = 0;
	vcpu_end(vcpu, VCPU_END_FAILED, "KVM cannot go on: internal error %u at rip=%#llx",
		 vcpu->run->internal.suberror, regs.rip);
}

static void
vcpu_handle_exit(struct vcpu *vcpu)
{
	atomic_fetch_add_explicit(&vcpu->exits, 1, memory_order_relaxed);
	switch (vcpu->run->exit_reason) {
	case KVM_EXIT_IO:
		vcpu_handle_io(vcpu);
		break;
	case KVM_EXIT_MMIO:
		vcpu_handle_mmio(vcpu);
		break;
	case KVM_EXIT_INTR:
		break;
	case KVM_EXIT_SHUTDOWN:
		vcpu_end(vcpu, VCPU_END_RESET, "triple fault");
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		vcpu_handle_system_event(vcpu);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		vcpu_end(vcpu, VCPU_END_FAILED, "the processor does not enter the guest: %#llx",
			 vcpu->run->fail_entry.hardware_entry_failure_reason);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		vcpu_handle_internal_error(vcpu);
		break;
	default:
		vcpu_end(vcpu, VCPU_END_FAILED, "exit %u is none that we know",
			 vcpu->run->exit_reason);
		break;
	}
}

/* One entry into the guest; false when it was kicked out of it. */
static bool
vcpu_enter(struct vcpu *vcpu)
{
	if (ioctl(vcpu->fd, KVM_RUN, 0) == 0) {
		vcpu_handle_exit(vcpu);
		return true;
	}
	if (errno != EINTR && errno != EAGAIN)
		vcpu_end(vcpu, VCPU_END_FAILED, "KVM_RUN: %s", strerror(errno));
	return false;
}

static void
vcpu_loop(struct vcpu *vcpu)
{
	/* Tells the guest's watchdogs that it stood; -EINVAL where it does not use KVM's clock. */
	ioctl(vcpu->fd, KVM_KVMCLOCK_CTRL, 0);
	while (__atomic_load_n(&vcpu->run->immediate_exit, __ATOMIC_SEQ_CST) == 0)
		vcpu_enter(vcpu);
	/* Completes the last access; one in several parts comes back as several exits. */
	while (vcpu_enter(vcpu))
		continue;
}

static void *
vcpu_main(void *context)
{
	struct vcpu *vcpu = context;
	char name[16];

	snprintf(name, sizeof(name), "vcpu%u", vcpu->index);
	pthread_setname_np(pthread_self(), name);
	if (vcpu->host->enter_thread && vcpu->host->enter_thread(vcpu->host->context) < 0)
		vcpu_end(vcpu, VCPU_END_FAILED, "the thread cannot be contained");
	pthread_mutex_lock(&vcpu->mutex);
	while (vcpu->wish != VCPU_WISH_END) {
		if (vcpu->wish == VCPU_WISH_STAND) {
			vcpu->stands = true;
			pthread_cond_broadcast(&vcpu->changed);
			pthread_cond_wait(&vcpu->changed, &vcpu->mutex);
			continue;
		}
		__atomic_store_n(&vcpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
		pthread_mutex_unlock(&vcpu->mutex);
		vcpu_loop(vcpu);
		pthread_mutex_lock(&vcpu->mutex);
	}
	pthread_mutex_unlock(&vcpu->mutex);
	return NULL;
}

static int
vcpu_start_thread(struct vcpu *vcpu)
{
	struct sigaction action = { .sa_handler = vcpu_handle_kick };
	pthread_attr_t attributes;
	int error;

	if (sigaction(KICK_SIGNAL, &action, NULL) < 0)
		return -errno;
	error = pthread_attr_init(&attributes);
	if (error != 0)
		return -error;
	error = pthread_attr_setstacksize(&attributes, STACK_BYTES);
	if (error == 0)
		error = pthread_create(&vcpu->thread, &attributes, vcpu_main, vcpu);
	pthread_attr_destroy(&attributes);
	vcpu->has_thread = error == 0;
	return -error;
}

int
vcpu_new(struct kvm *kvm, uint32_t index, const struct cpuid_table *cpuid,
	 const struct vcpu_host *host, struct vcpu **ret_vcpu)
{
	struct vcpu *vcpu = calloc(1, sizeof(*vcpu));
	int error;

	if (!vcpu)
		return -ENOMEM;
	vcpu->index = index;
	vcpu->host = host;
	vcpu->fd = -1;
	vcpu->run = MAP_FAILED;
	pthread_mutex_init(&vcpu->mutex, NULL);
	pthread_cond_init(&vcpu->changed, NULL);
	error = kvm_create_vcpu(kvm, index, &vcpu->fd, &vcpu->run_bytes);
	if (error == 0) {
		vcpu->run = mmap(NULL, vcpu->run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
				 vcpu->fd, 0);
		error = vcpu->run == MAP_FAILED ? -errno : 0;
	}
	if (error == 0)
		error = vcpu_state_set_cpuid(vcpu->fd, cpuid);
	if (error == 0)
		error = vcpu_start_thread(vcpu);
	if (error < 0) {
		vcpu_free(vcpu);
		return error;
	}
	*ret_vcpu = vcpu;
	return 0;
}

static void
vcpu_ask(struct vcpu *vcpu, enum vcpu_wish wish)
{
	pthread_mutex_lock(&vcpu->mutex);
	vcpu_set_wish(vcpu, wish);
	pthread_mutex_unlock(&vcpu->mutex);
	if (wish != VCPU_WISH_RUN)
		pthread_kill(vcpu->thread, KICK_SIGNAL);
}

void
vcpu_run(struct vcpu *vcpu)
{
	vcpu_ask(vcpu, VCPU_WISH_RUN);
}

void
vcpu_stop(struct vcpu *vcpu)
{
	vcpu_ask(vcpu, VCPU_WISH_STAND);
}

void
vcpu_wait(struct vcpu *vcpu)
{
	pthread_mutex_lock(&vcpu->mutex);
	while (!vcpu->stands)
		pthread_cond_wait(&vcpu->changed, &vcpu->mutex);
	pthread_mutex_unlock(&vcpu->mutex);
}

int
vcpu_power_on(struct vcpu *vcpu, struct kvm *kvm, const struct cpuid_table *cpuid)
{
	return vcpu_state_new(kvm, vcpu->fd, cpuid, &vcpu->power_on);
}

int
vcpu_save(struct vcpu *vcpu, struct state_writer *writer)
{
	struct vcpu_state *now;
	int error = vcpu_state_read_now(vcpu->fd, vcpu->power_on, &now);

	if (error < 0)
		return error;
	state_writer_begin(writer, STATE_VERSION, "cpu %u", vcpu->index);
	vcpu_state_put(vcpu->power_on, writer);
	vcpu_state_put(now, writer);
	state_writer_end(writer);
	vcpu_state_free(now);
	return 0;
}

int
vcpu_take(struct vcpu *vcpu, struct state_reader *reader, uint64_t *ret_tsc)
{
	int error;

	state_reader_open(reader, STATE_VERSION, "cpu %u", vcpu->index);
	error = vcpu_state_take(reader, &vcpu->power_on);
	if (error == 0)
		error = vcpu_state_take(reader, &vcpu->taken);
	if (error == 0)
		error = state_reader_close(reader);
	if (error < 0)
		return error;
	*ret_tsc = vcpu_state_get_tsc(vcpu->taken);
	return 0;
}

int
vcpu_load(struct vcpu *vcpu, uint64_t tsc, uint32_t *ret_msr)
{
	int error;

	vcpu_state_set_tsc(vcpu->taken, tsc);
	error = vcpu_state_load(vcpu->taken, vcpu->fd, ret_msr);
	vcpu_state_free(vcpu->taken);
	vcpu->taken = NULL;
	return error;
}

uint32_t
vcpu_get_tsc_khz(const struct vcpu *vcpu)
{
	int khz = ioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0);

	return khz > 0 ? (uint32_t)khz : 0;
}

int
vcpu_set_tsc_khz(struct vcpu *vcpu, uint32_t khz)
{
	return ioctl(vcpu->fd, KVM_SET_TSC_KHZ, (unsigned long)khz) < 0 ? -ENOTSUP : 0;
}

int
vcpu_reset(struct vcpu *vcpu, const struct vcpu_entry *entry)
{
	uint32_t msr;
	int error = vcpu_state_load(vcpu->power_on, vcpu->fd, &msr);

	if (error < 0 || !entry)
		return error;
	return vcpu_state_enter(vcpu->fd, entry);
}

uint64_t
vcpu_get_exits(const struct vcpu *vcpu)
{
	return atomic_load_explicit(&vcpu->exits, memory_order_relaxed);
}

void
vcpu_free(struct vcpu *vcpu)
{
	if (!vcpu)
		return;
	if (vcpu->has_thread) {
		vcpu_ask(vcpu, VCPU_WISH_END);
		pthread_join(vcpu->thread, NULL);
	}
	if (vcpu->run != MAP_FAILED)
		munmap(vcpu->run, vcpu->run_bytes);
	if (vcpu->fd >= 0)
		close(vcpu->fd);
	vcpu_state_free(vcpu->power_on);
	vcpu_state_free(vcpu->taken);
	pthread_cond_destroy(&vcpu->changed);
	pthread_mutex_destroy(&vcpu->mutex);
	free(vcpu);
}
