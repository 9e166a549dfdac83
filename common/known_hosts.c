/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * known_hosts.c - the certificates of the brokers that this user has trusted (carrel, carrel-viewer)
 */
#include "common/known_hosts.h"

#include <gio/gio.h>
#include <string.h>

#define SCHEME "https://"

char *
known_hosts_normalize(const char *address, GError **error)
{
	g_autofree char *full = g_strstrip(g_strdup(address));
	g_autoptr(GUri) uri = NULL;
	const char *host;
	gint port;

	if (!strstr(full, "://")) {
		char *with_scheme = g_strconcat(SCHEME, full, NULL);

		g_free(full);
		full = with_scheme;
	}
	uri = g_uri_parse(full, G_URI_FLAGS_NONE, NULL);
	host = uri ? g_uri_get_host(uri) : NULL;
	if (!host || host[0] == '\0' || strpbrk(host, " \t\n%") ||
	    !g_str_equal(g_uri_get_scheme(uri), "https") || g_uri_get_userinfo(uri)) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
			    "“%s” is not a broker's address such as https://broker.example:8443",
			    address);
		return NULL;
	}
	port = g_uri_get_port(uri) > 0 ? g_uri_get_port(uri) : KNOWN_HOSTS_DEFAULT_PORT;
	return g_strdup_printf(strchr(host, ':') ? SCHEME "[%s]:%d" : SCHEME "%s:%d", host, port);
}

char *
known_hosts_get_path(void)
{
	return g_build_filename(g_get_user_config_dir(), "carrel", "known_hosts", NULL);
}

/* "https://host:port" without its scheme. */
static const char *
known_hosts_get_name(const char *broker)
{
	return g_str_has_prefix(broker, SCHEME) ? broker + strlen(SCHEME) : broker;
}

static gboolean
known_hosts_line_is_for(const char *line, const char *name)
{
	gsize length = strlen(name);

	return g_ascii_strncasecmp(line, name, length) == 0 && line[length] == ' ';
}

char *
known_hosts_find(const char *broker)
{
	g_autofree char *path = known_hosts_get_path();
	const char *name = known_hosts_get_name(broker);
	g_autofree char *text = NULL;
	g_auto(GStrv) lines = NULL;

	if (!g_file_get_contents(path, &text, NULL, NULL))
		return NULL;
	lines = g_strsplit(text, "\n", -1);
	for (gsize i = 0; lines[i]; i++)
		if (known_hosts_line_is_for(lines[i], name))
			return g_strstrip(g_strdup(lines[i] + strlen(name)));
	return NULL;
}

gboolean
known_hosts_add(const char *broker, const char *fingerprint, GError **error)
{
	g_autofree char *path = known_hosts_get_path();
	g_autofree char *folder = g_path_get_dirname(path);
	const char *name = known_hosts_get_name(broker);
	g_autoptr(GString) result = g_string_new(NULL);
	g_autofree char *text = NULL;
	g_auto(GStrv) lines = NULL;

	if (g_file_get_contents(path, &text, NULL, NULL))
		lines = g_strsplit(text, "\n", -1);
	for (gsize i = 0; lines && lines[i]; i++)
		if (lines[i][0] != '\0' && !known_hosts_line_is_for(lines[i], name))
			g_string_append_printf(result, "%s\n", lines[i]);
	g_string_append_printf(result, "%s %s\n", name, fingerprint);
	g_mkdir_with_parents(folder, 0700);
	return g_file_set_contents_full(path, result->str, (gssize)result->len,
					G_FILE_SET_CONTENTS_CONSISTENT, 0600, error);
}
