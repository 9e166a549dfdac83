/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_virtio_net.c - a network card as a guest's driver and a stream socket's other end see it (virtio 1.2 section 5.1)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include "base/proto_launch.h"
#include "tests/unit/fake_platform.h"
#include "tests/unit/internet_sum.h"
#include "tests/unit/net_stage.h"
#include "tests/unit/virtio_driver.h"
#include "vmm/virtio.h"
#include "vmm/virtio_net.h"

#define FEATURE(bit) (UINT64_C(1) << (bit))
#define PLAIN	     FEATURE(VIRTIO_F_VERSION_1)

static void
test_virtio_net__says_what_it_is(void **state)
{
	struct net_stage *stage = *state;

	for (uint32_t i = 0; i < sizeof(net_stage_mac); i++)
		assert_int_equal(virtio_driver_get_config(&stage->driver, i, 1), net_stage_mac[i]);
	assert_int_equal(virtio_driver_get_config(&stage->driver,
						  offsetof(struct virtio_net_config, mtu), 2),
			 atoi(LAUNCH_NET_MTU));
	assert_true(net_stage_sees_link(stage));
	/* nobody behind a socket could divide what is larger than its frames */
	assert_int_equal(
		virtio_driver_get_offered(&stage->driver) &
			(FEATURE(VIRTIO_NET_F_HOST_TSO4) | FEATURE(VIRTIO_NET_F_GUEST_TSO4)),
		0);
}

static void
test_virtio_net__frames_go_both_ways(void **state)
{
	struct net_stage *stage = *state;
	struct virtio_net_statistics statistics;

	net_stage_send(stage, 1, NET_STAGE_FRAME);
	net_stage_send(stage, 2, 14);
	virtio_driver_kick(&stage->driver, NET_STAGE_SEND);
	net_stage_expect_sent(stage, 1, NET_STAGE_FRAME);
	net_stage_expect_sent(stage, 2, 14);
	net_stage_expect_silence(stage);

	net_stage_give(stage, 2, 2048);
	fake_platform_forget(stage->fake);
	net_stage_arrive(stage, 3, NET_STAGE_FRAME, 0, 4 + NET_STAGE_FRAME);
	net_stage_arrive(stage, 4, 60, 0, 4 + 60);
	net_stage_expect_received(stage, 3, NET_STAGE_FRAME, 1);
	net_stage_expect_received(stage, 4, 60, 1);
	assert_true(virtio_driver_count_interrupts(&stage->driver, NET_STAGE_RECEIVE) > 0);
	virtio_net_get_statistics(stage->device, &statistics);
	assert_int_equal(statistics.sent_bytes, NET_STAGE_FRAME + 14);
	assert_int_equal(statistics.received_bytes, NET_STAGE_FRAME + 60);
	assert_int_equal(statistics.received_frames, 2);
	assert_int_equal(statistics.dropped, 0);
}

/* Without an event index the driver wants to hear of everything, and nothing waits for what comes after it. */
static void
test_virtio_net__each_frame_is_told_at_once(void **state)
{
	struct net_stage *stage = *state;

	net_stage_restart(stage, PLAIN);
	net_stage_give(stage, 3, 2048);
	fake_platform_forget(stage->fake);
	for (uint32_t i = 0; i < 3; i++) {
		net_stage_send(stage, i, NET_STAGE_FRAME);
		net_stage_arrive(stage, i, 60, 0, 4 + 60);
	}
	virtio_driver_kick(&stage->driver, NET_STAGE_SEND);
	assert_true(fake_platform_settle(stage->fake));
	assert_int_equal(virtio_driver_count_interrupts(&stage->driver, NET_STAGE_SEND), 3);
	assert_int_equal(virtio_driver_count_interrupts(&stage->driver, NET_STAGE_RECEIVE), 3);
}

/* One whose checksum, 2 bytes at "start" + 16 over all from "start" on, is left to the card; in pieces of "piece" bytes. */
static void
send_unfinished(struct net_stage *stage, uint16_t start, uint32_t size, uint32_t piece)
{
	struct virtio_net_hdr_v1 header = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
					    .csum_start = start,
					    .csum_offset = 16 };
	uint32_t all = NET_STAGE_HEADER + size;
	uint64_t gpa = fake_platform_alloc(stage->fake, all, 16);
	uint8_t *bytes = fake_platform_map(stage->fake, gpa, all);
	struct driver_buffer buffers[64];
	size_t n = 0;

	memcpy(bytes, &header, sizeof(header));
	net_stage_fill_frame(bytes + NET_STAGE_HEADER, 1, size);
	for (uint32_t at = 0; at < all; at += piece)
		buffers[n++] = (struct driver_buffer){ gpa + at,
						       all - at < piece ? all - at : piece, false };
	assert_true(driver_ring_add(stage->driver.rings[NET_STAGE_SEND], buffers, n) >= 0);
	virtio_driver_kick(&stage->driver, NET_STAGE_SEND);
}

static void
test_virtio_net__completes_checksums(void **state)
{
	static const uint32_t pieces[] = { 5, 11, 12, 13, 52, 64, 65, 300 };
	struct net_stage *stage = *state;
	uint32_t length;

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		uint8_t expected[201];
		uint16_t sum;

		send_unfinished(stage, 34, sizeof(expected), pieces[i]);
		net_stage_fill_frame(expected, 1, sizeof(expected));
		sum = (uint16_t)~internet_sum(expected + 34, sizeof(expected) - 34);
		expected[50] = (uint8_t)(sum >> 8);
		expected[51] = (uint8_t)sum;
		net_stage_read(stage, &length, sizeof(length));
		assert_int_equal(ntohl(length), sizeof(expected));
		net_stage_read(stage, stage->bytes, sizeof(expected));
		assert_memory_equal(stage->bytes, expected, sizeof(expected));
	}
	/* its place lies behind the frame, or too far in it */
	send_unfinished(stage, 184, 201, 300);
	send_unfinished(stage, 300, 1000, 600);
	send_unfinished(stage, UINT16_MAX, 1000, 600);
	net_stage_expect_silence(stage);
	/* a driver that has not been offered it says nothing by the flag */
	net_stage_restart(stage, PLAIN);
	send_unfinished(stage, 34, 200, 300);
	net_stage_expect_sent(stage, 1, 200);
}

static void
test_virtio_net__a_frame_may_arrive_in_pieces(void **state)
{
	struct net_stage *stage = *state;

	net_stage_give(stage, 4, 2048);
	for (size_t i = 0; i < 4 + 60; i++) {
		net_stage_arrive(stage, 5, 60, i, 1);
		if (i + 1 < 4 + 60)
			net_stage_expect_received(stage, 0, 0, 0);
	}
	net_stage_expect_received(stage, 5, 60, 1);
}

static void
test_virtio_net__a_large_frame_fills_many_buffers(void **state)
{
	struct net_stage *stage = *state;
	const uint32_t n = (NET_STAGE_HEADER + NET_STAGE_LARGE + 1535) / 1536;

	net_stage_give(stage, (int)n - 1, 1536);
	net_stage_arrive(stage, 6, NET_STAGE_LARGE, 0, 4 + NET_STAGE_LARGE);
	net_stage_expect_received(stage, 0, 0, 0);
	net_stage_give(stage, 1, 1536);
	net_stage_expect_received(stage, 6, NET_STAGE_LARGE, (int)n);
}

static void
test_virtio_net__a_frame_that_never_fits_is_dropped(void **state)
{
	struct net_stage *stage = *state;
	struct virtio_net_statistics statistics;

	/* one buffer a frame, because the driver knows no better */
	net_stage_restart(stage, PLAIN);
	net_stage_give(stage, 2, 512);
	net_stage_arrive(stage, 7, NET_STAGE_FRAME, 0, 4 + NET_STAGE_FRAME);
	net_stage_arrive(stage, 8, 200, 0, 4 + 200);
	net_stage_expect_received(stage, 8, 200, 1);
	virtio_net_get_statistics(stage->device, &statistics);
	assert_int_equal(statistics.dropped, 1);
}

static void
test_virtio_net__frames_wait_for_buffers(void **state)
{
	struct net_stage *stage = *state;

	for (uint32_t i = 0; i < NET_STAGE_FLOOD; i++)
		net_stage_arrive(stage, i, NET_STAGE_FRAME, 0, 4 + NET_STAGE_FRAME);
	net_stage_expect_received(stage, 0, 0, 0);
	for (uint32_t i = 0; i < NET_STAGE_FLOOD; i++) {
		net_stage_give(stage, 1, 2048);
		net_stage_expect_received(stage, i, NET_STAGE_FRAME, 1);
	}
	/* more than are handled at once */
	for (uint32_t i = 0; i < 100; i++)
		net_stage_arrive(stage, i, 100, 0, 4 + 100);
	net_stage_give(stage, 100, 256);
	for (uint32_t i = 0; i < 100; i++)
		net_stage_expect_received(stage, i, 100, 1);
}

static void
test_virtio_net__a_full_socket_loses_nothing(void **state)
{
	struct net_stage *stage = *state;
	int done = net_stage_flood(stage);

	for (uint32_t i = 0; i < NET_STAGE_FLOOD; i++) {
		net_stage_expect_sent(stage, i, NET_STAGE_LARGE);
		virtio_driver_kick(&stage->driver, NET_STAGE_SEND);
	}
	assert_int_equal(done + net_stage_count_sent(stage), NET_STAGE_FLOOD);
	net_stage_expect_silence(stage);
}

/* A send buffer that is small makes the socket take frames in parts. */
static void
test_virtio_net__a_frame_sent_in_part_is_finished_first(void **state)
{
	struct net_stage *stage = *state;
	int fd = net_stage_pair(stage);
	int size = 4096;

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	assert_int_equal(virtio_net_set_link(stage->device, true, fd), 0);
	for (uint32_t i = 0; i < 8; i++)
		net_stage_send(stage, i, 60000);
	virtio_driver_kick(&stage->driver, NET_STAGE_SEND);
	assert_true(net_stage_count_sent(stage) < 8);
	net_stage_expect_sent(stage, 0, 60000);
	for (uint32_t i = 1; i < 8; i++)
		net_stage_expect_sent(stage, i, 60000);
}

static void
test_virtio_net__frames_without_a_sense_are_dropped(void **state)
{
	static const uint32_t sizes[] = { 1, NET_STAGE_HEADER, NET_STAGE_HEADER + 13,
					  NET_STAGE_HEADER + NET_STAGE_MAX_BYTES + 1 };
	struct net_stage *stage = *state;
	struct virtio_net_statistics statistics;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct driver_buffer buffer = { fake_platform_alloc(stage->fake, sizes[i], 16),
						sizes[i], false };

		assert_true(driver_ring_add(stage->driver.rings[NET_STAGE_SEND], &buffer, 1) >= 0);
		virtio_driver_kick(&stage->driver, NET_STAGE_SEND);
		assert_int_equal(net_stage_count_sent(stage), 1);
	}
	net_stage_expect_silence(stage);
	virtio_net_get_statistics(stage->device, &statistics);
	assert_int_equal(statistics.dropped, sizeof(sizes) / sizeof(sizes[0]));
}

static void
test_virtio_net__bad_buffers_fail_the_device(void **state)
{
	static const struct {
		uint32_t bytes;
		bool write;
	} bad[] = { { NET_STAGE_HEADER - 1, true }, { 2048, false } };
	struct net_stage *stage = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct driver_buffer buffer = { fake_platform_alloc(stage->fake, bad[i].bytes, 16),
						bad[i].bytes, bad[i].write };

		assert_true(driver_ring_add(stage->driver.rings[NET_STAGE_RECEIVE], &buffer, 1) >=
			    0);
		virtio_driver_kick(&stage->driver, NET_STAGE_RECEIVE);
		net_stage_arrive(stage, 1, 60, 0, 4 + 60);
		assert_true(fake_platform_settle(stage->fake));
		assert_true(virtio_driver_get_status(&stage->driver) & VIRTIO_CONFIG_S_NEEDS_RESET);
		net_stage_restart(stage, VIRTIO_DRIVER_ALL_FEATURES);
	}
	/* the frames are still there */
	net_stage_give(stage, 2, 2048);
	net_stage_expect_received(stage, 1, 60, 1);
	net_stage_expect_received(stage, 1, 60, 1);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(test_virtio_net__##name, net_stage_open, net_stage_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(says_what_it_is),
		TEST(frames_go_both_ways),
		TEST(each_frame_is_told_at_once),
		TEST(completes_checksums),
		TEST(a_frame_may_arrive_in_pieces),
		TEST(a_large_frame_fills_many_buffers),
		TEST(a_frame_that_never_fits_is_dropped),
		TEST(frames_wait_for_buffers),
		TEST(a_full_socket_loses_nothing),
		TEST(a_frame_sent_in_part_is_finished_first),
		TEST(frames_without_a_sense_are_dropped),
		TEST(bad_buffers_fail_the_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
