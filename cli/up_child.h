/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * up_child.h - one service under "carrel up": started, watched, started again
 */
#ifndef CLI_UP_CHILD_H
#define CLI_UP_CHILD_H

#include <glib.h>
#include <sys/types.h>

#define UP_CHILD_MAX_START_FAILURES 5

struct up_child;

struct up_child_events {
	void (*running)(void *context, struct up_child *child);
	void (*ended)(void *context, struct up_child *child);
	/* It failed UP_CHILD_MAX_START_FAILURES times before it was ever ready; "words" is its last line. */
	void (*hopeless)(void *context, struct up_child *child, const char *words);
};

/*
 * argv[0] is the program's name, looked for in CARREL_LIBEXEC_DIR or the installed folder. "socket" says that it is
 * ready. uid 0 keeps root. Takes over argv.
 */
struct up_child *up_child_new(char **argv, const char *socket, uid_t uid, gid_t gid,
			      const struct up_child_events *events, void *context);

/* Before it is started: one supplementary group, which only a child with a uid of its own has. */
void up_child_add_group(struct up_child *child, gid_t group);
void up_child_free(struct up_child *child);
void up_child_start(struct up_child *child);

/* SIGTERM, and SIGKILL when that does not end it in time; then ended() is called, at once when nothing runs. */
void up_child_stop(struct up_child *child);
const char *up_child_get_name(const struct up_child *child);

/* 0.1 s doubling to 10 s. */
guint up_child_backoff_ms(guint n_failures);

#endif
