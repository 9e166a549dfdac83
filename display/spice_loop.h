/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * spice_loop.h - libspice-server's timers and watches in the main loop
 */
#ifndef DISPLAY_SPICE_LOOP_H
#define DISPLAY_SPICE_LOOP_H

#include <spice.h>

/* Fills all of the core interface but its channel_event. */
void spice_loop_describe(SpiceCoreInterface *ret_core);

#endif
