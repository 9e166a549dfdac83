/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * core_stage.c - a display between a source and sinks that only take notes
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "tests/unit/core_stage.h"

struct core_stage core_stage;

static void
core_stage_sink_refresh(struct sink *sink)
{
	(void)sink;
	core_stage.refreshes++;
}

static void
core_stage_sink_set_device(struct sink *sink, const char *address, uint32_t n_heads)
{
	(void)sink;
	g_strlcpy(core_stage.device, address, sizeof(core_stage.device));
	core_stage.n_heads = n_heads;
}

static void
core_stage_sink_set_password(struct sink *sink, const char *password)
{
	(void)sink;
	g_strlcpy(core_stage.password, password ? password : "", sizeof(core_stage.password));
}

static int
core_stage_sink_add_client(struct sink *sink, int fd)
{
	(void)sink;
	assert_in_range(core_stage.clients, 0, CORE_STAGE_MAX_CLIENTS - 1);
	core_stage.client_fds[core_stage.clients++] = fd;
	return 0;
}

static void
core_stage_sink_set_vdagent(struct sink *sink, struct vdagent_port *port)
{
	/* never two at a time */
	assert_true(!port || !core_stage.ports[sink != &core_stage.sink]);
	core_stage.ports[sink == &core_stage.sink] = port;
}

static void
core_stage_sink_set_sound(struct sink *sink, bool plays, bool records)
{
	(void)sink;
	core_stage.plays = plays;
	core_stage.records = records;
}

static void
core_stage_sink_play(struct sink *sink, const void *frames, uint32_t n_frames)
{
	(void)sink;
	assert_string_equal(frames, "seven");
	core_stage.played += n_frames;
}

static void
core_stage_sink_free(struct sink *sink)
{
	(void)sink;
	for (guint i = 0; i < core_stage.clients; i++)
		close(core_stage.client_fds[i]);
}

static const struct sink_ops sink_ops = {
	.refresh = core_stage_sink_refresh,
	.set_device = core_stage_sink_set_device,
	.set_password = core_stage_sink_set_password,
	.add_client = core_stage_sink_add_client,
	.set_vdagent = core_stage_sink_set_vdagent,
	.set_sound = core_stage_sink_set_sound,
	.play = core_stage_sink_play,
	.free = core_stage_sink_free,
};

static struct sink *
core_stage_make_sink(const char *name, struct surface *const *surfaces,
		     const struct sink_events *events, void *context)
{
	assert_string_equal(name, DESKTOP);
	core_stage.sink.ops = &sink_ops;
	core_stage.surfaces = surfaces;
	core_stage.sink_events = events;
	core_stage.sink_context = context;
	return &core_stage.sink;
}

static void
core_stage_source_send_key(struct source *source, uint32_t qnum, bool down)
{
	(void)source;
	core_stage.keys += qnum == 30 && down;
}

static void
core_stage_source_send_position(struct source *source, uint32_t head, uint32_t x, uint32_t y)
{
	(void)source;
	core_stage.positions += head == 0 && x == 3 && y == 4;
}

static void
core_stage_source_send_button(struct source *source, enum source_button button, bool down)
{
	(void)source;
	core_stage.buttons += button == SOURCE_BUTTON_RIGHT && down;
}

static void
core_stage_source_set_size(struct source *source, uint32_t head, uint32_t width, uint32_t height)
{
	(void)source;
	core_stage.sizes++;
	core_stage.set.list[head].width = width;
	core_stage.set.list[head].height = height;
}

static void
core_stage_source_listen(struct source *source, bool hears, bool speaks)
{
	(void)source;
	core_stage.listens++;
	core_stage.hears = hears;
	core_stage.speaks = speaks;
}

static void
core_stage_source_speak(struct source *source, const void *frames, uint32_t n_frames)
{
	(void)source;
	assert_string_equal(frames, "three");
	core_stage.spoken += n_frames;
}

static void
core_stage_source_free(struct source *source)
{
	(void)source;
	core_stage.freed_sources++;
}

static const struct source_ops source_ops = {
	.send_key = core_stage_source_send_key,
	.send_position = core_stage_source_send_position,
	.send_button = core_stage_source_send_button,
	.set_size = core_stage_source_set_size,
	.listen = core_stage_source_listen,
	.speak = core_stage_source_speak,
	.free = core_stage_source_free,
};

static const struct source_ops silent_source_ops = {
	.send_key = core_stage_source_send_key,
	.send_position = core_stage_source_send_position,
	.send_button = core_stage_source_send_button,
	.set_size = core_stage_source_set_size,
	.free = core_stage_source_free,
};

static struct source *
core_stage_make_source(int fd, struct surface *const *surfaces, const struct source_events *events,
		       void *context)
{
	close(fd);
	assert_ptr_equal(surfaces[HEADS_MAX - 1], core_stage.surfaces[HEADS_MAX - 1]);
	core_stage.source.ops = core_stage.silent ? &silent_source_ops : &source_ops;
	core_stage.source_events = events;
	core_stage.source_context = context;
	core_stage.sources++;
	return &core_stage.source;
}

static void
core_stage_vnc_refresh(struct sink *sink)
{
	(void)sink;
}

static int
core_stage_vnc_add_client(struct sink *sink, int fd)
{
	(void)sink;
	assert_int_equal(core_stage.vnc_clients++, 0);
	core_stage.vnc_fd = fd;
	return 0;
}

static void
core_stage_vnc_free(struct sink *sink)
{
	(void)sink;
	if (core_stage.vnc_clients > 0)
		close(core_stage.vnc_fd);
}

static const struct sink_ops vnc_ops = {
	.refresh = core_stage_vnc_refresh,
	.set_vdagent = core_stage_sink_set_vdagent,
	.add_client = core_stage_vnc_add_client,
	.free = core_stage_vnc_free,
};

static struct sink *
core_stage_make_vnc(const char *name, struct surface *const *surfaces,
		    const struct sink_events *events, void *context)
{
	assert_string_equal(name, DESKTOP);
	assert_ptr_equal(surfaces, core_stage.surfaces);
	assert_non_null(events);
	assert_ptr_equal(context, core_stage.sink_context);
	core_stage.vnc.ops = &vnc_ops;
	return &core_stage.vnc;
}

static const struct display_core_makers makers = {
	.new_sink = core_stage_make_sink,
	.new_vnc = core_stage_make_vnc,
	.new_source = { [DISPLAY_SOURCE_QEMU] = core_stage_make_source },
};

static void
core_stage_note_fact(void *context, enum display_fact_kind kind, uint64_t attachment,
		     uint64_t value, const char *text)
{
	(void)context;
	assert_non_null(text);
	assert_in_range(core_stage.n_facts, 0, CORE_STAGE_MAX_FACTS - 1);
	core_stage.facts[core_stage.n_facts].kind = kind;
	core_stage.facts[core_stage.n_facts].attachment = attachment;
	core_stage.facts[core_stage.n_facts].value = value;
	core_stage.n_facts++;
}

void
core_stage_assert_last_fact(enum display_fact_kind kind, uint64_t attachment)
{
	assert_in_range(core_stage.n_facts, 1, CORE_STAGE_MAX_FACTS);
	assert_int_equal(core_stage.facts[core_stage.n_facts - 1].kind, kind);
	assert_int_equal(core_stage.facts[core_stage.n_facts - 1].attachment, attachment);
}

int
core_stage_set_up(void **state)
{
	(void)state;
	memset(&core_stage, 0, sizeof(core_stage));
	core_stage.core = display_core_new(DESKTOP, &makers, core_stage_note_fact, NULL);
	return core_stage.core ? 0 : -1;
}

int
core_stage_tear_down(void **state)
{
	(void)state;
	display_core_free(core_stage.core);
	return 0;
}

int
core_stage_set_source(void)
{
	return display_core_set_source(core_stage.core, DISPLAY_SOURCE_QEMU, dup(STDIN_FILENO));
}

int
core_stage_open_vdagent(void)
{
	int pair[2];

	assert_int_equal(io_socketpair(SOCK_STREAM, pair), 0);
	display_core_set_vdagent(core_stage.core, pair[1]);
	return pair[0];
}
