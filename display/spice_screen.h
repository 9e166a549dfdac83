/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * spice_screen.h - the screen that a SPICE client sees: from the surfaces to libspice-server's worker
 */
#ifndef DISPLAY_SPICE_SCREEN_H
#define DISPLAY_SPICE_SCREEN_H

#include <spice.h>
#include <stdint.h>

struct sink_events;
struct spice_input;
struct spice_screen;
struct surface;

/* HEADS_MAX surfaces. Tells size_wanted and size_shown, asks for backlog. NULL when the library refuses. */
struct spice_screen *spice_screen_new(SpiceServer *server, struct surface *const *surfaces,
				      struct spice_input *input, const struct sink_events *events,
				      void *context);

/*
 * The end has an order: spice_server_vm_stop() returns when the worker has done all before it, then spice_screen_stop()
 * takes its surface away; spice_server_destroy() ends the worker, which releases its commands, then spice_screen_free().
 */
void spice_screen_stop(struct spice_screen *screen);
void spice_screen_free(struct spice_screen *screen);

/* A surface may have changed. May be called from any thread. */
void spice_screen_refresh(struct spice_screen *screen);

/* As in struct sink_ops. */
void spice_screen_set_device(struct spice_screen *screen, const char *device_address,
			     uint32_t n_heads);

#endif
