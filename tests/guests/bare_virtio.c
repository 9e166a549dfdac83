/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bare_virtio.c - a driver for any virtio PCI device, of a guest without an operating system
 */
#include "tests/guests/bare_virtio.h"

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include "tests/guests/bare.h"
#include "tests/guests/bare_irq.h"
#include "tests/guests/bare_pci.h"

#define VIRTIO_VENDOR 0x1af4

static uint64_t
bare_virtio_get_place(uint32_t slot, uint32_t capability)
{
	uint32_t bar = bare_pci_get(slot, capability + VIRTIO_PCI_CAP_BAR, 1);

	return bare_pci_get_bar(slot, bar) +
	       bare_pci_get(slot, capability + VIRTIO_PCI_CAP_OFFSET, 4);
}

static void
bare_virtio_find_structures(struct bare_virtio *device)
{
	uint32_t slot = device->slot;
	uint32_t at = 0;

	while ((at = bare_pci_find_capability(slot, PCI_CAP_ID_VNDR, at))) {
		switch (bare_pci_get(slot, at + VIRTIO_PCI_CAP_CFG_TYPE, 1)) {
		case VIRTIO_PCI_CAP_COMMON_CFG:
			device->common = bare_virtio_get_place(slot, at);
			break;
		case VIRTIO_PCI_CAP_NOTIFY_CFG:
			device->notify = bare_virtio_get_place(slot, at);
			device->notify_multiplier =
				bare_pci_get(slot, at + VIRTIO_PCI_NOTIFY_CAP_MULT, 4);
			break;
		case VIRTIO_PCI_CAP_ISR_CFG:
			device->isr = bare_virtio_get_place(slot, at);
			break;
		case VIRTIO_PCI_CAP_DEVICE_CFG:
			device->config = bare_virtio_get_place(slot, at);
			break;
		}
	}
}

bool
bare_virtio_open(struct bare_virtio *device, uint32_t slot)
{
	*device = (struct bare_virtio){ .slot = slot };
	if (!bare_check_equal(bare_pci_get(slot, PCI_VENDOR_ID, 2), VIRTIO_VENDOR,
			      "a virtio device is in the slot"))
		return false;
	bare_pci_enable(slot);
	bare_virtio_find_structures(device);
	return bare_check(device->common && device->notify && device->isr,
			  "its structures are found") &&
	       bare_check(bare_pci_enable_msix(slot, BARE_IRQ_FIRST, BARE_IRQ_COUNT) > 1,
			  "it has MSI-X");
}

static uint32_t
bare_virtio_read(uint64_t address, uint32_t bytes)
{
	if (bytes == 1)
		return BARE_REGISTER(uint8_t, address);
	return bytes == 2 ? BARE_REGISTER(uint16_t, address) : BARE_REGISTER(uint32_t, address);
}

uint32_t
bare_virtio_get(const struct bare_virtio *device, uint32_t field, uint32_t bytes)
{
	return bare_virtio_read(device->common + field, bytes);
}

static void
bare_virtio_write(uint64_t address, uint32_t bytes, uint32_t value)
{
	if (bytes == 1)
		BARE_REGISTER(uint8_t, address) = (uint8_t)value;
	else if (bytes == 2)
		BARE_REGISTER(uint16_t, address) = (uint16_t)value;
	else
		BARE_REGISTER(uint32_t, address) = value;
}

void
bare_virtio_set(const struct bare_virtio *device, uint32_t field, uint32_t bytes, uint32_t value)
{
	bare_virtio_write(device->common + field, bytes, value);
}

uint8_t
bare_virtio_get_status(const struct bare_virtio *device)
{
	return (uint8_t)bare_virtio_get(device, VIRTIO_PCI_COMMON_STATUS, 1);
}

static void
bare_virtio_add_status(const struct bare_virtio *device, uint8_t bits)
{
	bare_virtio_set(device, VIRTIO_PCI_COMMON_STATUS, 1, bare_virtio_get_status(device) | bits);
}

uint32_t
bare_virtio_get_config(const struct bare_virtio *device, uint32_t offset, uint32_t bytes)
{
	return bare_virtio_read(device->config + offset, bytes);
}

void
bare_virtio_set_config(const struct bare_virtio *device, uint32_t offset, uint32_t bytes,
		       uint32_t value)
{
	bare_virtio_write(device->config + offset, bytes, value);
}

void
bare_virtio_reset(struct bare_virtio *device)
{
	bare_virtio_set(device, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	bare_check(BARE_WAIT(bare_virtio_get_status(device) == 0), "the device is reset");
}

uint64_t
bare_virtio_get_features(const struct bare_virtio *device)
{
	uint64_t features;

	bare_virtio_set(device, VIRTIO_PCI_COMMON_DFSELECT, 4, 1);
	features = (uint64_t)bare_virtio_get(device, VIRTIO_PCI_COMMON_DF, 4) << 32;
	bare_virtio_set(device, VIRTIO_PCI_COMMON_DFSELECT, 4, 0);
	return features | bare_virtio_get(device, VIRTIO_PCI_COMMON_DF, 4);
}

bool
bare_virtio_negotiate(struct bare_virtio *device, uint64_t features)
{
	bare_virtio_reset(device);
	bare_virtio_add_status(device, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	bare_virtio_add_status(device, VIRTIO_CONFIG_S_DRIVER);
	for (uint32_t i = 0; i < 2; i++) {
		bare_virtio_set(device, VIRTIO_PCI_COMMON_GFSELECT, 4, i);
		bare_virtio_set(device, VIRTIO_PCI_COMMON_GF, 4, (uint32_t)(features >> (32 * i)));
	}
	bare_virtio_add_status(device, VIRTIO_CONFIG_S_FEATURES_OK);
	return bare_virtio_get_status(device) & VIRTIO_CONFIG_S_FEATURES_OK;
}

static void
bare_virtio_set_address(const struct bare_virtio *device, uint32_t field, const volatile void *at)
{
	bare_virtio_set(device, field, 4, (uint32_t)(uintptr_t)at);
	bare_virtio_set(device, field + 4, 4, 0);
}

bool
bare_virtio_set_queue(struct bare_virtio *device, uint16_t index)
{
	struct bare_queue *queue = &device->queues[index];
	uint32_t offset;

	if (!queue->descriptors) {
		queue->descriptors =
			bare_allocate(BARE_VIRTIO_MAX_SIZE * sizeof(*queue->descriptors), 16);
		queue->available = bare_allocate(4 + 2 * BARE_VIRTIO_MAX_SIZE + 2, 2);
		queue->used = bare_allocate(4 + 8 * BARE_VIRTIO_MAX_SIZE + 2, 4);
	}
	queue->next = queue->seen = 0;
	queue->available->flags = queue->available->idx = 0;
	queue->used->flags = queue->used->idx = 0;
	bare_virtio_set(device, VIRTIO_PCI_COMMON_MSIX, 2, 0);
	bare_virtio_set(device, VIRTIO_PCI_COMMON_Q_SELECT, 2, index);
	queue->size = (uint16_t)bare_virtio_get(device, VIRTIO_PCI_COMMON_Q_SIZE, 2);
	if (queue->size == 0)
		return false;
	if (queue->size > BARE_VIRTIO_MAX_SIZE)
		queue->size = BARE_VIRTIO_MAX_SIZE;
	bare_virtio_set(device, VIRTIO_PCI_COMMON_Q_SIZE, 2, queue->size);
	bare_virtio_set(device, VIRTIO_PCI_COMMON_Q_MSIX, 2, index + 1);
	bare_virtio_set_address(device, VIRTIO_PCI_COMMON_Q_DESCLO, queue->descriptors);
	bare_virtio_set_address(device, VIRTIO_PCI_COMMON_Q_AVAILLO, queue->available);
	bare_virtio_set_address(device, VIRTIO_PCI_COMMON_Q_USEDLO, queue->used);
	offset = bare_virtio_get(device, VIRTIO_PCI_COMMON_Q_NOFF, 2);
	queue->doorbell = device->notify + (uint64_t)offset * device->notify_multiplier;
	bare_virtio_set(device, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
	return true;
}

void
bare_virtio_go(struct bare_virtio *device)
{
	bare_virtio_add_status(device, VIRTIO_CONFIG_S_DRIVER_OK);
}

bool
bare_virtio_start(struct bare_virtio *device, uint64_t features, uint16_t n_queues)
{
	features &= bare_virtio_get_features(device);
	features |= UINT64_C(1) << VIRTIO_F_VERSION_1;
	if (!bare_check(bare_virtio_negotiate(device, features), "it takes the features"))
		return false;
	for (uint16_t i = 0; i < n_queues; i++)
		if (!bare_check(bare_virtio_set_queue(device, i), "a queue is set up"))
			return false;
	bare_virtio_go(device);
	return true;
}

void
bare_virtio_offer(struct bare_virtio *device, uint16_t index, uint16_t first,
		  const struct bare_buffer *buffers, uint16_t n_buffers)
{
	struct bare_queue *queue = &device->queues[index];

	for (uint16_t i = 0; i < n_buffers; i++)
		queue->descriptors[first + i] = (struct vring_desc){
			.addr = (uintptr_t)buffers[i].data,
			.len = buffers[i].bytes,
			.flags = (uint16_t)((i + 1 < n_buffers ? VRING_DESC_F_NEXT : 0) |
					    (buffers[i].device_writes ? VRING_DESC_F_WRITE : 0)),
			.next = (uint16_t)(first + i + 1),
		};
	queue->available->ring[queue->next % queue->size] = first;
	__asm__ volatile("" ::: "memory");
	queue->available->idx = ++queue->next;
	__asm__ volatile("" ::: "memory");
	BARE_REGISTER(uint16_t, queue->doorbell) = index;
}

void
bare_virtio_offer_many(struct bare_virtio *device, uint16_t index, uint16_t n_chains,
		       const struct bare_buffer *buffer)
{
	for (uint16_t i = 0; i < n_chains; i++)
		bare_virtio_offer(device, index, i, buffer, 1);
}

uint32_t
bare_virtio_wait(struct bare_virtio *device, uint16_t index)
{
	struct bare_queue *queue = &device->queues[index];

	if (!BARE_WAIT(queue->used->idx != queue->seen))
		return BARE_VIRTIO_LOST;
	return queue->used->ring[queue->seen++ % queue->size].len;
}

uint32_t
bare_virtio_transfer(struct bare_virtio *device, uint16_t index, const struct bare_buffer *buffers,
		     uint16_t n_buffers)
{
	bare_virtio_offer(device, index, 0, buffers, n_buffers);
	return bare_virtio_wait(device, index);
}
