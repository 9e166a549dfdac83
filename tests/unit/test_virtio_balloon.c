/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_virtio_balloon.c - a balloon as a guest's driver sees it (virtio 1.2 section 5.5), and what the host gets back
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <linux/virtio_balloon.h>
#include <linux/virtio_config.h>

#include "tests/unit/device_stage.h"
#include "vmm/slots.h"
#include "vmm/virtio.h"
#include "vmm/virtio_balloon.h"

#define INFLATE	       0
#define DEFLATE	       1
#define STATISTICS     2
#define PAGE	       4096
#define N_PAGES	       100
#define MAX_PAGES      1024
#define FEATURE(bit)   (UINT64_C(1) << (bit))
#define CONFIG(field)  offsetof(struct virtio_balloon_config, field), 4
#define PLAIN_FEATURES FEATURE(VIRTIO_F_VERSION_1)

struct stage {
	struct device_stage on; /* first */
	uint64_t gpa;		/* of N_PAGES full pages */
};

static int
stage_open(void **state)
{
	static struct stage stage;
	int error = device_stage_open(&stage.on, SLOT_BALLOON, VIRTIO_BALLOON_CLASS_CODE,
				      virtio_balloon_new);

	*state = &stage;
	if (error < 0)
		return error;
	stage.gpa = fake_platform_alloc(stage.on.fake, N_PAGES * PAGE, PAGE);
	memset(fake_platform_map(stage.on.fake, stage.gpa, N_PAGES * PAGE), 'x', N_PAGES * PAGE);
	return 0;
}

static int
stage_close(void **state)
{
	device_stage_close(*state);
	return 0;
}

/* How much memory the file has in truth. */
static int64_t
stage_get_used_bytes(struct stage *stage)
{
	struct stat status;

	assert_int_equal(fstat(stage->on.fake->memory_fd, &status), 0);
	return (int64_t)status.st_blocks * 512;
}

static char
stage_get_byte(struct stage *stage, uint32_t page, uint32_t at)
{
	const char *bytes = fake_platform_map(stage->on.fake, stage->gpa + page * PAGE, PAGE);

	return bytes[at];
}

static bool
stage_has_failed(struct stage *stage)
{
	return virtio_driver_get_status(&stage->on.driver) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

static void
test_virtio_balloon__never_offers_poison(void **state)
{
	struct stage *stage = *state;
	uint64_t offered = virtio_driver_get_offered(&stage->on.driver);

	assert_false(offered & FEATURE(VIRTIO_BALLOON_F_PAGE_POISON));
	assert_true(offered & FEATURE(VIRTIO_BALLOON_F_DEFLATE_ON_OOM));
	assert_true(offered & FEATURE(VIRTIO_BALLOON_F_REPORTING));
}

static void
test_virtio_balloon__a_target_is_told_and_reached(void **state)
{
	struct stage *stage = *state;
	struct virtio_balloon_statistics statistics;

	fake_platform_forget(stage->on.fake);
	assert_int_equal(virtio_balloon_set_target(stage->on.device, 10 * PAGE), 0);
	assert_int_equal(virtio_driver_count_config_interrupts(&stage->on.driver), 1);
	assert_int_equal(virtio_driver_get_config(&stage->on.driver, CONFIG(num_pages)), 10);
	assert_int_equal(virtio_balloon_set_target(stage->on.device, 10 * PAGE), 0);
	assert_int_equal(virtio_driver_count_config_interrupts(&stage->on.driver), 1);
	assert_int_equal(virtio_balloon_set_target(stage->on.device, FAKE_PLATFORM_RAM_BYTES + 1),
			 -EINVAL);

	virtio_driver_set_config(&stage->on.driver, CONFIG(actual), 7);
	virtio_driver_set_config(&stage->on.driver, CONFIG(num_pages), 99); /* not its to write */
	assert_int_equal(virtio_driver_get_config(&stage->on.driver, CONFIG(num_pages)), 10);
	assert_int_equal(virtio_driver_get_config(&stage->on.driver, CONFIG(actual)), 7);
	virtio_balloon_get_statistics(stage->on.device, &statistics);
	assert_int_equal(statistics.balloon_bytes, 7 * PAGE);

	virtio_driver_reset(&stage->on.driver);
	assert_int_equal(virtio_driver_get_config(&stage->on.driver, CONFIG(num_pages)), 10);
	assert_int_equal(virtio_driver_get_config(&stage->on.driver, CONFIG(actual)), 0);
}

static void
test_virtio_balloon__given_pages_are_the_hosts(void **state)
{
	static const uint32_t given[] = { 1, 2, 3, 10, 9, 50 };
	struct stage *stage = *state;
	uint32_t pages[6];
	int64_t before;

	for (size_t i = 0; i < 6; i++)
		pages[i] = (uint32_t)(stage->gpa / PAGE) + given[i];
	/* its own memory is used before it is measured */
	assert_int_equal(
		virtio_driver_transfer(&stage->on.driver, DEFLATE, pages, sizeof(pages), NULL, 0),
		0);
	before = stage_get_used_bytes(stage);
	assert_int_equal(
		virtio_driver_transfer(&stage->on.driver, INFLATE, pages, sizeof(pages), NULL, 0),
		0);
	assert_int_equal(before - stage_get_used_bytes(stage), 6 * PAGE);
	for (uint32_t page = 0; page < N_PAGES; page++) {
		bool was_given = false;

		for (size_t i = 0; i < 6; i++)
			was_given |= given[i] == page;
		assert_int_equal(stage_get_byte(stage, page, 0), was_given ? 0 : 'x');
		assert_int_equal(stage_get_byte(stage, page, PAGE - 1), was_given ? 0 : 'x');
	}
}

/* Queue 3 is Linux's, 4 the specification's, 2 Linux's without statistics. */
static void
test_virtio_balloon__reported_pages_are_the_hosts(void **state)
{
	static const uint32_t queues[] = { 3, 4, 2 };
	struct stage *stage = *state;
	struct virtio_balloon_statistics statistics;
	uint32_t written;
	uint16_t head;

	for (uint32_t i = 0; i < 3; i++) {
		struct driver_buffer buffers[] = {
			{ stage->gpa + i * 20 * PAGE, 4 * PAGE, true },
			{ stage->gpa + (i * 20 + 10) * PAGE, PAGE, true },
		};

		if (queues[i] == STATISTICS) {
			virtio_driver_reset(&stage->on.driver);
			assert_int_equal(
				virtio_driver_start(&stage->on.driver,
						    PLAIN_FEATURES |
							    FEATURE(VIRTIO_BALLOON_F_REPORTING)),
				0);
		}
		assert_true(driver_ring_add(stage->on.driver.rings[queues[i]], buffers, 2) >= 0);
		virtio_driver_kick(&stage->on.driver, queues[i]);
		assert_true(
			driver_ring_get_used(stage->on.driver.rings[queues[i]], &head, &written));
		assert_int_equal(stage_get_byte(stage, i * 20 + 3, PAGE - 1), 0);
		assert_int_equal(stage_get_byte(stage, i * 20 + 4, 0), 'x');
		assert_int_equal(stage_get_byte(stage, i * 20 + 10, 0), 0);
		assert_int_equal(stage_get_byte(stage, i * 20 + 11, 0), 'x');
	}
	virtio_balloon_get_statistics(stage->on.device, &statistics);
	assert_int_equal(statistics.reported_bytes, 3 * 5 * PAGE);
}

static void
test_virtio_balloon__statistics_come_when_asked_for(void **state)
{
	struct virtio_balloon_stat stats[] = { { VIRTIO_BALLOON_S_MEMTOT, 1000 },
					       { 0xfff, 5 },
					       { VIRTIO_BALLOON_S_MEMFREE, 300 } };
	struct stage *stage = *state;
	struct driver_ring *ring = stage->on.driver.rings[STATISTICS];
	struct driver_buffer buffer = { fake_platform_alloc(stage->on.fake, sizeof(stats), 16),
					sizeof(stats), false };
	struct virtio_balloon_statistics statistics;
	uint32_t written;
	uint16_t head;

	for (int round = 0; round < 3; round++) {
		stats[2].val = 300 + (uint64_t)round;
		memcpy(fake_platform_map(stage->on.fake, buffer.gpa, sizeof(stats)), stats,
		       sizeof(stats));
		assert_true(driver_ring_add(ring, &buffer, 1) >= 0);
		virtio_driver_kick(&stage->on.driver, STATISTICS);
		assert_false(driver_ring_get_used(ring, &head, &written));
		fake_platform_forget(stage->on.fake);
		virtio_balloon_get_statistics(stage->on.device, &statistics);
		assert_int_equal(statistics.guest_total_bytes, 1000);
		assert_int_equal(statistics.guest_free_bytes, 300 + round);
		assert_int_equal(virtio_driver_count_interrupts(&stage->on.driver, STATISTICS), 1);
		assert_true(driver_ring_get_used(ring, &head, &written));
	}
	/* who gives more than one gets the others back */
	for (int i = 0; i < 10; i++)
		assert_true(driver_ring_add(ring, &buffer, 1) >= 0);
	virtio_driver_kick(&stage->on.driver, STATISTICS);
	for (int i = 0; i < 9; i++)
		assert_true(driver_ring_get_used(ring, &head, &written));
	assert_false(driver_ring_get_used(ring, &head, &written));
	virtio_driver_reset(&stage->on.driver);
	virtio_balloon_get_statistics(stage->on.device, &statistics);
	assert_int_equal(statistics.guest_free_bytes, 0);
}

static void
test_virtio_balloon__bad_pages_fail_the_device(void **state)
{
	static const uint32_t many[MAX_PAGES + 1];
	const struct {
		const uint32_t *pages;
		uint32_t bytes;
		bool fails;
	} cases[] = {
		{ (const uint32_t[]){ FAKE_PLATFORM_RAM_BYTES / PAGE }, 4, true },
		{ (const uint32_t[]){ UINT32_MAX, 0 }, 8, true },
		{ (const uint32_t[]){ 2, FAKE_PLATFORM_RAM_BYTES / PAGE - 1,
				      FAKE_PLATFORM_RAM_BYTES / PAGE },
		  12, true },
		{ many, sizeof(many), true },
		{ many, sizeof(many) - 4, false },
		{ many, 3, false },
	};
	struct stage *stage = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t gpa = fake_platform_alloc(stage->on.fake, cases[i].bytes, 16);
		struct driver_buffer buffer = { gpa, cases[i].bytes, false };

		memcpy(fake_platform_map(stage->on.fake, gpa, cases[i].bytes), cases[i].pages,
		       cases[i].bytes);
		assert_true(driver_ring_add(stage->on.driver.rings[INFLATE], &buffer, 1) >= 0);
		virtio_driver_kick(&stage->on.driver, INFLATE);
		assert_int_equal(stage_has_failed(stage), cases[i].fails);
		virtio_driver_reset(&stage->on.driver);
		assert_int_equal(virtio_driver_start(&stage->on.driver, VIRTIO_DRIVER_ALL_FEATURES),
				 0);
	}
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(test_virtio_balloon__##name, stage_open, stage_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(never_offers_poison),
		TEST(a_target_is_told_and_reached),
		TEST(given_pages_are_the_hosts),
		TEST(reported_pages_are_the_hosts),
		TEST(statistics_come_when_asked_for),
		TEST(bad_pages_fail_the_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
