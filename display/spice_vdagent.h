/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * spice_vdagent.h - the guest's vdagent port as libspice-server's agent device
 */
#ifndef DISPLAY_SPICE_VDAGENT_H
#define DISPLAY_SPICE_VDAGENT_H

#include <spice.h>
#include <stdbool.h>

struct heads;
struct spice_vdagent;

/* Without a port. */
struct spice_vdagent *spice_vdagent_new(SpiceServer *server);
void spice_vdagent_free(struct spice_vdagent *vdagent);

/* Owns the descriptor; -1: the guest has closed it. */
void spice_vdagent_set_port(struct spice_vdagent *vdagent, int fd);

/* Tells the guest's agent the wanted sizes; false when there is no port. */
bool spice_vdagent_ask_sizes(struct spice_vdagent *vdagent, const struct heads *wanted);

#endif
