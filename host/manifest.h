/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * manifest.h - manifest.json of a template version, version 1
 *
 * {"v": 1, "name", "version", "parent", "created_ms", "author", "note", "kinds": ["user"], "agent_version",
 *  "engine": {"name", "version", "accelerator", "state_format"},
 *  "machine": {"type", "cpu", "cpuid_sha256", "cpus", "ram_mib", "command_line", "devices": [{"id", "driver", "address"}]},
 *  "report": [{"name", "ms"}], "files": [{"path", "size", "sha256"}]}
 */
#ifndef HOST_MANIFEST_H
#define HOST_MANIFEST_H

#include <gio/gio.h>

#include "base/json.h"

#define MANIFEST_FILE	     "manifest.json"
#define MANIFEST_MAX_BYTES   (64 * 1024)
#define MANIFEST_MAX_RAM_MIB (1024 * 1024)
#define MANIFEST_MAX_CPU     128 /* bytes of its name */

/* The texts point into "object". */
struct manifest {
	json_t *object;
	const char *name;
	guint32 version;
	const char *author;
	gint64 created_ms;
	const char *engine;
	const char *engine_version;
	const char *accelerator;
	int state_format;
	const char *machine_type;
	const char *cpu;
	const char *cpuid_sha256;
	guint cpus;
	guint ram_mib;
	const char *command_line;
	const json_t *devices;
	const json_t *kinds;
	const json_t *files;
};

/* Takes over the object and checks all of it; NULL and an error that says what is wrong. */
struct manifest *manifest_new(json_t *object, GError **error);
struct manifest *manifest_parse(const char *text, gsize size, GError **error);
struct manifest *manifest_read(const char *folder, GError **error);
void manifest_free(struct manifest *manifest);

/* Writes <folder>/manifest.json durably. */
gboolean manifest_write(const struct manifest *manifest, const char *folder, GError **error);

gboolean manifest_has_file(const struct manifest *manifest, const char *path);

/* An entry for "files": size and SHA-256 of <folder>/<path>. Reads the whole file. */
json_t *manifest_describe_file(const char *folder, const char *path, GCancellable *cancellable,
			       GError **error);

/* Compares every file with its entry; the error names the first that differs. Reads all of them. */
gboolean manifest_verify_files(const struct manifest *manifest, const char *folder,
			       GCancellable *cancellable, GError **error);

/* Only names and sizes: what a host checks before each use. */
gboolean manifest_check_sizes(const struct manifest *manifest, const char *folder, GError **error);

#endif
