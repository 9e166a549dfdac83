/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * quiesce.c - a guest that is about to be sealed comes to rest (carrel-agent, in the guest)
 *
 * How it works: quiesce_steps, in this order: what a fork's log-in would have to ask the X server
 * for is asked now; all that is written goes to the disk; then, because only what is written is
 * known to be free, the disk is told what it need not keep, which makes holes in the template's
 * image; and then processes that are about to end do so. These come so late because what comes
 * before may take long, and begins something itself (kernel threads count). What is written
 * meanwhile is little, and goes to the disk in the end. That the guest idles is known before: the
 * host asks `ready` first. Its link has been down since it was started.
 *
 * A process that waits for nothing but its end would be sealed with its memory, and end in each fork anew: udevd ends idle
 * workers after three seconds, and ten of them, sealed before, cost each fork 7 MiB in its first second.
 *
 * Caches are not dropped. The template's memory is there once for all forks: a program that
 * is in it costs a fork nothing, while each fork would read it again from the disk, into pages of its own. The recipes
 * warm the caches before the seal for that reason.
 */
#include "agent/quiesce.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"

#define MOUNTS	      "/proc/self/mounts"
#define MOUNT_MAX     4096 /* bytes of one line of it; a longer one is cut and not found */
#define DEVICE_PREFIX "/dev/"
#define REST_SAMPLES  (5 * XWATCH_SAMPLES_A_SECOND)
#define REST_MAX_MS   60000 /* of time: a guest that gets little of a processor takes fewer samples */

/*
 * What never rests is sealed all the same, and the host told so; of what cannot be watched it is
 * told nothing. From here on the watch is over: a fork would go on with it.
 */
static int
quiesce_run_rest(struct agent *agent, struct task *task)
{
	struct xwatch *xwatch = &agent->xwatch;
	bool late = io_boottime_ms() - task->step_began_ms >= REST_MAX_MS;
	bool watched;
	bool rests;

	xwatch_begin(xwatch);
	watched = xwatch->timer_fd >= 0; /* it has said why not */
	rests = watched && task->n_again >= REST_SAMPLES && xwatch->unchanged >= REST_SAMPLES;
	if (watched && !rests && !late)
		return TASK_AGAIN;
	if (watched && !rests)
		log_warning("processes still begin or end here: each fork will do the same");
	if (watched)
		json_object_set_new(task->answer, "rests", json_boolean(rests));
	xwatch_done(xwatch);
	return rests ? TASK_DONE : TASK_SKIPPED;
}

static int
quiesce_run_sync(struct agent *agent, struct task *task)
{
	(void)agent, (void)task;
	sync();
	return TASK_DONE;
}

bool
quiesce_is_on_disk(const struct mntent *mount)
{
	return strncmp(mount->mnt_fsname, DEVICE_PREFIX, strlen(DEVICE_PREFIX)) == 0 &&
	       !hasmntopt(mount, MNTOPT_RO);
}

int
quiesce_trim(const char *folder)
{
	CLEANUP_CLOSE int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct fstrim_range all = { .len = UINT64_MAX };

	if (fd < 0)
		return -errno;
	if (ioctl(fd, FITRIM, &all) == 0)
		return 0;
	/* the first is said by file systems that know no FITRIM, the second by those whose disk takes no discards */
	return errno == ENOTTY || errno == EOPNOTSUPP ? -EOPNOTSUPP : -errno;
}

/* An image that keeps its free blocks is larger, and no worse: nothing here fails the seal. */
static int
quiesce_run_trim(struct agent *agent, struct task *task)
{
	FILE *mounts = setmntent(MOUNTS, "re");
	int result = TASK_SKIPPED;
	char line[MOUNT_MAX];
	struct mntent mount;

	(void)agent, (void)task;
	while (mounts && getmntent_r(mounts, &mount, line, sizeof(line))) {
		int error = quiesce_is_on_disk(&mount) ? quiesce_trim(mount.mnt_dir) : -EOPNOTSUPP;

		if (error == 0)
			result = TASK_DONE;
		else if (error != -EOPNOTSUPP)
			log_warning("'%s' cannot be trimmed: %s", mount.mnt_dir, strerror(-error));
	}
	if (mounts)
		endmntent(mounts);
	return result;
}

static void
quiesce_ended(struct agent *agent, struct task *task, int status)
{
	(void)task;
	if (status == 0 && agent->state == AGENT_STATE_FRESH)
		agent_set_state(agent, AGENT_STATE_QUIESCED);
}

static const struct task_step quiesce_steps[] = {
	{ "keyboard", keyboard_run_query, keyboard_finish_query, true },
	{ "sync", quiesce_run_sync, NULL, false },
	{ "trim", quiesce_run_trim, NULL, false },
	{ "rest", quiesce_run_rest, NULL, false },
	{ "sync", quiesce_run_sync, NULL, false },
};

const struct task_kind quiesce_task_kind = {
	.steps = quiesce_steps,
	.n_steps = sizeof(quiesce_steps) / sizeof(quiesce_steps[0]),
	.ended = quiesce_ended,
};
