/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hostd_settings.c - what of the configuration hostd refuses to start with (carrel-hostd)
 */
#include "host/hostd_settings.h"

#include <gio/gio.h>
#include <string.h>

#include "base/name.h"
#include "common/settings.h"
#include "host/engine_list.h"

char *
hostd_settings_find_name(const struct settings *settings, GError **error)
{
	const char *set = settings_get_text(settings, "host", "name");
	g_autofree char *own = g_ascii_strdown(g_get_host_name(), -1);

	own[strcspn(own, ".")] = '\0';
	if (set[0] == '\0' && name_valid(own))
		return g_steal_pointer(&own);
	if (name_valid(set))
		return g_strdup(set);
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
		    "'%s' is no name for a host: set 'name' in [host] of carrel.conf to lower-case "
		    "letters, digits and inner '-'",
		    set[0] ? set : own);
	return NULL;
}

gboolean
hostd_settings_check_engine(const struct settings *settings, GError **error)
{
	const char *engine = settings_get_text(settings, "host", "engine");

	if (strcmp(engine, "auto") == 0 || engine_list_find(engine))
		return TRUE;
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
		    "engine '%s' is not in this build: set 'engine' in [host] of carrel.conf to "
		    "auto, kvm or qemu",
		    engine);
	return FALSE;
}

gboolean
hostd_settings_find_exchange(const struct settings *settings, const char **ret_exchange,
			     GError **error)
{
	const char *exchange = settings_get_text(settings, "host", "exchange");

	if (exchange[0] == '\0' || g_path_is_absolute(exchange)) {
		*ret_exchange = exchange[0] == '\0' ? NULL : exchange;
		return TRUE;
	}
	g_set_error(
		error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
		"'%s' is no absolute path: set 'exchange' in [host] of carrel.conf to the folder that "
		"hosts share, such as /srv/carrel-exchange, or leave it out",
		exchange);
	return FALSE;
}

static gboolean
hostd_settings_is_proxy(const char *proxy)
{
	g_autoptr(GUri) uri = g_uri_parse(proxy, G_URI_FLAGS_NONE, NULL);
	const char *host = uri ? g_uri_get_host(uri) : NULL;

	return host && host[0] != '\0' && strcmp(g_uri_get_scheme(uri), "http") == 0 &&
	       g_uri_get_port(uri) > 0;
}

char *
hostd_settings_find_proxy(const struct settings *settings, GError **error)
{
	const char *set = settings_get_text(settings, "gateway", "proxy");
	const char *listen = settings_get_text(settings, "gateway", "listen");

	if (set[0] != '\0' && hostd_settings_is_proxy(set))
		return g_strdup(set);
	if (set[0] != '\0')
		g_set_error(
			error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
			"'%s' is no address of a gateway: set 'proxy' in [gateway] of carrel.conf to "
			"one such as http://desks.example:3128",
			set);
	else if (g_str_has_prefix(listen, "0.0.0.0:") || g_str_has_prefix(listen, "[::]:"))
		g_set_error(
			error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
			"the gateway listens on every address ('%s'), which tells clients none: set "
			"'proxy' in [gateway] of carrel.conf, such as http://desks.example:3128",
			listen);
	else
		return g_strconcat("http://", listen, NULL);
	return NULL;
}
