/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sink_vnc.h - a sink over libvncserver
 *
 * It shows the first head only, to one client: a new one replaces the one before. Sound, passwords and the vdagent are not
 * its business: those functions of its table are NULL.
 */
#ifndef DISPLAY_SINK_VNC_H
#define DISPLAY_SINK_VNC_H

#include "display/sink.h"

struct surface;

/* "name" is shown by clients. surfaces: HEADS_MAX, one a head. */
struct sink *sink_vnc_new(const char *name, struct surface *const *surfaces,
			  const struct sink_events *events, void *context);

#endif
