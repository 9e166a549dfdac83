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
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_console.h>

#include "tests/unit/console_stage.h"
#include "tests/unit/fake_platform.h"
#include "tests/unit/virtio_driver.h"
#include "vmm/virtio.h"
#include "vmm/virtio_console.h"

#define LARGE_BYTES (4 << 20) /* more than a socket takes */
#define MULTIPORT_ONLY \
	(UINT64_C(1) << VIRTIO_CONSOLE_F_MULTIPORT | UINT64_C(1) << VIRTIO_F_VERSION_1)

static bool
stage_has_failed(struct console_stage *stage)
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
	struct console_stage *stage = *state;
	int fd;

	assert_int_equal(
		virtio_driver_get_config(&stage->driver,
					 offsetof(struct virtio_console_config, max_nr_ports), 4),
		1 + CONSOLE_STAGE_PORTS);
	console_stage_start(stage);
	assert_true(virtio_console_is_open(stage->device, 0));
	assert_false(virtio_console_is_open(stage->device, 1));
	assert_false(virtio_console_is_open(stage->device, CONSOLE_STAGE_PORTS));
	assert_int_equal(stage->n_opened[0], 1);
	console_stage_control(stage, 1, VIRTIO_CONSOLE_PORT_OPEN, 1); /* no news */
	assert_int_equal(stage->n_opened[0], 1);

	fd = console_stage_connect(stage, 1);
	console_stage_expect_control(stage, 2, VIRTIO_CONSOLE_PORT_OPEN, 1, "");
	close(fd);
	assert_true(fake_platform_settle(stage->fake));
	console_stage_expect_control(stage, 2, VIRTIO_CONSOLE_PORT_OPEN, 0, "");

	console_stage_control(stage, 1, VIRTIO_CONSOLE_PORT_OPEN, 0);
	assert_false(virtio_console_is_open(stage->device, 0));
	assert_int_equal(stage->n_closed[0], 1);
}

static void
test_virtio_console__a_peer_that_came_early_is_told_of(void **state)
{
	struct console_stage *stage = *state;
	int fd = console_stage_connect(stage, 0);

	assert_int_equal(virtio_driver_start(&stage->driver, MULTIPORT_ONLY), 0);
	console_stage_control(stage, VIRTIO_CONSOLE_BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
	console_stage_control(stage, 1, VIRTIO_CONSOLE_PORT_READY, 1); /* before it can know */
	console_stage_give(stage, CONSOLE_STAGE_CONTROL_IN, 2, CONSOLE_STAGE_BUFFER);
	console_stage_expect_control(stage, 1, VIRTIO_CONSOLE_PORT_ADD, 1, "");
	console_stage_expect_control(stage, 2, VIRTIO_CONSOLE_PORT_ADD, 1, "");
	console_stage_control(stage, 1, VIRTIO_CONSOLE_PORT_READY, 1);
	console_stage_control(stage, 1, VIRTIO_CONSOLE_PORT_READY, 1);
	console_stage_expect_no_control(stage);
	console_stage_give(stage, CONSOLE_STAGE_CONTROL_IN, 1, CONSOLE_STAGE_BUFFER);
	console_stage_expect_control(stage, 1, VIRTIO_CONSOLE_PORT_NAME, 1, console_stage_names[0]);
	console_stage_give(stage, CONSOLE_STAGE_CONTROL_IN, 2, CONSOLE_STAGE_BUFFER);
	console_stage_expect_control(stage, 1, VIRTIO_CONSOLE_PORT_OPEN, 1, "");
	console_stage_expect_no_control(stage);
	close(fd);
}

static void
test_virtio_console__bytes_go_both_ways(void **state)
{
	struct console_stage *stage = *state;
	char bytes[CONSOLE_STAGE_BUFFER];
	int fd;

	console_stage_start(stage);
	fd = console_stage_connect(stage, 0);
	assert_int_equal(virtio_driver_transfer(&stage->driver, CONSOLE_STAGE_OUT, "to the host",
						11, NULL, 0),
			 0);
	expect_bytes(fd, "to the host");

	console_stage_give(stage, CONSOLE_STAGE_IN, 2, 4);
	fake_platform_forget(stage->fake);
	assert_int_equal(send(fd, "to guest", 8, 0), 8);
	assert_true(fake_platform_settle(stage->fake));
	assert_true(virtio_driver_count_interrupts(&stage->driver, CONSOLE_STAGE_IN) > 0);
	assert_int_equal(console_stage_take(stage, CONSOLE_STAGE_IN, bytes, sizeof(bytes)), 4);
	assert_memory_equal(bytes, "to g", 4);
	assert_int_equal(console_stage_take(stage, CONSOLE_STAGE_IN, bytes, sizeof(bytes)), 4);
	assert_memory_equal(bytes, "uest", 4);
	close(fd);
}

static void
test_virtio_console__bytes_wait_for_the_guest_to_open_and_to_give_buffers(void **state)
{
	struct console_stage *stage = *state;
	char bytes[CONSOLE_STAGE_BUFFER];
	int fd;

	console_stage_start(stage);
	console_stage_control(stage, 1, VIRTIO_CONSOLE_PORT_OPEN, 0);
	console_stage_give(stage, CONSOLE_STAGE_IN, 1, 4);
	fd = console_stage_connect(stage, 0);
	assert_int_equal(send(fd, "abcdef", 6, 0), 6);
	assert_true(fake_platform_settle(stage->fake));
	assert_int_equal(console_stage_take(stage, CONSOLE_STAGE_IN, bytes, sizeof(bytes)), -1);

	console_stage_control(stage, 1, VIRTIO_CONSOLE_PORT_OPEN, 1);
	assert_true(fake_platform_settle(stage->fake));
	assert_int_equal(console_stage_take(stage, CONSOLE_STAGE_IN, bytes, sizeof(bytes)), 4);
	assert_memory_equal(bytes, "abcd", 4);

	/* and what is left survives that its sender goes */
	close(fd);
	assert_true(fake_platform_settle(stage->fake));
	console_stage_give(stage, CONSOLE_STAGE_IN, 2, 4);
	assert_int_equal(console_stage_take(stage, CONSOLE_STAGE_IN, bytes, sizeof(bytes)), 2);
	assert_memory_equal(bytes, "ef", 2);
	console_stage_expect_control(stage, 1, VIRTIO_CONSOLE_PORT_OPEN, 1, "");
	console_stage_expect_control(stage, 1, VIRTIO_CONSOLE_PORT_OPEN, 0, "");
}

static void
test_virtio_console__a_full_socket_loses_nothing(void **state)
{
	struct console_stage *stage = *state;
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
	console_stage_start(stage);
	fd = console_stage_connect(stage, 0);
	assert_int_not_equal(driver_ring_add(stage->driver.rings[CONSOLE_STAGE_OUT], &buffer, 1),
			     -ENOSPC);
	virtio_driver_kick(&stage->driver, CONSOLE_STAGE_OUT);
	assert_false(driver_ring_get_used(stage->driver.rings[CONSOLE_STAGE_OUT], &head, &written));
	while (done < LARGE_BYTES) {
		ssize_t got = recv(fd, received + done, LARGE_BYTES - done, 0);

		if (got > 0)
			done += (size_t)got;
		else
			assert_int_equal(errno, EAGAIN);
		virtio_driver_kick(&stage->driver,
				   CONSOLE_STAGE_OUT); /* which must not send twice */
	}
	assert_memory_equal(received, words, LARGE_BYTES);
	assert_true(driver_ring_get_used(stage->driver.rings[CONSOLE_STAGE_OUT], &head, &written));
	expect_silence(fd);
	close(fd);
	free(received);
}

static void
test_virtio_console__a_new_peer_replaces_the_old_one(void **state)
{
	struct console_stage *stage = *state;
	struct driver_buffer buffer = { fake_platform_alloc(stage->fake, LARGE_BYTES, 16),
					LARGE_BYTES, false };
	uint32_t written;
	uint16_t head;
	char byte;
	int first, second;

	console_stage_start(stage);
	first = console_stage_connect(stage, 0);
	console_stage_expect_control(stage, 1, VIRTIO_CONSOLE_PORT_OPEN, 1, "");
	assert_int_not_equal(driver_ring_add(stage->driver.rings[CONSOLE_STAGE_OUT], &buffer, 1),
			     -ENOSPC);
	virtio_driver_kick(&stage->driver, CONSOLE_STAGE_OUT);
	assert_false(driver_ring_get_used(stage->driver.rings[CONSOLE_STAGE_OUT], &head, &written));

	second = console_stage_connect(stage, 0);
	console_stage_expect_control(stage, 1, VIRTIO_CONSOLE_PORT_OPEN, 0, "");
	console_stage_expect_control(stage, 1, VIRTIO_CONSOLE_PORT_OPEN, 1, "");
	/* half a message is nothing for the new one */
	assert_true(driver_ring_get_used(stage->driver.rings[CONSOLE_STAGE_OUT], &head, &written));
	expect_silence(second);
	while (recv(first, &byte, 1, 0) > 0)
		;
	assert_int_equal(recv(first, &byte, 1, 0), 0);
	assert_int_equal(
		virtio_driver_transfer(&stage->driver, CONSOLE_STAGE_OUT, "hello", 5, NULL, 0), 0);
	expect_bytes(second, "hello");
	close(first);
	close(second);
}

static void
test_virtio_console__without_a_peer_bytes_are_dropped(void **state)
{
	struct console_stage *stage = *state;
	int fd;

	console_stage_start(stage);
	for (int i = 0; i < 200; i++) /* more than the queue has places, or one kick handles */
		assert_int_equal(virtio_driver_transfer(&stage->driver, CONSOLE_STAGE_OUT, "lost",
							4, NULL, 0),
				 0);
	fd = console_stage_connect(stage, 0);
	expect_silence(fd);
	close(fd);
}

static void
test_virtio_console__a_reset_closes_ports_and_keeps_the_peer(void **state)
{
	struct console_stage *stage = *state;
	int fd;

	console_stage_start(stage);
	fd = console_stage_connect(stage, 0);
	virtio_driver_reset(&stage->driver);
	assert_int_equal(stage->n_closed[0], 1);
	assert_false(virtio_console_is_open(stage->device, 0));
	assert_int_equal(send(fd, "x", 1, 0), 1);
	assert_true(fake_platform_settle(stage->fake));
	expect_silence(fd);
	close(fd);
	assert_true(fake_platform_settle(stage->fake));
	console_stage_start(stage);
	assert_int_equal(stage->n_opened[0], 2);
}

static void
test_virtio_console__a_plain_console_is_silent(void **state)
{
	struct console_stage *stage = *state;

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
	struct console_stage *stage = *state;

	console_stage_start(stage);
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
		console_stage_control(stage, messages[i].id, messages[i].event, messages[i].value);
	console_stage_expect_no_control(stage);
	assert_false(virtio_console_is_open(stage->device, 1));
	assert_int_equal(stage->n_opened[0] + stage->n_opened[1], 1);
	assert_false(stage_has_failed(stage));

	/* before it is ready it cannot be opened */
	virtio_driver_reset(&stage->driver);
	assert_int_equal(virtio_driver_start(&stage->driver, VIRTIO_DRIVER_ALL_FEATURES), 0);
	console_stage_control(stage, 1, VIRTIO_CONSOLE_PORT_OPEN, 1);
	assert_false(virtio_console_is_open(stage->device, 0));
}

static void
test_virtio_console__bad_buffers_fail_the_device(void **state)
{
	struct console_stage *stage = *state;
	struct driver_buffer readable = { fake_platform_alloc(stage->fake, 16, 16), 16, false };
	int fd;

	console_stage_start(stage);
	driver_ring_add(stage->driver.rings[CONSOLE_STAGE_CONTROL_OUT],
			&(struct driver_buffer){ readable.gpa, 7, false }, 1);
	virtio_driver_kick(&stage->driver, CONSOLE_STAGE_CONTROL_OUT);
	assert_true(stage_has_failed(stage));

	virtio_driver_reset(&stage->driver);
	assert_int_equal(virtio_driver_start(&stage->driver, VIRTIO_DRIVER_ALL_FEATURES), 0);
	console_stage_give(stage, CONSOLE_STAGE_CONTROL_IN, 1, 7);
	console_stage_control(stage, 0, VIRTIO_CONSOLE_DEVICE_READY, 1);
	assert_true(stage_has_failed(stage));

	virtio_driver_reset(&stage->driver);
	console_stage_start(stage);
	fd = console_stage_connect(stage, 0);
	driver_ring_add(stage->driver.rings[CONSOLE_STAGE_IN], &readable, 1);
	assert_int_equal(send(fd, "x", 1, 0), 1);
	virtio_driver_kick(&stage->driver, CONSOLE_STAGE_IN);
	assert_true(stage_has_failed(stage));
	close(fd);
	assert_true(fake_platform_settle(stage->fake));
}

static void
test_virtio_console__options_are_checked(void **state)
{
	struct console_stage *stage = *state;
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

#define TEST(name)                                                                       \
	cmocka_unit_test_setup_teardown(test_virtio_console__##name, console_stage_open, \
					console_stage_close)

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
