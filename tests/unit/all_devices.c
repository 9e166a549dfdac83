/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * all_devices.c - a machine with all devices that there are, and their drivers, which are the test
 *
 * How it works: the drivers are those of the tests of single devices. They take a fake platform, so that is what they get: one
 * whose buses, memory and loop are the machine's.
 */
#include "tests/unit/all_devices.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <endian.h>
#include <string.h>
#include <unistd.h>

#include <linux/input-event-codes.h>
#include <linux/pci_regs.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_console.h>
#include <linux/virtio_gpu.h>
#include <linux/virtio_input.h>

#include "tests/unit/disk_stage.h"
#include "tests/unit/display_peer.h"
#include "tests/unit/fake_platform.h"
#include "tests/unit/seat_stage.h"
#include "tests/unit/virtio_driver.h"
#include "vmm/description.h"
#include "vmm/devices.h"
#include "vmm/hda_layout.h"
#include "vmm/machine.h"
#include "vmm/pci.h"
#include "vmm/slots.h"

#define FREE_GPA      (UINT64_C(8) << 20) /* behind the guest and what it counts in */
#define DISK_BYTES    (UINT64_C(1) << 20)
#define SECTOR_BYTES  512
#define FRAME_BYTES   72 /* with its header */
#define NET_SEND      1	 /* queues */
#define CONSOLE_IN    2
#define CONSOLE_OUT   3
#define INPUT_STATUS  1
#define MESSAGE_BYTES 64
#define RANDOM_BYTES  64
#define BALLOON_PAGES 7
#define BALLOON_BYTES (UINT64_C(1) << 20)
#define PICTURE	      1
#define PICTURE_SIDE  64
#define PICTURE_PAGES 4 /* of 64 * 64 pixels */
#define SOUND_CONFIG  (PCI_ECAM_BASE + (SLOT_SOUND << 15))
#define PLAYED_STREAM (HDA_STREAM + HDA_STREAM_BYTES)
#define PLAYED_BYTES  4096

static int
all_devices_listen(void)
{
	int fd = display_peer_listen();

	assert_true(fd >= 0);
	return fd;
}

static void
all_devices_describe_disks(struct description *description)
{
	int base_fd = disk_stage_make_file(DISK_BYTES, 1);

	description->n_disks = 2;
	description->disks[0] = (struct description_disk){
		DESCRIPTION_SLOT_DISK,
		"root",
		disk_stage_reopen_read_only(base_fd),
		disk_stage_make_file(0, 0),
	};
	description->disks[1] = (struct description_disk){ DESCRIPTION_SLOT_HOME, "home", -1, -1 };
	assert_true(description->disks[0].base_fd >= 0 && description->disks[0].overlay_fd >= 0);
	close(base_fd);
}

void
all_devices_describe(struct description *description)
{
	static const uint8_t mac[] = { 0x52, 0x54, 0, 0, 0, 1 };

	all_devices_describe_disks(description);
	description->has_genid = true;
	description->serial = true;
	description->display_fd = all_devices_listen();
	description->scanouts = 2;
	description->width = 1024;
	description->height = 768;
	description->net = DESCRIPTION_NET_STREAM;
	memcpy(description->mac, mac, sizeof(description->mac));
	description->n_ports = 2;
	description->ports[0] =
		(struct description_port){ "org.carrel.agent.0", all_devices_listen() };
	description->ports[1] =
		(struct description_port){ "com.redhat.spice.0", all_devices_listen() };
	description->sound = true;
}

void
all_devices_close(const struct description *description)
{
	for (size_t i = 0; i < description->n_ports; i++)
		close(description->ports[i].listen_fd);
	close(description->disks[0].base_fd);
	close(description->disks[0].overlay_fd);
}

static void
all_devices_drive_screen(struct virtio_driver *driver)
{
	struct seat_stage seat = { .fake = driver->fake, .gpu = *driver };
	uint64_t gpas[PICTURE_PAGES];

	assert_int_equal(seat_stage_create(&seat, PICTURE, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM,
					   PICTURE_SIDE, PICTURE_SIDE),
			 VIRTIO_GPU_RESP_OK_NODATA);
	assert_int_equal(seat_stage_attach(&seat, PICTURE, PICTURE_PAGES, gpas),
			 VIRTIO_GPU_RESP_OK_NODATA);
	assert_int_equal(
		seat_stage_set_scanout(&seat, 0, PICTURE, 0, 0, PICTURE_SIDE, PICTURE_SIDE),
		VIRTIO_GPU_RESP_OK_NODATA);
}

/* A frame, which is dropped: the link is down. */
static void
all_devices_drive_net(struct virtio_driver *driver)
{
	const uint8_t frame[FRAME_BYTES] = { 0 };

	assert_int_equal(virtio_driver_transfer(driver, NET_SEND, frame, sizeof(frame), NULL, 0),
			 0);
}

static void
all_devices_drive_disk(struct virtio_driver *driver)
{
	struct {
		struct virtio_blk_outhdr head;
		uint8_t sector[SECTOR_BYTES];
	} request = { .head = { .type = htole32(VIRTIO_BLK_T_OUT), .sector = htole64(3) } };
	uint8_t status = VIRTIO_BLK_S_IOERR;

	assert_int_equal(virtio_driver_transfer(driver, 0, &request, sizeof(request), &status, 1),
			 1);
	assert_int_equal(status, VIRTIO_BLK_S_OK);
	virtio_driver_set_config(driver, offsetof(struct virtio_blk_config, wce), 1, 0);
}

/* There is room for one message to the driver: the first port is added, the second is still to be. */
static void
all_devices_drive_ports(struct virtio_driver *driver)
{
	static const struct virtio_console_control messages[] = {
		{ VIRTIO_CONSOLE_BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1 },
		{ 1, VIRTIO_CONSOLE_PORT_READY, 1 },
		{ 1, VIRTIO_CONSOLE_PORT_OPEN, 1 },
	};
	const struct driver_buffer room = { fake_platform_alloc(driver->fake, MESSAGE_BYTES, 16),
					    MESSAGE_BYTES, true };

	assert_true(driver_ring_add(driver->rings[CONSOLE_IN], &room, 1) >= 0);
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
		assert_int_equal(virtio_driver_transfer(driver, CONSOLE_OUT, &messages[i],
							sizeof(messages[i]), NULL, 0),
				 0);
}

static void
all_devices_drive_keyboard(struct virtio_driver *driver)
{
	const struct virtio_input_event light = { .type = htole16(EV_LED),
						  .code = htole16(LED_CAPSL),
						  .value = htole32(1) };

	assert_int_equal(
		virtio_driver_transfer(driver, INPUT_STATUS, &light, sizeof(light), NULL, 0), 0);
}

static void
all_devices_drive_tablet(struct virtio_driver *driver)
{
	virtio_driver_set_config(driver, offsetof(struct virtio_input_config, select), 1,
				 VIRTIO_INPUT_CFG_ABS_INFO);
}

static void
all_devices_drive_random(struct virtio_driver *driver)
{
	uint8_t bytes[RANDOM_BYTES];

	assert_int_equal(virtio_driver_transfer(driver, 0, NULL, 0, bytes, sizeof(bytes)),
			 sizeof(bytes));
}

static void
all_devices_drive_balloon(struct virtio_driver *driver)
{
	virtio_driver_set_config(driver, offsetof(struct virtio_balloon_config, actual), 4,
				 BALLOON_PAGES);
}

static const struct {
	uint32_t slot;
	void (*drive)(struct virtio_driver *driver); /* NULL: it is only started */
} drive_list[] = {
	{ SLOT_GPU, all_devices_drive_screen },	     { SLOT_NET, all_devices_drive_net },
	{ SLOT_DISK, all_devices_drive_disk },	     { SLOT_HOME, NULL },
	{ SLOT_CONSOLE, all_devices_drive_ports },   { SLOT_KEYBOARD, all_devices_drive_keyboard },
	{ SLOT_TABLET, all_devices_drive_tablet },   { SLOT_RNG, all_devices_drive_random },
	{ SLOT_BALLOON, all_devices_drive_balloon },
};

/* What KVM was sent would be for a LAPIC that nobody has set up, and by its number an NMI or an INIT. */
static void
all_devices_mask_vectors(struct virtio_driver *driver)
{
	for (uint32_t i = 0; i < driver->n_vectors; i++)
		fake_platform_write(driver->fake,
				    driver->msix_table + (uint64_t)i * PCI_MSIX_ENTRY_SIZE +
					    PCI_MSIX_ENTRY_VECTOR_CTRL,
				    4, PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

/* It runs, and a stream has a length. */
static void
all_devices_drive_sound(struct fake_platform *guest)
{
	uint64_t bar;

	fake_platform_write(guest, SOUND_CONFIG + PCI_COMMAND, 2,
			    PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	bar = fake_platform_read(guest, SOUND_CONFIG + PCI_BASE_ADDRESS_0, 4);
	assert_true(bar != 0);
	fake_platform_write(guest, bar + HDA_GCTL, 4, HDA_GCTL_RUNS);
	fake_platform_write(guest, bar + PLAYED_STREAM + HDA_SD_CBL, 4, PLAYED_BYTES);
	assert_int_equal(fake_platform_read(guest, bar + PLAYED_STREAM + HDA_SD_CBL, 4),
			 PLAYED_BYTES);
}

void
all_devices_drive(struct machine *machine)
{
	struct fake_platform guest = { .platform = *machine_get_platform(machine),
				       .next_gpa = FREE_GPA };

	for (size_t i = 0; i < sizeof(drive_list) / sizeof(drive_list[0]); i++) {
		struct virtio_driver driver;

		assert_int_equal(virtio_driver_open(&driver, &guest, drive_list[i].slot), 0);
		all_devices_mask_vectors(&driver);
		assert_int_equal(virtio_driver_start(&driver, VIRTIO_DRIVER_ALL_FEATURES), 0);
		if (drive_list[i].drive)
			drive_list[i].drive(&driver);
		virtio_driver_close(&driver);
	}
	all_devices_drive_sound(&guest);
	assert_int_equal(devices_set_balloon(machine_get_devices(machine), BALLOON_BYTES), 0);
}
