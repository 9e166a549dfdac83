/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * page_message.h - two pages of one card: the fingerprint question, and what is happening while the user waits
 */
#ifndef VIEWER_PAGE_MESSAGE_H
#define VIEWER_PAGE_MESSAGE_H

#include <gtk/gtk.h>

struct page_message;
struct session;

/* The widget owns the page. */
struct page_message *page_message_new_trust(struct session *session);
struct page_message *page_message_new_progress(struct session *session);
GtkWidget *page_message_get_widget(struct page_message *page);
void page_message_update(struct page_message *page);

#endif
