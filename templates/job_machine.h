/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * job_machine.h - one machine for a job: its folder, its sockets, its process and its engine's handle
 */
#ifndef TEMPLATES_JOB_MACHINE_H
#define TEMPLATES_JOB_MACHINE_H

#include "host/engine.h"

#define JOB_MACHINE_FOLDER "machine" /* below the folder that job_machine_new() gets */

struct job_machine;

/*
 * The engine of that name where this host can run it, or NULL and an error that says why not. kvm: as in struct job; it
 * stays the caller's.
 */
const struct engine_ops *job_machine_find_engine(const char *name, int kvm, char **ret_accelerator,
						 GError **error);

/* Makes <folder>/machine/ with the listening sockets; no process yet. */
struct job_machine *job_machine_new(const struct engine_ops *ops, const char *folder, int kvm,
				    engine_event_callback callback, void *context, GError **error);

/* Kills the process, waits for its end and removes the folder. NULL is allowed. */
void job_machine_free(struct job_machine *machine);

struct engine_vm *job_machine_get_vm(const struct job_machine *machine);

/* What its process said last, as words behind a reason (host/process_log.h); "" when that was nothing. For g_free(). */
char *job_machine_get_words(const struct job_machine *machine);

/* Puts them behind the error, unless that says that the job was cancelled. */
void job_machine_blame(const char *words, GError *error);

/* A path in the machine's folder, for g_free(). */
char *job_machine_make_path(const struct job_machine *machine, const char *name);

#endif
