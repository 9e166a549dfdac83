/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * xwatch.c - is the X server up, and has the guest come to rest? (carrel-agent, in the guest)
 *
 * How it works: while somebody wants to know, a timer reads /proc/stat four times a second. Four samples in a row in
 * which no process began or ended and the CPUs idled mean rest; then the X server is asked by connecting to its socket.
 * The timer ends itself some time after that, so that a sealed or idle desktop is not woken up by its agent.
 */
#include "agent/xwatch.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/verbs.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"

#define SAMPLE_NS      (1000000000L / XWATCH_SAMPLES_A_SECOND)
#define QUIET_SAMPLES  4
#define AFTER_SAMPLES  40 /* ten seconds */
#define STAT_MAX_BYTES (256 * 1024)
#define X_SOCKET       "/tmp/.X11-unix/X0"

void
xwatch_init(struct xwatch *xwatch)
{
	*xwatch = (struct xwatch){ .timer_fd = -1 };
}

void
xwatch_done(struct xwatch *xwatch)
{
	if (xwatch->timer_fd >= 0)
		close(xwatch->timer_fd);
	xwatch->timer_fd = -1;
}

void
xwatch_begin(struct xwatch *xwatch)
{
	struct itimerspec each = { .it_interval = { .tv_nsec = SAMPLE_NS },
				   .it_value = { .tv_nsec = SAMPLE_NS } };

	xwatch->after = 0;
	if (xwatch->timer_fd >= 0)
		return;
	xwatch->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	xwatch->quiet = 0;
	xwatch->unchanged = 0;
	xwatch->ready = false;
	xwatch->last = (struct xwatch_sample){ 0 };
	if (xwatch->timer_fd >= 0 && timerfd_settime(xwatch->timer_fd, 0, &each, NULL) == 0)
		return;
	log_error("cannot make a timer, so whether the desktop is ready is not known: %m");
	xwatch_done(xwatch);
}

bool
xwatch_parse_stat(const char *text, struct xwatch_sample *ret_sample)
{
	uint64_t t[8]; /* user nice system idle iowait irq softirq steal */
	const char *processes = strstr(text, "\nprocesses ");
	struct xwatch_sample sample = { 0 };

	if (sscanf(text,
		   "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
		   " %" SCNu64 " %" SCNu64,
		   &t[0], &t[1], &t[2], &t[3], &t[4], &t[5], &t[6], &t[7]) != 8)
		return false;
	if (!processes || sscanf(processes, "\nprocesses %" SCNu64, &sample.processes) != 1)
		return false;
	for (int i = 0; i < 8; i++)
		sample.total += t[i];
	sample.busy = sample.total - t[3] - t[7];
	*ret_sample = sample;
	return true;
}

bool
xwatch_is_unchanged(const struct xwatch_sample *before, const struct xwatch_sample *after)
{
	return before->total > 0 && after->total > before->total &&
	       after->processes == before->processes && after->alive == before->alive;
}

bool
xwatch_at_rest(const struct xwatch_sample *before, const struct xwatch_sample *after)
{
	uint64_t total = after->total - before->total;

	if (!xwatch_is_unchanged(before, after))
		return false;
	return (after->busy - before->busy) * 20 <= total;
}

static void
xwatch_take_sample(struct xwatch *xwatch)
{
	CLEANUP_FREE char *text = NULL;
	struct xwatch_sample now = { 0 };
	struct sysinfo info;
	size_t size;

	if (io_read_file("/proc/stat", STAT_MAX_BYTES, &text, &size) == 0 &&
	    xwatch_parse_stat(text, &now) && sysinfo(&info) == 0)
		now.alive = info.procs;
	xwatch->unchanged = xwatch_is_unchanged(&xwatch->last, &now) ? xwatch->unchanged + 1 : 0;
	xwatch->quiet = xwatch_at_rest(&xwatch->last, &now) ? xwatch->quiet + 1 : 0;
	xwatch->last = now;
}

static bool
xwatch_x_answers(void)
{
	CLEANUP_CLOSE int fd = -1;

	return io_unix_connect(X_SOCKET, SOCK_STREAM, &fd) == 0;
}

static void
xwatch_judge(struct agent *agent)
{
	struct xwatch *xwatch = &agent->xwatch;
	bool ready;

	xwatch_take_sample(xwatch);
	if (xwatch->ready && xwatch->quiet > QUIET_SAMPLES)
		return;
	ready = xwatch->quiet >= QUIET_SAMPLES && xwatch_x_answers();
	if (ready && !xwatch->ready)
		verbs_send_event(agent, "ready", json_pack("{s:b}", "x", 1));
	xwatch->ready = ready;
}

void
xwatch_handle_timer(struct agent *agent)
{
	struct xwatch *xwatch = &agent->xwatch;
	uint64_t times;

	if (read(xwatch->timer_fd, &times, sizeof(times)) != (ssize_t)sizeof(times))
		return;
	xwatch_judge(agent);
	if (xwatch->ready && ++xwatch->after > AFTER_SAMPLES)
		xwatch_done(xwatch);
}
