/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * checksum.h - the checksum of what carrel-vmm writes into files: CRC-32 as in zlib
 */
#ifndef VMM_CHECKSUM_H
#define VMM_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* Of what "sum" is of, 0 being of nothing, with these bytes behind it. */
uint32_t checksum_add(uint32_t sum, const void *bytes, size_t size);

#endif
