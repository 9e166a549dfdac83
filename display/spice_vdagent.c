/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * spice_vdagent.c - the guest's vdagent port as libspice-server's agent device (carrel-display)
 */
#include "display/spice_vdagent.h"

#include <glib.h>

#include "display/vdagent_port.h"

struct spice_vdagent {
	SpiceServer *server;
	SpiceCharDeviceInstance device;
	struct vdagent_port *port; /* NULL: the library has no device */
};

static struct spice_vdagent *
spice_vdagent_of_device(SpiceCharDeviceInstance *device)
{
	return SPICE_CONTAINEROF(device, struct spice_vdagent, device);
}

static int
spice_vdagent_write(SpiceCharDeviceInstance *device, const uint8_t *data, int size)
{
	struct spice_vdagent *self = spice_vdagent_of_device(device);

	return self->port && size > 0 ? (int)vdagent_port_write(self->port, data, (size_t)size) : 0;
}

static int
spice_vdagent_read(SpiceCharDeviceInstance *device, uint8_t *data, int size)
{
	struct spice_vdagent *self = spice_vdagent_of_device(device);

	return self->port && size > 0 ? (int)vdagent_port_read(self->port, data, (size_t)size) : 0;
}

/* libspice-server disables a device whose guest broke the protocol. */
static void
spice_vdagent_state(SpiceCharDeviceInstance *device, int connected)
{
	struct spice_vdagent *self = spice_vdagent_of_device(device);

	if (!connected && self->port)
		vdagent_port_lose(self->port);
}

static const SpiceCharDeviceInterface vdagent_interface = {
	.base.type = SPICE_INTERFACE_CHAR_DEVICE,
	.base.description = "carrel vdagent",
	.base.major_version = SPICE_INTERFACE_CHAR_DEVICE_MAJOR,
	.base.minor_version = SPICE_INTERFACE_CHAR_DEVICE_MINOR,
	.state = spice_vdagent_state,
	.write = spice_vdagent_write,
	.read = spice_vdagent_read,
	.flags = SPICE_CHAR_DEVICE_NOTIFY_WRITABLE,
};

static void
spice_vdagent_handle_port_wakeup(void *context)
{
	struct spice_vdagent *self = context;

	spice_server_char_device_wakeup(&self->device);
}

void
spice_vdagent_set_port(struct spice_vdagent *self, struct vdagent_port *port)
{
	if (self->port) {
		vdagent_port_hand_over(self->port, NULL, NULL);
		self->port = NULL;
		spice_server_remove_interface(&self->device.base);
	}
	if (!port)
		return;
	self->device = (SpiceCharDeviceInstance){ .base.sif = &vdagent_interface.base,
						  .subtype = "vdagent" };
	self->port = port;
	vdagent_port_hand_over(port, spice_vdagent_handle_port_wakeup, self);
	spice_server_add_interface(self->server, &self->device.base);
}

struct spice_vdagent *
spice_vdagent_new(SpiceServer *server)
{
	struct spice_vdagent *self = g_new0(struct spice_vdagent, 1);

	self->server = server;
	return self;
}

void
spice_vdagent_free(struct spice_vdagent *self)
{
	if (!self)
		return;
	spice_vdagent_set_port(self, NULL);
	g_free(self);
}
