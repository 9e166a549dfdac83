/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * image_file.h - image.json: what a build made, for the publishing of it
 */
#ifndef TEMPLATES_IMAGE_FILE_H
#define TEMPLATES_IMAGE_FILE_H

#include <gio/gio.h>

#include "base/json.h"

#define IMAGE_FILE_NAME	     "image.json"
#define IMAGE_FILE_MAX_BYTES (16 * 1024)

/* What an image holds beside image.json. */
#define IMAGE_FILE_COUNT 3
extern const char *const image_file_names[IMAGE_FILE_COUNT];

struct image_recipe {
	const char *name;	  /* of the template */
	const char *folder;	  /* of the recipe */
	const char *sha256;	  /* of everything in it */
	const char *command_line; /* that the image's kernel is booted with */
};

/* The key "cmdline" of <recipe>/recipe.conf, for g_free(), or NULL and an error. */
char *image_file_read_recipe(const char *recipe, GError **error);

/*
 * Writes <folder>/image.json durably. "files" is taken over: [{"path", "size", "sha256"}] of image_file_names, in
 * their order.
 */
gboolean image_file_write(const char *folder, const struct image_recipe *recipe, json_t *files,
			  GError **error);

/* The text as a checked object, a new reference, or NULL and an error that says what is wrong with it. */
json_t *image_file_parse(const char *text, gsize size, GError **error);

/*
 * <folder>/image.json, parsed; its files are there and have its sizes. A new reference, or NULL and an error that names
 * the file.
 */
json_t *image_file_read(const char *folder, GError **error);

#endif
