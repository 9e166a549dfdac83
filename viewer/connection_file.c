/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * connection_file.c - the .vv file and its JSON form (carrel-viewer)
 *
 * How it works: one table of keys says which field each fills and whether a display can be reached without it. Both
 * forms are read through connection_file_fill() with a look-up function of their own.
 */
#include "viewer/connection_file.h"

#include <gio/gio.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <string.h>

#define GROUP		"virt-viewer"
#define PORT_MAX	65535
#define VALUE_MAX_BYTES (16 * 1024)

static const struct {
	const char *key;
	gsize offset;
	gboolean needed;
} key_table[] = {
	{ "host", offsetof(struct connection_file, host), TRUE },
	{ "tls-port", offsetof(struct connection_file, tls_port), TRUE },
	{ "password", offsetof(struct connection_file, password), FALSE },
	{ "proxy", offsetof(struct connection_file, proxy), FALSE },
	{ "ca", offsetof(struct connection_file, ca), TRUE },
	{ "host-subject", offsetof(struct connection_file, host_subject), TRUE },
	{ "title", offsetof(struct connection_file, title), FALSE },
};

typedef char *(*connection_file_lookup)(const void *source, const char *key);

static char **
connection_file_get_field(struct connection_file *file, gsize index)
{
	return (char **)((char *)file + key_table[index].offset);
}

static void
connection_file_wipe(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	g_free(text);
}

void
connection_file_free(struct connection_file *file)
{
	if (!file)
		return;
	for (gsize i = 0; i < G_N_ELEMENTS(key_table); i++)
		connection_file_wipe(*connection_file_get_field(file, i));
	g_free(file);
}

static gboolean
connection_file_take_fields(struct connection_file *file, const void *source,
			    connection_file_lookup lookup, GError **error)
{
	for (gsize i = 0; i < G_N_ELEMENTS(key_table); i++) {
		char **field = connection_file_get_field(file, i);

		*field = lookup(source, key_table[i].key);
		if (*field ? strlen(*field) <= VALUE_MAX_BYTES : !key_table[i].needed)
			continue;
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
			    _("The connection data are incomplete: “%s” is missing or too long."),
			    key_table[i].key);
		return FALSE;
	}
	return TRUE;
}

static gboolean
connection_file_check_port(const char *port, GError **error)
{
	if (g_ascii_string_to_unsigned(port, 10, 1, PORT_MAX, NULL, NULL))
		return TRUE;
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
		    _("The connection data are wrong: “tls-port” is not a port from 1 to %d."),
		    PORT_MAX);
	return FALSE;
}

static struct connection_file *
connection_file_fill(const void *source, connection_file_lookup lookup, GError **error)
{
	struct connection_file *file = g_new0(struct connection_file, 1);

	if (connection_file_take_fields(file, source, lookup, error) &&
	    connection_file_check_port(file->tls_port, error))
		return file;
	connection_file_free(file);
	return NULL;
}

static char *
connection_file_lookup_json(const void *source, const char *key)
{
	const json_t *value = json_object_get(source, key);

	if (json_is_integer(value))
		return g_strdup_printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
	return g_strdup(json_string_value(value));
}

static char *
connection_file_lookup_key(const void *source, const char *key)
{
	return g_key_file_get_string((GKeyFile *)source, GROUP, key, NULL);
}

struct connection_file *
connection_file_from_json(const json_t *object, GError **error)
{
	return connection_file_fill(object, connection_file_lookup_json, error);
}

struct connection_file *
connection_file_parse(const char *text, gsize size, const char *name, gboolean *ret_remove,
		      GError **error)
{
	g_autoptr(GKeyFile) keys = g_key_file_new();
	g_autofree char *type = NULL;

	*ret_remove = FALSE;
	if (size > CONNECTION_FILE_MAX_BYTES) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
			    _("“%s” is too large for a connection file."), name);
		return NULL;
	}
	if (!g_key_file_load_from_data(keys, text, size, G_KEY_FILE_NONE, NULL)) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
			    _("“%s” is not a connection file (.vv)."), name);
		return NULL;
	}
	type = g_key_file_get_string(keys, GROUP, "type", NULL);
	if (g_strcmp0(type, "spice") != 0) {
		g_set_error(
			error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
			_("“%s” is not for a SPICE display; this viewer shows SPICE displays only."),
			name);
		return NULL;
	}
	*ret_remove = g_key_file_get_integer(keys, GROUP, "delete-this-file", NULL) == 1;
	return connection_file_fill(keys, connection_file_lookup_key, error);
}

struct connection_file *
connection_file_load(const char *path, GError **error)
{
	/* One more than may be: whatever it is that has no end, it is too large. */
	g_autofree char *text = g_malloc(CONNECTION_FILE_MAX_BYTES + 1);
	g_autoptr(GFile) source = g_file_new_for_path(path);
	g_autoptr(GFileInputStream) stream = g_file_read(source, NULL, error);
	struct connection_file *file;
	gboolean removed;
	gsize size;

	if (!stream || !g_input_stream_read_all(G_INPUT_STREAM(stream), text,
						CONNECTION_FILE_MAX_BYTES + 1, &size, NULL, error))
		return NULL;
	file = connection_file_parse(text, size, path, &removed, error);
	explicit_bzero(text, size);
	if (removed && g_unlink(path) < 0)
		g_message("the connection file '%s' could not be removed: %s", path,
			  g_strerror(errno));
	return file;
}
