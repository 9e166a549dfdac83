/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_virtio_rng.c - random numbers as a guest's driver gets them (virtio 1.2 section 5.4)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <linux/virtio_config.h>

#include "tests/unit/device_stage.h"
#include "vmm/slots.h"
#include "vmm/virtio.h"
#include "vmm/virtio_rng.h"

#define MAX_ANSWER 1024
#define MANY	   8 /* as many as the queue holds */

static int
stage_open(void **state)
{
	static struct device_stage stage;

	*state = &stage;
	return device_stage_open(&stage, SLOT_RNG, VIRTIO_RNG_CLASS_CODE, virtio_rng_new);
}

static int
stage_close(void **state)
{
	device_stage_close(*state);
	return 0;
}

static void
test_virtio_rng__answers_differ(void **state)
{
	struct device_stage *stage = *state;
	uint8_t first[64] = { 0 }, second[64] = { 0 };

	for (int i = 0; i < 2; i++)
		assert_int_equal(virtio_driver_transfer(&stage->driver, 0, NULL, 0,
							i ? second : first, sizeof(first)),
				 sizeof(first));
	assert_memory_not_equal(first, second, sizeof(first));
	/* to its last byte */
	assert_memory_not_equal(first + 56, "\0\0\0\0\0\0\0\0", 8);
}

static void
test_virtio_rng__an_answer_has_a_limit(void **state)
{
	struct device_stage *stage = *state;
	uint8_t bytes[2 * MAX_ANSWER];

	assert_int_equal(virtio_driver_transfer(&stage->driver, 0, NULL, 0, bytes, sizeof(bytes)),
			 MAX_ANSWER);
}

static void
test_virtio_rng__many_requests_are_all_answered(void **state)
{
	struct device_stage *stage = *state;
	struct driver_buffer buffer = { fake_platform_alloc(stage->fake, 16, 16), 16, true };
	uint32_t written;
	uint16_t head;

	for (int i = 0; i < 2 * MANY; i++) {
		assert_true(driver_ring_add(stage->driver.rings[0], &buffer, 1) >= 0);
		if (i % MANY != MANY - 1)
			continue;
		virtio_driver_kick(&stage->driver, 0);
		for (int j = 0; j < MANY; j++) {
			assert_true(driver_ring_get_used(stage->driver.rings[0], &head, &written));
			assert_int_equal(written, 16);
		}
	}
}

static void
test_virtio_rng__a_readable_buffer_gets_nothing(void **state)
{
	struct device_stage *stage = *state;

	assert_int_equal(virtio_driver_transfer(&stage->driver, 0, "x", 1, NULL, 0), 0);
	assert_false(virtio_driver_get_status(&stage->driver) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_virtio_rng__##name, stage_open, stage_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(answers_differ),
		TEST(an_answer_has_a_limit),
		TEST(many_requests_are_all_answered),
		TEST(a_readable_buffer_gets_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
