/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * devices.c - the devices of a machine: reset, paused and taken apart together (carrel-vmm)
 *
 * devices_make.c makes them. Those on PCI belong to the root, which resets and frees them; the others have a line of their
 * own in devices_reset() and devices_free(). devices_state.c saves and loads them.
 */
#include "vmm/devices.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/proto_vmm.h"
#include "vmm/acpi.h"
#include "vmm/acpi_pm.h"
#include "vmm/devices_parts.h"
#include "vmm/fd_kind.h"
#include "vmm/hda.h"
#include "vmm/loop.h"
#include "vmm/pci.h"
#include "vmm/platform.h"
#include "vmm/rtc.h"
#include "vmm/seat.h"
#include "vmm/serial.h"
#include "vmm/smbios.h"
#include "vmm/virtio.h"
#include "vmm/virtio_balloon.h"
#include "vmm/virtio_blk.h"
#include "vmm/virtio_console.h"
#include "vmm/virtio_net.h"
#include "vmm/virtio_rng.h"
#include "vmm/vmgenid.h"

#define RETRY_EVERY_NS UINT64_C(5000000000)

/* The ports that the host is told of when the guest opens them */
static const struct {
	const char *name;
	enum vmm_event_kind kind;
} watched_ports[] = {
	{ "org.carrel.agent.0", VMM_EVENT_AGENT_PORT },
	{ "com.redhat.spice.0", VMM_EVENT_VDAGENT_PORT },
};

/*
 * How the machine waits for room on the host: it stands (vmm/machine.c), and the disks try again
 * from time to time.
 */

bool
devices_lack_space(const struct devices *devices)
{
	for (size_t i = 0; i < DESCRIPTION_MAX_DISKS; i++)
		if (devices->disks[i].lacks_space)
			return true;
	return false;
}

void
devices_await_space(struct devices *devices)
{
	loop_timer_set(devices->retry_timer, loop_now_ns() + RETRY_EVERY_NS);
}

void
devices_retry_space(struct devices *devices)
{
	for (size_t i = 0; i < DESCRIPTION_MAX_DISKS; i++)
		if (devices->disks[i].lacks_space)
			virtio_blk_retry(devices->disks[i].device);
	if (devices_lack_space(devices))
		devices_await_space(devices);
}

void
devices_handle_retry(void *context)
{
	devices_retry_space(context);
}

void
devices_handle_space(void *context, bool lacks)
{
	struct devices_disk *disk = context;
	const struct platform *platform = disk->devices->platform;

	disk->lacks_space = lacks;
	platform->ops->report(platform->context, PLATFORM_EVENT_SPACE);
}

void
devices_handle_port(void *context, size_t port, bool open)
{
	struct devices *devices = context;
	const char *name = devices->description->ports[port].name;

	for (size_t i = 0; i < sizeof(watched_ports) / sizeof(watched_ports[0]); i++)
		if (devices->watcher && strcmp(watched_ports[i].name, name) == 0)
			devices->watcher(devices->watcher_context,
					 &(struct vmm_event){ .kind = watched_ports[i].kind,
							      .value = open });
}

int
devices_new(struct platform *platform, const struct description *description,
	    struct devices **ret_devices)
{
	struct devices *devices = calloc(1, sizeof(*devices));
	int error;

	if (!devices)
		return -ENOMEM;
	devices->platform = platform;
	devices->description = description;
	error = devices_make(devices);
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

	smbios_make_uuid(devices->description->name, smbios.uuid);
	return error < 0 ? error : smbios_write_tables(memory, &smbios);
}

struct seat *
devices_get_seat(struct devices *devices)
{
	return devices->seat;
}

int
devices_set_balloon(struct devices *devices, uint64_t target_bytes)
{
	return virtio_balloon_set_target(devices->balloon, target_bytes);
}

/*
 * Of a descriptor that came later than the description, by the same rules (vmm/description_fds.c).
 */
static int
devices_check_fd(const struct devices *devices, const char *whose, int fd, enum fd_kind kind)
{
	int error = fd < 0 ? 0 : fd_kind_check(fd, kind);

	if (error < 0)
		log_error("machine '%s': descriptor %d, for the %s, must be %s; it is not used",
			  devices->description->name, fd, whose, fd_kind_text(kind));
	return error;
}

int
devices_set_link(struct devices *devices, bool up, int fd)
{
	bool is_tap = devices->description->net == DESCRIPTION_NET_TAP;
	int error = devices->net ? devices_check_fd(devices, "network", fd,
						    is_tap ? FD_KIND_DEVICE : FD_KIND_STREAM)
				 : -EOPNOTSUPP;

	if (error == 0)
		return virtio_net_set_link(devices->net, up, fd);
	if (fd >= 0)
		close(fd);
	return error;
}

static bool
devices_is_memory(const struct devices *devices, int fd)
{
	return fd_is_same_file(devices->description->memory_fd, fd);
}

bool
devices_use_file(const struct devices *devices, int fd)
{
	bool is_used = devices_is_memory(devices, fd);

	for (size_t i = 0; i < DESCRIPTION_MAX_DISKS; i++) {
		const struct virtio_device *disk = devices->disks[i].device;

		is_used =
			is_used ||
			(disk && (virtio_blk_is_over(disk, fd) || virtio_blk_is_kept_in(disk, fd)));
	}
	return is_used;
}

static int
devices_check_disk_file(const struct devices_disk *disk, const char *name, int fd, bool writes)
{
	const struct devices *devices = disk->devices;
	const char *use = NULL;
	int error = -EINVAL;

	if (fd < 0)
		return 0;
	if (devices_is_memory(devices, fd))
		use = "the guest's memory";
	for (size_t i = 0; !use && i < DESCRIPTION_MAX_DISKS; i++) {
		const struct virtio_device *other = devices->disks[i].device;

		if (&devices->disks[i] == disk || !other)
			continue;
		if (writes && virtio_blk_is_over(other, fd))
			use = "the base of another disk of this machine";
		if (virtio_blk_is_kept_in(other, fd)) {
			use = "what another disk of this machine is kept in";
			error = -EAGAIN;
		}
	}
	if (!use)
		return 0;
	log_error("disk '%s': the file that is to be its %s is %s", name,
		  writes ? "overlay or image" : "base", use);
	return error;
}

int
devices_check_disk_files(const struct devices_disk *disk, const char *name, int base_fd,
			 int overlay_fd)
{
	int error = devices_check_disk_file(disk, name, base_fd, false);

	return error < 0 ? error : devices_check_disk_file(disk, name, overlay_fd, true);
}

int
devices_attach_home(struct devices *devices, int base_fd, int overlay_fd)
{
	const struct devices_disk *disk = &devices->disks[DESCRIPTION_SLOT_HOME];
	int error;

	if (!disk->device)
		return -ENODEV;
	error = devices_check_fd(devices, "home's base", base_fd, FD_KIND_READ_FILE);
	if (error == 0)
		error = devices_check_fd(devices, "home", overlay_fd, FD_KIND_WRITE_FILE);
	if (error == 0)
		error = devices_check_disk_files(disk, "home", base_fd, overlay_fd);
	return error < 0 ? error : virtio_blk_attach(disk->device, base_fd, overlay_fd);
}

int
devices_detach_home(struct devices *devices)
{
	struct virtio_device *home = devices->disks[DESCRIPTION_SLOT_HOME].device;

	return home ? virtio_blk_detach(home) : -ENODEV;
}

bool
devices_has_home(const struct devices *devices)
{
	const struct virtio_device *home = devices->disks[DESCRIPTION_SLOT_HOME].device;

	return home && virtio_blk_has_medium(home);
}

bool
devices_has_link(const struct devices *devices)
{
	return devices->net && virtio_net_has_link(devices->net);
}

void
devices_set_watcher(struct devices *devices, devices_watcher watcher, void *context)
{
	devices->watcher = watcher;
	devices->watcher_context = context;
}

bool
devices_is_port_open(const struct devices *devices, enum vmm_event_kind kind)
{
	const struct description *description = devices->description;

	for (size_t i = 0; i < sizeof(watched_ports) / sizeof(watched_ports[0]); i++)
		for (size_t j = 0; j < description->n_ports; j++)
			if (watched_ports[i].kind == kind &&
			    strcmp(watched_ports[i].name, description->ports[j].name) == 0)
				return virtio_console_is_open(devices->console, j);
	return false;
}

void
devices_reset(struct devices *devices)
{
	pci_root_reset(devices->root);
	acpi_pm_reset(devices->pm);
	rtc_reset(devices->rtc);
	if (devices->serial)
		serial_reset(devices->serial);
	if (devices->vmgenid)
		vmgenid_reset(devices->vmgenid);
}

int
devices_prepare(struct devices *devices)
{
	devices_reset(devices);
	return devices_write_tables(devices);
}

bool
devices_are_idle(const struct devices *devices)
{
	for (size_t i = 0; i < DESCRIPTION_MAX_DISKS; i++)
		if (devices->disks[i].device && !virtio_blk_is_idle(devices->disks[i].device))
			return false;
	return true;
}

void
devices_rest(struct devices *devices)
{
	for (size_t i = 0; i < DESCRIPTION_MAX_DISKS; i++)
		if (devices->disks[i].device)
			virtio_blk_rest(devices->disks[i].device);
}

void
devices_drain(struct devices *devices)
{
	for (size_t i = 0; i < DESCRIPTION_MAX_DISKS; i++)
		if (devices->disks[i].device)
			virtio_blk_drain(devices->disks[i].device);
}

void
devices_pause(struct devices *devices)
{
	devices->platform->paused = true;
	acpi_pm_pause(devices->pm);
	loop_timer_set(devices->retry_timer, 0);
	if (devices->hda)
		hda_pause(devices->hda);
	devices_drain(devices);
}

void
devices_resume(struct devices *devices)
{
	devices->platform->paused = false;
	acpi_pm_resume(devices->pm);
	if (devices->hda)
		hda_resume(devices->hda);
	pci_root_resume(devices->root);
}

int
devices_finish(struct devices *devices)
{
	int result = 0;

	for (size_t i = 0; i < DESCRIPTION_MAX_DISKS; i++) {
		struct virtio_device *disk = devices->disks[i].device;
		int error = disk ? virtio_blk_finish(disk) : 0;

		if (error < 0)
			result = error;
	}
	return result;
}

void
devices_press_power_button(struct devices *devices)
{
	acpi_pm_press_power_button(devices->pm);
}

void
devices_get_statistics(const struct devices *devices, struct vmm_statistics *statistics)
{
	struct virtio_balloon_statistics balloon;

	virtio_balloon_get_statistics(devices->balloon, &balloon);
	statistics->balloon_bytes += balloon.balloon_bytes;
	statistics->reported_bytes += balloon.reported_bytes;
	statistics->guest_free_bytes += balloon.guest_free_bytes;
	statistics->guest_total_bytes += balloon.guest_total_bytes;
	for (size_t i = 0; i < DESCRIPTION_MAX_DISKS; i++) {
		struct virtio_blk_statistics disk;

		if (!devices->disks[i].device)
			continue;
		virtio_blk_get_statistics(devices->disks[i].device, &disk);
		statistics->disk_read_bytes += disk.read_bytes;
		statistics->disk_written_bytes += disk.written_bytes;
	}
	if (devices->net) {
		struct virtio_net_statistics net;

		virtio_net_get_statistics(devices->net, &net);
		statistics->net_received_bytes += net.received_bytes;
		statistics->net_sent_bytes += net.sent_bytes;
	}
}
