/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * card.c - the common look of the pages (carrel-viewer)
 */
#include "viewer/card.h"

#define CARD_WIDTH 420

static const char style[] =
	".carrel-backdrop { background-image: linear-gradient(to bottom, #2d4a5e, #1b2d3a); }\n"
	".carrel-card { background-color: @theme_base_color; color: @theme_text_color;"
	" border-radius: 10px; padding: 32px; box-shadow: 0 6px 24px rgba(0,0,0,0.35); }\n"
	".carrel-title { font-size: 22pt; font-weight: 300; }\n"
	".carrel-notice { color: #a51d2d; background-color: rgba(224,27,36,0.10);"
	" border-radius: 6px; padding: 10px; }\n"
	".carrel-fingerprint { font-family: monospace; font-size: 11pt; }\n"
	".carrel-screen { background-color: #000000; }\n"
	".carrel-toolbar { background-color: @theme_bg_color; border-radius: 0 0 8px 8px;"
	" padding: 6px; box-shadow: 0 2px 8px rgba(0,0,0,0.5); }\n"
	".carrel-list row { padding: 12px; }\n";

void
card_load_style(void)
{
	g_autoptr(GtkCssProvider) provider = gtk_css_provider_new();

	gtk_css_provider_load_from_data(provider, style, -1, NULL);
	gtk_style_context_add_provider_for_screen(gdk_screen_get_default(),
						  GTK_STYLE_PROVIDER(provider),
						  GTK_STYLE_PROVIDER_PRIORITY_APPLICATION);
}

static void
card_add_class(GtkWidget *widget, const char *name)
{
	gtk_style_context_add_class(gtk_widget_get_style_context(widget), name);
}

static GtkWidget *
card_new_label(const char *text, const char *style_class)
{
	GtkWidget *label = gtk_label_new(text);

	gtk_label_set_line_wrap(GTK_LABEL(label), TRUE);
	gtk_label_set_line_wrap_mode(GTK_LABEL(label), PANGO_WRAP_WORD_CHAR);
	gtk_label_set_max_width_chars(GTK_LABEL(label), 48);
	gtk_label_set_xalign(GTK_LABEL(label), 0);
	card_add_class(label, style_class);
	return label;
}

static GtkWidget *
card_new_heading(struct card *card, const char *title, const char *subtitle)
{
	GtkWidget *row = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, CARD_SPACING * 4 / 3);
	GtkWidget *texts = gtk_box_new(GTK_ORIENTATION_VERTICAL, 2);
	GtkWidget *icon = gtk_image_new_from_icon_name("carrel-viewer", GTK_ICON_SIZE_DIALOG);

	gtk_image_set_pixel_size(GTK_IMAGE(icon), 56);
	card->title = card_new_label(title, "carrel-title");
	card->subtitle = card_new_label(subtitle, "dim-label");
	gtk_container_add(GTK_CONTAINER(texts), card->title);
	gtk_container_add(GTK_CONTAINER(texts), card->subtitle);
	gtk_container_add(GTK_CONTAINER(row), icon);
	gtk_container_add(GTK_CONTAINER(row), texts);
	return row;
}

void
card_init(struct card *card, const char *title, const char *subtitle)
{
	GtkWidget *box = gtk_box_new(GTK_ORIENTATION_VERTICAL, CARD_SPACING * 3 / 2);

	card->page = gtk_scrolled_window_new(NULL, NULL);
	gtk_scrolled_window_set_policy(GTK_SCROLLED_WINDOW(card->page), GTK_POLICY_NEVER,
				       GTK_POLICY_AUTOMATIC);
	card_add_class(card->page, "carrel-backdrop");
	card->notice = card_new_label("", "carrel-notice");
	gtk_widget_set_no_show_all(card->notice, TRUE);
	atk_object_set_role(gtk_widget_get_accessible(card->notice), ATK_ROLE_ALERT);
	card->content = gtk_box_new(GTK_ORIENTATION_VERTICAL, CARD_SPACING / 2);
	card->buttons = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, CARD_SPACING / 2);
	gtk_widget_set_size_request(box, CARD_WIDTH, -1);
	gtk_widget_set_halign(box, GTK_ALIGN_CENTER);
	gtk_widget_set_valign(box, GTK_ALIGN_CENTER);
	gtk_widget_set_margin_top(box, CARD_SPACING * 2);
	gtk_widget_set_margin_bottom(box, CARD_SPACING * 2);
	card_add_class(box, "carrel-card");
	gtk_container_add(GTK_CONTAINER(box), card_new_heading(card, title, subtitle));
	gtk_container_add(GTK_CONTAINER(box), card->notice);
	gtk_container_add(GTK_CONTAINER(box), card->content);
	gtk_container_add(GTK_CONTAINER(box), card->buttons);
	gtk_container_add(GTK_CONTAINER(card->page), box);
	gtk_widget_show_all(card->page);
}

void
card_set_subtitle(struct card *card, const char *text)
{
	gtk_label_set_text(GTK_LABEL(card->subtitle), text);
}

void
card_set_notice(struct card *card, const char *text)
{
	gtk_label_set_text(GTK_LABEL(card->notice), text ? text : "");
	gtk_widget_set_visible(card->notice, text != NULL);
}

GtkWidget *
card_add_button(struct card *card, const char *label, gboolean suggested, GCallback clicked,
		gpointer data)
{
	GtkWidget *button = gtk_button_new_with_mnemonic(label);

	if (suggested) {
		card_add_class(button, "suggested-action");
		gtk_widget_set_can_default(button, TRUE);
	}
	g_signal_connect_swapped(button, "clicked", clicked, data);
	gtk_box_pack_end(GTK_BOX(card->buttons), button, FALSE, FALSE, 0);
	gtk_widget_show(button);
	return button;
}

GtkWidget *
card_add_entry(GtkWidget *box, const char *label, const char *text)
{
	GtkWidget *caption = gtk_label_new_with_mnemonic(label);
	GtkWidget *entry = gtk_entry_new();

	gtk_label_set_xalign(GTK_LABEL(caption), 0);
	gtk_label_set_mnemonic_widget(GTK_LABEL(caption), entry);
	gtk_entry_set_text(GTK_ENTRY(entry), text);
	gtk_entry_set_activates_default(GTK_ENTRY(entry), TRUE);
	gtk_widget_set_margin_bottom(entry, CARD_SPACING / 2);
	gtk_container_add(GTK_CONTAINER(box), caption);
	gtk_container_add(GTK_CONTAINER(box), entry);
	gtk_widget_show(caption);
	gtk_widget_show(entry);
	return entry;
}

static void
card_handle_clear(GtkWidget *widget, gpointer data)
{
	gtk_widget_destroy(widget);
}

void
card_clear(GtkWidget *container)
{
	gtk_container_foreach(GTK_CONTAINER(container), card_handle_clear, NULL);
}
