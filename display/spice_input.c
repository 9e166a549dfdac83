/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * spice_input.c - the keyboard and the absolute pointer that a SPICE client types and points with (carrel-display)
 */
#include "display/spice_input.h"

#include <glib.h>

#include "display/heads.h"
#include "display/sink.h"
#include "display/spice_buttons.h"
#include "display/spice_keys.h"
#include "display/surface.h"

struct spice_input {
	struct surface *surface;
	const struct sink_events *events;
	void *context;
	SpiceKbdInstance keyboard;
	SpiceTabletInstance tablet;
	bool has_keyboard;
	bool has_tablet;
	struct spice_keys keys;
	struct spice_buttons buttons;
	uint8_t leds; /* as the client was told */
	struct heads heads;
};

static void
spice_input_push_key(SpiceKbdInstance *keyboard, uint8_t byte)
{
	struct spice_input *self = SPICE_CONTAINEROF(keyboard, struct spice_input, keyboard);
	uint32_t qnum;
	bool down;

	if (spice_keys_feed(&self->keys, byte, &qnum, &down))
		self->events->key(self->context, qnum, down);
}

static uint8_t
spice_input_get_leds(SpiceKbdInstance *keyboard)
{
	struct spice_input *self = SPICE_CONTAINEROF(keyboard, struct spice_input, keyboard);

	return surface_get_info(self->surface).leds;
}

static const SpiceKbdInterface keyboard_interface = {
	.base.type = SPICE_INTERFACE_KEYBOARD,
	.base.description = "carrel keyboard",
	.base.major_version = SPICE_INTERFACE_KEYBOARD_MAJOR,
	.base.minor_version = SPICE_INTERFACE_KEYBOARD_MINOR,
	.push_scan_freg = spice_input_push_key,
	.get_leds = spice_input_get_leds,
};

static void
spice_input_set_buttons(struct spice_input *self, uint32_t buttons)
{
	spice_buttons_set(&self->buttons, buttons, self->events->button, self->context);
}

static struct spice_input *
spice_input_of_tablet(SpiceTabletInstance *tablet)
{
	return SPICE_CONTAINEROF(tablet, struct spice_input, tablet);
}

static void
spice_input_ignore_size(SpiceTabletInstance *tablet G_GNUC_UNUSED, int width G_GNUC_UNUSED,
			int height G_GNUC_UNUSED)
{
}

static void
spice_input_tablet_position(SpiceTabletInstance *tablet, int x, int y, uint32_t buttons)
{
	struct spice_input *self = spice_input_of_tablet(tablet);
	uint32_t head;
	uint32_t head_x;

	if (x < 0 || y < 0 || !heads_find(&self->heads, (uint32_t)x, (uint32_t)y, &head, &head_x))
		return;
	self->events->position(self->context, head, head_x, (uint32_t)y);
	spice_input_set_buttons(self, buttons);
}

static void
spice_input_tablet_buttons(SpiceTabletInstance *tablet, uint32_t buttons)
{
	spice_input_set_buttons(spice_input_of_tablet(tablet), buttons);
}

static void
spice_input_tablet_wheel(SpiceTabletInstance *tablet, int wheel, uint32_t buttons)
{
	struct spice_input *self = spice_input_of_tablet(tablet);

	spice_buttons_turn(&self->buttons, wheel, buttons, self->events->button, self->context);
}

static const SpiceTabletInterface tablet_interface = {
	.base.type = SPICE_INTERFACE_TABLET,
	.base.description = "carrel tablet",
	.base.major_version = SPICE_INTERFACE_TABLET_MAJOR,
	.base.minor_version = SPICE_INTERFACE_TABLET_MINOR,
	.set_logical_size = spice_input_ignore_size,
	.position = spice_input_tablet_position,
	.wheel = spice_input_tablet_wheel,
	.buttons = spice_input_tablet_buttons,
};

void
spice_input_set_heads(struct spice_input *self, const struct heads *heads)
{
	self->heads = *heads;
}

void
spice_input_follow_leds(struct spice_input *self)
{
	uint8_t leds = surface_get_info(self->surface).leds;

	if (leds == self->leds)
		return;
	self->leds = leds;
	spice_server_kbd_leds(&self->keyboard, leds);
}

void
spice_input_release_buttons(struct spice_input *self)
{
	spice_input_set_buttons(self, 0);
}

struct spice_input *
spice_input_new(SpiceServer *server, struct surface *surface, const struct sink_events *events,
		void *context)
{
	struct spice_input *self = g_new0(struct spice_input, 1);

	self->surface = surface;
	self->events = events;
	self->context = context;
	self->keyboard.base.sif = &keyboard_interface.base;
	self->tablet.base.sif = &tablet_interface.base;
	self->has_keyboard = spice_server_add_interface(server, &self->keyboard.base) == 0;
	self->has_tablet = spice_server_add_interface(server, &self->tablet.base) == 0;
	if (self->has_keyboard && self->has_tablet)
		return self;
	spice_input_free(self);
	return NULL;
}

void
spice_input_free(struct spice_input *self)
{
	if (!self)
		return;
	if (self->has_tablet)
		spice_server_remove_interface(&self->tablet.base);
	if (self->has_keyboard)
		spice_server_remove_interface(&self->keyboard.base);
	g_free(self);
}
