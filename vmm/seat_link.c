/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * seat_link.c - the conversation with carrel-display (carrel-vmm, the loop's thread and vCPUs' under the machine's lock)
 *
 * How it works: the link keeps how things are (sizes, damage, cursor, lights) and which of it the connection has not
 * been told yet. seat_link_update() tells as much as the socket takes and the peer has asked for; what is left waits,
 * coalesced, for room in the socket, an ACK or a DRAWN. A socket that was full is left alone until the loop says that there is
 * room, because each try copies pixels. So a slow peer costs no memory and nobody's time.
 *
 * Surfaces exist only while somebody is connected; link_scanout.c has the pixels, link_sound.c the sound.
 *
 * What the peer says passes rule_table; whatever is wrong ends the connection.
 */
#include "vmm/seat_link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/damage.h"
#include "base/io.h"
#include "base/log.h"
#include "base/proto_sound.h"
#include "base/proto_source.h"
#include "base/seq.h"
#include "vmm/link_scanout.h"
#include "vmm/link_sound.h"
#include "vmm/listener.h"
#include "vmm/loop.h"

#define MAX_MESSAGES 32 /* read in one turn of the loop */

struct seat_link {
	struct loop *loop;
	struct seat_link_setup setup;
	char device_address[sizeof(((struct source_hello *)0)->device_address)];
	struct listener *listener;
	struct log_limit log_limit;
	struct link_scanout scanouts[SOURCE_MAX_SCANOUTS];
	struct link_sound sound;
	uint32_t leds;
	/* of this connection */
	int fd; /* -1: nobody is connected */
	struct loop_source *source;
	bool full; /* nothing is told before there is room */
	bool greeted;
	bool leds_news;
	struct seq_message message;
};

static void
seat_link_drop(struct seat_link *link)
{
	loop_remove(link->source);
	link->source = NULL;
	close(take_fd(&link->fd));
	for (uint32_t i = 0; i < link->setup.n_scanouts; i++)
		link_scanout_end(&link->scanouts[i]);
}

static void
seat_link_close(struct seat_link *link, const char *why)
{
	if (link->fd < 0)
		return;
	if (log_limit_allow(&link->log_limit, io_boottime_ms()))
		log_info("the display's connection is closed: %s", why);
	seat_link_drop(link);
	link->setup.ops->release_all(link->setup.context);
}

/* What the peer is told. All of these return 0, or what seq_send() says. */

static int
seat_link_send_hello(struct seat_link *link)
{
	struct source_hello hello = {
		.version = SOURCE_PROTOCOL_VERSION,
		.n_scanouts = link->setup.n_scanouts,
	};

	memcpy(hello.device_address, link->device_address, sizeof(hello.device_address));
	return link_scanout_send(link->fd, SOURCE_HELLO, &hello, sizeof(hello), -1);
}

static int
seat_link_tell(struct seat_link *link)
{
	struct source_leds leds = { link->leds };
	int error = 0;

	if (!link->greeted)
		error = seat_link_send_hello(link);
	if (error < 0)
		return error;
	link->greeted = true;
	for (uint32_t i = 0; i < link->setup.n_scanouts; i++) {
		error = link_scanout_tell(&link->scanouts[i], link->fd);
		if (error < 0)
			return error;
	}
	if (link->leds_news)
		error = link_scanout_send(link->fd, SOURCE_LEDS, &leds, sizeof(leds), -1);
	if (error < 0)
		return error;
	link->leds_news = false;
	return link_sound_tell(&link->sound, link->fd);
}

static void
seat_link_update(struct seat_link *link)
{
	int error;

	if (link->fd < 0 || link->full)
		return;
	error = seat_link_tell(link);
	link->full = error == -EAGAIN;
	if (error == -EAGAIN)
		error = loop_change(link->source, EPOLLIN | EPOLLOUT);
	else if (error == 0)
		error = loop_change(link->source, EPOLLIN);
	if (error < 0)
		seat_link_close(link, strerror(-error));
}

/* What the peer says. */

static int
seat_link_handle_ack(void *context, struct seq_message *message)
{
	struct seat_link *link = context;
	struct source_ack ack;

	memcpy(&ack, message->payload, sizeof(ack));
	if (ack.scanout >= link->setup.n_scanouts)
		return -EPROTO;
	if (message->head.type == SOURCE_ACK)
		return link_scanout_take_ack(&link->scanouts[ack.scanout], ack.generation);
	return link_scanout_take_drawn(&link->scanouts[ack.scanout], ack.generation);
}

static int
seat_link_handle_key(void *context, struct seq_message *message)
{
	struct seat_link *link = context;
	struct source_key key;

	memcpy(&key, message->payload, sizeof(key));
	if (key.qnum > SOURCE_MAX_QNUM || key.down > 1)
		return -EPROTO;
	link->setup.ops->send_key(link->setup.context, key.qnum, key.down);
	return 0;
}

static uint32_t
seat_link_scale(uint64_t pixel, uint32_t pixels)
{
	uint32_t last = pixels > 1 ? pixels - 1 : 1;

	return (uint32_t)((pixel < last ? pixel : last) * SEAT_LINK_MAX_POSITION / last);
}

/* To the guest all scanouts are one area, side by side as virtio_gpu.c proposes them. */
static int
seat_link_handle_pointer(void *context, struct seq_message *message)
{
	struct seat_link *link = context;
	struct source_pointer pointer;
	uint32_t width = 0;
	uint32_t height = 0;
	uint64_t x;

	memcpy(&pointer, message->payload, sizeof(pointer));
	if (pointer.scanout >= link->setup.n_scanouts || pointer.buttons > SOURCE_MAX_BUTTONS)
		return -EPROTO;
	x = pointer.x;
	for (uint32_t i = 0; i < link->setup.n_scanouts; i++) {
		if (i < pointer.scanout)
			x += link->scanouts[i].width;
		width += link->scanouts[i].width;
		if (link->scanouts[i].height > height)
			height = link->scanouts[i].height;
	}
	link->setup.ops->send_pointer(link->setup.context, seat_link_scale(x, width),
				      seat_link_scale(pointer.y, height), pointer.buttons);
	return 0;
}

static int
seat_link_handle_wheel(void *context, struct seq_message *message)
{
	struct seat_link *link = context;
	struct source_wheel wheel;

	memcpy(&wheel, message->payload, sizeof(wheel));
	if (wheel.steps < -SOURCE_MAX_STEPS || wheel.steps > SOURCE_MAX_STEPS)
		return -EPROTO;
	link->setup.ops->turn_wheel(link->setup.context, wheel.steps);
	return 0;
}

static int
seat_link_handle_size(void *context, struct seq_message *message)
{
	struct seat_link *link = context;
	struct source_size size;
	bool off;

	memcpy(&size, message->payload, sizeof(size));
	off = size.scanout > 0 && size.width == 0 && size.height == 0;
	if (size.scanout >= link->setup.n_scanouts || size.width > SOURCE_MAX_WIDTH ||
	    size.height > SOURCE_MAX_HEIGHT)
		return -EPROTO;
	if (!off && (size.width < SOURCE_MIN_SIZE || size.height < SOURCE_MIN_SIZE))
		return -EPROTO;
	link->setup.ops->set_size(link->setup.context, size.scanout, size.width, size.height);
	return 0;
}

static int
seat_link_handle_listen(void *context, struct seq_message *message)
{
	struct seat_link *link = context;
	struct source_listen listen;

	memcpy(&listen, message->payload, sizeof(listen));
	return link_sound_take_listen(&link->sound, &listen);
}

static int
seat_link_handle_heard(void *context, struct seq_message *message)
{
	struct seat_link *link = context;

	(void)message;
	return link_sound_take_heard(&link->sound);
}

static int
seat_link_handle_spoken(void *context, struct seq_message *message)
{
	struct seat_link *link = context;

	return link_sound_take_spoken(&link->sound, message->payload, message->head.size);
}

#define RULE(type, payload, handle)                                     \
	{                                                               \
		type, sizeof(payload), sizeof(payload), 0, 0, 1, handle \
	}

static const struct seq_rule rule_table[] = {
	RULE(SOURCE_ACK, struct source_ack, seat_link_handle_ack),
	RULE(SOURCE_DRAWN, struct source_ack, seat_link_handle_ack),
	RULE(SOURCE_KEY, struct source_key, seat_link_handle_key),
	RULE(SOURCE_POINTER, struct source_pointer, seat_link_handle_pointer),
	RULE(SOURCE_WHEEL, struct source_wheel, seat_link_handle_wheel),
	RULE(SOURCE_SIZE, struct source_size, seat_link_handle_size),
	RULE(SOURCE_LISTEN, struct source_listen, seat_link_handle_listen),
	{ SOURCE_HEARD, 0, 0, 0, 0, 1, seat_link_handle_heard },
	{ SOURCE_SPOKEN, SOURCE_FRAME_BYTES, SOURCE_MAX_FRAMES *SOURCE_FRAME_BYTES, 0, 0, 1,
	  seat_link_handle_spoken },
};

/* One message; -EAGAIN when there is none. */
static int
seat_link_receive(struct seat_link *link)
{
	int error = seq_receive(link->fd, &link->message);

	if (error < 0)
		return error;
	return seq_dispatch(rule_table, sizeof(rule_table) / sizeof(rule_table[0]), 0, link,
			    &link->message);
}

static void
seat_link_handle_socket(void *context, uint32_t events)
{
	struct seat_link *link = context;
	int error = 0;

	if (events & EPOLLOUT)
		link->full = false;
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		for (int i = 0; i < MAX_MESSAGES && error == 0 && link->fd >= 0; i++)
			error = seat_link_receive(link);
	if (error == -EPIPE)
		seat_link_close(link, "it has gone");
	else if (error < 0 && error != -EAGAIN)
		seat_link_close(link, "it broke the protocol");
	seat_link_update(link);
}

static void
seat_link_handle_accepted(void *context, int accepted)
{
	CLEANUP_CLOSE int fd = accepted;
	struct seat_link *link = context;

	seat_link_close(link, "another one came");
	if (loop_add(link->loop, "display", fd, EPOLLIN, seat_link_handle_socket, link,
		     &link->source) < 0)
		return;
	link->fd = take_fd(&fd);
	link->full = false;
	link->greeted = false;
	link->leds_news = true;
	for (uint32_t i = 0; i < link->setup.n_scanouts; i++)
		link_scanout_begin(&link->scanouts[i]);
	link_sound_begin(&link->sound);
	seat_link_update(link);
}

int
seat_link_new(struct loop *loop, const struct seat_link_setup *setup, struct seat_link **ret_link)
{
	struct listener_setup listener = {
		.name = "display",
		.listen_fd = setup->listen_fd,
		.uid = setup->uid,
		.accepted = seat_link_handle_accepted,
	};
	struct seat_link *link;
	int error;

	if (setup->n_scanouts < 1 || setup->n_scanouts > SOURCE_MAX_SCANOUTS)
		return -EINVAL;
	link = calloc(1, sizeof(*link));
	if (!link)
		return -ENOMEM;
	link->loop = loop;
	link->setup = *setup;
	link->fd = -1;
	link->log_limit = (struct log_limit){ .burst = 10, .every_ms = 1000 };
	for (uint32_t i = 0; i < setup->n_scanouts; i++)
		link_scanout_init(&link->scanouts[i], i, setup->ops, setup->context);
	error = seq_text_set(link->device_address, sizeof(link->device_address),
			     setup->device_address);
	listener.context = link;
	if (error == 0)
		error = listener_new(loop, &listener, &link->listener);
	if (error < 0) {
		free(link);
		return error;
	}
	*ret_link = link;
	return 0;
}

void
seat_link_free(struct seat_link *link)
{
	if (!link)
		return;
	if (link->fd >= 0)
		seat_link_drop(link);
	listener_free(link->listener);
	free(link);
}

/* What the devices say. */

void
seat_link_set_scanout(struct seat_link *link, uint32_t i, uint32_t width, uint32_t height)
{
	struct link_scanout *scanout = &link->scanouts[i];
	bool resized = width != scanout->width || height != scanout->height;

	link_scanout_set_size(scanout, width, height);
	if (resized)
		seat_link_update(link);
}

void
seat_link_add_damage(struct seat_link *link, uint32_t i, const struct damage_rect *rect)
{
	damage_add(&link->scanouts[i].damage, rect);
	seat_link_update(link);
}

void
seat_link_set_cursor(struct seat_link *link, const struct source_cursor *cursor,
		     const uint8_t *argb)
{
	link_scanout_set_cursor(&link->scanouts[cursor->scanout], cursor, argb);
	seat_link_update(link);
}

void
seat_link_move_cursor(struct seat_link *link, uint32_t i, int32_t x, int32_t y)
{
	link_scanout_move_cursor(&link->scanouts[i], x, y);
	seat_link_update(link);
}

void
seat_link_set_leds(struct seat_link *link, uint32_t leds)
{
	link->leds_news = link->leds_news || leds != link->leds;
	link->leds = leds;
	seat_link_update(link);
}

void
seat_link_change_sound(struct seat_link *link, enum sound_direction direction, bool moves)
{
	link_sound_change(&link->sound, direction, moves);
	seat_link_update(link);
}

void
seat_link_play(struct seat_link *link, const int16_t *samples, uint32_t n_frames)
{
	link_sound_play(&link->sound, samples, n_frames);
	seat_link_update(link);
}

uint32_t
seat_link_record(struct seat_link *link, int16_t *samples, uint32_t n_frames)
{
	return link_sound_record(&link->sound, samples, n_frames);
}
