/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * spice_keys.c - from a PC keyboard's scan codes to QEMU's key numbers (carrel-display)
 *
 * A key is one byte, or 0xe0 and one byte; bit 7 says it went up. A qnum is the seven bits, with bit 7 for the 0xe0.
 * Pause is the exception: E1 1D 45 when it goes down, E1 9D C5 when it goes up.
 */
#include "display/spice_keys.h"

bool
spice_keys_feed(struct spice_keys *keys, uint8_t byte, uint32_t *ret_qnum, bool *ret_down)
{
	if (byte == 0xe1) {
		keys->prefix = 0;
		keys->pause_left = 2;
		return false;
	}
	if (byte == 0xe0) {
		keys->prefix = byte;
		keys->pause_left = 0;
		return false;
	}
	*ret_down = !(byte & 0x80);
	if (keys->pause_left > 0) {
		*ret_qnum = SPICE_KEYS_PAUSE;
		return --keys->pause_left == 0;
	}
	*ret_qnum = (byte & 0x7f) | (keys->prefix ? 0x80 : 0);
	keys->prefix = 0;
	return true;
}
