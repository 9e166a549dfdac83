/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio_balloon.c - memory that the guest gives back to the host (virtio 1.2 section 5.5)
 *
 * In carrel-vmm, with the machine's lock held.
 *
 * How it works: a page that is given is one that guest_memory_discard() gives back to the host; the
 * guest has it again, empty (or as the template has it), as soon as it touches it, so taking pages
 * back needs no act. VIRTIO_BALLOON_F_PAGE_POISON is never offered: the guest would rely on what is
 * in such pages.
 *
 * The statistics queue holds one chain, which is pushed back to ask for news and comes again with
 * them.
 *
 * The specification gives free page reporting queue 4. Linux counts only the queues that it uses,
 * so it is queue 3 without free page hints, which we do not have (and 2 without statistics):
 * virtio_balloon_get_role() knows them all.
 */
#include "vmm/virtio_balloon.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_balloon.h>

#include "vmm/guest_memory.h"
#include "vmm/platform.h"
#include "vmm/state_file.h"
#include "vmm/virtio.h"

#define VIRTIO_BALLOON_STATE_VERSION 1
#define VIRTIO_BALLOON_PAGE_BYTES    (UINT64_C(1) << VIRTIO_BALLOON_PFN_SHIFT)
#define VIRTIO_BALLOON_QUEUE_SIZE    128
#define VIRTIO_BALLOON_QUEUES	     5
#define VIRTIO_BALLOON_CHAINS_A_KICK 8
#define VIRTIO_BALLOON_MAX_PAGES     1024 /* of one chain; Linux gives 256 */
#define VIRTIO_BALLOON_MAX_STATS     32	  /* in one chain; there are 10 kinds */
#define VIRTIO_BALLOON_CONFIG_BYTES  offsetof(struct virtio_balloon_config, free_page_hint_cmd_id)

#define VIRTIO_BALLOON_FEATURE(name) (UINT64_C(1) << VIRTIO_BALLOON_F_##name)

enum virtio_balloon_role {
	VIRTIO_BALLOON_INFLATE,
	VIRTIO_BALLOON_DEFLATE,
	VIRTIO_BALLOON_STATISTICS,
	VIRTIO_BALLOON_REPORTING,
};

/* What the guest sees; saved and restored. */
struct virtio_balloon_state {
	uint32_t target_pages;
	uint32_t actual_pages; /* as the guest says */
	uint16_t statistics_head;
	uint8_t holds_statistics; /* that chain is ours until news are wanted */
	uint8_t reserved;
};

struct virtio_balloon {
	struct virtio_device device; /* first */
	struct virtio_balloon_state state;
	struct virtio_balloon_statistics statistics;
	struct virtqueue_chain chain; /* the one being looked at */
};

static enum virtio_balloon_role
virtio_balloon_get_role(const struct virtio_device *device, uint32_t queue)
{
	if (queue <= VIRTIO_BALLOON_DEFLATE)
		return (enum virtio_balloon_role)queue;
	if (queue == VIRTIO_BALLOON_STATISTICS &&
	    virtio_has_feature(device, VIRTIO_BALLOON_F_STATS_VQ))
		return VIRTIO_BALLOON_STATISTICS;
	return VIRTIO_BALLOON_REPORTING;
}

/* Each of these is true when the chain was good; if not, the device has failed. */

static bool
virtio_balloon_give_run(struct virtio_balloon *balloon, uint64_t first_page, uint64_t count)
{
	const struct guest_memory *memory = balloon->device.platform->memory;

	if (guest_memory_discard(memory, first_page * VIRTIO_BALLOON_PAGE_BYTES,
				 count * VIRTIO_BALLOON_PAGE_BYTES) != -EFAULT)
		return true;
	virtio_fail(&balloon->device, "a page that it gives is not in RAM");
	return false;
}

static bool
virtio_balloon_inflate(struct virtio_balloon *balloon)
{
	uint32_t pages[VIRTIO_BALLOON_MAX_PAGES];
	size_t count = balloon->chain.out_bytes / sizeof(pages[0]);
	size_t first = 0;

	if (count > VIRTIO_BALLOON_MAX_PAGES) {
		virtio_fail(&balloon->device, "it gives too many pages at once");
		return false;
	}
	virtqueue_chain_read(&balloon->chain, 0, pages, count * sizeof(pages[0]));
	for (size_t i = 1; i <= count; i++) {
		/* neighbours are given back together */
		if (i < count && le32toh(pages[i]) == (uint64_t)le32toh(pages[i - 1]) + 1)
			continue;
		if (!virtio_balloon_give_run(balloon, le32toh(pages[first]), i - first))
			return false;
		first = i;
	}
	return true;
}

/* Where in guest memory a part of a chain is. */
static uint64_t
virtio_balloon_find_gpa(const struct virtio_balloon *balloon, const struct iovec *segment)
{
	struct guest_memory_part parts[GUEST_MEMORY_MAX_PARTS];
	size_t count = guest_memory_list_parts(balloon->device.platform->memory, parts);
	size_t i = 0;

	/* it is in one of them: virtqueue_pop() has found it there */
	while (i + 1 < count &&
	       ((uintptr_t)segment->iov_base < (uintptr_t)parts[i].host ||
		(uintptr_t)segment->iov_base >= (uintptr_t)parts[i].host + parts[i].bytes))
		i++;
	return parts[i].gpa + ((uintptr_t)segment->iov_base - (uintptr_t)parts[i].host);
}

static bool
virtio_balloon_report(struct virtio_balloon *balloon)
{
	const struct virtqueue_chain *chain = &balloon->chain;
	const struct iovec *segments = chain->segments + chain->n_out;

	for (uint16_t i = 0; i < chain->n_in; i++) {
		uint64_t gpa = virtio_balloon_find_gpa(balloon, &segments[i]);

		if (guest_memory_discard(balloon->device.platform->memory, gpa,
					 segments[i].iov_len) == 0)
			balloon->statistics.reported_bytes += segments[i].iov_len;
	}
	return true;
}

static void
virtio_balloon_read_statistics(struct virtio_balloon *balloon)
{
	struct virtio_balloon_stat stats[VIRTIO_BALLOON_MAX_STATS];
	size_t count =
		virtqueue_chain_read(&balloon->chain, 0, stats, sizeof(stats)) / sizeof(stats[0]);

	for (size_t i = 0; i < count; i++) {
		uint64_t value = le64toh(stats[i].val);

		if (le16toh(stats[i].tag) == VIRTIO_BALLOON_S_MEMFREE)
			balloon->statistics.guest_free_bytes = value;
		else if (le16toh(stats[i].tag) == VIRTIO_BALLOON_S_MEMTOT)
			balloon->statistics.guest_total_bytes = value;
	}
}

/* Gives the chain back, which asks for news. */
static void
virtio_balloon_ask_statistics(struct virtio_balloon *balloon)
{
	if (!balloon->state.holds_statistics)
		return;
	balloon->state.holds_statistics = 0;
	virtqueue_push(&balloon->device.queues[VIRTIO_BALLOON_STATISTICS],
		       balloon->state.statistics_head, 0);
	virtio_signal_queue(&balloon->device, VIRTIO_BALLOON_STATISTICS);
}

static void
virtio_balloon_take_statistics(struct virtio_balloon *balloon)
{
	if (!virtio_pop(&balloon->device, VIRTIO_BALLOON_STATISTICS, &balloon->chain))
		return;
	virtio_balloon_read_statistics(balloon);
	virtio_balloon_ask_statistics(balloon); /* there should be one only */
	balloon->state.holds_statistics = 1;
	balloon->state.statistics_head = balloon->chain.head;
	if (virtqueue_has_work(&balloon->device.queues[VIRTIO_BALLOON_STATISTICS]))
		virtio_kick_again(&balloon->device, VIRTIO_BALLOON_STATISTICS);
}

static bool
virtio_balloon_handle_chain(struct virtio_balloon *balloon, enum virtio_balloon_role role)
{
	switch (role) {
	case VIRTIO_BALLOON_INFLATE:
		return virtio_balloon_inflate(balloon);
	case VIRTIO_BALLOON_REPORTING:
		return virtio_balloon_report(balloon);
	case VIRTIO_BALLOON_DEFLATE: /* they come back by being used */
	case VIRTIO_BALLOON_STATISTICS:
		break;
	}
	return true;
}

static void
virtio_balloon_handle_queue(struct virtio_device *device, uint32_t queue)
{
	struct virtio_balloon *balloon = (struct virtio_balloon *)device;
	enum virtio_balloon_role role = virtio_balloon_get_role(device, queue);
	int n = 0;

	if (role == VIRTIO_BALLOON_STATISTICS) {
		virtio_balloon_take_statistics(balloon);
		return;
	}
	while (n < VIRTIO_BALLOON_CHAINS_A_KICK && virtio_pop(device, queue, &balloon->chain)) {
		if (!virtio_balloon_handle_chain(balloon, role))
			return;
		virtqueue_push(&device->queues[queue], balloon->chain.head, 0);
		n++;
	}
	virtio_signal_queue(device, queue);
	if (n == VIRTIO_BALLOON_CHAINS_A_KICK)
		virtio_kick_again(device, queue);
}

static void
virtio_balloon_read_config(struct virtio_device *device, uint32_t offset, void *target,
			   uint32_t bytes)
{
	const struct virtio_balloon *balloon = (const struct virtio_balloon *)device;
	const struct virtio_balloon_config config = {
		.num_pages = htole32(balloon->state.target_pages),
		.actual = htole32(balloon->state.actual_pages),
	};

	memcpy(target, (const char *)&config + offset, bytes);
}

static void
virtio_balloon_write_config(struct virtio_device *device, uint32_t offset, const void *source,
			    uint32_t bytes)
{
	struct virtio_balloon *balloon = (struct virtio_balloon *)device;
	uint32_t actual;

	if (offset != offsetof(struct virtio_balloon_config, actual) || bytes != sizeof(actual))
		return;
	memcpy(&actual, source, sizeof(actual));
	balloon->state.actual_pages = le32toh(actual);
}

static int
virtio_balloon_activate(struct virtio_device *device)
{
	(void)device;
	return 0;
}

/* The target stays: the next driver should reach it too. */
static void
virtio_balloon_reset(struct virtio_device *device)
{
	struct virtio_balloon *balloon = (struct virtio_balloon *)device;

	balloon->state.actual_pages = 0;
	balloon->state.holds_statistics = 0;
	balloon->statistics.guest_free_bytes = 0;
	balloon->statistics.guest_total_bytes = 0;
}

/* What the guest told of its memory is not kept: a machine that goes on later asks again. */
static void
virtio_balloon_save(struct virtio_device *device, struct state_writer *writer)
{
	const struct virtio_balloon_state *state = &((struct virtio_balloon *)device)->state;

	state_put_u32(writer, state->target_pages);
	state_put_u32(writer, state->actual_pages);
	state_put_bool(writer, state->holds_statistics);
	state_put_u16(writer, state->statistics_head);
}

/* Pages that were given are holes in the memory's file, and empty here without an act of ours. */
static int
virtio_balloon_load(struct virtio_device *device, struct state_reader *reader)
{
	struct virtio_balloon_state *state = &((struct virtio_balloon *)device)->state;
	const struct virtqueue *queue = &device->queues[VIRTIO_BALLOON_STATISTICS];

	state->target_pages = state_take_u32(reader);
	state->actual_pages = state_take_u32(reader);
	state->holds_statistics = state_take_bool(reader);
	state->statistics_head = state_take_u16(reader);
	state_reader_want(reader,
			  state->target_pages <= guest_memory_get_bytes(device->platform->memory) /
							 VIRTIO_BALLOON_PAGE_BYTES,
			  "a target of more memory than there is");
	if (state->holds_statistics)
		state_reader_want(reader,
				  virtio_balloon_get_role(device, VIRTIO_BALLOON_STATISTICS) ==
						  VIRTIO_BALLOON_STATISTICS &&
					  state->statistics_head < queue->setup.size,
				  "it keeps a request for statistics that it cannot have");
	if (device->active)
		state_reader_want(reader, queue->state.in_flight == state->holds_statistics,
				  "it keeps another number of requests than are on their way");
	return state_reader_check(reader);
}

static void
virtio_balloon_free(struct virtio_device *device)
{
	free(device);
}

static const struct virtio_ops virtio_balloon_ops = {
	.name = "virtio-balloon",
	.type = VIRTIO_ID_BALLOON,
	.activate = virtio_balloon_activate,
	.reset = virtio_balloon_reset,
	.handle_queue = virtio_balloon_handle_queue,
	.read_config = virtio_balloon_read_config,
	.write_config = virtio_balloon_write_config,
	.free = virtio_balloon_free,
	.state_version = VIRTIO_BALLOON_STATE_VERSION,
	.save = virtio_balloon_save,
	.load = virtio_balloon_load,
};

int
virtio_balloon_new(struct platform *platform, struct virtio_device **ret_device)
{
	struct virtio_balloon *balloon = calloc(1, sizeof(*balloon));
	struct virtio_device *device;

	if (!balloon)
		return -ENOMEM;
	device = &balloon->device;
	device->ops = &virtio_balloon_ops;
	device->platform = platform;
	device->device_features = VIRTIO_BALLOON_FEATURE(STATS_VQ) |
				  VIRTIO_BALLOON_FEATURE(DEFLATE_ON_OOM) |
				  VIRTIO_BALLOON_FEATURE(REPORTING);
	device->config_bytes = VIRTIO_BALLOON_CONFIG_BYTES;
	device->n_queues = VIRTIO_BALLOON_QUEUES;
	device->kept_queues = UINT64_C(1) << VIRTIO_BALLOON_STATISTICS;
	for (uint32_t i = 0; i < VIRTIO_BALLOON_QUEUES; i++)
		device->queue_sizes[i] = VIRTIO_BALLOON_QUEUE_SIZE;
	*ret_device = device;
	return 0;
}

int
virtio_balloon_set_target(struct virtio_device *device, uint64_t bytes)
{
	struct virtio_balloon *balloon = (struct virtio_balloon *)device;
	uint32_t pages = (uint32_t)(bytes / VIRTIO_BALLOON_PAGE_BYTES);

	static_assert(GUEST_MEMORY_MAX_BYTES / VIRTIO_BALLOON_PAGE_BYTES <= UINT32_MAX,
		      "target_pages has 32 bits");
	if (bytes > guest_memory_get_bytes(device->platform->memory))
		return -EINVAL;
	if (pages == balloon->state.target_pages)
		return 0;
	balloon->state.target_pages = pages;
	virtio_signal_config(device);
	return 0;
}

void
virtio_balloon_get_statistics(struct virtio_device *device,
			      struct virtio_balloon_statistics *ret_statistics)
{
	struct virtio_balloon *balloon = (struct virtio_balloon *)device;

	*ret_statistics = balloon->statistics;
	ret_statistics->balloon_bytes = balloon->state.actual_pages * VIRTIO_BALLOON_PAGE_BYTES;
	if (device->active && !device->platform->paused)
		virtio_balloon_ask_statistics(balloon);
}
