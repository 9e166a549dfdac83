/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_virtio_console.c - named ports as a guest's driver and the host's programs see them (virtio 1.2 section 5.3)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_console.h>

#include "tests/unit/fake_platform.h"
#include "tests/unit/virtio_driver.h"
#include "vmm/pci.h"
#include "vmm/slots.h"
#include "vmm/virtio.h"
#include "vmm/virtio_console.h"

#define N_PORTS	     2
#define CONTROL_IN   2
#define CONTROL_OUT  3
#define PORT_IN	     4 /* of port 1, the first */
#define PORT_OUT     5
#define N_BUFFERS    16
#define BUFFER_BYTES 256
#define LARGE_BYTES  (4 << 20) /* more than a socket takes */
#define MULTIPORT_ONLY \
	(UINT64_C(1) << VIRTIO_CONSOLE_F_MULTIPORT | UINT64_C(1) << VIRTIO_F_VERSION_1)

struct stage {
	struct fake_platform *fake;
	struct pci_root *root;
	struct virtio_device *device;
	struct virtio_driver driver;
	int listen_fds[N_PORTS];
	int n_opened[N_PORTS];
	int n_closed[N_PORTS];
	uint64_t buffers[VIRTIO_DRIVER_MAX_QUEUES][VIRTQUEUE_MAX_SIZE]; /* by head */
};

static const char *const names[N_PORTS] = { "org.carrel.agent.0", "com.redhat.spice.0" };

static void
stage_handle_opened(void *context, size_t port, bool open)
{
	struct stage *stage = context;

	if (open)
		stage->n_opened[port]++;
	else
		stage->n_closed[port]++;
}

static int
stage_listen(void)
{
	const struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* an abstract address of the kernel's choice */
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(sa_family_t)), 0);
	assert_int_equal(listen(fd, 4), 0);
	return fd;
}

static int
stage_connect(struct stage *stage, size_t port)
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

static int
stage_open(void **state)
{
	struct stage *stage = calloc(1, sizeof(*stage));
	struct virtio_console_port_options ports[N_PORTS];
	struct virtio_console_options options = {
		.ports = ports,
		.n_ports = N_PORTS,
		.uid = getuid(),
		.opened = stage_handle_opened,
		.context = stage,
	};

	if (!stage || fake_platform_new(FAKE_PLATFORM_RAM_BYTES, &stage->fake) < 0)
		return -1;
	for (int i = 0; i < N_PORTS; i++) {
		stage->listen_fds[i] = stage_listen();
		ports[i] = (struct virtio_console_port_options){ names[i], stage->listen_fds[i] };
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

static int
stage_close(void **state)
{
	struct stage *stage = *state;

	virtio_driver_close(&stage->driver);
	pci_root_free(stage->root);
	fake_platform_free(stage->fake);
	for (int i = 0; i < N_PORTS; i++)
		close(stage->listen_fds[i]);
	free(stage);
	return 0;
}

/* Buffers for the device to fill. */
static void
stage_give(struct stage *stage, uint32_t queue, int count, uint32_t bytes)
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

/* The next one that it has filled: how many bytes; -1 when there is none. */
static int
stage_take(struct stage *stage, uint32_t queue, void *ret_bytes, size_t room)
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

static void
stage_control(struct stage *stage, uint32_t port, uint16_t event, uint16_t value)
{
	const struct virtio_console_control control = { port, event, value };

	assert_int_equal(virtio_driver_transfer(&stage->driver, CONTROL_OUT, &control,
						sizeof(control), NULL, 0),
			 0);
}

static void
stage_expect_control(struct stage *stage, uint32_t port, uint16_t event, uint16_t value,
		     const char *name)
{
	uint8_t bytes[BUFFER_BYTES];
	struct virtio_console_control control;
	int size = stage_take(stage, CONTROL_IN, bytes, sizeof(bytes));

	assert_int_equal(size, (int)(sizeof(control) + strlen(name)));
	memcpy(&control, bytes, sizeof(control));
	assert_int_equal(control.id, port);
	assert_int_equal(control.event, event);
	assert_int_equal(control.value, value);
	assert_memory_equal(bytes + sizeof(control), name, strlen(name));
}

static void
stage_expect_no_control(struct stage *stage)
{
	uint8_t bytes[BUFFER_BYTES];

	assert_int_equal(stage_take(stage, CONTROL_IN, bytes, sizeof(bytes)), -1);
}

/* The driver is loaded, both ports are ready and port 1 is open. */
static void
stage_start(struct stage *stage)
{
	assert_int_equal(virtio_driver_start(&stage->driver, VIRTIO_DRIVER_ALL_FEATURES), 0);
	stage_give(stage, CONTROL_IN, N_BUFFERS, BUFFER_BYTES);
	stage_control(stage, VIRTIO_CONSOLE_BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
	stage_expect_control(stage, 1, VIRTIO_CONSOLE_PORT_ADD, 1, "");
	stage_expect_control(stage, 2, VIRTIO_CONSOLE_PORT_ADD, 1, "");
	for (uint32_t i = 0; i < N_PORTS; i++) {
		stage_control(stage, 1 + i, VIRTIO_CONSOLE_PORT_READY, 1);
		stage_expect_control(stage, 1 + i, VIRTIO_CONSOLE_PORT_NAME, 1, names[i]);
	}
	stage_expect_no_control(stage);
	stage_control(stage, 1, VIRTIO_CONSOLE_PORT_OPEN, 1);
}

static bool
stage_has_failed(struct stage *stage)
{
	return virtio_driver_get_status(&stage->driver) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

static void
expect_bytes(int fd, const char *expected)
{
	char bytes[64];

	assert_int_equal(recv(fd, bytes, sizeof(bytes), 0), (int)strlen(expected));
	assert_memory_equal(bytes, expected, strlen(expected));
}

static void
expect_silence(int fd)
{
	char byte;

	assert_int_equal(recv(fd, &byte, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
}

static void
test_virtio_console__ports_are_added_named_and_opened(void **state)
{
	struct stage *stage = *state;
	int fd;

	assert_int_equal(
		virtio_driver_get_config(&stage->driver,
					 offsetof(struct virtio_console_config, max_nr_ports), 4),
		1 + N_PORTS);
	stage_start(stage);
	assert_true(virtio_console_is_open(stage->device, 0));
	assert_false(virtio_console_is_open(stage->device, 1));
	assert_false(virtio_console_is_open(stage->device, N_PORTS));
	assert_int_equal(stage->n_opened[0], 1);
	stage_control(stage, 1, VIRTIO_CONSOLE_PORT_OPEN, 1); /* no news */
	assert_int_equal(stage->n_opened[0], 1);

	fd = stage_connect(stage, 1);
	stage_expect_control(stage, 2, VIRTIO_CONSOLE_PORT_OPEN, 1, "");
	close(fd);
	assert_true(fake_platform_settle(stage->fake));
	stage_expect_control(stage, 2, VIRTIO_CONSOLE_PORT_OPEN, 0, "");

	stage_control(stage, 1, VIRTIO_CONSOLE_PORT_OPEN, 0);
	assert_false(virtio_console_is_open(stage->device, 0));
	assert_int_equal(stage->n_closed[0], 1);
}

static void
test_virtio_console__a_peer_that_came_early_is_told_of(void **state)
{
	struct stage *stage = *state;
	int fd = stage_connect(stage, 0);

	assert_int_equal(virtio_driver_start(&stage->driver, MULTIPORT_ONLY), 0);
	stage_control(stage, VIRTIO_CONSOLE_BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
	stage_control(stage, 1, VIRTIO_CONSOLE_PORT_READY, 1); /* before it can know */
	stage_give(stage, CONTROL_IN, 2, BUFFER_BYTES);
	stage_expect_control(stage, 1, VIRTIO_CONSOLE_PORT_ADD, 1, "");
	stage_expect_control(stage, 2, VIRTIO_CONSOLE_PORT_ADD, 1, "");
	stage_control(stage, 1, VIRTIO_CONSOLE_PORT_READY, 1);
	stage_control(stage, 1, VIRTIO_CONSOLE_PORT_READY, 1);
	stage_expect_no_control(stage);
	stage_give(stage, CONTROL_IN, 1, BUFFER_BYTES);
	stage_expect_control(stage, 1, VIRTIO_CONSOLE_PORT_NAME, 1, names[0]);
	stage_give(stage, CONTROL_IN, 2, BUFFER_BYTES);
	stage_expect_control(stage, 1, VIRTIO_CONSOLE_PORT_OPEN, 1, "");
	stage_expect_no_control(stage);
	close(fd);
}

static void
test_virtio_console__bytes_go_both_ways(void **state)
{
	struct stage *stage = *state;
	char bytes[BUFFER_BYTES];
	int fd;

	stage_start(stage);
	fd = stage_connect(stage, 0);
	assert_int_equal(
		virtio_driver_transfer(&stage->driver, PORT_OUT, "to the host", 11, NULL, 0), 0);
	expect_bytes(fd, "to the host");

	stage_give(stage, PORT_IN, 2, 4);
	fake_platform_forget(stage->fake);
	assert_int_equal(send(fd, "to guest", 8, 0), 8);
	assert_true(fake_platform_settle(stage->fake));
	assert_true(virtio_driver_count_interrupts(&stage->driver, PORT_IN) > 0);
	assert_int_equal(stage_take(stage, PORT_IN, bytes, sizeof(bytes)), 4);
	assert_memory_equal(bytes, "to g", 4);
	assert_int_equal(stage_take(stage, PORT_IN, bytes, sizeof(bytes)), 4);
	assert_memory_equal(bytes, "uest", 4);
	close(fd);
}

static void
test_virtio_console__bytes_wait_for_the_guest_to_open_and_to_give_buffers(void **state)
{
	struct stage *stage = *state;
	char bytes[BUFFER_BYTES];
	int fd;

	stage_start(stage);
	stage_control(stage, 1, VIRTIO_CONSOLE_PORT_OPEN, 0);
	stage_give(stage, PORT_IN, 1, 4);
	fd = stage_connect(stage, 0);
	assert_int_equal(send(fd, "abcdef", 6, 0), 6);
	assert_true(fake_platform_settle(stage->fake));
	assert_int_equal(stage_take(stage, PORT_IN, bytes, sizeof(bytes)), -1);

	stage_control(stage, 1, VIRTIO_CONSOLE_PORT_OPEN, 1);
	assert_true(fake_platform_settle(stage->fake));
	assert_int_equal(stage_take(stage, PORT_IN, bytes, sizeof(bytes)), 4);
	assert_memory_equal(bytes, "abcd", 4);

	/* and what is left survives that its sender goes */
	close(fd);
	assert_true(fake_platform_settle(stage->fake));
	stage_give(stage, PORT_IN, 2, 4);
	assert_int_equal(stage_take(stage, PORT_IN, bytes, sizeof(bytes)), 2);
	assert_memory_equal(bytes, "ef", 2);
	stage_expect_control(stage, 1, VIRTIO_CONSOLE_PORT_OPEN, 1, "");
	stage_expect_control(stage, 1, VIRTIO_CONSOLE_PORT_OPEN, 0, "");
}

static void
test_virtio_console__a_full_socket_loses_nothing(void **state)
{
	struct stage *stage = *state;
	struct driver_buffer buffer = { fake_platform_alloc(stage->fake, LARGE_BYTES, 16),
					LARGE_BYTES, false };
	uint32_t *words = fake_platform_map(stage->fake, buffer.gpa, LARGE_BYTES);
	uint8_t *received = calloc(1, LARGE_BYTES);
	size_t done = 0;
	uint32_t written;
	uint16_t head;
	int fd;

	for (uint32_t i = 0; i < LARGE_BYTES / sizeof(*words); i++)
		words[i] = i;
	stage_start(stage);
	fd = stage_connect(stage, 0);
	assert_int_not_equal(driver_ring_add(stage->driver.rings[PORT_OUT], &buffer, 1), -ENOSPC);
	virtio_driver_kick(&stage->driver, PORT_OUT);
	assert_false(driver_ring_get_used(stage->driver.rings[PORT_OUT], &head, &written));
	while (done < LARGE_BYTES) {
		ssize_t got = recv(fd, received + done, LARGE_BYTES - done, 0);

		if (got > 0)
			done += (size_t)got;
		else
			assert_int_equal(errno, EAGAIN);
		virtio_driver_kick(&stage->driver, PORT_OUT); /* which must not send twice */
	}
	assert_memory_equal(received, words, LARGE_BYTES);
	assert_true(driver_ring_get_used(stage->driver.rings[PORT_OUT], &head, &written));
	expect_silence(fd);
	close(fd);
	free(received);
}

static void
test_virtio_console__a_new_peer_replaces_the_old_one(void **state)
{
	struct stage *stage = *state;
	struct driver_buffer buffer = { fake_platform_alloc(stage->fake, LARGE_BYTES, 16),
					LARGE_BYTES, false };
	uint32_t written;
	uint16_t head;
	char byte;
	int first, second;

	stage_start(stage);
	first = stage_connect(stage, 0);
	stage_expect_control(stage, 1, VIRTIO_CONSOLE_PORT_OPEN, 1, "");
	assert_int_not_equal(driver_ring_add(stage->driver.rings[PORT_OUT], &buffer, 1), -ENOSPC);
	virtio_driver_kick(&stage->driver, PORT_OUT);
	assert_false(driver_ring_get_used(stage->driver.rings[PORT_OUT], &head, &written));

	second = stage_connect(stage, 0);
	stage_expect_control(stage, 1, VIRTIO_CONSOLE_PORT_OPEN, 0, "");
	stage_expect_control(stage, 1, VIRTIO_CONSOLE_PORT_OPEN, 1, "");
	/* half a message is nothing for the new one */
	assert_true(driver_ring_get_used(stage->driver.rings[PORT_OUT], &head, &written));
	expect_silence(second);
	while (recv(first, &byte, 1, 0) > 0)
		;
	assert_int_equal(recv(first, &byte, 1, 0), 0);
	assert_int_equal(virtio_driver_transfer(&stage->driver, PORT_OUT, "hello", 5, NULL, 0), 0);
	expect_bytes(second, "hello");
	close(first);
	close(second);
}

static void
test_virtio_console__without_a_peer_bytes_are_dropped(void **state)
{
	struct stage *stage = *state;
	int fd;

	stage_start(stage);
	for (int i = 0; i < 200; i++) /* more than the queue has places, or one kick handles */
		assert_int_equal(
			virtio_driver_transfer(&stage->driver, PORT_OUT, "lost", 4, NULL, 0), 0);
	fd = stage_connect(stage, 0);
	expect_silence(fd);
	close(fd);
}

static void
test_virtio_console__a_reset_closes_ports_and_keeps_the_peer(void **state)
{
	struct stage *stage = *state;
	int fd;

	stage_start(stage);
	fd = stage_connect(stage, 0);
	virtio_driver_reset(&stage->driver);
	assert_int_equal(stage->n_closed[0], 1);
	assert_false(virtio_console_is_open(stage->device, 0));
	assert_int_equal(send(fd, "x", 1, 0), 1);
	assert_true(fake_platform_settle(stage->fake));
	expect_silence(fd);
	close(fd);
	assert_true(fake_platform_settle(stage->fake));
	stage_start(stage);
	assert_int_equal(stage->n_opened[0], 2);
}

static void
test_virtio_console__a_plain_console_is_silent(void **state)
{
	struct stage *stage = *state;

	assert_int_equal(virtio_driver_start(&stage->driver, UINT64_C(1) << VIRTIO_F_VERSION_1), 0);
	assert_int_equal(virtio_driver_transfer(&stage->driver, 1, "login: ", 7, NULL, 0), 0);
	assert_false(stage_has_failed(stage));
}

static void
test_virtio_console__meaningless_control_messages_change_nothing(void **state)
{
	static const struct virtio_console_control messages[] = {
		{ 0, VIRTIO_CONSOLE_PORT_READY, 1 },
		{ 3, VIRTIO_CONSOLE_PORT_READY, 1 },
		{ UINT32_MAX, VIRTIO_CONSOLE_PORT_OPEN, 1 },
		{ 2, VIRTIO_CONSOLE_PORT_READY, 0 },
		{ 1, VIRTIO_CONSOLE_DEVICE_READY, 0 },
		{ 1, VIRTIO_CONSOLE_DEVICE_READY, 1 },
		{ 1, VIRTIO_CONSOLE_PORT_ADD, 1 },
		{ 1, VIRTIO_CONSOLE_PORT_NAME, 1 },
		{ 1, UINT16_MAX, UINT16_MAX },
	};
	struct stage *stage = *state;

	stage_start(stage);
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
		stage_control(stage, messages[i].id, messages[i].event, messages[i].value);
	stage_expect_no_control(stage);
	assert_false(virtio_console_is_open(stage->device, 1));
	assert_int_equal(stage->n_opened[0] + stage->n_opened[1], 1);
	assert_false(stage_has_failed(stage));

	/* before it is ready it cannot be opened */
	virtio_driver_reset(&stage->driver);
	assert_int_equal(virtio_driver_start(&stage->driver, VIRTIO_DRIVER_ALL_FEATURES), 0);
	stage_control(stage, 1, VIRTIO_CONSOLE_PORT_OPEN, 1);
	assert_false(virtio_console_is_open(stage->device, 0));
}

static void
test_virtio_console__bad_buffers_fail_the_device(void **state)
{
	struct stage *stage = *state;
	struct driver_buffer readable = { fake_platform_alloc(stage->fake, 16, 16), 16, false };
	int fd;

	stage_start(stage);
	driver_ring_add(stage->driver.rings[CONTROL_OUT],
			&(struct driver_buffer){ readable.gpa, 7, false }, 1);
	virtio_driver_kick(&stage->driver, CONTROL_OUT);
	assert_true(stage_has_failed(stage));

	virtio_driver_reset(&stage->driver);
	assert_int_equal(virtio_driver_start(&stage->driver, VIRTIO_DRIVER_ALL_FEATURES), 0);
	stage_give(stage, CONTROL_IN, 1, 7);
	stage_control(stage, 0, VIRTIO_CONSOLE_DEVICE_READY, 1);
	assert_true(stage_has_failed(stage));

	virtio_driver_reset(&stage->driver);
	stage_start(stage);
	fd = stage_connect(stage, 0);
	driver_ring_add(stage->driver.rings[PORT_IN], &readable, 1);
	assert_int_equal(send(fd, "x", 1, 0), 1);
	virtio_driver_kick(&stage->driver, PORT_IN);
	assert_true(stage_has_failed(stage));
	close(fd);
	assert_true(fake_platform_settle(stage->fake));
}

static void
test_virtio_console__options_are_checked(void **state)
{
	struct stage *stage = *state;
	char long_name[VIRTIO_CONSOLE_MAX_NAME + 2];
	struct virtio_console_port_options port = { "", stage->listen_fds[0] };
	struct virtio_console_options options = { .ports = &port, .n_ports = 1 };
	struct virtio_device *device;

	assert_int_equal(virtio_console_new(&stage->fake->platform, &options, &device), -EINVAL);
	memset(long_name, 'x', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	port.name = long_name;
	assert_int_equal(virtio_console_new(&stage->fake->platform, &options, &device), -EINVAL);
	port = (struct virtio_console_port_options){ "x", -1 };
	assert_int_equal(virtio_console_new(&stage->fake->platform, &options, &device), -EBADF);
	options.n_ports = VIRTIO_CONSOLE_MAX_PORTS + 1;
	assert_int_equal(virtio_console_new(&stage->fake->platform, &options, &device), -EINVAL);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(test_virtio_console__##name, stage_open, stage_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ports_are_added_named_and_opened),
		TEST(a_peer_that_came_early_is_told_of),
		TEST(bytes_go_both_ways),
		TEST(bytes_wait_for_the_guest_to_open_and_to_give_buffers),
		TEST(a_full_socket_loses_nothing),
		TEST(a_new_peer_replaces_the_old_one),
		TEST(without_a_peer_bytes_are_dropped),
		TEST(a_reset_closes_ports_and_keeps_the_peer),
		TEST(a_plain_console_is_silent),
		TEST(meaningless_control_messages_change_nothing),
		TEST(bad_buffers_fail_the_device),
		TEST(options_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
