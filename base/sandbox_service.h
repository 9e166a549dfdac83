/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sandbox_service.h - a system call filter that denies what no service of ours needs
 *
 * A door to libseccomp. Both functions return 0 or a negative errno; after an error the process must end.
 */
#ifndef BASE_SANDBOX_SERVICE_H
#define BASE_SANDBOX_SERVICE_H

#include <stddef.h>

/*
 * Kills the process with SIGSYS at system calls that no long-running service of ours needs once it is set up: programs,
 * other processes, mounts, modules, keys, users, clocks, names and modes of files. "extra" are what this one can do
 * without as well, by their names in syscalls(2); an unknown name is -EINVAL.
 */
int sandbox_service_deny_calls(const char *const *extra, size_t n_extra);

/* The same calls fail with errno SANDBOX_FILTER_REFUSED (base/sandbox_filter.h) instead: to try out what is refused. */
int sandbox_service_refuse_calls(const char *const *extra, size_t n_extra);

#endif
