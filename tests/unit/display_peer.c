/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * display_peer.c - carrel-display's side of the display socket, for tests and fuzzers of carrel-vmm
 */
#include "tests/unit/display_peer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"

int
display_peer_listen(void)
{
	/* No name given: the kernel finds one (unix(7), autobind). */
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0 ||
	    bind(fd, (struct sockaddr *)&address, offsetof(struct sockaddr_un, sun_path)) < 0 ||
	    listen(fd, 8) < 0)
		return -errno;
	return take_fd(&fd);
}

int
display_peer_open(int listen_fd, bool answers, struct display_peer **ret_peer)
{
	struct sockaddr_un address;
	socklen_t size = sizeof(address);
	CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct display_peer *peer;

	if (fd < 0 || getsockname(listen_fd, (struct sockaddr *)&address, &size) < 0 ||
	    connect(fd, (struct sockaddr *)&address, size) < 0)
		return -errno;
	peer = calloc(1, sizeof(*peer));
	if (!peer)
		return -ENOMEM;
	peer->fd = take_fd(&fd);
	peer->answers = answers;
	*ret_peer = peer;
	return 0;
}

static void
display_peer_unmap(struct display_peer_scanout *scanout)
{
	if (scanout->pixels)
		munmap((void *)(uintptr_t)scanout->pixels, scanout->bytes);
	scanout->pixels = NULL;
}

void
display_peer_close(struct display_peer *peer)
{
	if (!peer)
		return;
	for (size_t i = 0; i < SOURCE_MAX_SCANOUTS; i++)
		display_peer_unmap(&peer->scanouts[i]);
	if (peer->fd >= 0)
		close(peer->fd);
	free(peer);
}

int
display_peer_send(struct display_peer *peer, uint32_t type, const void *payload, size_t bytes)
{
	struct seq_header head = { .type = type, .size = (uint32_t)bytes };

	return seq_send(peer->fd, &head, payload, NULL, 0);
}

int
display_peer_answer(struct display_peer *peer, enum source_type type, uint32_t scanout)
{
	struct source_ack ack = {
		.scanout = scanout,
		.generation = peer->scanouts[scanout].offer.generation,
	};

	return display_peer_send(peer, type, &ack, sizeof(ack));
}

/* Copies the payload's beginning; NULL when it is shorter or names no scanout. */
static struct display_peer_scanout *
display_peer_take(struct display_peer *peer, void *target, size_t bytes)
{
	uint32_t scanout;

	if (peer->message.head.size < bytes)
		return NULL;
	memcpy(target, peer->message.payload, bytes);
	memcpy(&scanout, target, sizeof(scanout));
	return scanout < peer->hello.n_scanouts ? &peer->scanouts[scanout] : NULL;
}

static void
display_peer_map(struct display_peer *peer, struct display_peer_scanout *scanout)
{
	int fd = seq_take_fd(&peer->message, 0);
	struct stat status;
	void *pixels;

	display_peer_unmap(scanout);
	if (fd < 0) {
		peer->wrong = peer->wrong || scanout->offer.width > 0;
		return;
	}
	scanout->seals = fcntl(fd, F_GET_SEALS);
	scanout->bytes = (size_t)scanout->offer.stride * scanout->offer.height;
	if (fstat(fd, &status) < 0 || (size_t)status.st_size != scanout->bytes)
		peer->wrong = true;
	pixels = mmap(NULL, scanout->bytes, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (pixels == MAP_FAILED)
		peer->wrong = true;
	else
		scanout->pixels = pixels;
}

static void
display_peer_handle_scanout(struct display_peer *peer)
{
	struct source_scanout offer;
	struct display_peer_scanout *scanout = display_peer_take(peer, &offer, sizeof(offer));

	if (!scanout || offer.generation <= scanout->offer.generation) {
		peer->wrong = true;
		return;
	}
	scanout->offer = offer;
	scanout->n_offers++;
	display_peer_map(peer, scanout);
	if (peer->answers)
		display_peer_answer(peer, SOURCE_ACK, offer.scanout);
}

static void
display_peer_handle_damage(struct display_peer *peer)
{
	struct source_damage damage;
	struct display_peer_scanout *scanout = display_peer_take(peer, &damage, sizeof(damage));

	if (!scanout || damage.generation != scanout->offer.generation || damage.n_boxes == 0 ||
	    damage.n_boxes > SOURCE_MAX_RECTS) {
		peer->wrong = true;
		return;
	}
	for (uint32_t i = 0; i < damage.n_boxes; i++) {
		const struct source_box *box = &damage.boxes[i];

		if (box->width == 0 || box->height == 0 ||
		    (uint64_t)box->x + box->width > scanout->offer.width ||
		    (uint64_t)box->y + box->height > scanout->offer.height)
			peer->wrong = true;
	}
	scanout->damage = damage;
	scanout->n_damages++;
	if (peer->answers)
		display_peer_answer(peer, SOURCE_DRAWN, damage.scanout);
}

static void
display_peer_handle_cursor(struct display_peer *peer)
{
	struct source_cursor cursor;
	struct display_peer_scanout *scanout = display_peer_take(peer, &cursor, sizeof(cursor));
	size_t bytes = peer->message.head.size - sizeof(cursor);

	if (!scanout || bytes > sizeof(scanout->argb) ||
	    bytes != (size_t)cursor.width * cursor.height * 4) {
		peer->wrong = true;
		return;
	}
	scanout->cursor = cursor;
	scanout->n_cursors++;
	memcpy(scanout->argb, peer->message.payload + sizeof(cursor), bytes);
}

static void
display_peer_handle_move(struct display_peer *peer)
{
	struct source_move move;
	struct display_peer_scanout *scanout = display_peer_take(peer, &move, sizeof(move));

	if (!scanout) {
		peer->wrong = true;
		return;
	}
	scanout->n_moves++;
	scanout->cursor.x = move.x;
	scanout->cursor.y = move.y;
	scanout->cursor.visible = move.visible;
}

static void
display_peer_handle_sound(struct display_peer *peer)
{
	memcpy(&peer->sound, peer->message.payload, sizeof(peer->sound));
	peer->n_sounds++;
}

static void
display_peer_handle_played(struct display_peer *peer)
{
	uint32_t bytes = peer->message.head.size;

	if (!peer->sound.plays || bytes == 0 || bytes % SOURCE_FRAME_BYTES != 0 ||
	    bytes > SOURCE_MAX_FRAMES * SOURCE_FRAME_BYTES) {
		peer->wrong = true;
		return;
	}
	peer->n_played++;
	peer->n_played_frames += bytes / SOURCE_FRAME_BYTES;
	memcpy(&peer->last_played, peer->message.payload + bytes - SOURCE_FRAME_BYTES,
	       SOURCE_FRAME_BYTES);
	if (peer->answers)
		display_peer_send(peer, SOURCE_HEARD, NULL, 0);
}

static void
display_peer_handle(struct display_peer *peer)
{
	const struct seq_header *head = &peer->message.head;

	if (peer->greeted == (head->type == SOURCE_HELLO)) {
		peer->wrong = true;
		return;
	}
	switch (head->type) {
	case SOURCE_HELLO:
		peer->greeted = true;
		memcpy(&peer->hello, peer->message.payload, sizeof(peer->hello));
		break;
	case SOURCE_SCANOUT:
		display_peer_handle_scanout(peer);
		break;
	case SOURCE_DAMAGE:
		display_peer_handle_damage(peer);
		break;
	case SOURCE_CURSOR:
		display_peer_handle_cursor(peer);
		break;
	case SOURCE_MOVE:
		display_peer_handle_move(peer);
		break;
	case SOURCE_LEDS:
		peer->n_leds++;
		memcpy(&peer->leds, peer->message.payload, sizeof(peer->leds));
		break;
	case SOURCE_SOUND:
		display_peer_handle_sound(peer);
		break;
	case SOURCE_PLAYED:
		display_peer_handle_played(peer);
		break;
	default:
		peer->wrong = true;
	}
}

uint32_t
display_peer_read(struct display_peer *peer)
{
	uint32_t count = 0;
	int error = 0;

	while (peer->fd >= 0 && error == 0) {
		error = seq_receive(peer->fd, &peer->message);
		if (error == 0) {
			display_peer_handle(peer);
			seq_close_fds(&peer->message);
			count++;
		}
	}
	if (error < 0 && error != -EAGAIN)
		close(take_fd(&peer->fd));
	return count;
}

uint32_t
display_peer_pixel(const struct display_peer *peer, uint32_t scanout, uint32_t x, uint32_t y)
{
	const struct display_peer_scanout *from = &peer->scanouts[scanout];
	uint32_t pixel;

	if (!from->pixels || x >= from->offer.width || y >= from->offer.height)
		return 0xffffffff;
	memcpy(&pixel, from->pixels + (size_t)y * from->offer.stride + (size_t)x * 4, 4);
	return pixel & 0xffffff;
}
