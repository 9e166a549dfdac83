/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sink_spice.h - a sink over libspice-server
 */
#ifndef DISPLAY_SINK_SPICE_H
#define DISPLAY_SINK_SPICE_H

#include "display/sink.h"

struct surface;

/*
 * At most one in a process: libspice-server's channel events carry no context. "name" is shown by clients. surfaces: HEADS_MAX, one a head. NULL when
 * the library refuses; it has said why on standard error.
 */
struct sink *sink_spice_new(const char *name, struct surface *const *surfaces,
			    const struct sink_events *events, void *context);

#endif
