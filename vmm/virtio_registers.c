/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio_registers.c - the registers of a virtio device's BAR (carrel-vmm, under the machine's
 * lock; virtio 1.2 section 4.1.4)
 *
 * How it works: four structures, each in a page of its own: the common one, the ISR status, the
 * device's own configuration, and the doorbells. A register of the common structure is answered
 * only when it is accessed whole; other accesses read zeros and change nothing. A queue's registers
 * are frozen once it is enabled, and those of all queues by DRIVER_OK; what was written into them
 * is checked when they are used, in virtio.c.
 */
#include "vmm/virtio_transport.h"

#include <linux/virtio_pci.h>

#include "vmm/bus.h"

#define PAGE_BYTES 0x1000

/* How wide each register of the common structure is; section 4.1.4.3 */
static const uint8_t virtio_registers_widths[VIRTIO_REGISTERS_COMMON_BYTES] = {
	[VIRTIO_PCI_COMMON_DFSELECT] = 4,  [VIRTIO_PCI_COMMON_DF] = 4,
	[VIRTIO_PCI_COMMON_GFSELECT] = 4,  [VIRTIO_PCI_COMMON_GF] = 4,
	[VIRTIO_PCI_COMMON_MSIX] = 2,	   [VIRTIO_PCI_COMMON_NUMQ] = 2,
	[VIRTIO_PCI_COMMON_STATUS] = 1,	   [VIRTIO_PCI_COMMON_CFGGENERATION] = 1,
	[VIRTIO_PCI_COMMON_Q_SELECT] = 2,  [VIRTIO_PCI_COMMON_Q_SIZE] = 2,
	[VIRTIO_PCI_COMMON_Q_MSIX] = 2,	   [VIRTIO_PCI_COMMON_Q_ENABLE] = 2,
	[VIRTIO_PCI_COMMON_Q_NOFF] = 2,	   [VIRTIO_PCI_COMMON_Q_DESCLO] = 4,
	[VIRTIO_PCI_COMMON_Q_DESCHI] = 4,  [VIRTIO_PCI_COMMON_Q_AVAILLO] = 4,
	[VIRTIO_PCI_COMMON_Q_AVAILHI] = 4, [VIRTIO_PCI_COMMON_Q_USEDLO] = 4,
	[VIRTIO_PCI_COMMON_Q_USEDHI] = 4,
};

static uint32_t
virtio_registers_read_queue(const struct virtio_transport *transport, uint32_t offset)
{
	const struct virtio_transport_state *state = &transport->state;
	const struct virtio_queue_registers *queue;

	if (state->queue_select >= transport->device->n_queues)
		return 0;
	queue = &state->queues[state->queue_select];
	switch (offset) {
	case VIRTIO_PCI_COMMON_Q_SIZE:
		return queue->size;
	case VIRTIO_PCI_COMMON_Q_MSIX:
		return queue->vector;
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		return queue->enabled;
	case VIRTIO_PCI_COMMON_Q_NOFF:
		return state->queue_select;
	case VIRTIO_PCI_COMMON_Q_DESCLO:
		return (uint32_t)queue->descriptors;
	case VIRTIO_PCI_COMMON_Q_DESCHI:
		return (uint32_t)(queue->descriptors >> 32);
	case VIRTIO_PCI_COMMON_Q_AVAILLO:
		return (uint32_t)queue->avail;
	case VIRTIO_PCI_COMMON_Q_AVAILHI:
		return (uint32_t)(queue->avail >> 32);
	case VIRTIO_PCI_COMMON_Q_USEDLO:
		return (uint32_t)queue->used;
	default: /* VIRTIO_PCI_COMMON_Q_USEDHI */
		return (uint32_t)(queue->used >> 32);
	}
}

static uint32_t
virtio_registers_read_common(const struct virtio_transport *transport, uint32_t offset)
{
	const struct virtio_transport_state *state = &transport->state;

	switch (offset) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		return state->device_feature_select;
	case VIRTIO_PCI_COMMON_DF:
		if (state->device_feature_select > 1)
			return 0;
		return (uint32_t)(virtio_transport_get_features(transport) >>
				  32 * state->device_feature_select);
	case VIRTIO_PCI_COMMON_GFSELECT:
		return state->driver_feature_select;
	case VIRTIO_PCI_COMMON_GF:
		if (state->driver_feature_select > 1)
			return 0;
		return (uint32_t)(state->driver_features >> 32 * state->driver_feature_select);
	case VIRTIO_PCI_COMMON_MSIX:
		return state->config_vector;
	case VIRTIO_PCI_COMMON_NUMQ:
		return transport->device->n_queues;
	case VIRTIO_PCI_COMMON_STATUS:
		return state->status;
	case VIRTIO_PCI_COMMON_CFGGENERATION:
		return state->config_generation;
	case VIRTIO_PCI_COMMON_Q_SELECT:
		return state->queue_select;
	default:
		return virtio_registers_read_queue(transport, offset);
	}
}

uint16_t
virtio_registers_check_vector(const struct virtio_transport *transport, uint32_t value)
{
	return value <= transport->device->n_queues && value < PCI_MAX_VECTORS
		       ? (uint16_t)value
		       : VIRTIO_MSI_NO_VECTOR;
}

static void
virtio_registers_set_half(uint64_t *address, bool high, uint32_t value)
{
	if (high)
		*address = (*address & UINT32_MAX) | (uint64_t)value << 32;
	else
		*address = (*address & ~(uint64_t)UINT32_MAX) | value;
}

static void
virtio_registers_write_queue(struct virtio_transport *transport, uint32_t offset, uint32_t value)
{
	struct virtio_queue_registers *queue = virtio_transport_find_writable(transport);

	if (!queue)
		return;
	switch (offset) {
	case VIRTIO_PCI_COMMON_Q_SIZE:
		queue->size = (uint16_t)value;
		break;
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		queue->enabled = value == 1;
		break;
	case VIRTIO_PCI_COMMON_Q_DESCLO:
	case VIRTIO_PCI_COMMON_Q_DESCHI:
		virtio_registers_set_half(&queue->descriptors, offset == VIRTIO_PCI_COMMON_Q_DESCHI,
					  value);
		break;
	case VIRTIO_PCI_COMMON_Q_AVAILLO:
	case VIRTIO_PCI_COMMON_Q_AVAILHI:
		virtio_registers_set_half(&queue->avail, offset == VIRTIO_PCI_COMMON_Q_AVAILHI,
					  value);
		break;
	case VIRTIO_PCI_COMMON_Q_USEDLO:
	case VIRTIO_PCI_COMMON_Q_USEDHI:
		virtio_registers_set_half(&queue->used, offset == VIRTIO_PCI_COMMON_Q_USEDHI,
					  value);
		break;
	default: /* read-only */
		break;
	}
}

static void
virtio_registers_write_common(struct virtio_transport *transport, uint32_t offset, uint32_t value)
{
	struct virtio_transport_state *state = &transport->state;

	switch (offset) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		state->device_feature_select = value;
		break;
	case VIRTIO_PCI_COMMON_GFSELECT:
		state->driver_feature_select = value;
		break;
	case VIRTIO_PCI_COMMON_GF:
		virtio_transport_set_features(transport, state->driver_feature_select, value);
		break;
	case VIRTIO_PCI_COMMON_MSIX:
		state->config_vector = virtio_registers_check_vector(transport, value);
		break;
	case VIRTIO_PCI_COMMON_STATUS:
		virtio_transport_set_status(transport, (uint8_t)value);
		break;
	case VIRTIO_PCI_COMMON_Q_SELECT:
		state->queue_select = (uint16_t)value;
		break;
	case VIRTIO_PCI_COMMON_Q_MSIX: /* not frozen: it says nothing about memory */
		if (state->queue_select < transport->device->n_queues)
			state->queues[state->queue_select].vector =
				virtio_registers_check_vector(transport, value);
		break;
	default:
		virtio_registers_write_queue(transport, offset, value);
		break;
	}
}

/* How much of an access to the device's own configuration lies within it. */
static uint32_t
virtio_registers_clip_config(const struct virtio_device *device, uint32_t offset, uint32_t bytes)
{
	if (offset >= device->config_bytes)
		return 0;
	return bytes < device->config_bytes - offset ? bytes : device->config_bytes - offset;
}

static uint64_t
virtio_registers_read_config(struct virtio_device *device, uint32_t offset, uint32_t bytes)
{
	uint64_t value = 0;

	bytes = virtio_registers_clip_config(device, offset, bytes);
	if (bytes > 0 && device->ops->read_config)
		device->ops->read_config(device, offset, &value, bytes);
	return value;
}

static void
virtio_registers_write_config(struct virtio_device *device, uint32_t offset, uint32_t bytes,
			      uint64_t value)
{
	bytes = virtio_registers_clip_config(device, offset, bytes);
	if (bytes > 0 && device->ops->write_config)
		device->ops->write_config(device, offset, &value, bytes);
}

static uint64_t
virtio_registers_handle_read(void *context, uint64_t offset, uint32_t bytes)
{
	struct virtio_transport *transport = context;
	uint32_t at = (uint32_t)offset % PAGE_BYTES;
	uint8_t isr;

	switch (offset - at) {
	case VIRTIO_REGISTERS_COMMON:
		if (at >= VIRTIO_REGISTERS_COMMON_BYTES || virtio_registers_widths[at] != bytes)
			return 0;
		return virtio_registers_read_common(transport, at);
	case VIRTIO_REGISTERS_ISR:
		if (at != 0)
			return 0;
		isr = transport->state.isr; /* reading it clears it; section 4.1.4.5 */
		transport->state.isr = 0;
		return isr;
	case VIRTIO_REGISTERS_CONFIG:
		return virtio_registers_read_config(transport->device, at, bytes);
	default:
		return 0;
	}
}

static void
virtio_registers_handle_write(void *context, uint64_t offset, uint32_t bytes, uint64_t value)
{
	struct virtio_transport *transport = context;
	uint32_t at = (uint32_t)offset % PAGE_BYTES;

	switch (offset - at) {
	case VIRTIO_REGISTERS_COMMON:
		if (at < VIRTIO_REGISTERS_COMMON_BYTES && virtio_registers_widths[at] == bytes)
			virtio_registers_write_common(transport, at, (uint32_t)value);
		break;
	case VIRTIO_REGISTERS_CONFIG:
		virtio_registers_write_config(transport->device, at, bytes, value);
		break;
	case VIRTIO_REGISTERS_DOORBELLS:
		if (at % VIRTIO_DOORBELL_STRIDE == 0 &&
		    at / VIRTIO_DOORBELL_STRIDE < transport->device->n_queues)
			virtio_transport_kick(transport, at / VIRTIO_DOORBELL_STRIDE);
		break;
	default:
		break;
	}
}

const struct bus_ops virtio_registers_ops = {
	.read = virtio_registers_handle_read,
	.write = virtio_registers_handle_write,
};
