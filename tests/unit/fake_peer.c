/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fake_peer.c - the other end of a stream socket in the test's own main loop (unit tests)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/frame.h"
#include "base/io.h"
#include "tests/unit/fake_peer.h"
#include "tests/unit/wait_for.h"

static void
fake_peer_keep_fds(struct fake_peer *peer, struct msghdr *message)
{
	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part;
	     part = CMSG_NXTHDR(message, part)) {
		assert_int_equal(part->cmsg_type, SCM_RIGHTS);
		assert_int_equal(part->cmsg_len, CMSG_LEN(sizeof(int)));
		assert_true(peer->n_fds < FAKE_PEER_MAX_FDS);
		memcpy(&peer->fds[peer->n_fds++], CMSG_DATA(part), sizeof(int));
	}
}

static gboolean
fake_peer_handle_readable(gint fd, GIOCondition condition, gpointer data)
{
	char bytes[4096];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * FAKE_PEER_MAX_FDS)];
	} control;
	struct iovec part = { bytes, sizeof(bytes) };
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct fake_peer *peer = data;
	ssize_t n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);

	(void)condition;
	if (n <= 0) {
		peer->source = 0;
		peer->ended = TRUE;
		return G_SOURCE_REMOVE;
	}
	fake_peer_keep_fds(peer, &message);
	g_byte_array_append(peer->input, (const guint8 *)bytes, (guint)n);
	return G_SOURCE_CONTINUE;
}

void
fake_peer_read(struct fake_peer *peer, gboolean on)
{
	g_clear_handle_id(&peer->source, g_source_remove);
	if (on)
		peer->source = g_unix_fd_add(peer->fd, G_IO_IN | G_IO_HUP,
					     fake_peer_handle_readable, peer);
}

void
fake_peer_init(struct fake_peer *peer, int fd)
{
	memset(peer, 0, sizeof(*peer));
	peer->fd = fd;
	peer->input = g_byte_array_new();
	fake_peer_read(peer, TRUE);
}

void
fake_peer_done(struct fake_peer *peer)
{
	g_clear_handle_id(&peer->source, g_source_remove);
	g_clear_pointer(&peer->input, g_byte_array_unref);
	for (guint i = 0; i < peer->n_fds; i++)
		close(peer->fds[i]);
	peer->n_fds = 0;
	if (peer->fd >= 0)
		close(peer->fd);
	peer->fd = -1;
}

/* True when all is sent, or nobody takes it any more. */
static gboolean
fake_peer_push(const struct fake_peer *peer, const char **bytes, gsize *size)
{
	gssize n = send(peer->fd, *bytes, *size, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0)
		return peer->ended;
	*bytes += n;
	*size -= (gsize)n;
	return *size == 0;
}

/* Long texts are more than a socket takes at once: the module under test must run meanwhile. */
void
fake_peer_send(const struct fake_peer *peer, const void *data, gsize size)
{
	const char *bytes = data;

	WAIT_FOR(size == 0 || fake_peer_push(peer, &bytes, &size));
}

void
fake_peer_say(const struct fake_peer *peer, const char *text)
{
	fake_peer_send(peer, text, strlen(text));
}

char *
fake_peer_take_line(struct fake_peer *peer)
{
	const guint8 *end =
		peer->input->len > 0 ? memchr(peer->input->data, '\n', peer->input->len) : NULL;
	gsize size = end ? (gsize)(end - peer->input->data) : 0;
	char *line;

	if (!end)
		return NULL;
	line = g_strndup((const char *)peer->input->data, size);
	g_byte_array_remove_range(peer->input, 0, (guint)size + 1);
	return line;
}

json_t *
fake_peer_take_frame(struct fake_peer *peer)
{
	const guint8 *head = peer->input->data;
	struct json_problem problem;
	json_t *object;
	guint32 size;

	if (peer->input->len < FRAME_HEAD_BYTES)
		return NULL;
	size = head[0] | (guint32)head[1] << 8 | (guint32)head[2] << 16 | (guint32)head[3] << 24;
	assert_in_range(size, 1, FRAME_MAX_BYTES);
	if (peer->input->len - FRAME_HEAD_BYTES < size)
		return NULL;
	object = json_parse_strict((const char *)head + FRAME_HEAD_BYTES, size, FRAME_MAX_BYTES,
				   &problem);
	assert_non_null(object);
	g_byte_array_remove_range(peer->input, 0, FRAME_HEAD_BYTES + size);
	return object;
}

void
fake_peer_settle(void)
{
	while (g_main_context_iteration(NULL, FALSE))
		;
}

guint
fake_peer_count_fds(void)
{
	/* GLib's own descriptors come with the first task: they are no leak. */
	g_autoptr(GTask) task = g_task_new(NULL, NULL, NULL, NULL);
	g_autoptr(GDir) folder = g_dir_open("/proc/self/fd", 0, NULL);
	guint count = 0;

	while (g_dir_read_name(folder))
		count++;
	return count;
}

void
fake_answer_clear(struct fake_answer *answer)
{
	json_decref(answer->value);
	g_clear_error(&answer->error);
	memset(answer, 0, sizeof(*answer));
}

void
fake_answer_assert_failed(struct fake_answer *answer, int code)
{
	WAIT_FOR(answer->came);
	assert_null(answer->value);
	assert_true(g_error_matches(answer->error, G_IO_ERROR, code));
	fake_answer_clear(answer);
}
