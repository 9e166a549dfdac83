/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * checksum.c - the checksum of what carrel-vmm writes into files (carrel-vmm, the loop's thread)
 */
#include "vmm/checksum.h"

#include <zlib.h>

uint32_t
checksum_add(uint32_t sum, const void *bytes, size_t size)
{
	return (uint32_t)crc32_z(sum, bytes, size);
}
