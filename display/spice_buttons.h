/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * spice_buttons.h - SPICE's button states as presses and releases
 */
#ifndef DISPLAY_SPICE_BUTTONS_H
#define DISPLAY_SPICE_BUTTONS_H

#include <stdbool.h>
#include <stdint.h>

#include "display/source.h"

/* Zero-initialised: nothing is pressed. */
struct spice_buttons {
	uint32_t state;
};

typedef void (*spice_buttons_tell)(void *context, enum source_button button, bool down);

/* "state" is a bit set of (1 << (SPICE_MOUSE_BUTTON_* - 1)); tells what is different now. */
void spice_buttons_set(struct spice_buttons *buttons, uint32_t state, spice_buttons_tell tell,
		       void *context);

/* One notch of the wheel, up (negative) or down, while "state" is pressed; 0 is none. */
void spice_buttons_turn(struct spice_buttons *buttons, int wheel, uint32_t state,
			spice_buttons_tell tell, void *context);

#endif
