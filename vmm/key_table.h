/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * key_table.h - which Linux key (linux/input-event-codes.h) a key number of the display stands for
 */
#ifndef VMM_KEY_TABLE_H
#define VMM_KEY_TABLE_H

#include <stdint.h>

#define KEY_TABLE_SIZE 256

/* By qnum (base/proto_source.h); 0: no key. */
extern const uint16_t key_table[KEY_TABLE_SIZE];

#endif
