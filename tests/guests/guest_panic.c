/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guest_panic.c - a kernel that says that it has panicked (QEMU's docs/specs/pvpanic.rst)
 */
#include <linux/pci_regs.h>

#include "tests/guests/bare.h"
#include "tests/guests/bare_pci.h"

#define SLOT	 10
#define PVPANIC	 UINT32_C(0x00111b36)
#define PANICKED 1

void
guest_main(void)
{
	uint64_t events;

	bare_check_equal(bare_pci_get(SLOT, PCI_VENDOR_ID, 4), PVPANIC, "there is a panic device");
	bare_pci_enable(SLOT);
	events = bare_pci_get_bar(SLOT, 0);
	bare_check(BARE_REGISTER(uint8_t, events) & PANICKED, "it knows panics");
	bare_say("note: panics");
	BARE_REGISTER(uint8_t, events) = PANICKED;
	for (;;)
		__asm__ volatile("cli; hlt");
}
