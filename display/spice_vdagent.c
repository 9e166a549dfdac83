/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * spice_vdagent.c - the guest's vdagent port as libspice-server's agent device (carrel-display)
 */
#include "display/spice_vdagent.h"

#include <glib.h>

#include "base/log.h"
#include "display/vdagent_port.h"

struct spice_vdagent {
	SpiceServer *server;
	SpiceCharDeviceInstance device;
	struct vdagent_port
		*port; /* NULL: the guest has closed it, and the library has no device */
	guint port_lost;
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

static gboolean
spice_vdagent_handle_port_lost(gpointer user_data)
{
	struct spice_vdagent *self = user_data;

	self->port_lost = 0;
	log_warning("the guest's vdagent port has ended or speaks nonsense; no clipboard and "
		    "resizing until the guest opens it again");
	spice_vdagent_set_port(self, -1);
	return G_SOURCE_REMOVE;
}

/* Not here: the library may be in the middle of reading. */
static void
spice_vdagent_lose_port(struct spice_vdagent *self)
{
	if (self->port_lost == 0)
		self->port_lost = g_idle_add(spice_vdagent_handle_port_lost, self);
}

/* libspice-server disables a device whose guest broke the protocol. */
static void
spice_vdagent_state(SpiceCharDeviceInstance *device, int connected)
{
	struct spice_vdagent *self = spice_vdagent_of_device(device);

	if (!connected && self->port)
		spice_vdagent_lose_port(self);
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

static void
spice_vdagent_handle_port_end(void *context)
{
	spice_vdagent_lose_port(context);
}

static const struct vdagent_port_events port_events = {
	.wakeup = spice_vdagent_handle_port_wakeup,
	.lost = spice_vdagent_handle_port_end,
};

void
spice_vdagent_set_port(struct spice_vdagent *self, int fd)
{
	g_clear_handle_id(&self->port_lost, g_source_remove);
	if (self->port) {
		struct vdagent_port *old = g_steal_pointer(&self->port);

		spice_server_remove_interface(&self->device.base);
		vdagent_port_free(old);
	}
	if (fd < 0)
		return;
	self->device = (SpiceCharDeviceInstance){ .base.sif = &vdagent_interface.base,
						  .subtype = "vdagent" };
	self->port = vdagent_port_new(fd, &port_events, self);
	spice_server_add_interface(self->server, &self->device.base);
}

bool
spice_vdagent_ask_sizes(struct spice_vdagent *self, const struct heads *wanted)
{
	if (self->port)
		vdagent_port_ask_sizes(self->port, wanted);
	return self->port != NULL;
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
	spice_vdagent_set_port(self, -1);
	g_free(self);
}
