/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * machine_start.c - what the machine is made of, and how it is made (carrel-vmm, loop thread)
 *
 * How it works: start_list is the machine, in the order in which it is made; machine_free() takes
 * it apart. The platform's table is all that devices see of it. machine_prepare() is the last step
 * of the start and all of a reset; a fork's last step is machine_load() (machine_state.c).
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cpu_model.h"
#include "base/cpuid_table.h"
#include "base/kvm_cpuid.h"
#include "base/kvm_needs.h"
#include "base/log.h"
#include "vmm/boot.h"
#include "vmm/bus.h"
#include "vmm/description.h"
#include "vmm/devices.h"
#include "vmm/guest_memory.h"
#include "vmm/kvm.h"
#include "vmm/loop.h"
#include "vmm/machine.h"
#include "vmm/machine_parts.h"
#include "vmm/memory_map.h"
#include "vmm/platform.h"
#include "vmm/vcpu.h"
#include "vmm/vmm_sandbox.h"

#define GUEST_LINES_AT_ONCE 20
#define GUEST_LINE_EVERY_MS 10000

/* What the platform offers to devices. */

static void
machine_set_irq(void *context, uint32_t gsi, bool level)
{
	struct machine *machine = context;
	int error = kvm_set_irq(machine->kvm, gsi, level);

	if (error < 0 && machine_may_log(machine))
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

	if (error < 0 && machine_may_log(machine))
		log_error("machine: a doorbell cannot be removed: %s", strerror(-error));
}

static void
machine_report(void *context, enum platform_event event)
{
	static const enum machine_wish wishes[] = {
		[PLATFORM_EVENT_RESET] = MACHINE_WISH_RESET,
		[PLATFORM_EVENT_SHUTDOWN] = MACHINE_WISH_OFF,
		[PLATFORM_EVENT_PANIC] = MACHINE_WISH_PANIC,
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

static int
machine_load_kernel(struct machine *machine, struct vcpu_entry *ret_entry)
{
	const struct description *description = machine->description;
	struct boot_source source = {
		.kernel_fd = description->kernel_fd,
		.initrd_fd = description->initrd_fd,
		.command_line = description->command_line,
		.memory_is_empty = machine->state == VMM_STATE_STARTING &&
				   guest_memory_was_empty(machine->platform.memory),
	};
	struct boot_problem problem;
	int error = boot_load(machine->platform.memory, &source, ret_entry, &problem);

	if (error < 0 && machine->problem)
		snprintf(machine->problem, MACHINE_PROBLEM_BYTES, "%s", problem.text);
	else if (error < 0)
		log_error("machine '%s': %s", description->name, problem.text);
	return error;
}

int
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

/* The machine, in the order in which it is made. */

static int
machine_check_host(struct machine *machine)
{
	const struct description *description = machine->description;
	int error = kvm_needs_check(description->kvm_fd, machine->problem);

	if (error == 0)
		error = kvm_cpuid_list(description->kvm_fd, machine->supported);
	if (error == 0)
		error = cpu_model_check(description->cpu, machine->supported, machine->problem);
	return error;
}

static int
machine_make_sandbox(struct machine *machine)
{
	return machine->description->sandbox ? vmm_sandbox_new(&machine->sandbox) : 0;
}

/* Before devices open what a stranger may have written, a disk or an overlay; then come a kernel or a state. */
static int
machine_confirm_sandbox(struct machine *machine)
{
	return vmm_sandbox_confirm(machine->sandbox);
}

static int
machine_make_memory(struct machine *machine)
{
	const struct description *description = machine->description;
	int error = guest_memory_new(description->memory_fd, description->ram_bytes,
				     description->memory_private, &machine->platform.memory);

	if (error == 0 && description->memory_random)
		guest_memory_read_alone(machine->platform.memory);
	return error;
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
	error = loop_add(machine->platform.loop, "wishes", machine->wake_fd, EPOLLIN,
			 machine_handle_wishes, machine, &machine->wake_source);
	return error < 0 ? error : machine_idle_make(machine);
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
		       &machine->kvm);
}

static int
machine_add_memory(struct machine *machine)
{
	return kvm_add_memory(machine->kvm, machine->platform.memory);
}

static int
machine_add_chips(struct machine *machine)
{
	return kvm_add_chips(machine->kvm);
}

static int
machine_make_devices(struct machine *machine)
{
	int error = devices_new(&machine->platform, machine->description, &machine->devices);

	if (error == 0)
		devices_set_watcher(machine->devices, machine_tell, machine);
	return error;
}

/* A guest must not run in a thread that is not contained. */
static int
machine_enter_vcpu(void *context)
{
	struct machine *machine = context;
	int error = vmm_sandbox_enter_vcpu(machine->sandbox);

	if (error < 0) {
		log_error("machine '%s': a vCPU's thread cannot be contained: %s",
			  machine->description->name, strerror(-error));
		_exit(EXIT_FAILURE);
	}
	return 0;
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
		.enter_thread = machine_enter_vcpu,
		.ended = machine_handle_vcpu_end,
		.context = machine,
	};
	for (uint32_t i = 0; error == 0 && i < machine->description->cpus; i++) {
		cpu_model_fill(machine->description->cpu, machine->supported,
			       machine->description->cpus, i, &cpuid);
		error = vcpu_new(machine->kvm, i, &cpuid, &machine->vcpu_host, &machine->vcpus[i]);
		if (error == 0 && machine->description->state_fd < 0)
			error = vcpu_power_on(machine->vcpus[i], machine->kvm, &cpuid);
	}
	return error;
}

static int
machine_make_ready(struct machine *machine)
{
	return machine->description->state_fd < 0 ? machine_prepare(machine)
						  : machine_load(machine);
}

static const struct {
	const char *step; /* as the log of steps has it */
	const char *what; /* NULL: its maker logs what is wrong */
	int (*make)(struct machine *machine);
} start_list[] = {
	{ "trial begun", NULL, machine_make_sandbox },
	{ "host checked", "this host's KVM cannot be used", machine_check_host },
	{ "memory mapped", "the guest's memory cannot be mapped", machine_make_memory },
	{ "loop made", "the event loop cannot be made", machine_make_loop },
	{ "buses made", "the buses cannot be made", machine_make_buses },
	{ "KVM machine made", "KVM does not make a virtual machine", machine_make_kvm },
	{ "memslots set", "KVM does not take the guest's memory", machine_add_memory },
	{ "interrupt controllers made", "KVM does not make interrupt controllers",
	  machine_add_chips },
	{ "vCPUs made", "KVM does not make the vCPUs", machine_make_vcpus },
	{ "containment confirmed", NULL, machine_confirm_sandbox },
	{ "devices made", NULL, machine_make_devices },
	{ "made ready", "it cannot be made ready for its first instruction", machine_make_ready },
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
		if (error < 0 && machine->problem[0] == '\0' && start_list[i].what)
			snprintf(machine->problem, MACHINE_PROBLEM_BYTES, "%s: %s",
				 start_list[i].what, strerror(-error));
		if (error == 0)
			log_step(start_list[i].step);
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
	machine->lines = (struct log_limit){
		.burst = GUEST_LINES_AT_ONCE,
		.every_ms = GUEST_LINE_EVERY_MS,
	};
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
	machine_idle_free(machine);
	loop_remove(machine->wake_source);
	if (machine->wake_fd >= 0)
		close(machine->wake_fd);
	loop_free(machine->platform.loop);
	guest_memory_free(machine->platform.memory);
	pthread_mutex_destroy(&machine->lock);
	vmm_sandbox_free(machine->sandbox);
	free(machine->supported);
	free(machine);
}
