/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guest_lost.c - a guest that runs into registers, where no processor finds instructions
 */
#include "tests/guests/bare.h"

#define EMPTY_MMIO UINT64_C(0xd0000000)

void
guest_main(void)
{
	bare_say("note: is lost");
	((void (*)(void))EMPTY_MMIO)();
}
