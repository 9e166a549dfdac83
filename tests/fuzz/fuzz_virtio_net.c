/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_virtio_net.c - the network card under any driver, with a peer that sends frames, or anything
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/fuzz/virtio_fuzzer.h"
#include "tests/unit/fake_platform.h"
#include "vmm/loop.h"
#include "vmm/net_stream.h"
#include "vmm/pci.h"
#include "vmm/slots.h"
#include "vmm/virtio.h"
#include "vmm/virtio_net.h"

#define MAX_BYTES  70000
#define MAX_RAW	   8
#define MAX_STEPS  5000
#define SEND_BYTES 4096 /* so little that frames are sent in parts */

struct card {
	struct virtio_fuzzer fuzzer;
	struct virtio_device *device;
	int peer; /* the other end */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
card_plug_in(struct card *card)
{
	int size = SEND_BYTES;
	int fds[2];

	close(card->peer);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0 ||
	    setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) < 0 ||
	    virtio_net_set_link(card->device, true, fds[1]) < 0)
		abort();
	card->peer = fds[0];
}

static void
card_init(struct card *card)
{
	const struct virtio_net_options options = {
		.name = "fuzzed",
		.kind = &net_stream_kind,
		.fd = -1,
	};

	card->peer = -1;
	virtio_fuzzer_init(&card->fuzzer);
	if (virtio_net_new(&card->fuzzer.fake->platform, &options, &card->device) < 0 ||
	    virtio_pci_new(card->fuzzer.root, SLOT_NET, VIRTIO_NET_CLASS_CODE, card->device) < 0)
		abort();
	virtio_fuzzer_ready(&card->fuzzer, SLOT_NET);
}

static void
card_act(void *context, struct fuzz_input *input)
{
	static uint8_t bytes[MAX_BYTES];
	struct card *card = context;
	uint32_t what = (uint32_t)fuzz_input_take(input, 1);
	uint32_t size = (uint32_t)fuzz_input_take(input, 2);
	uint32_t length = htonl(size);
	uint64_t raw;

	switch (what % 5) {
	case 0:
		memcpy(bytes, &length, sizeof(length));
		send(card->peer, bytes, sizeof(length) + size, MSG_NOSIGNAL);
		break;
	case 1:
		raw = fuzz_input_take(input, MAX_RAW);
		send(card->peer, &raw, size % (MAX_RAW + 1), MSG_NOSIGNAL);
		break;
	case 2:
		recv(card->peer, bytes, size, 0);
		break;
	case 3:
		virtio_net_set_link(card->device, what & 0x80, -1);
		break;
	default:
		card_plug_in(card);
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct card card;

	if (!card.device)
		card_init(&card);
	card_plug_in(&card);
	virtio_fuzzer_run(&card.fuzzer, data, size, card_act, &card);
	/* nothing may keep the loop busy by itself */
	for (int i = 0; loop_step(card.fuzzer.fake->platform.loop, 0) > 0; i++)
		if (i == MAX_STEPS)
			abort();
	return 0;
}
