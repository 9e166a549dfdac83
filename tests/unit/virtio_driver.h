/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio_driver.h - a guest's driver for any virtio PCI device, for tests and fuzzers
 *
 * It does what Linux does (virtio 1.2 sections 3.1.1 and 4.1.3): finds the device's registers through PCI configuration
 * space and its capabilities, gives every queue and the configuration an MSI-X vector of its own, negotiates, sets queues
 * up, adds buffers and rings doorbells, all through the buses. A typical test:
 *
 *	struct virtio_driver driver;
 *
 *	fake_platform_new(FAKE_PLATFORM_RAM_BYTES, &fake);
 *	pci_root_new(&fake->platform, &root); ... the device ...; pci_root_reset(root);
 *	virtio_driver_open(&driver, fake, SLOT_RNG);
 *	virtio_driver_start(&driver, VIRTIO_DRIVER_ALL_FEATURES);
 *	virtio_driver_transfer(&driver, 0, NULL, 0, bytes, sizeof(bytes));
 *	virtio_driver_close(&driver);
 */
#ifndef TESTS_UNIT_VIRTIO_DRIVER_H
#define TESTS_UNIT_VIRTIO_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/driver_ring.h"

#define VIRTIO_DRIVER_MAX_QUEUES   40
#define VIRTIO_DRIVER_ALL_FEATURES UINT64_MAX

struct fake_platform;

struct virtio_driver {
	struct fake_platform *fake;
	uint32_t slot;
	uint64_t common; /* GPAs of the four structures; 0: there is none */
	uint64_t notify;
	uint64_t isr;
	uint64_t config;
	uint32_t notify_multiplier;
	uint32_t config_bytes;
	uint64_t msix_table; /* GPA */
	uint32_t n_vectors;
	uint32_t n_queues;
	uint64_t features;				     /* that were accepted */
	struct driver_ring *rings[VIRTIO_DRIVER_MAX_QUEUES]; /* NULL: not set up */
	uint64_t doorbells[VIRTIO_DRIVER_MAX_QUEUES];
	uint64_t scratch; /* of virtio_driver_transfer() */
	uint64_t scratch_bytes;
};

/* PCI configuration space, through ports 0xcf8 and 0xcfc. */
uint32_t virtio_driver_get_pci(struct virtio_driver *driver, uint32_t offset, uint32_t bytes);
void virtio_driver_set_pci(struct virtio_driver *driver, uint32_t offset, uint32_t bytes,
			   uint32_t value);

/*
 * Finds the device in this slot, switches memory decoding, bus mastering and MSI-X on, and gives each MSI-X entry a message
 * of its own. 0; -ENODEV; -EPROTO when its capabilities are not what the specification wants.
 */
int virtio_driver_open(struct virtio_driver *driver, struct fake_platform *fake, uint32_t slot);
void virtio_driver_close(struct virtio_driver *driver);

/* Registers of the common structure (VIRTIO_PCI_COMMON_... of linux/virtio_pci.h) and of the device's own. */
uint32_t virtio_driver_get(struct virtio_driver *driver, uint32_t offset, uint32_t bytes);
void virtio_driver_set(struct virtio_driver *driver, uint32_t offset, uint32_t bytes,
		       uint32_t value);
uint64_t virtio_driver_get_config(struct virtio_driver *driver, uint32_t offset, uint32_t bytes);
void virtio_driver_set_config(struct virtio_driver *driver, uint32_t offset, uint32_t bytes,
			      uint64_t value);
uint8_t virtio_driver_get_status(struct virtio_driver *driver);
void virtio_driver_set_status(struct virtio_driver *driver, uint8_t status);
uint64_t virtio_driver_get_offered(struct virtio_driver *driver);

/* The steps of initialisation. Reset also forgets the rings. */
void virtio_driver_reset(struct virtio_driver *driver);
/* Reset, ACKNOWLEDGE, DRIVER, features that are wanted and offered, FEATURES_OK. 0; -ENOTSUP when it was not accepted. */
int virtio_driver_negotiate(struct virtio_driver *driver, uint64_t wanted);
/* size 0: as large as the device allows. 0; -ENOENT; -ENOMEM. */
int virtio_driver_setup_queue(struct virtio_driver *driver, uint32_t queue, uint16_t size);
/* All of them with all queues, and DRIVER_OK. 0; -EIO when the device says NEEDS_RESET. */
int virtio_driver_start(struct virtio_driver *driver, uint64_t wanted);

/* Rings the doorbell, wanted or not, and lets the loop run. */
void virtio_driver_kick(struct virtio_driver *driver, uint32_t queue);
/*
 * One chain with "out" for the device to read and room for "in_bytes", either may be empty; waits for it up to 10 s.
 * Returns how many bytes the device says it wrote, or -errno (-ETIMEDOUT: it never came back).
 */
int virtio_driver_transfer(struct virtio_driver *driver, uint32_t queue, const void *out,
			   size_t out_bytes, void *in, size_t in_bytes);

/* Since fake_platform_forget(). */
uint32_t virtio_driver_count_interrupts(const struct virtio_driver *driver, uint32_t queue);
uint32_t virtio_driver_count_config_interrupts(const struct virtio_driver *driver);

#endif
