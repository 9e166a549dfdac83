/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio_fuzzer.c - drives any virtio device as a libFuzzer input says
 *
 * How it works: the first byte has the options, then come acts: a byte that picks one from virtio_fuzzer_acts, then
 * what it takes. VIRTIO_FUZZER_START and VIRTIO_FUZZER_ADD do what a good driver does, with the device's requests out of
 * the input, so that inputs get deep; the others do anything. What they name lies near what a driver uses, or anywhere.
 */
#include "tests/fuzz/virtio_fuzzer.h"

#include <stdlib.h>

#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "tests/unit/fake_platform.h"
#include "vmm/loop.h"
#include "vmm/pci.h"

#define OPTION_FLIP	1
#define MAX_ACTS	256
#define MAX_STEPS	16 /* of the loop, after each act */
#define MAX_LAST_STEPS	256
#define MAX_SEGMENTS	4      /* of each direction, of a good chain */
#define MAX_IN_BYTES	0x3fff /* of one of them */
#define MAX_OUT_BYTES	0x1ff
#define FLIP_BYTES	0x20000
#define INDIRECT_OPTION 0x80
#define REGISTERS_BYTES 0x4000
#define PCI_CONFIG_BYTE 0xff

static uint32_t
virtio_fuzzer_take_width(struct fuzz_input *input)
{
	return UINT32_C(1) << (fuzz_input_take(input, 1) & 3);
}

/* A guest address: in what the driver uses, or anywhere. */
static uint64_t
virtio_fuzzer_take_gpa(struct virtio_fuzzer *fuzzer, struct fuzz_input *input)
{
	uint64_t used = fuzzer->fake->next_gpa - FAKE_PLATFORM_FREE_GPA;

	if (fuzz_input_take(input, 1) & 1)
		return fuzz_input_take(input, 8);
	return FAKE_PLATFORM_FREE_GPA + (used ? fuzz_input_take(input, 4) % used : 0);
}

static struct driver_ring *
virtio_fuzzer_take_ring(struct virtio_fuzzer *fuzzer, struct fuzz_input *input, uint32_t *ret_queue)
{
	uint32_t n_queues = fuzzer->driver.n_queues;

	*ret_queue = n_queues ? (uint32_t)fuzz_input_take(input, 1) % n_queues : 0;
	return fuzzer->driver.rings[*ret_queue];
}

static void
virtio_fuzzer_start(struct virtio_fuzzer *fuzzer, struct fuzz_input *input)
{
	virtio_driver_start(&fuzzer->driver, ~fuzz_input_take(input, 8));
}

static void
virtio_fuzzer_add(struct virtio_fuzzer *fuzzer, struct fuzz_input *input)
{
	struct driver_buffer buffers[2 * MAX_SEGMENTS];
	uint32_t queue;
	struct driver_ring *ring = virtio_fuzzer_take_ring(fuzzer, input, &queue);
	uint32_t shape = (uint32_t)fuzz_input_take(input, 1);
	uint32_t n_out = shape % (MAX_SEGMENTS + 1);
	uint32_t count = n_out + shape / 8 % (MAX_SEGMENTS + 1);

	if (!ring)
		return;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t bytes = (uint32_t)fuzz_input_take(input, 2) &
				 (i < n_out ? MAX_OUT_BYTES : MAX_IN_BYTES);
		uint64_t gpa = fake_platform_alloc(fuzzer->fake, bytes + 1, 16);
		uint8_t *host = fake_platform_map(fuzzer->fake, gpa, bytes + 1);

		if (!gpa)
			return;
		for (uint32_t j = 0; i < n_out && j < bytes; j++)
			host[j] = (uint8_t)fuzz_input_take(input, 1);
		buffers[i] = (struct driver_buffer){ gpa, bytes, i >= n_out };
	}
	if (shape & INDIRECT_OPTION)
		driver_ring_add_indirect(ring, buffers, count);
	else
		driver_ring_add(ring, buffers, count);
	fake_platform_write(fuzzer->fake, fuzzer->driver.doorbells[queue], 2, queue);
}

static void
virtio_fuzzer_set_descriptor(struct virtio_fuzzer *fuzzer, struct fuzz_input *input)
{
	uint32_t queue;
	struct driver_ring *ring = virtio_fuzzer_take_ring(fuzzer, input, &queue);
	uint16_t index = (uint16_t)fuzz_input_take(input, 2);
	uint64_t gpa = virtio_fuzzer_take_gpa(fuzzer, input);
	uint32_t bytes = (uint32_t)fuzz_input_take(input, 4);
	uint16_t flags = (uint16_t)fuzz_input_take(input, 1);

	if (ring)
		driver_ring_set_descriptor(ring, index % ring->setup.size, gpa, bytes, flags,
					   (uint16_t)fuzz_input_take(input, 2));
}

static void
virtio_fuzzer_publish(struct virtio_fuzzer *fuzzer, struct fuzz_input *input)
{
	uint32_t queue;
	struct driver_ring *ring = virtio_fuzzer_take_ring(fuzzer, input, &queue);

	if (ring)
		driver_ring_publish(ring, (uint16_t)fuzz_input_take(input, 2));
}

static void
virtio_fuzzer_jump(struct virtio_fuzzer *fuzzer, struct fuzz_input *input)
{
	uint32_t queue;
	struct driver_ring *ring = virtio_fuzzer_take_ring(fuzzer, input, &queue);

	if (ring)
		driver_ring_set_avail_index(ring, (uint16_t)fuzz_input_take(input, 2));
}

static void
virtio_fuzzer_kick(struct virtio_fuzzer *fuzzer, struct fuzz_input *input)
{
	uint32_t queue = (uint32_t)fuzz_input_take(input, 1);

	fake_platform_write(fuzzer->fake,
			    fuzzer->driver.notify + queue * fuzzer->driver.notify_multiplier, 2,
			    queue);
}

static void
virtio_fuzzer_write_memory(struct virtio_fuzzer *fuzzer, struct fuzz_input *input)
{
	uint64_t gpa = virtio_fuzzer_take_gpa(fuzzer, input);
	uint32_t bytes = virtio_fuzzer_take_width(input);
	uint64_t value = fuzz_input_take(input, bytes);
	void *host = fake_platform_map(fuzzer->fake, gpa, bytes);

	if (host)
		memcpy(host, &value, bytes);
}

static void
virtio_fuzzer_access_common(struct virtio_fuzzer *fuzzer, struct fuzz_input *input)
{
	uint64_t gpa = fuzzer->driver.common + fuzz_input_take(input, 1) % 64;
	uint32_t bytes = virtio_fuzzer_take_width(input);

	fake_platform_read(fuzzer->fake, gpa, bytes);
	fake_platform_write(fuzzer->fake, gpa, bytes, fuzz_input_take(input, bytes));
}

static void
virtio_fuzzer_access_registers(struct virtio_fuzzer *fuzzer, struct fuzz_input *input)
{
	uint64_t gpa = fuzzer->driver.common + fuzz_input_take(input, 2) % REGISTERS_BYTES;
	uint32_t bytes = virtio_fuzzer_take_width(input);

	fake_platform_read(fuzzer->fake, gpa, bytes);
	fake_platform_write(fuzzer->fake, gpa, bytes, fuzz_input_take(input, bytes));
}

static void
virtio_fuzzer_access_config(struct virtio_fuzzer *fuzzer, struct fuzz_input *input)
{
	uint32_t offset = (uint32_t)fuzz_input_take(input, 2) % (fuzzer->driver.config_bytes + 8);
	uint32_t bytes = virtio_fuzzer_take_width(input);

	virtio_driver_get_config(&fuzzer->driver, offset, bytes);
	virtio_driver_set_config(&fuzzer->driver, offset, bytes, fuzz_input_take(input, bytes));
}

static void
virtio_fuzzer_access_msix(struct virtio_fuzzer *fuzzer, struct fuzz_input *input)
{
	uint64_t gpa = fuzzer->driver.msix_table + fuzz_input_take(input, 2) % 4096;
	uint32_t bytes = virtio_fuzzer_take_width(input);

	fake_platform_read(fuzzer->fake, gpa, bytes);
	fake_platform_write(fuzzer->fake, gpa, bytes, fuzz_input_take(input, bytes));
}

static void
virtio_fuzzer_access_pci(struct virtio_fuzzer *fuzzer, struct fuzz_input *input)
{
	uint32_t offset = (uint32_t)fuzz_input_take(input, 1) & PCI_CONFIG_BYTE;
	uint32_t bytes = virtio_fuzzer_take_width(input) & 7;

	if (bytes == 0)
		return;
	virtio_driver_get_pci(&fuzzer->driver, offset, bytes);
	virtio_driver_set_pci(&fuzzer->driver, offset, bytes,
			      (uint32_t)fuzz_input_take(input, bytes));
}

static void
virtio_fuzzer_set_status(struct virtio_fuzzer *fuzzer, struct fuzz_input *input)
{
	virtio_driver_set_status(&fuzzer->driver, (uint8_t)fuzz_input_take(input, 1));
}

/* Only added to: inputs name them by number. */
static void (*const virtio_fuzzer_acts[])(struct virtio_fuzzer *, struct fuzz_input *) = {
	virtio_fuzzer_start,	     virtio_fuzzer_add,
	virtio_fuzzer_kick,	     virtio_fuzzer_set_descriptor,
	virtio_fuzzer_publish,	     virtio_fuzzer_jump,
	virtio_fuzzer_write_memory,  virtio_fuzzer_access_common,
	virtio_fuzzer_access_config, virtio_fuzzer_access_registers,
	virtio_fuzzer_access_msix,   virtio_fuzzer_access_pci,
	virtio_fuzzer_set_status,
};

#define N_ACTS (sizeof(virtio_fuzzer_acts) / sizeof(virtio_fuzzer_acts[0]))

void
virtio_fuzzer_init(struct virtio_fuzzer *fuzzer)
{
	if (fake_platform_new(FAKE_PLATFORM_RAM_BYTES, &fuzzer->fake) < 0 ||
	    pci_root_new(&fuzzer->fake->platform, &fuzzer->root) < 0)
		abort();
}

void
virtio_fuzzer_ready(struct virtio_fuzzer *fuzzer, uint32_t slot)
{
	fuzzer->slot = slot;
	memory_flipper_start(&fuzzer->flipper,
			     fake_platform_map(fuzzer->fake, FAKE_PLATFORM_FREE_GPA, FLIP_BYTES),
			     FLIP_BYTES);
}

static void
virtio_fuzzer_step(struct virtio_fuzzer *fuzzer, int max_steps)
{
	for (int i = 0; i < max_steps; i++)
		if (loop_step(fuzzer->fake->platform.loop, 0) <= 0)
			return;
}

void
virtio_fuzzer_run(struct virtio_fuzzer *fuzzer, const uint8_t *data, size_t size,
		  virtio_fuzzer_act act, void *context)
{
	struct fuzz_input input = { .next = data, .left = size };
	bool flip = fuzz_input_take(&input, 1) & OPTION_FLIP;

	pci_root_reset(fuzzer->root);
	virtio_fuzzer_step(fuzzer, MAX_LAST_STEPS);
	fuzzer->fake->next_gpa = FAKE_PLATFORM_FREE_GPA;
	if (virtio_driver_open(&fuzzer->driver, fuzzer->fake, fuzzer->slot) < 0)
		abort();
	if (flip)
		memory_flipper_switch(&fuzzer->flipper, true);
	for (int i = 0; i < MAX_ACTS && input.left > 0; i++) {
		size_t number = fuzz_input_take(&input, 1) % (N_ACTS + 1);

		if (number < N_ACTS)
			virtio_fuzzer_acts[number](fuzzer, &input);
		else if (act)
			act(context, &input);
		virtio_fuzzer_step(fuzzer, MAX_STEPS);
	}
	if (flip)
		memory_flipper_switch(&fuzzer->flipper, false);
	virtio_fuzzer_step(fuzzer, MAX_LAST_STEPS);
	virtio_driver_close(&fuzzer->driver);
}
