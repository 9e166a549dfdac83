/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * port.c - the agent's end of the agent port (carrel-agent, in the guest)
 *
 * How it works: a virtio port whose host end is closed reports POLLHUP for as long as that lasts, so poll(2) on it
 * would spin. Therefore the descriptor sits edge-triggered in an epoll of its own and the loop polls that: it wakes
 * up once when the host goes, and once when it is back. port_handle_ready() then reads until EAGAIN and writes what is
 * queued.
 *
 * Linux tells of bytes from the host at once, but of the host's end being open only later, by a worker: until then the port
 * reads as closed, and nothing can be written. So what is not written yet outlives a hangup: it may be the answer to what was just
 * read, and waits for the wake-up that the opening brings. A host that has really gone comes back with a resync, which drops it.
 *
 * A fork continues a template's agent in the middle of whatever it was reading, while the host's new connection
 * begins with a resync. The head of a frame has two zero bytes (FRAME_MAX_BYTES is 64 KiB) and JSON text never has
 * one, so the head of a resync cannot be part of another frame's text: port_find_resync() finds it behind any
 * half-read or senseless bytes, and what is before it is dropped. After a head that cannot be one (frame.h), the port
 * is `lost` and only looks for a resync.
 */
#include "agent/port.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/proto_agent.h"

#define READ_BYTES	    4096
#define RESYNC_MIN_BYTES    32
#define RESYNC_MAX_BYTES    1024
#define COMPLAINTS_BURST    5
#define COMPLAINTS_EVERY_MS 10000

void
port_init(struct port *port)
{
	*port = (struct port){ .fd = -1, .epoll_fd = -1 };
	port->complaints.burst = COMPLAINTS_BURST;
	port->complaints.every_ms = COMPLAINTS_EVERY_MS;
}

void
port_done(struct port *port)
{
	if (port->fd >= 0)
		close(port->fd);
	if (port->epoll_fd >= 0)
		close(port->epoll_fd);
	frame_reader_done(&port->reader);
	free(port->output);
	port_init(port);
}

int
port_adopt(struct port *port, int fd, bool is_device)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET };
	CLEANUP_CLOSE int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	int error;

	if (epoll_fd < 0)
		return -errno;
	error = io_set_nonblocking(fd, true);
	if (error < 0)
		return error;
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return -errno;
	port->fd = fd;
	port->epoll_fd = take_fd(&epoll_fd);
	port->is_device = is_device;
	return 0;
}

int
port_open(struct port *port, const char *path)
{
	CLEANUP_CLOSE int fd = -1;
	struct stat status;
	int error = 0;

	if (stat(path, &status) < 0)
		return -errno;
	if (S_ISSOCK(status.st_mode))
		error = io_unix_connect(path, SOCK_STREAM, &fd);
	else
		fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (error < 0)
		return error;
	if (fd < 0)
		return -errno;
	error = port_adopt(port, fd, !S_ISSOCK(status.st_mode));
	if (error == 0)
		take_fd(&fd);
	return error;
}

static uint32_t
port_get_length(const uint8_t *head)
{
	return (uint32_t)head[0] | (uint32_t)head[1] << 8 | (uint32_t)head[2] << 16 |
	       (uint32_t)head[3] << 24;
}

/* The offset of the last complete resync frame in the bytes, or -1. */
static ssize_t
port_find_resync(const uint8_t *data, size_t size)
{
	static const char verb[] = "\"" AGENT_VERB_RESYNC "\"";
	ssize_t found = -1;

	for (size_t i = 0; i + FRAME_HEAD_BYTES + RESYNC_MIN_BYTES <= size; i++) {
		const uint8_t *text = data + i + FRAME_HEAD_BYTES;
		uint32_t length = port_get_length(data + i);

		if (length < RESYNC_MIN_BYTES || length > RESYNC_MAX_BYTES)
			continue;
		if (length > size - i - FRAME_HEAD_BYTES)
			continue;
		/* With a zero byte it would be no frame, and looked at for ever. */
		if (text[0] == '{' && text[length - 1] == '}' && !memchr(text, '\0', length) &&
		    memmem(text, length, verb, sizeof(verb) - 1))
			found = (ssize_t)i;
	}
	return found;
}

static void
port_drop_bytes(struct port *port, size_t size)
{
	port->reader.size -= size;
	memmove(port->reader.data, port->reader.data + size, port->reader.size);
}

static void
port_complain(struct port *port, const char *text)
{
	if (log_limit_allow(&port->complaints, io_boottime_ms()))
		log_warning("agent port: %s", text);
}

/* Ends a loss, or keeps only what may be the begin of a resync. */
static void
port_look_for_resync(struct port *port)
{
	struct frame_reader *reader = &port->reader;
	ssize_t offset = port_find_resync(reader->data, reader->size);

	if (offset >= 0) {
		port_drop_bytes(port, (size_t)offset);
		port->lost = false;
	} else if (reader->size > FRAME_HEAD_BYTES + RESYNC_MAX_BYTES) {
		port_drop_bytes(port, reader->size - FRAME_HEAD_BYTES - RESYNC_MAX_BYTES);
	}
}

static void
port_take_frames(struct port *port, port_frame_fn on_frame, void *context)
{
	const char *text;
	size_t size;
	int got = 0;

	while (!port->lost && (got = frame_reader_next(&port->reader, &text, &size)) > 0) {
		if (memchr(text, '\0', size)) {
			/* The head of another frame is in it: the first one was never finished. Keep its bytes. */
			port->reader.taken = 0;
			got = -EMSGSIZE;
			break;
		}
		on_frame(context, text, size);
	}
	if (got == -EMSGSIZE) {
		port_complain(port, "no frame begins here: everything is dropped until a resync");
		port->lost = true;
	}
}

void
port_take_bytes(struct port *port, const void *data, size_t size, port_frame_fn on_frame,
		void *context)
{
	int error = frame_reader_feed(&port->reader, data, size);
	struct frame_reader *reader = &port->reader;

	if (error < 0) {
		port_complain(port, "too much at once: everything is dropped until a resync");
		frame_reader_reset(reader);
		port->lost = true;
		return;
	}
	for (;;) {
		if (!port->lost)
			port_take_frames(port, on_frame, context);
		/* The reader drops a taken frame at its next call: make one before looking at its bytes. */
		frame_reader_feed(reader, "", 0);
		if (port_find_resync(reader->data, reader->size) > 0)
			port->lost = true;
		if (!port->lost)
			return;
		port_look_for_resync(port);
		if (port->lost)
			return;
	}
}

/* The host has gone: what was half read is nobody's. */
static int
port_handle_hangup(struct port *port)
{
	frame_reader_reset(&port->reader);
	port->lost = false;
	return port->is_device ? 0 : -EPIPE;
}

static int
port_read(struct port *port, port_frame_fn on_frame, void *context)
{
	uint8_t data[READ_BYTES];

	for (;;) {
		ssize_t n = read(port->fd, data, sizeof(data));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n <= 0)
			return port_handle_hangup(port);
		port_take_bytes(port, data, (size_t)n, on_frame, context);
	}
}

static void
port_write(struct port *port)
{
	size_t written = 0;

	while (port->fd >= 0 && written < port->output_size) {
		size_t size = port->output_size - written;
		ssize_t n = port->is_device
				    ? write(port->fd, port->output + written, size)
				    : send(port->fd, port->output + written, size, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		written += (size_t)n;
	}
	port->output_size -= written;
	if (port->output_size > 0)
		memmove(port->output, port->output + written, port->output_size);
}

int
port_handle_ready(struct port *port, port_frame_fn on_frame, void *context)
{
	struct epoll_event event;
	int result;

	/* Takes the edge; what it was is found out by reading and writing. */
	if (epoll_wait(port->epoll_fd, &event, 1, 0) < 0 && errno != EINTR)
		return -errno;
	result = port_read(port, on_frame, context);
	if (result == 0)
		port_write(port);
	return result;
}

int
port_send(struct port *port, const char *text, size_t size)
{
	CLEANUP_FREE uint8_t *frame = NULL;
	size_t frame_size;
	int error = frame_encode(text, size, &frame, &frame_size);

	if (error < 0)
		return error;
	if (frame_size > PORT_MAX_OUTPUT - port->output_size)
		return -ENOBUFS;
	if (port->output_size + frame_size > port->output_capacity) {
		uint8_t *grown = realloc(port->output, port->output_size + frame_size);

		if (!grown)
			return -ENOMEM;
		port->output = grown;
		port->output_capacity = port->output_size + frame_size;
	}
	memcpy(port->output + port->output_size, frame, frame_size);
	port->output_size += frame_size;
	port_write(port);
	return 0;
}

void
port_drop_output(struct port *port)
{
	port->output_size = 0;
}
