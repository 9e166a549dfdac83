/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio_pci.c - a virtio device as a PCI function (carrel-vmm, under the machine's lock; virtio
 * 1.2 section 4.1)
 *
 * How it works: all registers lie in BAR 0 (virtio_registers.c), and five capabilities say where in
 * it. BAR 1 has the MSI-X table, with a vector for each queue and one for the configuration where
 * there are enough. The fifth capability is a window through which firmware reaches BAR 0 by
 * configuration space alone (section 4.1.4.9).
 */
#include "vmm/virtio.h"

#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>

#include "vmm/bus.h"
#include "vmm/pci.h"
#include "vmm/virtio_transport.h"

#define VENDOR		 0x1af4
#define DEVICE_BASE	 0x1040 /* plus the device's type */
#define BAR_REGISTERS	 0
#define BAR_MSIX	 1
#define WINDOW_CAP_BYTES (sizeof(struct virtio_pci_cap) + sizeof(uint32_t))
#define WINDOW_DATA	 sizeof(struct virtio_pci_cap)

/* What the driver has chosen to see through the window; false when it is not in the registers. */
static bool
virtio_pci_aim_window(const struct virtio_transport *transport, uint32_t *ret_offset,
		      uint32_t *ret_bytes)
{
	const struct pci_device *pci = transport->pci;
	uint32_t bar = pci_device_get_config(pci, transport->window + VIRTIO_PCI_CAP_BAR, 1);
	uint32_t offset = pci_device_get_config(pci, transport->window + VIRTIO_PCI_CAP_OFFSET, 4);
	uint32_t bytes = pci_device_get_config(pci, transport->window + VIRTIO_PCI_CAP_LENGTH, 4);

	if (bar != BAR_REGISTERS || (bytes != 1 && bytes != 2 && bytes != 4) ||
	    offset % bytes != 0 || offset > VIRTIO_REGISTERS_BYTES - bytes)
		return false;
	*ret_offset = offset;
	*ret_bytes = bytes;
	return true;
}

static uint32_t
virtio_pci_read_window(void *context, uint32_t config_offset, uint32_t config_bytes)
{
	struct virtio_transport *transport = context;
	uint32_t offset, bytes;

	(void)config_bytes;
	if (config_offset != transport->window + WINDOW_DATA ||
	    !virtio_pci_aim_window(transport, &offset, &bytes))
		return 0;
	return (uint32_t)virtio_registers_ops.read(transport, offset, bytes);
}

static void
virtio_pci_write_window(void *context, uint32_t config_offset, uint32_t config_bytes,
			uint32_t value)
{
	struct virtio_transport *transport = context;
	uint32_t offset, bytes;

	if (config_offset == transport->window + WINDOW_DATA &&
	    virtio_pci_aim_window(transport, &offset, &bytes) && config_bytes >= bytes)
		virtio_registers_ops.write(transport, offset, bytes,
					   value & (UINT32_MAX >> (32 - 8 * bytes)));
}

static int
virtio_pci_add_structure(struct virtio_transport *transport, uint8_t type, uint32_t bytes,
			 uint32_t begin, uint32_t length, uint8_t *ret_at)
{
	struct pci_device *pci = transport->pci;
	int error = pci_device_add_capability(pci, PCI_CAP_ID_VNDR, bytes, ret_at);

	if (error)
		return error;
	pci_device_set_config(pci, *ret_at + VIRTIO_PCI_CAP_LEN, 1, bytes, 0);
	pci_device_set_config(pci, *ret_at + VIRTIO_PCI_CAP_CFG_TYPE, 1, type, 0);
	pci_device_set_config(pci, *ret_at + VIRTIO_PCI_CAP_BAR, 1, BAR_REGISTERS, 0);
	pci_device_set_config(pci, *ret_at + VIRTIO_PCI_CAP_OFFSET, 4, begin, 0);
	pci_device_set_config(pci, *ret_at + VIRTIO_PCI_CAP_LENGTH, 4, length, 0);
	return 0;
}

static int
virtio_pci_add_window(struct virtio_transport *transport)
{
	struct pci_device *pci = transport->pci;
	uint8_t at;
	int error = virtio_pci_add_structure(transport, VIRTIO_PCI_CAP_PCI_CFG, WINDOW_CAP_BYTES, 0,
					     0, &at);

	if (error)
		return error;
	pci_device_set_config(pci, at + VIRTIO_PCI_CAP_BAR, 1, 0, UINT8_MAX);
	pci_device_set_config(pci, at + VIRTIO_PCI_CAP_OFFSET, 4, 0, UINT32_MAX);
	pci_device_set_config(pci, at + VIRTIO_PCI_CAP_LENGTH, 4, 0, UINT32_MAX);
	transport->window = at;
	transport->window_ops = (struct pci_window){
		.offset = (uint8_t)(at + WINDOW_DATA),
		.bytes = sizeof(uint32_t),
		.read = virtio_pci_read_window,
		.write = virtio_pci_write_window,
	};
	pci_device_set_window(pci, &transport->window_ops, transport);
	return 0;
}

static int
virtio_pci_add_structures(struct virtio_transport *transport)
{
	const struct virtio_device *device = transport->device;
	const uint32_t plain = sizeof(struct virtio_pci_cap);
	uint8_t at;
	int error = virtio_pci_add_structure(transport, VIRTIO_PCI_CAP_COMMON_CFG, plain,
					     VIRTIO_REGISTERS_COMMON, VIRTIO_REGISTERS_COMMON_BYTES,
					     &at);

	if (!error)
		error = virtio_pci_add_structure(transport, VIRTIO_PCI_CAP_ISR_CFG, plain,
						 VIRTIO_REGISTERS_ISR, 1, &at);
	if (!error && device->config_bytes > 0)
		error = virtio_pci_add_structure(transport, VIRTIO_PCI_CAP_DEVICE_CFG, plain,
						 VIRTIO_REGISTERS_CONFIG, device->config_bytes,
						 &at);
	if (!error)
		error = virtio_pci_add_structure(
			transport, VIRTIO_PCI_CAP_NOTIFY_CFG, plain + sizeof(uint32_t),
			VIRTIO_REGISTERS_DOORBELLS, device->n_queues * VIRTIO_DOORBELL_STRIDE, &at);
	if (error)
		return error;
	pci_device_set_config(transport->pci, at + VIRTIO_PCI_NOTIFY_CAP_MULT, 4,
			      VIRTIO_DOORBELL_STRIDE, 0);
	return virtio_pci_add_window(transport);
}

static void
virtio_pci_reset(void *context)
{
	virtio_transport_reset(context);
}

static void
virtio_pci_resume(void *context)
{
	virtio_transport_resume(context);
}

static void
virtio_pci_save(void *context, struct state_writer *writer)
{
	virtio_transport_save(context, writer);
}

static int
virtio_pci_load(void *context, struct state_reader *reader)
{
	return virtio_transport_load(context, reader);
}

static void
virtio_pci_free(void *context)
{
	struct virtio_transport *transport = context;
	struct virtio_device *device = transport->device;

	virtio_transport_reset(transport);
	virtio_transport_free(transport);
	device->ops->free(device);
}

static void
virtio_pci_move_bar(void *context, uint32_t index, uint64_t gpa)
{
	if (index == BAR_REGISTERS)
		virtio_transport_move_doorbells(context,
						gpa ? gpa + VIRTIO_REGISTERS_DOORBELLS : 0);
}

static const struct pci_device_ops virtio_pci_ops = {
	.reset = virtio_pci_reset,
	.resume = virtio_pci_resume,
	.free = virtio_pci_free,
	.move_bar = virtio_pci_move_bar,
	.save = virtio_pci_save,
	.load = virtio_pci_load,
};

static int
virtio_pci_build(struct virtio_transport *transport, struct pci_device *pci)
{
	uint32_t n_vectors = transport->device->n_queues + 1;
	int error = pci_device_add_bar(pci, BAR_REGISTERS, VIRTIO_REGISTERS_BYTES,
				       &virtio_registers_ops, transport);

	transport->pci = pci;
	if (!error)
		error = pci_device_add_msix(
			pci, BAR_MSIX, n_vectors < PCI_MAX_VECTORS ? n_vectors : PCI_MAX_VECTORS);
	return error ? error : virtio_pci_add_structures(transport);
}

int
virtio_pci_new(struct pci_root *root, uint32_t slot, uint32_t class_code,
	       struct virtio_device *device)
{
	const struct pci_identity identity = {
		.vendor = VENDOR,
		.device = (uint16_t)(DEVICE_BASE + device->ops->type),
		.subsystem_vendor = VENDOR,
		.subsystem = (uint16_t)(DEVICE_BASE + device->ops->type),
		.revision = 1,
		.class_code = class_code,
	};
	struct virtio_transport *transport;
	struct pci_device *pci = NULL;
	int error = virtio_transport_new(device, &transport);

	if (error)
		return error;
	error = pci_device_new(root, slot, device->ops->name, &identity, &pci);
	if (!error)
		error = virtio_pci_build(transport, pci);
	if (error) {
		pci_device_free(pci);
		virtio_transport_free(transport);
		return error;
	}
	transport->slot = slot;
	device->transport = transport;
	pci_device_set_ops(pci, &virtio_pci_ops, transport);
	return 0;
}
