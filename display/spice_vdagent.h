/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * spice_vdagent.h - the guest's vdagent port as libspice-server's agent device
 */
#ifndef DISPLAY_SPICE_VDAGENT_H
#define DISPLAY_SPICE_VDAGENT_H

#include <spice.h>

struct spice_vdagent;
struct vdagent_port;

/* Without a port. */
struct spice_vdagent *spice_vdagent_new(SpiceServer *server);
void spice_vdagent_free(struct spice_vdagent *vdagent);

/* As the sink's set_vdagent(). */
void spice_vdagent_set_port(struct spice_vdagent *vdagent, struct vdagent_port *port);

#endif
