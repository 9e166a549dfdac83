/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * console_stage.c - a machine without KVM that has two named ports, and the guest's driver for them
 */
#include "tests/unit/console_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/virtio_console.h>

#include "vmm/pci.h"
#include "vmm/slots.h"
#include "vmm/virtio.h"
#include "vmm/virtio_console.h"

#define N_BUFFERS 16

const char *const console_stage_names[CONSOLE_STAGE_PORTS] = { "org.carrel.agent.0",
							       "com.redhat.spice.0" };

static void
console_stage_handle_opened(void *context, size_t port, bool open)
{
	struct console_stage *stage = context;

	if (open)
		stage->n_opened[port]++;
	else
		stage->n_closed[port]++;
}

static int
console_stage_listen(void)
{
	const struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* an abstract address of the kernel's choice */
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(sa_family_t)), 0);
	assert_int_equal(listen(fd, 4), 0);
	return fd;
}

int
console_stage_connect(struct console_stage *stage, size_t port)
{
	struct sockaddr_un address;
	socklen_t size = sizeof(address);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(getsockname(stage->listen_fds[port], (struct sockaddr *)&address, &size),
			 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, size), 0);
	assert_true(fake_platform_settle(stage->fake));
	return fd;
}

int
console_stage_open(void **state)
{
	struct console_stage *stage = calloc(1, sizeof(*stage));
	struct virtio_console_port_options ports[CONSOLE_STAGE_PORTS];
	struct virtio_console_options options = {
		.ports = ports,
		.n_ports = CONSOLE_STAGE_PORTS,
		.uid = getuid(),
		.opened = console_stage_handle_opened,
		.context = stage,
	};

	if (!stage || fake_platform_new(FAKE_PLATFORM_RAM_BYTES, &stage->fake) < 0)
		return -1;
	for (int i = 0; i < CONSOLE_STAGE_PORTS; i++) {
		stage->listen_fds[i] = console_stage_listen();
		ports[i] = (struct virtio_console_port_options){ console_stage_names[i],
								 stage->listen_fds[i] };
	}
	assert_int_equal(pci_root_new(&stage->fake->platform, &stage->root), 0);
	assert_int_equal(virtio_console_new(&stage->fake->platform, &options, &stage->device), 0);
	assert_int_equal(
		virtio_pci_new(stage->root, SLOT_CONSOLE, VIRTIO_CONSOLE_CLASS_CODE, stage->device),
		0);
	pci_root_reset(stage->root);
	assert_int_equal(virtio_driver_open(&stage->driver, stage->fake, SLOT_CONSOLE), 0);
	*state = stage;
	return 0;
}

int
console_stage_close(void **state)
{
	struct console_stage *stage = *state;

	virtio_driver_close(&stage->driver);
	pci_root_free(stage->root);
	fake_platform_free(stage->fake);
	for (int i = 0; i < CONSOLE_STAGE_PORTS; i++)
		close(stage->listen_fds[i]);
	free(stage);
	return 0;
}

void
console_stage_give(struct console_stage *stage, uint32_t queue, int count, uint32_t bytes)
{
	for (int i = 0; i < count; i++) {
		struct driver_buffer buffer = { fake_platform_alloc(stage->fake, bytes, 16), bytes,
						true };
		int head = driver_ring_add(stage->driver.rings[queue], &buffer, 1);

		assert_true(head >= 0);
		stage->buffers[queue][head] = buffer.gpa;
	}
	virtio_driver_kick(&stage->driver, queue);
}

int
console_stage_take(struct console_stage *stage, uint32_t queue, void *ret_bytes, size_t room)
{
	uint16_t head;
	uint32_t written;

	if (!driver_ring_get_used(stage->driver.rings[queue], &head, &written))
		return -1;
	assert_true(written <= room);
	memcpy(ret_bytes, fake_platform_map(stage->fake, stage->buffers[queue][head], written),
	       written);
	return (int)written;
}

void
console_stage_control(struct console_stage *stage, uint32_t port, uint16_t event, uint16_t value)
{
	const struct virtio_console_control control = { port, event, value };

	assert_int_equal(virtio_driver_transfer(&stage->driver, CONSOLE_STAGE_CONTROL_OUT, &control,
						sizeof(control), NULL, 0),
			 0);
}

void
console_stage_expect_control(struct console_stage *stage, uint32_t port, uint16_t event,
			     uint16_t value, const char *name)
{
	uint8_t bytes[CONSOLE_STAGE_BUFFER];
	struct virtio_console_control control;
	int size = console_stage_take(stage, CONSOLE_STAGE_CONTROL_IN, bytes, sizeof(bytes));

	assert_int_equal(size, (int)(sizeof(control) + strlen(name)));
	memcpy(&control, bytes, sizeof(control));
	assert_int_equal(control.id, port);
	assert_int_equal(control.event, event);
	assert_int_equal(control.value, value);
	assert_memory_equal(bytes + sizeof(control), name, strlen(name));
}

void
console_stage_expect_no_control(struct console_stage *stage)
{
	uint8_t bytes[CONSOLE_STAGE_BUFFER];

	assert_int_equal(console_stage_take(stage, CONSOLE_STAGE_CONTROL_IN, bytes, sizeof(bytes)),
			 -1);
}

void
console_stage_start(struct console_stage *stage)
{
	assert_int_equal(virtio_driver_start(&stage->driver, VIRTIO_DRIVER_ALL_FEATURES), 0);
	console_stage_give(stage, CONSOLE_STAGE_CONTROL_IN, N_BUFFERS, CONSOLE_STAGE_BUFFER);
	console_stage_control(stage, VIRTIO_CONSOLE_BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
	console_stage_expect_control(stage, 1, VIRTIO_CONSOLE_PORT_ADD, 1, "");
	console_stage_expect_control(stage, 2, VIRTIO_CONSOLE_PORT_ADD, 1, "");
	for (uint32_t i = 0; i < CONSOLE_STAGE_PORTS; i++) {
		console_stage_control(stage, 1 + i, VIRTIO_CONSOLE_PORT_READY, 1);
		console_stage_expect_control(stage, 1 + i, VIRTIO_CONSOLE_PORT_NAME, 1,
					     console_stage_names[i]);
	}
	console_stage_expect_no_control(stage);
	console_stage_control(stage, 1, VIRTIO_CONSOLE_PORT_OPEN, 1);
}
