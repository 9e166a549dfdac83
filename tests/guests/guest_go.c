/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guest_go.c - a machine that is sealed, and whose forks say at once that they run (tests/lib/vmm_fork.py)
 *
 * It looks at one word of memory and does nothing else. Whoever forks it has changed that word in the sealed machine's memory file:
 * so the first thing that a fork does is to say "go", and then it stands still. It runs under QEMU as well.
 */
#include "tests/guests/bare.h"

#define GO_ADDRESS 0x8ff0 /* tests/lib/vmm_fork.py */

void
guest_main(void)
{
	volatile uint32_t *go = (volatile uint32_t *)GO_ADDRESS;

	*go = 0;
	bare_say("note: is settled");
	while (*go == 0)
		__asm__ volatile("pause");
	bare_say("go");
	for (;;)
		__asm__ volatile("cli; hlt");
}
