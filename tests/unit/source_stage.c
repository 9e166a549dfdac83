/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * source_stage.c - the display's side of carrel-vmm's link, and a test in carrel-vmm's place
 */
#include "tests/unit/source_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <glib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "display/source_vmm.h"
#include "display/surface.h"

static void
source_stage_handle_changed(void *context)
{
	((struct source_stage *)context)->n_changes++;
}

static void
source_stage_handle_ready(void *context, const char *device_address, uint32_t n_heads)
{
	struct source_stage *stage = context;

	stage->n_ready++;
	stage->n_heads = n_heads;
	g_strlcpy(stage->address, device_address, sizeof(stage->address));
}

static void
source_stage_handle_lost(void *context, const char *why)
{
	assert_non_null(why);
	((struct source_stage *)context)->n_lost++;
}

static void
source_stage_handle_sound(void *context, bool plays, bool records)
{
	struct source_stage *stage = context;

	stage->plays = plays;
	stage->records = records;
}

static void
source_stage_handle_played(void *context, const void *frames, uint32_t n_frames)
{
	struct source_stage *stage = context;

	stage->n_played += n_frames;
	memcpy(stage->last_played, (const uint8_t *)frames + (n_frames - 1) * SOURCE_FRAME_BYTES,
	       SOURCE_FRAME_BYTES);
}

static const struct source_events source_stage_events = {
	.ready = source_stage_handle_ready,
	.sound = source_stage_handle_sound,
	.played = source_stage_handle_played,
	.lost = source_stage_handle_lost,
};

void
source_stage_settle(void)
{
	while (g_main_context_iteration(NULL, FALSE))
		;
}

static void
source_stage_connect(struct source_stage *stage)
{
	int pair[2];

	assert_int_equal(io_socketpair(SOCK_SEQPACKET, pair), 0);
	stage->source = source_vmm_new(pair[0], stage->surfaces, &source_stage_events, stage);
	stage->vmm = pair[1];
	assert_int_equal(io_set_nonblocking(stage->vmm, true), 0);
}

static void
source_stage_disconnect(struct source_stage *stage)
{
	stage->source->ops->free(stage->source);
	close(stage->vmm);
}

void
source_stage_reconnect(struct source_stage *stage)
{
	source_stage_disconnect(stage);
	source_stage_connect(stage);
}

int
source_stage_open(void **state)
{
	struct source_stage *stage = test_calloc(1, sizeof(*stage));

	for (guint i = 0; i < HEADS_MAX; i++)
		stage->surfaces[i] = surface_new(source_stage_handle_changed, stage);
	stage->surface = stage->surfaces[0];
	source_stage_connect(stage);
	*state = stage;
	return 0;
}

int
source_stage_close(void **state)
{
	struct source_stage *stage = *state;

	source_stage_disconnect(stage);
	for (guint i = 0; i < HEADS_MAX; i++)
		surface_free(stage->surfaces[i]);
	test_free(stage);
	return 0;
}

void
source_stage_say(struct source_stage *stage, uint32_t type, const void *payload, size_t size,
		 int fd)
{
	struct seq_header head = { .type = type, .size = (uint32_t)size };

	seq_send(stage->vmm, &head, payload, &fd, fd >= 0);
	source_stage_settle();
}

void
source_stage_greet(struct source_stage *stage)
{
	const struct source_hello hello = { SOURCE_PROTOCOL_VERSION, 2, "pci/0000/01.0" };

	source_stage_say(stage, SOURCE_HELLO, &hello, sizeof(hello), -1);
}

int
source_stage_make_file(size_t bytes, int seals)
{
	int fd = memfd_create("picture", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

void
source_stage_offer(struct source_stage *stage, uint32_t scanout, uint64_t generation, int fd)
{
	const struct source_scanout payload = { scanout, SOURCE_STAGE_WIDTH, SOURCE_STAGE_HEIGHT,
						SOURCE_STAGE_STRIDE, generation };

	source_stage_say(stage, SOURCE_SCANOUT, &payload, sizeof(payload), fd);
}

bool
source_stage_hear(struct source_stage *stage, uint32_t type, void *payload, size_t size)
{
	source_stage_settle();
	if (seq_receive(stage->vmm, &stage->message) < 0)
		return false;
	assert_int_equal(stage->message.head.type, type);
	assert_int_equal(stage->message.head.size, size);
	memcpy(payload, stage->message.payload, size);
	return true;
}
