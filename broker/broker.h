/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * broker.h - what the parts of carrel-broker share
 */
#ifndef BROKER_BROKER_H
#define BROKER_BROKER_H

#include <glib.h>
#include <sys/types.h>

struct host_table;
struct http;
struct login_table;
struct settings;
struct store;
struct ticket_table;

#define BROKER_PAGE_ROWS      500   /* a list's page */
#define BROKER_HOST_SILENT_MS 60000 /* a host that has not reported for so long is not there */

struct broker {
	struct settings *settings;
	struct store *store;
	struct http *http;
	struct login_table *logins;
	struct host_table *hosts;
	struct ticket_table *tickets;
	const char *run_folder;
	uid_t hostd_uid;
};

/* Milliseconds since 1970, as the store has them. */
static inline gint64
broker_now_ms(void)
{
	return g_get_real_time() / 1000;
}

/* A host that was seen last before this is silent. */
static inline gint64
broker_silent_since_ms(void)
{
	return broker_now_ms() - BROKER_HOST_SILENT_MS;
}

#endif
