/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bare_pci.h - PCI bus 0 of a guest without an operating system
 */
#ifndef TESTS_GUESTS_BARE_PCI_H
#define TESTS_GUESTS_BARE_PCI_H

#include <stdbool.h>
#include <stdint.h>

/* Through ports 0xcf8 and 0xcfc; bytes: 1, 2 or 4. */
uint32_t bare_pci_get(uint32_t slot, uint32_t offset, uint32_t bytes);
void bare_pci_set(uint32_t slot, uint32_t offset, uint32_t bytes, uint32_t value);

/* Offset of the first capability with this id after "offset" (0: from the start), or 0. */
uint32_t bare_pci_find_capability(uint32_t slot, uint8_t id, uint32_t offset);

/* Where a memory BAR is: below 4 GiB, since nothing more is mapped. */
uint64_t bare_pci_get_bar(uint32_t slot, uint32_t index);

/* Memory decoding and bus mastering on. */
void bare_pci_enable(uint32_t slot);

/* MSI on, with this vector; false: no MSI. */
bool bare_pci_enable_msi(uint32_t slot, uint8_t vector);

/* MSI-X on; entry "i" sends vector first_vector + i. Returns how many entries there are, 0: no MSI-X. */
uint32_t bare_pci_enable_msix(uint32_t slot, uint8_t first_vector, uint32_t n_vectors);

#endif
