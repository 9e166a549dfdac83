/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * devices.c - the devices of a machine: made, reset, paused and taken apart together (carrel-vmm)
 *
 * How it works: make_list is all devices in the order in which they are made. Those on PCI belong to the root, which
 * resets and frees them; the others have a line of their own in devices_prepare() and devices_free().
 */
#include "vmm/devices.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/proto_vmm.h"
#include "vmm/acpi.h"
#include "vmm/acpi_pm.h"
#include "vmm/description.h"
#include "vmm/fd_kind.h"
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
#include "vmm/smbios.h"
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
	struct virtio_device *console;			  /* NULL: no ports */
	struct virtio_device *net;			  /* NULL: none */
	struct virtio_device *balloon;
	devices_watcher watcher;
	void *watcher_context;
};

/* The ports that the host is told of when the guest opens them */
static const struct {
	const char *name;
	enum vmm_event_kind kind;
} watched_ports[] = {
	{ "org.carrel.agent.0", VMM_EVENT_AGENT_PORT },
	{ "com.redhat.spice.0", VMM_EVENT_VDAGENT_PORT },
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

/* How the machine waits for room on the host: it stands (vmm/machine.c), and the disks try again from time to time. */

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

static void
devices_handle_retry(void *context)
{
	devices_retry_space(context);
}

static void
devices_handle_space(void *context, bool lacks)
{
	struct devices_disk *disk = context;
	const struct platform *platform = disk->devices->platform;

	disk->lacks_space = lacks;
	platform->ops->report(platform->context, PLATFORM_EVENT_SPACE);
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

static void
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
		if (error < 0 && (!make_list[i].says_why || error == -ENOMEM))
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

/* Of a descriptor that came later than the description, by the same rules (vmm/description_fds.c). */
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

int
devices_attach_home(struct devices *devices, int base_fd, int overlay_fd)
{
	struct virtio_device *home = devices->disks[DESCRIPTION_SLOT_HOME].device;
	int error = devices_check_fd(devices, "home's base", base_fd, FD_KIND_READ_FILE);

	if (error == 0)
		error = devices_check_fd(devices, "home", overlay_fd, FD_KIND_WRITE_FILE);
	if (!home)
		return -ENODEV;
	return error < 0 ? error : virtio_blk_attach(home, base_fd, overlay_fd);
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
	devices->platform->paused = true;
	acpi_pm_pause(devices->pm);
	loop_timer_set(devices->retry_timer, 0);
	if (devices->hda)
		hda_pause(devices->hda);
	for (size_t i = 0; i < DESCRIPTION_MAX_DISKS; i++)
		if (devices->disks[i].device)
			virtio_blk_drain(devices->disks[i].device);
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
