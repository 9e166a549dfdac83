/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sink_spice.c - a sink over libspice-server (carrel-display)
 *
 * How it works: libspice-server runs in the main loop (spice_loop.c). What it is made of here: the screen with its worker
 * thread (spice_screen.c), keyboard and pointer (spice_input.c), loudspeaker and microphone (spice_sound.c) and the guest's
 * vdagent (spice_vdagent.c).
 *
 * No address, port or password file: clients come as socket pairs through add_client().
 */
#include "display/sink_spice.h"

#include <errno.h>
#include <gio/gio.h>
#include <spice.h>
#include <unistd.h>

#include "base/log.h"
#include "display/spice_input.h"
#include "display/spice_loop.h"
#include "display/spice_screen.h"
#include "display/spice_sound.h"
#include "display/spice_vdagent.h"

struct sink_spice {
	struct sink sink;
	const struct sink_events *events;
	void *context;
	SpiceCoreInterface core;
	SpiceServer *server;
	struct spice_input *input;
	struct spice_screen *screen;
	struct spice_sound *sound;
	struct spice_vdagent *vdagent;
};

/*
 * libspice-server gives its channel events no context, so the one sink of the process is found here. It is set and
 * cleared on the main thread by sink_spice_new() and sink_spice_free() and read nowhere but in channel_event.
 */
static struct sink_spice *sink_spice_only;

/* Channels come and go. The worker thread reports some of its own, so they are told in the main loop. */

struct channel_news {
	int event;
	uint32_t connection_id;
};

static gboolean
sink_spice_handle_news(gpointer user_data)
{
	struct channel_news *news = user_data;
	struct sink_spice *self = sink_spice_only;

	if (self && news->event == SPICE_CHANNEL_EVENT_INITIALIZED) {
		self->events->main_linked(self->context, news->connection_id);
	} else if (self) {
		spice_input_release_buttons(self->input);
		self->events->main_ended(self->context, news->connection_id);
	}
	return G_SOURCE_REMOVE;
}

static void
sink_spice_channel_event(int event, SpiceChannelEventInfo *info)
{
	struct channel_news *news;

	if (info->type != SPICE_CHANNEL_MAIN || event == SPICE_CHANNEL_EVENT_CONNECTED)
		return;
	news = g_new(struct channel_news, 1);
	news->event = event;
	news->connection_id = (uint32_t)info->connection_id;
	/* At once when this is the main thread: a client's next channels follow in the same breath. */
	g_main_context_invoke_full(NULL, G_PRIORITY_DEFAULT, sink_spice_handle_news, news, g_free);
}

/* What a sink can do. */

static void
sink_spice_refresh(struct sink *sink)
{
	spice_screen_refresh(((struct sink_spice *)sink)->screen);
}

static void
sink_spice_set_vdagent(struct sink *sink, struct vdagent_port *port)
{
	spice_vdagent_set_port(((struct sink_spice *)sink)->vdagent, port);
}

static void
sink_spice_set_device(struct sink *sink, const char *device_address, uint32_t n_heads)
{
	spice_screen_set_device(((struct sink_spice *)sink)->screen, device_address, n_heads);
}

static void
sink_spice_set_sound(struct sink *sink, bool plays, bool records)
{
	spice_sound_set(((struct sink_spice *)sink)->sound, plays, records);
}

static void
sink_spice_play(struct sink *sink, const void *frames, uint32_t n_frames)
{
	spice_sound_play(((struct sink_spice *)sink)->sound, frames, n_frames);
}

static void
sink_spice_set_password(struct sink *sink, const char *password)
{
	struct sink_spice *self = (struct sink_spice *)sink;

	if (spice_server_set_ticket(self->server, password, 0, 0, 0) != 0) {
		log_error("libspice-server refused the password; nobody gets in");
		spice_server_set_ticket(self->server, NULL, 0, 0, 0);
	}
}

static int
sink_spice_add_client(struct sink *sink, int fd)
{
	struct sink_spice *self = (struct sink_spice *)sink;

	if (spice_server_add_client(self->server, fd, 0) == 0)
		return 0;
	close(fd);
	return -EIO;
}

static void
sink_spice_free(struct sink *sink)
{
	struct sink_spice *self = (struct sink_spice *)sink;

	sink_spice_only = NULL;
	spice_vdagent_free(self->vdagent);
	spice_sound_free(self->sound);
	spice_input_free(self->input);
	if (self->screen) {
		spice_server_vm_stop(self->server);
		spice_screen_stop(self->screen);
	}
	spice_server_destroy(self->server);
	spice_screen_free(self->screen);
	g_free(self);
}

static const struct sink_ops sink_spice_ops = {
	.refresh = sink_spice_refresh,
	.set_device = sink_spice_set_device,
	.set_sound = sink_spice_set_sound,
	.play = sink_spice_play,
	.set_password = sink_spice_set_password,
	.add_client = sink_spice_add_client,
	.set_vdagent = sink_spice_set_vdagent,
	.free = sink_spice_free,
};

/* Everything that libspice-server could do and a desktop needs not, or not yet, is off. */
static bool
sink_spice_configure(struct sink_spice *self, const char *name)
{
	spice_server_set_name(self->server, name);
	spice_server_set_ticket(self->server, NULL, 0, 0, 0);
	spice_server_set_exit_on_disconnect(self->server, 0);
	spice_server_set_agent_mouse(self->server, 0);
	spice_server_set_agent_file_xfer(self->server, 0);
	spice_server_set_image_compression(self->server, SPICE_IMAGE_COMPRESSION_AUTO_LZ);
	spice_server_set_jpeg_compression(self->server, SPICE_WAN_COMPRESSION_AUTO);
	spice_server_set_zlib_glz_compression(self->server, SPICE_WAN_COMPRESSION_AUTO);
	spice_server_set_streaming_video(self->server, SPICE_STREAM_VIDEO_FILTER);
	/* Only what needs no plug-ins loaded behind the system call filter. */
	if (spice_server_set_video_codecs(self->server, "spice:mjpeg") != 0)
		log_warning("libspice-server has no MJPEG; films are sent as pictures");
	spice_loop_describe(&self->core);
	self->core.channel_event = sink_spice_channel_event;
	return spice_server_init(self->server, &self->core) == 0;
}

static bool
sink_spice_add_devices(struct sink_spice *self, struct surface *const *surfaces)
{
	self->input = spice_input_new(self->server, surfaces[0], self->events, self->context);
	if (!self->input)
		return false;
	self->screen =
		spice_screen_new(self->server, surfaces, self->input, self->events, self->context);
	if (!self->screen)
		return false;
	self->sound = spice_sound_new(self->server, self->events, self->context);
	if (!self->sound)
		return false;
	self->vdagent = spice_vdagent_new(self->server);
	spice_server_vm_start(self->server);
	return true;
}

struct sink *
sink_spice_new(const char *name, struct surface *const *surfaces, const struct sink_events *events,
	       void *context)
{
	struct sink_spice *self = g_new0(struct sink_spice, 1);

	g_return_val_if_fail(!sink_spice_only, NULL);
	self->sink.ops = &sink_spice_ops;
	self->events = events;
	self->context = context;
	sink_spice_only = self;
	self->server = spice_server_new();
	if (!sink_spice_configure(self, name) || !sink_spice_add_devices(self, surfaces)) {
		sink_spice_free(&self->sink);
		return NULL;
	}
	return &self->sink;
}
