/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * display_core.h - one desktop's display: its source, its sink, its clients' links
 *
 * What hostd may ask (watch.c does) and what it is told. Everything happens on the main thread.
 */
#ifndef DISPLAY_DISPLAY_CORE_H
#define DISPLAY_DISPLAY_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/proto_display.h"

struct display_core;
struct sink;
struct sink_events;
struct source;
struct source_events;
struct surface;

/* What there is to make displays of; NULL: no such source. They get HEADS_MAX surfaces. */
struct display_core_makers {
	struct sink *(*new_sink)(const char *name, struct surface *const *surfaces,
				 const struct sink_events *events, void *context);
	/* NULL: nobody is shown it over VNC. */
	struct sink *(*new_vnc)(const char *name, struct surface *const *surfaces,
				const struct sink_events *events, void *context);
	struct source *(*new_source[DISPLAY_SOURCE_COUNT])(int fd, struct surface *const *surfaces,
							   const struct source_events *events,
							   void *context);
};

typedef void (*display_core_tell)(void *context, enum display_fact_kind kind, uint64_t attachment,
				  uint64_t value, const char *text);

/* "makers" outlives it. NULL when the display server cannot be set up; it was logged. */
struct display_core *display_core_new(const char *desktop, const struct display_core_makers *makers,
				      display_core_tell tell, void *context);
void display_core_free(struct display_core *core);

/* As in struct display_hello. */
void display_core_describe(const struct display_core *core, struct display_hello *ret_hello);

/*
 * Certificate and key in PEM: links that come later use them, those that are there keep theirs. 0, or -EINVAL and the
 * one before stays.
 */
int display_core_set_certificate(struct display_core *core, const char *pem, size_t size);

/* Both own the descriptor. A new source replaces the old one; -1 takes the vdagent port away. */
int display_core_set_source(struct display_core *core, enum display_source_kind kind, int fd);
void display_core_set_vdagent(struct display_core *core, int fd);

/* Owns the descriptor. 0, -ESTALE (no such attachment any more), -EBUSY (too many links), -ENOKEY (no certificate). */
int display_core_add_client(struct display_core *core, const struct display_client *client, int fd);

/* Ends one attachment, or all when it is 0. */
void display_core_drop(struct display_core *core, uint64_t attachment);

#endif
