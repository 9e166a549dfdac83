/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * settings.h - carrel.conf and conf.d
 *
 * GKeyFile groups and keys as in carrel.conf(5). A key or group that is not in the table is an error with the file's
 * name, as is a value that is not of its kind: nothing starts with half a configuration.
 */
#ifndef COMMON_SETTINGS_H
#define COMMON_SETTINGS_H

#include <glib.h>

struct settings;

/*
 * Reads "path" (it may be missing only when "optional") and then the files of conf.d (*.conf) beside it, in the order of their names;
 * a later file's value wins. NULL and error otherwise.
 */
struct settings *settings_load(const char *path, gboolean optional, GError **error);
void settings_free(struct settings *settings);

/* The value, or the table's default. Asking for a key that is not in the table is a programmer's error (abort). */
const char *settings_get_text(const struct settings *settings, const char *group, const char *key);
gint64 settings_get_integer(const struct settings *settings, const char *group, const char *key);
gboolean settings_get_flag(const struct settings *settings, const char *group, const char *key);
const char *const *settings_get_list(const struct settings *settings, const char *group,
				     const char *key);

/* The table, for carrel.conf(5) and its test: the i-th key as "group.key", its default and help; FALSE behind the last. */
gboolean settings_describe(guint index, const char **ret_group, const char **ret_key,
			   const char **ret_default, const char **ret_help);

#endif
