/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guest_net.c - frames each way, and a link that comes and goes (virtio 1.2 section 5.1)
 *
 * The command line's number stands in what is sent. The peer's first frame is LARGE bytes, more than a buffer has.
 */
#include <linux/virtio_net.h>

#include "tests/guests/bare.h"
#include "tests/guests/bare_hostile.h"
#include "tests/guests/bare_irq.h"
#include "tests/guests/bare_virtio.h"

#define SLOT	      2
#define RECEIVE	      0 /* queues */
#define SEND	      1
#define N_QUEUES      2
#define STATUS_OFFSET 6
#define BUFFER_BYTES  512
#define N_BUFFERS     4
#define LARGE	      1200
#define HEADER_BYTES  sizeof(struct virtio_net_hdr_v1)
#define WANTED                                                                  \
	(UINT64_C(1) << VIRTIO_NET_F_MAC | UINT64_C(1) << VIRTIO_NET_F_STATUS | \
	 UINT64_C(1) << VIRTIO_NET_F_MRG_RXBUF)

static struct bare_virtio net;
static uint8_t received[N_BUFFERS][BUFFER_BYTES];
static struct {
	struct virtio_net_hdr_v1 header;
	uint8_t bytes[60];
} sent;

static uint16_t
get_status(void)
{
	return (uint16_t)bare_virtio_get_config(&net, STATUS_OFFSET, 2);
}

static void
compose(uint32_t token)
{
	for (uint32_t i = 0; i < 6; i++) {
		sent.bytes[i] = 0xff;
		sent.bytes[6 + i] = (uint8_t)bare_virtio_get_config(&net, i, 1);
	}
	sent.bytes[12] = 0x88;
	sent.bytes[13] = 0xb5; /* an experiment, IEEE Std 802 */
	memcpy(sent.bytes + 14, &token, sizeof(token));
}

static uint32_t
send(void)
{
	const struct bare_buffer buffer = { &sent, sizeof(sent), false };

	return bare_virtio_transfer(&net, SEND, &buffer, 1);
}

static bool
works_still(struct bare_virtio *device)
{
	(void)device;
	return send() == 0;
}

static bool
works(struct bare_virtio *device)
{
	return bare_virtio_start(device, WANTED, N_QUEUES) && works_still(device);
}

static bool
offer_many(struct bare_virtio *device)
{
	const struct bare_buffer buffer = { &sent, sizeof(sent), false };

	if (!bare_virtio_start(device, WANTED, N_QUEUES))
		return false;
	bare_virtio_offer_many(device, SEND, 8, &buffer);
	return true;
}

/* Byte "i" of the frame is i * 7, but for its addresses. */
static bool
is_large_frame(void)
{
	for (uint32_t i = 14; i < LARGE; i++) {
		uint32_t at = (uint32_t)HEADER_BYTES + i;

		if (received[at / BUFFER_BYTES][at % BUFFER_BYTES] != (uint8_t)(i * 7))
			return false;
	}
	return true;
}

static void
test_frames(void)
{
	const struct virtio_net_hdr_v1 *header = (const void *)received[0];
	uint32_t interrupts = bare_irq_get_count(BARE_IRQ_FIRST + 1 + RECEIVE);
	uint32_t bytes = 0;

	bare_check_equal(get_status(), VIRTIO_NET_S_LINK_UP, "the link is up");
	for (uint16_t i = 0; i < N_BUFFERS; i++)
		bare_virtio_offer(&net, RECEIVE, i,
				  &(struct bare_buffer){ received[i], BUFFER_BYTES, true }, 1);
	bare_check_equal(send(), 0, "a frame is sent");
	for (int i = 0; i < 3; i++)
		bytes += bare_virtio_wait(&net, RECEIVE);
	bare_check_equal(bytes, HEADER_BYTES + LARGE, "a large frame comes in three buffers");
	bare_check_equal(header->num_buffers, 3, "as its header says");
	bare_check(is_large_frame(), "its bytes are right");
	bare_check(BARE_WAIT(bare_irq_get_count(BARE_IRQ_FIRST + 1 + RECEIVE) > interrupts),
		   "it interrupts");
}

static void
test_link(void)
{
	uint32_t interrupts = bare_irq_get_count(BARE_IRQ_FIRST);

	bare_say("note: waits for the link to go");
	bare_check(BARE_WAIT(bare_irq_get_count(BARE_IRQ_FIRST) > interrupts),
		   "a change of the link interrupts");
	bare_check_equal(get_status(), 0, "it is down");
	bare_check_equal(send(), 0, "what is sent is taken");
	bare_say("note: waits for the link to come");
	bare_check(BARE_WAIT(get_status() == VIRTIO_NET_S_LINK_UP), "it comes up");
	bare_check_equal(send(), 0, "a frame is sent to the new peer");
}

static void
test_nonsense(void)
{
	const struct bare_buffer header = { &sent, HEADER_BYTES - 1, false };
	const struct bare_buffer writable = { &sent, sizeof(sent), true };

	bare_check_equal(bare_virtio_transfer(&net, SEND, &header, 1), 0,
			 "half a header is dropped");
	bare_check_equal(bare_virtio_transfer(&net, SEND, &writable, 1), 0,
			 "so is a frame that cannot be read");
	bare_virtio_offer(&net, RECEIVE, N_BUFFERS, &header, 1);
}

void
guest_main(void)
{
	bare_irq_set_up();
	if (!bare_virtio_open(&net, SLOT) || !bare_virtio_start(&net, WANTED, N_QUEUES))
		return;
	bare_say("note: features 0x%x", bare_virtio_get_features(&net));
	compose(bare_command_line_number());
	test_frames();
	test_link();
	test_nonsense();
	bare_hostile_negotiate(&net, works);
	bare_hostile_write_late(&net, SEND, works, works_still);
	bare_hostile_reset(&net, offer_many, works);
	bare_hostile_break_queue(&net, SEND, works);
	bare_hostile_break_queue(&net, RECEIVE, works);
}
