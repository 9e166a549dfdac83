/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_sound_ring.c - frames come out as they went in, and the oldest go when there are too many
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vmm/sound_ring.h"

#define MANY (3 * SOURCE_KEPT_FRAMES)

struct stage {
	struct sound_ring ring;
	uint32_t next; /* each frame is its number */
	uint32_t frames[MANY];
};

static int
set_up(void **state)
{
	*state = test_calloc(1, sizeof(struct stage));
	return 0;
}

static int
tear_down(void **state)
{
	test_free(*state);
	return 0;
}

static void
put(struct stage *stage, uint32_t n_frames)
{
	for (uint32_t i = 0; i < n_frames; i++)
		stage->frames[i] = stage->next++;
	sound_ring_put(&stage->ring, stage->frames, n_frames);
}

static void
assert_takes(struct stage *stage, uint32_t asked, uint32_t first, uint32_t count)
{
	stage->frames[count] = 0x5a5a5a5a;
	assert_int_equal(sound_ring_peek(&stage->ring, stage->frames, asked), count);
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(stage->frames[i], first + i);
	assert_int_equal(stage->frames[count], 0x5a5a5a5a);
	sound_ring_drop(&stage->ring, count);
}

static void
test_sound_ring__keeps_the_order(void **state)
{
	struct stage *stage = *state;
	uint32_t taken = 0;

	assert_takes(stage, 10, 0, 0);
	/* Its end is passed some times, by pieces that do not divide it. */
	for (uint32_t i = 0; i < 50; i++) {
		put(stage, 777);
		assert_takes(stage, 500, taken, 500);
		assert_takes(stage, 500, taken + 500, 277);
		taken += 777;
	}
}

static void
test_sound_ring__loses_the_oldest(void **state)
{
	static const uint32_t pieces[] = {
		1, 480, SOURCE_KEPT_FRAMES - 1, SOURCE_KEPT_FRAMES, SOURCE_KEPT_FRAMES + 1, MANY
	};

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct stage *stage = *state;

		stage->next = 0;
		while (stage->next <= 2 * SOURCE_KEPT_FRAMES)
			put(stage, pieces[i]);
		assert_int_equal(stage->ring.n_frames, SOURCE_KEPT_FRAMES);
		assert_takes(stage, 100, stage->next - SOURCE_KEPT_FRAMES, 100);
		assert_takes(stage, MANY - 1, stage->next - SOURCE_KEPT_FRAMES + 100,
			     SOURCE_KEPT_FRAMES - 100);
	}
}

static void
test_sound_ring__drops_no_more_than_there_is(void **state)
{
	struct stage *stage = *state;

	put(stage, 5);
	sound_ring_drop(&stage->ring, 100);
	assert_int_equal(stage->ring.n_frames, 0);
	put(stage, 3);
	assert_takes(stage, 100, 5, 3);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_sound_ring__keeps_the_order),
		TEST(test_sound_ring__loses_the_oldest),
		TEST(test_sound_ring__drops_no_more_than_there_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
