/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * client_settings.h - what a desktop has to know of the machine in front of the user
 *
 * SPICE carries scan codes: without the client's layout keys come out wrong in the guest, so it goes
 * with the request for a desktop (docs/PROTOCOL.md, "API").
 */
#ifndef VIEWER_CLIENT_SETTINGS_H
#define VIEWER_CLIENT_SETTINGS_H

#include <glib.h>

#include "base/json.h"

/* {"keyboard": {"layout", "variant"}, "locale", "timezone"} for assign; the caller's reference. GTK must be up. */
json_t *client_settings_describe(void);

/*
 * The first layout and its variant out of the property _XKB_RULES_NAMES (rules, model, layouts, variants, options,
 * each behind the other with a NUL). FALSE when it is not of this form; then nothing is written.
 */
gboolean client_settings_parse_xkb(const char *data, gsize size, char **ret_layout,
				   char **ret_variant);

#endif
