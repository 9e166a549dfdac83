/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vmm_sandbox.c - contains carrel-vmm's threads (carrel-vmm)
 *
 * How it works: what contains the process, and then each filter, is tried out by a child. The first one is alone in the pid
 * namespace, or it would see the others; these try while the machine is made, and their verdict is waited for before a
 * stranger's kernel or state is read.
 */
#include "vmm/vmm_sandbox.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/contain.h"
#include "base/forbidden_acts.h"
#include "base/log.h"
#include "base/sandbox_filter.h"
#include "vmm/sandbox_rules.h"

enum {
	TRIAL_LOOP,
	TRIAL_VCPU,
	N_TRIALS,
};

struct vmm_sandbox {
	struct sandbox_filter *loop;
	struct sandbox_filter *vcpu;
	struct forbidden_acts_trial trials[N_TRIALS];
	size_t n_trials; /* that have begun and are not over: the first */
};

static const char *const trial_names[] = { [TRIAL_LOOP] = "the loop", [TRIAL_VCPU] = "a vCPU" };

static int
vmm_sandbox_judge(const char *who, int error, const char *act)
{
	if (error == -EPERM)
		log_error("sandbox: %s could %s: the guest is not started", who, act);
	else if (error < 0)
		log_error("sandbox: what contains %s cannot be tried out: %s", who,
			  strerror(-error));
	return error;
}

int
vmm_sandbox_contain(void)
{
	char act[FORBIDDEN_ACTS_WORDS];
	int error = contain_enter();

	if (error < 0) {
		log_error(
			"sandbox: the process cannot be contained: %s; carrel-launch starts it in namespaces of its own, "
			"with the right to leave the host's files",
			strerror(-error));
		return error;
	}
	log_step("files left");
	error = vmm_sandbox_judge("the process", forbidden_acts_try_outside(act), act);
	log_step("containment tried");
	return error;
}

static int
vmm_sandbox_begin(struct vmm_sandbox *sandbox)
{
	const struct sandbox_filter *filters[] = {
		[TRIAL_LOOP] = sandbox->loop, [TRIAL_VCPU] = sandbox->vcpu
	};
	int error = 0;

	while (error == 0 && sandbox->n_trials < N_TRIALS) {
		size_t i = sandbox->n_trials;

		error = forbidden_acts_begin_filter(filters[i], &sandbox->trials[i]);
		if (error == 0)
			sandbox->n_trials++;
	}
	return error;
}

int
vmm_sandbox_new(struct vmm_sandbox **ret_sandbox)
{
	struct vmm_sandbox *sandbox = calloc(1, sizeof(*sandbox));
	int error;

	if (!sandbox)
		return -ENOMEM;
	/* An arena for each thread would need more calls than device code does, and memory. */
	mallopt(M_ARENA_MAX, 1);
	error = sandbox_filter_new(sandbox_loop_rules, sandbox_n_loop_rules, SANDBOX_FILTER_KILL,
				   &sandbox->loop);
	if (error == 0)
		error = sandbox_filter_new(sandbox_vcpu_rules, sandbox_n_vcpu_rules,
					   SANDBOX_FILTER_KILL, &sandbox->vcpu);
	log_step("filters made");
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
	int first = 0;

	if (!sandbox)
		return 0;
	while (sandbox->n_trials > 0) {
		size_t i = --sandbox->n_trials;
		char act[FORBIDDEN_ACTS_WORDS];
		int error = forbidden_acts_finish(&sandbox->trials[i], act);

		error = vmm_sandbox_judge(trial_names[i], error, act);
		first = first < 0 ? first : error;
	}
	return first;
}

void
vmm_sandbox_free(struct vmm_sandbox *sandbox)
{
	if (!sandbox)
		return;
	vmm_sandbox_confirm(sandbox);
	sandbox_filter_free(sandbox->loop);
	sandbox_filter_free(sandbox->vcpu);
	free(sandbox);
}

int
vmm_sandbox_enter_loop(const struct vmm_sandbox *sandbox)
{
	return sandbox ? sandbox_filter_enter(sandbox->loop) : 0;
}

int
vmm_sandbox_enter_vcpu(const struct vmm_sandbox *sandbox)
{
	return sandbox ? sandbox_filter_enter(sandbox->vcpu) : 0;
}
