/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fake_launch.h - a carrel-launch in the test's own main loop: it answers, counts, and its children only wait
 */
#ifndef TESTS_UNIT_FAKE_LAUNCH_H
#define TESTS_UNIT_FAKE_LAUNCH_H

#include <glib.h>

#include "base/proto_launch.h"
#include "common/seq_source.h"

struct launch_client;

struct fake_launch {
	char *folder; /* a temporary one, for the test too */
	char *path;   /* of the socket */
	int listen_fd;
	guint listener;
	guint links; /* clients of fake_launch_connect() that came up */
	struct seq_source *client;
	guint count[LAUNCH_EXITED]; /* requests by type */
	gboolean silent;	    /* keep requests without an answer */
	guint32 kept_id;	    /* of the last one kept */
	int refuse;		    /* answer with this negative errno */
	char name[ID_SIZE];	    /* of the last spawn */
	guint32 role;
	char argv[200];		 /* its first arguments, joined by blanks */
	int fds[LAUNCH_MAX_FDS]; /* what it was given; -1: taken by the test */
	gsize n_fds;
	pid_t child;
	struct launch_commit commit;
	const char *
		dies_at_commit; /* the connection ends instead of an answer; "": before the rename, else after one to there */
};

struct fake_launch *fake_launch_new(void);
void fake_launch_free(struct fake_launch *launch);
void fake_launch_listen(struct fake_launch *launch);
void fake_launch_stop(struct fake_launch *launch); /* as if it had died */

/* A client for modules that need one: it is up. The test's to free, before the launch. */
struct launch_client *fake_launch_connect(struct fake_launch *launch);

/* Ends the child by the signal and tells EXITED. */
void fake_launch_end_child(struct fake_launch *launch, int signal_number);

/* Answers what was kept: a spawn with a child. */
void fake_launch_answer_kept(struct fake_launch *launch);

/* Runs the main loop until the number is reached; fails the test after 10 s. */
void fake_launch_run_until(const guint *number, guint wanted);

#endif
