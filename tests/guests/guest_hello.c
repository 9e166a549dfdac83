/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guest_hello.c - a guest is entered as PVH says, knows its memory and its command line, and switches itself off
 */
#include "tests/guests/bare.h"

#define RSDP 0xe0000

void
guest_main(void)
{
	struct bare_range range;
	uint8_t sum = 0;

	bare_say("note: command line '%s'", bare_get_command_line());
	for (size_t i = 0; bare_get_range(i, &range); i++)
		bare_say("note: memory 0x%x bytes=0x%x type=%u", range.start, range.bytes,
			 (uint64_t)range.type);
	bare_check_equal(BARE_REGISTER(uint64_t, RSDP), UINT64_C(0x2052545020445352),
			 "the RSDP is where it was said to be");
	for (uint64_t i = 0; i < 20; i++)
		sum += BARE_REGISTER(uint8_t, RSDP + i);
	bare_check_equal(sum, 0, "its checksum is right");
}
