/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * page_pools.c - the desktops that the user may choose from (carrel-viewer)
 */
#include "viewer/page_pools.h"

#include <glib/gi18n.h>

#include "viewer/card.h"
#include "viewer/session_login.h"
#include "viewer/user_session.h"

struct page_pools {
	struct card card;
	struct session *session;
	GtkWidget *list;
};

static void
page_pools_handle_row(GtkListBox *list, GtkListBoxRow *row, struct page_pools *page)
{
	const char *name = g_object_get_data(G_OBJECT(row), "pool");

	session_choose(page->session, name);
}

static void
page_pools_handle_log_out(struct page_pools *page)
{
	session_log_out(page->session);
}

static GtkWidget *
page_pools_new_row(const char *name, const char *template)
{
	GtkWidget *row = gtk_list_box_row_new();
	GtkWidget *line = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, CARD_SPACING);
	GtkWidget *icon = gtk_image_new_from_icon_name("video-display-symbolic", GTK_ICON_SIZE_DND);
	GtkWidget *texts = gtk_box_new(GTK_ORIENTATION_VERTICAL, 2);
	GtkWidget *title = gtk_label_new(name);
	GtkWidget *detail = gtk_label_new(template);

	gtk_label_set_xalign(GTK_LABEL(title), 0);
	gtk_label_set_xalign(GTK_LABEL(detail), 0);
	gtk_style_context_add_class(gtk_widget_get_style_context(detail), "dim-label");
	gtk_container_add(GTK_CONTAINER(texts), title);
	gtk_container_add(GTK_CONTAINER(texts), detail);
	gtk_container_add(GTK_CONTAINER(line), icon);
	gtk_container_add(GTK_CONTAINER(line), texts);
	gtk_container_add(GTK_CONTAINER(row), line);
	g_object_set_data_full(G_OBJECT(row), "pool", g_strdup(name), g_free);
	atk_object_set_name(gtk_widget_get_accessible(row), name);
	gtk_widget_show_all(row);
	return row;
}

void
page_pools_update(struct page_pools *page)
{
	json_t *pools = session_get_pools(page->session);
	g_autofree char *greeting = g_strdup_printf(_("Welcome, %s. Choose a desktop."),
						    session_get_user(page->session));
	GtkListBoxRow *first;
	gsize index;
	json_t *pool;

	card_clear(page->list);
	json_array_foreach(pools, index, pool)
		gtk_container_add(GTK_CONTAINER(page->list),
				  page_pools_new_row(json_get_text(pool, "name", ""),
						     json_get_text(pool, "template", "")));
	card_set_notice(&page->card, session_get_notice(page->session));
	if (json_array_size(pools) == 0)
		card_set_subtitle(&page->card,
				  _("No desktop is offered to you. Ask your administrator."));
	else
		card_set_subtitle(&page->card, greeting);
	first = gtk_list_box_get_row_at_index(GTK_LIST_BOX(page->list), 0);
	if (!first)
		return;
	/* Focus alone gives the list no cursor, and without one Return does nothing. */
	gtk_widget_grab_focus(GTK_WIDGET(first));
	g_signal_emit_by_name(page->list, "move-cursor", GTK_MOVEMENT_BUFFER_ENDS, -1);
}

struct page_pools *
page_pools_new(struct session *session)
{
	struct page_pools *page = g_new0(struct page_pools, 1);

	page->session = session;
	card_init(&page->card, _("Desktops"), "");
	page->list = gtk_list_box_new();
	gtk_list_box_set_selection_mode(GTK_LIST_BOX(page->list), GTK_SELECTION_BROWSE);
	gtk_style_context_add_class(gtk_widget_get_style_context(page->list), "carrel-list");
	atk_object_set_name(gtk_widget_get_accessible(page->list), _("Desktops"));
	g_signal_connect(page->list, "row-activated", G_CALLBACK(page_pools_handle_row), page);
	gtk_container_add(GTK_CONTAINER(page->card.content), page->list);
	gtk_widget_show(page->list);
	card_add_button(&page->card, _("Log _out"), FALSE, G_CALLBACK(page_pools_handle_log_out),
			page);
	g_object_set_data_full(G_OBJECT(page->card.page), "page", page, g_free);
	return page;
}

GtkWidget *
page_pools_get_widget(struct page_pools *page)
{
	return page->card.page;
}
