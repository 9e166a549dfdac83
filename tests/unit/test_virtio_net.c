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
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include "base/proto_launch.h"
#include "tests/unit/fake_platform.h"
#include "tests/unit/internet_sum.h"
#include "tests/unit/virtio_driver.h"
#include "vmm/net_peer.h"
#include "vmm/net_stream.h"
#include "vmm/net_tap.h"
#include "vmm/pci.h"
#include "vmm/slots.h"
#include "vmm/virtio.h"
#include "vmm/virtio_net.h"

#define RECEIVE	     0
#define SEND	     1
#define HEADER	     sizeof(struct virtio_net_hdr_v1)
#define FRAME_BYTES  1000
#define LARGE_BYTES  32014
#define MAX_BYTES    65553
#define N_FRAMES     60
#define FEATURE(bit) (UINT64_C(1) << (bit))
#define PLAIN	     FEATURE(VIRTIO_F_VERSION_1)

struct stage {
	struct fake_platform *fake;
	struct pci_root *root;
	struct virtio_device *device;
	struct virtio_driver driver;
	struct net_peer_kind kind; /* of the peers that come */
	int peer;		   /* the other end */
	uint64_t buffers[VIRTQUEUE_MAX_SIZE];
	uint8_t bytes[4 + MAX_BYTES + 1];
};

static const uint8_t mac[6] = { 0x52, 0x54, 0, 1, 2, 3 };

static int
stage_pair(struct stage *stage)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
			 0);
	stage->peer = fds[0];
	return fds[1];
}

static int
stage_open(void **state)
{
	struct stage *stage = calloc(1, sizeof(*stage));
	struct virtio_net_options options = {
		.name = "test", .kind = &stage->kind, .fd = -1, .link = true
	};

	if (!stage || fake_platform_new(FAKE_PLATFORM_RAM_BYTES, &stage->fake) < 0)
		return -1;
	stage->kind = net_stream_kind;
	memcpy(options.mac, mac, sizeof(mac));
	options.fd = stage_pair(stage);
	assert_int_equal(pci_root_new(&stage->fake->platform, &stage->root), 0);
	assert_int_equal(virtio_net_new(&stage->fake->platform, &options, &stage->device), 0);
	assert_int_equal(
		virtio_pci_new(stage->root, SLOT_NET, VIRTIO_NET_CLASS_CODE, stage->device), 0);
	pci_root_reset(stage->root);
	assert_int_equal(virtio_driver_open(&stage->driver, stage->fake, SLOT_NET), 0);
	assert_int_equal(virtio_driver_start(&stage->driver, VIRTIO_DRIVER_ALL_FEATURES), 0);
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
	close(stage->peer);
	free(stage);
	return 0;
}

static void
stage_restart(struct stage *stage, uint64_t features)
{
	virtio_driver_reset(&stage->driver);
	assert_int_equal(virtio_driver_start(&stage->driver, features), 0);
}

/* A frame's bytes are made of its number and of where they are. */
static uint8_t
frame_byte(uint32_t number, size_t at)
{
	return (uint8_t)(number * 7 + at * 13 + at / 256);
}

static void
fill_frame(uint8_t *bytes, uint32_t number, size_t size)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = frame_byte(number, i);
}

static void
expect_frame(const uint8_t *bytes, uint32_t number, size_t size)
{
	for (size_t i = 0; i < size; i++)
		assert_int_equal(bytes[i], frame_byte(number, i));
}

/* The guest sends one, of a header and two segments. */
static void
stage_send(struct stage *stage, uint32_t number, uint32_t size)
{
	uint64_t gpa = fake_platform_alloc(stage->fake, HEADER + size, 16);
	struct driver_buffer buffers[] = { { gpa, HEADER + 3, false },
					   { gpa + HEADER + 3, size - 3, false } };

	assert_int_not_equal(gpa, 0);
	fill_frame((uint8_t *)fake_platform_map(stage->fake, gpa, HEADER + size) + HEADER, number,
		   size);
	assert_true(driver_ring_add(stage->driver.rings[SEND], buffers, 2) >= 0);
}

/* One whose checksum, 2 bytes at "start" + 16 over all from "start" on, is left to the card; in pieces of "piece" bytes. */
static void
stage_send_unfinished(struct stage *stage, uint16_t start, uint32_t size, uint32_t piece)
{
	struct virtio_net_hdr_v1 header = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
					    .csum_start = start,
					    .csum_offset = 16 };
	uint32_t all = HEADER + size;
	uint64_t gpa = fake_platform_alloc(stage->fake, all, 16);
	uint8_t *bytes = fake_platform_map(stage->fake, gpa, all);
	struct driver_buffer buffers[64];
	size_t n = 0;

	memcpy(bytes, &header, sizeof(header));
	fill_frame(bytes + HEADER, 1, size);
	for (uint32_t at = 0; at < all; at += piece)
		buffers[n++] = (struct driver_buffer){ gpa + at,
						       all - at < piece ? all - at : piece, false };
	assert_true(driver_ring_add(stage->driver.rings[SEND], buffers, n) >= 0);
	virtio_driver_kick(&stage->driver, SEND);
}

static int
stage_count_sent(struct stage *stage)
{
	uint16_t head;
	uint32_t written;
	int n = 0;

	while (driver_ring_get_used(stage->driver.rings[SEND], &head, &written))
		n++;
	return n;
}

/* Reads exactly so many bytes at the other end, the loop running meanwhile. */
static void
stage_read(struct stage *stage, void *target, size_t size)
{
	size_t done = 0;

	for (int i = 0; done < size && i < 10000; i++) {
		ssize_t got = recv(stage->peer, (uint8_t *)target + done, size - done, 0);

		if (got > 0)
			done += (size_t)got;
		fake_platform_settle(stage->fake);
	}
	assert_int_equal(done, size);
}

static void
stage_expect_sent(struct stage *stage, uint32_t number, uint32_t size)
{
	uint32_t length;

	stage_read(stage, &length, sizeof(length));
	assert_int_equal(ntohl(length), size);
	stage_read(stage, stage->bytes, size);
	expect_frame(stage->bytes, number, size);
}

static void
stage_expect_silence(struct stage *stage)
{
	char byte;

	assert_true(fake_platform_settle(stage->fake));
	assert_int_equal(recv(stage->peer, &byte, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
}

/* The other end sends one, or only "bytes" bytes of it and of its length. */
static void
stage_arrive(struct stage *stage, uint32_t number, uint32_t size, size_t first, size_t bytes)
{
	uint32_t length = htonl(size);

	memcpy(stage->bytes, &length, sizeof(length));
	fill_frame(stage->bytes + sizeof(length), number, size);
	assert_int_equal(send(stage->peer, stage->bytes + first, bytes, 0), (ssize_t)bytes);
}

static void
stage_give(struct stage *stage, int count, uint32_t bytes)
{
	for (int i = 0; i < count; i++) {
		struct driver_buffer buffer = { fake_platform_alloc(stage->fake, bytes, 16), bytes,
						true };
		int head = driver_ring_add(stage->driver.rings[RECEIVE], &buffer, 1);

		assert_true(head >= 0);
		stage->buffers[head] = buffer.gpa;
	}
	virtio_driver_kick(&stage->driver, RECEIVE);
}

/* The guest has received this frame in so many buffers; 0: in none. */
static void
stage_expect_received(struct stage *stage, uint32_t number, uint32_t size, int n_buffers)
{
	struct virtio_net_hdr_v1 header;
	size_t done = 0;
	uint32_t written;
	uint16_t head;

	assert_true(fake_platform_settle(stage->fake));
	for (int i = 0; i < n_buffers; i++) {
		const uint8_t *bytes;

		assert_true(driver_ring_get_used(stage->driver.rings[RECEIVE], &head, &written));
		bytes = fake_platform_map(stage->fake, stage->buffers[head], written);
		memcpy(stage->bytes + done, bytes, written);
		done += written;
	}
	if (n_buffers == 0) {
		assert_false(driver_ring_get_used(stage->driver.rings[RECEIVE], &head, &written));
		return;
	}
	memcpy(&header, stage->bytes, sizeof(header));
	assert_int_equal(header.num_buffers, n_buffers);
	assert_int_equal(header.flags, stage->driver.features & FEATURE(VIRTIO_NET_F_GUEST_CSUM)
					       ? VIRTIO_NET_HDR_F_DATA_VALID
					       : 0);
	assert_int_equal(header.gso_type, VIRTIO_NET_HDR_GSO_NONE);
	assert_int_equal(done, HEADER + size);
	expect_frame(stage->bytes + HEADER, number, size);
}

static bool
stage_sees_link(struct stage *stage)
{
	return virtio_driver_get_config(&stage->driver, offsetof(struct virtio_net_config, status),
					2) &
	       VIRTIO_NET_S_LINK_UP;
}

static void
test_virtio_net__says_what_it_is(void **state)
{
	struct stage *stage = *state;

	for (uint32_t i = 0; i < sizeof(mac); i++)
		assert_int_equal(virtio_driver_get_config(&stage->driver, i, 1), mac[i]);
	assert_int_equal(virtio_driver_get_config(&stage->driver,
						  offsetof(struct virtio_net_config, mtu), 2),
			 atoi(LAUNCH_NET_MTU));
	assert_true(stage_sees_link(stage));
	/* nobody behind a socket could divide what is larger than its frames */
	assert_int_equal(
		virtio_driver_get_offered(&stage->driver) &
			(FEATURE(VIRTIO_NET_F_HOST_TSO4) | FEATURE(VIRTIO_NET_F_GUEST_TSO4)),
		0);
}

static void
test_virtio_net__frames_go_both_ways(void **state)
{
	struct stage *stage = *state;
	struct virtio_net_statistics statistics;

	stage_send(stage, 1, FRAME_BYTES);
	stage_send(stage, 2, 14);
	virtio_driver_kick(&stage->driver, SEND);
	stage_expect_sent(stage, 1, FRAME_BYTES);
	stage_expect_sent(stage, 2, 14);
	stage_expect_silence(stage);

	stage_give(stage, 2, 2048);
	fake_platform_forget(stage->fake);
	stage_arrive(stage, 3, FRAME_BYTES, 0, 4 + FRAME_BYTES);
	stage_arrive(stage, 4, 60, 0, 4 + 60);
	stage_expect_received(stage, 3, FRAME_BYTES, 1);
	stage_expect_received(stage, 4, 60, 1);
	assert_true(virtio_driver_count_interrupts(&stage->driver, RECEIVE) > 0);
	virtio_net_get_statistics(stage->device, &statistics);
	assert_int_equal(statistics.sent_bytes, FRAME_BYTES + 14);
	assert_int_equal(statistics.received_bytes, FRAME_BYTES + 60);
	assert_int_equal(statistics.received_frames, 2);
	assert_int_equal(statistics.dropped, 0);
}

/* Without an event index the driver wants to hear of everything, and nothing waits for what comes after it. */
static void
test_virtio_net__each_frame_is_told_at_once(void **state)
{
	struct stage *stage = *state;

	stage_restart(stage, PLAIN);
	stage_give(stage, 3, 2048);
	fake_platform_forget(stage->fake);
	for (uint32_t i = 0; i < 3; i++) {
		stage_send(stage, i, FRAME_BYTES);
		stage_arrive(stage, i, 60, 0, 4 + 60);
	}
	virtio_driver_kick(&stage->driver, SEND);
	assert_true(fake_platform_settle(stage->fake));
	assert_int_equal(virtio_driver_count_interrupts(&stage->driver, SEND), 3);
	assert_int_equal(virtio_driver_count_interrupts(&stage->driver, RECEIVE), 3);
}

static void
test_virtio_net__completes_checksums(void **state)
{
	static const uint32_t pieces[] = { 5, 11, 12, 13, 52, 64, 65, 300 };
	struct stage *stage = *state;
	uint32_t length;

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		uint8_t expected[201];
		uint16_t sum;

		stage_send_unfinished(stage, 34, sizeof(expected), pieces[i]);
		fill_frame(expected, 1, sizeof(expected));
		sum = (uint16_t)~internet_sum(expected + 34, sizeof(expected) - 34);
		expected[50] = (uint8_t)(sum >> 8);
		expected[51] = (uint8_t)sum;
		stage_read(stage, &length, sizeof(length));
		assert_int_equal(ntohl(length), sizeof(expected));
		stage_read(stage, stage->bytes, sizeof(expected));
		assert_memory_equal(stage->bytes, expected, sizeof(expected));
	}
	/* its place lies behind the frame, or too far in it */
	stage_send_unfinished(stage, 184, 201, 300);
	stage_send_unfinished(stage, 300, 1000, 600);
	stage_send_unfinished(stage, UINT16_MAX, 1000, 600);
	stage_expect_silence(stage);
	/* a driver that has not been offered it says nothing by the flag */
	stage_restart(stage, PLAIN);
	stage_send_unfinished(stage, 34, 200, 300);
	stage_expect_sent(stage, 1, 200);
}

static void
test_virtio_net__a_frame_may_arrive_in_pieces(void **state)
{
	struct stage *stage = *state;

	stage_give(stage, 4, 2048);
	for (size_t i = 0; i < 4 + 60; i++) {
		stage_arrive(stage, 5, 60, i, 1);
		if (i + 1 < 4 + 60)
			stage_expect_received(stage, 0, 0, 0);
	}
	stage_expect_received(stage, 5, 60, 1);
}

static void
test_virtio_net__a_large_frame_fills_many_buffers(void **state)
{
	struct stage *stage = *state;
	const uint32_t n = (HEADER + LARGE_BYTES + 1535) / 1536;

	stage_give(stage, (int)n - 1, 1536);
	stage_arrive(stage, 6, LARGE_BYTES, 0, 4 + LARGE_BYTES);
	stage_expect_received(stage, 0, 0, 0);
	stage_give(stage, 1, 1536);
	stage_expect_received(stage, 6, LARGE_BYTES, (int)n);
}

static void
test_virtio_net__a_frame_that_never_fits_is_dropped(void **state)
{
	struct stage *stage = *state;
	struct virtio_net_statistics statistics;

	/* one buffer a frame, because the driver knows no better */
	stage_restart(stage, PLAIN);
	stage_give(stage, 2, 512);
	stage_arrive(stage, 7, FRAME_BYTES, 0, 4 + FRAME_BYTES);
	stage_arrive(stage, 8, 200, 0, 4 + 200);
	stage_expect_received(stage, 8, 200, 1);
	virtio_net_get_statistics(stage->device, &statistics);
	assert_int_equal(statistics.dropped, 1);
}

static void
test_virtio_net__frames_wait_for_buffers(void **state)
{
	struct stage *stage = *state;

	for (uint32_t i = 0; i < N_FRAMES; i++)
		stage_arrive(stage, i, FRAME_BYTES, 0, 4 + FRAME_BYTES);
	stage_expect_received(stage, 0, 0, 0);
	for (uint32_t i = 0; i < N_FRAMES; i++) {
		stage_give(stage, 1, 2048);
		stage_expect_received(stage, i, FRAME_BYTES, 1);
	}
	/* more than are handled at once */
	for (uint32_t i = 0; i < 100; i++)
		stage_arrive(stage, i, 100, 0, 4 + 100);
	stage_give(stage, 100, 256);
	for (uint32_t i = 0; i < 100; i++)
		stage_expect_received(stage, i, 100, 1);
}

static void
test_virtio_net__a_full_socket_loses_nothing(void **state)
{
	struct stage *stage = *state;
	int done;

	for (uint32_t i = 0; i < N_FRAMES; i++)
		stage_send(stage, i, LARGE_BYTES);
	virtio_driver_kick(&stage->driver, SEND);
	done = stage_count_sent(stage);
	assert_in_range(done, 1, N_FRAMES - 1);
	for (uint32_t i = 0; i < N_FRAMES; i++) {
		stage_expect_sent(stage, i, LARGE_BYTES);
		virtio_driver_kick(&stage->driver, SEND);
	}
	assert_int_equal(done + stage_count_sent(stage), N_FRAMES);
	stage_expect_silence(stage);
}

/* A send buffer that is small makes the socket take frames in parts. */
static void
test_virtio_net__a_frame_sent_in_part_is_finished_first(void **state)
{
	struct stage *stage = *state;
	int fd = stage_pair(stage);
	int size = 4096;

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	assert_int_equal(virtio_net_set_link(stage->device, true, fd), 0);
	for (uint32_t i = 0; i < 8; i++)
		stage_send(stage, i, 60000);
	virtio_driver_kick(&stage->driver, SEND);
	assert_true(stage_count_sent(stage) < 8);
	stage_expect_sent(stage, 0, 60000);
	for (uint32_t i = 1; i < 8; i++)
		stage_expect_sent(stage, i, 60000);
}

static void
test_virtio_net__the_link_follows_the_peer(void **state)
{
	struct stage *stage = *state;
	int fd;

	fake_platform_forget(stage->fake);
	close(stage->peer);
	assert_true(fake_platform_settle(stage->fake));
	assert_false(stage_sees_link(stage));
	assert_int_equal(virtio_driver_count_config_interrupts(&stage->driver), 1);
	assert_int_equal(virtio_net_set_link(stage->device, true, -1), -ENOTCONN);
	stage_send(stage, 1, FRAME_BYTES); /* lost */
	virtio_driver_kick(&stage->driver, SEND);
	assert_int_equal(stage_count_sent(stage), 1);

	fd = stage_pair(stage);
	assert_int_equal(virtio_net_set_link(stage->device, true, fd), 0);
	assert_true(stage_sees_link(stage));
	assert_int_equal(virtio_driver_count_config_interrupts(&stage->driver), 2);
	stage_expect_silence(stage);
	stage_send(stage, 2, FRAME_BYTES);
	virtio_driver_kick(&stage->driver, SEND);
	stage_expect_sent(stage, 2, FRAME_BYTES);
}

static int
refuse_offloads(struct net_peer *peer, uint64_t features)
{
	(void)peer;
	(void)features;
	return -EIO;
}

/* A peer that cannot do what the driver counts on. */
static int
make_refusing_peer(struct loop *loop, const char *name, int fd,
		   const struct net_peer_events *events, void *context, struct net_peer **ret_peer)
{
	static struct net_peer_ops ops;
	int error = net_stream_kind.make(loop, name, fd, events, context, ret_peer);

	if (error < 0)
		return error;
	ops = *(*ret_peer)->ops;
	ops.set_offloads = refuse_offloads;
	(*ret_peer)->ops = &ops;
	return 0;
}

static void
test_virtio_net__a_refused_link_leaves_the_old_one(void **state)
{
	struct stage *stage = *state;
	int old = stage->peer;
	int fd = stage_pair(stage);
	char byte;

	stage_give(stage, 2, 2048);
	stage->kind.make = make_refusing_peer;
	fake_platform_forget(stage->fake);
	assert_int_equal(virtio_net_set_link(stage->device, true, fd), -EIO);
	assert_int_equal(recv(stage->peer, &byte, 1, 0), 0); /* the new one was closed */
	close(stage->peer);
	stage->peer = old;

	assert_true(stage_sees_link(stage));
	assert_int_equal(virtio_driver_count_config_interrupts(&stage->driver), 0);
	stage_send(stage, 1, FRAME_BYTES);
	virtio_driver_kick(&stage->driver, SEND);
	stage_expect_sent(stage, 1, FRAME_BYTES);
	stage_arrive(stage, 2, FRAME_BYTES, 0, 4 + FRAME_BYTES);
	stage_expect_received(stage, 2, FRAME_BYTES, 1);
}

static void
test_virtio_net__the_cable_can_be_pulled(void **state)
{
	struct stage *stage = *state;

	stage_give(stage, 2, 2048);
	assert_int_equal(virtio_net_set_link(stage->device, false, -1), 0);
	assert_false(stage_sees_link(stage));
	stage_send(stage, 1, FRAME_BYTES);
	virtio_driver_kick(&stage->driver, SEND);
	assert_int_equal(stage_count_sent(stage), 1);
	stage_expect_silence(stage);
	stage_arrive(stage, 2, FRAME_BYTES, 0, 4 + FRAME_BYTES);
	stage_expect_received(stage, 0, 0, 0);
	assert_int_equal(virtio_net_set_link(stage->device, true, -1), 0);
	assert_true(stage_sees_link(stage));
	stage_expect_received(stage, 2, FRAME_BYTES, 1);
}

/* Of frames that wait for a peer that reads nothing, too: without a link they are dropped. */
static void
test_virtio_net__the_cable_can_be_pulled_from_a_peer_that_stands(void **state)
{
	struct stage *stage = *state;
	int done;

	for (uint32_t i = 0; i < N_FRAMES; i++)
		stage_send(stage, i, LARGE_BYTES);
	virtio_driver_kick(&stage->driver, SEND);
	done = stage_count_sent(stage);
	assert_in_range(done, 1, N_FRAMES - 1);
	assert_int_equal(virtio_net_set_link(stage->device, false, -1), 0);
	assert_true(fake_platform_settle(stage->fake));
	assert_int_equal(done + stage_count_sent(stage), N_FRAMES);
	/* and when it is in again nothing goes before the room there is */
	assert_int_equal(virtio_net_set_link(stage->device, true, -1), 0);
	stage_send(stage, done, LARGE_BYTES);
	virtio_driver_kick(&stage->driver, SEND);
	for (uint32_t i = 0; i <= (uint32_t)done; i++)
		stage_expect_sent(stage, i, LARGE_BYTES);
	stage_expect_silence(stage);
}

static void
test_virtio_net__a_peer_without_frames_is_lost(void **state)
{
	static const uint32_t lengths[] = { 0, 13, 65554, UINT32_MAX };
	struct stage *stage = *state;

	stage_give(stage, 2, 2048);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		uint32_t length = htonl(lengths[i]);

		assert_true(stage_sees_link(stage));
		assert_int_equal(send(stage->peer, &length, sizeof(length), 0), 4);
		assert_true(fake_platform_settle(stage->fake));
		assert_false(stage_sees_link(stage));
		close(stage->peer);
		assert_int_equal(virtio_net_set_link(stage->device, true, stage_pair(stage)), 0);
		assert_true(fake_platform_settle(stage->fake));
	}
	/* the largest there is */
	stage_give(stage, 60, 1536);
	assert_int_equal(fcntl(stage->peer, F_SETFL, 0), 0);
	stage_arrive(stage, 9, MAX_BYTES, 0, 4 + MAX_BYTES);
	assert_true(fake_platform_settle(stage->fake));
	assert_true(stage_sees_link(stage));
}

static void
test_virtio_net__frames_without_a_sense_are_dropped(void **state)
{
	static const uint32_t sizes[] = { 1, HEADER, HEADER + 13, HEADER + MAX_BYTES + 1 };
	struct stage *stage = *state;
	struct virtio_net_statistics statistics;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct driver_buffer buffer = { fake_platform_alloc(stage->fake, sizes[i], 16),
						sizes[i], false };

		assert_true(driver_ring_add(stage->driver.rings[SEND], &buffer, 1) >= 0);
		virtio_driver_kick(&stage->driver, SEND);
		assert_int_equal(stage_count_sent(stage), 1);
	}
	stage_expect_silence(stage);
	virtio_net_get_statistics(stage->device, &statistics);
	assert_int_equal(statistics.dropped, sizeof(sizes) / sizeof(sizes[0]));
}

static void
test_virtio_net__bad_buffers_fail_the_device(void **state)
{
	static const struct {
		uint32_t bytes;
		bool write;
	} bad[] = { { HEADER - 1, true }, { 2048, false } };
	struct stage *stage = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct driver_buffer buffer = { fake_platform_alloc(stage->fake, bad[i].bytes, 16),
						bad[i].bytes, bad[i].write };

		assert_true(driver_ring_add(stage->driver.rings[RECEIVE], &buffer, 1) >= 0);
		virtio_driver_kick(&stage->driver, RECEIVE);
		stage_arrive(stage, 1, 60, 0, 4 + 60);
		assert_true(fake_platform_settle(stage->fake));
		assert_true(virtio_driver_get_status(&stage->driver) & VIRTIO_CONFIG_S_NEEDS_RESET);
		stage_restart(stage, VIRTIO_DRIVER_ALL_FEATURES);
	}
	/* the frames are still there */
	stage_give(stage, 2, 2048);
	stage_expect_received(stage, 1, 60, 1);
	stage_expect_received(stage, 1, 60, 1);
}

static void
test_virtio_net__a_tap_must_be_one(void **state)
{
	struct stage *stage = *state;
	struct virtio_net_options options = { .name = "test",
					      .kind = &net_tap_kind,
					      .fd = stage->peer };
	struct virtio_device *device;

	assert_int_equal(virtio_net_new(&stage->fake->platform, &options, &device), -EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_virtio_net__##name, stage_open, stage_close)

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
		TEST(the_link_follows_the_peer),
		TEST(a_refused_link_leaves_the_old_one),
		TEST(the_cable_can_be_pulled),
		TEST(the_cable_can_be_pulled_from_a_peer_that_stands),
		TEST(a_peer_without_frames_is_lost),
		TEST(frames_without_a_sense_are_dropped),
		TEST(bad_buffers_fail_the_device),
		TEST(a_tap_must_be_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
