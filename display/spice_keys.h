/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * spice_keys.h - from a PC keyboard's scan codes (set 1, as SPICE sends them) to QEMU's key numbers
 */
#ifndef DISPLAY_SPICE_KEYS_H
#define DISPLAY_SPICE_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#define SPICE_KEYS_PAUSE 0xc6

/* Zero-initialised it stands between two keys. */
struct spice_keys {
	uint8_t prefix;	    /* 0xe0 or 0xe1 was seen */
	uint8_t pause_left; /* bytes of Pause still to come */
};

/* True when the byte ends a key: its qnum and whether it went down. */
bool spice_keys_feed(struct spice_keys *keys, uint8_t byte, uint32_t *ret_qnum, bool *ret_down);

#endif
