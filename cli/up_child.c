/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * up_child.c - one service under "carrel up" (carrel)
 *
 * How it works: up_child_start() removes a socket left by an earlier process, forks, changes ids and executes; the
 * socket's appearance (looked for each POLL_MS while STARTING) makes it RUNNING. The process's end comes as a child
 * watch. Its standard error goes through a pipe (up_child_read_lines()), so that the last line can be told when it cannot be
 * started at all.
 * A service dies with "carrel up" (PR_SET_PDEATHSIG); desktops do not, and the next start adopts them.
 */
#include "cli/up_child.h"

#include <errno.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/sandbox.h"

#define POLL_MS		50
#define BACKOFF_MIN_MS	100
#define BACKOFF_MAX_MS	10000
#define LONG_LIFE_MS	30000
#define STOP_MS		5000
#define WORDS_MAX_BYTES 500
#define LINE_MAX_BYTES	4096

/*
 * waiting -> starting -> running; starting or running -> failed (after its end) -> starting, with back-off;
 * any -> stopping -> ended.
 */
enum up_child_state {
	UP_CHILD_WAITING,
	UP_CHILD_STARTING, /* the process is there, its socket is not */
	UP_CHILD_RUNNING,
	UP_CHILD_FAILED, /* ended; starts again when the back-off is over */
	UP_CHILD_STOPPING,
	UP_CHILD_ENDED,
	UP_CHILD_COUNT,
};

struct up_child {
	enum up_child_state state;
	const struct up_child_events *events;
	void *context;
	char **argv;
	char *socket;
	uid_t uid;
	gid_t gid;
	gid_t group;
	GPid pid;
	guint timer; /* socket poll, back-off or stop deadline, as the state says */
	guint watch;
	guint64 started_ms;
	guint n_failures;	/* in a row */
	guint n_start_failures; /* before it was ready for the first time */
	int stderr_fd;		/* our end of its standard error, -1: none */
	guint readable;		/* its source */
	GString *line;		/* what has come of the next one */
	char *words;
};

static const char *const state_names[] = { "waiting", "starting", "running",
					   "failed",  "stopping", "ended" };
G_STATIC_ASSERT(G_N_ELEMENTS(state_names) == UP_CHILD_COUNT);

static const guint next_table[] = {
	[UP_CHILD_WAITING] = 1 << UP_CHILD_STARTING | 1 << UP_CHILD_FAILED | 1 << UP_CHILD_ENDED,
	[UP_CHILD_STARTING] = 1 << UP_CHILD_RUNNING | 1 << UP_CHILD_FAILED | 1 << UP_CHILD_STOPPING,
	[UP_CHILD_RUNNING] = 1 << UP_CHILD_FAILED | 1 << UP_CHILD_STOPPING,
	[UP_CHILD_FAILED] = 1 << UP_CHILD_STARTING | 1 << UP_CHILD_FAILED | 1 << UP_CHILD_ENDED,
	[UP_CHILD_STOPPING] = 1 << UP_CHILD_ENDED,
	[UP_CHILD_ENDED] = 0,
};
G_STATIC_ASSERT(G_N_ELEMENTS(next_table) == UP_CHILD_COUNT);

static void
up_child_set_timer(struct up_child *child, guint ms, GSourceFunc handle)
{
	if (child->timer != 0)
		g_source_remove(child->timer);
	child->timer = handle ? g_timeout_add(ms, handle, child) : 0;
}

static void
up_child_change(struct up_child *child, enum up_child_state state)
{
	if ((next_table[child->state] & (1u << state)) == 0)
		log_error("'%s': %s -> %s is not legal", child->argv[0], state_names[child->state],
			  state_names[state]);
	log_debug("'%s': %s -> %s", child->argv[0], state_names[child->state], state_names[state]);
	child->state = state;
	up_child_set_timer(child, 0, NULL);
}

guint
up_child_backoff_ms(guint n_failures)
{
	guint ms = BACKOFF_MIN_MS;

	for (guint i = 1; i < n_failures && ms < BACKOFF_MAX_MS; i++)
		ms *= 2;
	return MIN(ms, BACKOFF_MAX_MS);
}

static gboolean
up_child_handle_backoff(gpointer data)
{
	struct up_child *child = data;

	child->timer = 0;
	up_child_start(child);
	return G_SOURCE_REMOVE;
}

static void
up_child_fail(struct up_child *child, gboolean was_ready, const char *how)
{
	guint backoff_ms;

	if (io_boottime_ms() - child->started_ms >= LONG_LIFE_MS)
		child->n_failures = 0;
	child->n_failures++;
	if (!was_ready)
		child->n_start_failures++;
	else
		child->n_start_failures = 0;
	up_child_change(child, UP_CHILD_FAILED);
	if (child->n_start_failures >= UP_CHILD_MAX_START_FAILURES) {
		child->events->hopeless(child->context, child, child->words ? child->words : how);
		return;
	}
	backoff_ms = up_child_backoff_ms(child->n_failures);
	log_warning("'%s' ended: %s; it starts again in %u.%u s", child->argv[0], how,
		    backoff_ms / 1000, backoff_ms % 1000 / 100);
	up_child_set_timer(child, backoff_ms, up_child_handle_backoff);
}

static void
up_child_take_line(struct up_child *child, const char *line)
{
	g_autofree char *safe = g_utf8_make_valid(line, -1);

	fprintf(stderr, "%s\n", safe);
	g_free(child->words);
	child->words = g_strndup(safe, WORDS_MAX_BYTES);
}

/* A line that is too long is taken in pieces. */
static void
up_child_take_bytes(struct up_child *child, const char *bytes, gsize size)
{
	for (gsize i = 0; i < size; i++) {
		if (bytes[i] != '\n' && bytes[i] != '\0')
			g_string_append_c(child->line, bytes[i]);
		if (bytes[i] == '\n' || child->line->len >= LINE_MAX_BYTES) {
			up_child_take_line(child, child->line->str);
			g_string_truncate(child->line, 0);
		}
	}
}

static void
up_child_drop_lines(struct up_child *child)
{
	if (child->line->len > 0)
		up_child_take_line(child, child->line->str);
	g_string_truncate(child->line, 0);
	g_clear_handle_id(&child->readable, g_source_remove);
	if (child->stderr_fd >= 0)
		close(child->stderr_fd);
	child->stderr_fd = -1;
}

/* All that is there. FALSE at its end. */
static gboolean
up_child_read_lines(struct up_child *child)
{
	char bytes[1024];
	ssize_t n;

	while ((n = read(child->stderr_fd, bytes, sizeof(bytes))) > 0)
		up_child_take_bytes(child, bytes, (gsize)n);
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

static gboolean
up_child_handle_readable(G_GNUC_UNUSED int fd, G_GNUC_UNUSED GIOCondition condition, gpointer data)
{
	struct up_child *child = data;

	if (up_child_read_lines(child))
		return G_SOURCE_CONTINUE;
	child->readable = 0;
	up_child_drop_lines(child);
	return G_SOURCE_REMOVE;
}

static void
up_child_watch_lines(struct up_child *child, int fd)
{
	up_child_drop_lines(child);
	child->stderr_fd = fd;
	io_set_nonblocking(fd, true);
	child->readable = g_unix_fd_add(fd, G_IO_IN | G_IO_HUP, up_child_handle_readable, child);
}

static void
up_child_handle_exit(GPid pid, gint wait_status, gpointer data)
{
	struct up_child *child = data;
	g_autofree char *how = NULL;

	child->watch = 0;
	child->pid = 0;
	/* Its last words come before its end; what it started may hold the pipe on. */
	if (child->stderr_fd >= 0)
		up_child_read_lines(child);
	if (WIFSIGNALED(wait_status))
		how = g_strdup_printf("signal %d", WTERMSIG(wait_status));
	else
		how = g_strdup_printf("exit code %d", WEXITSTATUS(wait_status));
	if (child->state != UP_CHILD_STOPPING) {
		up_child_fail(child, child->state == UP_CHILD_RUNNING, how);
		return;
	}
	up_child_change(child, UP_CHILD_ENDED);
	child->events->ended(child->context, child);
}

static gboolean
up_child_handle_poll(gpointer data)
{
	struct up_child *child = data;

	if (child->socket && access(child->socket, F_OK) < 0)
		return G_SOURCE_CONTINUE;
	child->timer = 0;
	up_child_change(child, UP_CHILD_RUNNING);
	child->n_start_failures = 0;
	log_info("'%s' is ready, pid %d, uid %u", child->argv[0], (int)child->pid,
		 (unsigned int)child->uid);
	child->events->running(child->context, child);
	return G_SOURCE_REMOVE;
}

/* Between fork and exec, only async-signal-safe calls. */
static void
up_child_become(gpointer data)
{
	struct up_child *child = data;

	if (setsid() < 0 ||
	    (child->uid != 0 && sandbox_become_member(child->uid, child->gid, child->group) < 0))
		_exit(126);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		_exit(126);
}

static char *
up_child_find_program(const char *name)
{
	const char *folder = g_getenv("CARREL_LIBEXEC_DIR");

	return g_build_filename(folder ? folder : CARREL_LIBEXECDIR, name, NULL);
}

void
up_child_start(struct up_child *child)
{
	g_autofree char *program = up_child_find_program(child->argv[0]);
	g_autofree char **argv =
		g_memdup2(child->argv, (g_strv_length(child->argv) + 1) * sizeof(*argv));
	g_autoptr(GError) error = NULL;
	int stderr_fd;

	argv[0] = program;
	if (child->socket)
		g_unlink(child->socket);
	child->started_ms = io_boottime_ms();
	if (!g_spawn_async_with_pipes(NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, up_child_become,
				      child, &child->pid, NULL, NULL, &stderr_fd, &error)) {
		g_free(child->words);
		child->words = g_strdup(error->message);
		up_child_fail(child, FALSE, error->message);
		return;
	}
	up_child_change(child, UP_CHILD_STARTING);
	up_child_watch_lines(child, stderr_fd);
	child->watch = g_child_watch_add(child->pid, up_child_handle_exit, child);
	up_child_set_timer(child, POLL_MS, up_child_handle_poll);
}

static gboolean
up_child_handle_stop_deadline(gpointer data)
{
	struct up_child *child = data;

	child->timer = 0;
	log_warning("'%s' does not end after %d s: killed", child->argv[0], STOP_MS / 1000);
	kill(child->pid, SIGKILL);
	return G_SOURCE_REMOVE;
}

void
up_child_stop(struct up_child *child)
{
	if (child->state == UP_CHILD_STOPPING)
		return;
	if (child->pid == 0) {
		if (child->state != UP_CHILD_ENDED)
			up_child_change(child, UP_CHILD_ENDED);
		child->events->ended(child->context, child);
		return;
	}
	up_child_change(child, UP_CHILD_STOPPING);
	kill(child->pid, SIGTERM);
	up_child_set_timer(child, STOP_MS, up_child_handle_stop_deadline);
}

struct up_child *
up_child_new(char **argv, const char *socket, uid_t uid, gid_t gid,
	     const struct up_child_events *events, void *context)
{
	struct up_child *child = g_new0(struct up_child, 1);

	child->stderr_fd = -1;
	child->line = g_string_new(NULL);
	child->argv = argv;
	child->socket = g_strdup(socket);
	child->uid = uid;
	child->gid = gid;
	child->group = SANDBOX_NO_GROUP;
	child->events = events;
	child->context = context;
	return child;
}

void
up_child_add_group(struct up_child *child, gid_t group)
{
	child->group = group;
}

void
up_child_free(struct up_child *child)
{
	if (child->watch != 0)
		g_source_remove(child->watch);
	up_child_set_timer(child, 0, NULL);
	up_child_drop_lines(child);
	g_string_free(child->line, TRUE);
	g_strfreev(child->argv);
	g_free(child->socket);
	g_free(child->words);
	g_free(child);
}

const char *
up_child_get_name(const struct up_child *child)
{
	return child->argv[0];
}
