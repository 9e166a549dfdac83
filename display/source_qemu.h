/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * source_qemu.h - a source over QEMU's D-Bus display (-display dbus,p2p=yes; docs/interop/dbus-display of QEMU)
 */
#ifndef DISPLAY_SOURCE_QEMU_H
#define DISPLAY_SOURCE_QEMU_H

#include "display/source.h"

struct surface;

/* Owns "fd": the peer of the one given to QMP add_client. Its set-up runs on; ready() or lost() tells how it went. */
struct source *source_qemu_new(int fd, struct surface *const *surfaces,
			       const struct source_events *events, void *context);

#endif
