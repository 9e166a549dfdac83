/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hostd.h - carrel-hostd as a whole: its parts, wired together
 */
#ifndef HOST_HOSTD_H
#define HOST_HOSTD_H

#include <gio/gio.h>

struct settings;
struct hostd;

/* Texts belong to the caller and live as long as the hostd. */
struct hostd_options {
	const char *run;
	const char *lib;
	const char *broker_socket;
	uid_t gateway_uid;
	const struct settings *settings;
};

/* NULL and error when it cannot start; what is asked of launch and the broker comes later, by itself. */
struct hostd *hostd_new(const struct hostd_options *options, GError **error);

/* Desktops, their displays and jobs' workers go on; the next hostd adopts the first two. */
void hostd_free(struct hostd *hostd);

#endif
