/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * forbidden_acts.h - what a contained process must not be able to do, to be tried before it hears a stranger
 *
 * All of it is tried by a child of the calling process, which has one thread. 0 says that nothing was possible, -EPERM that something
 * was, and another -errno that it could not be tried.
 */
#ifndef BASE_FORBIDDEN_ACTS_H
#define BASE_FORBIDDEN_ACTS_H

#include <stddef.h>
#include <sys/types.h>

struct sandbox_filter;

#define FORBIDDEN_ACTS_WORDS	   80
#define FORBIDDEN_ACTS_MAX_FILTERS 3

/* A child that tries, while the caller does something else. */
struct forbidden_acts_trial {
	pid_t pid;
	size_t n_filters;
};

struct forbidden_acts_finding {
	size_t stage; /* where it ended: 0 is the process without a filter, n is under the n-th filter of the trial */
	char act[FORBIDDEN_ACTS_WORDS]; /* with -EPERM: the first one that was possible, to go on after "could" */
};

/*
 * First as the process is, without a filter: its namespaces, root and rights (contain.h), by outside_acts.h. Then under each of the
 * filters, except that these refuse where they would kill. The caller may make what it wants meanwhile, but another process, which
 * the child would find. 0 or -errno; forbidden_acts_finish() says the rest, until when nothing of the verdict is known.
 */
int forbidden_acts_begin(const struct sandbox_filter *const *filters, size_t n_filters,
			 struct forbidden_acts_trial *ret_trial);

/* Waits for it, once. The finding is written with any error. */
int forbidden_acts_finish(const struct forbidden_acts_trial *trial,
			  struct forbidden_acts_finding *ret_finding);

/* Both, without a filter; the act is written with -EPERM. */
int forbidden_acts_try_outside(char ret_act[FORBIDDEN_ACTS_WORDS]);

/*
 * Under what "refuse" does to the child, sandbox_service_refuse_calls(): fewer acts, since the libraries of a service need more than a list
 * could name. "extra" must have socket, connect and bind. (A parameter, so that who does not need it does not load libseccomp.)
 */
int forbidden_acts_try_service(int (*refuse)(const char *const *extra, size_t n_extra),
			       const char *const *extra, size_t n_extra,
			       char ret_act[FORBIDDEN_ACTS_WORDS]);

#endif
