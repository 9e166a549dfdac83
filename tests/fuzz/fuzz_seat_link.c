/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_seat_link.c - what a display that was taken over may say to carrel-vmm, while the guest draws, plays and records
 *
 * A sequence: a byte for what happens (a message's type, or from GUEST_ACT on something of the guest's), one for the size
 * of what follows, and that.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/damage.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/unit/display_peer.h"
#include "vmm/loop.h"
#include "vmm/seat_link.h"

#define GUEST_SOUND 0xc0
#define GUEST_ACT   0xe0
#define MAX_SIDE    64 /* of the guest's pictures */
#define MAX_PAYLOAD 255

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct picture {
	uint32_t width;
	uint32_t height;
};

/* Only what lies inside of the picture may be asked for. */
static void
draw(void *context, uint32_t scanout, const struct damage_rect *rect, uint8_t *target,
     uint32_t stride)
{
	const struct picture *picture = (struct picture *)context + scanout;

	if (!damage_rect_fits(rect, picture->width, picture->height))
		abort();
	for (uint32_t y = rect->y; y < rect->y + rect->height; y++)
		memset(target + (size_t)y * stride + (size_t)rect->x * 4, 1,
		       (size_t)rect->width * 4);
}

static void
set_size(void *context, uint32_t scanout, uint32_t width, uint32_t height)
{
	(void)context;
	if (scanout > 1 || width > SOURCE_MAX_WIDTH || height > SOURCE_MAX_HEIGHT)
		abort();
}

static void
send_key(void *context, uint32_t qnum, bool down)
{
	(void)context;
	(void)down;
	if (qnum > SOURCE_MAX_QNUM)
		abort();
}

static void
send_pointer(void *context, uint32_t x, uint32_t y, uint32_t buttons)
{
	(void)context;
	if (x > SEAT_LINK_MAX_POSITION || y > SEAT_LINK_MAX_POSITION ||
	    buttons > SOURCE_MAX_BUTTONS)
		abort();
}

static void
turn_wheel(void *context, int32_t steps)
{
	(void)context;
	if (abs(steps) > SOURCE_MAX_STEPS)
		abort();
}

static void
release_all(void *context)
{
	(void)context;
}

static const struct seat_link_ops ops = {
	.draw = draw,
	.set_size = set_size,
	.send_key = send_key,
	.send_pointer = send_pointer,
	.turn_wheel = turn_wheel,
	.release_all = release_all,
};

static void
draw_something(struct seat_link *link, struct picture *pictures, uint8_t what,
	       const uint8_t bytes[4])
{
	uint32_t i = what & 1;
	struct picture *picture = &pictures[i];
	struct damage_rect rect = { bytes[0] % MAX_SIDE, bytes[1] % MAX_SIDE, bytes[2] % MAX_SIDE,
				    bytes[3] % MAX_SIDE };

	if (what & 2) {
		picture->width = bytes[2] % MAX_SIDE;
		picture->height = picture->width > 0 ? bytes[3] % MAX_SIDE + 1 : 0;
		seat_link_set_scanout(link, i, picture->width, picture->height);
	} else if (damage_rect_fits(&rect, picture->width, picture->height)) {
		seat_link_add_damage(link, i, &rect);
	} else {
		seat_link_move_cursor(link, i, bytes[0], bytes[1]);
	}
}

static void
sound_something(struct seat_link *link, uint8_t what, uint8_t n_frames)
{
	int16_t samples[255 * SOUND_CHANNELS] = { 0 };

	if (what & 2)
		seat_link_change_sound(link, what & 1 ? SOUND_PLAY : SOUND_RECORD, what & 4);
	else if (what & 1)
		seat_link_play(link, samples, n_frames);
	else if (seat_link_record(link, samples, n_frames) > n_frames)
		abort();
}

static void
play(struct seat_link *link, struct loop *loop, int listen_fd, struct picture *pictures,
     struct fuzz_input *input)
{
	struct display_peer *peer = NULL;

	while (input->left > 0) {
		uint8_t what = (uint8_t)fuzz_input_take(input, 1);
		size_t size = fuzz_input_take(input, 1);
		uint8_t payload[MAX_PAYLOAD] = { 0 };

		for (size_t i = 0; i < size; i++)
			payload[i] = (uint8_t)fuzz_input_take(input, 1);
		if (!peer || peer->fd < 0) {
			display_peer_close(peer);
			if (display_peer_open(listen_fd, false, &peer) < 0)
				abort();
			loop_step(loop, 0);
		}
		if (what >= GUEST_ACT)
			draw_something(link, pictures, what, payload);
		else if (what >= GUEST_SOUND)
			sound_something(link, what, payload[0]);
		else
			display_peer_send(peer, what, payload, size);
		while (loop_step(loop, 0) > 0)
			;
		display_peer_read(peer);
		if (peer->wrong)
			abort();
	}
	display_peer_close(peer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { .next = data, .left = size };
	struct picture pictures[2] = { { 32, 32 }, { 0, 0 } };
	struct seat_link_setup setup = {
		.listen_fd = display_peer_listen(),
		.uid = getuid(),
		.n_scanouts = 2,
		.device_address = "pci/0000/01.0",
		.ops = &ops,
		.context = pictures,
	};
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct seat_link *link;
	struct loop *loop;

	if (setup.listen_fd < 0 || loop_new(&lock, &loop) < 0 ||
	    seat_link_new(loop, &setup, &link) < 0)
		abort();
	seat_link_set_scanout(link, 0, pictures[0].width, pictures[0].height);
	play(link, loop, setup.listen_fd, pictures, &input);
	seat_link_free(link);
	loop_free(loop);
	close(setup.listen_fd);
	return 0;
}
