/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * forbidden_acts.h - what a contained process must not be able to do, to be tried before it hears a stranger
 *
 * Each function tries in a child of the calling process, which has one thread: 0 when nothing was possible; -EPERM and, to
 * go on after "could", the first act that was; or another -errno when they could not be tried. Those that only begin say 0 or -errno,
 * and forbidden_acts_finish() the rest; until then nothing of the verdict is known.
 */
#ifndef BASE_FORBIDDEN_ACTS_H
#define BASE_FORBIDDEN_ACTS_H

#include <stddef.h>
#include <sys/types.h>

struct sandbox_filter;

#define FORBIDDEN_ACTS_WORDS 80

/* A child that tries, while the caller does something else. */
struct forbidden_acts_trial {
	pid_t pid;
	const char *(*words)(int act);
};

/* As the process is, without a filter: its namespaces, root and rights (contain.h), by outside_acts.h. */
int forbidden_acts_try_outside(char ret_act[FORBIDDEN_ACTS_WORDS]);

/* Under this filter, except that it refuses where it would kill. */
int forbidden_acts_begin_filter(const struct sandbox_filter *filter,
				struct forbidden_acts_trial *ret_trial);

/* Waits for what has begun, once. */
int forbidden_acts_finish(const struct forbidden_acts_trial *trial,
			  char ret_act[FORBIDDEN_ACTS_WORDS]);

/*
 * Under sandbox_refuse_service_calls(): fewer acts, since the libraries of a service need more than a list could name. "extra" must have
 * socket, connect and bind.
 */
int forbidden_acts_try_service(const char *const *extra, size_t n_extra,
			       char ret_act[FORBIDDEN_ACTS_WORDS]);

#endif
