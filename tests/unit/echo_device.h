/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * echo_device.h - the simplest virtio device, for tests of the transport
 *
 * Queue ECHO_QUEUE: what was read from a chain is written into it. ECHO_QUEUE_HOLD: chains are kept in flight until
 * echo_device_complete(). ECHO_QUEUE_NONE: not there. The configuration is bytes that the driver can write.
 */
#ifndef TESTS_UNIT_ECHO_DEVICE_H
#define TESTS_UNIT_ECHO_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/virtio.h"

#define ECHO_TYPE	  42
#define ECHO_QUEUE	  0
#define ECHO_QUEUE_HOLD	  1
#define ECHO_QUEUE_NONE	  2
#define ECHO_QUEUE_SIZE	  64
#define ECHO_HOLD_SIZE	  8
#define ECHO_CONFIG_BYTES 6
#define ECHO_BATCH	  4 /* chains a kick */
#define ECHO_FEATURE	  (UINT64_C(1) << 5)

struct echo_device {
	struct virtio_device device;
	uint8_t config[ECHO_CONFIG_BYTES];
	uint16_t held[ECHO_HOLD_SIZE];
	uint32_t n_held;
	uint32_t n_kicks;
	uint32_t n_resets;
	uint32_t n_activations;
	int activate_error; /* what activate says */
	bool *freed;	    /* set when it is */
};

/* 0 or -errno; the root has it then. */
int echo_device_new(struct pci_root *root, struct platform *platform, uint32_t slot, bool *freed,
		    struct echo_device **ret_echo);
/* Hands back all chains it holds. */
void echo_device_complete(struct echo_device *echo);

#endif
