/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sandbox_filter.c - system call filters, ready to be entered (carrel-vmm)
 *
 * How it works: sandbox_filter_new() copies compiled code and puts the process's own id where it belongs. Threads enter that with one
 * seccomp(2) each.
 */
#include "base/sandbox_filter.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

struct sandbox_filter {
	struct sock_fprog program;
	struct sock_filter code[];
};

static struct sandbox_filter *
sandbox_filter_copy(const struct sock_filter *instructions, size_t n_instructions)
{
	const size_t bytes = n_instructions * sizeof(instructions[0]);
	struct sandbox_filter *filter = malloc(sizeof(*filter) + bytes);

	if (!filter)
		return NULL;
	filter->program.len = (unsigned short)n_instructions;
	filter->program.filter = filter->code;
	memcpy(filter->code, instructions, bytes);
	return filter;
}

int
sandbox_filter_new(const struct sandbox_code *code, struct sandbox_filter **ret_filter)
{
	struct sandbox_filter *filter =
		sandbox_filter_copy(code->instructions, code->n_instructions);

	if (!filter)
		return -ENOMEM;
	if (code->own_process != SANDBOX_CODE_ANY_PROCESS)
		filter->code[code->own_process].k = (uint32_t)getpid();
	*ret_filter = filter;
	return 0;
}

static uint32_t
sandbox_filter_soften(uint32_t action)
{
	switch (action & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_KILL_PROCESS:
		return SECCOMP_RET_ERRNO | SANDBOX_FILTER_REFUSED;
	case SECCOMP_RET_TRACE:
		return SECCOMP_RET_ALLOW;
	default:
		return action;
	}
}

int
sandbox_filter_new_refusing(const struct sandbox_filter *filter, struct sandbox_filter **ret_filter)
{
	struct sandbox_filter *copy = sandbox_filter_copy(filter->code, filter->program.len);

	if (!copy)
		return -ENOMEM;
	for (size_t i = 0; i < copy->program.len; i++)
		if (copy->code[i].code == (BPF_RET | BPF_K))
			copy->code[i].k = sandbox_filter_soften(copy->code[i].k);
	*ret_filter = copy;
	return 0;
}

int
sandbox_filter_enter(const struct sandbox_filter *filter)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter->program) < 0 ? -errno : 0;
}

void
sandbox_filter_free(struct sandbox_filter *filter)
{
	free(filter);
}
