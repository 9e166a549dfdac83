/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sandbox_filter.h - system call filters, ready to be entered
 *
 * seccomp(2), SECCOMP_SET_MODE_FILTER. Their code has been compiled from a table before (base/sandbox_compile.h): carrel-vmm's when it
 * was built. A filter can be entered by many threads; entering it allocates nothing. What it does not allow kills the whole process
 * with SIGSYS, which the kernel notes in the audit log, and the parent sees.
 */
#ifndef BASE_SANDBOX_FILTER_H
#define BASE_SANDBOX_FILTER_H

#include <stddef.h>

struct sandbox_filter;
struct sock_filter;

/* No instruction of the code depends on the process. */
#define SANDBOX_CODE_ANY_PROCESS ((size_t)-1)

/* What threads of one kind may call, as BPF. */
struct sandbox_code {
	const struct sock_filter *instructions; /* linux/filter.h */
	size_t n_instructions;
	size_t own_process; /* the one that compares with the process's id, not known yet; or SANDBOX_CODE_ANY_PROCESS */
};

#define SANDBOX_FILTER_REFUSED 3999

/* For the calling process. 0 or -ENOMEM; the code is copied. */
int sandbox_filter_new(const struct sandbox_code *code, struct sandbox_filter **ret_filter);
/*
 * The same program, which refuses with errno SANDBOX_FILTER_REFUSED, as no call does by itself, where the other kills: to try out
 * what is refused. A tracer hears nothing of it. 0 or -ENOMEM.
 */
int sandbox_filter_new_refusing(const struct sandbox_filter *filter,
				struct sandbox_filter **ret_filter);
/* The calling thread, and those that it makes, for good. Also takes the chance of new privileges. 0 or -errno. */
int sandbox_filter_enter(const struct sandbox_filter *filter);
/* NULL is allowed. */
void sandbox_filter_free(struct sandbox_filter *filter);

#endif
