/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_devices_state.c - all devices of a machine are saved, and go on as another machine's
 *
 * What each device keeps is in its own test; here it is the list, what machine it is, and the order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/serial_reg.h>

#include "tests/unit/disk_stage.h"
#include "tests/unit/display_peer.h"
#include "tests/unit/fake_platform.h"
#include "tests/unit/state_edit.h"
#include "tests/unit/state_round.h"
#include "vmm/acpi_pm.h"
#include "vmm/description.h"
#include "vmm/devices.h"
#include "vmm/disk_io.h"
#include "vmm/loop.h"
#include "vmm/memory_map.h"
#include "vmm/pci.h"
#include "vmm/rtc.h"
#include "vmm/rtc_time.h"
#include "vmm/serial.h"
#include "vmm/slots.h"
#include "vmm/state_file.h"
#include "vmm/virtio_blk.h"

#define TEST_SCI	9
#define TEST_S		UINT64_C(1000000000)
#define TEST_NOW_S	UINT64_C(1795305590) /* 2026 */
#define TEST_DISK_BYTES (UINT64_C(1) << 20)
#define TEST_PORTS	2
#define TEST_SOUND	(PCI_ECAM_BASE + (SLOT_SOUND << 15))
#define TEST_RNG	(PCI_ECAM_BASE + (SLOT_RNG << 15))

static int test_busy_disk; /* of those that are asked from now on, from 1; this one counts down */

bool __wrap_disk_io_is_idle(const struct disk_io *io);

bool
__wrap_disk_io_is_idle(const struct disk_io *io)
{
	(void)io;
	return --test_busy_disk != 0;
}

uint64_t __wrap_loop_now_ns(void);
uint64_t __wrap_rtc_time_now_ns(void);
int __real_virtio_blk_sync(struct virtio_device *device);
int __wrap_virtio_blk_sync(struct virtio_device *device);

/* The linker's functions have no context. */
static uint64_t test_now_ns;
static int test_sync_error;

uint64_t
__wrap_loop_now_ns(void)
{
	return test_now_ns;
}

uint64_t
__wrap_rtc_time_now_ns(void)
{
	return TEST_NOW_S * TEST_S + test_now_ns;
}

int
__wrap_virtio_blk_sync(struct virtio_device *device)
{
	return test_sync_error < 0 ? test_sync_error : __real_virtio_blk_sync(device);
}

struct test_machine {
	struct fake_platform *fake;
	struct description description;
	struct devices *devices;
};

static void
test_devices_save(void *context, struct state_writer *writer)
{
	devices_save(context, writer);
}

static int
test_devices_load(void *context, struct state_reader *reader)
{
	return devices_load(context, reader);
}

static const struct state_round test_round = { "devices", test_devices_save, test_devices_load };

/* All that a machine can have, but for what comes later. */
static struct description
test_describe(void)
{
	struct description description = {
		.name = "test",
		.machine = "carrel-1",
		.cpus = 2,
		.ram_bytes = FAKE_PLATFORM_RAM_BYTES,
		.has_genid = true,
		.genid = "the template's.",
		.control_uid = getuid(),
		.scanouts = 2,
		.width = 1024,
		.height = 768,
		.serial = true,
		.n_disks = 2,
		.disks = { { DESCRIPTION_SLOT_DISK, "root", -1, -1 },
			   { DESCRIPTION_SLOT_HOME, "home", -1, -1 } },
		.net = DESCRIPTION_NET_STREAM,
		.mac = { 0x52, 0x54, 0, 0, 0, 1 },
		.net_fd = -1,
		.n_ports = TEST_PORTS,
		.ports = { { "org.carrel.agent.0", -1 }, { "com.redhat.spice.0", -1 } },
		.sound = true,
	};

	return description;
}

/* The files are made here: "description" is what is asked for. */
static struct test_machine *
test_open(const struct description *description, uint64_t disk_bytes)
{
	struct test_machine *machine = calloc(1, sizeof(*machine));
	struct description *own;

	assert_non_null(machine);
	assert_int_equal(fake_platform_new(FAKE_PLATFORM_RAM_BYTES, &machine->fake), 0);
	own = &machine->description;
	*own = *description;
	own->memory_fd = machine->fake->memory_fd;
	own->display_fd = own->scanouts > 0 ? display_peer_listen() : -1;
	for (size_t i = 0; i < own->n_ports; i++)
		own->ports[i].listen_fd = display_peer_listen();
	if (own->n_disks > 0)
		own->disks[0].base_fd = disk_stage_make_file(disk_bytes, 1);
	assert_int_equal(devices_new(&machine->fake->platform, own, &machine->devices), 0);
	return machine;
}

static void
test_close(struct test_machine *machine)
{
	struct description *own = &machine->description;

	devices_free(machine->devices);
	fake_platform_free(machine->fake);
	if (own->display_fd >= 0)
		close(own->display_fd);
	for (size_t i = 0; i < own->n_ports; i++)
		close(own->ports[i].listen_fd);
	if (own->n_disks > 0)
		close(own->disks[0].base_fd);
	free(machine);
}

static int
test_set_up(void **state)
{
	const struct description description = test_describe();
	struct test_machine *machine;

	test_now_ns = 1000 * TEST_S;
	test_sync_error = 0;
	machine = test_open(&description, TEST_DISK_BYTES);
	assert_int_equal(devices_prepare(machine->devices), 0);
	devices_resume(machine->devices);
	*state = machine;
	return 0;
}

static int
test_tear_down(void **state)
{
	test_close(*state);
	return 0;
}

/* Something of each that stands in the list. */
static void
test_program(struct fake_platform *fake, struct devices *devices)
{
	fake_platform_out(fake, ACPI_PM_EVENT_PORT + 2, 2, 0x0100);
	fake_platform_out(fake, ACPI_PM_GPE_PORT + 1, 1, 1 << ACPI_PM_GPE_GENID);
	devices_press_power_button(devices);
	fake_platform_out(fake, RTC_PORT, 1, 0x40);
	fake_platform_out(fake, RTC_PORT + 1, 1, 0xa5);
	fake_platform_out(fake, SERIAL_PORT + UART_SCR, 1, 0x5a);
	fake_platform_write(fake, TEST_SOUND + PCI_COMMAND, 2,
			    PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	fake_platform_write(fake, TEST_RNG + PCI_INTERRUPT_LINE, 1, 0x77);
}

static void
test_expect_program(struct fake_platform *fake)
{
	assert_int_equal(fake_platform_in(fake, ACPI_PM_EVENT_PORT, 4), 0x01000100);
	assert_int_equal(fake_platform_in(fake, ACPI_PM_GPE_PORT + 1, 1), 1 << ACPI_PM_GPE_GENID);
	assert_true(fake->irq_level[TEST_SCI]);
	assert_int_equal(fake_platform_in(fake, RTC_PORT + 1, 1), 0xa5);
	assert_int_equal(fake_platform_in(fake, SERIAL_PORT + UART_SCR, 1), 0x5a);
	assert_int_equal(fake_platform_read(fake, TEST_SOUND + PCI_COMMAND, 2),
			 PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_int_equal(fake_platform_read(fake, TEST_RNG + PCI_INTERRUPT_LINE, 1), 0x77);
}

static int
test_save(struct test_machine *machine)
{
	devices_pause(machine->devices);
	return state_round_save(&test_round, machine->devices);
}

/* Of the first MiB only the page of the VM generation id is the devices' to write. */
static void
test_expect_untouched(struct fake_platform *fake)
{
	const uint8_t *memory = fake_platform_map(fake, 0, FAKE_PLATFORM_RAM_BYTES);

	for (uint64_t i = 0; i < FAKE_PLATFORM_RAM_BYTES; i++)
		if (memory[i] != 0 && i / 4096 != MEMORY_MAP_GENID / 4096)
			fail_msg("there is something at 0x%llx", (unsigned long long)i);
}

static void
test_devices_state__fork_goes_on(void **state)
{
	struct test_machine *machine = *state, *fork;
	int fd;

	test_program(machine->fake, machine->devices);
	test_now_ns += 2 * TEST_S;
	fd = test_save(machine);
	fork = test_open(&machine->description, TEST_DISK_BYTES);
	state_round_load(&test_round, fork->devices, fd);
	test_expect_untouched(fork->fake);
	test_now_ns += TEST_S;
	assert_true(fork->fake->platform.paused);
	assert_int_equal(fake_platform_in(fork->fake, ACPI_PM_TIMER_PORT, 4), 2 * ACPI_PM_TIMER_HZ);
	test_expect_program(fork->fake);

	devices_resume(fork->devices);
	test_now_ns += TEST_S;
	assert_int_equal(fake_platform_in(fork->fake, ACPI_PM_TIMER_PORT, 4), 3 * ACPI_PM_TIMER_HZ);
	test_close(fork);
	close(fd);
}

/* As hostd keeps a desktop: loaded into a process that has run already. */
static void
test_devices_state__load_forgets_what_was(void **state)
{
	struct test_machine *machine = *state;
	int fd = test_save(machine);

	devices_resume(machine->devices);
	test_program(machine->fake, machine->devices);
	memset(fake_platform_map(machine->fake, MEMORY_MAP_GENID, 16), 0, 16);
	state_round_load(&test_round, machine->devices, fd);
	assert_memory_equal(fake_platform_map(machine->fake, MEMORY_MAP_GENID, 16),
			    machine->description.genid, 16);
	assert_int_equal(fake_platform_in(machine->fake, ACPI_PM_EVENT_PORT, 4), 0);
	assert_false(machine->fake->irq_level[TEST_SCI]);
	assert_int_equal(fake_platform_in(machine->fake, SERIAL_PORT + UART_SCR, 1), 0);
	close(fd);
}

static void
test_devices_state__another_identity_comes_last(void **state)
{
	struct test_machine *machine = *state, *fork;
	struct description description = machine->description;
	int fd;

	fake_platform_out(machine->fake, ACPI_PM_GPE_PORT + 1, 1, 1 << ACPI_PM_GPE_GENID);
	fd = test_save(machine);
	memcpy(description.genid, "one of the fork", 16);
	fork = test_open(&description, TEST_DISK_BYTES);
	state_round_load(&test_round, fork->devices, fd);
	assert_false(fork->fake->irq_level[TEST_SCI]);
	devices_change_identity(fork->devices);
	assert_true(fork->fake->irq_level[TEST_SCI]);
	assert_int_equal(fake_platform_in(fork->fake, ACPI_PM_GPE_PORT, 1), 1 << ACPI_PM_GPE_GENID);
	assert_memory_equal(fake_platform_map(fork->fake, MEMORY_MAP_GENID, 16), "one of the fork",
			    16);
	test_close(fork);
	close(fd);
}

/* Another machine, or none with this device. */
static void
test_without_serial(struct description *description)
{
	description->serial = false;
}

static void
test_without_genid(struct description *description)
{
	description->has_genid = false;
}

static void
test_without_net(struct description *description)
{
	description->net = DESCRIPTION_NET_NONE;
}

static void
test_without_home(struct description *description)
{
	description->n_disks = 1;
}

static void
test_without_disks(struct description *description)
{
	description->n_disks = 0;
}

static void
test_without_seat(struct description *description)
{
	description->scanouts = 0;
}

static void
test_without_sound(struct description *description)
{
	description->sound = false;
}

static void
test_without_ports(struct description *description)
{
	description->n_ports = 0;
}

static void
test_with_another_port(struct description *description)
{
	memcpy(description->ports[1].name, "other", sizeof("other"));
}

static void
test_with_swapped_ports(struct description *description)
{
	const struct description_port first = description->ports[0];

	description->ports[0] = description->ports[1];
	description->ports[1] = first;
}

static const struct {
	void (*change)(struct description *description);
	const char *problem;
} test_others[] = {
	{ test_without_serial, "serial=1, this machine has serial=0" },
	{ test_without_genid, "genid=1, this machine has genid=0" },
	{ test_without_net, "net=1, this machine has net=0" },
	{ test_without_home, "home=1, this machine has home=0" },
	{ test_without_disks, "disk=1, this machine has disk=0" },
	{ test_without_seat, "scanouts=2, this machine has scanouts=0" },
	{ test_without_sound, "sound=1, this machine has sound=0" },
	{ test_without_ports, "ports=2, this machine has ports=0" },
	{ test_with_another_port, "port 'com.redhat.spice.0', this machine has 'other'" },
	{ test_with_swapped_ports, "port 'org.carrel.agent.0', this machine has 'com.redhat" },
};

static void
test_refuse(struct test_machine *other, int fd, const char *problem)
{
	assert_int_equal(devices_prepare(other->devices), 0);
	assert_int_equal(state_round_refuse(&test_round, other->devices, fd, problem), -ENOTSUP);
	assert_false(other->fake->platform.paused); /* nothing was touched */
	test_close(other);
}

static void
test_devices_state__another_machines_is_refused(void **state)
{
	struct test_machine *machine = *state;
	struct description description = machine->description;
	int fd = test_save(machine);

	for (size_t i = 0; i < sizeof(test_others) / sizeof(test_others[0]); i++) {
		description = machine->description;
		test_others[i].change(&description);
		test_refuse(test_open(&description, TEST_DISK_BYTES), fd, test_others[i].problem);
	}
	test_refuse(test_open(&machine->description, 2 * TEST_DISK_BYTES), fd,
		    "disk_bytes=1048576, this machine has disk_bytes=2097152");
	close(fd);
}

/* The names are hostile, too: without an end, or with what no name has. */
static void
test_devices_state__forged_states_are_refused(void **state)
{
	static const struct state_forgery forgeries[] = {
		{ 0, 8, UINT64_MAX, "serial=18446744073709551615" },
		{ 9 * 8, 8, UINT64_MAX, "ports=18446744073709551615" },
		{ 10 * 8, 1, 0, "port ''" },
	};
	struct test_machine *machine = *state;
	char endless[DESCRIPTION_MAX_NAME + 1], problem[128];
	int fd = test_save(machine);

	devices_resume(machine->devices);
	state_round_refuse_all(&test_round, machine->devices, fd, forgeries,
			       sizeof(forgeries) / sizeof(forgeries[0]));
	memset(endless, 'A', sizeof(endless));
	state_edit_patch(fd, "devices", 10 * 8, endless, sizeof(endless));
	snprintf(problem, sizeof(problem), "port '%.*s', this", DESCRIPTION_MAX_NAME, endless);
	state_round_refuse(&test_round, machine->devices, fd, problem);
	assert_false(machine->fake->platform.paused);
	close(fd);
}

/* What is not on the disk is not in any state either. */
static void
test_devices_state__disks_are_synced(void **state)
{
	struct test_machine *machine = *state;

	devices_pause(machine->devices);
	test_sync_error = -EIO;
	assert_int_equal(state_edit_save(test_devices_save, machine->devices), -EIO);
}

/* The slot for a home is one, too. */
static void
test_devices_state__are_idle_when_all_disks_are(void **state)
{
	struct test_machine *machine = *state;

	test_busy_disk = 3;
	assert_true(devices_are_idle(machine->devices));
	test_busy_disk = 2;
	assert_false(devices_are_idle(machine->devices));
	test_busy_disk = 1;
	assert_false(devices_are_idle(machine->devices));
	test_busy_disk = 0;
}

/* Each section of the list is looked for. */
static void
test_devices_state__a_section_that_is_missing(void **state)
{
	static const char *const sections[] = { "devices", "acpi-pm", "rtc", "serial",
						"pci",	   "pci 27",  "hda" };
	struct test_machine *machine = *state, *fork;
	int fd = test_save(machine);

	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		const struct state_round round = { sections[i], test_devices_save,
						   test_devices_load };
		int forged = state_edit_copy(fd);

		state_edit_rename(forged, sections[i], "nobody's");
		fork = test_open(&machine->description, TEST_DISK_BYTES);
		state_round_fail(&round, fork->devices, forged, "");
		test_close(fork);
		close(forged);
	}
	close(fd);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, test_set_up, test_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_devices_state__fork_goes_on),
		TEST(test_devices_state__load_forgets_what_was),
		TEST(test_devices_state__another_identity_comes_last),
		TEST(test_devices_state__another_machines_is_refused),
		TEST(test_devices_state__forged_states_are_refused),
		TEST(test_devices_state__disks_are_synced),
		TEST(test_devices_state__are_idle_when_all_disks_are),
		TEST(test_devices_state__a_section_that_is_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
