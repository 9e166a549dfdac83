/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * image_list.h - the golden images that builds have made on this host
 */
#ifndef HOST_IMAGE_LIST_H
#define HOST_IMAGE_LIST_H

#include "base/json.h"

#define IMAGE_LIST_MAX 1024

/* For sync: [{"name", "created_ms"}] of the folders <lib>/images/<name> with an image.json; a new reference. */
json_t *image_list_read(const char *lib);

#endif
