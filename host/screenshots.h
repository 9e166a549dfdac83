/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * screenshots.h - pictures of desktops that the broker asks for (docs/PROTOCOL.md, Sync, "requests" and "answers")
 */
#ifndef HOST_SCREENSHOTS_H
#define HOST_SCREENSHOTS_H

#include <gio/gio.h>

#include "base/json.h"

#define SCREENSHOTS_MAX_BYTES (2 * 1024 * 1024) /* of one PNG */

struct desktop;
struct screenshots;

/* changed: there is an answer to report. */
struct screenshots *screenshots_new(void (*changed)(void *context), void *context);
void screenshots_free(struct screenshots *screenshots);

/* One that is known by its id is not taken again. desktop NULL: there is none of that id. */
void screenshots_take(struct screenshots *screenshots, gint64 id, struct desktop *desktop);

/* Forgets the answers whose id is not in the list [{"id", ...}] any more. */
void screenshots_keep(struct screenshots *screenshots, const json_t *requests);

/*
 * For sync: [{"id", "error", "png"}], a new reference. png is in base64 and empty when there is an error. Only the oldest
 * answer is told, since one may be large.
 */
json_t *screenshots_describe(const struct screenshots *screenshots);

#endif
