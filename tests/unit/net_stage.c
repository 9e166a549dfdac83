/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * net_stage.c - a machine without KVM that has a network card, the guest's driver for it, and a socket's other end
 */
#include "tests/unit/net_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmm/net_stream.h"
#include "vmm/pci.h"
#include "vmm/slots.h"
#include "vmm/virtio.h"
#include "vmm/virtio_net.h"

const uint8_t net_stage_mac[6] = { 0x52, 0x54, 0, 1, 2, 3 };

int
net_stage_pair(struct net_stage *stage)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
			 0);
	stage->peer = fds[0];
	return fds[1];
}

static int
net_stage_refuse_offloads(struct net_peer *peer, uint64_t features)
{
	(void)peer;
	(void)features;
	return -EIO;
}

int
net_stage_make_refusing_peer(struct loop *loop, const char *name, int fd,
			     const struct net_peer_events *events, void *context,
			     struct net_peer **ret_peer)
{
	static struct net_peer_ops ops;
	int error = net_stream_kind.make(loop, name, fd, events, context, ret_peer);

	if (error < 0)
		return error;
	ops = *(*ret_peer)->ops;
	ops.set_offloads = net_stage_refuse_offloads;
	(*ret_peer)->ops = &ops;
	return 0;
}

int
net_stage_open(void **state)
{
	struct net_stage *stage = calloc(1, sizeof(*stage));
	struct virtio_net_options options = {
		.name = "test", .kind = &stage->kind, .fd = -1, .link = true
	};

	if (!stage || fake_platform_new(FAKE_PLATFORM_RAM_BYTES, &stage->fake) < 0)
		return -1;
	stage->kind = net_stream_kind;
	memcpy(options.mac, net_stage_mac, sizeof(net_stage_mac));
	options.fd = net_stage_pair(stage);
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

int
net_stage_close(void **state)
{
	struct net_stage *stage = *state;

	virtio_driver_close(&stage->driver);
	pci_root_free(stage->root);
	fake_platform_free(stage->fake);
	close(stage->peer);
	free(stage);
	return 0;
}

void
net_stage_restart(struct net_stage *stage, uint64_t features)
{
	virtio_driver_reset(&stage->driver);
	assert_int_equal(virtio_driver_start(&stage->driver, features), 0);
}

static uint8_t
net_stage_frame_byte(uint32_t number, size_t at)
{
	return (uint8_t)(number * 7 + at * 13 + at / 256);
}

void
net_stage_fill_frame(uint8_t *bytes, uint32_t number, size_t size)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = net_stage_frame_byte(number, i);
}

static void
net_stage_check_frame(const uint8_t *bytes, uint32_t number, size_t size)
{
	for (size_t i = 0; i < size; i++)
		assert_int_equal(bytes[i], net_stage_frame_byte(number, i));
}

void
net_stage_send(struct net_stage *stage, uint32_t number, uint32_t size)
{
	uint64_t gpa = fake_platform_alloc(stage->fake, NET_STAGE_HEADER + size, 16);
	struct driver_buffer buffers[] = { { gpa, NET_STAGE_HEADER + 3, false },
					   { gpa + NET_STAGE_HEADER + 3, size - 3, false } };

	assert_int_not_equal(gpa, 0);
	net_stage_fill_frame(
		(uint8_t *)fake_platform_map(stage->fake, gpa, NET_STAGE_HEADER + size) +
			NET_STAGE_HEADER,
		number, size);
	assert_true(driver_ring_add(stage->driver.rings[NET_STAGE_SEND], buffers, 2) >= 0);
}

int
net_stage_count_sent(struct net_stage *stage)
{
	uint16_t head;
	uint32_t written;
	int n = 0;

	while (driver_ring_get_used(stage->driver.rings[NET_STAGE_SEND], &head, &written))
		n++;
	return n;
}

int
net_stage_flood(struct net_stage *stage)
{
	int done;

	for (uint32_t i = 0; i < NET_STAGE_FLOOD; i++)
		net_stage_send(stage, i, NET_STAGE_LARGE);
	virtio_driver_kick(&stage->driver, NET_STAGE_SEND);
	done = net_stage_count_sent(stage);
	assert_in_range(done, 1, NET_STAGE_FLOOD - 1);
	return done;
}

void
net_stage_read(struct net_stage *stage, void *target, size_t size)
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

void
net_stage_expect_sent(struct net_stage *stage, uint32_t number, uint32_t size)
{
	uint32_t length;

	net_stage_read(stage, &length, sizeof(length));
	assert_int_equal(ntohl(length), size);
	net_stage_read(stage, stage->bytes, size);
	net_stage_check_frame(stage->bytes, number, size);
}

void
net_stage_expect_silence(struct net_stage *stage)
{
	char byte;

	assert_true(fake_platform_settle(stage->fake));
	assert_int_equal(recv(stage->peer, &byte, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
}

void
net_stage_arrive(struct net_stage *stage, uint32_t number, uint32_t size, size_t first,
		 size_t bytes)
{
	uint32_t length = htonl(size);

	memcpy(stage->bytes, &length, sizeof(length));
	net_stage_fill_frame(stage->bytes + sizeof(length), number, size);
	assert_int_equal(send(stage->peer, stage->bytes + first, bytes, 0), (ssize_t)bytes);
}

void
net_stage_give(struct net_stage *stage, int count, uint32_t bytes)
{
	for (int i = 0; i < count; i++) {
		struct driver_buffer buffer = { fake_platform_alloc(stage->fake, bytes, 16), bytes,
						true };
		int head = driver_ring_add(stage->driver.rings[NET_STAGE_RECEIVE], &buffer, 1);

		assert_true(head >= 0);
		stage->buffers[head] = buffer.gpa;
	}
	virtio_driver_kick(&stage->driver, NET_STAGE_RECEIVE);
}

void
net_stage_expect_received(struct net_stage *stage, uint32_t number, uint32_t size, int n_buffers)
{
	struct virtio_net_hdr_v1 header;
	size_t done = 0;
	uint32_t written;
	uint16_t head;

	assert_true(fake_platform_settle(stage->fake));
	for (int i = 0; i < n_buffers; i++) {
		const uint8_t *bytes;

		assert_true(driver_ring_get_used(stage->driver.rings[NET_STAGE_RECEIVE], &head,
						 &written));
		bytes = fake_platform_map(stage->fake, stage->buffers[head], written);
		memcpy(stage->bytes + done, bytes, written);
		done += written;
	}
	if (n_buffers == 0) {
		assert_false(driver_ring_get_used(stage->driver.rings[NET_STAGE_RECEIVE], &head,
						  &written));
		return;
	}
	memcpy(&header, stage->bytes, sizeof(header));
	assert_int_equal(header.num_buffers, n_buffers);
	assert_int_equal(header.flags,
			 stage->driver.features & (UINT64_C(1) << VIRTIO_NET_F_GUEST_CSUM)
				 ? VIRTIO_NET_HDR_F_DATA_VALID
				 : 0);
	assert_int_equal(header.gso_type, VIRTIO_NET_HDR_GSO_NONE);
	assert_int_equal(done, NET_STAGE_HEADER + size);
	net_stage_check_frame(stage->bytes + NET_STAGE_HEADER, number, size);
}

bool
net_stage_sees_link(struct net_stage *stage)
{
	return virtio_driver_get_config(&stage->driver, offsetof(struct virtio_net_config, status),
					2) &
	       VIRTIO_NET_S_LINK_UP;
}
