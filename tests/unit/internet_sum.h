/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * internet_sum.h - the sum in a checksum of IP, TCP or UDP, in RFC 1071's own words: vmm/net_checksum.c is held against it
 */
#ifndef TESTS_UNIT_INTERNET_SUM_H
#define TESTS_UNIT_INTERNET_SUM_H

#include <stddef.h>
#include <stdint.h>

/* 16 bits at a time, in network order; not complemented. */
uint16_t internet_sum(const uint8_t *bytes, size_t count);

#endif
