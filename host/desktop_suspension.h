/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * desktop_suspension.h - what a desktop's folder says of its origin, and what it holds while the desktop is suspended
 *
 * origin.json, of each fork: {"v": 1, "template", "version", "kind", "engine", "template_sha256", "cpu", "cpuid_sha256", "genid"}.
 * suspended.json, while it is suspended: the same with "generation", "phase", "boot" (the host's boot id), "overlay_bytes" and
 * "overlay_ns" (when it was last written); beside it the files suspended.state and suspended.pages.
 */
#ifndef HOST_DESKTOP_SUSPENSION_H
#define HOST_DESKTOP_SUSPENSION_H

#include "host/desktop_folder.h"
#include "host/engine.h"

/*
 * none -> ending (its memory is written, its process is being ended) -> whole (nothing of it is missing) -> resuming (a new process
 * has it, and has perhaps run its guest) -> none, or whole again.
 */
enum suspension_phase {
	SUSPENSION_NONE,
	SUSPENSION_ENDING,
	SUSPENSION_WHOLE,
	SUSPENSION_RESUMING,
	SUSPENSION_PHASE_COUNT,
};

struct suspension {
	enum suspension_phase phase;
	guint64 generation;
	char genid[ENGINE_GENID_LENGTH + 1];
	/*
	 * The desktop is what its files say, if nothing of it runs. Not so when its guest has written to its overlay since, or when
	 * the host ended while the process did.
	 */
	gboolean stands;
};

/* What a fork comes from, before it is made; ret_genid is a new one. NULL, or why it cannot be written, for g_free(). */
char *desktop_suspension_note_origin(const struct desktop_folder *folder,
				     const struct engine_template *source,
				     char ret_genid[ENGINE_GENID_LENGTH + 1]);

/* What the folder says; phase "none" when it holds no suspended desktop. FALSE and an error when it cannot be understood. */
gboolean desktop_suspension_read(const struct desktop_folder *folder,
				 struct suspension *ret_suspension, GError **error);

/* FALSE and why, when it was not forked from this very version. */
gboolean desktop_suspension_check(const struct desktop_folder *folder,
				  const struct engine_template *source, GError **error);

/* The same of what it comes from, by which it will be suspended again: FALSE and why, when that is not what was suspended. */
gboolean desktop_suspension_check_origin(const struct desktop_folder *folder,
					 const struct engine_template *source,
					 const struct suspension *suspension, GError **error);

/* As a fork of this very version, or not known; also of one that is not suspended yet. */
gboolean desktop_suspension_is_of(const struct desktop_folder *folder,
				  const struct engine_template *source);

/* Bytes that the file of pages takes on the disk; 0: there is none. */
guint64 desktop_suspension_measure_pages(const struct desktop_folder *folder);

/* The two files, new ones for writing, or those that there are for reading. FALSE and an error, and both are -1. */
gboolean desktop_suspension_open(const struct desktop_folder *folder, gboolean new,
				 struct engine_image *ret_image, GError **error);
void desktop_suspension_close(struct engine_image *image);

/*
 * Makes durable what belongs to the phase, and then says so: ending: the image; whole: the overlay; resuming: nothing. Writes
 * gigabytes to the disk in a thread; the call's result is as that of engine.h's operations.
 */
void desktop_suspension_enter(const struct desktop_folder *folder, enum suspension_phase phase,
			      guint64 generation, const struct steps_call *call);

/* It is not suspended any more. */
void desktop_suspension_remove(const struct desktop_folder *folder);

#endif
