/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_source_vmm_hostile.c - what a carrel-vmm that its guest has taken over may not say to the display
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <glib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/proto_sound.h"
#include "base/proto_source.h"
#include "tests/unit/source_stage.h"

static const struct {
	uint32_t type;
	uint32_t size;
	uint32_t words[8];
} hostile_table[] = {
	{ 0, 0, { 0 } },
	{ 99, 4, { 0 } },
	{ SOURCE_HELLO, sizeof(struct source_hello), { 1, 1 } }, /* once more */
	{ SOURCE_KEY, sizeof(struct source_key), { 30, 1 } },
	{ SOURCE_SCANOUT, 24, { 2, 0, 0, 0, 9, 0 } },
	{ SOURCE_SCANOUT, 24, { 0, 0, 0, 0, 5, 0 } }, /* the generation that is there */
	{ SOURCE_SCANOUT, 23, { 0, 0, 0, 0, 9, 0 } },
	{ SOURCE_DAMAGE, sizeof(struct source_damage), { 0, 0, 5, 0, 0, 0, 1, 1 } },
	{ SOURCE_DAMAGE, sizeof(struct source_damage), { 0, 17, 5, 0, 0, 0, 1, 1 } },
	{ SOURCE_DAMAGE, sizeof(struct source_damage), { 1, 1, 5, 0, 0, 0, 1, 1 } },
	{ SOURCE_DAMAGE, sizeof(struct source_damage), { 0, 1, 6, 0, 0, 0, 1, 1 } },
	{ SOURCE_DAMAGE, sizeof(struct source_damage), { 0, 1, 5, 0, 0, 0, 41, 1 } },
	{ SOURCE_DAMAGE, sizeof(struct source_damage), { 0, 1, 5, 0, 0xffffffff, 0, 2, 1 } },
	{ SOURCE_DAMAGE, sizeof(struct source_damage), { 0, 1, 5, 0, 0, 0, 0, 0 } },
	{ SOURCE_CURSOR, 32, { 2, 0, 0, 0, 0, 0, 0, 0 } },
	{ SOURCE_CURSOR, 32, { 0, 1, 1, 0, 0, 0, 0, 1 } }, /* its pixel is missing */
	{ SOURCE_CURSOR, 36, { 0, 1, 1, 1, 0, 0, 0, 1 } }, /* its tip is outside */
	{ SOURCE_CURSOR, 36, { 0, 0x40000001, 1, 0, 0, 0, 0, 1 } },
	{ SOURCE_CURSOR, 32, { 0, 65, 0, 0, 0, 0, 0, 1 } },
	{ SOURCE_MOVE, 16, { 2, 0, 0, 0 } },
	{ SOURCE_LEDS, 3, { 0 } },
	{ SOURCE_SOUND, 8, { 2, 0 } },
	{ SOURCE_SOUND, 8, { 0, 2 } },
	{ SOURCE_SOUND, 4, { 1 } },
	{ SOURCE_PLAYED, 4, { 0 } }, /* it does not play */
	{ SOURCE_HEARD, 0, { 0 } },
};

static void
test_source_vmm_hostile__ends_with_whoever_breaks_the_rules(void **state)
{
	struct source_stage *stage = *state;
	CLEANUP_CLOSE int fd = source_stage_make_file(SOURCE_STAGE_STRIDE * SOURCE_STAGE_HEIGHT,
						      SOURCE_STAGE_SEALS);
	const struct source_sound sound = { 1, 0 };

	for (size_t i = 0; i < G_N_ELEMENTS(hostile_table); i++) {
		struct source_damage padded = { 0 };

		memcpy(&padded, hostile_table[i].words, sizeof(hostile_table[i].words));
		source_stage_greet(stage);
		source_stage_offer(stage, 0, 5, fd);
		assert_int_equal(stage->n_lost, i);
		source_stage_say(stage, hostile_table[i].type, &padded, hostile_table[i].size, -1);
		assert_int_equal(stage->n_lost, i + 1);
		source_stage_reconnect(stage);
	}
	source_stage_greet(stage);
	source_stage_say(stage, SOURCE_SOUND, &sound, sizeof(sound), -1);
	source_stage_say(stage, SOURCE_PLAYED, "half a", 6, -1);
	assert_int_equal(stage->n_lost, G_N_ELEMENTS(hostile_table) + 1);
}

static const struct {
	uint32_t width, height, stride;
	size_t bytes;
	int seals;
	bool good;
} file_table[] = {
	{ SOURCE_STAGE_WIDTH, SOURCE_STAGE_HEIGHT, SOURCE_STAGE_STRIDE,
	  SOURCE_STAGE_STRIDE *SOURCE_STAGE_HEIGHT, SOURCE_STAGE_SEALS, true },
	{ SOURCE_STAGE_WIDTH, SOURCE_STAGE_HEIGHT, SOURCE_STAGE_STRIDE + 4,
	  (SOURCE_STAGE_STRIDE + 4) * SOURCE_STAGE_HEIGHT, SOURCE_STAGE_SEALS | F_SEAL_SEAL, true },
	{ SOURCE_STAGE_WIDTH, SOURCE_STAGE_HEIGHT, SOURCE_STAGE_STRIDE,
	  SOURCE_STAGE_STRIDE *SOURCE_STAGE_HEIGHT - 1, SOURCE_STAGE_SEALS, false },
	{ SOURCE_STAGE_WIDTH, SOURCE_STAGE_HEIGHT, SOURCE_STAGE_STRIDE,
	  SOURCE_STAGE_STRIDE *SOURCE_STAGE_HEIGHT, F_SEAL_GROW, false },
	{ SOURCE_STAGE_WIDTH, SOURCE_STAGE_HEIGHT, SOURCE_STAGE_STRIDE,
	  SOURCE_STAGE_STRIDE *SOURCE_STAGE_HEIGHT, F_SEAL_SHRINK, false },
	{ SOURCE_STAGE_WIDTH, SOURCE_STAGE_HEIGHT, SOURCE_STAGE_STRIDE - 1,
	  SOURCE_STAGE_STRIDE *SOURCE_STAGE_HEIGHT, SOURCE_STAGE_SEALS, false },
	{ SOURCE_STAGE_WIDTH, SOURCE_STAGE_HEIGHT, 8192 * 4 + 1,
	  (8192 * 4 + 1) * SOURCE_STAGE_HEIGHT, SOURCE_STAGE_SEALS, false },
	{ 0, SOURCE_STAGE_HEIGHT, SOURCE_STAGE_STRIDE, SOURCE_STAGE_STRIDE *SOURCE_STAGE_HEIGHT,
	  SOURCE_STAGE_SEALS, false },
	{ SOURCE_STAGE_WIDTH, 0, SOURCE_STAGE_STRIDE, SOURCE_STAGE_STRIDE *SOURCE_STAGE_HEIGHT,
	  SOURCE_STAGE_SEALS, false },
	{ 0, 0, 0, SOURCE_STAGE_STRIDE *SOURCE_STAGE_HEIGHT, SOURCE_STAGE_SEALS, false },
	{ 1, 8193, 4, 8193 * 4, SOURCE_STAGE_SEALS, false },
	{ 0x40000001, 1, 4, 4096, SOURCE_STAGE_SEALS, false },
};

static void
test_source_vmm_hostile__maps_only_what_cannot_shrink(void **state)
{
	struct source_stage *stage = *state;

	for (size_t i = 0; i < G_N_ELEMENTS(file_table); i++) {
		const struct source_scanout payload = { 0, file_table[i].width,
							file_table[i].height, file_table[i].stride,
							1 };
		CLEANUP_CLOSE int fd =
			source_stage_make_file(file_table[i].bytes, file_table[i].seals);

		source_stage_greet(stage);
		stage->n_lost = 0;
		source_stage_say(stage, SOURCE_SCANOUT, &payload, sizeof(payload), fd);
		assert_int_equal(stage->n_lost, !file_table[i].good);
		source_stage_reconnect(stage);
	}
}

static void
test_source_vmm_hostile__maps_no_file_of_another_kind(void **state)
{
	struct source_stage *stage = *state;
	static const char *const paths[] = { "/dev/null", "/dev/zero", "/proc/self/mem", "/" };

	for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
		CLEANUP_CLOSE int fd = open(paths[i], O_RDONLY | O_CLOEXEC);

		assert_true(fd >= 0);
		source_stage_greet(stage);
		source_stage_offer(stage, 0, 1, fd);
		assert_int_equal(stage->n_lost, i + 1);
		source_stage_reconnect(stage);
	}
}

static void
test_source_vmm_hostile__hears_nothing_from_another_version(void **state)
{
	struct source_stage *stage = *state;
	struct source_hello hello[] = {
		{ SOURCE_PROTOCOL_VERSION + 1, 1, "" },
		{ SOURCE_PROTOCOL_VERSION, 0, "" },
		{ SOURCE_PROTOCOL_VERSION, SOURCE_MAX_SCANOUTS + 1, "" },
		{ SOURCE_PROTOCOL_VERSION, 1, "a\nb" },
	};
	const struct source_leds leds = { 6 };

	for (size_t i = 0; i < G_N_ELEMENTS(hello); i++) {
		source_stage_say(stage, SOURCE_HELLO, &hello[i], sizeof(hello[i]), -1);
		assert_int_equal(stage->n_lost, i + 1);
		source_stage_reconnect(stage);
	}
	source_stage_say(stage, SOURCE_LEDS, &leds, sizeof(leds), -1); /* before it has greeted */
	assert_int_equal(stage->n_lost, G_N_ELEMENTS(hello) + 1);
	assert_int_equal(stage->n_ready, 0);
}

#define TEST(name)                                                                          \
	cmocka_unit_test_setup_teardown(test_source_vmm_hostile__##name, source_stage_open, \
					source_stage_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ends_with_whoever_breaks_the_rules),
		TEST(maps_only_what_cannot_shrink),
		TEST(maps_no_file_of_another_kind),
		TEST(hears_nothing_from_another_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
