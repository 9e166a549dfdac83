/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_virtio_pci.c - the virtio transport and PCI under any driver, with the device that echoes
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <linux/virtio_config.h>

#include "tests/fuzz/virtio_fuzzer.h"
#include "tests/unit/echo_device.h"
#include "tests/unit/fake_platform.h"
#include "vmm/pci.h"

#define SLOT 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold whatever the driver does. */
static void
check(const struct virtio_device *device)
{
	for (uint32_t i = 0; i < device->n_queues; i++) {
		const struct virtqueue *queue = &device->queues[i];

		if (!queue->descriptors)
			continue;
		if (queue->setup.size > device->queue_sizes[i] ||
		    queue->state.in_flight > queue->setup.size ||
		    (queue->state.broken && device->active) ||
		    !virtio_has_feature(device, VIRTIO_F_VERSION_1))
			abort();
	}
}

static void
act(void *context, struct fuzz_input *input)
{
	struct echo_device *echo = context;
	uint8_t what = (uint8_t)fuzz_input_take(input, 1);

	check(&echo->device);
	switch (what % 4) {
	case 0:
		echo_device_complete(echo);
		break;
	case 1:
		virtio_signal_config(&echo->device);
		break;
	case 2:
		virtio_fail(&echo->device, "the fuzzer wants it");
		break;
	default:
		virtio_kick_again(&echo->device, what / 4 % echo->device.n_queues);
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct virtio_fuzzer fuzzer;
	static struct echo_device *echo;
	static bool freed;

	if (!fuzzer.root) {
		virtio_fuzzer_init(&fuzzer);
		if (echo_device_new(fuzzer.root, &fuzzer.fake->platform, SLOT, &freed, &echo) < 0)
			abort();
		virtio_fuzzer_ready(&fuzzer, SLOT);
	}
	virtio_fuzzer_run(&fuzzer, data, size, act, echo);
	check(&echo->device);
	return 0;
}
