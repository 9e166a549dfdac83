/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * card.h - the common look of the pages: a card in the middle with the product's name, a notice and content
 */
#ifndef VIEWER_CARD_H
#define VIEWER_CARD_H

#include <gtk/gtk.h>

#define CARD_SPACING 12

struct card {
	GtkWidget *page; /* what goes into the window */
	GtkWidget *title;
	GtkWidget *subtitle;
	GtkWidget *notice;
	GtkWidget *content; /* vertical box for the page's own widgets */
	GtkWidget *buttons; /* horizontal box at the bottom, from the right */
};

void card_init(struct card *card, const char *title, const char *subtitle);
void card_set_subtitle(struct card *card, const char *text);

/* A line in red that screen readers announce; NULL hides it. */
void card_set_notice(struct card *card, const char *text);

/* A button at the card's bottom; the suggested one is the default of its page. */
GtkWidget *card_add_button(struct card *card, const char *label, gboolean suggested,
			   GCallback clicked, gpointer data);

/* A label with a mnemonic above an entry; returns the entry. */
GtkWidget *card_add_entry(GtkWidget *box, const char *label, const char *text);

/* Destroys all that is in the container. */
void card_clear(GtkWidget *container);

void card_load_style(void);

#endif
