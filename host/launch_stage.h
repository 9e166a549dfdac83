/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * launch_stage.h - a job's staging folder: made, made a template version or an image, removed
 */
#ifndef HOST_LAUNCH_STAGE_H
#define HOST_LAUNCH_STAGE_H

#include <stdbool.h>

struct launch;
struct seq_message;

/* Makes the job's unit, uid and staging folder unless they are there; the refusal says what stands against it. */
int launch_stage_open(struct launch *launch, const char *job, bool build);

/* LAUNCH_STAGE_COMMIT, LAUNCH_STAGE_REMOVE */
int launch_stage_handle_commit(void *launch, struct seq_message *message);
int launch_stage_handle_remove(void *launch, struct seq_message *message);

#endif
