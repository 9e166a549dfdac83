/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pci_msix.c - message-signalled interrupts of PCI devices (carrel-vmm, under the machine's lock)
 *
 * How it works: PCI Local Bus 3.0 section 6.8. pci_device_signal() sends a vector's message at once
 * when nothing stands in its way; while the vector or the whole function is masked it sets the
 * vector's pending bit. Whatever can take a mask away (the vector's control word, the capability's
 * control word) calls pci_msix_flush(), which sends what has become free.
 */
#include "vmm/pci_device.h"

#include <errno.h>

#include <linux/pci_regs.h>

#include "vmm/bus.h"
#include "vmm/platform.h"

#define BAR_BYTES     4096
#define PENDING_BEGIN 2048
#define TABLE_BYTES   (PCI_MAX_VECTORS * PCI_MSIX_ENTRY_SIZE)

enum word {
	WORD_ADDRESS_LOW,
	WORD_ADDRESS_HIGH,
	WORD_DATA,
	WORD_CONTROL,
};

static uint32_t
pci_msix_read_word(const struct pci_device *device, uint64_t offset)
{
	if (offset < (uint64_t)device->n_vectors * PCI_MSIX_ENTRY_SIZE)
		return device->state.msix_table[offset / PCI_MSIX_ENTRY_SIZE]
					       [offset % PCI_MSIX_ENTRY_SIZE / sizeof(uint32_t)];
	return offset == PENDING_BEGIN ? device->state.msix_pending : 0;
}

/*
 * Words and pairs of words only, as the specification has it; anything else reads as zeros and is
 * not written.
 */
static uint64_t
pci_msix_handle_read(void *context, uint64_t offset, uint32_t bytes)
{
	const struct pci_device *device = context;
	uint64_t value;

	if (bytes < sizeof(uint32_t) || offset % bytes != 0)
		return 0;
	value = pci_msix_read_word(device, offset);
	if (bytes == sizeof(uint64_t))
		value |= (uint64_t)pci_msix_read_word(device, offset + sizeof(uint32_t)) << 32;
	return value;
}

static void
pci_msix_write_word(struct pci_device *device, uint64_t offset, uint32_t value)
{
	uint64_t word = offset % PCI_MSIX_ENTRY_SIZE / sizeof(uint32_t);

	if (offset >= (uint64_t)device->n_vectors * PCI_MSIX_ENTRY_SIZE)
		return;
	if (word == WORD_ADDRESS_LOW)
		value &= ~UINT32_C(3);
	else if (word == WORD_CONTROL)
		value &= PCI_MSIX_ENTRY_CTRL_MASKBIT;
	device->state.msix_table[offset / PCI_MSIX_ENTRY_SIZE][word] = value;
}

static void
pci_msix_handle_write(void *context, uint64_t offset, uint32_t bytes, uint64_t value)
{
	struct pci_device *device = context;

	if (bytes < sizeof(uint32_t) || offset % bytes != 0)
		return;
	pci_msix_write_word(device, offset, (uint32_t)value);
	if (bytes == sizeof(uint64_t))
		pci_msix_write_word(device, offset + sizeof(uint32_t), (uint32_t)(value >> 32));
	pci_msix_flush(device);
}

static const struct bus_ops pci_msix_ops = {
	.read = pci_msix_handle_read,
	.write = pci_msix_handle_write,
};

int
pci_device_add_msix(struct pci_device *device, uint32_t index, uint32_t n_vectors)
{
	int error;

	if (n_vectors == 0 || n_vectors > PCI_MAX_VECTORS || device->msix)
		return -EINVAL;
	error = pci_device_add_bar(device, index, BAR_BYTES, &pci_msix_ops, device);
	if (!error)
		error = pci_device_add_capability(device, PCI_CAP_ID_MSIX, PCI_CAP_MSIX_SIZEOF,
						  &device->msix);
	if (error)
		return error;
	device->n_vectors = n_vectors;
	pci_device_set_config(device, device->msix + PCI_MSIX_FLAGS, 2, n_vectors - 1,
			      PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	pci_device_set_config(device, device->msix + PCI_MSIX_TABLE, 4, index, 0);
	pci_device_set_config(device, device->msix + PCI_MSIX_PBA, 4, PENDING_BEGIN | index, 0);
	pci_msix_reset(device);
	return 0;
}

int
pci_device_add_msi(struct pci_device *device)
{
	int error =
		pci_device_add_capability(device, PCI_CAP_ID_MSI, PCI_MSI_MASK_64, &device->msi);

	if (error)
		return error;
	pci_device_set_config(device, device->msi + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_64BIT,
			      PCI_MSI_FLAGS_ENABLE);
	pci_device_set_config(device, device->msi + PCI_MSI_ADDRESS_LO, 4, 0, ~UINT32_C(3));
	pci_device_set_config(device, device->msi + PCI_MSI_ADDRESS_HI, 4, 0, UINT32_MAX);
	pci_device_set_config(device, device->msi + PCI_MSI_DATA_64, 2, 0, UINT16_MAX);
	return 0;
}

bool
pci_msix_can_be(const uint32_t entry[PCI_MSIX_WORDS])
{
	return entry[WORD_ADDRESS_LOW] % sizeof(uint32_t) == 0 &&
	       (entry[WORD_CONTROL] & ~(uint32_t)PCI_MSIX_ENTRY_CTRL_MASKBIT) == 0;
}

void
pci_msix_reset(struct pci_device *device)
{
	for (uint32_t i = 0; i < PCI_MAX_VECTORS; i++) {
		uint32_t *entry = device->state.msix_table[i];

		entry[WORD_ADDRESS_LOW] = 0;
		entry[WORD_ADDRESS_HIGH] = 0;
		entry[WORD_DATA] = 0;
		entry[WORD_CONTROL] = PCI_MSIX_ENTRY_CTRL_MASKBIT;
	}
	device->state.msix_pending = 0;
}

static void
pci_msix_send(struct pci_device *device, uint64_t low, uint64_t high, uint32_t data)
{
	device->platform->ops->send_msi(device->platform->context, high << 32 | low, data);
}

static bool
pci_msix_is_enabled(const struct pci_device *device)
{
	return device->msix && pci_device_may_master(device) &&
	       pci_device_get_config(device, device->msix + PCI_MSIX_FLAGS, 2) &
		       PCI_MSIX_FLAGS_ENABLE;
}

void
pci_msix_flush(struct pci_device *device)
{
	struct pci_device_state *state = &device->state;

	if (state->msix_pending == 0 || !pci_msix_is_enabled(device) ||
	    pci_device_get_config(device, device->msix + PCI_MSIX_FLAGS, 2) &
		    PCI_MSIX_FLAGS_MASKALL)
		return;
	for (uint32_t i = 0; i < device->n_vectors; i++) {
		const uint32_t *entry = state->msix_table[i];

		if (!(state->msix_pending >> i & 1) ||
		    entry[WORD_CONTROL] & PCI_MSIX_ENTRY_CTRL_MASKBIT)
			continue;
		state->msix_pending &= ~(UINT32_C(1) << i);
		pci_msix_send(device, entry[WORD_ADDRESS_LOW], entry[WORD_ADDRESS_HIGH],
			      entry[WORD_DATA]);
	}
}

static void
pci_msi_signal(struct pci_device *device)
{
	if (!pci_device_may_master(device) ||
	    !(pci_device_get_config(device, device->msi + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_ENABLE))
		return;
	pci_msix_send(device, pci_device_get_config(device, device->msi + PCI_MSI_ADDRESS_LO, 4),
		      pci_device_get_config(device, device->msi + PCI_MSI_ADDRESS_HI, 4),
		      pci_device_get_config(device, device->msi + PCI_MSI_DATA_64, 2));
}

void
pci_device_signal(struct pci_device *device, uint32_t vector)
{
	if (vector < device->n_vectors && pci_msix_is_enabled(device)) {
		device->state.msix_pending |= UINT32_C(1) << vector;
		pci_msix_flush(device);
	} else if (device->msi && vector == 0) {
		pci_msi_signal(device);
	}
}
