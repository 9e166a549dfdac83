/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * spice_input.h - the keyboard and the absolute pointer that a SPICE client types and points with
 */
#ifndef DISPLAY_SPICE_INPUT_H
#define DISPLAY_SPICE_INPUT_H

#include <spice.h>
#include <stdint.h>

struct sink_events;
struct spice_input;
struct surface;

/* Tells key, position and button; the keyboard's lights are the surface's. NULL when the library refuses. */
struct spice_input *spice_input_new(SpiceServer *server, struct surface *surface,
				    const struct sink_events *events, void *context);
void spice_input_free(struct spice_input *input);

/* A position outside of this is not told; 0 x 0 at first. */
void spice_input_set_size(struct spice_input *input, uint32_t width, uint32_t height);

/* Tells the client the keyboard's lights when they have changed. */
void spice_input_follow_leds(struct spice_input *input);

/* What the client has left pressed is so no more. */
void spice_input_release_buttons(struct spice_input *input);

#endif
