/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * settings.c - carrel.conf and conf.d (all GLib processes)
 *
 * How it works: key_table lists every key with its kind, default and one line of help; settings_load() merges the files
 * into one hash "group.key" -> text, refusing what the table does not know. Getters read the hash, then the default.
 */
#include "common/settings.h"

#include <gio/gio.h>
#include <string.h>

#include "base/name.h"

enum key_kind {
	KEY_TEXT,
	KEY_INTEGER,
	KEY_FLAG,
	KEY_LIST,
	KEY_NAME
};

struct key {
	const char *group;
	const char *name;
	enum key_kind kind;
	const char *fallback;
	gint64 min;
	gint64 max;
	const char *help;
};

static const struct key key_table[] = {
	{ "broker", "listen", KEY_TEXT, "127.0.0.1:8443", 0, 0,
	  "address and port of the HTTPS API" },
	{ "broker", "admin_groups", KEY_LIST, "carrel-admin", 0, 0, "members have the role admin" },
	{ "broker", "operator_groups", KEY_LIST, "carrel-operator", 0, 0,
	  "members have the role operator" },
	{ "broker", "admin_users", KEY_LIST, "", 0, 0, "users with the role admin" },
	{ "broker", "token_hours", KEY_INTEGER, "12", 1, 12, "how long an API token lives" },
	{ "auth", "service", KEY_NAME, "carrel", 0, 0, "name of the PAM service" },
	{ "auth", "confdir", KEY_TEXT, "", 0, 0,
	  "folder with the PAM service instead of /etc/pam.d" },
	{ "gateway", "listen", KEY_TEXT, "127.0.0.1:3128", 0, 0,
	  "address and port for SPICE and VNC clients (CONNECT)" },
	{ "gateway", "proxy", KEY_TEXT, "", 0, 0,
	  "URL under which clients reach the gateway, http://HOST:PORT; empty: http:// and listen" },
	{ "host", "name", KEY_TEXT, "", 0, 0, "this host's name; empty: its host name" },
	{ "host", "engine", KEY_TEXT, "auto", 0, 0,
	  "engine of templates that are published for none by name: auto, kvm or qemu" },
	{ "host", "ram_reserve_mib", KEY_INTEGER, "1024", 0, 1048576,
	  "memory not given to desktops" },
	{ "host", "uid_range", KEY_TEXT, "200000-465535", 0, 0,
	  "uids for services, desktops and build namespaces" },
	{ "host", "accept_unisolated", KEY_FLAG, "true", 0, 1,
	  "run desktops without hardware virtualization" },
	{ "host", "templates_in_ram", KEY_FLAG, "false", 0, 1,
	  "keep the memory of templates in use in RAM, also where forks could map it from the disk" },
	{ "host", "exchange", KEY_TEXT, "", 0, 0,
	  "folder that hosts share, through which suspended desktops move; empty: they do not" },
	{ "template", "recipes", KEY_TEXT, "", 0, 0,
	  "folder of recipes; empty: the installed ones" },
};

struct settings {
	GHashTable *values; /* "group.key" -> text */
	GHashTable *lists;  /* "group.key" -> strv */
};

static const struct key *
settings_find_key(const char *group, const char *name)
{
	for (gsize i = 0; i < G_N_ELEMENTS(key_table); i++)
		if (strcmp(key_table[i].group, group) == 0 && strcmp(key_table[i].name, name) == 0)
			return &key_table[i];
	return NULL;
}

static gboolean
settings_check_value(const struct key *key, const char *text, GError **error)
{
	gint64 number;

	if (key->kind == KEY_FLAG && strcmp(text, "true") != 0 && strcmp(text, "false") != 0) {
		g_set_error(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE,
			    "'%s' must be true or false, not '%s'", key->name, text);
		return FALSE;
	}
	if (key->kind == KEY_NAME && !name_valid(text)) {
		g_set_error(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE,
			    "'%s' must be lower-case letters, digits and inner '-', not '%s'",
			    key->name, text);
		return FALSE;
	}
	if (key->kind == KEY_INTEGER &&
	    !g_ascii_string_to_signed(text, 10, key->min, key->max, &number, NULL)) {
		g_set_error(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE,
			    "'%s' must be a number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT
			    ", not '%s'",
			    key->name, key->min, key->max, text);
		return FALSE;
	}
	return TRUE;
}

/* GKeyFile does not say where a key stands: look for it, so that the message can. */
static guint
settings_find_line(const char *content, const char *group, const char *name)
{
	g_auto(GStrv) lines = g_strsplit(content, "\n", -1);
	g_autofree char *header = g_strdup_printf("[%s]", group);
	gboolean inside = FALSE;

	for (guint i = 0; lines[i]; i++) {
		char *line = g_strstrip(lines[i]);

		if (line[0] == '[')
			inside = g_str_has_prefix(line, header);
		if (!name && inside)
			return i + 1;
		if (name && inside && g_str_has_prefix(line, name) &&
		    strchr(" \t=", line[strlen(name)]))
			return i + 1;
	}
	return 0;
}

static gboolean
settings_add_key(struct settings *settings, GKeyFile *file, const char *group, const char *name,
		 GError **error)
{
	const struct key *key = settings_find_key(group, name);
	g_autofree char *text = NULL;

	if (!key) {
		g_set_error(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_KEY_NOT_FOUND,
			    "unknown key '%s' in [%s]; see carrel.conf(5) for those that exist",
			    name, group);
		return FALSE;
	}
	text = g_key_file_get_string(file, group, name, error);
	if (!text || !settings_check_value(key, text, error))
		return FALSE;
	g_hash_table_replace(settings->values, g_strdup_printf("%s.%s", group, name),
			     g_steal_pointer(&text));
	return TRUE;
}

static gboolean
settings_has_group(const char *group)
{
	for (gsize i = 0; i < G_N_ELEMENTS(key_table); i++)
		if (strcmp(key_table[i].group, group) == 0)
			return TRUE;
	return FALSE;
}

static gboolean
settings_add_file(struct settings *settings, const char *path, const char *content, GError **error)
{
	g_autoptr(GKeyFile) file = g_key_file_new();
	g_auto(GStrv) groups = NULL;

	if (!g_key_file_load_from_data(file, content, (gsize)-1, G_KEY_FILE_NONE, error)) {
		g_prefix_error(error, "%s: ", path);
		return FALSE;
	}
	groups = g_key_file_get_groups(file, NULL);
	for (guint i = 0; groups[i]; i++) {
		g_auto(GStrv) keys = g_key_file_get_keys(file, groups[i], NULL, NULL);

		if (!settings_has_group(groups[i])) {
			g_set_error(
				error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_GROUP_NOT_FOUND,
				"%s:%u: unknown group [%s]; see carrel.conf(5) for those that exist",
				path, settings_find_line(content, groups[i], NULL), groups[i]);
			return FALSE;
		}
		for (guint k = 0; keys && keys[k]; k++) {
			if (settings_add_key(settings, file, groups[i], keys[k], error))
				continue;
			g_prefix_error(error, "%s:%u: ", path,
				       settings_find_line(content, groups[i], keys[k]));
			return FALSE;
		}
	}
	return TRUE;
}

static gboolean
settings_read_file(struct settings *settings, const char *path, gboolean optional, GError **error)
{
	g_autofree char *content = NULL;
	g_autoptr(GError) problem = NULL;

	if (!g_file_get_contents(path, &content, NULL, &problem)) {
		if (optional && g_error_matches(problem, G_FILE_ERROR, G_FILE_ERROR_NOENT))
			return TRUE;
		g_set_error(
			error, problem->domain, problem->code,
			"cannot read the configuration: %s: make that file, or name another with --config",
			problem->message);
		return FALSE;
	}
	return settings_add_file(settings, path, content, error);
}

static gint
settings_compare_names(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static gboolean
settings_read_folder(struct settings *settings, const char *path, GError **error)
{
	g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	const char *name;

	while (folder && (name = g_dir_read_name(folder)))
		if (g_str_has_suffix(name, ".conf"))
			g_ptr_array_add(names, g_build_filename(path, name, NULL));
	g_ptr_array_sort(names, settings_compare_names);
	for (guint i = 0; i < names->len; i++)
		if (!settings_read_file(settings, names->pdata[i], FALSE, error))
			return FALSE;
	return TRUE;
}

struct settings *
settings_load(const char *path, gboolean optional, GError **error)
{
	struct settings *settings = g_new0(struct settings, 1);
	g_autofree char *folder = g_path_get_dirname(path);
	g_autofree char *parts = g_build_filename(folder, "conf.d", NULL);

	settings->values = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	settings->lists =
		g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_strfreev);
	if (settings_read_file(settings, path, optional, error) &&
	    settings_read_folder(settings, parts, error))
		return settings;
	settings_free(settings);
	return NULL;
}

void
settings_free(struct settings *settings)
{
	if (!settings)
		return;
	g_hash_table_unref(settings->values);
	g_hash_table_unref(settings->lists);
	g_free(settings);
}

const char *
settings_get_text(const struct settings *settings, const char *group, const char *key)
{
	const struct key *known = settings_find_key(group, key);
	g_autofree char *path = g_strdup_printf("%s.%s", group, key);
	const char *text;

	g_assert(known);
	text = g_hash_table_lookup(settings->values, path);
	return text ? text : known->fallback;
}

gint64
settings_get_integer(const struct settings *settings, const char *group, const char *key)
{
	return g_ascii_strtoll(settings_get_text(settings, group, key), NULL, 10);
}

gboolean
settings_get_flag(const struct settings *settings, const char *group, const char *key)
{
	return strcmp(settings_get_text(settings, group, key), "true") == 0;
}

const char *const *
settings_get_list(const struct settings *settings, const char *group, const char *key)
{
	g_autofree char *path = g_strdup_printf("%s.%s", group, key);
	const char *text = settings_get_text(settings, group, key);
	char **list = g_hash_table_lookup(settings->lists, path);

	if (!list) {
		g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
		g_auto(GStrv) parts = g_strsplit_set(text, ",; ", -1);

		for (guint i = 0; parts[i]; i++)
			if (parts[i][0] != '\0')
				g_strv_builder_add(builder, parts[i]);
		list = g_strv_builder_end(builder);
		g_hash_table_insert(settings->lists, g_steal_pointer(&path), list);
	}
	return (const char *const *)list;
}

gboolean
settings_describe(guint index, const char **ret_group, const char **ret_key,
		  const char **ret_default, const char **ret_help)
{
	if (index >= G_N_ELEMENTS(key_table))
		return FALSE;
	*ret_group = key_table[index].group;
	*ret_key = key_table[index].name;
	*ret_default = key_table[index].fallback;
	*ret_help = key_table[index].help;
	return TRUE;
}
