/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * machine.c - the whole virtual machine: what it is made of, and its life (carrel-vmm, loop thread)
 *
 * How it works: start_list below is the machine, in the order in which it is made; machine_free() takes it apart.
 *
 * vCPUs and devices only leave a wish in "wishes" and wake the loop's thread (machine_wish()). machine_handle_wishes() does
 * them there, most severe first. To stop the vCPUs it has to let go of the lock (machine_stand()), since they may be
 * waiting for it in the middle of an access; it is never called from device code.
 *
 * A reset makes of the same process the machine that it was at the start: devices, interrupt controllers and vCPUs
 * as after power-on, the boot files loaded again. Guest memory stays what it was, as in a PC.
 */
#include "vmm/machine.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "vmm/boot.h"
#include "vmm/bus.h"
#include "vmm/cpu_model.h"
#include "vmm/cpuid_table.h"
#include "vmm/description.h"
#include "vmm/devices.h"
#include "vmm/guest_memory.h"
#include "vmm/kvm.h"
#include "vmm/loop.h"
#include "vmm/memory_map.h"
#include "vmm/platform.h"
#include "vmm/vcpu.h"

enum machine_wish {
	MACHINE_WISH_QUIT,
	MACHINE_WISH_FAIL,
	MACHINE_WISH_OFF,
	MACHINE_WISH_PANIC,
	MACHINE_WISH_RESET,
	MACHINE_WISH_PAUSE,
	MACHINE_WISH_NO_SPACE,
	MACHINE_WISH_SPACE,
	MACHINE_WISH_RESUME,
	MACHINE_WISH_COUNT,
};

static const char *const state_names[] = {
	[VMM_STATE_STARTING] = "starting", [VMM_STATE_RUNNING] = "running",
	[VMM_STATE_PAUSED] = "paused",	   [VMM_STATE_OFF] = "off",
	[VMM_STATE_PANICKED] = "panicked", [VMM_STATE_FAILED] = "failed",
};
static_assert(sizeof(state_names) / sizeof(state_names[0]) == VMM_STATE_COUNT, "a name a state");

/* Which states may follow, as base/proto_vmm.h says. */
static const uint32_t next_states[VMM_STATE_COUNT] = {
	[VMM_STATE_STARTING] = 1 << VMM_STATE_RUNNING,
	[VMM_STATE_RUNNING] = 1 << VMM_STATE_PAUSED | 1 << VMM_STATE_OFF | 1 << VMM_STATE_PANICKED |
			      1 << VMM_STATE_FAILED,
	[VMM_STATE_PAUSED] = 1 << VMM_STATE_RUNNING | 1 << VMM_STATE_OFF | 1 << VMM_STATE_PANICKED |
			     1 << VMM_STATE_FAILED,
};

struct machine {
	const struct description *description;
	char *problem; /* only while it is being made */
	pthread_mutex_t lock;
	struct cpuid_table *supported;
	struct platform platform;
	struct kvm *kvm;
	struct devices *devices;
	struct vcpu_host vcpu_host;
	struct vcpu *vcpus[DESCRIPTION_MAX_CPUS];
	struct loop_source *wake_source;
	int wake_fd;
	uint32_t wishes; /* bit set of enum machine_wish */
	char reason[VCPU_REASON_BYTES];
	enum vmm_state state;
	enum vmm_pause_reason pause_reason;
	machine_watcher watcher;
	void *watcher_context;
};

static void
machine_wish(struct machine *machine, enum machine_wish wish)
{
	static const uint64_t one = 1;
	ssize_t written;

	machine->wishes |= UINT32_C(1) << wish;
	written = write(machine->wake_fd, &one, sizeof(one));
	(void)written; /* it is readable already when there is no more room */
}

static void
machine_tell(struct machine *machine, const struct vmm_event *event)
{
	if (machine->watcher)
		machine->watcher(machine->watcher_context, event);
}

static void
machine_set_state(struct machine *machine, enum vmm_state state, enum vmm_pause_reason reason,
		  const char *text)
{
	struct vmm_event event = { .kind = VMM_EVENT_STATE, .value = state, .detail = reason };

	if (!(next_states[machine->state] >> state & 1)) {
		log_error("machine '%s': cannot go from %s to %s", machine->description->name,
			  state_names[machine->state], state_names[state]);
		return;
	}
	log_info("machine '%s': %s -> %s%s%s", machine->description->name,
		 state_names[machine->state], state_names[state], *text ? ": " : "", text);
	machine->state = state;
	machine->pause_reason = reason;
	snprintf(event.text, sizeof(event.text), "%s", text);
	machine_tell(machine, &event);
}

/* What the platform offers to devices. */

static void
machine_set_irq(void *context, uint32_t gsi, bool level)
{
	struct machine *machine = context;
	int error = kvm_set_irq(machine->kvm, gsi, level);

	if (error < 0)
		log_error("machine: interrupt line %u cannot be set: %s", gsi, strerror(-error));
}

/* Where the guest sends its message is its own business. */
static void
machine_send_msi(void *context, uint64_t address, uint32_t data)
{
	struct machine *machine = context;

	kvm_send_msi(machine->kvm, address, data);
}

static int
machine_add_doorbell(void *context, uint64_t gpa, uint32_t bytes, int eventfd)
{
	struct machine *machine = context;

	return kvm_add_doorbell(machine->kvm, gpa, bytes, eventfd);
}

static void
machine_remove_doorbell(void *context, uint64_t gpa, uint32_t bytes, int eventfd)
{
	struct machine *machine = context;
	int error = kvm_remove_doorbell(machine->kvm, gpa, bytes, eventfd);

	if (error < 0)
		log_error("machine: a doorbell cannot be removed: %s", strerror(-error));
}

static void
machine_report(void *context, enum platform_event event)
{
	static const enum machine_wish wishes[] = {
		[PLATFORM_EVENT_RESET] = MACHINE_WISH_RESET,
		[PLATFORM_EVENT_SHUTDOWN] = MACHINE_WISH_OFF,
		[PLATFORM_EVENT_PANIC] = MACHINE_WISH_PANIC,
		[PLATFORM_EVENT_NO_SPACE] = MACHINE_WISH_NO_SPACE,
		[PLATFORM_EVENT_SPACE] = MACHINE_WISH_SPACE,
	};

	static_assert(sizeof(wishes) / sizeof(wishes[0]) == PLATFORM_EVENT_COUNT, "all events");
	machine_wish(context, wishes[event]);
}

static const struct platform_ops platform_table = {
	.set_irq = machine_set_irq,
	.send_msi = machine_send_msi,
	.add_doorbell = machine_add_doorbell,
	.remove_doorbell = machine_remove_doorbell,
	.report = machine_report,
};

static void
machine_handle_vcpu_end(void *context, uint32_t index, enum vcpu_end end, const char *reason)
{
	static const enum machine_wish wishes[] = {
		[VCPU_END_RESET] = MACHINE_WISH_RESET,
		[VCPU_END_SHUTDOWN] = MACHINE_WISH_OFF,
		[VCPU_END_FAILED] = MACHINE_WISH_FAIL,
	};
	struct machine *machine = context;

	log_info("machine '%s': vcpu=%u stands: %s", machine->description->name, index, reason);
	snprintf(machine->reason, sizeof(machine->reason), "%s", reason);
	machine_wish(machine, wishes[end]);
}

/* What is done in the loop's thread. */

/* With the lock, which it gives away meanwhile. */
static void
machine_stand(struct machine *machine)
{
	for (uint32_t i = 0; i < machine->description->cpus; i++)
		vcpu_stop(machine->vcpus[i]);
	pthread_mutex_unlock(&machine->lock);
	for (uint32_t i = 0; i < machine->description->cpus; i++)
		vcpu_wait(machine->vcpus[i]);
	pthread_mutex_lock(&machine->lock);
}

static void
machine_go(struct machine *machine)
{
	for (uint32_t i = 0; i < machine->description->cpus; i++)
		vcpu_run(machine->vcpus[i]);
}

static int
machine_load_kernel(struct machine *machine, struct vcpu_entry *ret_entry)
{
	const struct description *description = machine->description;
	struct boot_source source = {
		.kernel_fd = description->kernel_fd,
		.initrd_fd = description->initrd_fd,
		.command_line = description->command_line,
	};
	struct boot_problem problem;
	int error = boot_load(machine->platform.memory, &source, ret_entry, &problem);

	if (error < 0 && machine->problem)
		snprintf(machine->problem, MACHINE_PROBLEM_BYTES, "%s", problem.text);
	else if (error < 0)
		log_error("machine '%s': %s", description->name, problem.text);
	return error;
}

/* Everything as the first instruction finds it. The vCPUs stand. */
static int
machine_prepare(struct machine *machine)
{
	struct vcpu_entry entry;
	int error = devices_prepare(machine->devices);

	if (error == 0)
		error = kvm_reset(machine->kvm);
	if (error == 0)
		error = machine_load_kernel(machine, &entry);
	for (uint32_t i = 0; error == 0 && i < machine->description->cpus; i++)
		error = vcpu_reset(machine->vcpus[i], i == 0 ? &entry : NULL);
	return error;
}

static void
machine_do_reset(struct machine *machine)
{
	int error;

	machine_stand(machine);
	/* What the guest wished for while it was being stopped is over. */
	machine->wishes &= ~(UINT32_C(1) << MACHINE_WISH_RESET);
	error = machine_prepare(machine);
	if (error < 0) {
		log_error("machine '%s': cannot be reset: %s", machine->description->name,
			  strerror(-error));
		machine_set_state(machine, VMM_STATE_FAILED, VMM_PAUSE_NONE, "it cannot be reset");
		return;
	}
	log_info("machine '%s': reset", machine->description->name);
	machine_tell(machine, &(struct vmm_event){ .kind = VMM_EVENT_REBOOTED });
	if (machine->state == VMM_STATE_RUNNING)
		machine_go(machine);
}

static void
machine_do_pause(struct machine *machine, enum vmm_pause_reason reason, const char *text)
{
	if (machine->state != VMM_STATE_RUNNING)
		return;
	machine_stand(machine);
	devices_pause(machine->devices);
	machine_set_state(machine, VMM_STATE_PAUSED, reason, text);
}

static void
machine_do_resume(struct machine *machine)
{
	if (machine->state != VMM_STATE_PAUSED)
		return;
	devices_resume(machine->devices);
	machine_set_state(machine, VMM_STATE_RUNNING, VMM_PAUSE_NONE, "");
	machine_go(machine);
}

static void
machine_do_end(struct machine *machine, enum vmm_state state, const char *text)
{
	machine_stand(machine);
	machine_set_state(machine, state, VMM_PAUSE_NONE, text);
}

/* Off, panicked and failed are for good. Paused is among those that are alive: what the guest did before that counts. */
static bool
machine_is_alive(const struct machine *machine)
{
	return machine->state == VMM_STATE_RUNNING || machine->state == VMM_STATE_PAUSED;
}

static void
machine_do(struct machine *machine, enum machine_wish wish)
{
	switch (wish) {
	case MACHINE_WISH_FAIL:
		machine_do_end(machine, VMM_STATE_FAILED, machine->reason);
		break;
	case MACHINE_WISH_OFF:
		machine_do_end(machine, VMM_STATE_OFF, "");
		loop_stop(machine->platform.loop);
		break;
	case MACHINE_WISH_PANIC:
		machine_do_end(machine, VMM_STATE_PANICKED, "");
		break;
	case MACHINE_WISH_RESET:
		machine_do_reset(machine);
		break;
	case MACHINE_WISH_PAUSE:
		machine_do_pause(machine, VMM_PAUSE_ASKED, "");
		break;
	case MACHINE_WISH_NO_SPACE:
		machine_do_pause(machine, VMM_PAUSE_NO_SPACE, "no room on the host for a write");
		break;
	case MACHINE_WISH_SPACE:
		if (machine->pause_reason == VMM_PAUSE_NO_SPACE)
			machine_do_resume(machine);
		break;
	case MACHINE_WISH_RESUME:
		machine_do_resume(machine);
		break;
	case MACHINE_WISH_QUIT:
	case MACHINE_WISH_COUNT:
		break;
	}
}

static void
machine_handle_wishes(void *context, uint32_t events)
{
	struct machine *machine = context;
	uint64_t count;

	(void)events;
	if (read(machine->wake_fd, &count, sizeof(count)) < 0)
		return;
	for (enum machine_wish wish = 0; wish < MACHINE_WISH_COUNT; wish++) {
		if (!(machine->wishes >> wish & 1))
			continue;
		machine->wishes &= ~(UINT32_C(1) << wish);
		if (wish == MACHINE_WISH_QUIT)
			loop_stop(machine->platform.loop);
		else if (machine_is_alive(machine))
			machine_do(machine, wish);
	}
}

/* The machine, in the order in which it is made. */

static int
machine_check_host(struct machine *machine)
{
	const struct description *description = machine->description;
	int error = kvm_check(description->kvm_fd, machine->problem);

	if (error == 0)
		error = kvm_list_cpuid(description->kvm_fd, machine->supported);
	if (error == 0)
		error = cpu_model_check(description->cpu, machine->supported, machine->problem);
	return error;
}

static int
machine_make_memory(struct machine *machine)
{
	return guest_memory_new(machine->description->memory_fd, machine->description->ram_bytes,
				machine->description->memory_private, &machine->platform.memory);
}

static int
machine_make_loop(struct machine *machine)
{
	int error = loop_new(&machine->lock, &machine->platform.loop);

	if (error < 0)
		return error;
	machine->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (machine->wake_fd < 0)
		return -errno;
	return loop_add(machine->platform.loop, "wishes", machine->wake_fd, EPOLLIN,
			machine_handle_wishes, machine, &machine->wake_source);
}

static int
machine_make_buses(struct machine *machine)
{
	int error = bus_new("port", &machine->platform.pio);

	return error < 0 ? error : bus_new("memory", &machine->platform.mmio);
}

static int
machine_make_kvm(struct machine *machine)
{
	return kvm_new(machine->description->kvm_fd, MEMORY_MAP_IDENTITY_PAGE, MEMORY_MAP_TSS,
		       machine->platform.memory, &machine->kvm);
}

static int
machine_make_devices(struct machine *machine)
{
	return devices_new(&machine->platform, machine->description, &machine->devices);
}

static int
machine_make_vcpus(struct machine *machine)
{
	struct cpuid_table cpuid;
	int error = 0;

	machine->vcpu_host = (struct vcpu_host){
		.lock = &machine->lock,
		.pio = machine->platform.pio,
		.mmio = machine->platform.mmio,
		.ended = machine_handle_vcpu_end,
		.context = machine,
	};
	for (uint32_t i = 0; error == 0 && i < machine->description->cpus; i++) {
		cpu_model_fill(machine->description->cpu, machine->supported,
			       machine->description->cpus, i, &cpuid);
		error = vcpu_new(machine->kvm, i, &cpuid, &machine->vcpu_host, &machine->vcpus[i]);
	}
	return error;
}

static const struct {
	const char *what;
	int (*make)(struct machine *machine);
} start_list[] = {
	{ "this host's KVM cannot be used", machine_check_host },
	{ "the guest's memory cannot be mapped", machine_make_memory },
	{ "the event loop cannot be made", machine_make_loop },
	{ "the buses cannot be made", machine_make_buses },
	{ "KVM does not make a virtual machine", machine_make_kvm },
	{ "the devices cannot be made", machine_make_devices },
	{ "KVM does not make the vCPUs", machine_make_vcpus },
	{ "it cannot be made ready for its first instruction", machine_prepare },
};

static int
machine_make(struct machine *machine)
{
	int error = 0;

	machine->supported = calloc(1, sizeof(*machine->supported));
	if (!machine->supported)
		return -ENOMEM;
	pthread_mutex_lock(&machine->lock);
	for (size_t i = 0; error == 0 && i < sizeof(start_list) / sizeof(start_list[0]); i++) {
		error = start_list[i].make(machine);
		if (error < 0 && machine->problem[0] == '\0')
			snprintf(machine->problem, MACHINE_PROBLEM_BYTES, "%s: %s",
				 start_list[i].what, strerror(-error));
	}
	pthread_mutex_unlock(&machine->lock);
	return error;
}

int
machine_new(const struct description *description, struct machine **ret_machine,
	    char ret_problem[MACHINE_PROBLEM_BYTES])
{
	struct machine *machine = calloc(1, sizeof(*machine));
	int error;

	ret_problem[0] = '\0';
	if (!machine) {
		snprintf(ret_problem, MACHINE_PROBLEM_BYTES, "out of memory");
		return -ENOMEM;
	}
	machine->description = description;
	machine->problem = ret_problem;
	machine->wake_fd = -1;
	machine->platform.ops = &platform_table;
	machine->platform.context = machine;
	pthread_mutex_init(&machine->lock, NULL);
	error = machine_make(machine);
	machine->problem = NULL;
	if (error < 0) {
		machine_free(machine);
		return error;
	}
	*ret_machine = machine;
	return 0;
}

void
machine_free(struct machine *machine)
{
	if (!machine)
		return;
	for (uint32_t i = 0; i < DESCRIPTION_MAX_CPUS; i++)
		vcpu_free(machine->vcpus[i]);
	devices_free(machine->devices);
	kvm_free(machine->kvm);
	bus_free(machine->platform.pio);
	bus_free(machine->platform.mmio);
	loop_remove(machine->wake_source);
	if (machine->wake_fd >= 0)
		close(machine->wake_fd);
	loop_free(machine->platform.loop);
	guest_memory_free(machine->platform.memory);
	pthread_mutex_destroy(&machine->lock);
	free(machine->supported);
	free(machine);
}

int
machine_run(struct machine *machine)
{
	pthread_mutex_lock(&machine->lock);
	machine_set_state(machine, VMM_STATE_RUNNING, VMM_PAUSE_NONE, "");
	machine_go(machine);
	pthread_mutex_unlock(&machine->lock);
	return loop_run(machine->platform.loop);
}

void
machine_set_watcher(struct machine *machine, machine_watcher watcher, void *context)
{
	machine->watcher = watcher;
	machine->watcher_context = context;
}

struct platform *
machine_get_platform(struct machine *machine)
{
	return &machine->platform;
}

struct devices *
machine_get_devices(struct machine *machine)
{
	return machine->devices;
}

enum vmm_state
machine_get_state(const struct machine *machine)
{
	return machine->state;
}

enum vmm_pause_reason
machine_get_pause_reason(const struct machine *machine)
{
	return machine->pause_reason;
}

uint64_t
machine_get_exits(const struct machine *machine)
{
	uint64_t exits = 0;

	for (uint32_t i = 0; i < machine->description->cpus; i++)
		exits += vcpu_get_exits(machine->vcpus[i]);
	return exits;
}

void
machine_ask_pause(struct machine *machine)
{
	machine_wish(machine, MACHINE_WISH_PAUSE);
}

void
machine_ask_resume(struct machine *machine)
{
	machine_wish(machine, MACHINE_WISH_RESUME);
}

void
machine_ask_reset(struct machine *machine)
{
	machine_wish(machine, MACHINE_WISH_RESET);
}

void
machine_ask_quit(struct machine *machine)
{
	machine_wish(machine, MACHINE_WISH_QUIT);
}
