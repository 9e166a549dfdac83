/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bare_pci.c - PCI bus 0 of a guest without an operating system
 */
#include "tests/guests/bare_pci.h"

#include <linux/pci_regs.h>

#include "tests/guests/bare.h"
#include "tests/guests/bare_irq.h"

#define ADDRESS_PORT	 0xcf8
#define DATA_PORT	 0xcfc
#define MAX_CAPABILITIES 32

static uint16_t
bare_pci_select(uint32_t slot, uint32_t offset)
{
	bare_out32(ADDRESS_PORT, 0x80000000 | slot << 11 | (offset & 0xfc));
	return (uint16_t)(DATA_PORT + (offset & 3));
}

uint32_t
bare_pci_get(uint32_t slot, uint32_t offset, uint32_t bytes)
{
	uint16_t port = bare_pci_select(slot, offset);

	if (bytes == 1)
		return bare_in8(port);
	return bytes == 2 ? bare_in16(port) : bare_in32(port);
}

void
bare_pci_set(uint32_t slot, uint32_t offset, uint32_t bytes, uint32_t value)
{
	uint16_t port = bare_pci_select(slot, offset);

	if (bytes == 1)
		bare_out8(port, (uint8_t)value);
	else if (bytes == 2)
		bare_out16(port, (uint16_t)value);
	else
		bare_out32(port, value);
}

uint32_t
bare_pci_find_capability(uint32_t slot, uint8_t id, uint32_t offset)
{
	uint32_t at = offset ? offset + PCI_CAP_LIST_NEXT : PCI_CAPABILITY_LIST;

	for (int i = 0; i < MAX_CAPABILITIES; i++) {
		uint32_t next = bare_pci_get(slot, at, 1) & 0xfc;

		if (next == 0 || bare_pci_get(slot, next, 1) == id)
			return next;
		at = next + PCI_CAP_LIST_NEXT;
	}
	return 0;
}

uint64_t
bare_pci_get_bar(uint32_t slot, uint32_t index)
{
	return bare_pci_get(slot, PCI_BASE_ADDRESS_0 + 4 * index, 4) & ~UINT32_C(0xf);
}

void
bare_pci_enable(uint32_t slot)
{
	bare_pci_set(slot, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

bool
bare_pci_enable_msi(uint32_t slot, uint8_t vector)
{
	uint32_t at = bare_pci_find_capability(slot, PCI_CAP_ID_MSI, 0);
	uint32_t flags = at ? bare_pci_get(slot, at + PCI_MSI_FLAGS, 2) : 0;
	uint32_t data = flags & PCI_MSI_FLAGS_64BIT ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32;

	if (at == 0)
		return false;
	bare_pci_set(slot, at + PCI_MSI_ADDRESS_LO, 4, BARE_IRQ_MSI);
	bare_pci_set(slot, at + data, 2, vector);
	bare_pci_set(slot, at + PCI_MSI_FLAGS, 2, flags | PCI_MSI_FLAGS_ENABLE);
	return true;
}

uint32_t
bare_pci_enable_msix(uint32_t slot, uint8_t first_vector, uint32_t n_vectors)
{
	uint32_t at = bare_pci_find_capability(slot, PCI_CAP_ID_MSIX, 0);
	uint32_t flags, table, count;

	if (at == 0)
		return 0;
	flags = bare_pci_get(slot, at + PCI_MSIX_FLAGS, 2);
	table = bare_pci_get(slot, at + PCI_MSIX_TABLE, 4);
	count = (flags & PCI_MSIX_FLAGS_QSIZE) + 1;
	for (uint32_t i = 0; i < count && i < n_vectors; i++) {
		uint64_t entry = bare_pci_get_bar(slot, table & PCI_MSIX_TABLE_BIR) +
				 (table & PCI_MSIX_TABLE_OFFSET) + i * PCI_MSIX_ENTRY_SIZE;

		BARE_REGISTER(uint32_t, entry + PCI_MSIX_ENTRY_LOWER_ADDR) = BARE_IRQ_MSI;
		BARE_REGISTER(uint32_t, entry + PCI_MSIX_ENTRY_UPPER_ADDR) = 0;
		BARE_REGISTER(uint32_t, entry + PCI_MSIX_ENTRY_DATA) = first_vector + i;
		BARE_REGISTER(uint32_t, entry + PCI_MSIX_ENTRY_VECTOR_CTRL) = 0;
	}
	bare_pci_set(slot, at + PCI_MSIX_FLAGS, 2, flags | PCI_MSIX_FLAGS_ENABLE);
	return count;
}
