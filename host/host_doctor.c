/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * host_doctor.c - doctor.h of this host, by its settings, looked at now and then (carrel-hostd)
 */
#include "host/host_doctor.h"

#include <string.h>

#include "base/log.h"
#include "common/settings.h"
#include "host/doctor.h"
#include "host/engine_list.h"

#define HOST_DOCTOR_EVERY_S 60

struct host_doctor {
	const char *lib;
	const struct settings *settings;
	json_t *found;
	guint timer;
};

json_t *
host_doctor_examine(const char *lib, const struct settings *settings)
{
	const char *range = settings_get_text(settings, "host", "uid_range");
	const char *end = strchr(range, '-');
	guint64 first = g_ascii_strtoull(range, NULL, 10);
	guint64 last = end ? g_ascii_strtoull(end + 1, NULL, 10) : 0;
	json_t *engines =
		engine_list_describe(settings_get_flag(settings, "host", "accept_unisolated"));
	struct doctor_options options = { .engines = engines,
					  .qemu = "qemu-system-x86_64",
					  .passt = "passt",
					  .lib = lib,
					  .root = "",
					  .uid_first = first,
					  .uid_count = last >= first ? last - first + 1 : 0 };
	json_t *found;

	found = doctor_examine(&options);
	json_decref(engines);
	return found;
}

static gboolean
host_doctor_handle_timer(gpointer data)
{
	struct host_doctor *doctor = data;

	json_decref(doctor->found);
	doctor->found = host_doctor_examine(doctor->lib, doctor->settings);
	return G_SOURCE_CONTINUE;
}

/* It can be mended while we run, so it is no reason to end. */
static void
host_doctor_warn_of_engines(const struct host_doctor *doctor)
{
	const json_t *engines = json_object_get(doctor->found, "engines");

	for (gsize i = 0; i < json_array_size(engines); i++) {
		const json_t *engine = json_array_get(engines, i);

		if (!json_get_flag(engine, "usable", 0))
			log_warning("engine '%s' makes no desktop here: %s",
				    json_get_text(engine, "name", ""),
				    json_get_text(engine, "reason", ""));
	}
}

struct host_doctor *
host_doctor_new(const char *lib, const struct settings *settings)
{
	struct host_doctor *doctor = g_new0(struct host_doctor, 1);

	doctor->lib = lib;
	doctor->settings = settings;
	doctor->found = host_doctor_examine(lib, settings);
	doctor->timer =
		g_timeout_add_seconds(HOST_DOCTOR_EVERY_S, host_doctor_handle_timer, doctor);
	host_doctor_warn_of_engines(doctor);
	return doctor;
}

void
host_doctor_free(struct host_doctor *doctor)
{
	g_clear_handle_id(&doctor->timer, g_source_remove);
	json_decref(doctor->found);
	g_free(doctor);
}

json_t *
host_doctor_get(const struct host_doctor *doctor)
{
	return doctor->found;
}

const char *
host_doctor_choose_engine(const struct host_doctor *doctor)
{
	return engine_list_choose(settings_get_text(doctor->settings, "host", "engine"),
				  json_object_get(doctor->found, "engines"));
}
