/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * client_settings.c - keyboard layout, locale and time zone of the client (carrel-viewer)
 *
 * How it works: under X11 the server itself says which layout it has (client_settings_read_x11(), the same source as
 * "setxkbmap -query"); elsewhere GNOME's settings do (client_settings_read_gnome()); else it is "us". Only the
 * characters that a layout's name can have are passed on.
 */
#include "viewer/client_settings.h"

#include <gtk/gtk.h>
#include <locale.h>
#include <string.h>

#define XKB_MAX_BYTES  1024
#define XKB_FIELDS     5
#define XKB_LAYOUTS    2
#define XKB_VARIANTS   3
#define NAME_MAX_BYTES 32

static char *
client_settings_take_first(const char *list)
{
	gsize length = strcspn(list, ",");

	if (length > NAME_MAX_BYTES)
		return NULL;
	for (gsize i = 0; i < length; i++)
		if (!g_ascii_isalnum(list[i]) && !strchr("_-", list[i]))
			return NULL;
	return g_strndup(list, length);
}

gboolean
client_settings_parse_xkb(const char *data, gsize size, char **ret_layout, char **ret_variant)
{
	const char *fields[XKB_FIELDS];
	g_autofree char *layout = NULL;
	g_autofree char *variant = NULL;
	gsize n = 0;
	gsize start = 0;

	for (gsize i = 0; i < size && n < XKB_FIELDS; i++) {
		if (data[i] != '\0')
			continue;
		fields[n++] = data + start;
		start = i + 1;
	}
	if (n <= XKB_LAYOUTS)
		return FALSE;
	layout = client_settings_take_first(fields[XKB_LAYOUTS]);
	variant =
		n > XKB_VARIANTS ? client_settings_take_first(fields[XKB_VARIANTS]) : g_strdup("");
	if (!layout || layout[0] == '\0' || !variant)
		return FALSE;
	*ret_layout = g_steal_pointer(&layout);
	*ret_variant = g_steal_pointer(&variant);
	return TRUE;
}

static gboolean
client_settings_read_x11(char **ret_layout, char **ret_variant)
{
	GdkWindow *root = gdk_get_default_root_window();
	g_autofree guchar *data = NULL;
	GdkAtom type;
	gint format;
	gint length;

	if (!root || !gdk_property_get(root, gdk_atom_intern_static_string("_XKB_RULES_NAMES"),
				       gdk_atom_intern_static_string("STRING"), 0, XKB_MAX_BYTES,
				       FALSE, &type, &format, &length, &data))
		return FALSE;
	return format == 8 && client_settings_parse_xkb((const char *)data, (gsize)length,
							ret_layout, ret_variant);
}

static gboolean
client_settings_read_gnome(char **ret_layout, char **ret_variant)
{
	GSettingsSchemaSource *source = g_settings_schema_source_get_default();
	g_autoptr(GSettingsSchema) schema = NULL;
	g_autoptr(GSettings) settings = NULL;
	g_autoptr(GVariant) list = NULL;
	const char *kind;
	const char *name;
	const char *plus;

	if (source)
		schema = g_settings_schema_source_lookup(source, "org.gnome.desktop.input-sources",
							 TRUE);
	if (!schema)
		return FALSE;
	settings = g_settings_new_full(schema, NULL, NULL);
	list = g_settings_get_value(settings, "sources");
	if (g_variant_n_children(list) == 0)
		return FALSE;
	g_variant_get_child(list, 0, "(&s&s)", &kind, &name);
	if (!g_str_equal(kind, "xkb"))
		return FALSE;
	plus = strchr(name, '+');
	*ret_layout = plus ? g_strndup(name, (gsize)(plus - name)) : g_strdup(name);
	*ret_variant = g_strdup(plus ? plus + 1 : "");
	return TRUE;
}

static char *
client_settings_get_locale(void)
{
	const char *locale = setlocale(LC_CTYPE, NULL);

	if (!locale || g_str_equal(locale, "C") || g_str_equal(locale, "POSIX"))
		return g_strdup("C.UTF-8");
	return g_strdup(locale);
}

static char *
client_settings_get_timezone(void)
{
	g_autoptr(GTimeZone) zone = g_time_zone_new_local();
	g_autofree char *text = NULL;
	const char *name = g_time_zone_get_identifier(zone);

	/* "/etc/localtime" as a plain file has no name; then Debian's /etc/timezone knows it. */
	if ((!name || !strchr(name, '/')) &&
	    g_file_get_contents("/etc/timezone", &text, NULL, NULL)) {
		g_strstrip(text);
		name = text;
	}
	if (!name || name[0] == '\0' || name[0] == '/' || strlen(name) > 64)
		return g_strdup("UTC");
	return g_strdup(name);
}

json_t *
client_settings_describe(void)
{
	g_autofree char *layout = NULL;
	g_autofree char *variant = NULL;
	g_autofree char *locale = client_settings_get_locale();
	g_autofree char *timezone = client_settings_get_timezone();

	if (!client_settings_read_x11(&layout, &variant) &&
	    !client_settings_read_gnome(&layout, &variant)) {
		layout = g_strdup("us");
		variant = g_strdup("");
	}
	return json_pack("{s:{s:s, s:s}, s:s, s:s}", "keyboard", "layout", layout, "variant",
			 variant, "locale", locale, "timezone", timezone);
}
