/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_console_state.c - named ports in a machine's state: the guest's ends stay open, and it hears that the host's are
 * others; forged values are refused
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/virtio_console.h>

#include "tests/unit/console_stage.h"
#include "tests/unit/state_twin.h"
#include "vmm/virtio_console.h"

#define SECTION	    "virtio-console 05"
#define LARGE_BYTES (1 << 20) /* more than a socket takes */
/* Where a port begins in it, and where in that its values stand */
#define PORT(i)	   (4 + (i) * (64 + 4))
#define PORT_STAGE 64
#define PORT_OPEN  65
#define PORT_DUE   66
#define PORT_PEER  67

struct twin {
	struct console_stage *first;
	struct console_stage *second;
};

static int
twin_open(void **state)
{
	static struct twin twin;

	*state = &twin;
	return console_stage_open((void **)&twin.first) < 0
		       ? -1
		       : console_stage_open((void **)&twin.second);
}

static int
twin_close(void **state)
{
	struct twin *twin = *state;

	console_stage_close((void **)&twin->first);
	return console_stage_close((void **)&twin->second);
}

static struct state_twin
twin_get(struct console_stage *stage)
{
	return (struct state_twin){ stage->fake, stage->root, { &stage->driver } };
}

/* "same": what goes on would be saved as what was saved. */
static void
twin_move(struct twin *twin, bool same)
{
	const struct state_twin source = twin_get(twin->first);
	const struct state_twin target = twin_get(twin->second);
	const char *problem;
	int result;

	result = state_twin_move(&target, &source, &problem);
	assert_string_equal(problem, "");
	assert_int_equal(result, !same);
	memcpy(twin->second->buffers, twin->first->buffers, sizeof(twin->first->buffers));
}

static void
test_console_state__ports_stay_open(void **state)
{
	struct twin *twin = *state;
	struct console_stage *second = twin->second;
	char bytes[CONSOLE_STAGE_BUFFER];
	int fd;

	console_stage_start(twin->first);
	console_stage_give(twin->first, CONSOLE_STAGE_IN, 2, 64);
	twin_move(twin, true);
	assert_true(virtio_console_is_open(second->device, 0));
	assert_false(virtio_console_is_open(second->device, 1));
	assert_int_equal(second->n_opened[0], 1);
	state_twin_resume(second->fake, second->root);
	console_stage_expect_no_control(second);
	fd = console_stage_connect(second, 0);
	console_stage_expect_control(second, 1, VIRTIO_CONSOLE_PORT_OPEN, 1, "");
	assert_int_equal(send(fd, "hello", 5, 0), 5);
	assert_true(fake_platform_settle(second->fake));
	assert_int_equal(console_stage_take(second, CONSOLE_STAGE_IN, bytes, sizeof(bytes)), 5);
	assert_memory_equal(bytes, "hello", 5);
	assert_int_equal(
		virtio_driver_transfer(&second->driver, CONSOLE_STAGE_OUT, "answer", 6, NULL, 0),
		0);
	assert_int_equal(recv(fd, bytes, sizeof(bytes), 0), 6);
	assert_memory_equal(bytes, "answer", 6);
	close(fd);
}

static void
test_console_state__a_guest_hears_that_its_peers_have_gone(void **state)
{
	struct twin *twin = *state;
	struct console_stage *second = twin->second;
	int fds[3];

	console_stage_start(twin->first);
	fds[0] = console_stage_connect(twin->first, 0);
	console_stage_expect_control(twin->first, 1, VIRTIO_CONSOLE_PORT_OPEN, 1, "");
	fds[1] = console_stage_connect(twin->first, 1);
	console_stage_expect_control(twin->first, 2, VIRTIO_CONSOLE_PORT_OPEN, 1, "");
	fds[2] = console_stage_connect(second, 1);
	twin_move(twin, false);
	console_stage_expect_no_control(second);
	state_twin_resume(second->fake, second->root);
	console_stage_expect_control(second, 1, VIRTIO_CONSOLE_PORT_OPEN, 0, "");
	console_stage_expect_control(second, 2, VIRTIO_CONSOLE_PORT_OPEN, 0, "");
	console_stage_expect_control(second, 2, VIRTIO_CONSOLE_PORT_OPEN, 1, "");
	console_stage_expect_no_control(second);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}

/* The last peer has had a part of it: the next one gets nothing of it, and the guest its buffer back. */
static void
test_console_state__what_waits_for_a_peer_that_has_gone_is_dropped(void **state)
{
	struct twin *twin = *state;
	struct console_stage *second = twin->second;
	struct driver_buffer buffer = { 0, LARGE_BYTES, false };
	struct driver_ring *ring;
	uint16_t head;
	uint32_t written;
	char bytes[16];
	int old, new;

	console_stage_start(twin->first);
	old = console_stage_connect(twin->first, 0);
	console_stage_expect_control(twin->first, 1, VIRTIO_CONSOLE_PORT_OPEN, 1, "");
	buffer.gpa = fake_platform_alloc(twin->first->fake, LARGE_BYTES, 16);
	ring = twin->first->driver.rings[CONSOLE_STAGE_OUT];
	assert_true(driver_ring_add(ring, &buffer, 1) >= 0);
	virtio_driver_kick(&twin->first->driver, CONSOLE_STAGE_OUT);
	assert_false(driver_ring_get_used(ring, &head, &written));
	new = console_stage_connect(second, 0);
	twin_move(twin, false);
	state_twin_resume(second->fake, second->root);
	ring = second->driver.rings[CONSOLE_STAGE_OUT];
	assert_true(driver_ring_get_used(ring, &head, &written));
	assert_false(driver_ring_get_used(ring, &head, &written));
	assert_int_equal(virtio_driver_count_interrupts(&second->driver, CONSOLE_STAGE_OUT), 1);
	assert_int_equal(recv(new, bytes, sizeof(bytes), 0), -1);
	assert_int_equal(errno, EAGAIN);
	close(old);
	close(new);
}

/* Messages that the driver had no buffers for. */
static void
test_console_state__what_a_guest_is_to_be_told_is_kept(void **state)
{
	struct twin *twin = *state;
	struct console_stage *second = twin->second;

	assert_int_equal(virtio_driver_start(&twin->first->driver, VIRTIO_DRIVER_ALL_FEATURES), 0);
	console_stage_control(twin->first, VIRTIO_CONSOLE_BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
	twin_move(twin, true);
	state_twin_resume(second->fake, second->root);
	console_stage_give(second, CONSOLE_STAGE_CONTROL_IN, 4, CONSOLE_STAGE_BUFFER);
	console_stage_expect_control(second, 1, VIRTIO_CONSOLE_PORT_ADD, 1, "");
	console_stage_expect_control(second, 2, VIRTIO_CONSOLE_PORT_ADD, 1, "");
	console_stage_control(second, 2, VIRTIO_CONSOLE_PORT_READY, 1);
	console_stage_expect_control(second, 2, VIRTIO_CONSOLE_PORT_NAME, 1,
				     console_stage_names[1]);
}

static void
test_console_state__forged_ports_are_refused(void **state)
{
	static const struct state_twin_forgery forgeries[] = {
		{ SECTION, 0, 1, 4 },
		{ SECTION, 0, UINT32_MAX, 4 },
		{ SECTION, PORT(0), 'x', 1 },
		{ SECTION, PORT(0) + 63, 'x', 1 },
		{ SECTION, PORT(0) + PORT_STAGE, 3, 1 },
		{ SECTION, PORT(0) + PORT_STAGE, 255, 1 },
		{ SECTION, PORT(0) + PORT_STAGE, 1, 1 }, /* and it is open */
		{ SECTION, PORT(0) + PORT_OPEN, 2, 1 },
		{ SECTION, PORT(0) + PORT_DUE, 1, 1 }, /* it is added already */
		{ SECTION, PORT(0) + PORT_DUE, 16, 1 },
		{ SECTION, PORT(0) + PORT_PEER, 2, 1 },
		{ SECTION, PORT(1) + PORT_STAGE, 9, 1 },
	};
	struct twin *twin = *state;
	const struct state_twin source = twin_get(twin->first);
	const struct state_twin target = twin_get(twin->second);
	const char *problem;

	console_stage_start(twin->first);
	problem = state_twin_forge(&target, &source, forgeries,
				   sizeof(forgeries) / sizeof(forgeries[0]));
	if (problem)
		fail_msg("%s", problem);
}

int
main(void)
{
#define TEST(name) \
	cmocka_unit_test_setup_teardown(test_console_state__##name, twin_open, twin_close)
	const struct CMUnitTest tests[] = {
		TEST(ports_stay_open),
		TEST(a_guest_hears_that_its_peers_have_gone),
		TEST(what_waits_for_a_peer_that_has_gone_is_dropped),
		TEST(what_a_guest_is_to_be_told_is_kept),
		TEST(forged_ports_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
