/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio.c - a virtio device's life between reset and reset (carrel-vmm, under the machine's lock;
 * virtio 1.2 section 2)
 *
 * How it works: the driver's writes into the status register are the life cycle, and
 * virtio_transport_set_status() is the one place where it goes on. FEATURES_OK is kept only when
 * the features can be had; DRIVER_OK freezes all registers, checks them and starts the queues that
 * are enabled. What breaks the rules later ends in virtio_fail().
 *
 * A doorbell is an eventfd with a handler in the loop, so queues are handled by the loop's thread
 * alone, whoever rings: KVM by itself while the device is active (the platform's add_doorbell),
 * virtio_pci.c when the write arrives as an access to the BAR, or the device that has more to do
 * (virtio_kick_again). One doorbell is handled at a time, and what rings again waits for the loop's
 * next turn, so no queue keeps the others waiting.
 *
 * A ring takes its vCPU out of the guest, so once a polled queue has got on after one it is quiet:
 * the driver is told not to ring, and the loop looks for chains until none have come for a while
 * (vmm/loop.c), which goes on through what is handed back to the driver and its answer to it.
 */
#include "vmm/virtio.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "vmm/loop.h"
#include "vmm/pci.h"
#include "vmm/platform.h"
#include "vmm/virtio_transport.h"

#define LOG_BURST	 4 /* lines about one device at once */
#define LOG_EVERY_MS	 60000
#define NS_PER_MS	 1000000
#define REASON_MAX_BYTES 128
#define FEATURE(bit)	 (UINT64_C(1) << (bit))
#define TRANSPORT_FEATURES                                                    \
	(FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | \
	 FEATURE(VIRTIO_RING_F_EVENT_IDX))

static bool
virtio_transport_has_status(const struct virtio_transport *transport, uint8_t bits)
{
	return (transport->state.status & bits) == bits;
}

static bool
virtio_transport_may_handle(const struct virtio_transport *transport, uint32_t queue)
{
	const struct virtio_device *device = transport->device;

	return device->active && device->queues[queue].descriptors && !device->platform->paused &&
	       pci_device_may_master(transport->pci);
}

/* Has the device got on with the chains that are there? */
static bool
virtio_transport_look_at(struct virtio_transport *transport, uint32_t index)
{
	struct virtio_device *device = transport->device;
	struct virtqueue *queue = &device->queues[index];
	uint16_t before = queue->state.next_avail;

	if (!virtqueue_has_work(queue))
		return false;
	device->ops->handle_queue(device, index);
	return queue->state.next_avail != before;
}

/*
 * A ring for nothing, or for what the device cannot take now, must cost us no more than it costs
 * the guest. What cannot take chains now takes all of them when it can, unasked.
 */
static void
virtio_transport_handle_busy(struct virtio_transport *transport, uint32_t queue)
{
	virtqueue_set_notify(&transport->device->queues[queue], false);
	if (virtio_transport_look_at(transport, queue))
		loop_poll(transport->poller);
	else
		virtqueue_set_notify(&transport->device->queues[queue], true);
}

static void
virtio_transport_handle_doorbell(void *context, uint32_t events)
{
	struct virtio_doorbell *doorbell = context;
	struct virtio_transport *transport = doorbell->transport;
	struct virtio_device *device = transport->device;
	uint32_t queue = (uint32_t)(doorbell - transport->doorbells);
	eventfd_t count;

	(void)events;
	if (eventfd_read(doorbell->fd, &count) < 0)
		return;
	if (!virtio_transport_may_handle(transport, queue))
		return;
	if (device->polled_queues >> queue & 1 && virtqueue_has_work(&device->queues[queue]))
		virtio_transport_handle_busy(transport, queue);
	else
		device->ops->handle_queue(device, queue);
}

static bool
virtio_transport_look(void *context, bool last)
{
	struct virtio_transport *transport = context;
	struct virtio_device *device = transport->device;
	bool found = false;

	for (uint64_t left = device->polled_queues; left; left &= left - 1) {
		uint32_t i = (uint32_t)__builtin_ctzll(left);

		/*
		 * what may not be handled now stays quiet: a start asks for doorbells, and when a
		 * pause is over, or the bus may be mastered again, all are rung for
		 */
		if (device->queues[i].state.notify || !virtio_transport_may_handle(transport, i))
			continue;
		if (last)
			virtqueue_set_notify(&device->queues[i], true);
		if (virtio_transport_look_at(transport, i))
			found = true;
	}
	return found;
}

static int
virtio_transport_open_doorbell(struct virtio_transport *transport, uint32_t queue)
{
	struct virtio_doorbell *doorbell = &transport->doorbells[queue];

	doorbell->transport = transport;
	doorbell->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (doorbell->fd < 0)
		return -errno;
	return loop_add(transport->device->platform->loop, transport->device->ops->name,
			doorbell->fd, EPOLLIN, virtio_transport_handle_doorbell, doorbell,
			&doorbell->source);
}

int
virtio_transport_new(struct virtio_device *device, struct virtio_transport **ret_transport)
{
	struct virtio_transport *transport;
	int error = 0;

	if (device->n_queues > VIRTIO_MAX_QUEUES || device->config_bytes > VIRTIO_MAX_CONFIG_BYTES)
		return -EINVAL;
	transport = calloc(1, sizeof(*transport));
	if (!transport)
		return -ENOMEM;
	transport->device = device;
	transport->limit = (struct log_limit){ .burst = LOG_BURST, .every_ms = LOG_EVERY_MS };
	for (uint32_t i = 0; error == 0 && i < device->n_queues; i++)
		error = virtio_transport_open_doorbell(transport, i);
	if (error == 0 && device->polled_queues)
		error = loop_add_poller(device->platform->loop, virtio_transport_look, transport,
					&transport->poller);
	if (error) {
		virtio_transport_free(transport);
		return error;
	}
	*ret_transport = transport;
	return 0;
}

void
virtio_transport_free(struct virtio_transport *transport)
{
	for (uint32_t i = 0; i < VIRTIO_MAX_QUEUES && transport->doorbells[i].transport; i++) {
		loop_remove(transport->doorbells[i].source);
		if (transport->doorbells[i].fd >= 0)
			close(transport->doorbells[i].fd);
	}
	loop_remove_poller(transport->poller);
	free(transport);
}

void
virtio_transport_place_doorbells(struct virtio_transport *transport)
{
	struct virtio_device *device = transport->device;
	struct platform *platform = device->platform;

	for (uint32_t i = 0; i < device->n_queues; i++) {
		struct virtio_doorbell *doorbell = &transport->doorbells[i];
		uint64_t gpa = 0;

		if (transport->doorbells_gpa && device->queues[i].descriptors)
			gpa = transport->doorbells_gpa + (uint64_t)i * VIRTIO_DOORBELL_STRIDE;
		if (gpa == doorbell->gpa)
			continue;
		if (doorbell->gpa)
			platform->ops->remove_doorbell(platform->context, doorbell->gpa, 0,
						       doorbell->fd);
		/* without one each ring is an access to the BAR, which does the same, only slower */
		if (gpa && platform->ops->add_doorbell(platform->context, gpa, 0, doorbell->fd) < 0)
			gpa = 0;
		doorbell->gpa = gpa;
	}
}

void
virtio_transport_move_doorbells(struct virtio_transport *transport, uint64_t gpa)
{
	transport->doorbells_gpa = gpa;
	virtio_transport_place_doorbells(transport);
}

void
virtio_transport_kick(struct virtio_transport *transport, uint32_t queue)
{
	/* It fails only when it has been rung 2^64 - 2 times since it was last looked at. */
	eventfd_write(transport->doorbells[queue].fd, 1);
}

void
virtio_transport_kick_all(struct virtio_transport *transport)
{
	struct virtio_device *device = transport->device;

	for (uint32_t i = 0; device->active && i < device->n_queues; i++) {
		if (!device->queues[i].descriptors)
			continue;
		/* nobody has looked at those that were quiet */
		if (device->polled_queues >> i & 1)
			virtqueue_set_notify(&device->queues[i], true);
		virtio_transport_kick(transport, i);
	}
}

uint64_t
virtio_transport_get_features(const struct virtio_transport *transport)
{
	return transport->device->device_features | TRANSPORT_FEATURES;
}

void
virtio_transport_set_features(struct virtio_transport *transport, uint32_t word, uint32_t value)
{
	struct virtio_transport_state *state = &transport->state;

	if (word > 1 || virtio_transport_has_status(transport, VIRTIO_CONFIG_S_FEATURES_OK))
		return;
	state->driver_features &= ~((uint64_t)UINT32_MAX << 32 * word);
	state->driver_features |= (uint64_t)value << 32 * word;
}

struct virtio_queue_registers *
virtio_transport_find_writable(struct virtio_transport *transport)
{
	struct virtio_transport_state *state = &transport->state;
	struct virtio_queue_registers *queue;

	if (state->queue_select >= transport->device->n_queues ||
	    !virtio_transport_has_status(transport, VIRTIO_CONFIG_S_FEATURES_OK) ||
	    virtio_transport_has_status(transport, VIRTIO_CONFIG_S_DRIVER_OK))
		return NULL;
	queue = &state->queues[state->queue_select];
	return queue->enabled ? NULL : queue;
}

void
virtio_transport_reset(struct virtio_transport *transport)
{
	struct virtio_device *device = transport->device;
	struct virtio_transport_state *state = &transport->state;

	device->active = false;
	for (uint32_t i = 0; i < device->n_queues; i++)
		virtqueue_stop(&device->queues[i]);
	virtio_transport_place_doorbells(transport);
	device->ops->reset(device);
	device->driver_features = 0;
	transport->tell_later = false;
	*state = (struct virtio_transport_state){
		.config_vector = VIRTIO_MSI_NO_VECTOR,
		.config_generation = state->config_generation,
	};
	for (uint32_t i = 0; i < device->n_queues; i++) {
		state->queues[i].size = device->queue_sizes[i];
		state->queues[i].vector = VIRTIO_MSI_NO_VECTOR;
	}
}

static void
virtio_fail_queue(struct virtio_device *device, uint32_t queue, const char *reason)
{
	char text[REASON_MAX_BYTES];

	snprintf(text, sizeof(text), "queue %u: %s", queue, reason);
	virtio_fail(device, text);
}

const char *
virtio_transport_start_queue(struct virtio_transport *transport, uint32_t index)
{
	struct virtio_device *device = transport->device;
	const struct virtio_queue_registers *registers = &transport->state.queues[index];
	const struct virtqueue_setup setup = {
		.size = registers->size,
		.descriptors = registers->descriptors,
		.avail = registers->avail,
		.used = registers->used,
		.event_index = virtio_has_feature(device, VIRTIO_RING_F_EVENT_IDX),
		.indirect = virtio_has_feature(device, VIRTIO_RING_F_INDIRECT_DESC),
	};

	if (setup.size > device->queue_sizes[index])
		return "its size is larger than what was offered";
	if (virtqueue_start(&device->queues[index], device->platform->memory, &setup) < 0)
		return device->queues[index].reason;
	return NULL;
}

static void
virtio_transport_activate(struct virtio_transport *transport)
{
	struct virtio_device *device = transport->device;
	char text[REASON_MAX_BYTES];
	int error;

	for (uint32_t i = 0; i < device->n_queues; i++) {
		const char *reason = NULL;

		if (transport->state.queues[i].enabled)
			reason = virtio_transport_start_queue(transport, i);
		if (reason) {
			virtio_fail_queue(device, i, reason);
			return;
		}
	}
	device->active = true;
	error = device->ops->activate(device);
	if (error) {
		snprintf(text, sizeof(text), "it cannot be activated: %s", strerror(-error));
		virtio_fail(device, text);
	}
	if (!device->active)
		return;
	virtio_transport_place_doorbells(transport);
	/* chains may be there already, and doorbells that were rung too early were not heard */
	virtio_transport_kick_all(transport);
}

bool
virtio_transport_accept_features(struct virtio_transport *transport)
{
	uint64_t wanted = transport->state.driver_features;

	if (wanted & ~virtio_transport_get_features(transport) ||
	    !(wanted & FEATURE(VIRTIO_F_VERSION_1)))
		return false;
	transport->device->driver_features = wanted;
	return true;
}

/*
 * Section 2.1: bits are only ever added, in this order: ACKNOWLEDGE, DRIVER, FEATURES_OK (kept when
 * the features are accepted), DRIVER_OK (kept after FEATURES_OK, unless NEEDS_RESET). NEEDS_RESET is
 * the device's; 0 is a reset; FAILED is only noted.
 */
void
virtio_transport_set_status(struct virtio_transport *transport, uint8_t value)
{
	struct virtio_transport_state *state = &transport->state;
	uint8_t added = value & (uint8_t)~state->status;

	if (value == 0) {
		virtio_transport_reset(transport);
		return;
	}
	state->status |= added & (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
				  VIRTIO_CONFIG_S_FAILED);
	if (added & VIRTIO_CONFIG_S_FEATURES_OK &&
	    virtio_transport_has_status(transport,
					VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER) &&
	    virtio_transport_accept_features(transport))
		state->status |= VIRTIO_CONFIG_S_FEATURES_OK;
	if (added & VIRTIO_CONFIG_S_DRIVER_OK &&
	    virtio_transport_has_status(transport, VIRTIO_CONFIG_S_FEATURES_OK) &&
	    !virtio_transport_has_status(transport, VIRTIO_CONFIG_S_NEEDS_RESET)) {
		state->status |= VIRTIO_CONFIG_S_DRIVER_OK;
		virtio_transport_activate(transport);
	}
}

static void
virtio_transport_signal(struct virtio_transport *transport, uint8_t isr, uint16_t vector)
{
	transport->state.isr |= isr;
	if (vector != VIRTIO_MSI_NO_VECTOR)
		pci_device_signal(transport->pci, vector);
}

bool
virtio_pop(struct virtio_device *device, uint32_t queue, struct virtqueue_chain *ret_chain)
{
	int result;

	if (!device->active || device->platform->paused ||
	    !pci_device_may_master(device->transport->pci))
		return false;
	result = virtqueue_pop(&device->queues[queue], ret_chain);
	if (result < 0)
		virtio_fail_queue(device, queue, device->queues[queue].reason);
	return result > 0;
}

void
virtio_signal_queue(struct virtio_device *device, uint32_t queue)
{
	struct virtio_transport *transport = device->transport;
	struct virtqueue *ring = &device->queues[queue];

	if (!device->active || !ring->descriptors)
		return;
	if (transport->poller && virtqueue_has_news(ring))
		loop_poll_on(transport->poller);
	if (virtqueue_should_signal(ring))
		virtio_transport_signal(transport, VIRTIO_ISR_QUEUE,
					transport->state.queues[queue].vector);
}

void
virtio_signal_config(struct virtio_device *device)
{
	struct virtio_transport *transport = device->transport;

	transport->state.config_generation++;
	if (virtio_transport_has_status(transport, VIRTIO_CONFIG_S_DRIVER_OK))
		virtio_transport_signal(transport, VIRTIO_ISR_CONFIG,
					transport->state.config_vector);
}

void
virtio_tell_later(struct virtio_device *device)
{
	device->transport->tell_later = true;
}

void
virtio_transport_resume(struct virtio_transport *transport)
{
	if (transport->tell_later && !transport->device->platform->paused) {
		transport->tell_later = false;
		virtio_signal_config(transport->device);
	}
	virtio_transport_kick_all(transport);
}

void
virtio_kick_again(struct virtio_device *device, uint32_t queue)
{
	virtio_transport_kick(device->transport, queue);
}

void
virtio_fail(struct virtio_device *device, const char *reason)
{
	struct virtio_transport *transport = device->transport;

	if (virtio_transport_has_status(transport, VIRTIO_CONFIG_S_NEEDS_RESET))
		return;
	device->active = false;
	transport->state.status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	virtio_signal_config(device);
	if (log_limit_allow(&transport->limit, loop_now_ns() / NS_PER_MS))
		log_warning("%s slot=%u: %s; it does nothing more until its driver resets it",
			    device->ops->name, transport->slot, reason);
}
