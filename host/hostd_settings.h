/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hostd_settings.h - what of the configuration hostd refuses to start with
 *
 * Each says in its error which key of carrel.conf to set, and to what. Texts are the caller's to g_free().
 */
#ifndef HOST_HOSTD_SETTINGS_H
#define HOST_HOSTD_SETTINGS_H

#include <glib.h>

struct settings;

/* The configured name, or the machine's without its domain. */
char *hostd_settings_find_name(const struct settings *settings, GError **error);

gboolean hostd_settings_check_engine(const struct settings *settings, GError **error);

/* The folder through which desktops move. TRUE, and NULL where there is none. */
gboolean hostd_settings_find_exchange(const struct settings *settings, const char **ret_exchange,
				      GError **error);

/* What clients get as the gateway's address. NULL: it could lead none of them here. */
char *hostd_settings_find_proxy(const struct settings *settings, GError **error);

#endif
