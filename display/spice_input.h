/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * spice_input.h - the keyboard and the absolute pointer that a SPICE client types and points with
 */
#ifndef DISPLAY_SPICE_INPUT_H
#define DISPLAY_SPICE_INPUT_H

#include <spice.h>

struct heads;
struct sink_events;
struct spice_input;
struct surface;

/* Tells key, position and button; the keyboard's lights are the surface's. NULL when the library refuses. */
struct spice_input *spice_input_new(SpiceServer *server, struct surface *surface,
				    const struct sink_events *events, void *context);
void spice_input_free(struct spice_input *input);

/* Where heads stand on the screen: a position on none of them is not told. None is on at first. */
void spice_input_set_heads(struct spice_input *input, const struct heads *heads);

/* Tells the client the keyboard's lights when they have changed. */
void spice_input_follow_leds(struct spice_input *input);

/* What the client has left pressed is so no more. */
void spice_input_release_buttons(struct spice_input *input);

#endif
