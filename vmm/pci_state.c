/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pci_state.c - a PCI device's part of the machine's state (carrel-vmm, while the machine is
 * paused)
 *
 * How it works: configuration space is loaded as bytes, and what the guest cannot write of it must
 * be what this machine's device has, or it is another device. Which BARs answer is kept too: where
 * the guest has put one on top of another, their addresses alone do not tell.
 */
#include "vmm/pci_device.h"

#include "vmm/state_file.h"

#define PCI_DEVICE_STATE_VERSION 1

void
pci_device_save(const struct pci_device *device, struct state_writer *writer)
{
	const struct pci_device_state *state = &device->state;

	state_writer_begin(writer, PCI_DEVICE_STATE_VERSION, "pci %02u", device->slot);
	state_put_bytes(writer, state->config, sizeof(state->config));
	state_put_u32(writer, device->n_vectors);
	for (uint32_t i = 0; i < device->n_vectors; i++)
		for (uint32_t k = 0; k < PCI_MSIX_WORDS; k++)
			state_put_u32(writer, state->msix_table[i][k]);
	state_put_u32(writer, state->msix_pending);
	for (uint32_t i = 0; i < PCI_MAX_BARS; i++)
		state_put_bool(writer, pci_device_has_bar(device, i));
	state_writer_end(writer);
}

static void
pci_device_load_config(struct pci_device *device, struct state_reader *reader)
{
	uint8_t *config = device->state.config;

	state_take_bytes(reader, config, PCI_CONFIG_BYTES);
	for (uint32_t i = 0; i < PCI_CONFIG_BYTES; i++) {
		if (((config[i] ^ device->initial[i]) & (uint8_t)~device->writable[i]) == 0)
			continue;
		state_reader_refuse(reader, "it is not this machine's '%s' (byte %u)", device->name,
				    i);
		return;
	}
}

static void
pci_device_load_msix(struct pci_device *device, struct state_reader *reader)
{
	struct pci_device_state *state = &device->state;

	state_reader_want(reader, state_take_u32(reader) == device->n_vectors,
			  "another number of interrupt vectors");
	for (uint32_t i = 0; i < device->n_vectors; i++) {
		for (uint32_t k = 0; k < PCI_MSIX_WORDS; k++)
			state->msix_table[i][k] = state_take_u32(reader);
		state_reader_want(reader, pci_msix_can_be(state->msix_table[i]),
				  "an interrupt vector with bits that there are not");
	}
	state->msix_pending = state_take_u32(reader);
	state_reader_want(reader, ((uint64_t)state->msix_pending >> device->n_vectors) == 0,
			  "a vector is pending that there is not");
}

int
pci_device_load(struct pci_device *device, struct state_reader *reader)
{
	state_reader_open(reader, PCI_DEVICE_STATE_VERSION, "pci %02u", device->slot);
	pci_device_load_config(device, reader);
	pci_device_load_msix(device, reader);
	for (uint32_t i = 0; i < PCI_MAX_BARS; i++) {
		bool answers = state_take_bool(reader);

		if (answers && state_reader_check(reader) == 0 && pci_device_map_bar(device, i) < 0)
			state_reader_refuse(reader, "BAR %u cannot answer where it is", i);
	}
	return state_reader_close(reader);
}
