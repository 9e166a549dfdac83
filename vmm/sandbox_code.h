/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sandbox_code.h - the rules of sandbox_rules.h, compiled
 *
 * sandbox_code.c is made while carrel-vmm is built, by compile-filters: so no start of a machine waits for libseccomp or loads it.
 */
#ifndef VMM_SANDBOX_CODE_H
#define VMM_SANDBOX_CODE_H

#include "base/sandbox_filter.h"

extern const struct sandbox_code sandbox_loop_code;
extern const struct sandbox_code sandbox_vcpu_code;

#endif
