/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * forbidden_acts.h - what a contained carrel-vmm must not be able to do, to be tried before the guest starts
 */
#ifndef VMM_FORBIDDEN_ACTS_H
#define VMM_FORBIDDEN_ACTS_H

struct sandbox_rule;

#include <stddef.h>

#define FORBIDDEN_ACTS_WORDS 80

/*
 * Forks a child that enters a filter of these rules, of the kind that refuses, and tries all acts. 0 when the filter refused
 * each of them; -EPERM and the first one that it did not, or another -errno when they could not be tried.
 */
int forbidden_acts_try(const struct sandbox_rule *rules, size_t n_rules,
		       char ret_act[FORBIDDEN_ACTS_WORDS]);

#endif
