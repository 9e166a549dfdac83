/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * display_link.h - hostd's end of the connection to one desktop's carrel-display (base/proto_display.h)
 *
 * What is sent gets no answer; where it matters whether it went out the functions return 0 or a negative errno. Descriptors
 * stay the caller's.
 */
#ifndef HOST_DISPLAY_LINK_H
#define HOST_DISPLAY_LINK_H

#include <glib.h>

#include "base/proto_display.h"

struct cert;
struct display_link;

struct display_link_options {
	const char *desktop;
	const char *folder; /* <run>/desktops/<id> */
	guint beat_ms;
	guint silence_ms;
};

/* The owner may free the link in each of them. */
struct display_link_events {
	/* It is this desktop's display and speaks our version: once, before the others. */
	void (*hello)(void *context, const struct display_hello *hello);
	/* Its kind and text were checked. */
	void (*fact)(void *context, const struct display_fact *fact);
	/* The display closed it: free the link. */
	void (*closed)(void *context);
	/* It broke the protocol, or its heart does not beat: said once or more, until it has ended. */
	void (*failed)(void *context, const char *reason);
};

/* NULL, and it was logged, when the display cannot be reached. */
struct display_link *display_link_open(const struct display_link_options *options,
				       const struct display_link_events *events, void *context);
void display_link_free(struct display_link *link); /* NULL is allowed */

/* The process is being killed: its heart need not beat, and it is too late for its hello. */
void display_link_expect_end(struct display_link *link);

void display_link_send_setup(struct display_link *link, guint64 generation,
			     const struct cert *cert);

/* With a connection to the guest's vdagent port, if it is open. */
void display_link_send_vdagent(struct display_link *link, gboolean open);
int display_link_send_source(struct display_link *link, enum display_source_kind kind, int fd);
int display_link_send_client(struct display_link *link, const struct display_client *client,
			     int fd);
void display_link_send_drop(struct display_link *link, guint64 attachment); /* 0: all */
int display_link_send_quit(struct display_link *link);

#endif
