/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sandbox_filter.c - system call filters that allow what a table lists (carrel-vmm): a door to libseccomp
 *
 * How it works: libseccomp compiles the table to BPF and writes that into a memfd, from which it is read back; so threads can
 * enter it with one seccomp(2) each.
 */
#include "base/sandbox_filter.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

struct sandbox_filter {
	struct sock_fprog program;
	struct sock_filter code[];
};

static int
sandbox_filter_add(scmp_filter_ctx context, const struct sandbox_rule *rule, uint32_t action)
{
	int call = seccomp_syscall_resolve_name(rule->call);
	struct scmp_arg_cmp compare =
		SCMP_CMP64(rule->argument, SCMP_CMP_MASKED_EQ, rule->mask, rule->value);

	if (call == __NR_SCMP_ERROR)
		return -EINVAL;
	if (rule->own_process)
		compare = SCMP_CMP64(0, SCMP_CMP_EQ, (uint64_t)getpid());
	return seccomp_rule_add_array(context, action, call, rule->mask || rule->own_process,
				      &compare);
}

static struct sandbox_filter *
sandbox_filter_allocate(size_t n_instructions)
{
	struct sandbox_filter *filter =
		malloc(sizeof(*filter) + n_instructions * sizeof(filter->code[0]));

	if (!filter)
		return NULL;
	filter->program.len = (unsigned short)n_instructions;
	filter->program.filter = filter->code;
	return filter;
}

static int
sandbox_filter_read(int fd, struct sandbox_filter **ret_filter)
{
	struct sandbox_filter *filter;
	struct stat status;

	if (fstat(fd, &status) < 0)
		return -errno;
	filter = sandbox_filter_allocate((size_t)status.st_size / sizeof(filter->code[0]));
	if (!filter)
		return -ENOMEM;
	if (pread(fd, filter->code, (size_t)status.st_size, 0) != status.st_size) {
		free(filter);
		return -EIO;
	}
	*ret_filter = filter;
	return 0;
}

static int
sandbox_filter_compile(scmp_filter_ctx context, const struct sandbox_rule *rules, size_t n_rules,
		       enum sandbox_filter_kind kind, struct sandbox_filter **ret_filter)
{
	CLEANUP_CLOSE int fd = memfd_create("filter", MFD_CLOEXEC);
	int error = fd < 0 ? -errno : 0;

	if (error == 0)
		error = seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	for (size_t i = 0; error == 0 && i < n_rules; i++)
		error = sandbox_filter_add(context, &rules[i],
					   kind == SANDBOX_FILTER_TRACE ? SCMP_ACT_TRACE(i)
									: SCMP_ACT_ALLOW);
	if (error == 0)
		error = seccomp_export_bpf(context, fd);
	return error < 0 ? error : sandbox_filter_read(fd, ret_filter);
}

int
sandbox_filter_new(const struct sandbox_rule *rules, size_t n_rules, enum sandbox_filter_kind kind,
		   struct sandbox_filter **ret_filter)
{
	scmp_filter_ctx context = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int error;

	if (!context)
		return -ENOMEM;
	error = sandbox_filter_compile(context, rules, n_rules, kind, ret_filter);
	seccomp_release(context);
	return error;
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
	struct sandbox_filter *copy = sandbox_filter_allocate(filter->program.len);

	if (!copy)
		return -ENOMEM;
	for (size_t i = 0; i < filter->program.len; i++) {
		copy->code[i] = filter->code[i];
		if (copy->code[i].code == (BPF_RET | BPF_K))
			copy->code[i].k = sandbox_filter_soften(copy->code[i].k);
	}
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
