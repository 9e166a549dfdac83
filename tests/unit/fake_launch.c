/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fake_launch.c - a carrel-launch in the test's own main loop
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/fake_launch.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "host/launch_client.h"
#include "tests/unit/wait_for.h"

static void
fake_launch_answer(struct fake_launch *launch, guint32 type, guint32 id, const void *payload,
		   gsize size, const int *fds, gsize n_fds)
{
	struct seq_header head = { .type = type, .id = id, .size = (guint32)size };

	assert_int_equal(seq_source_send(launch->client, &head, payload, fds, n_fds), 0);
}

static void
fake_launch_close_fds(struct fake_launch *launch)
{
	for (gsize i = 0; i < launch->n_fds; i++)
		if (launch->fds[i] >= 0)
			close(launch->fds[i]);
	launch->n_fds = 0;
}

static void
fake_launch_make_child(struct fake_launch *launch, guint32 id)
{
	struct launch_spawned spawned = { 0 };
	int pidfd = -1;

	launch->child = fork();
	assert_true(launch->child >= 0);
	if (launch->child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		syscall(SYS_close_range, 3, ~0U, 0);
		for (;;)
			pause();
	}
	spawned.pid = launch->child;
	assert_int_equal(io_process_start(launch->child, &spawned.start_ticks), 0);
	assert_int_equal(io_pidfd_open(launch->child, &pidfd), 0);
	fake_launch_answer(launch, LAUNCH_SPAWN, id, &spawned, sizeof(spawned), &pidfd, 1);
	close(pidfd);
}

static void
fake_launch_spawn(struct fake_launch *launch, struct seq_message *message)
{
	struct launch_spawn spawn;
	const char *text = (const char *)message->payload + sizeof(spawn);

	memcpy(&spawn, message->payload, sizeof(spawn));
	assert_int_equal(message->n_fds, spawn.n_fds);
	assert_int_equal(message->head.size, sizeof(spawn) + spawn.argv_bytes);
	fake_launch_close_fds(launch);
	for (gsize i = 0; i < spawn.n_fds; i++)
		launch->fds[launch->n_fds++] = seq_take_fd(message, i);
	g_strlcpy(launch->name, spawn.name, sizeof(launch->name));
	launch->role = spawn.role;
	memset(launch->argv, 0, sizeof(launch->argv));
	memcpy(launch->argv, text, MIN(spawn.argv_bytes, sizeof(launch->argv) - 1));
	for (gsize i = 0; i + 1 < spawn.argv_bytes && i < sizeof(launch->argv) - 1; i++)
		if (launch->argv[i] == '\0')
			launch->argv[i] = ' ';
	if (launch->silent)
		launch->kept_id = message->head.id;
	else
		fake_launch_make_child(launch, message->head.id);
}

static void
fake_launch_make_desktop(struct fake_launch *launch, guint32 id)
{
	struct launch_desktop_made made = { 70001, 70002, 0 };
	gboolean machine = launch->child > 0 &&
			   (launch->role == LAUNCH_ROLE_QEMU || launch->role == LAUNCH_ROLE_VMM);
	int fds[LAUNCH_SOCKET_COUNT];
	gsize n = 0;

	for (gsize i = 0; i < LAUNCH_SOCKET_COUNT; i++) {
		g_autofree char *path = g_strdup_printf("%s/%s", launch->folder,
							i == LAUNCH_SOCKET_WATCH ? "watch" : "any");

		if (machine && i != LAUNCH_SOCKET_WATCH)
			continue;
		assert_int_equal(io_unix_listen(path, SOCK_SEQPACKET, 0600, &fds[n++]), 0);
		made.sockets |= 1u << i;
	}
	fake_launch_answer(launch, LAUNCH_DESKTOP_MAKE, id, &made, sizeof(made), fds, n);
	while (n > 0)
		close(fds[--n]);
}

static void
fake_launch_commit(struct fake_launch *launch, struct seq_message *message)
{
	g_autofree char *staged = NULL;

	assert_int_equal(launch->child, 0);
	memcpy(&launch->commit, message->payload, sizeof(launch->commit));
	if (!launch->dies_at_commit) {
		fake_launch_answer(launch, message->head.type, message->head.id, NULL, 0, NULL, 0);
		return;
	}
	staged = g_build_filename(launch->folder, "staging", launch->commit.job, NULL);
	if (launch->dies_at_commit[0])
		assert_int_equal(rename(staged, launch->dies_at_commit), 0);
	g_clear_pointer(&launch->client, seq_source_free);
}

static void
fake_launch_handle_request(struct fake_launch *launch, struct seq_message *message)
{
	struct launch_record records[2] = { { .generation = 1 }, { .generation = 2 } };
	guint32 type = message->head.type;
	guint32 id = message->head.id;

	switch (type) {
	case LAUNCH_DESKTOP_MAKE:
		fake_launch_make_desktop(launch, id);
		break;
	case LAUNCH_SPAWN:
		fake_launch_spawn(launch, message);
		break;
	case LAUNCH_KILL:
		fake_launch_answer(launch, type, id, NULL, 0, NULL, 0);
		fake_launch_end_child(launch, SIGKILL);
		break;
	case LAUNCH_LIST:
		fake_launch_answer(launch, type, id, records, sizeof(records), NULL, 0);
		break;
	case LAUNCH_STAGE_COMMIT:
		fake_launch_commit(launch, message);
		break;
	default:
		fake_launch_answer(launch, type, id, NULL, 0, NULL, 0);
		break;
	}
}

static void
fake_launch_handle_message(void *context, struct seq_message *message)
{
	struct fake_launch *launch = context;

	if (!message) {
		g_clear_pointer(&launch->client, seq_source_free);
		return;
	}
	assert_in_range(message->head.type, 1, LAUNCH_EXITED - 1);
	launch->count[message->head.type]++;
	if (launch->refuse) {
		struct launch_refusal refusal = { "no such luck" };
		struct seq_header head = message->head;

		head.status = launch->refuse;
		head.size = sizeof(refusal);
		assert_int_equal(seq_source_send(launch->client, &head, &refusal, NULL, 0), 0);
		return;
	}
	fake_launch_handle_request(launch, message);
}

static void
fake_launch_handle_connection(void *context, int fd)
{
	struct fake_launch *launch = context;

	g_clear_pointer(&launch->client, seq_source_free);
	launch->client = seq_source_new(fd, "fake launch", fake_launch_handle_message, launch);
}

void
fake_launch_listen(struct fake_launch *launch)
{
	assert_int_equal(io_unix_listen(launch->path, SOCK_SEQPACKET, 0600, &launch->listen_fd), 0);
	launch->listener = seq_source_listen(launch->listen_fd, "fake launch",
					     fake_launch_handle_connection, launch);
}

void
fake_launch_stop(struct fake_launch *launch)
{
	g_clear_handle_id(&launch->listener, g_source_remove);
	if (launch->listen_fd >= 0)
		close(launch->listen_fd);
	launch->listen_fd = -1;
	g_unlink(launch->path);
	g_clear_pointer(&launch->client, seq_source_free);
}

struct fake_launch *
fake_launch_new(void)
{
	struct fake_launch *launch = g_new0(struct fake_launch, 1);

	launch->folder = g_dir_make_tmp("carrel-test-XXXXXX", NULL);
	assert_non_null(launch->folder);
	launch->path = g_build_filename(launch->folder, "launch.sock", NULL);
	launch->listen_fd = -1;
	fake_launch_listen(launch);
	return launch;
}

void
fake_launch_free(struct fake_launch *launch)
{
	static const char *const files[] = { "watch", "any", "vdagent" };

	if (launch->child > 0) {
		kill(launch->child, SIGKILL);
		waitpid(launch->child, NULL, 0);
	}
	fake_launch_close_fds(launch);
	fake_launch_stop(launch);
	for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
		g_autofree char *path = g_build_filename(launch->folder, files[i], NULL);

		g_unlink(path);
	}
	g_rmdir(launch->folder);
	g_free(launch->folder);
	g_free(launch->path);
	g_free(launch);
}

void
fake_launch_end_child(struct fake_launch *launch, int signal_number)
{
	struct launch_exited exited = { .role = launch->role, .pid = launch->child };

	if (launch->child <= 0)
		return;
	kill(launch->child, signal_number);
	assert_int_equal(waitpid(launch->child, &exited.wait_status, 0), launch->child);
	g_strlcpy(exited.name, launch->name, sizeof(exited.name));
	launch->child = 0;
	fake_launch_answer(launch, LAUNCH_EXITED, 0, &exited, sizeof(exited), NULL, 0);
}

void
fake_launch_answer_kept(struct fake_launch *launch)
{
	launch->silent = FALSE;
	fake_launch_make_child(launch, launch->kept_id);
}

void
fake_launch_run_until(const guint *number, guint wanted)
{
	WAIT_FOR(*number >= wanted);
}

static void
fake_launch_note_link(void *context, gboolean up)
{
	struct fake_launch *launch = context;

	launch->links += up ? 1 : 0;
}

struct launch_client *
fake_launch_connect(struct fake_launch *launch)
{
	static const struct launch_client_events events = { .link = fake_launch_note_link };
	struct launch_client *client = launch_client_new(launch->path, &events, launch);

	fake_launch_run_until(&launch->links, launch->links + 1);
	return client;
}
