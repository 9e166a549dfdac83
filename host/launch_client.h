/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * launch_client.h - ask carrel-launch for folders, processes and staging folders (base/proto_launch.h)
 *
 * Wiring: carrel-hostd makes one launch_client at its start, with <run>/launch.sock. It connects by itself, and again
 * with a growing pause when launch restarts. On link(TRUE) hostd asks launch_client_list() and adopts what lives.
 * exited() tells each child's end; a pidfd says the same without launch, so an EXITED lost in a restart of launch
 * does no harm.
 */
#ifndef HOST_LAUNCH_CLIENT_H
#define HOST_LAUNCH_CLIENT_H

#include <gio/gio.h>

#include "base/proto_launch.h"

struct launch_client;

struct launch_client_events {
	/* Each change. FALSE comes after the unanswered requests have failed. */
	void (*link)(void *context, gboolean up);
	void (*exited)(void *context, const struct launch_exited *exited);
};

/* What came back; it lives for the call only. Which part counts depends on the request. */
struct launch_answer {
	const GError
		*error; /* NULL: done. G_IO_ERROR_NOT_CONNECTED, TIMED_OUT, or launch's reason */
	const struct launch_desktop_made *made;
	const struct launch_spawned *spawned;
	const struct launch_record *records;
	gsize n_records;
	/*
	 * desktop_make: LAUNCH_SOCKET_COUNT listening sockets, -1 where a living process has the only one; spawn: one pidfd.
	 * Set what you take over to -1.
	 */
	int *fds;
	gsize n_fds;
};

/* Called exactly once for each request, never from inside the asking call; may be NULL. */
typedef void (*launch_client_callback)(void *data, const struct launch_answer *answer);

struct launch_client_spawn {
	const char *name; /* a desktop's or a job's id */
	guint64 generation;
	enum launch_role role;
	const char *const *argv; /* without argv[0], NULL-terminated */
	const int
		*fds; /* stay the caller's; descriptor i becomes targets[i] (3..63) of the child */
	const int *targets;
	gsize n_fds;
	guint64 memory_max_bytes; /* 0: no limit */
};

struct launch_client *launch_client_new(const char *socket_path,
					const struct launch_client_events *events, void *context);

/* Forgets all requests without calling back. */
void launch_client_free(struct launch_client *client);
gboolean launch_client_is_up(const struct launch_client *client);

void launch_client_make_desktop(struct launch_client *client, const char *desktop,
				guint64 generation, launch_client_callback callback, void *data);
void launch_client_remove_desktop(struct launch_client *client, const char *desktop,
				  guint64 generation, launch_client_callback callback, void *data);
void launch_client_spawn(struct launch_client *client, const struct launch_client_spawn *spawn,
			 launch_client_callback callback, void *data);

/* role LAUNCH_ROLE_COUNT: all processes of the name. */
void launch_client_kill(struct launch_client *client, const char *name, enum launch_role role,
			launch_client_callback callback, void *data);
void launch_client_list(struct launch_client *client, launch_client_callback callback, void *data);

/* version 0: the staging folder becomes the image "name". replaces: the version is there already, and is exchanged. */
void launch_client_commit_stage(struct launch_client *client, const char *job, const char *name,
				guint32 version, gboolean replaces, launch_client_callback callback,
				void *data);
void launch_client_remove_stage(struct launch_client *client, const char *job,
				launch_client_callback callback, void *data);

/*
 * No callback with this data comes any more: for an owner that ends. A process whose spawn was forgotten (or timed out) is
 * killed as soon as launch says that it started.
 */
void launch_client_forget(struct launch_client *client, const void *data);

#endif
