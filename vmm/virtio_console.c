/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio_console.c - named ports between guest and host (virtio 1.2 section 5.3, multiport)
 *
 * In carrel-vmm, with the machine's lock held: queues and sockets on the loop's thread.
 *
 * How it works: port 0 is a plain console in the specification's eyes, which no one wants here: it
 * is never added, and what a driver without VIRTIO_CONSOLE_F_MULTIPORT writes to it is dropped. Our
 * ports begin at number 1.
 *
 * What the guest is to be told of a port (struct virtio_console_port_state.due) is a set, not a
 * list, so it needs no room that a guest could use up by not listening: virtio_console_flush()
 * sends it in the set's order when the driver has given buffers for it. A peer that was replaced
 * leaves CLOSE and OPEN in the set, by which the guest learns of it.
 *
 * Data is never kept here. Towards the guest it goes from the socket into the driver's buffers,
 * when there are some and the port is open (virtio_console_handle_readable()). From the guest it
 * goes out of the driver's buffers; one that the socket takes only a part of goes back into its
 * queue, and sent_bytes remembers the part (virtio_console_send()).
 */
#include "vmm/virtio_console.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_console.h>

#include "vmm/platform.h"
#include "vmm/port_peer.h"
#include "vmm/virtio_console_device.h"

#define VIRTIO_CONSOLE_QUEUE_SIZE	  128
#define VIRTIO_CONSOLE_CONTROL_QUEUE_SIZE 32
#define VIRTIO_CONSOLE_CHAINS_A_KICK	  32
#define VIRTIO_CONSOLE_CONTROL_IN	  2 /* queues, as the driver sees them */
#define VIRTIO_CONSOLE_CONTROL_OUT	  3

static_assert(2 * (VIRTIO_CONSOLE_FIRST_PORT + VIRTIO_CONSOLE_MAX_PORTS) + 2 <= VIRTIO_MAX_QUEUES,
	      "two queues a port, and two for control");
static_assert(VIRTQUEUE_MAX_CHAIN_BYTES <= UINT32_MAX, "sent_bytes has 32 bits");

static struct virtio_console_port *
virtio_console_find_port(struct virtio_console *console, uint32_t number)
{
	uint32_t index = number - VIRTIO_CONSOLE_FIRST_PORT;

	return number >= VIRTIO_CONSOLE_FIRST_PORT && index < console->n_ports
		       ? &console->ports[index]
		       : NULL;
}

/* Control, towards the guest */

/* The message's bytes are in ret_bytes; how many. */
static size_t
virtio_console_compose(
	const struct virtio_console_port *port, enum virtio_console_due what,
	uint8_t ret_bytes[sizeof(struct virtio_console_control) + VIRTIO_CONSOLE_MAX_NAME])
{
	static const struct {
		uint16_t event;
		uint16_t value;
	} messages[VIRTIO_CONSOLE_DUE_COUNT] = {
		[VIRTIO_CONSOLE_DUE_ADD] = { VIRTIO_CONSOLE_PORT_ADD, 1 },
		[VIRTIO_CONSOLE_DUE_NAME] = { VIRTIO_CONSOLE_PORT_NAME, 1 },
		[VIRTIO_CONSOLE_DUE_CLOSE] = { VIRTIO_CONSOLE_PORT_OPEN, 0 },
		[VIRTIO_CONSOLE_DUE_OPEN] = { VIRTIO_CONSOLE_PORT_OPEN, 1 },
	};
	const struct virtio_console_control control = {
		.id = htole32(port->number),
		.event = htole16(messages[what].event),
		.value = htole16(messages[what].value),
	};
	/* without a zero byte at its end */
	size_t name_bytes = what == VIRTIO_CONSOLE_DUE_NAME ? strlen(port->name) : 0;

	memcpy(ret_bytes, &control, sizeof(control));
	memcpy(ret_bytes + sizeof(control), port->name, name_bytes);
	return sizeof(control) + name_bytes;
}

/* false: there is no buffer for it, or the device has failed. */
static bool
virtio_console_tell(struct virtio_console *console, const struct virtio_console_port *port,
		    enum virtio_console_due what)
{
	uint8_t bytes[sizeof(struct virtio_console_control) + VIRTIO_CONSOLE_MAX_NAME];
	size_t size = virtio_console_compose(port, what, bytes);

	if (!virtio_pop(&console->device, VIRTIO_CONSOLE_CONTROL_IN, &console->chain))
		return false;
	if (virtqueue_chain_write(&console->chain, 0, bytes, size) < size) {
		virtio_fail(&console->device, "a buffer for control messages is too small");
		return false;
	}
	virtqueue_push(&console->device.queues[VIRTIO_CONSOLE_CONTROL_IN], console->chain.head,
		       (uint32_t)size);
	return true;
}

static void
virtio_console_flush(struct virtio_console *console)
{
	bool more = true;

	for (size_t i = 0; i < console->n_ports && more; i++) {
		struct virtio_console_port *port = &console->ports[i];

		while (port->state.due && more) {
			enum virtio_console_due what =
				(enum virtio_console_due)__builtin_ctz(port->state.due);

			more = virtio_console_tell(console, port, what);
			if (more)
				port->state.due &= (uint8_t) ~(1U << what);
		}
	}
	virtio_signal_queue(&console->device, VIRTIO_CONSOLE_CONTROL_IN);
}

/* From the guest */

/* Sends what it can of the popped chain, which is done when all of it is sent, or never will be. */
static void
virtio_console_send_chain(struct virtio_console_port *port, struct virtqueue *queue)
{
	struct virtio_console *console = port->console;
	uint16_t head = console->chain.head; /* a lost peer makes others be popped */
	uint64_t done = port->state.sent_bytes;
	uint64_t size = console->chain.out_bytes;
	ssize_t sent = -EPIPE;

	/* the guest may have changed the chain since its first part was sent */
	if (done < size && port_peer_is_connected(port->peer)) {
		struct iovec slice[VIRTQUEUE_MAX_SEGMENTS];
		int count = virtqueue_chain_slice_out(&console->chain, done, size - done, slice);

		sent = port_peer_write(port->peer, slice, count);
	}
	if (sent == -EPIPE || (sent > 0 && (uint64_t)sent == size - done)) {
		port->state.sent_bytes = 0;
		virtqueue_push(queue, head, 0);
		return;
	}
	if (sent > 0)
		port->state.sent_bytes += (uint32_t)sent;
	else
		port->blocked = true;
	virtqueue_unpop(queue);
}

static void
virtio_console_send(struct virtio_console_port *port)
{
	struct virtio_device *device = &port->console->device;
	uint32_t queue = virtio_console_get_out_queue(port);
	int n = 0;

	while (n < VIRTIO_CONSOLE_CHAINS_A_KICK && !port->blocked &&
	       virtio_pop(device, queue, &port->console->chain)) {
		virtio_console_send_chain(port, &device->queues[queue]);
		n++;
	}
	virtio_signal_queue(device, queue);
	if (n == VIRTIO_CONSOLE_CHAINS_A_KICK && !port->blocked)
		virtio_kick_again(device, queue);
}

/* What waits in a queue, as much as fits one, is of no use to anybody. */
static void
virtio_console_discard(struct virtio_console *console, uint32_t queue)
{
	for (int i = 0; i < VIRTIO_CONSOLE_QUEUE_SIZE; i++) {
		if (!virtio_pop(&console->device, queue, &console->chain))
			break;
		virtqueue_push(&console->device.queues[queue], console->chain.head, 0);
	}
	virtio_signal_queue(&console->device, queue);
}

/* Peers */

void
virtio_console_note_peer(struct virtio_console_port *port, bool connected)
{
	if (port->state.stage != VIRTIO_CONSOLE_READY)
		return;
	if (connected)
		port->state.due |= VIRTIO_CONSOLE_DUE(OPEN);
	else if (port->state.due & VIRTIO_CONSOLE_DUE(OPEN))
		port->state.due &= (uint8_t)~VIRTIO_CONSOLE_DUE(OPEN);
	else
		port->state.due |= VIRTIO_CONSOLE_DUE(CLOSE);
}

static void
virtio_console_handle_peer(void *context, bool connected)
{
	struct virtio_console_port *port = context;

	port->blocked = false;
	if (!connected) {
		/* the rest of what the old peer was told is nothing for the next one */
		port->state.sent_bytes = 0;
		virtio_console_discard(port->console, virtio_console_get_out_queue(port));
	}
	virtio_console_note_peer(port, connected);
	if (port->state.stage != VIRTIO_CONSOLE_READY)
		return;
	if (connected && port->state.open)
		port_peer_set_reading(port->peer, PORT_PEER_READ);
	virtio_console_flush(port->console);
}

static void
virtio_console_handle_writable(void *context)
{
	struct virtio_console_port *port = context;

	port->blocked = false;
	virtio_console_send(port);
}

static void
virtio_console_handle_readable(void *context)
{
	struct virtio_console_port *port = context;
	struct virtio_device *device = &port->console->device;
	struct virtqueue_chain *chain = &port->console->chain;
	uint32_t queue = virtio_console_get_in_queue(port);

	for (int i = 0; i < VIRTIO_CONSOLE_CHAINS_A_KICK; i++) {
		ssize_t got;

		if (!virtio_pop(device, queue, chain)) {
			port_peer_set_reading(port->peer, PORT_PEER_HOLD);
			break;
		}
		if (chain->n_in == 0) {
			virtio_fail(device, "a buffer to receive into cannot be written");
			break;
		}
		got = port_peer_read(port->peer, chain->segments + chain->n_out, chain->n_in);
		if (got < 0) {
			virtqueue_unpop(&device->queues[queue]);
			break;
		}
		virtqueue_push(&device->queues[queue], chain->head, (uint32_t)got);
	}
	virtio_signal_queue(device, queue);
}

static const struct port_peer_events virtio_console_peer_events = {
	.changed = virtio_console_handle_peer,
	.readable = virtio_console_handle_readable,
	.writable = virtio_console_handle_writable,
};

/* Control, from the guest */

void
virtio_console_set_open(struct virtio_console_port *port, bool open)
{
	if (port->state.open == open)
		return;
	port->state.open = open;
	port_peer_set_reading(port->peer, open ? PORT_PEER_READ : PORT_PEER_IGNORE);
	port->console->opened(port->console->context, (size_t)(port - port->console->ports), open);
}

static void
virtio_console_handle_device_ready(struct virtio_console *console)
{
	for (size_t i = 0; i < console->n_ports; i++) {
		struct virtio_console_port_state *state = &console->ports[i].state;

		if (state->stage != VIRTIO_CONSOLE_UNKNOWN)
			continue;
		state->stage = VIRTIO_CONSOLE_ADDED;
		state->due |= VIRTIO_CONSOLE_DUE(ADD);
	}
}

static void
virtio_console_handle_port_ready(struct virtio_console_port *port)
{
	if (port->state.stage != VIRTIO_CONSOLE_ADDED || port->state.due & VIRTIO_CONSOLE_DUE(ADD))
		return;
	port->state.stage = VIRTIO_CONSOLE_READY;
	port->state.due |= VIRTIO_CONSOLE_DUE(NAME);
	if (port_peer_is_connected(port->peer))
		port->state.due |= VIRTIO_CONSOLE_DUE(OPEN);
}

/* What means nothing now, or nothing at all, changes nothing. */
static void
virtio_console_handle_control(struct virtio_console *console,
			      const struct virtio_console_control *control)
{
	struct virtio_console_port *port = virtio_console_find_port(console, le32toh(control->id));
	uint16_t value = le16toh(control->value);

	switch (le16toh(control->event)) {
	case VIRTIO_CONSOLE_DEVICE_READY:
		if (value == 1)
			virtio_console_handle_device_ready(console);
		break;
	case VIRTIO_CONSOLE_PORT_READY:
		if (port && value == 1)
			virtio_console_handle_port_ready(port);
		break;
	case VIRTIO_CONSOLE_PORT_OPEN:
		if (port && port->state.stage == VIRTIO_CONSOLE_READY)
			virtio_console_set_open(port, value != 0);
		break;
	default:
		break;
	}
}

static void
virtio_console_take_control(struct virtio_console *console)
{
	struct virtio_device *device = &console->device;
	struct virtio_console_control control;
	int n = 0;

	while (n < VIRTIO_CONSOLE_CHAINS_A_KICK &&
	       virtio_pop(device, VIRTIO_CONSOLE_CONTROL_OUT, &console->chain)) {
		if (virtqueue_chain_read(&console->chain, 0, &control, sizeof(control)) <
		    sizeof(control)) {
			virtio_fail(device, "a control message is too short");
			return;
		}
		virtqueue_push(&device->queues[VIRTIO_CONSOLE_CONTROL_OUT], console->chain.head, 0);
		virtio_console_handle_control(console, &control);
		n++;
	}
	virtio_signal_queue(device, VIRTIO_CONSOLE_CONTROL_OUT);
	if (n == VIRTIO_CONSOLE_CHAINS_A_KICK)
		virtio_kick_again(device, VIRTIO_CONSOLE_CONTROL_OUT);
	virtio_console_flush(console);
}

/* The device */

static void
virtio_console_handle_queue(struct virtio_device *device, uint32_t queue)
{
	struct virtio_console *console = (struct virtio_console *)device;
	struct virtio_console_port *port = virtio_console_find_port(console, (queue - 2) / 2);

	if (!virtio_has_feature(device, VIRTIO_CONSOLE_F_MULTIPORT) || queue < 2) {
		if (queue == 1)
			virtio_console_discard(console, queue);
	} else if (queue == VIRTIO_CONSOLE_CONTROL_IN) {
		virtio_console_flush(console);
	} else if (queue == VIRTIO_CONSOLE_CONTROL_OUT) {
		virtio_console_take_control(console);
	} else if (port && queue % 2 == 1) {
		virtio_console_send(port);
	} else if (port && port->state.open) {
		port_peer_set_reading(port->peer, PORT_PEER_READ);
	}
}

static void
virtio_console_read_config(struct virtio_device *device, uint32_t offset, void *target,
			   uint32_t bytes)
{
	const struct virtio_console *console = (const struct virtio_console *)device;
	const struct virtio_console_config config = {
		.max_nr_ports = htole32(VIRTIO_CONSOLE_FIRST_PORT + (uint32_t)console->n_ports),
	};

	memcpy(target, (const char *)&config + offset, bytes);
}

static int
virtio_console_activate(struct virtio_device *device)
{
	(void)device; /* it begins with the driver's DEVICE_READY */
	return 0;
}

static void
virtio_console_reset(struct virtio_device *device)
{
	struct virtio_console *console = (struct virtio_console *)device;

	for (size_t i = 0; i < console->n_ports; i++) {
		struct virtio_console_port *port = &console->ports[i];

		virtio_console_set_open(port, false);
		port->state = (struct virtio_console_port_state){ 0 };
		port->blocked = false;
	}
}

static void
virtio_console_free(struct virtio_device *device)
{
	struct virtio_console *console = (struct virtio_console *)device;

	for (size_t i = 0; i < console->n_ports; i++)
		port_peer_free(console->ports[i].peer);
	free(console);
}

static const struct virtio_ops virtio_console_ops = {
	.name = "virtio-console",
	.type = VIRTIO_ID_CONSOLE,
	.activate = virtio_console_activate,
	.reset = virtio_console_reset,
	.handle_queue = virtio_console_handle_queue,
	.read_config = virtio_console_read_config,
	.free = virtio_console_free,
	.state_version = VIRTIO_CONSOLE_STATE_VERSION,
	.save = virtio_console_save,
	.load = virtio_console_load,
};

static int
virtio_console_add_port(struct virtio_console *console,
			const struct virtio_console_port_options *options, uint32_t uid)
{
	struct virtio_console_port *port = &console->ports[console->n_ports];
	size_t length = strlen(options->name);
	int error;

	if (length == 0 || length > VIRTIO_CONSOLE_MAX_NAME)
		return -EINVAL;
	port->console = console;
	port->number = VIRTIO_CONSOLE_FIRST_PORT + (uint32_t)console->n_ports;
	memcpy(port->name, options->name, length + 1);
	error = port_peer_new(console->device.platform->loop, port->name, options->listen_fd, uid,
			      &virtio_console_peer_events, port, &port->peer);
	if (error < 0)
		return error;
	console->n_ports++;
	return 0;
}

static void
virtio_console_set_up_device(struct virtio_device *device, size_t n_ports)
{
	device->ops = &virtio_console_ops;
	device->device_features = UINT64_C(1) << VIRTIO_CONSOLE_F_MULTIPORT;
	device->config_bytes = sizeof(struct virtio_console_config);
	device->n_queues = 2 * (VIRTIO_CONSOLE_FIRST_PORT + (uint32_t)n_ports) + 2;
	for (uint32_t i = 0; i < device->n_queues; i++)
		device->queue_sizes[i] = VIRTIO_CONSOLE_QUEUE_SIZE;
	device->queue_sizes[VIRTIO_CONSOLE_CONTROL_IN] = VIRTIO_CONSOLE_CONTROL_QUEUE_SIZE;
	device->queue_sizes[VIRTIO_CONSOLE_CONTROL_OUT] = VIRTIO_CONSOLE_CONTROL_QUEUE_SIZE;
}

int
virtio_console_new(struct platform *platform, const struct virtio_console_options *options,
		   struct virtio_device **ret_device)
{
	struct virtio_console *console;
	int error = 0;

	if (options->n_ports > VIRTIO_CONSOLE_MAX_PORTS)
		return -EINVAL;
	console = calloc(1, sizeof(*console));
	if (!console)
		return -ENOMEM;
	console->device.platform = platform;
	console->opened = options->opened;
	console->context = options->context;
	for (size_t i = 0; i < options->n_ports && error == 0; i++)
		error = virtio_console_add_port(console, &options->ports[i], options->uid);
	if (error < 0) {
		virtio_console_free(&console->device);
		return error;
	}
	virtio_console_set_up_device(&console->device, console->n_ports);
	*ret_device = &console->device;
	return 0;
}

bool
virtio_console_is_open(const struct virtio_device *device, size_t port)
{
	const struct virtio_console *console = (const struct virtio_console *)device;

	return port < console->n_ports && console->ports[port].state.open;
}
