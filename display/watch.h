/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * watch.h - carrel-display's conversation with carrel-hostd (base/proto_display.h)
 */
#ifndef DISPLAY_WATCH_H
#define DISPLAY_WATCH_H

struct display_core_makers;
struct watch;

/* Listens on "listen_fd". "quit" is called when hostd asks for the end. NULL when the display cannot be set up. */
struct watch *watch_new(int listen_fd, const char *desktop,
			const struct display_core_makers *makers, void (*quit)(void *context),
			void *context);
void watch_free(struct watch *watch);

#endif
