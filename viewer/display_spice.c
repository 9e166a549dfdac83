/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * display_spice.c - a SPICE display by spice-gtk, the only file that knows it (carrel-viewer)
 *
 * How it works: display_spice_open() makes a SpiceSession with the ticket as host and the gateway as CONNECT proxy;
 * every channel goes through TLS, checked against the CA and the subject that came with the ticket. The main channel's
 * events tell how it ends (end_table); the display channel's first mark tells that there is a picture. It is shown when keys
 * get there, too: what is typed before the inputs channel is open is lost. spice-gtk calls back in the middle of its own work,
 * so that the end is reported from an idle callback, and once.
 */
#include "viewer/display.h"

#include <spice-client-gtk.h>

#include "viewer/connection_file.h"

struct display {
	SpiceSession *session;
	GtkWidget *box; /* holds the SpiceDisplay once there is one */
	GtkWidget *screen;
	const struct display_events *events;
	void *context;
	guint end_source;
	enum display_end end;
	gboolean opened;     /* the main channel got through */
	gboolean ready;	     /* there is a picture */
	gboolean takes_keys; /* the inputs channel got through, or never will */
};

static const struct {
	SpiceChannelEvent event;
	enum display_end before; /* it was open */
	enum display_end after;
} end_table[] = {
	{ SPICE_CHANNEL_CLOSED, DISPLAY_END_LOST, DISPLAY_END_LOST },
	{ SPICE_CHANNEL_ERROR_CONNECT, DISPLAY_END_UNREACHABLE, DISPLAY_END_LOST },
	{ SPICE_CHANNEL_ERROR_TLS, DISPLAY_END_UNTRUSTED, DISPLAY_END_LOST },
	{ SPICE_CHANNEL_ERROR_LINK, DISPLAY_END_UNREACHABLE, DISPLAY_END_LOST },
	{ SPICE_CHANNEL_ERROR_AUTH, DISPLAY_END_REFUSED, DISPLAY_END_REFUSED },
	{ SPICE_CHANNEL_ERROR_IO, DISPLAY_END_UNREACHABLE, DISPLAY_END_LOST },
};

static gboolean
display_spice_report_end(void *data)
{
	struct display *display = data;

	display->end_source = 0;
	display->events->ended(display->context, display->end);
	return G_SOURCE_REMOVE;
}

static void
display_spice_end(struct display *display, enum display_end end)
{
	if (display->end_source != 0)
		return;
	display->end = end;
	display->end_source = g_idle_add(display_spice_report_end, display);
}

static void
display_spice_handle_main_event(SpiceChannel *channel, SpiceChannelEvent event,
				struct display *display)
{
	if (event == SPICE_CHANNEL_OPENED)
		display->opened = TRUE;
	for (gsize i = 0; i < G_N_ELEMENTS(end_table); i++)
		if (end_table[i].event == event)
			display_spice_end(display, display->opened ? end_table[i].after
								   : end_table[i].before);
}

static void
display_spice_tell_shown(struct display *display)
{
	if (display->ready && display->takes_keys && display->end_source == 0)
		display->events->shown(display->context);
}

/* A desktop that takes no keys is shown nevertheless. */
static void
display_spice_handle_inputs_event(SpiceChannel *channel, SpiceChannelEvent event,
				  struct display *display)
{
	if (display->takes_keys)
		return;
	display->takes_keys = TRUE;
	display_spice_tell_shown(display);
}

static void
display_spice_handle_ready(GObject *object, GParamSpec *spec, struct display *display)
{
	g_object_get(object, "ready", &display->ready, NULL);
	display_spice_tell_shown(display);
}

static void
display_spice_add_screen(struct display *display, int channel_id)
{
	if (display->screen)
		return;
	display->screen = GTK_WIDGET(spice_display_new(display->session, channel_id));
	g_object_set(display->screen, "resize-guest", TRUE, "scaling", TRUE, "only-downscale",
		     FALSE, "grab-keyboard", TRUE, "grab-mouse", TRUE, NULL);
	g_signal_connect(display->screen, "notify::ready", G_CALLBACK(display_spice_handle_ready),
			 display);
	gtk_container_add(GTK_CONTAINER(display->box), display->screen);
	gtk_widget_show(display->screen);
	gtk_widget_grab_focus(display->screen);
}

static void
display_spice_handle_channel(SpiceSession *session, SpiceChannel *channel, struct display *display)
{
	int type;
	int id;

	g_object_get(channel, "channel-type", &type, "channel-id", &id, NULL);
	if (type == SPICE_CHANNEL_MAIN)
		g_signal_connect(channel, "channel-event",
				 G_CALLBACK(display_spice_handle_main_event), display);
	if (type == SPICE_CHANNEL_INPUTS)
		g_signal_connect(channel, "channel-event",
				 G_CALLBACK(display_spice_handle_inputs_event), display);
	if (type == SPICE_CHANNEL_DISPLAY && id == 0)
		display_spice_add_screen(display, id);
}

static void
display_spice_set_target(SpiceSession *session, const struct connection_file *file)
{
	static const char *const all[] = { "all", NULL };
	g_autoptr(GByteArray) ca = g_byte_array_new();

	g_byte_array_append(ca, (const guint8 *)file->ca, (guint)strlen(file->ca));
	g_object_set(session, "host", file->host, "tls-port", file->tls_port, "password",
		     file->password, "ca", ca, "cert-subject", file->host_subject, "verify",
		     SPICE_SESSION_VERIFY_SUBJECT, "secure-channels", all, "enable-usbredir", FALSE,
		     "enable-smartcard", FALSE, NULL);
	if (file->proxy)
		g_object_set(session, "proxy", file->proxy, NULL);
}

static struct display *
display_spice_open(const struct connection_file *file, const struct display_events *events,
		   void *context)
{
	struct display *display = g_new0(struct display, 1);

	display->events = events;
	display->context = context;
	display->box = g_object_ref_sink(gtk_event_box_new());
	gtk_widget_show(display->box);
	display->session = spice_session_new();
	display_spice_set_target(display->session, file);
	g_object_set(spice_gtk_session_get(display->session), "auto-clipboard", TRUE, NULL);
	g_signal_connect(display->session, "channel-new", G_CALLBACK(display_spice_handle_channel),
			 display);
	/* The session's: it plays what a desktop plays, and opens the microphone while one records. */
	spice_audio_get(display->session, NULL);
	if (!spice_session_connect(display->session))
		display_spice_end(display, DISPLAY_END_UNREACHABLE);
	return display;
}

static GtkWidget *
display_spice_get_widget(struct display *display)
{
	return display->box;
}

static void
display_spice_send_keys(struct display *display, const guint *keyvals, int n_keyvals)
{
	if (display->screen)
		spice_display_send_keys(SPICE_DISPLAY(display->screen), keyvals, n_keyvals,
					SPICE_DISPLAY_KEY_EVENT_CLICK);
}

static void
display_spice_release(struct display *display)
{
	if (!display->screen)
		return;
	spice_display_keyboard_ungrab(SPICE_DISPLAY(display->screen));
	spice_display_mouse_ungrab(SPICE_DISPLAY(display->screen));
}

static void
display_spice_forget_channels(struct display *display)
{
	g_autoptr(GList) channels = spice_session_get_channels(display->session);

	for (GList *item = channels; item; item = item->next)
		g_signal_handlers_disconnect_by_data(item->data, display);
}

static void
display_spice_free(struct display *display)
{
	if (!display)
		return;
	if (display->end_source != 0)
		g_source_remove(display->end_source);
	g_signal_handlers_disconnect_by_data(display->session, display);
	display_spice_forget_channels(display);
	if (display->screen)
		g_signal_handlers_disconnect_by_data(display->screen, display);
	gtk_widget_destroy(display->box);
	g_object_unref(display->box);
	spice_session_disconnect(display->session);
	g_object_unref(display->session);
	g_free(display);
}

const struct display_ops display_spice_ops = {
	.protocol = "spice",
	.open = display_spice_open,
	.get_widget = display_spice_get_widget,
	.send_keys = display_spice_send_keys,
	.release = display_spice_release,
	.free = display_spice_free,
};
