/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_hda_state.c - the sound card is saved, and goes on as another machine's
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "tests/unit/fake_platform.h"
#include "tests/unit/hda_stage.h"
#include "tests/unit/state_round.h"
#include "vmm/hda.h"
#include "vmm/hda_codec.h"
#include "vmm/hda_device.h"
#include "vmm/hda_layout.h"

#define TEST_FRAMES_A_MS 48

static const struct state_round test_round = { "hda", hda_save, hda_load };

/* The guest's memory goes with it. The stage's clock begins anew: it is another host's. */
static struct hda_stage *
test_hda_state_fork(struct hda_stage *stage)
{
	struct hda_stage *fork;
	void *state;
	int fd;

	hda_pause(stage->hda);
	fd = state_round_save(&test_round, stage->hda);
	hda_stage_open(&state);
	fork = state;
	memcpy(fake_platform_map(fork->fake, 0, FAKE_PLATFORM_RAM_BYTES),
	       fake_platform_map(stage->fake, 0, FAKE_PLATFORM_RAM_BYTES), FAKE_PLATFORM_RAM_BYTES);
	hda_pause(fork->hda);
	state_round_load(&test_round, fork->hda, fd);
	fake_platform_forget(fork->fake);
	close(fd);
	return fork;
}

static void
test_hda_state_end_fork(struct hda_stage *fork)
{
	void *state = fork;

	hda_stage_close(&state);
}

static void
test_hda_state_play(struct hda_stage *stage, uint32_t ms)
{
	hda_stage_fill(stage);
	hda_stage_prepare(stage, HDA_STAGE_OUT, HDA_NODE_DAC);
	hda_stage_run(stage, HDA_STAGE_OUT);
	hda_stage_wait(stage, ms);
}

static void
test_hda_state__fork_plays_on(void **state)
{
	struct hda_stage *stage = *state, *fork;
	uint32_t ms = 0;

	test_hda_state_play(stage, 150);
	assert_true(hda_stage_take_period(stage, HDA_STAGE_OUT));
	fork = test_hda_state_fork(stage);
	assert_false(fork->moves[SOUND_PLAY]);
	hda_stage_wait(fork, 20);
	assert_int_equal(fork->n_heard, 0);
	assert_int_equal(hda_stage_get(fork, HDA_STAGE_OUT + HDA_SD_LPIB, 4),
			 150 * TEST_FRAMES_A_MS * 4);

	hda_resume(fork->hda);
	assert_true(fork->moves[SOUND_PLAY]);
	while (ms < 400 && fork->fake->msi_counts[HDA_STAGE_MSI] == 0) {
		hda_stage_wait(fork, 1);
		ms++;
	}
	assert_int_equal(ms, 50);
	assert_true(hda_stage_take_period(fork, HDA_STAGE_OUT));
	hda_stage_wait(fork, 250);
	assert_int_equal(fork->n_heard, 300 * TEST_FRAMES_A_MS);
	hda_stage_expect_ramp(fork, 150 * TEST_FRAMES_A_MS, 300 * TEST_FRAMES_A_MS);
	assert_int_equal(hda_stage_get(fork, HDA_STAGE_OUT + HDA_SD_LPIB, 4),
			 450 * TEST_FRAMES_A_MS * 4 % HDA_STAGE_CYCLE);
	test_hda_state_end_fork(fork);
}

static void
test_hda_state__fork_records_on(void **state)
{
	struct hda_stage *stage = *state, *fork;
	const int16_t *samples;

	stage->most_recorded = 1000000;
	hda_stage_prepare(stage, HDA_STAGE_IN, HDA_NODE_ADC);
	hda_stage_run(stage, HDA_STAGE_IN);
	hda_stage_wait(stage, 10);
	fork = test_hda_state_fork(stage);
	samples = fake_platform_map(fork->fake, fork->samples, HDA_STAGE_CYCLE);
	fork->most_recorded = 1000000;
	fork->next_recorded = 1000;
	hda_resume(fork->hda);
	hda_stage_wait(fork, 10);
	assert_int_equal(samples[2 * (480 - 1)], 480 - 1);
	assert_int_equal(samples[2 * 480], 1000);
	assert_int_equal(samples[2 * (960 - 1)], 1480 - 1);
	test_hda_state_end_fork(fork);
}

/* An interrupt that was sent is not sent again; its cause stays until the driver takes it. */
static void
test_hda_state__fork_has_what_was_signalled(void **state)
{
	struct hda_stage *stage = *state, *fork;

	test_hda_state_play(stage, 110);
	assert_int_equal(stage->fake->msi_counts[HDA_STAGE_MSI], 1);
	fork = test_hda_state_fork(stage);
	hda_resume(fork->hda);
	hda_stage_wait(fork, 20);
	assert_int_equal(fork->fake->msi_counts[HDA_STAGE_MSI], 0);
	assert_true(hda_stage_take_period(fork, HDA_STAGE_OUT));
	hda_stage_wait(fork, 70);
	assert_int_equal(fork->fake->msi_counts[HDA_STAGE_MSI], 1);
	test_hda_state_end_fork(fork);
}

static void
test_hda_state__fork_of_a_stream_that_stands(void **state)
{
	struct hda_stage *stage = *state, *fork;

	test_hda_state_play(stage, 30);
	hda_stage_put(stage, HDA_STAGE_OUT + HDA_SD_CTL, 1, 0);
	fork = test_hda_state_fork(stage);
	hda_resume(fork->hda);
	hda_stage_wait(fork, 20);
	assert_int_equal(fork->n_heard, 0);
	hda_stage_run(fork, HDA_STAGE_OUT);
	hda_stage_wait(fork, 20);
	assert_int_equal(fork->n_heard, 20 * TEST_FRAMES_A_MS);
	hda_stage_expect_ramp(fork, 30 * TEST_FRAMES_A_MS, 20 * TEST_FRAMES_A_MS);
	test_hda_state_end_fork(fork);
}

static void
test_hda_state__fork_of_a_stream_that_is_held(void **state)
{
	struct hda_stage *stage = *state, *fork;

	test_hda_state_play(stage, 30);
	hda_stage_put(stage, HDA_SSYNC, 4, 1u << SOUND_PLAY);
	fork = test_hda_state_fork(stage);
	hda_resume(fork->hda);
	hda_stage_wait(fork, 20);
	assert_int_equal(fork->n_heard, 0);
	hda_stage_put(fork, HDA_SSYNC, 4, 0);
	hda_stage_wait(fork, 20);
	hda_stage_expect_ramp(fork, 30 * TEST_FRAMES_A_MS, 20 * TEST_FRAMES_A_MS);
	test_hda_state_end_fork(fork);
}

static void
test_hda_state__fork_has_codec_and_rings(void **state)
{
	static const struct {
		uint32_t node, set, get, answer;
	} values[] = {
		{ HDA_NODE_DAC, 0x3a010, 0xba000, 0x10 },
		{ HDA_NODE_DAC, 0x39080, 0xb8000, 0x80 },
		{ HDA_NODE_ADC, 0x36020, 0xb2000, 0x20 },
		{ HDA_NODE_ADC, 0x70671, 0xf0600, 0x71 },
		{ HDA_NODE_DAC, 0x24011, 0xa0000, 0x4011 },
		{ HDA_NODE_AUDIO, 0x70503, 0xf0500, 0x33 },
		{ HDA_NODE_LINE_OUT, 0x70740, 0xf0700, 0x40 },
		{ HDA_NODE_MIC, 0x70720, 0xf0700, 0x20 },
	};
	struct hda_stage *stage = *state, *fork;

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		hda_stage_ask(stage, values[i].node, values[i].set);
	fork = test_hda_state_fork(stage);
	assert_int_equal(hda_stage_get(fork, HDA_CORBWP, 2), sizeof(values) / sizeof(values[0]));
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		assert_int_equal(hda_stage_ask(fork, values[i].node, values[i].get),
				 values[i].answer);
	test_hda_state_end_fork(fork);
}

/* It has run for longer than the new host. */
static void
test_hda_state__fork_goes_on_with_the_wall_clock(void **state)
{
	struct hda_stage *stage = *state, *fork;
	uint32_t wall;

	hda_stage_wait(stage, 3500);
	wall = hda_stage_get(stage, HDA_WALCLK, 4);
	assert_int_equal(wall, 3500 * 24000);
	fork = test_hda_state_fork(stage);
	assert_int_equal(hda_stage_get(fork, HDA_WALCLK, 4), wall);
	hda_stage_wait(fork, 10);
	assert_int_equal(hda_stage_get(fork, HDA_WALCLK, 4), wall + 10 * 24000);
	test_hda_state_end_fork(fork);
}

/* The wall clock began when the new host did, at the zero that stands for a reset. */
static void
test_hda_state__wall_clock_from_zero(void **state)
{
	struct hda_stage *stage = *state;
	int fd;

	hda_stage_wait(stage, 500);
	fd = state_round_save(&test_round, stage->hda);
	hda_stage_now_ns = UINT64_C(500000000);
	state_round_load_later(&test_round, stage->hda, fd);
	hda_stage_put(stage, HDA_GCTL, 4, HDA_GCTL_RUNS);
	assert_int_equal(hda_stage_get(stage, HDA_STATESTS, 2), 0); /* no reset has ended */
	hda_stage_wait(stage, 10);
	assert_in_range(hda_stage_get(stage, HDA_WALCLK, 4), 510 * 24000 - 1, 510 * 24000);
	close(fd);
}

static void
test_hda_state__fork_in_a_reset(void **state)
{
	struct hda_stage *stage = *state, *fork;

	hda_stage_put(stage, HDA_GCTL, 4, 0);
	fork = test_hda_state_fork(stage);
	assert_int_equal(hda_stage_get(fork, HDA_GCTL, 4), 0);
	hda_stage_wait(fork, 10);
	assert_int_equal(hda_stage_get(fork, HDA_WALCLK, 4), 0);
	hda_stage_start_controller(fork);
	test_hda_state_end_fork(fork);
}

static void
test_hda_state__forged_states_are_refused(void **state)
{
	/* Registers, 192 bytes; 192: causes; 196: the wall clock; 204: six nodes of 7; 246, 262: streams */
	static const struct state_forgery forgeries[] = {
		{ HDA_CORBWP, 2, HDA_RING_ENTRIES, "next command" },
		{ HDA_CORBWP, 2, HDA_POINTER_RESET, "next command" },
		{ HDA_CORBRP, 2, HDA_RING_ENTRIES, "outside" },
		{ HDA_RIRBWP, 2, 0x7fff, "outside" },
		{ HDA_GCTL, 1, 0, "in a reset" },
		{ HDA_STAGE_IN, 1, HDA_SD_CTL_RUN, "runs without" },
		{ HDA_STAGE_OUT, 1, 0, "does not run" },
		{ 192, 4, 4, "cause" },
		{ 192, 4, HDA_INT_GLOBAL, "cause" },
		{ 196, 8, (UINT64_C(1) << 58) + 1, "too long" },
		{ 204 + 7 * HDA_NODE_ROOT + 2, 1, 1, "node" },	      /* a stream */
		{ 204 + 7 * HDA_NODE_LINE_OUT, 2, 0x11, "node" },     /* a format */
		{ 204 + 7 * HDA_NODE_AUDIO + 3, 1, 1, "node" },	      /* power */
		{ 204 + 7 * HDA_NODE_DAC + 3, 1, 3, "node" },	      /* power */
		{ 204 + 7 * HDA_NODE_LINE_OUT + 4, 1, 0x20, "node" }, /* a pin */
		{ 204 + 7 * HDA_NODE_MIC + 5, 1, 1, "node" },	      /* gain */
		{ 204 + 7 * HDA_NODE_DAC + 5, 1, 0x4b, "node" },
		{ 204 + 7 * HDA_NODE_ADC + 6, 1, 0xff, "node" },
		{ 246, 4, HDA_MAX_BUFFERS, "no list has" },
		{ 258, 4, 1, "" },
		{ 262, 4, 5, "none of its buffers" },
		{ 266, 4, HDA_STAGE_PERIOD_BYTES, "none of its buffers" },
		{ 270, 4, 0, "no length" },
		{ 274, 4, HDA_MAX_BUFFERS + 1, "257 where" },
		{ 278, 8, HDA_STAGE_NOT_RAM, "no memory" },
		{ 278, 8, UINT64_MAX - 3, "no memory" },
		{ 286, 4, 0, "no memory" },
		{ 286, 4, UINT32_MAX, "too long" },
	};
	struct hda_stage *stage = *state;
	int fd;

	test_hda_state_play(stage, 150);
	hda_pause(stage->hda);
	fd = state_round_save(&test_round, stage->hda);
	hda_stage_put(stage, HDA_ICOI, 4, 1);
	state_round_refuse_all(&test_round, stage->hda, fd, forgeries,
			       sizeof(forgeries) / sizeof(forgeries[0]));
	close(fd);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, hda_stage_open, hda_stage_close)
	const struct CMUnitTest tests[] = {
		TEST(test_hda_state__fork_plays_on),
		TEST(test_hda_state__fork_records_on),
		TEST(test_hda_state__fork_has_what_was_signalled),
		TEST(test_hda_state__fork_of_a_stream_that_stands),
		TEST(test_hda_state__fork_of_a_stream_that_is_held),
		TEST(test_hda_state__fork_has_codec_and_rings),
		TEST(test_hda_state__fork_goes_on_with_the_wall_clock),
		TEST(test_hda_state__wall_clock_from_zero),
		TEST(test_hda_state__fork_in_a_reset),
		TEST(test_hda_state__forged_states_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
