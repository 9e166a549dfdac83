/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtqueue.c - split virtqueues (carrel-vmm, whichever thread holds the machine's lock; virtio 1.2
 * section 2.7)
 *
 * How it works: virtqueue_start() turns the addresses of the three rings into host addresses once,
 * after checking that they lie wholly in RAM. virtqueue_pop() follows one chain: virtqueue_load()
 * copies a descriptor out of guest memory, virtqueue_walk() checks the copy and goes on, through at
 * most one indirect table, and virtqueue_add_segment() turns it into a host address. Nothing is
 * read twice. Loops need no marks: a chain that has more than VIRTQUEUE_MAX_SEGMENTS descriptors is
 * refused wherever they lead.
 *
 * Whether the other side wants to be told is decided by two numbers in the rings or by flags
 * (sections 2.7.7 and 2.7.10). Both sides write theirs, then look at the other's; the full fences
 * in virtqueue_pop(), virtqueue_set_notify() and virtqueue_should_signal() keep either from looking
 * first, by which a notification would be lost.
 */
#include "vmm/virtqueue.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include <linux/virtio_ring.h>

#include "vmm/guest_memory.h"

/* The rings' bytes, the event indexes at their ends included; sections 2.7.6 and 2.7.8 */
#define AVAIL_BYTES(size) \
	(sizeof(struct vring_avail) + (size) * sizeof(uint16_t) + sizeof(uint16_t))
#define USED_BYTES(size) \
	(sizeof(struct vring_used) + (size) * sizeof(struct vring_used_elem) + sizeof(uint16_t))

/* Where a chain's next descriptor is read from: the queue's own table or an indirect one */
struct virtqueue_table {
	const struct vring_desc *descriptors;
	uint32_t count;
	bool indirect;
};

static int
virtqueue_break(struct virtqueue *queue, const char *reason)
{
	queue->state.broken = true;
	queue->reason = reason;
	return -EPROTO;
}

static uint16_t *
virtqueue_find_used_event(const struct virtqueue *queue)
{
	return &((struct vring_avail *)queue->avail)->ring[queue->setup.size];
}

static uint16_t *
virtqueue_find_avail_event(const struct virtqueue *queue)
{
	return (uint16_t *)&((struct vring_used *)queue->used)->ring[queue->setup.size];
}

/* How many chains the driver says it has added that were not popped; it may say anything. */
static uint16_t
virtqueue_count_waiting(const struct virtqueue *queue)
{
	const struct vring_avail *avail = queue->avail;

	/* what the driver wrote before it counted up is read after it */
	return (uint16_t)(__atomic_load_n(&avail->idx, __ATOMIC_ACQUIRE) - queue->state.next_avail);
}

static const char *
virtqueue_check_setup(const struct virtqueue_setup *setup)
{
	if (setup->size == 0 || setup->size > VIRTQUEUE_MAX_SIZE ||
	    (setup->size & (setup->size - 1)) != 0)
		return "its size is not a power of two, or too large";
	if (setup->descriptors % VRING_DESC_ALIGN_SIZE != 0 ||
	    setup->avail % VRING_AVAIL_ALIGN_SIZE != 0 || setup->used % VRING_USED_ALIGN_SIZE != 0)
		return "its rings are not aligned";
	return NULL;
}

int
virtqueue_start(struct virtqueue *queue, const struct guest_memory *memory,
		const struct virtqueue_setup *setup)
{
	virtqueue_stop(queue);
	queue->reason = virtqueue_check_setup(setup);
	if (queue->reason)
		return -EINVAL;
	queue->descriptors = guest_memory_find(memory, setup->descriptors,
					       setup->size * sizeof(struct vring_desc));
	queue->avail = guest_memory_find(memory, setup->avail, AVAIL_BYTES(setup->size));
	queue->used = guest_memory_find(memory, setup->used, USED_BYTES(setup->size));
	if (!queue->descriptors || !queue->avail || !queue->used) {
		virtqueue_stop(queue);
		queue->reason = "its rings are not in RAM";
		return -EINVAL;
	}
	queue->memory = memory;
	queue->setup = *setup;
	queue->state.notify = true;
	return 0;
}

void
virtqueue_stop(struct virtqueue *queue)
{
	*queue = (struct virtqueue){ 0 };
}

int
virtqueue_set_state(struct virtqueue *queue, const struct virtqueue_state *state)
{
	static const struct virtqueue_state none = { 0 };

	if (!queue->descriptors)
		return memcmp(state, &none, sizeof(none)) == 0 ? 0 : -EINVAL;
	if (state->in_flight > queue->setup.size ||
	    (uint16_t)(state->next_avail - state->next_used) != state->in_flight)
		return -EINVAL;
	queue->state = *state;
	if (state->broken)
		queue->reason = "it was broken when it was saved";
	return 0;
}

static struct vring_desc
virtqueue_load(const struct virtqueue_table *table, uint16_t index)
{
	struct vring_desc descriptor;

	memcpy(&descriptor, &table->descriptors[index], sizeof(descriptor));
	/* the compiler must not read guest memory again where the copy is used */
	atomic_signal_fence(memory_order_seq_cst);
	return descriptor;
}

static int
virtqueue_add_segment(struct virtqueue *queue, struct virtqueue_chain *chain,
		      const struct vring_desc *descriptor)
{
	bool write = descriptor->flags & VRING_DESC_F_WRITE;
	uint64_t *total = write ? &chain->in_bytes : &chain->out_bytes;
	void *host = guest_memory_find(queue->memory, descriptor->addr, descriptor->len);

	if (descriptor->len == 0)
		return virtqueue_break(queue, "a buffer is empty");
	if (!host)
		return virtqueue_break(queue, "a buffer is not in RAM");
	if (!write && chain->n_in > 0)
		return virtqueue_break(queue, "a readable buffer follows a writable one");
	if (chain->out_bytes + chain->in_bytes + descriptor->len > VIRTQUEUE_MAX_CHAIN_BYTES)
		return virtqueue_break(queue, "a chain has too many bytes");
	chain->segments[chain->n_out + chain->n_in] =
		(struct iovec){ .iov_base = host, .iov_len = descriptor->len };
	*total += descriptor->len;
	if (write)
		chain->n_in++;
	else
		chain->n_out++;
	return 0;
}

static int
virtqueue_enter_table(struct virtqueue *queue, struct virtqueue_table *table,
		      const struct vring_desc *descriptor)
{
	if (!queue->setup.indirect)
		return virtqueue_break(queue, "a table of descriptors was not negotiated");
	if (table->indirect)
		return virtqueue_break(queue, "a table of descriptors is in another one");
	if (descriptor->flags & VRING_DESC_F_NEXT)
		return virtqueue_break(queue, "a chain goes on after a table of descriptors");
	if (descriptor->len == 0 || descriptor->len % sizeof(struct vring_desc) != 0)
		return virtqueue_break(queue, "a table of descriptors has a wrong size");
	table->descriptors = guest_memory_find(queue->memory, descriptor->addr, descriptor->len);
	if (!table->descriptors)
		return virtqueue_break(queue, "a table of descriptors is not in RAM");
	table->count = descriptor->len / sizeof(struct vring_desc);
	table->indirect = true;
	return 0;
}

static int
virtqueue_walk(struct virtqueue *queue, struct virtqueue_chain *chain)
{
	struct virtqueue_table table = {
		.descriptors = queue->descriptors,
		.count = queue->setup.size,
	};
	uint16_t index = chain->head;

	for (;;) {
		struct vring_desc descriptor;
		int error;

		if (index >= table.count)
			return virtqueue_break(queue, "a chain leads out of its table");
		descriptor = virtqueue_load(&table, index);
		if (descriptor.flags & VRING_DESC_F_INDIRECT) {
			error = virtqueue_enter_table(queue, &table, &descriptor);
			if (error)
				return error;
			index = 0;
			continue;
		}
		if (chain->n_out + chain->n_in == VIRTQUEUE_MAX_SEGMENTS)
			return virtqueue_break(queue, "a chain is too long, or a loop");
		error = virtqueue_add_segment(queue, chain, &descriptor);
		if (error)
			return error;
		if (!(descriptor.flags & VRING_DESC_F_NEXT))
			return 0;
		index = descriptor.next;
	}
}

int
virtqueue_pop(struct virtqueue *queue, struct virtqueue_chain *ret_chain)
{
	const struct vring_avail *avail = queue->avail;
	struct virtqueue_state *state = &queue->state;
	uint16_t waiting;
	int error;

	if (state->broken)
		return -EPROTO;
	if (!avail)
		return 0;
	waiting = virtqueue_count_waiting(queue);
	if (waiting == 0 && queue->setup.event_index && state->notify) {
		virtqueue_set_notify(queue, true);
		waiting = virtqueue_count_waiting(queue);
	}
	if (waiting == 0)
		return 0;
	if (waiting + state->in_flight > queue->setup.size) /* each has a descriptor of its own */
		return virtqueue_break(queue, "its available index has jumped");
	ret_chain->head = __atomic_load_n(&avail->ring[state->next_avail % queue->setup.size],
					  __ATOMIC_RELAXED);
	ret_chain->n_out = 0;
	ret_chain->n_in = 0;
	ret_chain->out_bytes = 0;
	ret_chain->in_bytes = 0;
	error = virtqueue_walk(queue, ret_chain);
	if (error)
		return error;
	state->next_avail++;
	state->in_flight++;
	return 1;
}

void
virtqueue_unpop(struct virtqueue *queue)
{
	if (queue->state.in_flight == 0)
		return;
	queue->state.next_avail--;
	queue->state.in_flight--;
}

void
virtqueue_push_all(struct virtqueue *queue, const struct virtqueue_result *results, uint16_t count)
{
	struct virtqueue_state *state = &queue->state;
	struct vring_used *used = queue->used;

	if (state->in_flight < count)
		return;
	for (uint16_t i = 0; i < count; i++) {
		struct vring_used_elem *element = &used->ring[state->next_used % queue->setup.size];

		element->id = results[i].head;
		element->len = results[i].written;
		state->next_used++;
	}
	state->in_flight -= count;
	/* the driver sees the elements, and the data, before it sees the count */
	if (count > 0)
		__atomic_store_n(&used->idx, state->next_used, __ATOMIC_RELEASE);
}

void
virtqueue_push(struct virtqueue *queue, uint16_t head, uint32_t written)
{
	virtqueue_push_all(queue, &(struct virtqueue_result){ head, written }, 1);
}

bool
virtqueue_has_news(const struct virtqueue *queue)
{
	return queue->state.next_used != queue->state.signalled_used;
}

bool
virtqueue_should_signal(struct virtqueue *queue)
{
	const struct vring_avail *avail = queue->avail;
	struct virtqueue_state *state = &queue->state;
	uint16_t before = state->signalled_used;
	uint16_t event;

	if (!virtqueue_has_news(queue))
		return false;
	state->signalled_used = state->next_used;
	atomic_thread_fence(memory_order_seq_cst);
	if (!queue->setup.event_index)
		return !(__atomic_load_n(&avail->flags, __ATOMIC_RELAXED) &
			 VRING_AVAIL_F_NO_INTERRUPT);
	event = __atomic_load_n(virtqueue_find_used_event(queue), __ATOMIC_RELAXED);
	return vring_need_event(event, state->next_used, before);
}

void
virtqueue_set_notify(struct virtqueue *queue, bool on)
{
	struct vring_used *used = queue->used;

	if (!used)
		return;
	queue->state.notify = on;
	if (!queue->setup.event_index)
		__atomic_store_n(&used->flags, on ? 0 : VRING_USED_F_NO_NOTIFY, __ATOMIC_RELAXED);
	else if (on)
		__atomic_store_n(virtqueue_find_avail_event(queue), queue->state.next_avail,
				 __ATOMIC_RELAXED);
	atomic_thread_fence(memory_order_seq_cst);
}

bool
virtqueue_has_work(const struct virtqueue *queue)
{
	return queue->avail && !queue->state.broken && virtqueue_count_waiting(queue) != 0;
}

/* Bytes [offset, offset + bytes) of "count" segments as an array; the number of entries. */
static int
virtqueue_slice(const struct iovec *segments, uint16_t count, uint64_t offset, uint64_t bytes,
		struct iovec *ret_slice)
{
	int used = 0;

	for (uint16_t i = 0; i < count && bytes > 0; i++) {
		size_t left;

		if (offset >= segments[i].iov_len) {
			offset -= segments[i].iov_len;
			continue;
		}
		left = segments[i].iov_len - offset;
		ret_slice[used].iov_base = (uint8_t *)segments[i].iov_base + offset;
		ret_slice[used].iov_len = left < bytes ? left : bytes;
		bytes -= ret_slice[used++].iov_len;
		offset = 0;
	}
	return used;
}

size_t
virtqueue_chain_read(const struct virtqueue_chain *chain, uint64_t offset, void *target,
		     size_t bytes)
{
	struct iovec slice[VIRTQUEUE_MAX_SEGMENTS];
	uint8_t *next = target;
	int count;

	if (offset >= chain->out_bytes)
		return 0;
	if (bytes > chain->out_bytes - offset)
		bytes = chain->out_bytes - offset;
	count = virtqueue_slice(chain->segments, chain->n_out, offset, bytes, slice);
	for (int i = 0; i < count; i++) {
		memcpy(next, slice[i].iov_base, slice[i].iov_len);
		next += slice[i].iov_len;
	}
	/* what the caller decides by the copy must not be read from guest memory again */
	atomic_signal_fence(memory_order_seq_cst);
	return bytes;
}

size_t
virtqueue_chain_write(const struct virtqueue_chain *chain, uint64_t offset, const void *source,
		      size_t bytes)
{
	struct iovec slice[VIRTQUEUE_MAX_SEGMENTS];
	const uint8_t *next = source;
	int count;

	if (offset >= chain->in_bytes)
		return 0;
	if (bytes > chain->in_bytes - offset)
		bytes = chain->in_bytes - offset;
	count = virtqueue_slice(chain->segments + chain->n_out, chain->n_in, offset, bytes, slice);
	for (int i = 0; i < count; i++) {
		memcpy(slice[i].iov_base, next, slice[i].iov_len);
		next += slice[i].iov_len;
	}
	return bytes;
}

int
virtqueue_chain_slice_out(const struct virtqueue_chain *chain, uint64_t offset, uint64_t bytes,
			  struct iovec ret_slice[VIRTQUEUE_MAX_SEGMENTS])
{
	if (offset > chain->out_bytes || bytes > chain->out_bytes - offset)
		return -ERANGE;
	return virtqueue_slice(chain->segments, chain->n_out, offset, bytes, ret_slice);
}

int
virtqueue_chain_slice_in(const struct virtqueue_chain *chain, uint64_t offset, uint64_t bytes,
			 struct iovec ret_slice[VIRTQUEUE_MAX_SEGMENTS])
{
	if (offset > chain->in_bytes || bytes > chain->in_bytes - offset)
		return -ERANGE;
	return virtqueue_slice(chain->segments + chain->n_out, chain->n_in, offset, bytes,
			       ret_slice);
}
