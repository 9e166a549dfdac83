/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * driver_ring.c - the driver's side of a split virtqueue, for tests and fuzzers
 */
#include "tests/unit/driver_ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_ring.h>

#include "tests/unit/fake_platform.h"

static void *
driver_ring_map(const struct driver_ring *ring, uint64_t gpa, uint64_t bytes)
{
	void *host = fake_platform_map(ring->fake, gpa, bytes);

	if (!host)
		abort();
	return host;
}

static struct vring_avail *
driver_ring_get_avail(const struct driver_ring *ring)
{
	return driver_ring_map(ring, ring->setup.avail,
			       sizeof(struct vring_avail) + 2 * ring->setup.size + 2);
}

static struct vring_used *
driver_ring_find_used(const struct driver_ring *ring)
{
	return driver_ring_map(ring, ring->setup.used,
			       sizeof(struct vring_used) + 8 * ring->setup.size + 2);
}

int
driver_ring_init(struct driver_ring *ring, struct fake_platform *fake, uint16_t size,
		 bool event_index)
{
	if (size == 0 || size > VIRTQUEUE_MAX_SIZE)
		return -EINVAL;
	*ring = (struct driver_ring){ .fake = fake,
				      .event_index = event_index,
				      .interrupts = true };
	ring->setup.size = size;
	ring->setup.event_index = event_index;
	ring->setup.indirect = true;
	ring->setup.descriptors = fake_platform_alloc(fake, 16 * size, 16);
	ring->setup.avail = fake_platform_alloc(fake, 6 + 2 * size, 2);
	ring->setup.used = fake_platform_alloc(fake, 6 + 8 * size, 4);
	if (!ring->setup.descriptors || !ring->setup.avail || !ring->setup.used)
		return -ENOMEM;
	ring->n_free = size;
	for (uint16_t i = 0; i < size; i++)
		ring->next_free[i] = i + 1;
	return 0;
}

void
driver_ring_set_descriptor(struct driver_ring *ring, uint16_t index, uint64_t gpa, uint32_t bytes,
			   uint16_t flags, uint16_t next)
{
	struct vring_desc *table =
		driver_ring_map(ring, ring->setup.descriptors, sizeof(*table) * ring->setup.size);

	table[index] =
		(struct vring_desc){ .addr = gpa, .len = bytes, .flags = flags, .next = next };
}

void
driver_ring_set_avail_index(struct driver_ring *ring, uint16_t index)
{
	ring->next_avail = index;
	__atomic_store_n(&driver_ring_get_avail(ring)->idx, index, __ATOMIC_RELEASE);
}

void
driver_ring_publish(struct driver_ring *ring, uint16_t head)
{
	driver_ring_get_avail(ring)->ring[ring->next_avail % ring->setup.size] = head;
	driver_ring_set_avail_index(ring, ring->next_avail + 1);
}

static uint16_t
driver_ring_take(struct driver_ring *ring)
{
	uint16_t index = ring->first_free;

	ring->first_free = ring->next_free[index];
	ring->n_free--;
	return index;
}

static uint16_t
driver_ring_get_flags(const struct driver_buffer *buffer, bool last)
{
	return (buffer->write ? VRING_DESC_F_WRITE : 0) | (last ? 0 : VRING_DESC_F_NEXT);
}

int
driver_ring_add(struct driver_ring *ring, const struct driver_buffer *buffers, size_t count)
{
	uint16_t head = ring->first_free;

	if (count == 0 || count > ring->n_free)
		return -ENOSPC;
	for (size_t i = 0; i < count; i++) {
		uint16_t index = driver_ring_take(ring);

		driver_ring_set_descriptor(ring, index, buffers[i].gpa, buffers[i].bytes,
					   driver_ring_get_flags(&buffers[i], i + 1 == count),
					   ring->first_free);
	}
	ring->chain_length[head] = (uint16_t)count;
	driver_ring_publish(ring, head);
	return head;
}

int
driver_ring_add_indirect(struct driver_ring *ring, const struct driver_buffer *buffers,
			 size_t count)
{
	const size_t table_bytes = DRIVER_RING_MAX_INDIRECT * sizeof(struct vring_desc);
	struct vring_desc *table;
	uint16_t head;

	if (count == 0 || count > DRIVER_RING_MAX_INDIRECT || ring->n_free == 0)
		return -ENOSPC;
	head = driver_ring_take(ring);
	if (!ring->indirect[head])
		ring->indirect[head] = fake_platform_alloc(ring->fake, table_bytes, 16);
	table = driver_ring_map(ring, ring->indirect[head], table_bytes);
	for (size_t i = 0; i < count; i++)
		table[i] = (struct vring_desc){
			.addr = buffers[i].gpa,
			.len = buffers[i].bytes,
			.flags = driver_ring_get_flags(&buffers[i], i + 1 == count),
			.next = (uint16_t)(i + 1),
		};
	driver_ring_set_descriptor(ring, head, ring->indirect[head], (uint32_t)count * 16,
				   VRING_DESC_F_INDIRECT, 0);
	ring->chain_length[head] = 1;
	driver_ring_publish(ring, head);
	return head;
}

bool
driver_ring_get_used(struct driver_ring *ring, uint16_t *ret_head, uint32_t *ret_written)
{
	struct vring_used *used = driver_ring_find_used(ring);
	struct vring_used_elem element;
	uint16_t last;

	if (__atomic_load_n(&used->idx, __ATOMIC_ACQUIRE) == ring->next_used)
		return false;
	element = used->ring[ring->next_used++ % ring->setup.size];
	if (element.id >= ring->setup.size || ring->chain_length[element.id] == 0)
		abort(); /* the device handed back what it did not have */
	last = (uint16_t)element.id;
	for (uint16_t i = 1; i < ring->chain_length[element.id]; i++)
		last = ring->next_free[last];
	ring->next_free[last] = ring->first_free;
	ring->first_free = (uint16_t)element.id;
	ring->n_free += ring->chain_length[element.id];
	ring->chain_length[element.id] = 0;
	if (ring->event_index && ring->interrupts)
		driver_ring_set_interrupts(ring, true);
	*ret_head = (uint16_t)element.id;
	*ret_written = element.len;
	return true;
}

bool
driver_ring_wants_kick(struct driver_ring *ring)
{
	struct vring_used *used = driver_ring_find_used(ring);
	uint16_t before = ring->kicked;
	uint16_t event;

	ring->kicked = ring->next_avail;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!ring->event_index)
		return !(used->flags & VRING_USED_F_NO_NOTIFY);
	memcpy(&event, &used->ring[ring->setup.size], sizeof(event));
	return vring_need_event(event, ring->next_avail, before);
}

void
driver_ring_set_interrupts(struct driver_ring *ring, bool on)
{
	struct vring_avail *avail = driver_ring_get_avail(ring);

	ring->interrupts = on;
	if (!ring->event_index)
		avail->flags = on ? 0 : VRING_AVAIL_F_NO_INTERRUPT;
	else /* off: an index that has just passed */
		avail->ring[ring->setup.size] = on ? ring->next_used : ring->next_used - 1;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}
