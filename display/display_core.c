/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * display_core.c - one desktop's display (carrel-display)
 *
 * How it works: the source writes into the surfaces, one a head, from its own threads, and every change wakes the sinks'
 * refresh(). What the sinks' clients do goes to the source, what the guest plays to the SPICE sink. Who the clients
 * are is the business of display_links.c.
 */
#include "display/display_core.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "display/display_links.h"
#include "display/heads.h"
#include "display/link_message.h"
#include "display/sink.h"
#include "display/source.h"
#include "display/surface.h"
#include "display/vdagent_owner.h"

#define MAX_SOUND_BACKLOG_BYTES (8 * 1024)
#define INPUT_INTERVAL_MS	1000
#define RESIZE_DELAY_MS		150 /* a window being dragged sends dozens of sizes */

struct display_core {
	char desktop[ID_SIZE];
	display_core_tell tell;
	void *context;
	const struct display_core_makers *makers;
	struct surface *surfaces[HEADS_MAX];
	struct source *source;
	guint source_lost;
	struct sink *sink; /* SPICE's; it has the sound whoever is shown the picture */
	struct sink *vnc;  /* may be NULL */
	struct display_links *links;
	struct vdagent_owner *vdagent;
	bool has_vdagent;
	uint64_t input_told_ms;
	guint resize_timer;
	uint32_t n_heads; /* that the source has; a client's further monitors stay dark */
	struct heads wanted;
	/* sound: what the guest does, and what a client is linked for */
	bool plays;
	bool records;
	bool hears;
	bool speaks;
};

static void
display_core_tell_fact(struct display_core *core, enum display_fact_kind kind, uint64_t attachment,
		       uint64_t value, const char *text)
{
	core->tell(core->context, kind, attachment, value, text ? text : "");
}

/*
 * Sound. A client hears and speaks as long as it has the channels for that, whatever the guest does; nothing is played or
 * recorded for one that has not.
 */

static void
display_core_update_sink_sound(struct display_core *core)
{
	core->sink->ops->set_sound(core->sink, core->plays, core->records && core->speaks);
}

static void
display_core_tell_listening(struct display_core *core)
{
	if (core->source && core->source->ops->listen)
		core->source->ops->listen(core->source, core->hears, core->speaks);
}

/* Links have come or gone. */
static void
display_core_update_listening(struct display_core *core)
{
	bool hears = display_links_has_channel(core->links, LINK_CHANNEL_PLAYBACK);
	bool speaks = display_links_has_channel(core->links, LINK_CHANNEL_RECORD);

	if (hears == core->hears && speaks == core->speaks)
		return;
	core->hears = hears;
	core->speaks = speaks;
	display_core_tell_listening(core);
	display_core_update_sink_sound(core);
}

static void
display_core_set_sound(struct display_core *core, bool plays, bool records)
{
	core->plays = plays;
	core->records = records;
	display_core_update_sink_sound(core);
}

/* Links. */

static void
display_core_tell_of_links(void *context, enum display_fact_kind kind, uint64_t attachment,
			   uint64_t value, const char *text)
{
	display_core_tell_fact(context, kind, attachment, value, text);
}

static void
display_core_handle_links_changed(void *context)
{
	struct display_core *core = context;

	display_core_update_listening(core);
	vdagent_owner_choose(core->vdagent, display_links_get_live_sink(core->links));
}

static const struct display_links_events links_events = {
	.tell = display_core_tell_of_links,
	.changed = display_core_handle_links_changed,
};

/* The sink's events. */

static void
display_core_handle_main_linked(void *context, uint32_t connection_id)
{
	struct display_core *core = context;

	display_links_handle_main_linked(core->links, connection_id);
}

static void
display_core_handle_main_ended(void *context, uint32_t connection_id)
{
	struct display_core *core = context;

	display_links_handle_main_ended(core->links, connection_id);
}

static gboolean
display_core_handle_resize(gpointer user_data)
{
	struct display_core *core = user_data;

	core->resize_timer = 0;
	heads_place(&core->wanted);
	for (uint32_t i = 0; core->source && i < core->n_heads; i++)
		core->source->ops->set_size(core->source, i, core->wanted.list[i].width,
					    core->wanted.list[i].height);
	vdagent_owner_ask_sizes(core->vdagent, &core->wanted);
	return G_SOURCE_REMOVE;
}

static void
display_core_handle_size_wanted(void *context, uint32_t head, uint32_t width, uint32_t height)
{
	struct display_core *core = context;

	if (head >= core->n_heads)
		return;
	/* Guests round widths down to a multiple of 8: asking for one keeps what is asked and shown the same. */
	core->wanted.list[head].width = MIN(width, DISPLAY_MAX_WIDTH) & ~UINT32_C(7);
	core->wanted.list[head].height = MIN(height, DISPLAY_MAX_HEIGHT);
	/* without the first there is nothing to arrange */
	if (core->wanted.list[0].width == 0)
		return;
	g_clear_handle_id(&core->resize_timer, g_source_remove);
	core->resize_timer = g_timeout_add(RESIZE_DELAY_MS, display_core_handle_resize, core);
}

static void
display_core_handle_size_shown(void *context, uint32_t width, uint32_t height)
{
	struct display_core *core = context;

	display_core_tell_fact(core, DISPLAY_FACT_RESIZED, display_links_get_live(core->links),
			       (uint64_t)width << 32 | height, NULL);
}

static void
display_core_note_input(struct display_core *core)
{
	uint64_t now_ms = io_boottime_ms();

	if (now_ms - core->input_told_ms < INPUT_INTERVAL_MS)
		return;
	core->input_told_ms = now_ms;
	display_core_tell_fact(core, DISPLAY_FACT_INPUT, display_links_get_live(core->links), 0,
			       NULL);
}

static void
display_core_handle_key(void *context, uint32_t qnum, bool down)
{
	struct display_core *core = context;

	if (core->source)
		core->source->ops->send_key(core->source, qnum, down);
	display_core_note_input(core);
}

static void
display_core_handle_position(void *context, uint32_t head, uint32_t x, uint32_t y)
{
	struct display_core *core = context;

	if (core->source)
		core->source->ops->send_position(core->source, head, x, y);
	display_core_note_input(core);
}

static void
display_core_handle_button(void *context, enum source_button button, bool down)
{
	struct display_core *core = context;

	if (core->source)
		core->source->ops->send_button(core->source, button, down);
	display_core_note_input(core);
}

static void
display_core_handle_spoken(void *context, const void *frames, uint32_t n_frames)
{
	struct display_core *core = context;

	if (core->source && core->source->ops->speak)
		core->source->ops->speak(core->source, frames, n_frames);
}

static void
display_core_handle_frame(void *context)
{
	struct display_core *core = context;

	display_links_handle_frame(core->links);
}

static uint32_t
display_core_get_backlog(void *context)
{
	struct display_core *core = context;

	return display_links_find_backlog(core->links, LINK_CHANNEL_DISPLAY);
}

static const struct sink_events sink_events = {
	.main_linked = display_core_handle_main_linked,
	.main_ended = display_core_handle_main_ended,
	.size_wanted = display_core_handle_size_wanted,
	.size_shown = display_core_handle_size_shown,
	.key = display_core_handle_key,
	.position = display_core_handle_position,
	.button = display_core_handle_button,
	.spoken = display_core_handle_spoken,
	.drawn = display_core_handle_frame,
	.backlog = display_core_get_backlog,
};

/* The source's events. */

static void
display_core_handle_source_ready(void *context, const char *device_address, uint32_t n_heads)
{
	struct display_core *core = context;

	core->n_heads = MIN(n_heads, HEADS_MAX);
	for (uint32_t i = core->n_heads; i < HEADS_MAX; i++)
		core->wanted.list[i].width = 0;
	core->sink->ops->set_device(core->sink, device_address, core->n_heads);
	display_core_tell_listening(core);
}

static void
display_core_handle_sound(void *context, bool plays, bool records)
{
	display_core_set_sound(context, plays, records);
}

static void
display_core_handle_played(void *context, const void *frames, uint32_t n_frames)
{
	struct display_core *core = context;

	/* What is queued is heard late, and all that follows with it: rather a gap. */
	if (display_links_find_backlog(core->links, LINK_CHANNEL_PLAYBACK) <
	    MAX_SOUND_BACKLOG_BYTES)
		core->sink->ops->play(core->sink, frames, n_frames);
}

static gboolean
display_core_handle_source_gone(gpointer user_data)
{
	struct display_core *core = user_data;

	core->source_lost = 0;
	core->source->ops->free(g_steal_pointer(&core->source));
	return G_SOURCE_REMOVE;
}

static void
display_core_handle_source_lost(void *context, const char *why)
{
	struct display_core *core = context;

	log_warning("the picture of desktop=%s has stopped: %s; waiting for another source",
		    core->desktop, why);
	display_core_tell_fact(core, DISPLAY_FACT_SOURCE_LOST, 0, 0, why);
	display_core_set_sound(core, false, false);
	core->source_lost = g_idle_add(display_core_handle_source_gone, core);
}

static const struct source_events source_events = {
	.ready = display_core_handle_source_ready,
	.sound = display_core_handle_sound,
	.played = display_core_handle_played,
	.lost = display_core_handle_source_lost,
};

static void
display_core_close_source(struct display_core *core)
{
	g_clear_handle_id(&core->source_lost, g_source_remove);
	if (core->source)
		core->source->ops->free(g_steal_pointer(&core->source));
	display_core_set_sound(core, false, false);
}

static void
display_core_handle_changed(void *context)
{
	struct display_core *core = context;

	core->sink->ops->refresh(core->sink);
	if (core->vnc)
		core->vnc->ops->refresh(core->vnc);
}

/* What hostd asks. */

void
display_core_describe(const struct display_core *core, struct display_hello *ret_hello)
{
	memset(ret_hello, 0, sizeof(*ret_hello));
	ret_hello->version = DISPLAY_PROTOCOL_VERSION;
	ret_hello->has_setup = display_links_has_certificate(core->links);
	ret_hello->has_source = core->source != NULL && core->source_lost == 0;
	ret_hello->has_vdagent = core->has_vdagent;
	ret_hello->attachment = display_links_get_live(core->links);
	memcpy(ret_hello->desktop, core->desktop, sizeof(ret_hello->desktop));
}

int
display_core_set_certificate(struct display_core *core, const char *pem, size_t size)
{
	return display_links_set_certificate(core->links, pem, size);
}

int
display_core_set_source(struct display_core *core, enum display_source_kind kind, int fd)
{
	if (kind >= DISPLAY_SOURCE_COUNT || !core->makers->new_source[kind]) {
		close(fd);
		return -ENOTSUP;
	}
	display_core_close_source(core);
	core->source = core->makers->new_source[kind](fd, core->surfaces, &source_events, core);
	return 0;
}

void
display_core_set_vdagent(struct display_core *core, int fd)
{
	core->has_vdagent = fd >= 0;
	vdagent_owner_set_port(core->vdagent, fd);
}

int
display_core_add_client(struct display_core *core, const struct display_client *client, int fd)
{
	return display_links_add(core->links, client, fd);
}

void
display_core_drop(struct display_core *core, uint64_t attachment)
{
	display_links_drop(core->links, attachment);
}

static bool
display_core_make_sinks(struct display_core *core)
{
	const struct display_core_makers *makers = core->makers;
	struct sink *sinks[DISPLAY_SINK_COUNT] = { NULL };

	core->sink = makers->new_sink(core->desktop, core->surfaces, &sink_events, core);
	if (core->sink && makers->new_vnc)
		core->vnc = makers->new_vnc(core->desktop, core->surfaces, &sink_events, core);
	sinks[DISPLAY_SINK_SPICE] = core->sink;
	sinks[DISPLAY_SINK_VNC] = core->vnc;
	display_links_set_sinks(core->links, sinks);
	vdagent_owner_set_sinks(core->vdagent, sinks);
	return core->sink && (core->vnc || !makers->new_vnc);
}

struct display_core *
display_core_new(const char *desktop, const struct display_core_makers *makers,
		 display_core_tell tell, void *context)
{
	struct display_core *core = g_new0(struct display_core, 1);

	core->makers = makers;
	g_strlcpy(core->desktop, desktop, sizeof(core->desktop));
	core->tell = tell;
	core->context = context;
	core->n_heads = 1;
	for (uint32_t i = 0; i < HEADS_MAX; i++)
		core->surfaces[i] = surface_new(display_core_handle_changed, core);
	core->vdagent = vdagent_owner_new();
	core->links = display_links_new(desktop, core->surfaces[0], &links_events, core);
	if (!display_core_make_sinks(core)) {
		display_core_free(core);
		return NULL;
	}
	return core;
}

void
display_core_free(struct display_core *core)
{
	if (!core)
		return;
	if (core->sink)
		display_core_close_source(core);
	g_clear_handle_id(&core->resize_timer, g_source_remove);
	vdagent_owner_free(core->vdagent);
	if (core->vnc)
		core->vnc->ops->free(core->vnc);
	if (core->sink)
		core->sink->ops->free(core->sink);
	display_links_free(core->links);
	for (uint32_t i = 0; i < HEADS_MAX; i++)
		surface_free(core->surfaces[i]);
	g_free(core);
}
