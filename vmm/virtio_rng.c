/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio_rng.c - the host's random numbers for the guest (virtio 1.2 section 5.4)
 *
 * In carrel-vmm, with the machine's lock held. A request is answered at once by the kernel's generator, with fewer bytes
 * than were asked for if those are many: the driver asks again.
 */
#include "vmm/virtio_rng.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include <linux/virtio_ids.h>

#include "vmm/platform.h"
#include "vmm/virtio.h"

#define VIRTIO_RNG_QUEUE	 0
#define VIRTIO_RNG_QUEUE_SIZE	 8
#define VIRTIO_RNG_MAX_BYTES	 1024 /* of one request */
#define VIRTIO_RNG_CHAINS_A_KICK 8

struct virtio_rng {
	struct virtio_device device; /* first */
	struct virtqueue_chain chain;
};

static void
virtio_rng_answer(struct virtio_rng *rng)
{
	uint8_t bytes[VIRTIO_RNG_MAX_BYTES];
	uint64_t wanted = rng->chain.in_bytes < sizeof(bytes) ? rng->chain.in_bytes : sizeof(bytes);
	/* it has numbers since long before there was a machine to run; were that wrong, the answer is empty */
	ssize_t got = getrandom(bytes, wanted, GRND_NONBLOCK);
	size_t written = 0;

	if (got > 0)
		written = virtqueue_chain_write(&rng->chain, 0, bytes, (size_t)got);
	virtqueue_push(&rng->device.queues[VIRTIO_RNG_QUEUE], rng->chain.head, (uint32_t)written);
}

static void
virtio_rng_handle_queue(struct virtio_device *device, uint32_t queue)
{
	struct virtio_rng *rng = (struct virtio_rng *)device;
	int n = 0;

	while (n < VIRTIO_RNG_CHAINS_A_KICK && virtio_pop(device, queue, &rng->chain)) {
		virtio_rng_answer(rng);
		n++;
	}
	virtio_signal_queue(device, queue);
	if (n == VIRTIO_RNG_CHAINS_A_KICK)
		virtio_kick_again(device, queue);
}

static int
virtio_rng_activate(struct virtio_device *device)
{
	(void)device;
	return 0;
}

static void
virtio_rng_reset(struct virtio_device *device)
{
	(void)device; /* nothing is kept from one request to the next */
}

static void
virtio_rng_free(struct virtio_device *device)
{
	free(device);
}

static const struct virtio_ops virtio_rng_ops = {
	.name = "virtio-rng",
	.type = VIRTIO_ID_RNG,
	.activate = virtio_rng_activate,
	.reset = virtio_rng_reset,
	.handle_queue = virtio_rng_handle_queue,
	.free = virtio_rng_free,
};

int
virtio_rng_new(struct platform *platform, struct virtio_device **ret_device)
{
	struct virtio_rng *rng = calloc(1, sizeof(*rng));

	if (!rng)
		return -ENOMEM;
	rng->device.ops = &virtio_rng_ops;
	rng->device.platform = platform;
	rng->device.n_queues = 1;
	rng->device.queue_sizes[VIRTIO_RNG_QUEUE] = VIRTIO_RNG_QUEUE_SIZE;
	*ret_device = &rng->device;
	return 0;
}
