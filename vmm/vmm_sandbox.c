/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vmm_sandbox.c - contains carrel-vmm's threads (carrel-vmm)
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

struct vmm_sandbox {
	struct sandbox_filter *loop;
	struct sandbox_filter *vcpu;
};

static int
vmm_sandbox_try(const char *who, const struct sandbox_filter *filter)
{
	char act[FORBIDDEN_ACTS_WORDS];
	int error = forbidden_acts_try_filter(filter, act);

	if (error == -EPERM)
		log_error("sandbox: %s could %s: the guest is not started", who, act);
	else if (error < 0)
		log_error("sandbox: the filter of %s cannot be tried out: %s", who,
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
	error = forbidden_acts_try_outside(act);
	if (error == -EPERM)
		log_error("sandbox: the process could %s: the guest is not started", act);
	else if (error < 0)
		log_error("sandbox: what contains the process cannot be tried out: %s",
			  strerror(-error));
	log_step("containment tried");
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
		error = vmm_sandbox_try("the loop", sandbox->loop);
	if (error == 0)
		error = vmm_sandbox_try("a vCPU", sandbox->vcpu);
	if (error < 0) {
		vmm_sandbox_free(sandbox);
		return error;
	}
	*ret_sandbox = sandbox;
	return 0;
}

void
vmm_sandbox_free(struct vmm_sandbox *sandbox)
{
	if (!sandbox)
		return;
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
