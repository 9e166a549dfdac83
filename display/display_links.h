/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * display_links.h - the links of a display's clients, and whose attachment they belong to
 *
 * Everything happens on the main thread.
 */
#ifndef DISPLAY_DISPLAY_LINKS_H
#define DISPLAY_DISPLAY_LINKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/proto_display.h"

struct display_links;
struct sink;
struct surface;

struct display_links_events {
	void (*tell)(void *context, enum display_fact_kind kind, uint64_t attachment,
		     uint64_t value, const char *text);
	/* Links have come or gone, or another sink's client is the live one. */
	void (*changed)(void *context);
};

/* "first" is the first head's surface: what is drawn while it is empty is no frame. */
struct display_links *display_links_new(const char *desktop, struct surface *first,
					const struct display_links_events *events, void *context);
void display_links_free(struct display_links *links);

/* By enum display_sink_kind, before the first client; NULL: nobody is let in that way. They are not touched when links end. */
void display_links_set_sinks(struct display_links *links,
			     struct sink *const sinks[DISPLAY_SINK_COUNT]);

/* As display_core.h has them. */
int display_links_set_certificate(struct display_links *links, const char *pem, size_t size);
bool display_links_has_certificate(const struct display_links *links);
int display_links_add(struct display_links *links, const struct display_client *client, int fd);
void display_links_drop(struct display_links *links, uint64_t attachment);

/* What the SPICE sink says of its main channels. */
void display_links_handle_main_linked(struct display_links *links, uint32_t connection_id);
void display_links_handle_main_ended(struct display_links *links, uint32_t connection_id);

/* A frame was sent to the live attachment; of a sink whose links do not show it. */
void display_links_handle_frame(struct display_links *links);

/* The attachment whose main channel lives; 0: none. */
uint64_t display_links_get_live(const struct display_links *links);

/* The sink that it is a client of; the SPICE sink when there is none. */
enum display_sink_kind display_links_get_live_sink(const struct display_links *links);

bool display_links_has_channel(const struct display_links *links, uint8_t channel_type);
/* Of the channels of this type the most that is on its way. */
uint32_t display_links_find_backlog(const struct display_links *links, uint8_t channel_type);

#endif
