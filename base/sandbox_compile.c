/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sandbox_compile.c - makes a system call filter's code of a table that lists what it allows (compile-filters): a door to libseccomp
 *
 * How it works: libseccomp compiles the table to BPF and writes that into a memfd, from which it is read back. The process's id is
 * known to nobody yet: libseccomp is given PROCESS_PLACE for it, and sandbox_compile_find_place() looks up what has become of that.
 */
#include "base/sandbox_compile.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/sandbox_filter.h"

/* Above any pid, and no rule's value: left in place it would let nothing through. */
#define PROCESS_PLACE 0x7ffffff1

static int
sandbox_compile_add(scmp_filter_ctx context, const struct sandbox_rule *rule, uint32_t action)
{
	int call = seccomp_syscall_resolve_name(rule->call);
	struct scmp_arg_cmp compare =
		SCMP_CMP64(rule->argument, SCMP_CMP_MASKED_EQ, rule->mask, rule->value);

	if (call == __NR_SCMP_ERROR)
		return -EINVAL;
	if (rule->own_process)
		compare = SCMP_CMP64(0, SCMP_CMP_EQ, PROCESS_PLACE);
	return seccomp_rule_add_array(context, action, call, rule->mask || rule->own_process,
				      &compare);
}

static int
sandbox_compile_rules(scmp_filter_ctx context, const struct sandbox_rule *rules, size_t n_rules,
		      enum sandbox_compile_kind kind)
{
	int error = seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

	for (size_t i = 0; error == 0 && i < n_rules; i++)
		error = sandbox_compile_add(context, &rules[i],
					    kind == SANDBOX_COMPILE_TRACE ? SCMP_ACT_TRACE(i)
									  : SCMP_ACT_ALLOW);
	return error;
}

/* libseccomp compares the two halves of a 64-bit argument one after the other: the id is the lower one. */
static bool
sandbox_compile_is_place(const struct sock_filter *load, const struct sock_filter *compare)
{
	return load->code == (BPF_LD | BPF_W | BPF_ABS) &&
	       load->k == offsetof(struct seccomp_data, args[0]) &&
	       compare->code == (BPF_JMP | BPF_JEQ | BPF_K) && compare->k == PROCESS_PLACE;
}

static int
sandbox_compile_find_place(const struct sock_filter *code, size_t n, bool wanted, size_t *ret_place)
{
	size_t place = SANDBOX_CODE_ANY_PROCESS;
	size_t found = 0;

	for (size_t i = 0; i < n; i++) {
		if (code[i].k != PROCESS_PLACE)
			continue;
		if (i == 0 || !sandbox_compile_is_place(&code[i - 1], &code[i]))
			return -EBADMSG;
		place = i;
		found++;
	}
	if (found != (wanted ? 1 : 0))
		return -EBADMSG;
	*ret_place = place;
	return 0;
}

static int
sandbox_compile_read(int fd, bool wanted, struct sandbox_code *ret_code)
{
	CLEANUP_FREE struct sock_filter *instructions = NULL;
	struct stat status;
	size_t n;
	int error;

	if (fstat(fd, &status) < 0)
		return -errno;
	n = (size_t)status.st_size / sizeof(instructions[0]);
	if (n == 0 || n > BPF_MAXINSNS)
		return -EBADMSG;
	instructions = calloc(n, sizeof(instructions[0]));
	if (!instructions)
		return -ENOMEM;
	if (pread(fd, instructions, (size_t)status.st_size, 0) != status.st_size)
		return -EIO;
	error = sandbox_compile_find_place(instructions, n, wanted, &ret_code->own_process);
	if (error < 0)
		return error;
	ret_code->instructions = instructions;
	ret_code->n_instructions = n;
	instructions = NULL;
	return 0;
}

int
sandbox_compile(const struct sandbox_rule *rules, size_t n_rules, enum sandbox_compile_kind kind,
		struct sandbox_code *ret_code)
{
	CLEANUP_CLOSE int fd = memfd_create("filter", MFD_CLOEXEC);
	scmp_filter_ctx context;
	bool wanted = false;
	int error;

	if (fd < 0)
		return -errno;
	context = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (!context)
		return -ENOMEM;
	for (size_t i = 0; i < n_rules; i++)
		wanted = wanted || rules[i].own_process;
	error = sandbox_compile_rules(context, rules, n_rules, kind);
	if (error == 0)
		error = seccomp_export_bpf(context, fd);
	seccomp_release(context);
	return error < 0 ? error : sandbox_compile_read(fd, wanted, ret_code);
}

void
sandbox_compile_free(struct sandbox_code *code)
{
	free((void *)code->instructions);
}
