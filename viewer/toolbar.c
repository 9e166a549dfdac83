/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * toolbar.c - the buttons of the display (carrel-viewer)
 */
#include "viewer/toolbar.h"

#include <glib/gi18n.h>

#define DRAWER_DELAY_MS 800
#define DRAWER_WIDTH	320

const struct toolbar_keys toolbar_key_table[] = {
	{ "Ctrl+Alt+Del", { GDK_KEY_Control_L, GDK_KEY_Alt_L, GDK_KEY_Delete }, 3 },
	{ "Ctrl+Alt+Backspace", { GDK_KEY_Control_L, GDK_KEY_Alt_L, GDK_KEY_BackSpace }, 3 },
	{ "Ctrl+Alt+F1", { GDK_KEY_Control_L, GDK_KEY_Alt_L, GDK_KEY_F1 }, 3 },
	{ "Ctrl+Alt+F2", { GDK_KEY_Control_L, GDK_KEY_Alt_L, GDK_KEY_F2 }, 3 },
	{ "Ctrl+Alt+F3", { GDK_KEY_Control_L, GDK_KEY_Alt_L, GDK_KEY_F3 }, 3 },
	{ "Ctrl+Alt+F4", { GDK_KEY_Control_L, GDK_KEY_Alt_L, GDK_KEY_F4 }, 3 },
	{ "Ctrl+Alt+F5", { GDK_KEY_Control_L, GDK_KEY_Alt_L, GDK_KEY_F5 }, 3 },
	{ "Ctrl+Alt+F6", { GDK_KEY_Control_L, GDK_KEY_Alt_L, GDK_KEY_F6 }, 3 },
	{ "Ctrl+Alt+F7", { GDK_KEY_Control_L, GDK_KEY_Alt_L, GDK_KEY_F7 }, 3 },
	{ "Alt+Tab", { GDK_KEY_Alt_L, GDK_KEY_Tab }, 2 },
	{ "F11", { GDK_KEY_F11 }, 1 },
};
const gsize toolbar_n_keys = G_N_ELEMENTS(toolbar_key_table);

static GtkWidget *
toolbar_new_button(const char *icon, const char *name, const char *action)
{
	GtkWidget *button = gtk_button_new_from_icon_name(icon, GTK_ICON_SIZE_BUTTON);

	gtk_widget_set_tooltip_text(button, name);
	atk_object_set_name(gtk_widget_get_accessible(button), name);
	gtk_actionable_set_action_name(GTK_ACTIONABLE(button), action);
	gtk_widget_set_focus_on_click(button, FALSE);
	return button;
}

static GtkWidget *
toolbar_new_keys(void)
{
	GtkWidget *button = gtk_menu_button_new();
	g_autoptr(GMenu) menu = g_menu_new();

	for (gsize i = 0; i < toolbar_n_keys; i++) {
		g_autofree char *action = g_strdup_printf("win.send-keys(uint32 %zu)", i);

		g_menu_append(menu, toolbar_key_table[i].label, action);
	}
	gtk_menu_button_set_menu_model(GTK_MENU_BUTTON(button), G_MENU_MODEL(menu));
	gtk_button_set_image(
		GTK_BUTTON(button),
		gtk_image_new_from_icon_name("input-keyboard-symbolic", GTK_ICON_SIZE_BUTTON));
	gtk_widget_set_tooltip_text(button, _("Send key"));
	atk_object_set_name(gtk_widget_get_accessible(button), _("Send key"));
	gtk_widget_set_focus_on_click(button, FALSE);
	return button;
}

GtkWidget *
toolbar_new(void)
{
	GtkWidget *bar = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 6);
	GtkWidget *keys = toolbar_new_keys();
	GtkWidget *log_off = gtk_button_new_with_label(_("Log off"));

	gtk_actionable_set_action_name(GTK_ACTIONABLE(log_off), "win.log-off");
	gtk_widget_set_tooltip_text(log_off, _("End your session on the desktop"));
	gtk_widget_set_focus_on_click(log_off, FALSE);
	g_object_set_data(G_OBJECT(bar), "keys", keys);
	gtk_container_add(GTK_CONTAINER(bar), keys);
	gtk_container_add(GTK_CONTAINER(bar),
			  toolbar_new_button("view-fullscreen-symbolic", _("Full screen (F11)"),
					     "win.full-screen"));
	gtk_container_add(GTK_CONTAINER(bar),
			  toolbar_new_button("network-offline-symbolic",
					     _("Disconnect: your desktop goes on without you"),
					     "win.disconnect"));
	gtk_container_add(GTK_CONTAINER(bar), log_off);
	gtk_widget_show_all(bar);
	return bar;
}

static gboolean
toolbar_handle_hide(gpointer data)
{
	GtkRevealer *revealer = data;
	GtkWidget *bar = gtk_bin_get_child(GTK_BIN(revealer));

	/* The menu takes the pointer away from the drawer and would go with it: not before it is closed. */
	if (gtk_toggle_button_get_active(g_object_get_data(G_OBJECT(bar), "keys")))
		return G_SOURCE_CONTINUE;
	g_object_set_data(G_OBJECT(revealer), "hide", NULL);
	gtk_revealer_set_reveal_child(revealer, FALSE);
	return G_SOURCE_REMOVE;
}

static void
toolbar_stop_hiding(GtkRevealer *revealer)
{
	guint source = GPOINTER_TO_UINT(g_object_get_data(G_OBJECT(revealer), "hide"));

	if (source != 0)
		g_source_remove(source);
	g_object_set_data(G_OBJECT(revealer), "hide", NULL);
}

static gboolean
toolbar_handle_enter(GtkWidget *edge, GdkEventCrossing *event, GtkRevealer *revealer)
{
	toolbar_stop_hiding(revealer);
	gtk_revealer_set_reveal_child(revealer, TRUE);
	return GDK_EVENT_PROPAGATE;
}

static gboolean
toolbar_handle_leave(GtkWidget *edge, GdkEventCrossing *event, GtkRevealer *revealer)
{
	guint source;

	if (event->detail == GDK_NOTIFY_INFERIOR)
		return GDK_EVENT_PROPAGATE;
	toolbar_stop_hiding(revealer);
	source = g_timeout_add(DRAWER_DELAY_MS, toolbar_handle_hide, revealer);
	g_object_set_data(G_OBJECT(revealer), "hide", GUINT_TO_POINTER(source));
	return GDK_EVENT_PROPAGATE;
}

GtkWidget *
toolbar_new_drawer(void)
{
	GtkWidget *edge = gtk_event_box_new();
	GtkWidget *revealer = gtk_revealer_new();
	GtkWidget *bar = toolbar_new();

	gtk_style_context_add_class(gtk_widget_get_style_context(bar), "carrel-toolbar");
	gtk_container_add(GTK_CONTAINER(revealer), bar);
	gtk_container_add(GTK_CONTAINER(edge), revealer);
	gtk_widget_set_size_request(edge, DRAWER_WIDTH, 3);
	gtk_widget_set_halign(edge, GTK_ALIGN_CENTER);
	gtk_widget_set_valign(edge, GTK_ALIGN_START);
	gtk_widget_set_halign(revealer, GTK_ALIGN_CENTER);
	g_signal_connect(edge, "enter-notify-event", G_CALLBACK(toolbar_handle_enter), revealer);
	g_signal_connect(edge, "leave-notify-event", G_CALLBACK(toolbar_handle_leave), revealer);
	g_signal_connect(revealer, "destroy", G_CALLBACK(toolbar_stop_hiding), NULL);
	gtk_widget_show(revealer);
	gtk_widget_set_no_show_all(edge, TRUE);
	return edge;
}
