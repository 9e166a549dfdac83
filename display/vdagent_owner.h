/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vdagent_owner.h - which of a display's sinks has the guest's vdagent port
 *
 * One of them, always: the VNC sink while a VNC client is there, else the SPICE sink, whether somebody is there or not.
 */
#ifndef DISPLAY_VDAGENT_OWNER_H
#define DISPLAY_VDAGENT_OWNER_H

#include "base/proto_display.h"

struct heads;
struct sink;
struct vdagent_owner;

/* Without a port, and of the SPICE sink. */
struct vdagent_owner *vdagent_owner_new(void);
/* Takes the port from its sink. */
void vdagent_owner_free(struct vdagent_owner *owner);

/* By enum display_sink_kind, before the first port; NULL: there is none. */
void vdagent_owner_set_sinks(struct vdagent_owner *owner,
			     struct sink *const sinks[DISPLAY_SINK_COUNT]);

/* Owns the descriptor; -1: the guest has closed it. */
void vdagent_owner_set_port(struct vdagent_owner *owner, int fd);

/* This sink has it from now on. */
void vdagent_owner_choose(struct vdagent_owner *owner, enum display_sink_kind kind);

/* Tells the guest's agent the wanted sizes, if there is one. */
void vdagent_owner_ask_sizes(struct vdagent_owner *owner, const struct heads *wanted);

#endif
