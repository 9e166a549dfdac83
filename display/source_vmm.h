/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * source_vmm.h - a source over carrel-vmm's display socket (base/proto_source.h)
 */
#ifndef DISPLAY_SOURCE_VMM_H
#define DISPLAY_SOURCE_VMM_H

#include "display/source.h"

struct surface;

/* Owns "fd", a connection to the desktop's display socket; surfaces: HEADS_MAX of them. ready() follows carrel-vmm's greeting. */
struct source *source_vmm_new(int fd, struct surface *const *surfaces,
			      const struct source_events *events, void *context);

#endif
