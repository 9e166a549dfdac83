/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * devices_make.c - the devices of a machine are made (carrel-vmm, before the guest's first instruction)
 *
 * How it works: make_list is all of them in their order.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "vmm/acpi_pm.h"
#include "vmm/description.h"
#include "vmm/devices_parts.h"
#include "vmm/hda.h"
#include "vmm/loop.h"
#include "vmm/net_stream.h"
#include "vmm/net_tap.h"
#include "vmm/pci.h"
#include "vmm/platform.h"
#include "vmm/pvpanic.h"
#include "vmm/rtc.h"
#include "vmm/seat.h"
#include "vmm/serial.h"
#include "vmm/slots.h"
#include "vmm/virtio.h"
#include "vmm/virtio_balloon.h"
#include "vmm/virtio_blk.h"
#include "vmm/virtio_console.h"
#include "vmm/virtio_net.h"
#include "vmm/virtio_rng.h"
#include "vmm/vmgenid.h"

#define SERIAL_LINES_AT_ONCE 1000 /* of a guest that boots without "quiet" */
#define SERIAL_LINE_EVERY_MS 20
#define NS_PER_MS	     UINT64_C(1000000)

/* What the guest prints, of which there may be no end. */
static void
devices_handle_serial_line(void *context, const char *line, size_t length)
{
	struct devices *devices = context;

	if (log_limit_allow(&devices->serial_lines, loop_now_ns() / NS_PER_MS))
		log_info("guest '%s': %.*s", devices->description->name, (int)length, line);
}

static int
devices_make_power(struct devices *devices)
{
	return acpi_pm_new(devices->platform, &devices->pm);
}

static int
devices_make_clock(struct devices *devices)
{
	return rtc_new(devices->platform, devices->description->cpus, &devices->rtc);
}

static int
devices_make_serial(struct devices *devices)
{
	if (!devices->description->serial)
		return 0;
	return serial_new(devices->platform, devices_handle_serial_line, devices, &devices->serial);
}

static int
devices_make_genid(struct devices *devices)
{
	if (!devices->description->has_genid)
		return 0;
	return vmgenid_new(devices->platform, devices->pm, devices->description->genid,
			   &devices->vmgenid);
}

static int
devices_make_root(struct devices *devices)
{
	return pci_root_new(devices->platform, &devices->root);
}

/* Takes what a constructor made, and its result, into the root. */
static int
devices_add_virtio(struct devices *devices, uint32_t slot, uint32_t class_code, int error,
		   struct virtio_device **device)
{
	if (error == 0)
		error = virtio_pci_new(devices->root, slot, class_code, *device);
	if (error < 0 && *device) {
		(*device)->ops->free(*device);
		*device = NULL;
	}
	return error;
}

static int
devices_make_pvpanic(struct devices *devices)
{
	return pvpanic_new(devices->platform, devices->root);
}

static int
devices_make_disk(struct devices *devices, const struct description_disk *description)
{
	static const uint32_t slots[] = {
		[DESCRIPTION_SLOT_DISK] = SLOT_DISK,
		[DESCRIPTION_SLOT_HOME] = SLOT_HOME,
	};
	struct devices_disk *disk = &devices->disks[description->slot];
	struct virtio_blk_options options = {
		.name = description->serial,
		.serial = description->serial,
		.base_fd = description->base_fd,
		.overlay_fd = description->overlay_fd,
		.n_queues = devices->description->cpus,
		.lacks_space = devices_handle_space,
		.context = disk,
	};
	int error;

	disk->devices = devices;
	error = devices_check_disk_files(disk, options.name, options.base_fd, options.overlay_fd);
	if (error == 0)
		error = virtio_blk_new(devices->platform, &options, &disk->device);
	return devices_add_virtio(devices, slots[description->slot], VIRTIO_BLK_CLASS_CODE, error,
				  &disk->device);
}

static int
devices_make_disks(struct devices *devices)
{
	int error = loop_timer_new(devices->platform->loop, "disk retry", devices_handle_retry,
				   devices, &devices->retry_timer);

	for (size_t i = 0; error == 0 && i < devices->description->n_disks; i++)
		error = devices_make_disk(devices, &devices->description->disks[i]);
	return error;
}

static int
devices_make_console(struct devices *devices)
{
	const struct description *description = devices->description;
	struct virtio_console_port_options ports[DESCRIPTION_MAX_PORTS];
	struct virtio_console_options options = {
		.ports = ports,
		.n_ports = description->n_ports,
		.uid = description->control_uid,
		.opened = devices_handle_port,
		.context = devices,
	};
	int error;

	static_assert(DESCRIPTION_MAX_PORTS <= VIRTIO_CONSOLE_MAX_PORTS, "they all fit");
	static_assert(DESCRIPTION_MAX_NAME <= VIRTIO_CONSOLE_MAX_NAME, "so do their names");
	if (description->n_ports == 0)
		return 0;
	for (size_t i = 0; i < description->n_ports; i++)
		ports[i] = (struct virtio_console_port_options){
			.name = description->ports[i].name,
			.listen_fd = description->ports[i].listen_fd,
		};
	error = virtio_console_new(devices->platform, &options, &devices->console);
	return devices_add_virtio(devices, SLOT_CONSOLE, VIRTIO_CONSOLE_CLASS_CODE, error,
				  &devices->console);
}

static int
devices_make_net(struct devices *devices)
{
	const struct description *description = devices->description;
	struct virtio_net_options options = {
		.name = description->name,
		.kind = description->net == DESCRIPTION_NET_TAP ? &net_tap_kind : &net_stream_kind,
		.fd = -1,
		.link = description->net_link,
	};
	int error;

	if (description->net == DESCRIPTION_NET_NONE)
		return 0;
	memcpy(options.mac, description->mac, sizeof(options.mac));
	/* the description's descriptors stay its owner's */
	if (description->net_fd >= 0)
		options.fd = fcntl(description->net_fd, F_DUPFD_CLOEXEC, 0);
	if (description->net_fd >= 0 && options.fd < 0)
		return -errno;
	error = virtio_net_new(devices->platform, &options, &devices->net);
	if (error < 0 && options.fd >= 0)
		close(options.fd);
	return devices_add_virtio(devices, SLOT_NET, VIRTIO_NET_CLASS_CODE, error, &devices->net);
}

static int
devices_make_balloon(struct devices *devices)
{
	int error = virtio_balloon_new(devices->platform, &devices->balloon);

	return devices_add_virtio(devices, SLOT_BALLOON, VIRTIO_BALLOON_CLASS_CODE, error,
				  &devices->balloon);
}

static int
devices_make_rng(struct devices *devices)
{
	struct virtio_device *rng = NULL;
	int error = virtio_rng_new(devices->platform, &rng);

	return devices_add_virtio(devices, SLOT_RNG, VIRTIO_RNG_CLASS_CODE, error, &rng);
}

static int
devices_make_seat(struct devices *devices)
{
	const struct description *description = devices->description;
	struct seat_setup setup = {
		.listen_fd = description->display_fd,
		.uid = description->control_uid,
		.n_scanouts = description->scanouts,
		.width = description->width,
		.height = description->height,
	};
	int error;

	if (description->display_fd < 0)
		return 0;
	error = seat_new(devices->platform, &setup, &devices->seat);
	return error < 0 ? error : seat_plug_in(devices->seat, devices->root);
}

static int
devices_make_sound(struct devices *devices)
{
	if (!devices->description->sound)
		return 0;
	return hda_new(devices->platform, devices->root,
		       devices->seat ? seat_get_sound(devices->seat) : NULL, &devices->hda);
}

static const struct {
	const char *name;
	int (*make)(struct devices *devices);
	bool says_why; /* it logs what is wrong, but for a lack of memory */
} make_list[] = {
	{ "the power management", devices_make_power, false },
	{ "the real-time clock", devices_make_clock, false },
	{ "the serial port", devices_make_serial, false },
	{ "the VM generation id", devices_make_genid, false },
	{ "the PCI root", devices_make_root, false },
	{ "the panic device", devices_make_pvpanic, false },
	{ "the disks", devices_make_disks, true },
	{ "the network card", devices_make_net, false },
	{ "the ports", devices_make_console, false },
	{ "the random numbers", devices_make_rng, false },
	{ "the balloon", devices_make_balloon, false },
	{ "screen, keyboard and tablet", devices_make_seat, false },
	{ "the sound card", devices_make_sound, false },
};

int
devices_make(struct devices *devices)
{
	int error = 0;

	devices->serial_lines = (struct log_limit){
		.burst = SERIAL_LINES_AT_ONCE,
		.every_ms = SERIAL_LINE_EVERY_MS,
	};
	for (size_t i = 0; error == 0 && i < sizeof(make_list) / sizeof(make_list[0]); i++) {
		error = make_list[i].make(devices);
		if (error < 0 && (!make_list[i].says_why || error == -ENOMEM))
			log_error("devices: %s cannot be made: %s", make_list[i].name,
				  strerror(-error));
	}
	return error;
}
