/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vnc_keys.h - which key a VNC client means when it names a character
 */
#ifndef DISPLAY_VNC_KEYS_H
#define DISPLAY_VNC_KEYS_H

#include <stdint.h>

/*
 * The qnum of an X keysym (RFC 6143 section 7.5.4) on a US keyboard, 0 when it has no such key. Shift is a key of its own: "a"
 * and "A" are the same one.
 */
uint32_t vnc_keys_find(uint32_t keysym);

#endif
