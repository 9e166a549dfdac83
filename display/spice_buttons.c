/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * spice_buttons.c - SPICE's button states as presses and releases (carrel-display)
 */
#include "display/spice_buttons.h"

#include <stddef.h>

#define WHEEL_UP   0x10
#define WHEEL_DOWN 0x20

/* As libspice-server reports them to a tablet: the right button is 2, the middle one 4. */
static const struct {
	uint32_t mask;
	enum source_button button;
} button_table[] = {
	{ 0x01, SOURCE_BUTTON_LEFT },
	{ 0x04, SOURCE_BUTTON_MIDDLE },
	{ 0x02, SOURCE_BUTTON_RIGHT },
	{ WHEEL_UP, SOURCE_BUTTON_WHEEL_UP },
	{ WHEEL_DOWN, SOURCE_BUTTON_WHEEL_DOWN },
	{ 0x40, SOURCE_BUTTON_SIDE },
	{ 0x80, SOURCE_BUTTON_EXTRA },
};

void
spice_buttons_set(struct spice_buttons *buttons, uint32_t state, spice_buttons_tell tell,
		  void *context)
{
	uint32_t changed = state ^ buttons->state;

	buttons->state = state;
	for (size_t i = 0; i < sizeof(button_table) / sizeof(button_table[0]); i++)
		if (changed & button_table[i].mask)
			tell(context, button_table[i].button, state & button_table[i].mask);
}

void
spice_buttons_turn(struct spice_buttons *buttons, int wheel, uint32_t state,
		   spice_buttons_tell tell, void *context)
{
	/* libspice-server reports every click like this; most have no wheel in them. */
	if (wheel != 0)
		spice_buttons_set(buttons, state | (wheel < 0 ? WHEEL_UP : WHEEL_DOWN), tell,
				  context);
	spice_buttons_set(buttons, state, tell, context);
}
