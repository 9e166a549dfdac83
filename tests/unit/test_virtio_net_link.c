/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_virtio_net_link.c - a network card whose cable is pulled, and whose peers go, come and are wrong
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/fake_platform.h"
#include "tests/unit/net_stage.h"
#include "tests/unit/virtio_driver.h"
#include "vmm/net_peer.h"
#include "vmm/net_stream.h"
#include "vmm/net_tap.h"
#include "vmm/virtio_net.h"

static void
test_virtio_net_link__the_link_follows_the_peer(void **state)
{
	struct net_stage *stage = *state;
	int fd;

	fake_platform_forget(stage->fake);
	close(stage->peer);
	assert_true(fake_platform_settle(stage->fake));
	assert_false(net_stage_sees_link(stage));
	assert_int_equal(virtio_driver_count_config_interrupts(&stage->driver), 1);
	assert_int_equal(virtio_net_set_link(stage->device, true, -1), -ENOTCONN);
	net_stage_send(stage, 1, NET_STAGE_FRAME); /* lost */
	virtio_driver_kick(&stage->driver, NET_STAGE_SEND);
	assert_int_equal(net_stage_count_sent(stage), 1);

	fd = net_stage_pair(stage);
	assert_int_equal(virtio_net_set_link(stage->device, true, fd), 0);
	assert_true(net_stage_sees_link(stage));
	assert_int_equal(virtio_driver_count_config_interrupts(&stage->driver), 2);
	net_stage_expect_silence(stage);
	net_stage_send(stage, 2, NET_STAGE_FRAME);
	virtio_driver_kick(&stage->driver, NET_STAGE_SEND);
	net_stage_expect_sent(stage, 2, NET_STAGE_FRAME);
}

static void
test_virtio_net_link__a_refused_link_leaves_the_old_one(void **state)
{
	struct net_stage *stage = *state;
	int old = stage->peer;
	int fd = net_stage_pair(stage);
	char byte;

	net_stage_give(stage, 2, 2048);
	stage->kind.make = net_stage_make_refusing_peer;
	fake_platform_forget(stage->fake);
	assert_int_equal(virtio_net_set_link(stage->device, true, fd), -EIO);
	assert_int_equal(recv(stage->peer, &byte, 1, 0), 0); /* the new one was closed */
	close(stage->peer);
	stage->peer = old;

	assert_true(net_stage_sees_link(stage));
	assert_int_equal(virtio_driver_count_config_interrupts(&stage->driver), 0);
	net_stage_send(stage, 1, NET_STAGE_FRAME);
	virtio_driver_kick(&stage->driver, NET_STAGE_SEND);
	net_stage_expect_sent(stage, 1, NET_STAGE_FRAME);
	net_stage_arrive(stage, 2, NET_STAGE_FRAME, 0, 4 + NET_STAGE_FRAME);
	net_stage_expect_received(stage, 2, NET_STAGE_FRAME, 1);
}

static void
test_virtio_net_link__the_cable_can_be_pulled(void **state)
{
	struct net_stage *stage = *state;

	net_stage_give(stage, 2, 2048);
	assert_int_equal(virtio_net_set_link(stage->device, false, -1), 0);
	assert_false(net_stage_sees_link(stage));
	net_stage_send(stage, 1, NET_STAGE_FRAME);
	virtio_driver_kick(&stage->driver, NET_STAGE_SEND);
	assert_int_equal(net_stage_count_sent(stage), 1);
	net_stage_expect_silence(stage);
	net_stage_arrive(stage, 2, NET_STAGE_FRAME, 0, 4 + NET_STAGE_FRAME);
	net_stage_expect_received(stage, 0, 0, 0);
	assert_int_equal(virtio_net_set_link(stage->device, true, -1), 0);
	assert_true(net_stage_sees_link(stage));
	net_stage_expect_received(stage, 2, NET_STAGE_FRAME, 1);
}

/* Of frames that wait for a peer that reads nothing, too: without a link they are dropped. */
static void
test_virtio_net_link__the_cable_can_be_pulled_from_a_peer_that_stands(void **state)
{
	struct net_stage *stage = *state;
	int done = net_stage_flood(stage);

	assert_int_equal(virtio_net_set_link(stage->device, false, -1), 0);
	assert_true(fake_platform_settle(stage->fake));
	assert_int_equal(done + net_stage_count_sent(stage), NET_STAGE_FLOOD);
	/* and when it is in again nothing goes before there is room */
	assert_int_equal(virtio_net_set_link(stage->device, true, -1), 0);
	net_stage_send(stage, (uint32_t)done, NET_STAGE_LARGE);
	virtio_driver_kick(&stage->driver, NET_STAGE_SEND);
	for (uint32_t i = 0; i <= (uint32_t)done; i++)
		net_stage_expect_sent(stage, i, NET_STAGE_LARGE);
	net_stage_expect_silence(stage);
}

static void
test_virtio_net_link__a_peer_without_frames_is_lost(void **state)
{
	static const uint32_t lengths[] = { 0, 13, 65554, UINT32_MAX };
	struct net_stage *stage = *state;

	net_stage_give(stage, 2, 2048);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		uint32_t length = htonl(lengths[i]);

		assert_true(net_stage_sees_link(stage));
		assert_int_equal(send(stage->peer, &length, sizeof(length), 0), 4);
		assert_true(fake_platform_settle(stage->fake));
		assert_false(net_stage_sees_link(stage));
		close(stage->peer);
		assert_int_equal(virtio_net_set_link(stage->device, true, net_stage_pair(stage)),
				 0);
		assert_true(fake_platform_settle(stage->fake));
	}
	/* the largest there is */
	net_stage_give(stage, 60, 1536);
	assert_int_equal(fcntl(stage->peer, F_SETFL, 0), 0);
	net_stage_arrive(stage, 9, NET_STAGE_MAX_BYTES, 0, 4 + NET_STAGE_MAX_BYTES);
	assert_true(fake_platform_settle(stage->fake));
	assert_true(net_stage_sees_link(stage));
}

static void
test_virtio_net_link__a_tap_must_be_one(void **state)
{
	struct net_stage *stage = *state;
	struct virtio_net_options options = { .name = "test",
					      .kind = &net_tap_kind,
					      .fd = stage->peer };
	struct virtio_device *device;

	assert_int_equal(virtio_net_new(&stage->fake->platform, &options, &device), -EINVAL);
}

#define TEST(name)                                                                    \
	cmocka_unit_test_setup_teardown(test_virtio_net_link__##name, net_stage_open, \
					net_stage_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_link_follows_the_peer),
		TEST(a_refused_link_leaves_the_old_one),
		TEST(the_cable_can_be_pulled),
		TEST(the_cable_can_be_pulled_from_a_peer_that_stands),
		TEST(a_peer_without_frames_is_lost),
		TEST(a_tap_must_be_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
