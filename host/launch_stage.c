/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * launch_stage.c - a job's staging folder (carrel-launch)
 *
 * How it works: launch_stage_open() gives a job a uid and <lib>/staging/<job>/, where it alone writes. When all its
 * processes have ended, launch_stage_handle_commit() seals the folder (launch_tree_seal()) and renames it into place:
 * a template version only where none is, an image, or a version that was sealed again, by exchange with the old one, which is then
 * removed. A crash in between leaves a staging folder, and launch_stage_handle_remove() removes it.
 */
#include "host/launch_stage.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "base/seq.h"
#include "host/launch_state.h"
#include "host/launch_tree.h"
#include "host/launch_uids.h"
#include "host/launch_unit.h"

#define STAGE_PATH_SIZE 320

static int
launch_stage_make(struct launch *launch, struct launch_unit *unit, bool build)
{
	uint32_t root = launch_options_build_uid(&launch->options);

	if (build)
		unit->uids[0] = root;
	return launch_unit_make(launch, unit, 1, LAUNCH_UNIT_OWN_UID,
				build ? root : launch_options_job_gid(&launch->options));
}

int
launch_stage_open(struct launch *launch, const char *job, bool build)
{
	struct launch_unit *unit = launch_state_find(launch, job);
	char path[STAGE_PATH_SIZE];
	struct stat status;
	int error;

	if (unit && (unit->uids[0] == launch_options_build_uid(&launch->options)) == build)
		return 0;
	error = launch_state_lib_path(launch, job, path, sizeof(path));
	if (unit || error < 0 || lstat(path, &status) == 0)
		return launch_state_refuse(
			launch, -EEXIST,
			"'%s' has a staging folder of another kind: remove it first", job);
	unit = launch_state_add(launch, job);
	if (!unit)
		return launch_state_refuse(launch, -ENOSPC,
					   "%d desktops and jobs are known already: remove some",
					   LAUNCH_MAX_RECORDS);
	error = launch_stage_make(launch, unit, build);
	if (error < 0)
		launch_state_drop(unit);
	return error;
}

/* 0 when nothing of the job runs any more. */
static int
launch_stage_check_idle(struct launch *launch, const char *job)
{
	const struct launch_unit *unit = launch_state_find(launch, job);
	bool alive = unit && launch_state_alive(unit);

	/* The children of a build end with the first process of their pid namespace; its uid is that of all builds. */
	if (unit && unit->uids[0] != launch_options_build_uid(&launch->options))
		alive |= launch_uids_in_use(unit->uids[0]);
	if (alive)
		return launch_state_refuse(launch, -EBUSY, "'%s' still runs: end it first", job);
	return 0;
}

static void
launch_stage_forget(struct launch *launch, const char *job)
{
	struct launch_unit *unit = launch_state_find(launch, job);
	char path[STAGE_PATH_SIZE];

	if (launch_state_run_path(launch, job, "", path, sizeof(path)) == 0)
		launch_tree_remove_path(path);
	launch_cgroup_remove(&launch->cgroup, job);
	if (unit)
		launch_state_drop(unit);
}

static int
launch_stage_open_folder(const char *lib, const char *name, int *ret_fd)
{
	char path[STAGE_PATH_SIZE];

	snprintf(path, sizeof(path), "%s/%s", lib, name);
	*ret_fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *ret_fd < 0 ? -errno : 0;
}

/* The folder the result goes to: <lib>/images, or <lib>/templates/<name>. */
static int
launch_stage_open_target(struct launch *launch, const struct launch_commit *wish, int *ret_fd)
{
	CLEANUP_CLOSE int templates = -1;
	int error;

	if (wish->version == 0)
		return launch_stage_open_folder(launch->options.lib, "images", ret_fd);
	error = launch_stage_open_folder(launch->options.lib, "templates", &templates);
	if (error < 0)
		return error;
	if (mkdirat(templates, wish->name, 0755) < 0 && errno != EEXIST)
		return -errno;
	*ret_fd = openat(templates, wish->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (*ret_fd < 0 || fchmod(*ret_fd, 0755) < 0)
		return -errno;
	return fsync(templates) < 0 ? -errno : 0;
}

static int
launch_stage_sync(int staging, int target)
{
	return fsync(target) < 0 || fsync(staging) < 0 ? -errno : 0;
}

static int
launch_stage_rename(struct launch *launch, const struct launch_commit *wish, int staging,
		    int target)
{
	char name[NAME_SIZE];
	int error;

	if (wish->version == 0)
		snprintf(name, sizeof(name), "%s", wish->name);
	else
		snprintf(name, sizeof(name), "%" PRIu32, wish->version);
	if (!wish->replaces && renameat2(staging, wish->job, target, name, RENAME_NOREPLACE) == 0)
		return launch_stage_sync(staging, target);
	if (!wish->replaces && errno != EEXIST)
		return -errno;
	if (!wish->replaces && wish->version != 0)
		return launch_state_refuse(launch, -EEXIST,
					   "template '%s' has a version %" PRIu32
					   " already: publish the next one",
					   wish->name, wish->version);
	if (renameat2(staging, wish->job, target, name, RENAME_EXCHANGE) < 0)
		return -errno;
	error = launch_stage_sync(staging, target);
	/* What was there before is here now. */
	return error < 0 ? error : launch_tree_remove(staging, wish->job);
}

static int
launch_stage_commit(struct launch *launch, const struct launch_commit *wish)
{
	CLEANUP_CLOSE int staging = -1;
	CLEANUP_CLOSE int target = -1;
	int error = launch_stage_open_folder(launch->options.lib, "staging", &staging);

	if (error == 0)
		error = launch_stage_open_target(launch, wish, &target);
	if (error == 0)
		error = launch_tree_seal(staging, wish->job, launch->options.hostd_uid,
					 launch_options_job_gid(&launch->options));
	if (error == -EINVAL)
		return launch_state_refuse(
			launch, error,
			"staging of '%s' holds something else than folders and plain files: remove it",
			wish->job);
	return error < 0 ? error : launch_stage_rename(launch, wish, staging, target);
}

int
launch_stage_handle_commit(void *context, struct seq_message *message)
{
	struct launch *launch = context;
	const struct launch_commit *wish = (const void *)message->payload;
	int error;

	if (!seq_text_ok(wish->job, sizeof(wish->job)) || !id_valid(ID_KIND_JOB, wish->job))
		return launch_state_refuse(launch, -EINVAL, "the name is no id of a job");
	if (!seq_text_ok(wish->name, sizeof(wish->name)) || !name_valid(wish->name))
		return launch_state_refuse(launch, -EINVAL,
					   "the name of the template or image is not valid");
	if (wish->replaces > 1 || (wish->replaces && wish->version == 0))
		return launch_state_refuse(launch, -EINVAL,
					   "only a version is said to be replaced");
	error = launch_stage_check_idle(launch, wish->job);
	if (error < 0)
		return error;
	error = launch_stage_commit(launch, wish);
	if (error < 0) {
		if (!launch->refusal.text[0])
			launch_state_refuse(launch, error,
					    "'%s' cannot be put in place as '%s': %s", wish->job,
					    wish->name, strerror(-error));
		return error;
	}
	launch_stage_forget(launch, wish->job);
	log_info("committed name=%s as '%s' version=%" PRIu32, wish->job, wish->name,
		 wish->version);
	return 0;
}

int
launch_stage_handle_remove(void *context, struct seq_message *message)
{
	struct launch *launch = context;
	const struct launch_stage *wish = (const void *)message->payload;
	char path[STAGE_PATH_SIZE];
	int error;

	if (!seq_text_ok(wish->job, sizeof(wish->job)) || !id_valid(ID_KIND_JOB, wish->job))
		return launch_state_refuse(launch, -EINVAL, "the name is no id of a job");
	error = launch_stage_check_idle(launch, wish->job);
	if (error < 0)
		return error;
	error = launch_state_lib_path(launch, wish->job, path, sizeof(path));
	if (error == 0)
		error = launch_tree_remove_path(path);
	if (error < 0)
		return launch_state_refuse(launch, error, "staging of '%s' cannot be removed: %s",
					   wish->job, strerror(-error));
	launch_stage_forget(launch, wish->job);
	return 0;
}
