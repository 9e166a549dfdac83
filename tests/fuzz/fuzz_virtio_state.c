/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_virtio_state.c - the PCI root with every virtio device is loaded from a file that somebody has forged
 *
 * How it works: a machine whose drivers have used each device is saved once. An input is a list of edits of that file
 * (state_forger.h). What is refused must name a section and leave a machine that can be loaded. What is not refused must
 * run, and can be saved and loaded again: nothing that this program accepts may it refuse from itself.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/virtio_balloon.h>
#include <linux/virtio_console.h>
#include <linux/virtio_gpu.h>

#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/state_forger.h"
#include "tests/unit/disk_stage.h"
#include "tests/unit/seat_stage.h"
#include "tests/unit/state_edit.h"
#include "tests/unit/state_twin.h"
#include "vmm/loop.h"
#include "vmm/net_stream.h"
#include "vmm/pci.h"
#include "vmm/slots.h"
#include "vmm/virtio.h"
#include "vmm/virtio_balloon.h"
#include "vmm/virtio_blk.h"
#include "vmm/virtio_console.h"
#include "vmm/virtio_net.h"
#include "vmm/virtio_rng.h"

#define DISK_BYTES    (1 << 20)
#define MAX_STEPS     4096
#define N_CHAINS      4 /* a queue */
#define CHAIN_BYTES   64
#define CONTROL_OUT   3 /* queues */
#define STATISTICS    2
#define EVENT_QUEUE   0
#define PICTURE	      1
#define PICTURE_SIDE  64
#define PICTURE_PAGES 4
#define QNUM_A	      0x1e

/* Only added to: inputs name them by number. */
static const char *const sections[] = {
	"pci",
	"pci 00",
	"pci 01",
	"pci 02",
	"pci 03",
	"pci 05",
	"pci 06",
	"pci 07",
	"pci 08",
	"pci 09",
	"virtio 01",
	"virtio 02",
	"virtio 03",
	"virtio 05",
	"virtio 06",
	"virtio 07",
	"virtio 08",
	"virtio 09",
	"virtio-gpu 01",
	"virtio-net 02",
	"virtio-blk 03",
	"virtio-console 05",
	"virtio-input 06",
	"virtio-input 07",
	"virtio-balloon 09",
};

#define N_SECTIONS (sizeof(sections) / sizeof(sections[0]))

static const uint32_t slots[] = { SLOT_NET, SLOT_DISK, SLOT_CONSOLE, SLOT_RNG, SLOT_BALLOON };

#define N_SLOTS (sizeof(slots) / sizeof(slots[0]))

struct machine {
	struct seat_stage *seat; /* NULL: not made yet */
	struct virtio_device *disk;
	struct virtio_driver drivers[N_SLOTS];
	int fd; /* what is edited */
	uint64_t used_bytes;
	uint8_t *memory; /* that was used when it was saved */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
insist(bool holds)
{
	if (!holds)
		abort();
}

static void
handle_opened(void *context, size_t port, bool open)
{
	(void)context;
	(void)port;
	(void)open;
}

static void
handle_space(void *context, bool lacks)
{
	(void)context;
	(void)lacks;
}

static void
machine_plug(struct machine *machine, uint32_t slot, uint32_t class_code,
	     struct virtio_device *device)
{
	insist(virtio_pci_new(machine->seat->root, slot, class_code, device) == 0);
}

static void
machine_make_net_and_disk(struct machine *machine)
{
	struct platform *platform = &machine->seat->fake->platform;
	const struct virtio_net_options net = {
		.name = "net", .kind = &net_stream_kind, .mac = { 2, 0, 0, 0, 0, 1 }, .fd = -1
	};
	const struct virtio_blk_options disk = {
		.name = "disk",
		.serial = "1",
		.base_fd = disk_stage_make_file(DISK_BYTES, 3),
		.overlay_fd = disk_stage_make_file(0, 0),
		.n_queues = 2,
		.lacks_space = handle_space,
	};
	struct virtio_device *device;

	insist(virtio_net_new(platform, &net, &device) == 0);
	machine_plug(machine, SLOT_NET, VIRTIO_NET_CLASS_CODE, device);
	insist(virtio_blk_new(platform, &disk, &machine->disk) == 0);
	machine_plug(machine, SLOT_DISK, VIRTIO_BLK_CLASS_CODE, machine->disk);
}

static void
machine_make_others(struct machine *machine)
{
	struct platform *platform = &machine->seat->fake->platform;
	const struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct virtio_console_port_options port = { "port", 0 };
	const struct virtio_console_options console = { &port, 1, getuid(), handle_opened, NULL };
	struct virtio_device *device;

	port.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	insist(bind(port.listen_fd, (const struct sockaddr *)&address, sizeof(sa_family_t)) == 0);
	insist(listen(port.listen_fd, 1) == 0);
	insist(virtio_console_new(platform, &console, &device) == 0);
	machine_plug(machine, SLOT_CONSOLE, VIRTIO_CONSOLE_CLASS_CODE, device);
	insist(virtio_rng_new(platform, &device) == 0);
	machine_plug(machine, SLOT_RNG, VIRTIO_RNG_CLASS_CODE, device);
	insist(virtio_balloon_new(platform, &device) == 0);
	machine_plug(machine, SLOT_BALLOON, VIRTIO_BALLOON_CLASS_CODE, device);
}

static void
machine_start_driver(struct virtio_driver *driver, struct fake_platform *fake, uint32_t slot)
{
	virtio_driver_close(driver);
	insist(virtio_driver_open(driver, fake, slot) == 0);
	insist(virtio_driver_start(driver, VIRTIO_DRIVER_ALL_FEATURES) == 0);
}

/* Chains that nothing has rung for, so they wait in the state. */
static void
machine_fill(struct machine *machine, struct virtio_driver *driver)
{
	for (uint32_t i = 0; i < driver->n_queues * N_CHAINS; i++) {
		struct driver_ring *ring = driver->rings[i / N_CHAINS];
		uint64_t gpa = fake_platform_alloc(machine->seat->fake, 2 * CHAIN_BYTES, 16);
		const struct driver_buffer buffers[] = { { gpa, CHAIN_BYTES, false },
							 { gpa + CHAIN_BYTES, CHAIN_BYTES, true } };

		if (ring)
			driver_ring_add(ring, buffers, 2);
	}
}

static void
machine_drive_ports(struct virtio_driver *driver)
{
	static const struct virtio_console_control messages[] = {
		{ VIRTIO_CONSOLE_BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1 },
		{ 1, VIRTIO_CONSOLE_PORT_READY, 1 },
		{ 1, VIRTIO_CONSOLE_PORT_OPEN, 1 },
	};
	uint64_t gpa = fake_platform_alloc(driver->fake, CHAIN_BYTES, 16);
	const struct driver_buffer buffer = { gpa, CHAIN_BYTES, true };

	/* one buffer: the port is added, its name is still to be told */
	driver_ring_add(driver->rings[CONTROL_OUT - 1], &buffer, 1);
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
		insist(virtio_driver_transfer(driver, CONTROL_OUT, &messages[i],
					      sizeof(messages[i]), NULL, 0) == 0);
}

static void
machine_drive_seat(struct seat_stage *seat)
{
	const struct source_key key = { QNUM_A, 1 };
	uint64_t gpas[PICTURE_PAGES];

	machine_start_driver(&seat->gpu, seat->fake, SLOT_GPU);
	machine_start_driver(&seat->keyboard, seat->fake, SLOT_KEYBOARD);
	machine_start_driver(&seat->tablet, seat->fake, SLOT_TABLET);
	seat_stage_create(seat, PICTURE, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, PICTURE_SIDE,
			  PICTURE_SIDE);
	seat_stage_attach(seat, PICTURE, PICTURE_PAGES, gpas);
	seat_stage_set_scanout(seat, 0, PICTURE, 0, 0, PICTURE_SIDE, PICTURE_SIDE);
	seat_stage_watch(seat, true);
	display_peer_send(seat->peer, SOURCE_KEY, &key, sizeof(key));
	seat_stage_settle(seat);
	seat_stage_unwatch(seat);
}

static void
machine_drive(struct machine *machine)
{
	uint8_t bytes[CHAIN_BYTES] = { 0 };

	for (size_t i = 0; i < N_SLOTS; i++) {
		struct virtio_driver *driver = &machine->drivers[i];

		machine_start_driver(driver, machine->seat->fake, slots[i]);
		if (slots[i] == SLOT_CONSOLE)
			machine_drive_ports(driver);
		else if (slots[i] == SLOT_RNG)
			virtio_driver_transfer(driver, 0, NULL, 0, bytes, sizeof(bytes));
		else if (slots[i] == SLOT_BALLOON) {
			const struct driver_buffer buffer = {
				fake_platform_alloc(machine->seat->fake, CHAIN_BYTES, 16),
				CHAIN_BYTES, false
			};

			driver_ring_add(driver->rings[STATISTICS], &buffer, 1);
			virtio_driver_kick(driver, STATISTICS);
		}
		machine_fill(machine, driver);
	}
	machine_drive_seat(machine->seat);
}

static void
machine_init(struct machine *machine)
{
	struct fake_platform *fake;

	machine->seat = seat_stage_new();
	fake = machine->seat->fake;
	machine_make_net_and_disk(machine);
	machine_make_others(machine);
	pci_root_reset(machine->seat->root);
	machine_drive(machine);
	machine->fd = state_twin_save(fake, machine->seat->root);
	insist(machine->fd >= 0);
	machine->used_bytes = fake->next_gpa;
	machine->memory = malloc(machine->used_bytes);
	insist(machine->memory != NULL);
	memcpy(machine->memory, fake_platform_map(fake, 0, machine->used_bytes),
	       machine->used_bytes);
	for (size_t i = 0; i < N_SECTIONS; i++)
		state_edit_measure(machine->fd, sections[i]); /* it is there */
}

static void
machine_step(struct machine *machine)
{
	for (int i = 0; i < MAX_STEPS; i++)
		if (loop_step(machine->seat->fake->platform.loop, 0) <= 0)
			return;
}

/* It goes on, and is saved and loaded again. */
static void
machine_run(struct machine *machine)
{
	struct fake_platform *fake = machine->seat->fake;
	struct pci_root *root = machine->seat->root;
	const char *problem;
	int fd;

	fake->platform.paused = false;
	pci_root_resume(root);
	machine_step(machine);
	fake->platform.paused = true;
	virtio_blk_drain(machine->disk);
	fd = state_twin_save(fake, root);
	insist(fd >= 0);
	insist(state_twin_load(fake, root, fd, &problem) == 0);
	close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct machine machine;
	struct fuzz_input input = { .next = data, .left = size };
	const char *problem;
	int fd, error;

	if (!machine.seat)
		machine_init(&machine);
	fd = state_edit_copy(machine.fd);
	state_forger_edit(fd, sections, N_SECTIONS, &input);
	memcpy(fake_platform_map(machine.seat->fake, 0, machine.used_bytes), machine.memory,
	       machine.used_bytes);
	error = state_twin_load(machine.seat->fake, machine.seat->root, fd, &problem);
	close(fd);
	if (error == 0)
		machine_run(&machine);
	else
		insist(strncmp(problem, "section '", 9) == 0);
	pci_root_reset(machine.seat->root);
	machine.seat->fake->platform.paused = false;
	machine_step(&machine);
	return 0;
}
