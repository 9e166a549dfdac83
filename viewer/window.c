/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * window.c - one window: a stack of pages, each shown in the session's states it is for (carrel-viewer)
 *
 * How it works: the session is the life cycle; window_handle_changed() shows the page that page_table names for the new
 * state and lets that page draw what the session says. While a display is there (window->display), the session's
 * calls window_handle_connect() and window_handle_disconnect() make and free it; what the user can do with it are the
 * window's actions, which the header bar and the full-screen drawer share.
 */
#include "viewer/window.h"

#include <glib/gi18n.h>

#include "viewer/options.h"
#include "viewer/page_login.h"
#include "viewer/page_message.h"
#include "viewer/page_pools.h"
#include "viewer/user_session.h"
#include "viewer/toolbar.h"

#define DEFAULT_WIDTH  1024
#define DEFAULT_HEIGHT 768

enum window_page {
	WINDOW_PAGE_LOGIN,
	WINDOW_PAGE_TRUST,
	WINDOW_PAGE_POOLS,
	WINDOW_PAGE_PROGRESS,
	WINDOW_PAGE_DISPLAY,
	WINDOW_PAGE_COUNT,
};

static const char *const page_names[] = { "login", "trust", "pools", "progress", "display" };
G_STATIC_ASSERT(G_N_ELEMENTS(page_names) == WINDOW_PAGE_COUNT);

/* What task bars and screen readers call the window; the display's is the desktop's name. */
static const char *const title_table[] = {
	[WINDOW_PAGE_LOGIN] = N_("Log in – Carrel"),
	[WINDOW_PAGE_TRUST] = N_("Unknown broker – Carrel"),
	[WINDOW_PAGE_POOLS] = N_("Desktops – Carrel"),
	[WINDOW_PAGE_PROGRESS] = N_("Your desktop – Carrel"),
	[WINDOW_PAGE_DISPLAY] = N_("Carrel"),
};
G_STATIC_ASSERT(G_N_ELEMENTS(title_table) == WINDOW_PAGE_COUNT);

static const enum window_page page_table[] = {
	[SESSION_STATE_IDLE] = WINDOW_PAGE_LOGIN,
	[SESSION_STATE_CONTACTING] = WINDOW_PAGE_LOGIN,
	[SESSION_STATE_TRUSTING] = WINDOW_PAGE_TRUST,
	[SESSION_STATE_ANSWERING] = WINDOW_PAGE_LOGIN,
	[SESSION_STATE_ASKING] = WINDOW_PAGE_LOGIN,
	[SESSION_STATE_LISTING] = WINDOW_PAGE_PROGRESS,
	[SESSION_STATE_CHOOSING] = WINDOW_PAGE_POOLS,
	[SESSION_STATE_ASSIGNING] = WINDOW_PAGE_PROGRESS,
	[SESSION_STATE_PREPARING] = WINDOW_PAGE_PROGRESS,
	[SESSION_STATE_TICKETING] = WINDOW_PAGE_PROGRESS,
	[SESSION_STATE_CONNECTING] = WINDOW_PAGE_PROGRESS,
	[SESSION_STATE_CONNECTED] = WINDOW_PAGE_DISPLAY,
	[SESSION_STATE_WAITING] = WINDOW_PAGE_PROGRESS,
};
G_STATIC_ASSERT(G_N_ELEMENTS(page_table) == SESSION_STATE_COUNT);

struct window {
	GtkWidget *widget;
	GtkWidget *header;
	GtkWidget *toolbar;
	GtkWidget *drawer;
	GtkWidget *stack;
	GtkWidget *screen; /* overlay: the display below, the drawer above */
	struct page_login *login;
	struct page_message *trust;
	struct page_message *progress;
	struct page_pools *pools;
	struct session *session;
	const struct display_ops *ops;
	struct display *display;
	const struct options *options;
};

static gboolean
window_is_full_screen(struct window *window)
{
	GdkWindow *surface = gtk_widget_get_window(window->widget);

	return surface && (gdk_window_get_state(surface) & GDK_WINDOW_STATE_FULLSCREEN);
}

static void
window_update_page(struct window *window, enum window_page page)
{
	switch (page) {
	case WINDOW_PAGE_LOGIN:
		page_login_update(window->login);
		break;
	case WINDOW_PAGE_TRUST:
		page_message_update(window->trust);
		break;
	case WINDOW_PAGE_POOLS:
		page_pools_update(window->pools);
		break;
	case WINDOW_PAGE_PROGRESS:
		page_message_update(window->progress);
		break;
	default:
		gtk_widget_child_focus(window->ops->get_widget(window->display),
				       GTK_DIR_TAB_FORWARD);
	}
}

static void
window_update_header(struct window *window, enum window_page page)
{
	gboolean display = page == WINDOW_PAGE_DISPLAY;
	const char *title = session_get_title(window->session);

	g_simple_action_set_enabled(G_SIMPLE_ACTION(g_action_map_lookup_action(
					    G_ACTION_MAP(window->widget), "log-off")),
				    session_can_log_off(window->session));
	gtk_widget_set_visible(window->toolbar, display);
	gtk_widget_set_visible(window->drawer, display && window_is_full_screen(window));
	/* Sets the window's title as well. */
	gtk_header_bar_set_title(GTK_HEADER_BAR(window->header),
				 display && title[0] ? title : _(title_table[page]));
	gtk_header_bar_set_subtitle(GTK_HEADER_BAR(window->header),
				    display ? session_get_user(window->session) : NULL);
}

static void
window_handle_changed(void *context, enum session_state state)
{
	struct window *window = context;
	enum window_page page = page_table[state];

	gtk_stack_set_visible_child_name(GTK_STACK(window->stack), page_names[page]);
	window_update_header(window, page);
	window_update_page(window, page);
}

static void
window_handle_shown(void *context)
{
	session_handle_display_shown(((struct window *)context)->session);
}

static void
window_handle_ended(void *context, enum display_end end)
{
	session_handle_display_ended(((struct window *)context)->session, end);
}

static const struct display_events window_display_events = {
	.shown = window_handle_shown,
	.ended = window_handle_ended,
};

static void
window_handle_disconnect(void *context)
{
	struct window *window = context;

	if (window->display)
		window->ops->free(window->display);
	window->display = NULL;
}

static void
window_handle_connect(void *context, const struct connection_file *file)
{
	struct window *window = context;

	window_handle_disconnect(window);
	window->display = window->ops->open(file, &window_display_events, window);
	gtk_container_add(GTK_CONTAINER(window->screen), window->ops->get_widget(window->display));
}

static const struct session_events window_session_events = {
	.changed = window_handle_changed,
	.connect = window_handle_connect,
	.disconnect = window_handle_disconnect,
};

static void
window_handle_full_screen(GSimpleAction *action, GVariant *parameter, gpointer data)
{
	struct window *window = data;

	if (window_is_full_screen(window))
		gtk_window_unfullscreen(GTK_WINDOW(window->widget));
	else
		gtk_window_fullscreen(GTK_WINDOW(window->widget));
}

static void
window_handle_action_disconnect(GSimpleAction *action, GVariant *parameter, gpointer data)
{
	session_disconnect(((struct window *)data)->session);
}

static void
window_handle_log_off(GSimpleAction *action, GVariant *parameter, gpointer data)
{
	session_log_off(((struct window *)data)->session);
}

static void
window_handle_send_keys(GSimpleAction *action, GVariant *parameter, gpointer data)
{
	struct window *window = data;
	guint32 index = g_variant_get_uint32(parameter);

	if (window->display && index < toolbar_n_keys)
		window->ops->send_keys(window->display, toolbar_key_table[index].keyvals,
				       toolbar_key_table[index].n_keyvals);
}

static void
window_handle_release(GSimpleAction *action, GVariant *parameter, gpointer data)
{
	struct window *window = data;

	if (window->display)
		window->ops->release(window->display);
}

static const GActionEntry window_actions[] = {
	{ .name = "full-screen", .activate = window_handle_full_screen },
	{ .name = "disconnect", .activate = window_handle_action_disconnect },
	{ .name = "log-off", .activate = window_handle_log_off },
	{ .name = "release", .activate = window_handle_release },
	{ .name = "send-keys", .activate = window_handle_send_keys, .parameter_type = "u" },
};

static gboolean
window_handle_state(GtkWidget *widget, GdkEventWindowState *event, struct window *window)
{
	gboolean full = event->new_window_state & GDK_WINDOW_STATE_FULLSCREEN;

	gtk_widget_set_visible(window->drawer, full && session_get_state(window->session) ==
							       SESSION_STATE_CONNECTED);
	return GDK_EVENT_PROPAGATE;
}

/* A kiosk's window has nothing behind it to go to. */
static gboolean
window_handle_delete(GtkWidget *widget, GdkEvent *event, struct window *window)
{
	return window->options->kiosk ? GDK_EVENT_STOP : GDK_EVENT_PROPAGATE;
}

static void
window_handle_destroy(GtkWidget *widget, struct window *window)
{
	window_handle_disconnect(window);
	session_free(window->session);
	g_free(window);
}

static void
window_add_pages(struct window *window)
{
	GtkWidget *const pages[] = {
		[WINDOW_PAGE_LOGIN] = page_login_get_widget(window->login),
		[WINDOW_PAGE_TRUST] = page_message_get_widget(window->trust),
		[WINDOW_PAGE_POOLS] = page_pools_get_widget(window->pools),
		[WINDOW_PAGE_PROGRESS] = page_message_get_widget(window->progress),
		[WINDOW_PAGE_DISPLAY] = window->screen,
	};

	G_STATIC_ASSERT(G_N_ELEMENTS(pages) == WINDOW_PAGE_COUNT);
	for (gsize i = 0; i < G_N_ELEMENTS(pages); i++)
		gtk_stack_add_named(GTK_STACK(window->stack), pages[i], page_names[i]);
}

static void
window_build(struct window *window)
{
	window->header = gtk_header_bar_new();
	window->toolbar = toolbar_new();
	window->drawer = toolbar_new_drawer();
	window->screen = gtk_overlay_new();
	window->stack = gtk_stack_new();
	window->login = page_login_new(window->session, window->options);
	window->trust = page_message_new_trust(window->session);
	window->progress = page_message_new_progress(window->session);
	window->pools = page_pools_new(window->session);
	gtk_header_bar_set_show_close_button(GTK_HEADER_BAR(window->header),
					     !window->options->kiosk);
	gtk_header_bar_pack_end(GTK_HEADER_BAR(window->header), window->toolbar);
	gtk_overlay_add_overlay(GTK_OVERLAY(window->screen), window->drawer);
	gtk_style_context_add_class(gtk_widget_get_style_context(window->screen), "carrel-screen");
	gtk_stack_set_transition_type(GTK_STACK(window->stack),
				      GTK_STACK_TRANSITION_TYPE_CROSSFADE);
	gtk_window_set_titlebar(GTK_WINDOW(window->widget), window->header);
	gtk_container_add(GTK_CONTAINER(window->widget), window->stack);
	gtk_widget_show(window->header);
	gtk_widget_show(window->screen);
	gtk_widget_show(window->stack);
	window_add_pages(window);
}

struct window *
window_new(GtkApplication *application, const struct options *options)
{
	struct window *window = g_new0(struct window, 1);

	window->options = options;
	window->ops = &display_spice_ops;
	window->widget = gtk_application_window_new(application);
	window->session = session_new(&window_session_events, window);
	gtk_window_set_default_size(GTK_WINDOW(window->widget), DEFAULT_WIDTH, DEFAULT_HEIGHT);
	gtk_window_set_icon_name(GTK_WINDOW(window->widget), "carrel-viewer");
	window_build(window);
	g_action_map_add_action_entries(G_ACTION_MAP(window->widget), window_actions,
					G_N_ELEMENTS(window_actions), window);
	session_set_shared(window->session, options->kiosk);
	if (options->kiosk)
		g_action_map_remove_action(G_ACTION_MAP(window->widget), "full-screen");
	g_signal_connect(window->widget, "window-state-event", G_CALLBACK(window_handle_state),
			 window);
	g_signal_connect(window->widget, "delete-event", G_CALLBACK(window_handle_delete), window);
	g_signal_connect(window->widget, "destroy", G_CALLBACK(window_handle_destroy), window);
	return window;
}

void
window_present(struct window *window)
{
	window_handle_changed(window, session_get_state(window->session));
	gtk_window_present(GTK_WINDOW(window->widget));
	if (window->options->full_screen || window->options->kiosk)
		gtk_window_fullscreen(GTK_WINDOW(window->widget));
	if (window->options->file)
		session_open_file(window->session, window->options->file);
}
