/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * devices.c - the devices of a machine: made, reset, paused and taken apart together (carrel-vmm)
 *
 * How it works: make_list is all devices in the order in which they are made. Those on PCI belong to the root, which
 * resets and frees them; the others have a line of their own in devices_prepare() and devices_free().
 */
#include "vmm/devices.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "vmm/acpi.h"
#include "vmm/acpi_pm.h"
#include "vmm/description.h"
#include "vmm/hda.h"
#include "vmm/loop.h"
#include "vmm/pci.h"
#include "vmm/platform.h"
#include "vmm/pvpanic.h"
#include "vmm/rtc.h"
#include "vmm/seat.h"
#include "vmm/serial.h"
#include "vmm/slots.h"
#include "vmm/smbios.h"
#include "vmm/virtio.h"
#include "vmm/virtio_blk.h"
#include "vmm/vmgenid.h"

#define SERIAL_LINES_AT_ONCE 1000 /* of a guest that boots without "quiet" */
#define SERIAL_LINE_EVERY_MS 20
#define NS_PER_MS	     UINT64_C(1000000)
#define RETRY_EVERY_NS	     UINT64_C(5000000000)

struct devices_disk {
	struct devices *devices;
	struct virtio_device *device; /* NULL: none */
	bool lacks_space;
};

struct devices {
	struct platform *platform;
	const struct description *description;
	struct acpi_pm *pm;
	struct rtc *rtc;
	struct serial *serial;
	struct log_limit serial_lines;
	struct vmgenid *vmgenid;
	struct pci_root *root;
	struct seat *seat;
	struct hda *hda;				  /* the root's; NULL: none */
	struct devices_disk disks[DESCRIPTION_MAX_DISKS]; /* by enum description_slot */
	struct loop_timer *retry_timer;			  /* while one lacks space */
};

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

/* How the machine waits for room on the host: it stands, and the disks try again from time to time. */

static bool
devices_lack_space(const struct devices *devices)
{
	for (size_t i = 0; i < DESCRIPTION_MAX_DISKS; i++)
		if (devices->disks[i].lacks_space)
			return true;
	return false;
}

static void
devices_handle_retry(void *context)
{
	struct devices *devices = context;

	for (size_t i = 0; i < DESCRIPTION_MAX_DISKS; i++)
		if (devices->disks[i].lacks_space)
			virtio_blk_retry(devices->disks[i].device);
	if (devices_lack_space(devices))
		loop_timer_set(devices->retry_timer, loop_now_ns() + RETRY_EVERY_NS);
}

static void
devices_handle_space(void *context, bool lacks)
{
	struct devices_disk *disk = context;
	struct devices *devices = disk->devices;
	const struct platform *platform = devices->platform;
	bool lacked = devices_lack_space(devices);

	disk->lacks_space = lacks;
	if (devices_lack_space(devices) == lacked)
		return;
	loop_timer_set(devices->retry_timer, lacks ? loop_now_ns() + RETRY_EVERY_NS : 0);
	platform->ops->report(platform->context,
			      lacks ? PLATFORM_EVENT_NO_SPACE : PLATFORM_EVENT_SPACE);
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
devices_make_seat(struct devices *devices)
{
	const struct description *description = devices->description;
	struct seat_setup setup = {
		.listen_fd = description->display_fd,
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
	return hda_new(devices->platform, devices->root, NULL, &devices->hda);
}

static const struct {
	const char *name;
	int (*make)(struct devices *devices);
} make_list[] = {
	{ "the power management", devices_make_power },
	{ "the real-time clock", devices_make_clock },
	{ "the serial port", devices_make_serial },
	{ "the VM generation id", devices_make_genid },
	{ "the PCI root", devices_make_root },
	{ "the panic device", devices_make_pvpanic },
	{ "the disks", devices_make_disks },
	{ "screen, keyboard and tablet", devices_make_seat },
	{ "the sound card", devices_make_sound },
};

int
devices_new(struct platform *platform, const struct description *description,
	    struct devices **ret_devices)
{
	struct devices *devices = calloc(1, sizeof(*devices));
	int error = 0;

	if (!devices)
		return -ENOMEM;
	devices->platform = platform;
	devices->description = description;
	devices->serial_lines = (struct log_limit){
		.burst = SERIAL_LINES_AT_ONCE,
		.every_ms = SERIAL_LINE_EVERY_MS,
	};
	for (size_t i = 0; error == 0 && i < sizeof(make_list) / sizeof(make_list[0]); i++) {
		error = make_list[i].make(devices);
		if (error < 0)
			log_error("devices: %s cannot be made: %s", make_list[i].name,
				  strerror(-error));
	}
	if (error < 0) {
		devices_free(devices);
		return error;
	}
	*ret_devices = devices;
	return 0;
}

void
devices_free(struct devices *devices)
{
	if (!devices)
		return;
	pci_root_free(devices->root);
	seat_free(devices->seat);
	loop_timer_free(devices->retry_timer);
	vmgenid_free(devices->vmgenid);
	serial_free(devices->serial);
	rtc_free(devices->rtc);
	acpi_pm_free(devices->pm);
	free(devices);
}

static int
devices_write_tables(struct devices *devices)
{
	const struct guest_memory *memory = devices->platform->memory;
	struct acpi_options acpi = {
		.cpus = devices->description->cpus,
		.serial = devices->serial != NULL,
		.genid = devices->vmgenid != NULL,
	};
	struct smbios_options smbios = {
		.machine = devices->description->machine,
		.serial = devices->description->name,
		.cpus = devices->description->cpus,
	};
	int error = acpi_write_tables(memory, &acpi);

	return error < 0 ? error : smbios_write_tables(memory, &smbios);
}

struct seat *
devices_get_seat(struct devices *devices)
{
	return devices->seat;
}

int
devices_prepare(struct devices *devices)
{
	pci_root_reset(devices->root);
	acpi_pm_reset(devices->pm);
	rtc_reset(devices->rtc);
	if (devices->serial)
		serial_reset(devices->serial);
	if (devices->vmgenid)
		vmgenid_reset(devices->vmgenid);
	return devices_write_tables(devices);
}

void
devices_pause(struct devices *devices)
{
	acpi_pm_pause(devices->pm);
	if (devices->hda)
		hda_pause(devices->hda);
	for (size_t i = 0; i < DESCRIPTION_MAX_DISKS; i++)
		if (devices->disks[i].device)
			virtio_blk_drain(devices->disks[i].device);
}

void
devices_resume(struct devices *devices)
{
	acpi_pm_resume(devices->pm);
	if (devices->hda)
		hda_resume(devices->hda);
}
