/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * engine_list.h - the engines of this host, as they are told to the broker and to the doctor
 */
#ifndef HOST_ENGINE_LIST_H
#define HOST_ENGINE_LIST_H

#include <glib.h>

#include "base/json.h"

/*
 * [{"name", "usable", "accelerator", "isolation", "reason", "networks": [text], "network_reason"}], a new reference.
 * accept_unisolated: whether this host's owner lets guests run without hardware virtualization (carrel.conf(5)).
 */
json_t *engine_list_describe(gboolean accept_unisolated);

/* Why no desktop of that engine can run here; NULL: it can. The caller's to free. */
char *engine_list_refuse(const char *name, gboolean accept_unisolated);

#endif
