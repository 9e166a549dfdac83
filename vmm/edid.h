/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * edid.h - what a virtual monitor says of itself (VESA E-EDID 1.4, DisplayID 1.3 for what is larger
 * than EDID can say)
 */
#ifndef VMM_EDID_H
#define VMM_EDID_H

#include <stddef.h>
#include <stdint.h>

#define EDID_BLOCK_BYTES 128
#define EDID_MAX_BYTES	 (2 * EDID_BLOCK_BYTES)

/*
 * A monitor of "number" whose preferred mode is width x height (SOURCE_MIN_SIZE to SOURCE_MAX_*) at
 * 60 Hz and 96 dots per inch. Returns the bytes that it takes: one block, or two.
 */
size_t edid_make(uint32_t width, uint32_t height, uint32_t number,
		 uint8_t ret_edid[EDID_MAX_BYTES]);

#endif
