/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guest_smp.c - the other CPUs wait until they are started with INIT and SIPI, and then run
 */
#include "tests/guests/bare.h"

#define APIC_COMMAND	 0xfee00300
#define ALL_OTHERS_INIT	 0xc4500
#define ALL_OTHERS_START 0xc4608 /* at page 8 */
#define START_ADDRESS	 0x8000
#define COUNT_ADDRESS	 0x8ff0

/* 16-bit code: lock incw 0x8ff0; 1: hlt; jmp 1b */
static const uint8_t start_code[] = { 0xf0, 0xff, 0x06, 0xf0, 0x8f, 0xf4, 0xeb, 0xfd };

void
guest_main(void)
{
	/* both are where ds of the others is 0 */
	volatile uint8_t *code = (volatile uint8_t *)START_ADDRESS;
	volatile uint16_t *count = (volatile uint16_t *)COUNT_ADDRESS;
	uint64_t others = bare_command_line_number() - 1;

	for (size_t i = 0; i < sizeof(start_code); i++)
		code[i] = start_code[i];
	*count = 0;
	BARE_REGISTER(uint32_t, APIC_COMMAND) = ALL_OTHERS_INIT;
	BARE_REGISTER(uint32_t, APIC_COMMAND) = ALL_OTHERS_START;
	bare_check(BARE_WAIT(*count == others), "all other CPUs have started");
	bare_check_equal(*count, others, "each of them once");
}
