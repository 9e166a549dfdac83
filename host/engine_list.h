/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * engine_list.h - the engines of this host: found by name, and as they are told to the broker and to the doctor
 */
#ifndef HOST_ENGINE_LIST_H
#define HOST_ENGINE_LIST_H

#include <gio/gio.h>

#include "base/json.h"

struct engine_ops;
struct launch_record;
struct manifest;

/* By the name that templates and the broker give; NULL: there is none. */
const struct engine_ops *engine_list_find(const char *name);

/* The one whose process launch has listed for this desktop; NULL: none. */
const struct engine_ops *engine_list_find_running(const struct launch_record *record);

/*
 * [{"name", "usable", "accelerator", "isolation", "reason", "networks": [text], "network_reason"}], a new reference.
 * accept_unisolated: whether this host's owner lets guests run without hardware virtualization (carrel.conf(5)).
 */
json_t *engine_list_describe(gboolean accept_unisolated);

/*
 * The engine that a template is published for when nobody has said it. setting: as in carrel.conf(5): an engine's name, or
 * "auto", the first usable one of this host, of which engine kvm comes first. engines: as engine_list_describe() gives them.
 */
const char *engine_list_choose(const char *setting, const json_t *engines);

/*
 * Could this host restore exactly what the version holds for that kind? FALSE and an error as of the engine's check(); a version
 * that holds nothing sealed is ENGINE_ERROR_FOREIGN. kvm: as in struct engine_place.
 */
gboolean engine_list_check(const struct manifest *manifest, const char *kind, int kvm,
			   GError **error);

/* Why no desktop of that engine can run here; NULL: it can. The caller's to free. */
char *engine_list_refuse(const char *name, gboolean accept_unisolated);

#endif
