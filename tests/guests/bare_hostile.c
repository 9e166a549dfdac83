/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bare_hostile.c - a driver that breaks the rules of virtio queues and registers, for any device
 */
#include "tests/guests/bare_hostile.h"

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include "tests/guests/bare.h"
#include "tests/guests/bare_irq.h"
#include "tests/guests/bare_virtio.h"

#define NO_RAM	 UINT64_C(0xd0000000) /* in the hole */
#define WRAPPING UINT64_C(0xfffffffffffff000)
#define NEXT	 VRING_DESC_F_NEXT

/* A chain of one or two descriptors, and how it is offered. virtio 1.2 section 2.7.5 and 2.7.6. */
static const struct broken_chain {
	const char *what;
	struct vring_desc descriptors[2];
	uint16_t head;
	uint16_t jump; /* of the index of the available ring */
} broken_chains[] = {
	{ "a head that is no descriptor", { { 0 } }, BARE_VIRTIO_MAX_SIZE, 1 },
	{ "more chains than fit", { { 0x200000, 16, 0, 0 } }, 0, BARE_VIRTIO_MAX_SIZE + 1 },
	{ "a chain that goes round",
	  { { 0x200000, 16, NEXT, 1 }, { 0x200000, 16, NEXT, 0 } },
	  0,
	  1 },
	{ "a chain that leaves the table", { { 0x200000, 16, NEXT, 0xffff } }, 0, 1 },
	{ "a buffer that is no RAM", { { NO_RAM, 16, 0, 0 } }, 0, 1 },
	{ "a buffer at the end of the addresses", { { WRAPPING, 0xffffffff, 0, 0 } }, 0, 1 },
	{ "an indirect table that was not agreed on",
	  { { 0x200000, 16, VRING_DESC_F_INDIRECT, 0 } },
	  0,
	  1 },
};

bool
bare_hostile_needs_reset(const struct bare_virtio *device)
{
	return bare_virtio_get_status(device) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

static void
bare_hostile_offer(struct bare_virtio *device, uint16_t index, const struct broken_chain *broken)
{
	struct bare_queue *queue = &device->queues[index];

	for (size_t i = 0; i < 2; i++)
		queue->descriptors[i] = broken->descriptors[i];
	for (uint16_t i = 0; i < queue->size; i++)
		queue->available->ring[i] = broken->head;
	__asm__ volatile("" ::: "memory");
	queue->available->idx = (uint16_t)(queue->next + broken->jump);
	__asm__ volatile("" ::: "memory");
	BARE_REGISTER(uint16_t, queue->doorbell) = index;
}

void
bare_hostile_break_queue(struct bare_virtio *device, uint16_t queue, bare_hostile_try works)
{
	for (size_t i = 0; i < sizeof(broken_chains) / sizeof(broken_chains[0]); i++) {
		uint32_t interrupts = bare_irq_get_count(BARE_IRQ_FIRST);

		if (!bare_check(works(device), "the device works"))
			return;
		bare_hostile_offer(device, queue, &broken_chains[i]);
		bare_check(BARE_WAIT(bare_hostile_needs_reset(device)), broken_chains[i].what);
		bare_check(BARE_WAIT(bare_irq_get_count(BARE_IRQ_FIRST) > interrupts),
			   "is told by an interrupt");
	}
	bare_check(works(device), "the device works again after a reset");
}

void
bare_hostile_write_late(struct bare_virtio *device, uint16_t queue, bare_hostile_try works,
			bare_hostile_try again)
{
	static const uint32_t fields[] = { VIRTIO_PCI_COMMON_Q_DESCLO, VIRTIO_PCI_COMMON_Q_AVAILLO,
					   VIRTIO_PCI_COMMON_Q_USEDLO };
	uint64_t features = bare_virtio_get_features(device);

	bare_check(works(device), "the device works");
	bare_virtio_set(device, VIRTIO_PCI_COMMON_Q_SELECT, 2, queue);
	bare_virtio_set(device, VIRTIO_PCI_COMMON_Q_SIZE, 2, 2);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		bare_virtio_set(device, fields[i], 4, (uint32_t)NO_RAM);
	bare_virtio_set(device, VIRTIO_PCI_COMMON_GFSELECT, 4, 0);
	bare_virtio_set(device, VIRTIO_PCI_COMMON_GF, 4, ~(uint32_t)features);
	bare_check(again(device), "what is written too late changes nothing");
}

void
bare_hostile_reset(struct bare_virtio *device, bare_hostile_try offer, bare_hostile_try works)
{
	bare_check(offer(device), "it is given requests");
	bare_virtio_reset(device);
	bare_check_equal(bare_virtio_get_status(device), 0, "a reset in mid-I/O is done");
	bare_check(works(device), "the device works after that");
}

void
bare_hostile_negotiate(struct bare_virtio *device, bare_hostile_try works)
{
	uint64_t version_1 = UINT64_C(1) << VIRTIO_F_VERSION_1;
	uint64_t offered = bare_virtio_get_features(device);

	bare_check(offered & version_1, "virtio 1 is offered");
	bare_check(!bare_virtio_negotiate(device, ~offered | version_1),
		   "features that were not offered are refused");
	bare_check(!bare_virtio_negotiate(device, 0), "a driver without virtio 1 is refused");
	bare_check(bare_virtio_negotiate(device, version_1), "virtio 1 alone is taken");
	bare_virtio_set(device, VIRTIO_PCI_COMMON_Q_SELECT, 2, 0xfffe);
	bare_check_equal(bare_virtio_get(device, VIRTIO_PCI_COMMON_Q_SIZE, 2), 0,
			 "a queue that does not exist has no size");
	bare_virtio_set(device, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
	for (uint32_t at = 0; at < 64; at++)
		bare_virtio_set(device, at, 1, 0xa5);
	bare_check(works(device), "the device works after that");
}
