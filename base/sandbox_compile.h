/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sandbox_compile.h - makes a system call filter's code of a table that lists what it allows, each call with its reason
 *
 * A door to libseccomp; for vmm/compile-filters.c, which runs while carrel-vmm is built, and for tests.
 */
#ifndef BASE_SANDBOX_COMPILE_H
#define BASE_SANDBOX_COMPILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sandbox_code;

struct sandbox_rule {
	const char *call;      /* as in syscalls(2) */
	const char *reason;    /* what it is needed for */
	unsigned int argument; /* if mask is not 0: from 0; (argument & mask) must be value */
	uint64_t mask;
	uint64_t value;
	bool own_process; /* argument 0 must be this process's id; instead of a mask */
	bool seldom;	  /* needed where a test cannot bring it about; the reason says where */
};

enum sandbox_compile_kind {
	SANDBOX_COMPILE_KILL,
	/* As KILL, but each listed call stops for a tracer with its rule's index (PTRACE_EVENT_SECCOMP, ptrace(2)): to count. */
	SANDBOX_COMPILE_TRACE,
};

/*
 * 0; -EINVAL for an unknown call; -EBADMSG when the code does not have the place of the process's id where the table asks for it, and
 * nowhere else; -errno. The caller ends it with sandbox_compile_free().
 */
int sandbox_compile(const struct sandbox_rule *rules, size_t n_rules,
		    enum sandbox_compile_kind kind, struct sandbox_code *ret_code);
void sandbox_compile_free(struct sandbox_code *code);

#endif
