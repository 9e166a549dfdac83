/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio_transport.h - what stands between a virtio device and its driver: shared by virtio.c,
 * virtio_registers.c and virtio_pci.c
 */
#ifndef VMM_VIRTIO_TRANSPORT_H
#define VMM_VIRTIO_TRANSPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "vmm/pci.h"
#include "vmm/virtio.h"

#define VIRTIO_REGISTERS_COMMON	      0x0000
#define VIRTIO_REGISTERS_COMMON_BYTES 56
#define VIRTIO_REGISTERS_ISR	      0x1000
#define VIRTIO_REGISTERS_CONFIG	      0x2000
#define VIRTIO_REGISTERS_DOORBELLS    0x3000
#define VIRTIO_REGISTERS_BYTES	      0x4000
#define VIRTIO_DOORBELL_STRIDE	      4 /* bytes from one to the next */

/* The ISR status: a queue's interrupt or the configuration's; virtio 1.2 section 4.1.4.5 */
#define VIRTIO_ISR_QUEUE  1
#define VIRTIO_ISR_CONFIG 2
#define VIRTIO_ISR_BITS	  (VIRTIO_ISR_QUEUE | VIRTIO_ISR_CONFIG)

struct loop_poller;
struct loop_source;

/* One queue's registers as the driver wrote them; virtio 1.2 section 4.1.4.3 */
struct virtio_queue_registers {
	uint16_t size;
	uint16_t vector;
	uint16_t enabled;
	uint64_t descriptors;
	uint64_t avail;
	uint64_t used;
};

/*
 * All that the guest can change and see, beside PCI, the queues' own state and the device's; saved
 * and restored.
 */
struct virtio_transport_state {
	uint64_t driver_features;
	uint32_t device_feature_select;
	uint32_t driver_feature_select;
	uint16_t config_vector;
	uint16_t queue_select;
	uint8_t status; /* VIRTIO_CONFIG_S_...: the life cycle, see virtio_transport_set_status() */
	uint8_t config_generation;
	uint8_t isr;
	struct virtio_queue_registers queues[VIRTIO_MAX_QUEUES];
};

struct virtio_doorbell {
	struct virtio_transport *transport;
	int fd; /* eventfd; its handler is the queue's */
	struct loop_source *source;
	uint64_t gpa; /* where the platform watches for it; 0: nowhere */
};

struct virtio_transport {
	struct virtio_device *device;
	struct pci_device *pci;
	uint32_t slot;
	uint8_t window; /* the PCI_CFG capability */
	struct pci_window window_ops;
	struct virtio_transport_state state;
	struct virtio_doorbell doorbells[VIRTIO_MAX_QUEUES];
	uint64_t doorbells_gpa;	    /* where the notification structure is; 0: nowhere */
	struct loop_poller *poller; /* NULL: no queue is polled */
	bool tell_later;	    /* virtio_tell_later() */
	struct log_limit limit;
};

int virtio_transport_new(struct virtio_device *device, struct virtio_transport **ret_transport);
/* The device stays the caller's. */
void virtio_transport_free(struct virtio_transport *transport);

/* VERSION_1 and the ring features with the device's own */
uint64_t virtio_transport_get_features(const struct virtio_transport *transport);
void virtio_transport_set_features(struct virtio_transport *transport, uint32_t word,
				   uint32_t value);
void virtio_transport_set_status(struct virtio_transport *transport, uint8_t value);
void virtio_transport_reset(struct virtio_transport *transport);
/* The registers of the selected queue while they can be written; NULL once they are frozen. */
struct virtio_queue_registers *virtio_transport_find_writable(struct virtio_transport *transport);
/* The driver rang the doorbell: the loop's thread will handle it. */
void virtio_transport_kick(struct virtio_transport *transport, uint32_t queue);
/* All queues that are started: there may be chains that nobody has rung for, or was heard to. */
void virtio_transport_kick_all(struct virtio_transport *transport);
void virtio_transport_move_doorbells(struct virtio_transport *transport, uint64_t gpa);
/* KVM is told of the doorbells of the queues that run, wherever the guest has put them. */
void virtio_transport_place_doorbells(struct virtio_transport *transport);
/* The machine goes on after a pause, or the device may master the bus. */
void virtio_transport_resume(struct virtio_transport *transport);
/* What the driver has written is what it gets, when all of that is offered. */
bool virtio_transport_accept_features(struct virtio_transport *transport);
/* As its registers say. NULL, or what is wrong with them: a constant text. */
const char *virtio_transport_start_queue(struct virtio_transport *transport, uint32_t index);

/* virtio_state.c: as in struct pci_device_ops. */
void virtio_transport_save(const struct virtio_transport *transport, struct state_writer *writer);
int virtio_transport_load(struct virtio_transport *transport, struct state_reader *reader);

/* virtio_registers.c; the context is the transport. */
extern const struct bus_ops virtio_registers_ops;
/*
 * What a vector register reads after this was written: NO_VECTOR where there is no such vector;
 * section 4.1.5.1.2
 */
uint16_t virtio_registers_check_vector(const struct virtio_transport *transport, uint32_t value);

#endif
