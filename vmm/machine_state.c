/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * machine_state.c - the whole machine is saved into a file, and made from one (carrel-vmm, the
 * loop's thread)
 *
 * How it works: machine_save() and machine_load() are two lists of the same parts. Saved is a
 * machine that is paused: no vCPU runs, every access is completed, no I/O is in flight, its clock
 * stands. The order of loading has its reasons (Linux, Documentation/virt/kvm/api.rst and
 * devices/vcpu.rst; the order of Firecracker and QEMU):
 *
 *   machine   first, that a host or a machine that this is not like is refused before anything is
 *             changed: its CPUID leaf by leaf, its time stamp counter's speed
 *   memory    is it this memory? A fork's own pages come here: all that follows may look at them
 *   cpu N     before KVM's devices: a LAPIC's state decides what they may send
 *   kvm       interrupt controllers, timer and clock: before our devices, whose interrupt lines are
 *             set again into what is there
 *   devices   each in its section (vmm/devices.h)
 *
 * Then a new identity is written and its interrupt raised, last, since it would be overwritten by
 * any of these; a machine that was suspended and keeps its identity is told of none. The clock is set when the machine goes on, before a vCPU runs. The guest's own time
 * goes on from where it was; how late it is then, the agent tells it.
 *
 * A fork that was loaded has not touched a page of its memory but the one with its new identity.
 */
#include "vmm/machine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/cpu_model.h"
#include "base/cpuid_table.h"
#include "base/log.h"
#include "vmm/description.h"
#include "vmm/devices.h"
#include "vmm/fd_kind.h"
#include "vmm/kvm.h"
#include "vmm/machine_parts.h"
#include "vmm/pages_file.h"
#include "vmm/state_file.h"
#include "vmm/vcpu.h"

#define STATE_VERSION 1
/* A clock that is wrong by less is what NTP corrects all the time: one in 4000 are 250 ppm. */
#define TSC_TOLERANCE 4000

static int
machine_make_cpuid(const struct machine *machine, struct cpuid_table **ret_table)
{
	struct cpuid_table *table = calloc(1, sizeof(*table));

	if (!table)
		return -ENOMEM;
	cpu_model_fill(machine->description->cpu, machine->supported, machine->description->cpus, 0,
		       table);
	*ret_table = table;
	return 0;
}

static int
machine_save_identity(const struct machine *machine, struct state_writer *writer)
{
	const struct description *description = machine->description;
	CLEANUP_FREE struct cpuid_table *table = NULL;
	int error = machine_make_cpuid(machine, &table);

	if (error < 0)
		return error;
	state_writer_begin(writer, STATE_VERSION, "machine");
	state_put_bytes(writer, description->machine, sizeof(description->machine));
	state_put_bytes(writer, description->cpu, sizeof(description->cpu));
	state_put_u32(writer, description->cpus);
	state_put_u64(writer, description->ram_bytes);
	state_put_u32(writer, vcpu_get_tsc_khz(machine->vcpus[0]));
	state_put_u32(writer, (uint32_t)table->n_leaves);
	for (size_t i = 0; i < table->n_leaves; i++) {
		state_put_u32(writer, table->leaves[i].leaf);
		state_put_u32(writer, table->leaves[i].subleaf);
		state_put_u32(writer, table->leaves[i].eax);
		state_put_u32(writer, table->leaves[i].ebx);
		state_put_u32(writer, table->leaves[i].ecx);
		state_put_u32(writer, table->leaves[i].edx);
	}
	state_writer_end(writer);
	return 0;
}

static int
machine_save_all(struct machine *machine, const struct pages_file_ids *ids,
		 struct state_writer *writer)
{
	int error = machine_save_identity(machine, writer);

	if (error == 0)
		machine_save_memory(ids, writer);
	for (uint32_t i = 0; error == 0 && i < machine->description->cpus; i++)
		error = vcpu_save(machine->vcpus[i], writer);
	if (error == 0)
		error = kvm_save(machine->kvm, writer);
	if (error == 0)
		devices_save(machine->devices, writer);
	return error;
}

/* They are the machine's from now on, so each is something new. */
static const char *
machine_find_wrong_file(const struct machine *machine, const int *fds, size_t n_fds)
{
	const struct description *description = machine->description;

	if (description->memory_private && n_fds != 2)
		return "it is a fork: its state needs one file, its own pages another";
	if (!description->memory_private && n_fds != 1)
		return "its memory is a file of its own: there is one other, for its state";
	for (size_t i = 0; i < n_fds; i++) {
		if (fd_kind_check(fds[i], FD_KIND_WRITE_FILE) < 0)
			return "what it is to go into is no file that is open for writing and "
			       "reading";
		if (devices_use_file(machine->devices, fds[i]))
			return "a file that it is to go into is one that it uses";
	}
	if (n_fds == 2 && fd_is_same_file(fds[0], fds[1]))
		return "its state and its pages cannot go into one file";
	return NULL;
}

static const char *
machine_find_hindrance(const struct machine *machine)
{
	if (devices_has_link(machine->devices))
		return "its network is connected";
	if (devices_has_home(machine->devices))
		return "there is a home in its slot";
	if (machine->description->memory_private && machine->description->pagemap_fd < 0)
		return "it is a fork whose own pages the kernel does not tell";
	return NULL;
}

/* The state's file is written last: when it is whole, so are the pages. */
static int
machine_save_files(struct machine *machine, const struct pages_file_ids *ids, const int *fds)
{
	struct state_writer *writer;
	int error = state_writer_new(&writer);

	if (error < 0)
		return error;
	error = machine_save_all(machine, ids, writer);
	if (error == 0 && machine->description->memory_private)
		error = machine_save_pages(machine, ids, fds[1]);
	if (error == 0)
		error = state_writer_finish(writer, fds[0]);
	state_writer_free(writer);
	return error;
}

int
machine_save(struct machine *machine, const int *fds, size_t n_fds, const char **ret_problem)
{
	struct pages_file_ids ids;
	int error;

	*ret_problem = machine_find_hindrance(machine);
	if (*ret_problem)
		return -EBUSY;
	*ret_problem = machine_find_wrong_file(machine, fds, n_fds);
	if (*ret_problem)
		return -EINVAL;
	error = machine_name_memory(machine, &ids, ret_problem);
	return error < 0 ? error : machine_save_files(machine, &ids, fds);
}

/* Loading. */

static void
machine_take_text(struct state_reader *reader, const char *what, const char *ours)
{
	char text[DESCRIPTION_MAX_NAME + 1];

	state_take_bytes(reader, text, sizeof(text));
	text[sizeof(text) - 1] = '\0';
	if (state_reader_check(reader) == 0 && strcmp(text, ours) != 0)
		state_reader_refuse_foreign(reader, "it is of %s '%.32s', this one of '%s'", what,
					    text, ours);
}

static void
machine_take_leaf(struct state_reader *reader, const struct cpuid_leaf *ours)
{
	struct cpuid_leaf leaf = {
		.leaf = state_take_u32(reader),
		.subleaf = state_take_u32(reader),
		.indexed = ours->indexed,
		.eax = state_take_u32(reader),
		.ebx = state_take_u32(reader),
		.ecx = state_take_u32(reader),
		.edx = state_take_u32(reader),
	};

	if (leaf.leaf == ours->leaf && leaf.subleaf == ours->subleaf && leaf.eax == ours->eax &&
	    leaf.ebx == ours->ebx && leaf.ecx == ours->ecx && leaf.edx == ours->edx)
		return;
	state_reader_refuse_foreign(
		reader,
		"this host's processor is another: CPUID %#x.%u is %08x %08x %08x %08x, was "
		"%#x.%u %08x %08x %08x %08x",
		ours->leaf, ours->subleaf, ours->eax, ours->ebx, ours->ecx, ours->edx, leaf.leaf,
		leaf.subleaf, leaf.eax, leaf.ebx, leaf.ecx, leaf.edx);
}

static int
machine_set_tsc_khz(const struct machine *machine, uint32_t khz)
{
	uint32_t ours = vcpu_get_tsc_khz(machine->vcpus[0]);
	uint32_t gap = ours > khz ? ours - khz : khz - ours;
	int error = 0;

	if (khz == 0 || ours == 0 || gap <= ours / TSC_TOLERANCE)
		return 0;
	for (uint32_t i = 0; error == 0 && i < machine->description->cpus; i++)
		error = vcpu_set_tsc_khz(machine->vcpus[i], khz);
	return error;
}

static int
machine_check_identity(struct machine *machine, struct state_reader *reader)
{
	const struct description *description = machine->description;
	CLEANUP_FREE struct cpuid_table *table = NULL;
	uint32_t khz;

	state_reader_open(reader, STATE_VERSION, "machine");
	machine_take_text(reader, "machine type", description->machine);
	machine_take_text(reader, "processor model", description->cpu);
	if (state_take_u32(reader) != description->cpus)
		state_reader_refuse_foreign(reader, "it has not the same number of processors");
	if (state_take_u64(reader) != description->ram_bytes)
		state_reader_refuse_foreign(reader, "it has not the same amount of memory");
	khz = state_take_u32(reader);
	if (machine_make_cpuid(machine, &table) < 0)
		return state_reader_refuse(reader, "out of memory");
	if (state_take_count(reader, CPUID_TABLE_MAX) != table->n_leaves)
		state_reader_refuse_foreign(
			reader, "this host's processor is another: CPUID has not as many leaves");
	for (size_t i = 0; state_reader_check(reader) == 0 && i < table->n_leaves; i++)
		machine_take_leaf(reader, &table->leaves[i]);
	if (state_reader_check(reader) == 0 && machine_set_tsc_khz(machine, khz) < 0)
		state_reader_refuse_foreign(
			reader, "its time stamp counter has %u kHz, which this host cannot offer",
			khz);
	return state_reader_close(reader);
}

static int
machine_load_vcpus(struct machine *machine, struct state_reader *reader)
{
	uint64_t tsc = 0;

	for (uint32_t i = 0; i < machine->description->cpus; i++) {
		uint64_t own;
		int error = vcpu_take(machine->vcpus[i], reader, &own);

		if (error < 0)
			return error;
		tsc = own > tsc ? own : tsc;
	}
	for (uint32_t i = 0; i < machine->description->cpus; i++) {
		uint32_t msr;
		int error = vcpu_load(machine->vcpus[i], tsc, &msr);

		if (error == -ENOTSUP)
			return state_reader_refuse_foreign(
				reader, "this host's KVM does not take MSR %#x of cpu %u", msr, i);
		if (error < 0)
			return state_reader_refuse(reader,
						   "KVM does not take the registers of cpu %u: %s",
						   i, strerror(-error));
	}
	return 0;
}

static int
machine_load_all(struct machine *machine, struct state_reader *reader)
{
	int error = machine_check_identity(machine, reader);

	log_step("identity compared");
	if (error == 0)
		error = machine_load_memory(machine, reader);
	if (error == 0)
		error = machine_load_vcpus(machine, reader);
	log_step("vCPUs loaded");
	if (error == 0)
		error = kvm_load(machine->kvm, reader);
	log_step("interrupt controllers loaded");
	if (error == 0)
		error = devices_load(machine->devices, reader);
	log_step("devices loaded");
	if (error == 0)
		error = state_reader_finish(reader);
	return error;
}

int
machine_load(struct machine *machine)
{
	char problem[STATE_PROBLEM_BYTES];
	struct state_reader *reader;
	int error = state_reader_new(machine->description->state_fd, &reader, problem);

	log_step("state read");
	if (error == 0) {
		machine->platform.paused = true;
		error = machine_load_all(machine, reader);
		snprintf(problem, sizeof(problem), "%s", state_reader_get_problem(reader));
		state_reader_free(reader);
	}
	if (error == 0)
		devices_change_identity(machine->devices);
	else
		snprintf(machine->problem, MACHINE_PROBLEM_BYTES, "its state cannot be loaded: %s",
			 problem);
	return error;
}
