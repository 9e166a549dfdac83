/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio.h - what a virtio device is to its transport, and the transport to it
 *
 * The transport (virtio 1.2 sections 2.1 to 2.6 and 4.1, modern only: VIRTIO_F_VERSION_1 is always
 * offered and must be accepted) is vmm/virtio.c, which owns status, features, queues and doorbells,
 * with its registers in vmm/virtio_registers.c and its PCI function, and so MSI-X, in
 * vmm/virtio_pci.c. It calls the device through struct virtio_ops, always with the machine's lock
 * held. A device embeds struct virtio_device as its first member.
 *
 * A broken queue or a driver that breaks the rules ends in virtio_fail(): NEEDS_RESET is set, the
 * driver told by a configuration interrupt, the log says once what and where, and no queue is
 * handled until the driver resets the device.
 */
#ifndef VMM_VIRTIO_H
#define VMM_VIRTIO_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/virtqueue.h"

struct pci_root;
struct platform;
struct state_reader;
struct state_writer;
struct virtio_device;
struct virtio_transport;

#define VIRTIO_MAX_QUEUES	40
#define VIRTIO_MAX_CONFIG_BYTES 256

struct virtio_ops {
	const char *name; /* "virtio-blk": for logs */
	uint16_t type;	  /* section 5: 2 is a block device */
	/*
	 * The driver set DRIVER_OK; the enabled queues are started. device->driver_features are
	 * what it accepted. 0 or -errno.
	 */
	int (*activate)(struct virtio_device *device);
	/*
	 * To the state after power-on. Must cancel what is in flight, or wait for it, before it
	 * returns: the queues are gone.
	 */
	void (*reset)(struct virtio_device *device);
	/*
	 * The driver rang this queue's doorbell, the queue is polled, or the machine goes on after
	 * a pause. Handle a bounded number of chains; virtio_kick_again() when there are more.
	 */
	void (*handle_queue)(struct virtio_device *device, uint32_t queue);
	/* "offset" and "bytes" lie within config_bytes. NULL: reads zeros, ignores writes. */
	void (*read_config)(struct virtio_device *device, uint32_t offset, void *target,
			    uint32_t bytes);
	void (*write_config)(struct virtio_device *device, uint32_t offset, const void *source,
			     uint32_t bytes);
	void (*free)(struct virtio_device *device);
	/*
	 * What the device itself keeps and the guest can see; the transport saves the rest and
	 * opens the section, which has the device's name and this version. NULL: nothing. Nothing
	 * is in flight when it saves. It loads instead of activate, when features and queues are
	 * there (and are not, if the driver had not set DRIVER_OK: "active" says so).
	 */
	uint32_t state_version;
	void (*save)(struct virtio_device *device, struct state_writer *writer);
	int (*load)(struct virtio_device *device, struct state_reader *reader);
};

/* Filled in by the device before virtio_pci_new(), from "queues" on by the transport. */
struct virtio_device {
	const struct virtio_ops *ops;
	struct platform *platform;
	uint64_t device_features; /* without the transport's own bits (VERSION_1, RING_*) */
	uint32_t config_bytes;
	uint32_t n_queues;
	uint16_t queue_sizes[VIRTIO_MAX_QUEUES]; /* the most descriptors each may have */
	/*
	 * A bit each: queues whose handle_queue takes all chains that it can, whenever it is
	 * called, and which take what is left by themselves once they can. While such a queue is
	 * busy it is looked at and its driver need not ring.
	 */
	uint64_t polled_queues;
	/*
	 * A bit each: queues of which the device keeps a chain for as long as it likes, also while
	 * the machine is saved; it saves the chain's head, and checks in_flight when it loads it.
	 */
	uint64_t kept_queues;

	struct virtqueue queues[VIRTIO_MAX_QUEUES];
	uint64_t driver_features;
	bool active; /* between activate and reset, and not failed */
	struct virtio_transport *transport;
};

/*
 * Puts the device into a slot; the root then owns it (and frees it through ops->free).
 * "class_code": what pci_identity says. On an error the device stays the caller's.
 */
int virtio_pci_new(struct pci_root *root, uint32_t slot, uint32_t class_code,
		   struct virtio_device *device);

static inline bool
virtio_has_feature(const struct virtio_device *device, unsigned int bit)
{
	return device->driver_features >> bit & 1;
}

/*
 * virtqueue_pop() of a queue; a broken one fails the device and counts as empty, as do all while
 * the machine is paused.
 */
bool virtio_pop(struct virtio_device *device, uint32_t queue, struct virtqueue_chain *ret_chain);
/* Interrupts the driver for this queue if it wants to be, after any number of pushes. */
void virtio_signal_queue(struct virtio_device *device, uint32_t queue);
/* The device's configuration has changed: generation grows, configuration interrupt. */
void virtio_signal_config(struct virtio_device *device);
/* The same once the machine goes on: for a device that is being loaded. */
void virtio_tell_later(struct virtio_device *device);
/* handle_queue is called again, after other sources had their turn. */
void virtio_kick_again(struct virtio_device *device, uint32_t queue);
void virtio_fail(struct virtio_device *device, const char *reason);

#endif
