/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * console_stage.h - a machine without KVM that has two named ports, and the guest's driver for them; with cmocka's
 * assertions
 */
#ifndef TESTS_UNIT_CONSOLE_STAGE_H
#define TESTS_UNIT_CONSOLE_STAGE_H

#include <stddef.h>
#include <stdint.h>

#include "tests/unit/fake_platform.h"
#include "tests/unit/virtio_driver.h"

#define CONSOLE_STAGE_PORTS	  2
#define CONSOLE_STAGE_CONTROL_IN  2 /* queues */
#define CONSOLE_STAGE_CONTROL_OUT 3
#define CONSOLE_STAGE_IN	  4 /* of port 1, the first */
#define CONSOLE_STAGE_OUT	  5
#define CONSOLE_STAGE_BUFFER	  256 /* bytes */

struct pci_root;
struct virtio_device;

struct console_stage {
	struct fake_platform *fake;
	struct pci_root *root;
	struct virtio_device *device;
	struct virtio_driver driver;
	int listen_fds[CONSOLE_STAGE_PORTS];
	int n_opened[CONSOLE_STAGE_PORTS];
	int n_closed[CONSOLE_STAGE_PORTS];
	uint64_t buffers[VIRTIO_DRIVER_MAX_QUEUES][VIRTQUEUE_MAX_SIZE]; /* by head */
};

extern const char *const console_stage_names[CONSOLE_STAGE_PORTS];

/* cmocka's: *state is the stage; the driver has not started it. */
int console_stage_open(void **state);
int console_stage_close(void **state);

/* A program of the host connects to a port, which is listened to by the device. */
int console_stage_connect(struct console_stage *stage, size_t port);

/* Buffers for the device to fill. */
void console_stage_give(struct console_stage *stage, uint32_t queue, int count, uint32_t bytes);
/* The next one that it has filled: how many bytes; -1 when there is none. */
int console_stage_take(struct console_stage *stage, uint32_t queue, void *ret_bytes, size_t room);
void console_stage_control(struct console_stage *stage, uint32_t port, uint16_t event,
			   uint16_t value);
void console_stage_expect_control(struct console_stage *stage, uint32_t port, uint16_t event,
				  uint16_t value, const char *name);
void console_stage_expect_no_control(struct console_stage *stage);
/* The driver is loaded, both ports are ready and port 1 is open. */
void console_stage_start(struct console_stage *stage);

#endif
