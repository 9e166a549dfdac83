/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * internet_sum.c - the sum that net_checksum.c is held against, slow and plain
 */
#include "tests/unit/internet_sum.h"

uint16_t
internet_sum(const uint8_t *bytes, size_t count)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}
