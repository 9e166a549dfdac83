/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bare_smp.c - the second CPU's way from INIT and SIPI (Intel SDM volume 3, "MP Initialization") to C; its first steps are
 * in bare_start.S
 */
#include "tests/guests/bare_smp.h"

#include <stdint.h>

#include "tests/guests/bare.h"
#include "tests/guests/bare_irq.h"

#define APIC_COMMAND	 0xfee00300
#define ALL_OTHERS_INIT	 0xc4500
#define ALL_OTHERS_START 0xc4608 /* at page 8 */
#define START_ADDRESS	 0x8000

extern const uint8_t bare_smp_code[];
extern const uint32_t bare_smp_code_bytes;

static void (*volatile smp_run)(void);

void
bare_smp_run(void)
{
	bare_irq_join();
	smp_run();
}

void
bare_smp_start(void (*run)(void))
{
	smp_run = run;
	memcpy((void *)START_ADDRESS, bare_smp_code, bare_smp_code_bytes);
	BARE_REGISTER(uint32_t, APIC_COMMAND) = ALL_OTHERS_INIT;
	BARE_REGISTER(uint32_t, APIC_COMMAND) = ALL_OTHERS_START;
}
