/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vdagent_port.c - our end of the guest's vdagent port (carrel-display)
 *
 * How it works: what its user, a sink, writes is kept in "out" until the guest takes it, at most PORT_MAX_OUT_BYTES; a guest
 * whose agent reads nothing thereby stops its client's clipboard and nothing else. The stream is followed as it is
 * queued, so a message of ours is queued when it stands between two chunks, and else as soon as the user's next bytes
 * reach such a border (vdagent_port_write()). What the guest sends is followed as well: nonsense ends the port
 * before its user sees it. vdagent_port_hand_over() brings both directions to a border between two users.
 */
#include "display/vdagent_port.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "display/vdagent_stream.h"

#define PORT_MAX_OUT_BYTES (128 * 1024)

struct vdagent_port {
	int fd;
	void (*tell_lost)(void *context);
	void *context;
	void (*wakeup)(void *user); /* NULL: nobody uses it */
	void *user;
	bool had_user;
	guint readable;
	guint writable;
	bool lost;
	struct vdagent_stream to_guest;
	struct vdagent_stream from_guest;
	bool skips; /* the rest of a chunk that the user before has begun to read */
	GByteArray *out;
	bool sizes_wait;
	struct heads wanted;
};

void
vdagent_port_lose(struct vdagent_port *port)
{
	if (port->lost)
		return;
	port->lost = true;
	g_clear_handle_id(&port->readable, g_source_remove);
	g_clear_handle_id(&port->writable, g_source_remove);
	port->tell_lost(port->context);
}

static gboolean
vdagent_port_handle_readable(G_GNUC_UNUSED int fd, G_GNUC_UNUSED GIOCondition condition,
			     gpointer user_data)
{
	struct vdagent_port *port = user_data;

	/* Off until the user has read: a full one must not spin the loop. */
	port->readable = 0;
	port->wakeup(port->user);
	return G_SOURCE_REMOVE;
}

static void
vdagent_port_watch(struct vdagent_port *port)
{
	if (port->readable == 0 && port->wakeup && !port->lost)
		port->readable = g_unix_fd_add(port->fd, G_IO_IN | G_IO_HUP | G_IO_ERR,
					       vdagent_port_handle_readable, port);
}

struct vdagent_port *
vdagent_port_new(int fd, void (*lost)(void *context), void *context)
{
	struct vdagent_port *port = g_new0(struct vdagent_port, 1);

	port->fd = fd;
	port->tell_lost = lost;
	port->context = context;
	port->out = g_byte_array_new();
	io_set_nonblocking(fd, true);
	return port;
}

void
vdagent_port_free(struct vdagent_port *port)
{
	if (!port)
		return;
	g_clear_handle_id(&port->readable, g_source_remove);
	g_clear_handle_id(&port->writable, g_source_remove);
	g_byte_array_unref(port->out);
	close(port->fd);
	g_free(port);
}

/* Leaves out of what came, after "before", what is not the user's; returns the bytes that are. */
static size_t
vdagent_port_skip(struct vdagent_port *port, const struct vdagent_stream *before, uint8_t *data,
		  size_t size)
{
	size_t skipped = vdagent_stream_find_border(before, data, size);

	if (skipped == 0)
		return 0;
	port->skips = false;
	memmove(data, data + skipped, size - skipped);
	return size - skipped;
}

size_t
vdagent_port_read(struct vdagent_port *port, uint8_t *data, size_t size)
{
	struct vdagent_stream before = port->from_guest;
	ssize_t got;

	if (port->lost || size == 0)
		return 0;
	got = recv(port->fd, data, size, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
		vdagent_port_watch(port);
		return 0;
	}
	if (got <= 0 || vdagent_stream_feed(&port->from_guest, data, (size_t)got) < 0) {
		vdagent_port_lose(port);
		return 0;
	}
	/* A user that reads no more for now is woken once and not again. */
	vdagent_port_watch(port);
	return port->skips ? vdagent_port_skip(port, &before, data, (size_t)got) : (size_t)got;
}

static bool vdagent_port_flush(struct vdagent_port *port);

static gboolean
vdagent_port_handle_writable(G_GNUC_UNUSED int fd, G_GNUC_UNUSED GIOCondition condition,
			     gpointer user_data)
{
	struct vdagent_port *port = user_data;

	if (!vdagent_port_flush(port))
		return G_SOURCE_CONTINUE;
	port->writable = 0;
	if (port->wakeup && !port->lost)
		port->wakeup(port->user);
	return G_SOURCE_REMOVE;
}

/* True when nothing is left to write. */
static bool
vdagent_port_flush(struct vdagent_port *port)
{
	while (port->out->len > 0) {
		ssize_t sent = send(port->fd, port->out->data, port->out->len,
				    MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent < 0 && (errno == EAGAIN || errno == EINTR))
			return false;
		if (sent < 0) {
			/* The reading side sees the same end and says so. */
			g_byte_array_set_size(port->out, 0);
			return true;
		}
		g_byte_array_remove_range(port->out, 0, (guint)sent);
	}
	return true;
}

static void
vdagent_port_push(struct vdagent_port *port)
{
	if (!vdagent_port_flush(port) && port->writable == 0)
		port->writable = g_unix_fd_add(port->fd, G_IO_OUT | G_IO_ERR,
					       vdagent_port_handle_writable, port);
}

static void
vdagent_port_queue(struct vdagent_port *port, const uint8_t *data, size_t size)
{
	vdagent_stream_feed(&port->to_guest, data, size);
	g_byte_array_append(port->out, data, (guint)size);
}

static void
vdagent_port_queue_sizes(struct vdagent_port *port)
{
	uint8_t chunk[VDAGENT_MAX_MONITORS_BYTES];

	if (!port->sizes_wait || !vdagent_stream_at_border(&port->to_guest))
		return;
	port->sizes_wait = false;
	vdagent_port_queue(port, chunk, vdagent_stream_make_monitors(&port->wanted, chunk));
}

size_t
vdagent_port_write(struct vdagent_port *port, const uint8_t *data, size_t size)
{
	size_t room = PORT_MAX_OUT_BYTES - MIN(port->out->len, PORT_MAX_OUT_BYTES);
	size_t border = 0;

	if (port->lost)
		return size;
	size = MIN(size, room);
	if (port->sizes_wait) {
		border = vdagent_stream_find_border(&port->to_guest, data, size);
		vdagent_port_queue(port, data, border);
		vdagent_port_queue_sizes(port);
	}
	vdagent_port_queue(port, data + border, size - border);
	vdagent_port_push(port);
	return size;
}

void
vdagent_port_ask_sizes(struct vdagent_port *port, const struct heads *wanted)
{
	if (port->lost)
		return;
	port->sizes_wait = true;
	port->wanted = *wanted;
	vdagent_port_queue_sizes(port);
	vdagent_port_push(port);
}

/*
 * So that a chunk that nobody will go on with is over. False: the port is lost, since the user before broke the rules, or
 * left a chunk that is longer than what may be kept here.
 */
static bool
vdagent_port_fill_chunk(struct vdagent_port *port)
{
	static const uint8_t zeros[256];

	if (port->to_guest.broken ||
	    vdagent_stream_get_left(&port->to_guest) > PORT_MAX_OUT_BYTES) {
		vdagent_port_lose(port);
		return false;
	}
	while (!vdagent_stream_at_border(&port->to_guest)) {
		uint32_t left = vdagent_stream_get_left(&port->to_guest);

		/* in the middle of a head: it becomes one of an empty chunk */
		if (left == 0)
			left = 1;
		vdagent_port_queue(port, zeros, MIN(left, sizeof(zeros)));
	}
	return true;
}

void
vdagent_port_hand_over(struct vdagent_port *port, void (*wakeup)(void *user), void *user)
{
	uint8_t farewell[VDAGENT_FAREWELL_BYTES];

	g_clear_handle_id(&port->readable, g_source_remove);
	port->wakeup = wakeup;
	port->user = user;
	if (!wakeup || port->lost)
		return;
	port->skips = !vdagent_stream_at_border(&port->from_guest);
	if (port->had_user && vdagent_port_fill_chunk(port)) {
		vdagent_stream_make_farewell(farewell);
		vdagent_port_queue(port, farewell, sizeof(farewell));
		vdagent_port_queue_sizes(port);
		vdagent_port_push(port);
	}
	port->had_user = true;
	vdagent_port_watch(port);
}
