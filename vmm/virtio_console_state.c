/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * virtio_console_state.c - what the ports of a machine are in its state (carrel-vmm, while the
 * machine is paused)
 *
 * How it works: a connection of the host ends with the process that has it, so of the peers only
 * this is kept: whether the guest believes that there is one (or will, when it has heard all that
 * it is still to be told). In the next machine that one has gone, and the guest hears of it, and of
 * whoever is connected by then, as if it had happened now. What waits for the last peer, which may
 * have had a part of it, is dropped; the driver is told by the queue's next turn.
 */
#include "vmm/virtio_console_device.h"

#include <string.h>

#include <linux/virtio_console.h>

#include "vmm/port_peer.h"
#include "vmm/state_file.h"

void
virtio_console_save(struct virtio_device *device, struct state_writer *writer)
{
	const struct virtio_console *console = (const struct virtio_console *)device;

	state_put_u32(writer, (uint32_t)console->n_ports);
	for (size_t i = 0; i < console->n_ports; i++) {
		const struct virtio_console_port *port = &console->ports[i];

		state_put_bytes(writer, port->name, sizeof(port->name));
		state_put_u8(writer, port->state.stage);
		state_put_bool(writer, port->state.open);
		state_put_u8(writer, port->state.due);
		state_put_bool(writer, port_peer_is_connected(port->peer));
	}
}

/* What can be due at which stage: virtio_console_handle_device_ready(), ..._port_ready(). */
static bool
virtio_console_can_be(const struct virtio_console *console, uint8_t stage, bool open, uint8_t due)
{
	static const uint8_t most_due[] = {
		[VIRTIO_CONSOLE_UNKNOWN] = 0,
		[VIRTIO_CONSOLE_ADDED] = VIRTIO_CONSOLE_DUE(ADD),
		[VIRTIO_CONSOLE_READY] = VIRTIO_CONSOLE_DUE(NAME) | VIRTIO_CONSOLE_DUE(CLOSE) |
					 VIRTIO_CONSOLE_DUE(OPEN),
	};

	if (stage > VIRTIO_CONSOLE_READY || (due & ~most_due[stage]) != 0)
		return false;
	if (open && stage != VIRTIO_CONSOLE_READY)
		return false;
	return stage == VIRTIO_CONSOLE_UNKNOWN ||
	       virtio_has_feature(&console->device, VIRTIO_CONSOLE_F_MULTIPORT);
}

/*
 * Pops although the machine is paused: its memory is there already and nobody runs in it. Later,
 * what the guest sends to the next peer could not be told from this.
 */
static void
virtio_console_drop_waiting(struct virtio_console_port *port)
{
	struct virtio_console *console = port->console;
	struct virtqueue *queue = &console->device.queues[virtio_console_get_out_queue(port)];

	while (console->device.active && virtqueue_pop(queue, &console->chain) > 0)
		virtqueue_push(queue, console->chain.head, 0);
}

static void
virtio_console_load_port(struct virtio_console_port *port, struct state_reader *reader)
{
	char name[sizeof(port->name)];
	uint8_t stage, due;
	bool open, had_peer;

	state_take_bytes(reader, name, sizeof(name));
	stage = state_take_u8(reader);
	open = state_take_bool(reader);
	due = state_take_u8(reader);
	had_peer = state_take_bool(reader);
	if (state_reader_check(reader) < 0)
		return;
	if (memcmp(name, port->name, sizeof(name)) != 0) {
		state_reader_refuse(reader, "its port %u is not '%s'", port->number, port->name);
		return;
	}
	if (!virtio_console_can_be(port->console, stage, open, due)) {
		state_reader_refuse(reader, "port '%s' cannot be so", port->name);
		return;
	}
	port->state.stage = stage;
	port->state.due = due;
	virtio_console_set_open(port, open);
	if (had_peer) {
		virtio_console_note_peer(port, false);
		virtio_console_drop_waiting(port);
	}
	if (port_peer_is_connected(port->peer))
		virtio_console_note_peer(port, true);
}

int
virtio_console_load(struct virtio_device *device, struct state_reader *reader)
{
	struct virtio_console *console = (struct virtio_console *)device;

	state_reader_want(reader, state_take_u32(reader) == console->n_ports,
			  "another number of ports");
	for (size_t i = 0; i < console->n_ports && state_reader_check(reader) == 0; i++)
		virtio_console_load_port(&console->ports[i], reader);
	return state_reader_check(reader);
}
