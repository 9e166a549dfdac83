/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * engine_list.c - the engines of this host (carrel-hostd, carrel-worker)
 */
#include "host/engine_list.h"

#include <string.h>

#include "host/desktop_network.h"
#include "host/engine.h"
#include "host/engine_error.h"

#define UNISOLATED_REFUSED                                                                   \
	"this machine has no hardware virtualization, and 'accept_unisolated' in [host] of " \
	"carrel.conf is false"

/* The best first. */
static const struct engine_ops *const engine_list[] = { &engine_kvm_ops, &engine_qemu_ops };

const struct engine_ops *
engine_list_find(const char *name)
{
	for (gsize i = 0; i < G_N_ELEMENTS(engine_list); i++)
		if (strcmp(engine_list[i]->name, name) == 0)
			return engine_list[i];
	return NULL;
}

gboolean
engine_list_check(const struct manifest *manifest, const char *kind, int kvm, GError **error)
{
	static const char *const sealed_files[] = { "memory", "state" };
	const struct engine_ops *ops = engine_list_find(manifest->engine);

	if (!ops) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
			    "this host has no engine '%s'", manifest->engine);
		return FALSE;
	}
	for (gsize i = 0; i < G_N_ELEMENTS(sealed_files); i++) {
		g_autofree char *path =
			g_build_filename(manifest->engine, kind, sealed_files[i], NULL);

		if (manifest_has_file(manifest, path))
			continue;
		g_set_error(error, ENGINE_ERROR, ENGINE_ERROR_FOREIGN,
			    "it holds no sealed machine: '%s' is missing", path);
		return FALSE;
	}
	return ops->check(manifest, kvm, error);
}

const struct engine_ops *
engine_list_find_running(const struct launch_record *record)
{
	for (gsize i = 0; i < G_N_ELEMENTS(engine_list); i++)
		if (record->processes[engine_list[i]->role].pid > 0)
			return engine_list[i];
	return NULL;
}

/* What the engine says of itself, unless this host's owner refuses it, and which networks its desktops can have. */
static json_t *
engine_list_probe(const struct engine_ops *ops, gboolean accept_unisolated)
{
	json_t *engine = ops->probe(-1);
	g_autofree char *no_network = desktop_network_find_refusal("");

	json_object_set_new(engine, "networks",
			    no_network ? json_pack("[s]", "none")
				       : json_pack("[s, s]", "none", "passt"));
	json_object_set_new(engine, "network_reason", json_string(no_network ? no_network : ""));
	if (!accept_unisolated && strcmp(json_get_text(engine, "isolation", ""), "none") == 0) {
		json_object_set_new(engine, "usable", json_false());
		json_object_set_new(engine, "reason", json_string(UNISOLATED_REFUSED));
	}
	return engine;
}

json_t *
engine_list_describe(gboolean accept_unisolated)
{
	json_t *list = json_array();

	for (gsize i = 0; i < G_N_ELEMENTS(engine_list); i++)
		json_array_append_new(list, engine_list_probe(engine_list[i], accept_unisolated));
	return list;
}

const char *
engine_list_choose(const char *setting, const json_t *engines)
{
	const struct engine_ops *set = engine_list_find(setting);

	for (gsize i = 0; !set && i < json_array_size(engines); i++) {
		const json_t *engine = json_array_get(engines, i);

		if (json_get_flag(engine, "usable", FALSE))
			set = engine_list_find(json_get_text(engine, "name", ""));
	}
	return set ? set->name : engine_qemu_ops.name;
}

char *
engine_list_refuse(const char *name, gboolean accept_unisolated)
{
	const struct engine_ops *ops = engine_list_find(name);
	json_t *engine;
	char *reason = NULL;

	if (!ops)
		return g_strdup_printf("this host has no engine '%s'", name);
	engine = engine_list_probe(ops, accept_unisolated);
	if (!json_get_flag(engine, "usable", FALSE))
		reason = g_strdup(json_get_text(engine, "reason", ""));
	json_decref(engine);
	return reason;
}
