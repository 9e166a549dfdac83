/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * launch_serve.c - hostd's connection (carrel-launch)
 *
 * How it works: launch_serve_accept() asks the kernel who connected, and a new hostd replaces the old one.
 * launch_serve_request() lets seq_dispatch() check the message against rule_table before its handler sees it, and
 * sends the one answer. A hostd that does not read its answers loses its connection and asks LIST with the next.
 */
#include "host/launch_serve.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "base/seq.h"
#include "host/launch_desktop.h"
#include "host/launch_spawn.h"
#include "host/launch_stage.h"
#include "host/launch_state.h"

#define ALWAYS 1U /* there is one state */

static const struct seq_rule rule_table[] = {
	{ LAUNCH_DESKTOP_MAKE, sizeof(struct launch_desktop), sizeof(struct launch_desktop), 0, 0,
	  ALWAYS, launch_desktop_handle_make },
	{ LAUNCH_SPAWN, sizeof(struct launch_spawn),
	  sizeof(struct launch_spawn) + LAUNCH_MAX_ARGV_BYTES, 0, LAUNCH_MAX_FDS, ALWAYS,
	  launch_spawn_handle },
	{ LAUNCH_KILL, sizeof(struct launch_kill), sizeof(struct launch_kill), 0, 0, ALWAYS,
	  launch_spawn_handle_kill },
	{ LAUNCH_DESKTOP_REMOVE, sizeof(struct launch_desktop), sizeof(struct launch_desktop), 0, 0,
	  ALWAYS, launch_desktop_handle_remove },
	{ LAUNCH_LIST, 0, 0, 0, 0, ALWAYS, launch_desktop_handle_list },
	{ LAUNCH_STAGE_COMMIT, sizeof(struct launch_commit), sizeof(struct launch_commit), 0, 0,
	  ALWAYS, launch_stage_handle_commit },
	{ LAUNCH_STAGE_REMOVE, sizeof(struct launch_stage), sizeof(struct launch_stage), 0, 0,
	  ALWAYS, launch_stage_handle_remove },
};

static void
launch_serve_hang_up(struct launch *launch, const char *why)
{
	log_info("hostd is disconnected: %s; what runs goes on", why);
	close(launch->peer);
	launch->peer = -1;
}

void
launch_serve_accept(struct launch *launch)
{
	// cppcheck-suppress nullPointer ; accept4(2) takes NULL for an address nobody wants
	CLEANUP_CLOSE int fd = accept4(launch->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct io_peer peer;

	if (fd < 0 || io_peer_get(fd, &peer) < 0)
		return;
	if (peer.uid != launch->options.hostd_uid) {
		if (log_limit_allow(&launch->strangers, io_boottime_ms()))
			log_warning("refused: uid=%d pid=%d connected, only uid=%d is served",
				    (int)peer.uid, (int)peer.pid, (int)launch->options.hostd_uid);
		return;
	}
	if (launch->peer >= 0)
		launch_serve_hang_up(launch, "a newer one came");
	launch->peer = take_fd(&fd);
	log_info("hostd is connected, pid=%d", (int)peer.pid);
}

static void
launch_serve_send(struct launch *launch, const struct seq_header *head, const void *payload,
		  const int *fds, size_t n_fds)
{
	int error = seq_send(launch->peer, head, payload, fds, n_fds);

	if (error < 0)
		launch_serve_hang_up(launch, strerror(-error));
}

static void
launch_serve_answer(struct launch *launch, uint32_t type, uint32_t id, int result)
{
	struct seq_header head = { .type = type, .id = id, .status = result };

	if (result < 0) {
		if (!launch->refusal.text[0])
			launch_state_refuse(launch, result, "request of type %u is not valid: %s",
					    type, strerror(-result));
		/* hostd asks for a removal until the last process has ended. */
		log_write(result == -EBUSY ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING,
			  "refused: type=%u: %s", type, launch->refusal.text);
		head.size = sizeof(launch->refusal);
		launch_serve_send(launch, &head, &launch->refusal, NULL, 0);
		return;
	}
	head.size = launch->answer.size;
	launch_serve_send(launch, &head, launch->answer.payload, launch->answer.fds,
			  launch->answer.n_fds);
}

void
launch_serve_request(struct launch *launch)
{
	struct seq_message message;
	int error = seq_receive(launch->peer, &message);

	if (error == -EAGAIN)
		return;
	if (error < 0) {
		launch_serve_hang_up(launch, error == -EPIPE ? "it ended" : strerror(-error));
		return;
	}
	memset(&launch->answer, 0, sizeof(launch->answer));
	memset(&launch->refusal, 0, sizeof(launch->refusal));
	error = seq_dispatch(rule_table, sizeof(rule_table) / sizeof(rule_table[0]), 0, launch,
			     &message);
	launch_serve_answer(launch, message.head.type, message.head.id, error);
}

void
launch_serve_exit(struct launch *launch, struct launch_unit *unit, uint32_t role)
{
	struct seq_header head = { .type = LAUNCH_EXITED, .size = sizeof(struct launch_exited) };
	struct launch_exited exited;

	launch_spawn_reap(launch, unit, role, &exited);
	if (launch->peer >= 0)
		launch_serve_send(launch, &head, &exited, NULL, 0);
}
