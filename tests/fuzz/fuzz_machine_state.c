/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_machine_state.c - a machine is made from a state file that somebody has forged: its identity, its memory, its vCPUs,
 * KVM's own devices, which devices it has, its generation, and the sound card's place on PCI
 *
 * How it works: a machine on a KVM that takes everything (tests/unit/fake_kvm.h) is sealed once, and a fork of it suspended. An
 * input says in its first byte which of both files it is about, and whether there are pages with it; in its second, which
 * request KVM refuses; the rest are edits (state_forger.h). What is refused must name a section. What is not refused can be
 * saved, and a machine be made from that: nothing that this program accepts may it refuse from itself.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/state_forger.h"
#include "tests/unit/display_peer.h"
#include "tests/unit/fake_kvm.h"
#include "tests/unit/guest_kernel.h"
#include "tests/unit/machine_stage.h"
#include "tests/unit/state_edit.h"
#include "vmm/machine.h"
#include "vmm/own_pages.h"
#include "vmm/platform.h"

#define CPUS	  2
#define SUSPENDED 1
#define PAGES	  2
#define REFUSAL	  "its state cannot be loaded: section '"

/* Only added to: inputs name them by number. */
static const char *const sections[] = { "machine", "memory",  "cpu 0", "cpu 1",
					"kvm",	   "devices", "genid", "pci 27" };

#define N_SECTIONS (sizeof(sections) / sizeof(sections[0]))

GUEST(halt, "cli\n1: hlt\njmp 1b\n");

struct stage {
	bool is_made;
	struct description fork;
	int sealed_fd;
	int suspended_fds[2]; /* its state and its pages */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
insist(bool holds)
{
	if (!holds)
		abort();
}

static void
stage_save(struct machine *machine, const int *fds, size_t n_fds)
{
	const char *problem;

	machine_get_platform(machine)->paused = true;
	insist(machine_save(machine, fds, n_fds, &problem) == 0);
	machine_free(machine);
}

static struct machine *
stage_make_machine(const struct description *description)
{
	char problem[MACHINE_PROBLEM_BYTES];
	struct machine *machine;

	insist(machine_new(description, &machine, problem) == 0);
	return machine;
}

static void
stage_make(struct stage *stage)
{
	struct description *fork = &stage->fork;

	fake_kvm_set_up();
	fake_kvm.has_cpu = true;
	fake_kvm.has_machines = true;
	insist(machine_stage_describe(guest_kernel_make(guest_halt, guest_halt_end), fork) == 0);
	fork->cpus = CPUS;
	fork->has_genid = true;
	fork->sound = true;
	fork->n_ports = 1;
	fork->ports[0] = (struct description_port){ "org.carrel.agent.0", display_peer_listen() };
	insist(fork->ports[0].listen_fd >= 0);
	stage->sealed_fd = state_edit_new();
	stage_save(stage_make_machine(fork), &stage->sealed_fd, 1);

	fork->memory_private = true;
	fork->pagemap_fd = own_pages_open();
	fork->state_fd = stage->sealed_fd;
	fork->genid[0] = 1;
	stage->suspended_fds[0] = state_edit_new();
	stage->suspended_fds[1] = state_edit_new();
	stage_save(stage_make_machine(fork), stage->suspended_fds, 2);
	for (size_t i = 0; i < N_SECTIONS; i++)
		state_edit_measure(stage->sealed_fd, sections[i]); /* it is there */
	stage->is_made = true;
}

/* What was taken is saved, and taken again. */
static void
stage_check_machine(const struct stage *stage, struct machine *machine)
{
	const int fds[] = { state_edit_new(), state_edit_new() };
	struct description again = stage->fork;

	fake_kvm.refused = 0;
	stage_save(machine, fds, 2);
	again.state_fd = fds[0];
	again.pages_fd = fds[1];
	machine_free(stage_make_machine(&again));
	close(fds[0]);
	close(fds[1]);
}

/* Where KVM refuses something there may be no state's problem, but there is one. */
static void
stage_check_refusal(int error, const char *problem)
{
	if (fake_kvm.refused > 0) {
		insist(problem[0] != '\0');
		return;
	}
	insist(error == -EBADMSG || error == -ENOTSUP);
	insist(strncmp(problem, REFUSAL, strlen(REFUSAL)) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct stage stage;
	struct fuzz_input input = { .next = data, .left = size };
	char problem[MACHINE_PROBLEM_BYTES];
	struct description fork;
	struct machine *machine;
	uint64_t how;
	int error;

	if (!stage.is_made)
		stage_make(&stage);
	fork = stage.fork;
	how = fuzz_input_take(&input, 1);
	fork.state_fd = state_edit_copy(how & SUSPENDED ? stage.suspended_fds[0] : stage.sealed_fd);
	fork.pages_fd = how & PAGES ? stage.suspended_fds[1] : -1;
	fake_kvm.refused = (uint32_t)fuzz_input_take(&input, 1);
	fake_kvm.n_set = 0;
	state_forger_edit(fork.state_fd, sections, N_SECTIONS, &input);
	error = machine_new(&fork, &machine, problem);
	if (error == 0)
		stage_check_machine(&stage, machine);
	else
		stage_check_refusal(error, problem);
	close(fork.state_fd);
	return 0;
}
