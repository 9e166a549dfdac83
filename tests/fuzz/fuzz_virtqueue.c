/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_virtqueue.c - split virtqueues under any driver, another thread changing the rings meanwhile
 *
 * How it works: three bytes say where the rings are and how large, then come acts of four to a dozen bytes each. Whatever a
 * chain holds must lie in RAM, within the limits.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <linux/virtio_ring.h>

#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/memory_flipper.h"
#include "tests/unit/fake_platform.h"
#include "vmm/guest_memory.h"
#include "vmm/virtqueue.h"

#define OPTION_FLIP	   1
#define OPTION_EVENT_INDEX 2
#define OPTION_INDIRECT	   4
#define OPTION_ANYWHERE	   8
#define AREA		   FAKE_PLATFORM_FREE_GPA /* 64 KiB: descriptors, avail, used, an indirect table */
#define AREA_BYTES	   0x10000
#define AVAIL		   (AREA + 0x4000)
#define USED		   (AREA + 0x6000)
#define TABLE		   (AREA + 0xa000)
#define MAX_ACTS	   512
#define MAX_COPY_BYTES	   4096

struct stage {
	struct fake_platform *fake;
	uint8_t *area;
	struct memory_flipper flipper;
	struct virtqueue queue;
	struct virtqueue_setup setup;
	uint16_t ring_size; /* by which heads are published */
	struct virtqueue_chain chain;
	bool has_chain;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_segments(struct stage *stage, const struct iovec *segments, int count, uint64_t bytes)
{
	const uint8_t *ram = fake_platform_map(stage->fake, 0, FAKE_PLATFORM_RAM_BYTES);

	for (int i = 0; i < count; i++) {
		const uint8_t *base = segments[i].iov_base;

		if (segments[i].iov_len == 0 || segments[i].iov_len > FAKE_PLATFORM_RAM_BYTES ||
		    base < ram || base + segments[i].iov_len > ram + FAKE_PLATFORM_RAM_BYTES)
			abort();
		bytes -= segments[i].iov_len;
	}
	if (bytes != 0)
		abort();
}

static void
check_chain(struct stage *stage)
{
	const struct virtqueue_chain *chain = &stage->chain;

	if (chain->n_out + chain->n_in > VIRTQUEUE_MAX_SEGMENTS ||
	    chain->n_out + chain->n_in == 0 || chain->head >= stage->queue.setup.size ||
	    chain->out_bytes + chain->in_bytes > VIRTQUEUE_MAX_CHAIN_BYTES ||
	    stage->queue.state.in_flight > stage->queue.setup.size)
		abort();
	check_segments(stage, chain->segments, chain->n_out, chain->out_bytes);
	check_segments(stage, chain->segments + chain->n_out, chain->n_in, chain->in_bytes);
}

static void
use_chain(struct stage *stage, uint64_t offset, uint64_t bytes)
{
	struct iovec slice[VIRTQUEUE_MAX_SEGMENTS];
	uint8_t copy[MAX_COPY_BYTES];
	size_t part = bytes % MAX_COPY_BYTES;
	int n;

	part = virtqueue_chain_read(&stage->chain, offset, copy, part);
	virtqueue_chain_write(&stage->chain, offset, copy, part);
	n = virtqueue_chain_slice_out(&stage->chain, offset, bytes, slice);
	if (n >= 0)
		check_segments(stage, slice, n, bytes);
	n = virtqueue_chain_slice_in(&stage->chain, offset, bytes, slice);
	if (n >= 0)
		check_segments(stage, slice, n, bytes);
}

/* Into the queue's table or the indirect one */
static void
write_descriptor(struct stage *stage, struct fuzz_input *input, uint64_t offset)
{
	uint16_t index = (uint16_t)fuzz_input_take(input, 1);
	uint16_t where = (uint16_t)fuzz_input_take(input, 2);
	uint8_t flags = (uint8_t)fuzz_input_take(input, 1);
	struct vring_desc descriptor = {
		.addr = flags & 0x80   ? fuzz_input_take(input, 8)
			: flags & 0x40 ? TABLE + where % 64
				       : AREA + where,
		.len = (uint32_t)fuzz_input_take(input, flags & 0x20 ? 4 : 1),
		.flags = flags & 0x0f,
		.next = (uint16_t)fuzz_input_take(input, flags & 0x10 ? 2 : 1),
	};

	memcpy(stage->area + offset + (size_t)index * sizeof(descriptor), &descriptor,
	       sizeof(descriptor));
}

static void
publish(struct stage *stage, uint16_t head)
{
	struct vring_avail *avail = (struct vring_avail *)(stage->area + (AVAIL - AREA));

	avail->ring[avail->idx % stage->ring_size] = head;
	avail->idx++;
}

static void
take(struct stage *stage)
{
	int result = virtqueue_pop(&stage->queue, &stage->chain);

	stage->has_chain = result > 0;
	if (stage->has_chain)
		check_chain(stage);
	else if (result < 0 && !stage->queue.reason)
		abort();
}

static void
act(struct stage *stage, struct fuzz_input *input)
{
	uint64_t number = fuzz_input_take(input, 1);

	switch (number % 12) {
	case 0:
		write_descriptor(stage, input, 0);
		break;
	case 1:
		write_descriptor(stage, input, TABLE - AREA);
		break;
	case 2:
		publish(stage, (uint16_t)fuzz_input_take(input, 1));
		break;
	case 3:
		take(stage);
		break;
	case 4:
		virtqueue_push(&stage->queue,
			       stage->has_chain ? stage->chain.head
						: (uint16_t)fuzz_input_take(input, 2),
			       (uint32_t)fuzz_input_take(input, 4));
		break;
	case 5:
		virtqueue_unpop(&stage->queue);
		break;
	case 6:
		virtqueue_should_signal(&stage->queue);
		break;
	case 7:
		virtqueue_set_notify(&stage->queue, number & 0x80);
		break;
	case 8:
		stage->area[fuzz_input_take(input, 2)] = (uint8_t)fuzz_input_take(input, 1);
		break;
	case 9:
		if (stage->has_chain)
			use_chain(stage, fuzz_input_take(input, number & 0x80 ? 8 : 2),
				  fuzz_input_take(input, number & 0x40 ? 8 : 2));
		break;
	case 10:
		publish(stage, (uint16_t)fuzz_input_take(input, 2));
		virtqueue_has_work(&stage->queue);
		break;
	default:
		virtqueue_start(&stage->queue, stage->fake->platform.memory, &stage->setup);
		break;
	}
}

static struct virtqueue_setup
take_setup(struct fuzz_input *input, uint8_t options)
{
	struct virtqueue_setup setup = {
		.size = (uint16_t)(1 << fuzz_input_take(input, 1) % 12),
		.descriptors = AREA,
		.avail = AVAIL,
		.used = USED,
		.event_index = options & OPTION_EVENT_INDEX,
		.indirect = options & OPTION_INDIRECT,
	};

	if (options & OPTION_ANYWHERE) {
		setup.size = (uint16_t)fuzz_input_take(input, 2);
		setup.descriptors = fuzz_input_take(input, 8);
		setup.avail = fuzz_input_take(input, 8);
		setup.used = fuzz_input_take(input, 8);
	}
	return setup;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct stage stage;
	struct fuzz_input input = { .next = data, .left = size };
	uint8_t options = (uint8_t)fuzz_input_take(&input, 1);

	if (!stage.fake) {
		if (fake_platform_new(FAKE_PLATFORM_RAM_BYTES, &stage.fake) < 0)
			abort();
		stage.area = fake_platform_map(stage.fake, AREA, AREA_BYTES);
		memory_flipper_start(&stage.flipper, stage.area, AREA_BYTES);
	}
	memset(stage.area, 0, AREA_BYTES);
	stage.has_chain = false;
	stage.setup = take_setup(&input, options);
	virtqueue_start(&stage.queue, stage.fake->platform.memory, &stage.setup);
	stage.ring_size = stage.queue.setup.size ? stage.queue.setup.size : 1;
	if (options & OPTION_FLIP)
		memory_flipper_switch(&stage.flipper, true);
	for (int i = 0; i < MAX_ACTS && input.left > 0; i++)
		act(&stage, &input);
	if (options & OPTION_FLIP)
		memory_flipper_switch(&stage.flipper, false);
	return 0;
}
