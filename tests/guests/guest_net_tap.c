/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guest_net_tap.c - checksums and the division of large pieces are left to the other side, both ways (virtio 1.2 sections
 * 5.1.6.2, 5.1.6.4)
 *
 * Over a tap device. The command line's number stands in what is sent.
 */
#include <linux/virtio_net.h>

#include "tests/guests/bare.h"
#include "tests/guests/bare_irq.h"
#include "tests/guests/bare_virtio.h"

#define SLOT	      2
#define RECEIVE	      0 /* queues */
#define SEND	      1
#define FEATURE(name) (UINT64_C(1) << VIRTIO_NET_F_##name)
#define OFFLOADS                                                                          \
	(FEATURE(CSUM) | FEATURE(GUEST_CSUM) | FEATURE(HOST_TSO4) | FEATURE(GUEST_TSO4) | \
	 FEATURE(HOST_TSO6) | FEATURE(GUEST_TSO6))
#define IP_START     14
#define L4_START     34
#define UDP_CHECKSUM 6 /* from there */
#define TCP_CHECKSUM 16
#define UDP_DATA     42
#define TCP_DATA     54
#define PIECE	     1000
#define N_PIECES     3
#define BUFFER_BYTES 4096
#define N_BUFFERS    4

/* 10.0.2.2 to 10.0.2.1, UDP port 7777, 4 bytes; the checksum is that of the addresses alone, as the host's part begins. */
static const uint8_t udp_frame[UDP_DATA] = {
	2,    0, 0,  0,	 0, 1, 0x52, 0x54, 0,	 0x12, 0x34, 0x56, 8,	 0,
	0x45, 0, 0,  32, 0, 0, 0,    0,	   64,	 17,   0x62, 0xcb, 10,	 0,
	2,    2, 10, 0,	 2, 1, 0x1e, 0x61, 0x1e, 0x61, 0,    12,   0x18, 0x20,
};

struct frame {
	struct virtio_net_hdr_v1 header;
	uint8_t bytes[BUFFER_BYTES - sizeof(struct virtio_net_hdr_v1)];
};

static struct bare_virtio net;
static struct frame sent, received[N_BUFFERS];

static uint32_t
send(uint32_t bytes)
{
	const struct bare_buffer buffer = { &sent, (uint32_t)sizeof(sent.header) + bytes, false };

	return bare_virtio_transfer(&net, SEND, &buffer, 1);
}

static void
test_checksum(void)
{
	uint32_t token = bare_command_line_number();
	uint32_t bytes;

	sent.header = (struct virtio_net_hdr_v1){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = L4_START,
		.csum_offset = UDP_CHECKSUM,
	};
	memcpy(sent.bytes, udp_frame, sizeof(udp_frame));
	memcpy(sent.bytes + UDP_DATA, &token, sizeof(token));
	bare_check_equal(send(UDP_DATA + sizeof(token)), 0, "a datagram without checksum is sent");
	bytes = bare_virtio_wait(&net, RECEIVE);
	bare_check_equal(bytes, sizeof(received[0].header) + UDP_DATA + sizeof(token),
			 "a datagram comes");
	bare_check_equal(received[0].header.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM,
			 "it has no checksum");
	bare_check_equal(received[0].header.csum_start, L4_START, "it says from where");
	bare_check_equal(received[0].header.csum_offset, UDP_CHECKSUM, "it says where");
	memcpy(&bytes, received[0].bytes + UDP_DATA, sizeof(bytes));
	bare_check_equal(bytes, token + 1, "it is the answer");
}

static void
test_division(void)
{
	sent.header = (struct virtio_net_hdr_v1){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = TCP_DATA,
		.gso_size = PIECE,
		.csum_start = L4_START,
		.csum_offset = TCP_CHECKSUM,
	};
	sent.bytes[IP_START + 2] = (TCP_DATA - IP_START + N_PIECES * PIECE) >> 8;
	sent.bytes[IP_START + 3] = (uint8_t)(TCP_DATA - IP_START + N_PIECES * PIECE);
	sent.bytes[IP_START + 9] = 6; /* TCP */
	sent.bytes[L4_START + 12] = 5 << 4;
	memset(sent.bytes + TCP_DATA, 'x', N_PIECES * PIECE);
	bare_check_equal(send(TCP_DATA + N_PIECES * PIECE), 0,
			 "a piece three times too large is sent");
	bare_check_equal(bare_virtio_wait(&net, RECEIVE),
			 sizeof(received[1].header) + TCP_DATA + N_PIECES * PIECE, "one comes");
	bare_check_equal(received[1].header.gso_type, VIRTIO_NET_HDR_GSO_TCPV4, "it is TCP");
	bare_check_equal(received[1].header.gso_size, PIECE, "it says how large pieces should be");
	bare_check_equal(received[1].bytes[TCP_DATA + N_PIECES * PIECE - 1], 'y', "it is whole");
}

void
guest_main(void)
{
	bare_irq_set_up();
	if (!bare_virtio_open(&net, SLOT) ||
	    !bare_virtio_start(&net, OFFLOADS | FEATURE(MRG_RXBUF), 2))
		return;
	bare_check_equal(bare_virtio_get_features(&net) & OFFLOADS, OFFLOADS,
			 "all of it is offered");
	for (uint16_t i = 0; i < N_BUFFERS; i++)
		bare_virtio_offer(&net, RECEIVE, i,
				  &(struct bare_buffer){ &received[i], BUFFER_BYTES, true }, 1);
	test_checksum();
	test_division();
}
