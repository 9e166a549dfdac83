/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_source_vmm.c - what a carrel-vmm, when its guest owns it, may say to the display
 *
 * A sequence: a byte for the type and, in its highest bit, whether the picture's file comes along, a byte for the size in
 * words, and these. A size of 255 stands for a cursor's shape of 1 to 64 pixels a side with all its pixels.
 */
#include <fcntl.h>
#include <glib.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "base/proto_sound.h"
#include "base/proto_source.h"
#include "base/seq.h"
#include "display/heads.h"
#include "display/source_vmm.h"
#include "display/surface.h"
#include "tests/fuzz/fuzz_input.h"

#define FILE_BYTES  (64 * 1024)
#define WITH_FILE   0x80
#define WHOLE_SHAPE 255
#define MAX_BYTES   (sizeof(struct source_cursor) + SOURCE_MAX_CURSOR * SOURCE_MAX_CURSOR * 4)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
ignore_change(void *context)
{
	(void)context;
}

static void
ignore_ready(void *context, const char *device_address, uint32_t n_heads)
{
	(void)context;
	(void)n_heads;
	if (strlen(device_address) >= SOURCE_ADDRESS_SIZE)
		abort();
}

static void
ignore_sound(void *context, bool plays, bool records)
{
	(void)context;
	(void)plays;
	(void)records;
}

/* All of it must be readable. */
static void
check_played(void *context, const void *frames, uint32_t n_frames)
{
	uint8_t copy[SOURCE_MAX_FRAMES * SOURCE_FRAME_BYTES];

	(void)context;
	if (n_frames == 0 || n_frames > SOURCE_MAX_FRAMES)
		abort();
	memcpy(copy, frames, n_frames * SOURCE_FRAME_BYTES);
}

static void
note_lost(void *context, const char *why)
{
	(void)why;
	*(bool *)context = true;
}

static const struct source_events events = {
	.ready = ignore_ready,
	.sound = ignore_sound,
	.played = check_played,
	.lost = note_lost,
};

static int
make_file(void)
{
	int fd = memfd_create("picture", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, FILE_BYTES) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0)
		abort();
	return fd;
}

/* Takes what is there, as a sink does: all of it must be readable. */
static void
check(struct surface *surface)
{
	struct damage_rect rects[DAMAGE_MAX_RECTS];
	struct surface_info info = surface_get_info(surface);
	size_t count = surface_take_damage(surface, SURFACE_READER_SPICE, info.generation, rects);
	struct surface_cursor cursor;

	for (size_t i = 0; i < count; i++) {
		uint8_t *pixels = g_malloc((size_t)rects[i].width * rects[i].height * 4);

		if (surface_copy_rect(surface, info.generation, &rects[i], pixels) < 0)
			abort();
		g_free(pixels);
	}
	surface_copy_cursor(surface, 0, &cursor);
	g_free(cursor.argb);
}

static void
say(int vmm, struct fuzz_input *input, int file)
{
	static uint8_t payload[MAX_BYTES];
	uint8_t type = (uint8_t)fuzz_input_take(input, 1);
	size_t bytes = fuzz_input_take(input, 1) * 4;
	size_t filled = bytes == WHOLE_SHAPE * 4 ? sizeof(struct source_cursor) : bytes;
	struct seq_header head = { .type = type & 0x1f };
	struct source_cursor cursor;

	memset(payload, 0, sizeof(payload));
	for (size_t i = 0; i < filled; i++)
		payload[i] = (uint8_t)fuzz_input_take(input, 1);
	if (bytes == WHOLE_SHAPE * 4) {
		memcpy(&cursor, payload, sizeof(cursor));
		cursor.width = cursor.width % SOURCE_MAX_CURSOR + 1;
		cursor.height = cursor.height % SOURCE_MAX_CURSOR + 1;
		memcpy(payload, &cursor, sizeof(cursor));
		bytes = sizeof(cursor) + (size_t)cursor.width * cursor.height * 4;
	}
	head.size = (uint32_t)bytes;
	seq_send(vmm, &head, payload, &file, type & WITH_FILE ? 1 : 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int file = -1;
	struct fuzz_input input = { .next = data, .left = size };
	struct surface *surfaces[HEADS_MAX];
	struct source *source;
	bool lost = false;
	int pair[2];

	if (file < 0)
		file = make_file();
	if (io_socketpair(SOCK_SEQPACKET, pair) < 0)
		abort();
	io_set_nonblocking(pair[1], true);
	for (int i = 0; i < HEADS_MAX; i++)
		surfaces[i] = surface_new(ignore_change, NULL);
	source = source_vmm_new(pair[0], surfaces, &events, &lost);
	while (input.left > 0 && !lost) {
		say(pair[1], &input, file);
		while (g_main_context_iteration(NULL, FALSE))
			;
		for (int i = 0; i < HEADS_MAX; i++)
			check(surfaces[i]);
	}
	source->ops->send_key(source, 1, true);
	source->ops->listen(source, true, true);
	source->ops->speak(source, "word", 1);
	source->ops->free(source);
	for (int i = 0; i < HEADS_MAX; i++)
		surface_free(surfaces[i]);
	close(pair[1]);
	return 0;
}
