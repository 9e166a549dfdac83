/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio_driver.c - a guest's driver for any virtio PCI device, for tests and fuzzers
 *
 * How it works: MSI-X vector 0 is the configuration's, vector 1 + i is queue i's; where there are not enough the last
 * queues share the last one. The message of vector v of the device in slot s has the data s * 256 + v, by which
 * fake_platform counts them.
 */
#include "tests/unit/virtio_driver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "tests/unit/fake_platform.h"

#define PORT_ADDRESS	       0xcf8
#define PORT_DATA	       0xcfc
#define VIRTIO_VENDOR	       0x1af4
#define MSI_ADDRESS	       0xfee00000
#define MAX_CAPABILITIES       48
#define TRANSFER_MS	       10000
#define SCRATCH_MIN_BYTES      4096
#define STATUS_BEFORE_FEATURES (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER)

static void
virtio_driver_select_pci(struct virtio_driver *driver, uint32_t offset)
{
	fake_platform_out(driver->fake, PORT_ADDRESS, 4,
			  UINT32_C(1) << 31 | driver->slot << 11 | (offset & 0xfc));
}

uint32_t
virtio_driver_get_pci(struct virtio_driver *driver, uint32_t offset, uint32_t bytes)
{
	virtio_driver_select_pci(driver, offset);
	return fake_platform_in(driver->fake, PORT_DATA + (offset & 3), bytes);
}

void
virtio_driver_set_pci(struct virtio_driver *driver, uint32_t offset, uint32_t bytes, uint32_t value)
{
	virtio_driver_select_pci(driver, offset);
	fake_platform_out(driver->fake, PORT_DATA + (offset & 3), bytes, value);
}

/* The GPA of an offset in a 32-bit memory BAR; 0 when there is none. */
static uint64_t
virtio_driver_locate(struct virtio_driver *driver, uint32_t bar, uint32_t offset)
{
	uint32_t base;

	if (bar > 5)
		return 0;
	base = virtio_driver_get_pci(driver, PCI_BASE_ADDRESS_0 + 4 * bar, 4);
	if (base & (PCI_BASE_ADDRESS_SPACE_IO | PCI_BASE_ADDRESS_MEM_TYPE_64))
		return 0;
	base &= (uint32_t)PCI_BASE_ADDRESS_MEM_MASK;
	return base ? (uint64_t)base + offset : 0;
}

static void
virtio_driver_read_structure(struct virtio_driver *driver, uint32_t at)
{
	uint32_t bar = virtio_driver_get_pci(driver, at + VIRTIO_PCI_CAP_BAR, 1);
	uint32_t offset = virtio_driver_get_pci(driver, at + VIRTIO_PCI_CAP_OFFSET, 4);
	uint64_t gpa = virtio_driver_locate(driver, bar, offset);

	switch (virtio_driver_get_pci(driver, at + VIRTIO_PCI_CAP_CFG_TYPE, 1)) {
	case VIRTIO_PCI_CAP_COMMON_CFG:
		driver->common = gpa;
		break;
	case VIRTIO_PCI_CAP_NOTIFY_CFG:
		driver->notify = gpa;
		driver->notify_multiplier =
			virtio_driver_get_pci(driver, at + VIRTIO_PCI_NOTIFY_CAP_MULT, 4);
		break;
	case VIRTIO_PCI_CAP_ISR_CFG:
		driver->isr = gpa;
		break;
	case VIRTIO_PCI_CAP_DEVICE_CFG:
		driver->config = gpa;
		driver->config_bytes = virtio_driver_get_pci(driver, at + VIRTIO_PCI_CAP_LENGTH, 4);
		break;
	default:
		break;
	}
}

static void
virtio_driver_enable_msix(struct virtio_driver *driver, uint32_t at)
{
	uint32_t flags = virtio_driver_get_pci(driver, at + PCI_MSIX_FLAGS, 2);
	uint32_t table = virtio_driver_get_pci(driver, at + PCI_MSIX_TABLE, 4);

	driver->n_vectors = (flags & PCI_MSIX_FLAGS_QSIZE) + 1;
	driver->msix_table = virtio_driver_locate(driver, table & PCI_MSIX_TABLE_BIR,
						  table & PCI_MSIX_TABLE_OFFSET);
	for (uint32_t i = 0; i < driver->n_vectors; i++) {
		uint64_t entry = driver->msix_table + (uint64_t)i * PCI_MSIX_ENTRY_SIZE;

		fake_platform_write(driver->fake, entry + PCI_MSIX_ENTRY_LOWER_ADDR, 4,
				    MSI_ADDRESS);
		fake_platform_write(driver->fake, entry + PCI_MSIX_ENTRY_UPPER_ADDR, 4, 0);
		fake_platform_write(driver->fake, entry + PCI_MSIX_ENTRY_DATA, 4,
				    driver->slot << 8 | i);
		fake_platform_write(driver->fake, entry + PCI_MSIX_ENTRY_VECTOR_CTRL, 4, 0);
	}
	virtio_driver_set_pci(driver, at + PCI_MSIX_FLAGS, 2, flags | PCI_MSIX_FLAGS_ENABLE);
}

static int
virtio_driver_walk_capabilities(struct virtio_driver *driver)
{
	uint32_t at = virtio_driver_get_pci(driver, PCI_CAPABILITY_LIST, 1);

	if (!(virtio_driver_get_pci(driver, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST))
		return -EPROTO;
	for (int i = 0; at != 0; i++) {
		uint32_t id = virtio_driver_get_pci(driver, at, 1);

		if (i == MAX_CAPABILITIES || at % 4 != 0)
			return -EPROTO;
		if (id == PCI_CAP_ID_VNDR)
			virtio_driver_read_structure(driver, at);
		else if (id == PCI_CAP_ID_MSIX)
			virtio_driver_enable_msix(driver, at);
		at = virtio_driver_get_pci(driver, at + 1, 1);
	}
	return driver->common && driver->notify && driver->isr && driver->msix_table ? 0 : -EPROTO;
}

int
virtio_driver_open(struct virtio_driver *driver, struct fake_platform *fake, uint32_t slot)
{
	int error;

	*driver = (struct virtio_driver){ .fake = fake, .slot = slot };
	if (virtio_driver_get_pci(driver, PCI_VENDOR_ID, 2) != VIRTIO_VENDOR)
		return -ENODEV;
	virtio_driver_set_pci(driver, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	error = virtio_driver_walk_capabilities(driver);
	if (error)
		return error;
	driver->n_queues = virtio_driver_get(driver, VIRTIO_PCI_COMMON_NUMQ, 2);
	return driver->n_queues <= VIRTIO_DRIVER_MAX_QUEUES ? 0 : -EPROTO;
}

static void
virtio_driver_forget_rings(struct virtio_driver *driver)
{
	for (uint32_t i = 0; i < VIRTIO_DRIVER_MAX_QUEUES; i++) {
		free(driver->rings[i]);
		driver->rings[i] = NULL;
	}
}

void
virtio_driver_close(struct virtio_driver *driver)
{
	virtio_driver_forget_rings(driver);
}

uint32_t
virtio_driver_get(struct virtio_driver *driver, uint32_t offset, uint32_t bytes)
{
	return (uint32_t)fake_platform_read(driver->fake, driver->common + offset, bytes);
}

void
virtio_driver_set(struct virtio_driver *driver, uint32_t offset, uint32_t bytes, uint32_t value)
{
	fake_platform_write(driver->fake, driver->common + offset, bytes, value);
}

uint64_t
virtio_driver_get_config(struct virtio_driver *driver, uint32_t offset, uint32_t bytes)
{
	return fake_platform_read(driver->fake, driver->config + offset, bytes);
}

void
virtio_driver_set_config(struct virtio_driver *driver, uint32_t offset, uint32_t bytes,
			 uint64_t value)
{
	fake_platform_write(driver->fake, driver->config + offset, bytes, value);
}

uint8_t
virtio_driver_get_status(struct virtio_driver *driver)
{
	return (uint8_t)virtio_driver_get(driver, VIRTIO_PCI_COMMON_STATUS, 1);
}

void
virtio_driver_set_status(struct virtio_driver *driver, uint8_t status)
{
	virtio_driver_set(driver, VIRTIO_PCI_COMMON_STATUS, 1, status);
}

uint64_t
virtio_driver_get_offered(struct virtio_driver *driver)
{
	uint64_t offered;

	virtio_driver_set(driver, VIRTIO_PCI_COMMON_DFSELECT, 4, 0);
	offered = virtio_driver_get(driver, VIRTIO_PCI_COMMON_DF, 4);
	virtio_driver_set(driver, VIRTIO_PCI_COMMON_DFSELECT, 4, 1);
	return offered | (uint64_t)virtio_driver_get(driver, VIRTIO_PCI_COMMON_DF, 4) << 32;
}

void
virtio_driver_reset(struct virtio_driver *driver)
{
	virtio_driver_set_status(driver, 0);
	virtio_driver_forget_rings(driver);
	driver->features = 0;
}

int
virtio_driver_negotiate(struct virtio_driver *driver, uint64_t wanted)
{
	virtio_driver_reset(driver);
	virtio_driver_set_status(driver, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	virtio_driver_set_status(driver, STATUS_BEFORE_FEATURES);
	driver->features = wanted & virtio_driver_get_offered(driver);
	for (uint32_t i = 0; i < 2; i++) {
		virtio_driver_set(driver, VIRTIO_PCI_COMMON_GFSELECT, 4, i);
		virtio_driver_set(driver, VIRTIO_PCI_COMMON_GF, 4,
				  (uint32_t)(driver->features >> 32 * i));
	}
	virtio_driver_set_status(driver, STATUS_BEFORE_FEATURES | VIRTIO_CONFIG_S_FEATURES_OK);
	virtio_driver_set(driver, VIRTIO_PCI_COMMON_MSIX, 2, 0);
	return virtio_driver_get_status(driver) & VIRTIO_CONFIG_S_FEATURES_OK ? 0 : -ENOTSUP;
}

static uint32_t
virtio_driver_get_vector(const struct virtio_driver *driver, uint32_t queue)
{
	return queue + 1 < driver->n_vectors ? queue + 1 : driver->n_vectors - 1;
}

static void
virtio_driver_set_address(struct virtio_driver *driver, uint32_t offset, uint64_t gpa)
{
	virtio_driver_set(driver, offset, 4, (uint32_t)gpa);
	virtio_driver_set(driver, offset + 4, 4, (uint32_t)(gpa >> 32));
}

int
virtio_driver_setup_queue(struct virtio_driver *driver, uint32_t queue, uint16_t size)
{
	bool event_index = driver->features >> VIRTIO_RING_F_EVENT_IDX & 1;
	struct driver_ring *ring;
	uint32_t max;
	int error;

	virtio_driver_set(driver, VIRTIO_PCI_COMMON_Q_SELECT, 2, queue);
	max = virtio_driver_get(driver, VIRTIO_PCI_COMMON_Q_SIZE, 2);
	if (queue >= driver->n_queues || max == 0)
		return -ENOENT;
	ring = malloc(sizeof(*ring));
	if (!ring)
		return -ENOMEM;
	error = driver_ring_init(ring, driver->fake, size ? size : (uint16_t)max, event_index);
	if (error) {
		free(ring);
		return error;
	}
	free(driver->rings[queue]);
	driver->rings[queue] = ring;
	driver->doorbells[queue] =
		driver->notify + (uint64_t)driver->notify_multiplier *
					 virtio_driver_get(driver, VIRTIO_PCI_COMMON_Q_NOFF, 2);
	virtio_driver_set(driver, VIRTIO_PCI_COMMON_Q_SIZE, 2, ring->setup.size);
	virtio_driver_set(driver, VIRTIO_PCI_COMMON_Q_MSIX, 2,
			  virtio_driver_get_vector(driver, queue));
	virtio_driver_set_address(driver, VIRTIO_PCI_COMMON_Q_DESCLO, ring->setup.descriptors);
	virtio_driver_set_address(driver, VIRTIO_PCI_COMMON_Q_AVAILLO, ring->setup.avail);
	virtio_driver_set_address(driver, VIRTIO_PCI_COMMON_Q_USEDLO, ring->setup.used);
	virtio_driver_set(driver, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
	return 0;
}

int
virtio_driver_start(struct virtio_driver *driver, uint64_t wanted)
{
	int error = virtio_driver_negotiate(driver, wanted);

	for (uint32_t i = 0; !error && i < driver->n_queues; i++) {
		error = virtio_driver_setup_queue(driver, i, 0);
		if (error == -ENOENT) /* a number without a queue */
			error = 0;
	}
	if (error)
		return error;
	virtio_driver_set_status(driver, STATUS_BEFORE_FEATURES | VIRTIO_CONFIG_S_FEATURES_OK |
						 VIRTIO_CONFIG_S_DRIVER_OK);
	return virtio_driver_get_status(driver) & VIRTIO_CONFIG_S_NEEDS_RESET ? -EIO : 0;
}

void
virtio_driver_kick(struct virtio_driver *driver, uint32_t queue)
{
	fake_platform_write(driver->fake, driver->doorbells[queue], 2, queue);
	fake_platform_settle(driver->fake);
}

static int
virtio_driver_reserve_scratch(struct virtio_driver *driver, uint64_t bytes)
{
	if (bytes <= driver->scratch_bytes)
		return 0;
	if (bytes < SCRATCH_MIN_BYTES)
		bytes = SCRATCH_MIN_BYTES;
	driver->scratch = fake_platform_alloc(driver->fake, bytes, 4096);
	driver->scratch_bytes = driver->scratch ? bytes : 0;
	return driver->scratch ? 0 : -ENOMEM;
}

struct virtio_driver_wait {
	struct driver_ring *ring;
	uint16_t head;
	uint32_t written;
};

static bool
virtio_driver_is_done(void *context)
{
	struct virtio_driver_wait *wait = context;

	return driver_ring_get_used(wait->ring, &wait->head, &wait->written);
}

int
virtio_driver_transfer(struct virtio_driver *driver, uint32_t queue, const void *out,
		       size_t out_bytes, void *in, size_t in_bytes)
{
	struct virtio_driver_wait wait = { .ring = driver->rings[queue] };
	struct driver_buffer buffers[2];
	size_t n_buffers = 0;
	uint8_t *host;
	int error = virtio_driver_reserve_scratch(driver, out_bytes + in_bytes);

	if (error)
		return error;
	host = fake_platform_map(driver->fake, driver->scratch, out_bytes + in_bytes);
	if (out_bytes > 0) {
		memcpy(host, out, out_bytes);
		buffers[n_buffers++] =
			(struct driver_buffer){ driver->scratch, (uint32_t)out_bytes, false };
	}
	if (in_bytes > 0)
		buffers[n_buffers++] = (struct driver_buffer){ driver->scratch + out_bytes,
							       (uint32_t)in_bytes, true };
	error = driver_ring_add(wait.ring, buffers, n_buffers);
	if (error < 0)
		return error;
	virtio_driver_kick(driver, queue);
	if (!fake_platform_wait(driver->fake, virtio_driver_is_done, &wait, TRANSFER_MS))
		return -ETIMEDOUT;
	if (in_bytes > 0)
		memcpy(in, host + out_bytes, in_bytes);
	return (int)wait.written;
}

uint32_t
virtio_driver_count_interrupts(const struct virtio_driver *driver, uint32_t queue)
{
	return driver->fake
		->msi_counts[driver->slot << 8 | virtio_driver_get_vector(driver, queue)];
}

uint32_t
virtio_driver_count_config_interrupts(const struct virtio_driver *driver)
{
	return driver->fake->msi_counts[driver->slot << 8];
}
