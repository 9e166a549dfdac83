/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vmm_sandbox.c - contains carrel-vmm's process and threads (carrel-vmm)
 *
 * How it works: vmm_sandbox_new() takes from the process all but its descriptors. What contains it, and each filter, is then tried out
 * by a child, while KVM's machine is made; vmm_sandbox_confirm() waits for the verdict. Up to there nothing is read but hostd's
 * description, and what KVM says: no file that a guest has written to, no socket, no kernel, no state. So whoever is found to be
 * badly contained has not heard a stranger yet. vCPUs' threads are there by then, under their filters, but wait to be let go.
 */
#include "vmm/vmm_sandbox.h"

#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/contain.h"
#include "base/forbidden_acts.h"
#include "base/log.h"
#include "base/sandbox_filter.h"
#include "vmm/sandbox_code.h"

enum {
	FILTER_LOOP,
	FILTER_VCPU,
	N_FILTERS,
};

struct vmm_sandbox {
	struct sandbox_filter *filters[N_FILTERS];
	struct forbidden_acts_trial trial;
	bool in_trial; /* it has begun and is not over */
};

/* Who is tried out in the stages of a trial. */
static const char *const stage_names[] = {
	"the process",
	[1 + FILTER_LOOP] = "the loop",
	[1 + FILTER_VCPU] = "a vCPU",
};
static_assert(sizeof(stage_names) / sizeof(stage_names[0]) == 1 + N_FILTERS, "a name each");

static int
vmm_sandbox_contain(void)
{
	int error = contain_enter();

	if (error < 0)
		log_error(
			"sandbox: the process cannot be contained: %s; carrel-launch starts it in namespaces of its own, "
			"with the right to leave the host's files",
			strerror(-error));
	else
		log_step("files left");
	return error;
}

static int
vmm_sandbox_begin(struct vmm_sandbox *sandbox)
{
	int error = sandbox_filter_new(&sandbox_loop_code, &sandbox->filters[FILTER_LOOP]);

	if (error == 0)
		error = sandbox_filter_new(&sandbox_vcpu_code, &sandbox->filters[FILTER_VCPU]);
	if (error == 0)
		error = forbidden_acts_begin((const struct sandbox_filter *const *)sandbox->filters,
					     N_FILTERS, &sandbox->trial);
	sandbox->in_trial = error == 0;
	if (error < 0)
		log_error("sandbox: what contains the process cannot be tried out: %s",
			  strerror(-error));
	return error;
}

int
vmm_sandbox_new(struct vmm_sandbox **ret_sandbox)
{
	struct vmm_sandbox *sandbox = calloc(1, sizeof(*sandbox));
	int error;

	if (!sandbox) {
		log_error("sandbox: out of memory");
		return -ENOMEM;
	}
	/* An arena for each thread would need more calls than device code does, and memory. */
	mallopt(M_ARENA_MAX, 1);
	error = vmm_sandbox_contain();
	if (error == 0)
		error = vmm_sandbox_begin(sandbox);
	if (error < 0) {
		vmm_sandbox_free(sandbox);
		return error;
	}
	*ret_sandbox = sandbox;
	return 0;
}

int
vmm_sandbox_confirm(struct vmm_sandbox *sandbox)
{
	struct forbidden_acts_finding finding;
	const char *who;
	int error;

	if (!sandbox || !sandbox->in_trial)
		return 0;
	error = forbidden_acts_finish(&sandbox->trial, &finding);
	sandbox->in_trial = false;
	if (error == 0)
		return 0;
	who = stage_names[finding.stage];
	if (error == -EPERM)
		log_error("sandbox: %s could %s: the guest is not started", who, finding.act);
	else
		log_error("sandbox: what contains %s cannot be tried out: %s", who,
			  strerror(-error));
	return error;
}

void
vmm_sandbox_free(struct vmm_sandbox *sandbox)
{
	if (!sandbox)
		return;
	vmm_sandbox_confirm(sandbox);
	for (size_t i = 0; i < N_FILTERS; i++)
		sandbox_filter_free(sandbox->filters[i]);
	free(sandbox);
}

int
vmm_sandbox_enter_loop(const struct vmm_sandbox *sandbox)
{
	return sandbox ? sandbox_filter_enter(sandbox->filters[FILTER_LOOP]) : 0;
}

int
vmm_sandbox_enter_vcpu(const struct vmm_sandbox *sandbox)
{
	return sandbox ? sandbox_filter_enter(sandbox->filters[FILTER_VCPU]) : 0;
}
