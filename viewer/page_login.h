/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * page_login.h - broker address and user name, then PAM's prompts as they come
 */
#ifndef VIEWER_PAGE_LOGIN_H
#define VIEWER_PAGE_LOGIN_H

#include <gtk/gtk.h>

struct options;
struct page_login;
struct session;

/* The widget owns the page. "options" outlives it. */
struct page_login *page_login_new(struct session *session, const struct options *options);
GtkWidget *page_login_get_widget(struct page_login *page);

/* Shows what the session's state asks for. */
void page_login_update(struct page_login *page);

#endif
