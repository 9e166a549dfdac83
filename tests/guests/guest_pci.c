/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guest_pci.c - what is on PCI bus 0, seen in both ways; and a guest that writes nonsense there
 */
#include <linux/pci_regs.h>

#include "tests/guests/bare.h"
#include "tests/guests/bare_pci.h"

#define ECAM	     0xe0000000
#define N_SLOTS	     32
#define NONE	     0xffff
#define Q35_BRIDGE   UINT32_C(0x29c08086)
#define WINDOW_START 0xc0000000
#define WINDOW_END   0xe0000000

static uint32_t
get_ecam(uint32_t slot, uint32_t offset)
{
	return BARE_REGISTER(uint32_t, ECAM + (slot << 15) + offset);
}

static bool
slot_is_empty(uint32_t slot)
{
	return bare_pci_get(slot, PCI_VENDOR_ID, 2) == NONE;
}

static void
test_discovery(void)
{
	bool same = true;

	bare_check_equal(bare_pci_get(0, PCI_VENDOR_ID, 4), Q35_BRIDGE, "the host bridge is Q35's");
	for (uint32_t slot = 0; slot < N_SLOTS; slot++) {
		same = same && get_ecam(slot, 0) == bare_pci_get(slot, 0, 4);
		if (slot_is_empty(slot))
			continue;
		bare_say("note: slot %u %x:%x class %x", (uint64_t)slot,
			 (uint64_t)bare_pci_get(slot, PCI_VENDOR_ID, 2),
			 (uint64_t)bare_pci_get(slot, PCI_DEVICE_ID, 2),
			 (uint64_t)bare_pci_get(slot, PCI_CLASS_REVISION, 4) >> 8);
		for (uint32_t offset = 4; offset < 64; offset += 4)
			same = same && get_ecam(slot, offset) == bare_pci_get(slot, offset, 4);
	}
	bare_check(same, "ports and ECAM show the same");
}

/* PCI Local Bus 3.0 section 6.2.5.1; the bytes of a BAR, 0 when there is none. */
static uint32_t
get_bar_bytes(uint32_t slot, uint32_t index)
{
	uint32_t offset = PCI_BASE_ADDRESS_0 + 4 * index;
	uint32_t before = bare_pci_get(slot, offset, 4);
	uint32_t mask;

	bare_pci_set(slot, offset, 4, UINT32_MAX);
	mask = bare_pci_get(slot, offset, 4) & ~UINT32_C(0xf);
	bare_pci_set(slot, offset, 4, before);
	return mask ? ~mask + 1 : 0;
}

static void
test_bars(uint32_t slot)
{
	bool good = true;

	for (uint32_t i = 0; i < 6; i++) {
		uint32_t bytes = get_bar_bytes(slot, i);
		uint64_t start = bare_pci_get_bar(slot, i);

		if (bytes == 0)
			continue;
		good = good && (bytes & (bytes - 1)) == 0 && start % bytes == 0 &&
		       start >= WINDOW_START && start + bytes <= WINDOW_END;
	}
	bare_check(good, "the BARs lie in the window");
}

/* Everything that can be written, to everything that can be written there; the bridge must survive. */
static void
write_nonsense(uint32_t slot)
{
	static const uint32_t values[] = { UINT32_MAX, 0, 0xfee00000, 0xfffff000, 0x100000 };

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		for (uint32_t offset = 0; offset < 256; offset += 4)
			bare_pci_set(slot, offset, 4, values[i]);
	for (uint32_t offset = 0; offset < 64; offset++) {
		bare_pci_set(slot, offset, 1, 0xa5);
		BARE_REGISTER(uint16_t, ECAM + (slot << 15) + offset) = 0x5a5a;
	}
	BARE_REGISTER(uint64_t, ECAM + (slot << 15) + 0xffc) = UINT64_MAX;
}

void
guest_main(void)
{
	test_discovery();
	for (uint32_t slot = 1; slot < N_SLOTS; slot++)
		if (!slot_is_empty(slot))
			test_bars(slot);
	if (!bare_command_line_has("hostile"))
		return;
	for (uint32_t slot = 0; slot < N_SLOTS; slot++)
		if (slot == 0 || !slot_is_empty(slot))
			write_nonsense(slot);
	bare_check_equal(bare_pci_get(0, PCI_VENDOR_ID, 4), Q35_BRIDGE,
			 "after nonsense the bridge is still there");
	bare_check_equal(BARE_REGISTER(uint32_t, 0x100000 + 4), 4, "and so is the RAM");
}
