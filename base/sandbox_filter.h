/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sandbox_filter.h - system call filters that allow what a table lists, each call with its reason, and nothing else
 *
 * seccomp(2), SECCOMP_SET_MODE_FILTER. A filter is compiled once and can be entered by many threads; entering it allocates
 * nothing. What is not listed kills the whole process with SIGSYS, which the kernel notes in the audit log, and the parent sees.
 */
#ifndef BASE_SANDBOX_FILTER_H
#define BASE_SANDBOX_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sandbox_filter;

struct sandbox_rule {
	const char *call;      /* as in syscalls(2) */
	const char *reason;    /* what it is needed for */
	unsigned int argument; /* if mask is not 0: from 0; (argument & mask) must be value */
	uint64_t mask;
	uint64_t value;
	bool own_process; /* argument 0 must be this process's id; instead of a mask */
	bool seldom;	  /* needed where a test cannot bring it about; the reason says where */
};

enum sandbox_filter_kind {
	SANDBOX_FILTER_KILL,
	/* As KILL, but each listed call stops for a tracer with its rule's index (PTRACE_EVENT_SECCOMP, ptrace(2)): to count. */
	SANDBOX_FILTER_TRACE,
};

#define SANDBOX_FILTER_REFUSED 3999

/* 0; -EINVAL for an unknown call; -errno. */
int sandbox_filter_new(const struct sandbox_rule *rules, size_t n_rules,
		       enum sandbox_filter_kind kind, struct sandbox_filter **ret_filter);
/*
 * The same program, which refuses with errno SANDBOX_FILTER_REFUSED, as no call does by itself, where the other kills: to try out
 * what is refused. A tracer hears nothing of it. 0 or -errno.
 */
int sandbox_filter_new_refusing(const struct sandbox_filter *filter,
				struct sandbox_filter **ret_filter);
/* The calling thread, and those that it makes, for good. Also takes the chance of new privileges. 0 or -errno. */
int sandbox_filter_enter(const struct sandbox_filter *filter);
/* NULL is allowed. */
void sandbox_filter_free(struct sandbox_filter *filter);

#endif
