/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * page_pools.h - the desktops that the user may choose from
 */
#ifndef VIEWER_PAGE_POOLS_H
#define VIEWER_PAGE_POOLS_H

#include <gtk/gtk.h>

struct page_pools;
struct session;

/* The widget owns the page. */
struct page_pools *page_pools_new(struct session *session);
GtkWidget *page_pools_get_widget(struct page_pools *page);
void page_pools_update(struct page_pools *page);

#endif
