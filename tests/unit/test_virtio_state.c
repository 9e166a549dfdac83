/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_virtio_state.c - a PCI root and the virtio transport in a machine's state: another machine goes on where the
 * first one stood, and a forged file is refused by its section's name
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include "tests/unit/echo_device.h"
#include "tests/unit/echo_stage.h"
#include "tests/unit/fake_platform.h"
#include "tests/unit/state_edit.h"
#include "tests/unit/state_twin.h"
#include "tests/unit/virtio_driver.h"
#include "vmm/pci.h"

#define BAR_REGISTERS 0
#define BAR_MSIX      1
#define N_CHAINS      10 /* more than a kick's */
#define DRIVER_OK                                                                             \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK | \
	 VIRTIO_CONFIG_S_DRIVER_OK)

/* Where values stand in the section "pci 03" */
#define PCI_VECTORS 256
#define PCI_TABLE   260
#define PCI_PENDING 324
#define PCI_BARS    328

/* And in "virtio 03" */
#define VIRTIO_FEATURES	     0
#define VIRTIO_CONFIG_VECTOR 16
#define VIRTIO_STATUS	     20
#define VIRTIO_ISR	     22
#define VIRTIO_N_QUEUES	     23
#define VIRTIO_QUEUE(i)	     (27 + (i)*41)
#define QUEUE_SIZE	     0
#define QUEUE_VECTOR	     2
#define QUEUE_ENABLED	     4
#define QUEUE_DESCRIPTORS    6
#define QUEUE_AVAIL	     14
#define QUEUE_USED	     22
#define QUEUE_STARTED	     30
#define QUEUE_NEXT_AVAIL     31
#define QUEUE_IN_FLIGHT	     37
#define QUEUE_NOTIFY	     39
#define QUEUE_BROKEN	     40

/* The machine that is saved, and the one that goes on. */
struct twin {
	struct echo_stage *first;
	struct echo_stage *second;
};

static int
twin_open(void **state)
{
	static struct twin twin;

	*state = &twin;
	if (echo_stage_setup((void **)&twin.first) < 0)
		return -1;
	return echo_stage_setup((void **)&twin.second);
}

static int
twin_close(void **state)
{
	struct twin *twin = *state;

	echo_stage_teardown((void **)&twin->second);
	return echo_stage_teardown((void **)&twin->first);
}

static int
twin_save(struct twin *twin)
{
	int fd = state_twin_save(twin->first->fake, twin->first->root);

	assert_true(fd >= 0);
	return fd;
}

/* The second machine becomes the first; saved again it is the same. */
static void
twin_move(struct twin *twin)
{
	struct echo_stage *first = twin->first;
	struct echo_stage *second = twin->second;
	const struct state_twin source = { first->fake, first->root, { &first->driver } };
	const struct state_twin target = { second->fake, second->root, { &second->driver } };
	const char *problem;
	int error = state_twin_move(&target, &source, &problem);

	assert_string_equal(problem, "");
	assert_int_equal(error, 0);
	assert_int_equal(second->fake->n_msis, 0);
}

static void
twin_go_on(struct twin *twin)
{
	state_twin_resume(twin->second->fake, twin->second->root);
}

/* Adds a chain that echoes, without ringing for it. */
static void
twin_add(struct echo_stage *stage, uint32_t queue)
{
	uint64_t gpa = fake_platform_alloc(stage->fake, 16, 16);
	struct driver_buffer buffers[] = { { gpa, 8, false }, { gpa + 8, 8, true } };

	assert_true(driver_ring_add(stage->driver.rings[queue], buffers, 2) >= 0);
}

static int
twin_count_used(struct echo_stage *stage, uint32_t queue)
{
	uint16_t head;
	uint32_t written;
	int n = 0;

	while (driver_ring_get_used(stage->driver.rings[queue], &head, &written))
		n++;
	return n;
}

static void
test_virtio_state__another_machine_goes_on(void **state)
{
	struct twin *twin = *state;
	struct echo_stage *first = twin->first;
	struct echo_stage *second = twin->second;

	echo_stage_start(first);
	for (int i = 0; i < 100; i++)
		echo_stage_assert_works(first);
	virtio_driver_set_config(&first->driver, 0, 4, 0x12345678);
	/* these have not been seen when the machine stands */
	for (int i = 0; i < N_CHAINS; i++)
		twin_add(first, ECHO_QUEUE);
	twin_move(twin);
	assert_int_equal(second->fake->n_doorbells, 2);
	assert_int_equal(second->echo->n_activations, 0);
	twin_go_on(twin);
	assert_int_equal(twin_count_used(second, ECHO_QUEUE), N_CHAINS);
	assert_true(virtio_driver_count_interrupts(&second->driver, ECHO_QUEUE) > 0);
	assert_int_equal(virtio_driver_get_config(&second->driver, 0, 4), 0x12345678);
	for (int i = 0; i < 100; i++)
		echo_stage_assert_works(second);
	assert_int_equal(twin_count_used(second, ECHO_QUEUE), 0);
	/* and so does the one that was saved */
	state_twin_resume(first->fake, first->root);
	assert_int_equal(twin_count_used(first, ECHO_QUEUE), N_CHAINS);
	echo_stage_assert_works(first);
}

static void
test_virtio_state__kept_chains_come_back_once(void **state)
{
	struct twin *twin = *state;

	echo_stage_start(twin->first);
	for (int i = 0; i < 3; i++)
		twin_add(twin->first, ECHO_QUEUE_HOLD);
	virtio_driver_kick(&twin->first->driver, ECHO_QUEUE_HOLD);
	assert_int_equal(twin->first->echo->n_held, 3);
	twin_move(twin);
	twin_go_on(twin);
	assert_int_equal(twin_count_used(twin->second, ECHO_QUEUE_HOLD), 0);
	echo_device_complete(twin->second->echo);
	assert_int_equal(twin_count_used(twin->second, ECHO_QUEUE_HOLD), 3);
}

static void
test_virtio_state__what_is_in_flight_is_not_saved(void **state)
{
	struct twin *twin = *state;

	twin->first->echo->device.kept_queues = 0;
	echo_stage_start(twin->first);
	twin_add(twin->first, ECHO_QUEUE_HOLD);
	virtio_driver_kick(&twin->first->driver, ECHO_QUEUE_HOLD);
	assert_int_equal(state_twin_save(twin->first->fake, twin->first->root), -EBUSY);
}

static uint64_t
twin_vector_control(struct echo_stage *stage, uint32_t vector)
{
	return stage->driver.msix_table + vector * PCI_MSIX_ENTRY_SIZE + PCI_MSIX_ENTRY_VECTOR_CTRL;
}

static void
test_virtio_state__a_masked_interrupt_still_comes(void **state)
{
	struct twin *twin = *state;
	struct echo_stage *second = twin->second;
	uint64_t control = twin_vector_control(twin->first, 1 + ECHO_QUEUE);

	echo_stage_start(twin->first);
	fake_platform_write(twin->first->fake, control, 4, PCI_MSIX_ENTRY_CTRL_MASKBIT);
	twin_add(twin->first, ECHO_QUEUE);
	virtio_driver_kick(&twin->first->driver, ECHO_QUEUE);
	assert_int_equal(virtio_driver_count_interrupts(&twin->first->driver, ECHO_QUEUE), 0);
	twin_move(twin);
	twin_go_on(twin);
	assert_int_equal(virtio_driver_count_interrupts(&second->driver, ECHO_QUEUE), 0);
	fake_platform_write(second->fake, control, 4, 0);
	assert_int_equal(virtio_driver_count_interrupts(&second->driver, ECHO_QUEUE), 1);
	assert_int_equal(twin_count_used(second, ECHO_QUEUE), 1);
}

static void
test_virtio_state__any_stage_of_a_driver_is_kept(void **state)
{
	struct twin *twin = *state;
	struct virtio_driver *first = &twin->first->driver;
	struct virtio_driver *second = &twin->second->driver;

	twin_move(twin); /* nobody has touched it */
	virtio_driver_set(first, VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
	virtio_driver_set(first, VIRTIO_PCI_COMMON_GF, 4, 0xabcdef);
	twin_move(twin);
	assert_int_equal(virtio_driver_get(second, VIRTIO_PCI_COMMON_GF, 4), 0xabcdef);
	assert_int_equal(virtio_driver_negotiate(first, VIRTIO_DRIVER_ALL_FEATURES), 0);
	assert_int_equal(virtio_driver_setup_queue(first, ECHO_QUEUE, 16), 0);
	twin_move(twin);
	twin_go_on(twin);
	virtio_driver_set_status(second, DRIVER_OK);
	echo_stage_assert_works(twin->second);
}

static void
test_virtio_state__a_failed_device_stays_failed(void **state)
{
	struct twin *twin = *state;
	struct echo_stage *second = twin->second;

	echo_stage_start(twin->first);
	driver_ring_set_avail_index(twin->first->driver.rings[ECHO_QUEUE], 30000);
	virtio_driver_kick(&twin->first->driver, ECHO_QUEUE);
	assert_true(echo_stage_needs_reset(twin->first));
	twin_move(twin);
	twin_go_on(twin);
	assert_true(echo_stage_needs_reset(second));
	virtio_driver_kick(&second->driver, ECHO_QUEUE);
	assert_int_equal(virtio_driver_count_config_interrupts(&second->driver), 0);
	virtio_driver_reset(&second->driver);
	echo_stage_start(second);
	echo_stage_assert_works(second);
}

static void
test_virtio_state__a_device_that_never_started_stays_failed(void **state)
{
	struct twin *twin = *state;

	twin->first->echo->activate_error = -EIO;
	assert_int_equal(virtio_driver_start(&twin->first->driver, VIRTIO_DRIVER_ALL_FEATURES),
			 -EIO);
	twin_move(twin);
	twin_go_on(twin);
	assert_true(echo_stage_needs_reset(twin->second));
}

static void
test_virtio_state__the_first_of_two_bars_still_answers(void **state)
{
	struct twin *twin = *state;
	struct virtio_driver *driver = &twin->first->driver;
	const uint32_t at = 0xd0000000;

	/* the one of the table goes there first, then that of the registers, which may not */
	virtio_driver_set_pci(driver, PCI_BASE_ADDRESS_0 + 4 * BAR_MSIX, 4, at);
	virtio_driver_set_pci(driver, PCI_BASE_ADDRESS_0 + 4 * BAR_REGISTERS, 4, at);
	fake_platform_write(twin->first->fake, at, 4, 0xfee00000);
	twin_move(twin);
	assert_int_equal(fake_platform_read(twin->second->fake, at, 4), 0xfee00000);
	/* it goes, and the other one has its place */
	virtio_driver_set_pci(&twin->second->driver, PCI_BASE_ADDRESS_0 + 4 * BAR_MSIX, 4,
			      at + 0x100000);
	assert_int_equal(fake_platform_read(twin->second->fake, at + VIRTIO_PCI_COMMON_NUMQ, 2), 3);
}

static void
test_virtio_state__doorbells_are_where_the_guest_put_them(void **state)
{
	struct twin *twin = *state;
	struct virtio_driver *driver = &twin->first->driver;
	const uint32_t at = 0xd8000000;
	uint32_t base = virtio_driver_get_pci(driver, PCI_BASE_ADDRESS_0, 4);

	echo_stage_start(twin->first);
	virtio_driver_set_pci(driver, PCI_BASE_ADDRESS_0, 4, at);
	driver->common += at - base;
	driver->config += at - base;
	driver->notify += at - base;
	driver->isr += at - base;
	for (uint32_t i = 0; i < driver->n_queues; i++)
		driver->doorbells[i] += at - base;
	twin_move(twin);
	twin_go_on(twin);
	assert_int_equal(twin->second->fake->n_doorbells, 2);
	assert_true(twin->second->fake->doorbells[0].gpa >= at);
	echo_stage_assert_works(twin->second);
}

/* Forged files */

static void
twin_refuses(struct twin *twin, int fd, const char *section)
{
	char expected[64];
	const char *problem;

	snprintf(expected, sizeof(expected), "section '%s': ", section);
	assert_int_equal(state_twin_load(twin->second->fake, twin->second->root, fd, &problem),
			 -EBADMSG);
	if (strncmp(problem, expected, strlen(expected)) != 0)
		fail_msg("'%s' where '%s' is wrong", problem, section);
}

static const struct state_twin_forgery forgeries[] = {
	{ "pci", 0, 0x00000003, 4 }, /* bits that cannot be written */
	{ "pci 00", PCI_DEVICE_ID, 0x1234, 2 },
	{ "pci 00", PCI_BASE_ADDRESS_0, 0xd0000000, 4 }, /* it has none */
	{ "pci 03", PCI_VENDOR_ID, 0x1234, 2 },
	{ "pci 03", PCI_COMMAND, 0xffff, 2 },
	{ "pci 03", PCI_STATUS, 0, 2 },
	{ "pci 03", PCI_BASE_ADDRESS_0, 0xd0001000, 4 }, /* smaller than it is */
	{ "pci 03", PCI_BASE_ADDRESS_0, 0xd0000008, 4 }, /* prefetchable */
	{ "pci 03", PCI_BASE_ADDRESS_0, 0x00000000, 4 }, /* and still answers */
	{ "pci 03", PCI_BASE_ADDRESS_0, 0xe0000000, 4 }, /* out of the window */
	{ "pci 03", PCI_CAPABILITY_LIST, 0x41, 1 },
	{ "pci 03", 255, 1, 1 },
	{ "pci 03", PCI_VECTORS, 3, 4 },
	{ "pci 03", PCI_VECTORS, UINT32_MAX, 4 },
	{ "pci 03", PCI_TABLE, 0xfee00001, 4 },
	{ "pci 03", PCI_TABLE + 12, 2, 4 },
	{ "pci 03", PCI_PENDING, 1 << 4, 4 },
	{ "pci 03", PCI_BARS, 2, 1 },
	{ "pci 03", PCI_BARS + 2, 1, 1 }, /* there is no such BAR */
	{ "virtio 03", VIRTIO_FEATURES, UINT64_MAX, 8 },
	{ "virtio 03", VIRTIO_FEATURES, 0, 8 }, /* not even VERSION_1 */
	{ "virtio 03", VIRTIO_CONFIG_VECTOR, 4, 2 },
	{ "virtio 03", VIRTIO_STATUS, DRIVER_OK | 0x10, 1 },
	{ "virtio 03", VIRTIO_STATUS, VIRTIO_CONFIG_S_DRIVER_OK, 1 },
	{ "virtio 03", VIRTIO_STATUS, VIRTIO_CONFIG_S_FEATURES_OK, 1 },
	{ "virtio 03", VIRTIO_STATUS, VIRTIO_CONFIG_S_NEEDS_RESET, 1 },
	{ "virtio 03", VIRTIO_STATUS, DRIVER_OK & ~VIRTIO_CONFIG_S_DRIVER_OK, 1 },
	{ "virtio 03", VIRTIO_STATUS, 0, 1 }, /* and its queues run */
	{ "virtio 03", VIRTIO_ISR, 4, 1 },
	{ "virtio 03", VIRTIO_N_QUEUES, 2, 4 },
	{ "virtio 03", VIRTIO_N_QUEUES, UINT32_MAX, 4 },
	{ "virtio 03", VIRTIO_QUEUE(0) + QUEUE_SIZE, 128, 2 }, /* than was offered */
	{ "virtio 03", VIRTIO_QUEUE(0) + QUEUE_SIZE, 3, 2 },
	{ "virtio 03", VIRTIO_QUEUE(0) + QUEUE_SIZE, 0, 2 },
	{ "virtio 03", VIRTIO_QUEUE(0) + QUEUE_VECTOR, 4, 2 },
	{ "virtio 03", VIRTIO_QUEUE(0) + QUEUE_ENABLED, 2, 2 },
	{ "virtio 03", VIRTIO_QUEUE(0) + QUEUE_ENABLED, 0, 2 },
	{ "virtio 03", VIRTIO_QUEUE(0) + QUEUE_DESCRIPTORS, UINT64_MAX & ~15, 8 },
	{ "virtio 03", VIRTIO_QUEUE(0) + QUEUE_DESCRIPTORS, 0x100001, 8 },
	{ "virtio 03", VIRTIO_QUEUE(0) + QUEUE_AVAIL, FAKE_PLATFORM_RAM_BYTES - 2, 8 },
	{ "virtio 03", VIRTIO_QUEUE(0) + QUEUE_USED, FAKE_PLATFORM_RAM_BYTES - 4, 8 },
	{ "virtio 03", VIRTIO_QUEUE(0) + QUEUE_STARTED, 0, 1 },
	{ "virtio 03", VIRTIO_QUEUE(0) + QUEUE_STARTED, 7, 1 },
	{ "virtio 03", VIRTIO_QUEUE(0) + QUEUE_NEXT_AVAIL, 77, 2 }, /* without next_used */
	{ "virtio 03", VIRTIO_QUEUE(0) + QUEUE_IN_FLIGHT, 1, 2 },
	{ "virtio 03", VIRTIO_QUEUE(0) + QUEUE_NOTIFY, 2, 1 },
	{ "virtio 03", VIRTIO_QUEUE(0) + QUEUE_BROKEN, 1, 1 },
	{ "virtio 03", VIRTIO_QUEUE(2) + QUEUE_STARTED, 1, 1 },
	{ "virtio 03", VIRTIO_QUEUE(2) + QUEUE_IN_FLIGHT, 1, 2 },
	{ "virtio-echo 03", ECHO_CONFIG_BYTES, ECHO_HOLD_SIZE + 1, 4 },
};

static void
test_virtio_state__forged_values_are_refused(void **state)
{
	struct twin *twin = *state;
	const struct state_twin source = { twin->first->fake, twin->first->root, { NULL } };
	const struct state_twin target = { twin->second->fake, twin->second->root, { NULL } };
	const char *problem;

	echo_stage_start(twin->first);
	echo_stage_assert_works(twin->first);
	problem = state_twin_forge(&target, &source, forgeries,
				   sizeof(forgeries) / sizeof(forgeries[0]));
	if (problem)
		fail_msg("%s", problem);
	/* the machine that refused them can still be loaded */
	twin_move(twin);
	twin_go_on(twin);
	echo_stage_assert_works(twin->second);
}

static void
test_virtio_state__more_in_flight_than_fits_is_refused(void **state)
{
	struct twin *twin = *state;
	const struct {
		uint16_t next_avail, next_used, signalled_used, in_flight;
	} full = { ECHO_HOLD_SIZE + 1, 0, 0, ECHO_HOLD_SIZE + 1 };
	int fd;

	echo_stage_start(twin->first);
	fd = twin_save(twin);
	state_twin_copy_memory(twin->second->fake, twin->first->fake);
	state_edit_patch(fd, "virtio 03", VIRTIO_QUEUE(ECHO_QUEUE_HOLD) + QUEUE_NEXT_AVAIL, &full,
			 sizeof(full));
	twin_refuses(twin, fd, "virtio 03");
	close(fd);
}

static void
test_virtio_state__sections_have_their_length(void **state)
{
	struct twin *twin = *state;
	static const char *const names[] = { "pci", "pci 00", "pci 03", "virtio 03",
					     "virtio-echo 03" };
	int fd;

	echo_stage_start(twin->first);
	fd = twin_save(twin);
	state_twin_copy_memory(twin->second->fake, twin->first->fake);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t bytes = state_edit_measure(fd, names[i]);

		for (size_t size = 0; size <= bytes + 1; size++) {
			int copy = state_edit_copy(fd);

			state_edit_resize(copy, names[i], size);
			if (size != bytes)
				twin_refuses(twin, copy, names[i]);
			close(copy);
		}
	}
	close(fd);
}

static void
test_virtio_state__both_machines_have_the_same_devices(void **state)
{
	struct twin *twin = *state;
	struct echo_device *other;
	static bool freed; /* written when the stages end */
	int fd;

	/* the first one has a device more, then both, then only the second one */
	assert_int_equal(
		echo_device_new(twin->first->root, &twin->first->fake->platform, 5, &freed, &other),
		0);
	pci_root_reset(twin->first->root);
	fd = twin_save(twin);
	twin_refuses(twin, fd, "pci 05");
	close(fd);
	assert_int_equal(echo_device_new(twin->second->root, &twin->second->fake->platform, 5,
					 &freed, &other),
			 0);
	twin_move(twin);
	assert_int_equal(echo_device_new(twin->second->root, &twin->second->fake->platform, 6,
					 &freed, &other),
			 0);
	fd = twin_save(twin);
	twin_refuses(twin, fd, "pci 06");
	close(fd);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_virtio_state__##name, twin_open, twin_close)
	const struct CMUnitTest tests[] = {
		TEST(another_machine_goes_on),
		TEST(kept_chains_come_back_once),
		TEST(what_is_in_flight_is_not_saved),
		TEST(a_masked_interrupt_still_comes),
		TEST(any_stage_of_a_driver_is_kept),
		TEST(a_failed_device_stays_failed),
		TEST(a_device_that_never_started_stays_failed),
		TEST(the_first_of_two_bars_still_answers),
		TEST(doorbells_are_where_the_guest_put_them),
		TEST(forged_values_are_refused),
		TEST(more_in_flight_than_fits_is_refused),
		TEST(sections_have_their_length),
		TEST(both_machines_have_the_same_devices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
