/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * doctor_templates.c - can this machine fork the template versions on its disk? (carrel-hostd)
 *
 * How it works: each version's manifest is held against this host (engine_list_check()), as is done before a desktop of it is made.
 * Only what would have to be sealed again counts: an engine that cannot run here has a line of its own.
 */
#include "host/doctor_templates.h"

#include "host/doctor.h"
#include "host/doctor_kvm.h"
#include "host/engine_error.h"
#include "host/engine_list.h"
#include "host/manifest.h"
#include "host/template_store.h"

struct templates_found {
	guint versions;
	guint foreign;
	char *first; /* of those, and why */
};

static void
doctor_templates_look_at(struct templates_found *found, const char *folder)
{
	struct manifest *manifest = manifest_read(folder, NULL);
	size_t index;
	json_t *kind;

	if (!manifest)
		return; /* hostd's log has it */
	found->versions++;
	json_array_foreach((json_t *)(guintptr)manifest->kinds, index, kind) {
		g_autoptr(GError) error = NULL;

		engine_list_check(manifest, json_string_value(kind), -1, &error);
		if (!g_error_matches(error, ENGINE_ERROR, ENGINE_ERROR_FOREIGN))
			continue;
		if (!found->first)
			found->first = g_strdup_printf("'%s@%u': %s", manifest->name,
						       manifest->version, error->message);
		found->foreign++;
		break;
	}
	manifest_free(manifest);
}

static void
doctor_templates_look_below(struct templates_found *found, const char *folder)
{
	g_autoptr(GDir) versions = g_dir_open(folder, 0, NULL);
	const char *version;

	while (versions && found->versions < TEMPLATE_STORE_MAX &&
	       (version = g_dir_read_name(versions))) {
		g_autofree char *path = g_build_filename(folder, version, NULL);

		doctor_templates_look_at(found, path);
	}
}

void
doctor_templates_check(const struct doctor_options *options, struct doctor_finding *finding)
{
	g_autofree char *folder = g_build_filename(options->lib, "templates", NULL);
	g_autoptr(GDir) names = g_dir_open(folder, 0, NULL);
	struct templates_found found = { 0 };
	const char *name;

	while (names && (name = g_dir_read_name(names))) {
		g_autofree char *path = g_build_filename(folder, name, NULL);

		doctor_templates_look_below(&found, path);
	}
	finding->ok = found.foreign == 0;
	finding->value =
		found.first ? g_strdup_printf("%u of %u versions cannot be forked here; %s",
					      found.foreign, found.versions, found.first)
			    : g_strdup_printf("%u versions can be forked here", found.versions);
	finding->advice = found.first
				  ? "each is sealed again when a desktop of it is wanted, three "
				    "times an hour at most; or publish it again"
				  : "";
	g_free(found.first);
}
