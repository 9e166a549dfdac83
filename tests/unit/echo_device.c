/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * echo_device.c - the simplest virtio device, for tests of the transport
 */
#include "tests/unit/echo_device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/state_file.h"

#define ECHO_MAX_BYTES 4096 /* of one chain that are echoed */

static int
echo_device_activate(struct virtio_device *device)
{
	struct echo_device *echo = (struct echo_device *)device;

	echo->n_activations++;
	return echo->activate_error;
}

static void
echo_device_reset(struct virtio_device *device)
{
	struct echo_device *echo = (struct echo_device *)device;

	echo->n_held = 0;
	echo->n_resets++;
	memset(echo->config, 0, sizeof(echo->config));
}

static void
echo_device_answer(struct virtio_device *device)
{
	struct virtqueue_chain chain;
	uint8_t bytes[ECHO_MAX_BYTES];

	for (int i = 0; i < ECHO_BATCH && virtio_pop(device, ECHO_QUEUE, &chain); i++) {
		size_t size = virtqueue_chain_read(&chain, 0, bytes, sizeof(bytes));

		size = virtqueue_chain_write(&chain, 0, bytes, size);
		virtqueue_push(&device->queues[ECHO_QUEUE], chain.head, (uint32_t)size);
	}
	virtio_signal_queue(device, ECHO_QUEUE);
	if (virtqueue_has_work(&device->queues[ECHO_QUEUE]))
		virtio_kick_again(device, ECHO_QUEUE);
}

static void
echo_device_handle_queue(struct virtio_device *device, uint32_t queue)
{
	struct echo_device *echo = (struct echo_device *)device;
	struct virtqueue_chain chain;

	echo->n_kicks++;
	if (queue == ECHO_QUEUE)
		echo_device_answer(device);
	else
		while (echo->n_held < ECHO_HOLD_SIZE && virtio_pop(device, queue, &chain))
			echo->held[echo->n_held++] = chain.head;
}

static void
echo_device_read_config(struct virtio_device *device, uint32_t offset, void *target, uint32_t bytes)
{
	memcpy(target, ((struct echo_device *)device)->config + offset, bytes);
}

static void
echo_device_write_config(struct virtio_device *device, uint32_t offset, const void *source,
			 uint32_t bytes)
{
	memcpy(((struct echo_device *)device)->config + offset, source, bytes);
}

static void
echo_device_save(struct virtio_device *device, struct state_writer *writer)
{
	const struct echo_device *echo = (struct echo_device *)device;

	state_put_bytes(writer, echo->config, sizeof(echo->config));
	state_put_u32(writer, echo->n_held);
	for (uint32_t i = 0; i < echo->n_held; i++)
		state_put_u16(writer, echo->held[i]);
}

static int
echo_device_load(struct virtio_device *device, struct state_reader *reader)
{
	struct echo_device *echo = (struct echo_device *)device;

	state_take_bytes(reader, echo->config, sizeof(echo->config));
	echo->n_held = state_take_count(reader, ECHO_HOLD_SIZE);
	for (uint32_t i = 0; i < echo->n_held; i++)
		echo->held[i] = state_take_u16(reader);
	return state_reader_check(reader);
}

static void
echo_device_free(struct virtio_device *device)
{
	struct echo_device *echo = (struct echo_device *)device;

	*echo->freed = true;
	free(echo);
}

static const struct virtio_ops echo_device_ops = {
	.name = "virtio-echo",
	.type = ECHO_TYPE,
	.activate = echo_device_activate,
	.reset = echo_device_reset,
	.handle_queue = echo_device_handle_queue,
	.read_config = echo_device_read_config,
	.write_config = echo_device_write_config,
	.free = echo_device_free,
	.state_version = 1,
	.save = echo_device_save,
	.load = echo_device_load,
};

int
echo_device_new(struct pci_root *root, struct platform *platform, uint32_t slot, bool *freed,
		struct echo_device **ret_echo)
{
	struct echo_device *echo = calloc(1, sizeof(*echo));
	int error;

	if (!echo)
		return -ENOMEM;
	echo->freed = freed;
	echo->device = (struct virtio_device){
		.ops = &echo_device_ops,
		.platform = platform,
		.device_features = ECHO_FEATURE,
		.config_bytes = ECHO_CONFIG_BYTES,
		.n_queues = 3,
		.queue_sizes = { ECHO_QUEUE_SIZE, ECHO_HOLD_SIZE, 0 },
		.polled_queues = 1 << ECHO_QUEUE | 1 << ECHO_QUEUE_HOLD,
		.kept_queues = 1 << ECHO_QUEUE_HOLD,
	};
	error = virtio_pci_new(root, slot, 0x088000, &echo->device);
	if (error) {
		free(echo);
		return error;
	}
	*ret_echo = echo;
	return 0;
}

void
echo_device_complete(struct echo_device *echo)
{
	for (uint32_t i = 0; i < echo->n_held; i++)
		virtqueue_push(&echo->device.queues[ECHO_QUEUE_HOLD], echo->held[i], 0);
	echo->n_held = 0;
	virtio_signal_queue(&echo->device, ECHO_QUEUE_HOLD);
}
