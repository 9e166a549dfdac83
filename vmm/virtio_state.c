/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio_state.c - a virtio device's part of the machine's state (carrel-vmm, while the machine is
 * paused)
 *
 * How it works: the section "virtio NN" has the registers and each queue; a device that keeps more
 * has a section of its own behind it, with its name. What is loaded is what a driver could have
 * written, and is checked by the same functions: the features by
 * virtio_transport_accept_features(), the rings' addresses by virtio_transport_start_queue(). From
 * there on memory is where it was, so the queues go on at the chain where they stood.
 *
 * A queue that is saved has nothing in flight: pausing has ended what takes time, and what a device
 * cannot take yet it puts back. The exceptions are chains that a device keeps by design
 * (kept_queues), whose heads are in the device's own section, and a device that has failed, which
 * pushes nothing any more before its driver resets it.
 *
 * Doorbells that were rung and not heard need no place in the file: when the machine goes on, all
 * queues are looked at (virtio_transport_kick_all()). Nor does polling: it begins anew. What
 * differs from what the guest was told (virtio_tell_later()) it is told then too, because
 * interrupts are not for a machine that is still being put together.
 */
#include "vmm/virtio_transport.h"

#include <errno.h>

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include "vmm/state_file.h"

#define VIRTIO_STATE_VERSION 1
#define STATUS_BITS                                                                         \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_DRIVER_OK | \
	 VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_NEEDS_RESET | VIRTIO_CONFIG_S_FAILED)
#define STATUS_STARTED \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK)

/* Saving */

static void
virtio_state_save_queue(const struct virtio_queue_registers *registers,
			const struct virtqueue *queue, struct state_writer *writer)
{
	state_put_u16(writer, registers->size);
	state_put_u16(writer, registers->vector);
	state_put_u16(writer, registers->enabled);
	state_put_u64(writer, registers->descriptors);
	state_put_u64(writer, registers->avail);
	state_put_u64(writer, registers->used);
	state_put_bool(writer, queue->descriptors != NULL);
	state_put_u16(writer, queue->state.next_avail);
	state_put_u16(writer, queue->state.next_used);
	state_put_u16(writer, queue->state.signalled_used);
	state_put_u16(writer, queue->state.in_flight);
	state_put_bool(writer, queue->state.notify);
	state_put_bool(writer, queue->state.broken);
}

static bool
virtio_state_keeps(const struct virtio_device *device, uint32_t queue)
{
	return !device->active || device->kept_queues >> queue & 1;
}

void
virtio_transport_save(const struct virtio_transport *transport, struct state_writer *writer)
{
	const struct virtio_transport_state *state = &transport->state;
	struct virtio_device *device = transport->device;

	state_writer_begin(writer, VIRTIO_STATE_VERSION, "virtio %02u", transport->slot);
	state_put_u64(writer, state->driver_features);
	state_put_u32(writer, state->device_feature_select);
	state_put_u32(writer, state->driver_feature_select);
	state_put_u16(writer, state->config_vector);
	state_put_u16(writer, state->queue_select);
	state_put_u8(writer, state->status);
	state_put_u8(writer, state->config_generation);
	state_put_u8(writer, state->isr);
	state_put_u32(writer, device->n_queues);
	for (uint32_t i = 0; i < device->n_queues; i++) {
		if (device->queues[i].state.in_flight > 0 && !virtio_state_keeps(device, i))
			state_writer_fail(writer, -EBUSY);
		virtio_state_save_queue(&state->queues[i], &device->queues[i], writer);
	}
	state_writer_end(writer);
	if (!device->ops->save)
		return;
	state_writer_begin(writer, device->ops->state_version, "%s %02u", device->ops->name,
			   transport->slot);
	device->ops->save(device, writer);
	state_writer_end(writer);
}

/* Loading */

static void
virtio_state_load_registers(struct virtio_transport *transport, struct state_reader *reader)
{
	struct virtio_transport_state *state = &transport->state;

	state->driver_features = state_take_u64(reader);
	state->device_feature_select = state_take_u32(reader);
	state->driver_feature_select = state_take_u32(reader);
	state->config_vector = state_take_u16(reader);
	state->queue_select = state_take_u16(reader);
	state->status = state_take_u8(reader);
	state->config_generation = state_take_u8(reader);
	state->isr = state_take_u8(reader);
	state_reader_want(reader,
			  virtio_registers_check_vector(transport, state->config_vector) ==
				  state->config_vector,
			  "a configuration interrupt that there is not");
	state_reader_want(reader, (state->isr & ~VIRTIO_ISR_BITS) == 0,
			  "an interrupt status that there is not");
	state_reader_want(reader, state_take_u32(reader) == transport->device->n_queues,
			  "another number of queues");
}

/* The order in which bits can have been added: virtio_transport_set_status(). */
static void
virtio_state_check_status(struct virtio_transport *transport, struct state_reader *reader)
{
	uint8_t status = transport->state.status;

	state_reader_want(reader, (status & ~STATUS_BITS) == 0, "a status that there is not");
	if (status & VIRTIO_CONFIG_S_FEATURES_OK)
		state_reader_want(reader,
				  (status & STATUS_STARTED) == STATUS_STARTED &&
					  virtio_transport_accept_features(transport),
				  "it was given features that this machine's has not");
	if (status & VIRTIO_CONFIG_S_DRIVER_OK)
		state_reader_want(reader, status & VIRTIO_CONFIG_S_FEATURES_OK,
				  "a driver that began without features");
	if (status & VIRTIO_CONFIG_S_NEEDS_RESET)
		state_reader_want(reader, status & VIRTIO_CONFIG_S_DRIVER_OK,
				  "it failed before it began");
}

/* Queues run from DRIVER_OK on; where that failed, all of them or some may have been started. */
static bool
virtio_state_may_run(const struct virtio_transport *transport, uint32_t queue, bool started)
{
	const struct virtio_transport_state *state = &transport->state;
	bool enabled = state->queues[queue].enabled;

	if (enabled && !(state->status & VIRTIO_CONFIG_S_FEATURES_OK))
		return false;
	if (!(state->status & VIRTIO_CONFIG_S_DRIVER_OK))
		return !started;
	if (state->status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return !started || enabled;
	return started == enabled;
}

static void
virtio_state_start_queue(struct virtio_transport *transport, uint32_t index, bool started,
			 const struct virtqueue_state *state, struct state_reader *reader)
{
	struct virtio_device *device = transport->device;
	const char *reason;

	if (!virtio_state_may_run(transport, index, started)) {
		state_reader_refuse(reader, "queue %u cannot be started or stopped so", index);
		return;
	}
	if (started) {
		reason = virtio_transport_start_queue(transport, index);
		if (reason) {
			state_reader_refuse(reader, "queue %u: %s", index, reason);
			return;
		}
	}
	if (virtqueue_set_state(&device->queues[index], state) < 0)
		state_reader_refuse(reader, "queue %u: its indexes make no sense", index);
	if (device->active && state->broken)
		state_reader_refuse(reader, "queue %u is broken, and its device is not", index);
	if (state->in_flight > 0 && !virtio_state_keeps(device, index))
		state_reader_refuse(reader, "queue %u has requests on their way", index);
}

static void
virtio_state_load_queue(struct virtio_transport *transport, uint32_t index,
			struct state_reader *reader)
{
	struct virtio_queue_registers *registers = &transport->state.queues[index];
	struct virtqueue_state state;
	bool started;

	registers->size = state_take_u16(reader);
	registers->vector = state_take_u16(reader);
	registers->enabled = state_take_u16(reader);
	registers->descriptors = state_take_u64(reader);
	registers->avail = state_take_u64(reader);
	registers->used = state_take_u64(reader);
	started = state_take_bool(reader);
	state.next_avail = state_take_u16(reader);
	state.next_used = state_take_u16(reader);
	state.signalled_used = state_take_u16(reader);
	state.in_flight = state_take_u16(reader);
	state.notify = state_take_bool(reader);
	state.broken = state_take_bool(reader);
	if (registers->enabled > 1 ||
	    virtio_registers_check_vector(transport, registers->vector) != registers->vector)
		state_reader_refuse(reader, "queue %u has registers that cannot be so", index);
	if (state_reader_check(reader) == 0)
		virtio_state_start_queue(transport, index, started, &state, reader);
}

static int
virtio_state_load_device(struct virtio_device *device, struct state_reader *reader)
{
	int error;

	if (!device->ops->load)
		return 0;
	state_reader_open(reader, device->ops->state_version, "%s %02u", device->ops->name,
			  device->transport->slot);
	if (state_reader_check(reader) < 0)
		return state_reader_check(reader);
	error = device->ops->load(device, reader);
	return error < 0 ? error : state_reader_close(reader);
}

int
virtio_transport_load(struct virtio_transport *transport, struct state_reader *reader)
{
	struct virtio_device *device = transport->device;
	uint8_t status;
	int error;

	state_reader_open(reader, VIRTIO_STATE_VERSION, "virtio %02u", transport->slot);
	virtio_state_load_registers(transport, reader);
	virtio_state_check_status(transport, reader);
	status = transport->state.status;
	device->active =
		status & VIRTIO_CONFIG_S_DRIVER_OK && !(status & VIRTIO_CONFIG_S_NEEDS_RESET);
	for (uint32_t i = 0; i < device->n_queues && state_reader_check(reader) == 0; i++)
		virtio_state_load_queue(transport, i, reader);
	error = state_reader_close(reader);
	if (error == 0)
		error = virtio_state_load_device(device, reader);
	if (error < 0) {
		device->active = false;
		return error;
	}
	virtio_transport_place_doorbells(transport);
	return 0;
}
