/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_hda_stream.c - the sound card's streams: what is played and recorded, and when
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/pci_regs.h>
#include <string.h>

#include "tests/unit/fake_platform.h"
#include "tests/unit/hda_stage.h"
#include "vmm/hda.h"
#include "vmm/hda_codec.h"
#include "vmm/hda_layout.h"
#include "vmm/pci.h"
#include "vmm/sound_sink.h"

#define TEST_RATE      SOUND_RATE
#define TEST_NS_PER_MS UINT64_C(1000000)

/* A second, with the interrupt of each period in its time. */
static void
test_hda_stream__plays_a_ramp(void **state)
{
	struct hda_stage *stage = *state;
	const uint32_t *position =
		fake_platform_map(stage->fake, stage->positions + 8 * SOUND_PLAY, 8);
	uint32_t n_periods = 0;

	hda_stage_fill(stage);
	hda_stage_prepare(stage, HDA_STAGE_OUT, HDA_NODE_DAC);
	hda_stage_run(stage, HDA_STAGE_OUT);
	assert_true(stage->moves[SOUND_PLAY]);
	assert_true(hda_stage_get(stage, HDA_STAGE_OUT + HDA_SD_STS, 1) & HDA_SD_STS_READY);
	for (uint32_t ms = 1; ms <= 1000; ms++) {
		hda_stage_wait(stage, 1);
		if (ms % 10 == 0)
			assert_int_equal(*position, ms * 48 * 4 % HDA_STAGE_CYCLE);
		if (stage->fake->msi_counts[HDA_STAGE_MSI] > n_periods) {
			assert_int_equal(ms % 100, 0);
			assert_true(hda_stage_take_period(stage, HDA_STAGE_OUT));
			n_periods++;
		}
	}
	assert_int_equal(n_periods, 10);
	assert_int_equal(stage->n_heard, TEST_RATE);
	hda_stage_expect_ramp(stage, 0, TEST_RATE);
	assert_int_equal(hda_stage_get(stage, HDA_STAGE_OUT + HDA_SD_LPIB, 4), *position);

	hda_stage_put(stage, HDA_STAGE_OUT + HDA_SD_CTL, 1, 0);
	assert_false(stage->moves[SOUND_PLAY]);
	assert_int_equal(hda_stage_deadline_ns, 0); /* nothing ticks */
	assert_int_equal(hda_stage_get(stage, HDA_STAGE_OUT + HDA_SD_LPIB, 4), *position);
	assert_int_equal(stage->n_heard, TEST_RATE);
}

static void
test_hda_stream__short_periods_have_their_interrupts_in_time(void **state)
{
	struct hda_stage *stage = *state;
	const struct hda_stage_buffer buffers[] = { { stage->samples, 3 * 48 * 4, 1 },
						    { stage->samples, 4 * 48 * 4, 1 } };
	static const uint32_t times[] = { 3, 7, 10, 14, 17 };

	hda_stage_prepare(stage, HDA_STAGE_OUT, HDA_NODE_DAC);
	hda_stage_write_list(stage, buffers, 2);
	hda_stage_put(stage, HDA_STAGE_OUT + HDA_SD_LVI, 2, 1);
	hda_stage_put(stage, HDA_STAGE_OUT + HDA_SD_CBL, 4, 7 * 48 * 4);
	hda_stage_run(stage, HDA_STAGE_OUT);
	for (uint32_t ms = 1, i = 0; i < sizeof(times) / sizeof(times[0]); ms++) {
		hda_stage_wait(stage, 1);
		assert_int_equal(stage->fake->msi_counts[HDA_STAGE_MSI], i + (ms == times[i]));
		if (ms == times[i]) {
			assert_true(hda_stage_take_period(stage, HDA_STAGE_OUT));
			i++;
		}
	}
}

static void
test_hda_stream__position_and_wall_clock_are_of_the_moment(void **state)
{
	struct hda_stage *stage = *state;
	uint32_t wall = hda_stage_get(stage, HDA_WALCLK, 4);

	hda_stage_prepare(stage, HDA_STAGE_OUT, HDA_NODE_DAC);
	hda_stage_run(stage, HDA_STAGE_OUT);
	hda_stage_now_ns += 3 * TEST_NS_PER_MS; /* the timer has not run */
	assert_int_equal(hda_stage_get(stage, HDA_STAGE_OUT + HDA_SD_LPIB, 4), 3 * 48 * 4);
	assert_int_equal(hda_stage_get(stage, HDA_WALCLK, 4) - wall, 3 * 24000);
}

static void
test_hda_stream__records(void **state)
{
	struct hda_stage *stage = *state;
	const int16_t *samples = fake_platform_map(stage->fake, stage->samples, HDA_STAGE_CYCLE);

	memset(fake_platform_map(stage->fake, stage->samples, HDA_STAGE_CYCLE), 0x55,
	       HDA_STAGE_CYCLE);
	stage->most_recorded = 4800;
	hda_stage_prepare(stage, HDA_STAGE_IN, HDA_NODE_ADC);
	hda_stage_run(stage, HDA_STAGE_IN);
	assert_true(stage->moves[SOUND_RECORD]);
	hda_stage_wait(stage, 150);
	for (int i = 0; i < 4800; i++) {
		assert_int_equal(samples[2 * i], (int16_t)i);
		assert_int_equal(samples[2 * i + 1], (int16_t)-i);
	}
	for (int i = 4800 * 2; i < 7200 * 2; i++) /* the sink has no more: silence */
		assert_int_equal(samples[i], 0);
	assert_int_equal(samples[7200 * 2], 0x5555);
	assert_true(hda_stage_take_period(stage, HDA_STAGE_IN));
}

static void
test_hda_stream__sound_goes_where_the_codec_sends_it(void **state)
{
	struct hda_stage *stage = *state;

	hda_stage_fill(stage);
	hda_stage_prepare(stage, HDA_STAGE_OUT, HDA_NODE_DAC);
	hda_stage_ask(stage, HDA_NODE_DAC, 0x70600 | (HDA_STAGE_TAG + 1) << 4);
	hda_stage_run(stage, HDA_STAGE_OUT);
	hda_stage_wait(stage, 10);
	assert_int_equal(stage->n_heard, 0);
	hda_stage_ask(stage, HDA_NODE_DAC, 0x70600 | HDA_STAGE_TAG << 4);
	hda_stage_ask(stage, HDA_NODE_DAC, 0x3a000 | (0x4a - 6)); /* left: -6 dB */
	hda_stage_ask(stage, HDA_NODE_DAC, 0x39080);		  /* right: mute */
	hda_stage_wait(stage, 50);
	assert_int_equal(stage->n_heard, 2400);
	assert_in_range(stage->heard[2 * 2000], 2480 * 50 / 100, 2480 * 51 / 100);
	assert_int_equal(stage->heard[2 * 2000 + 1], 0);
}

static void
test_hda_stream__holds_streams_that_wait_for_others(void **state)
{
	static const uint32_t registers[] = { HDA_SSYNC, HDA_SSYNC_ICH6 };
	struct hda_stage *stage = *state;

	hda_stage_prepare(stage, HDA_STAGE_OUT, HDA_NODE_DAC);
	for (size_t i = 0; i < sizeof(registers) / sizeof(registers[0]); i++) {
		stage->n_heard = 0;
		hda_stage_put(stage, registers[i], 4, 1u << SOUND_PLAY);
		hda_stage_run(stage, HDA_STAGE_OUT);
		assert_true(hda_stage_get(stage, HDA_STAGE_OUT + HDA_SD_STS, 1) & HDA_SD_STS_READY);
		hda_stage_wait(stage, 20);
		assert_int_equal(stage->n_heard, 0);
		hda_stage_put(stage, registers[i], 4, 0);
		hda_stage_wait(stage, 20);
		assert_int_equal(stage->n_heard, 960);
	}
}

static void
test_hda_stream__stands_while_the_machine_does(void **state)
{
	struct hda_stage *stage = *state;

	hda_stage_fill(stage);
	hda_stage_prepare(stage, HDA_STAGE_OUT, HDA_NODE_DAC);
	hda_stage_run(stage, HDA_STAGE_OUT);
	hda_stage_wait(stage, 20);
	hda_pause(stage->hda);
	assert_false(stage->moves[SOUND_PLAY]);
	hda_stage_wait(stage, 1000);
	assert_int_equal(stage->n_heard, 960);
	hda_resume(stage->hda);
	hda_stage_wait(stage, 20);
	assert_int_equal(stage->n_heard, 1920);
	hda_stage_expect_ramp(stage, 0, 1920);
}

static void
test_hda_stream__does_not_catch_up_much(void **state)
{
	struct hda_stage *stage = *state;

	hda_stage_fill(stage);
	hda_stage_prepare(stage, HDA_STAGE_OUT, HDA_NODE_DAC);
	hda_stage_run(stage, HDA_STAGE_OUT);
	hda_stage_now_ns += 10 * 1000 * TEST_NS_PER_MS; /* the real host has run for longer */
	hda_stage_wait(stage, 1);
	assert_int_equal(stage->n_heard, TEST_RATE / 5);
	hda_stage_wait(stage, 100);
	assert_int_equal(stage->n_heard, TEST_RATE / 5 + 4800);
	hda_stage_expect_ramp(stage, 0, stage->n_heard);
}

static void
test_hda_stream__a_list_counts_as_it_was_at_the_start(void **state)
{
	static const struct hda_stage_buffer bad[HDA_STAGE_PERIODS + 1] = { { HDA_STAGE_NOT_RAM,
									      0xffffffff, 1 } };
	struct hda_stage *stage = *state;

	hda_stage_fill(stage);
	hda_stage_prepare(stage, HDA_STAGE_OUT, HDA_NODE_DAC);
	hda_stage_run(stage, HDA_STAGE_OUT);
	hda_stage_write_list(stage, bad, HDA_STAGE_PERIODS + 1);
	hda_stage_put(stage, HDA_STAGE_OUT + HDA_SD_LVI, 2, 255);
	hda_stage_put(stage, HDA_STAGE_OUT + HDA_SD_CBL, 4, 0);
	hda_stage_wait(stage, 500);
	assert_int_equal(stage->n_heard, TEST_RATE / 2);
	hda_stage_expect_ramp(stage, 0, TEST_RATE / 2);
}

/* Each is refused, the stream says why, and the next good one plays. */
static void
test_hda_stream__bad_streams_do_not_run(void **state)
{
	static const struct {
		struct hda_stage_buffer buffer;
		uint32_t list, n_bytes;
		uint16_t format;
	} cases[] = {
		{ { HDA_STAGE_NOT_RAM, 4096, 1 }, 0, 4096, HDA_FORMAT_48000 },
		{ { 0x100000, 0, 1 }, 0, 4096, HDA_FORMAT_48000 },
		{ { 0x100000, 0xffffffff, 1 }, 0, 4096, HDA_FORMAT_48000 },
		{ { UINT64_MAX - 3, 8, 1 }, 0, 4096, HDA_FORMAT_48000 },
		{ { 0x100000, 4096, 1 }, HDA_STAGE_NOT_RAM, 4096, HDA_FORMAT_48000 },
		{ { 0x100000, 4096, 1 }, 0, 0, HDA_FORMAT_48000 },
		{ { 0x100000, 4096, 1 }, 0, 4096, 0x4011 }, /* 44.1 kHz */
		{ { 0x100000, 4096, 1 }, 0, 4096, 0x4111 },
		{ { 0x100000, 4096, 1 }, 0, 4096, 0x0000 },
	};
	struct hda_stage *stage = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		hda_stage_prepare(stage, HDA_STAGE_OUT, HDA_NODE_DAC);
		hda_stage_write_list(stage, &cases[i].buffer, 1);
		if (cases[i].list)
			hda_stage_put(stage, HDA_STAGE_OUT + HDA_SD_BDPL, 4, cases[i].list);
		hda_stage_put(stage, HDA_STAGE_OUT + HDA_SD_CBL, 4, cases[i].n_bytes);
		hda_stage_put(stage, HDA_STAGE_OUT + HDA_SD_FMT, 2, cases[i].format);
		hda_stage_run(stage, HDA_STAGE_OUT);
		assert_int_equal(hda_stage_get(stage, HDA_STAGE_OUT + HDA_SD_CTL, 1),
				 HDA_SD_INTERRUPTS);
		assert_int_equal(hda_stage_get(stage, HDA_STAGE_OUT + HDA_SD_STS, 1), HDA_SD_ERROR);
		assert_int_equal(stage->fake->msi_counts[HDA_STAGE_MSI], 1);
		hda_stage_wait(stage, 10);
		assert_int_equal(stage->n_heard, 0);
	}
	hda_stage_prepare(stage, HDA_STAGE_OUT, HDA_NODE_DAC);
	hda_stage_run(stage, HDA_STAGE_OUT);
	hda_stage_wait(stage, 10);
	assert_int_equal(stage->n_heard, 480);
}

static void
test_hda_stream__a_stream_without_bus_mastering_stops(void **state)
{
	struct hda_stage *stage = *state;

	hda_stage_prepare(stage, HDA_STAGE_OUT, HDA_NODE_DAC);
	hda_stage_run(stage, HDA_STAGE_OUT);
	hda_stage_wait(stage, 10);
	fake_platform_write(stage->fake, HDA_STAGE_CONFIG + PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	hda_stage_wait(stage, 10);
	assert_int_equal(stage->n_heard, 480);
	assert_int_equal(hda_stage_get(stage, HDA_STAGE_OUT + HDA_SD_STS, 1), HDA_SD_ERROR);
}

static void
test_hda_stream__reset_ends_all(void **state)
{
	struct hda_stage *stage = *state;

	hda_stage_prepare(stage, HDA_STAGE_OUT, HDA_NODE_DAC);
	hda_stage_run(stage, HDA_STAGE_OUT);
	hda_stage_wait(stage, 10);
	pci_root_reset(stage->root);
	assert_false(stage->moves[SOUND_PLAY]);
	assert_int_equal(hda_stage_deadline_ns, 0);
	hda_stage_open_pci(stage);
	hda_stage_start_controller(stage);
	assert_int_equal(hda_stage_ask(stage, HDA_NODE_DAC, 0xf0600), 0);
	assert_int_equal(hda_stage_get(stage, HDA_STAGE_OUT + HDA_SD_CBL, 4), 0);
}

static void
test_hda_stream__plays_and_records_with_nobody_there(void **state)
{
	struct hda_stage *stage = *state;
	const uint32_t *positions = fake_platform_map(stage->fake, stage->positions, 16);
	const int16_t *samples;

	pci_root_free(stage->root);
	assert_int_equal(pci_root_new(&stage->fake->platform, &stage->root), 0);
	assert_int_equal(hda_new(&stage->fake->platform, stage->root, NULL, &stage->hda), 0);
	pci_root_reset(stage->root);
	hda_stage_open_pci(stage);
	hda_stage_start_controller(stage);
	hda_stage_prepare(stage, HDA_STAGE_OUT, HDA_NODE_DAC);
	hda_stage_run(stage, HDA_STAGE_OUT);
	hda_stage_wait(stage, 110);
	assert_int_equal(positions[2 * SOUND_PLAY], 110 * 48 * 4);
	assert_true(hda_stage_take_period(stage, HDA_STAGE_OUT));
	hda_stage_put(stage, HDA_STAGE_OUT + HDA_SD_CTL, 1, 0);

	hda_stage_fill(stage);
	hda_stage_prepare(stage, HDA_STAGE_IN, HDA_NODE_ADC);
	hda_stage_run(stage, HDA_STAGE_IN);
	hda_stage_wait(stage, 20);
	samples = fake_platform_map(stage->fake, stage->samples, HDA_STAGE_CYCLE);
	for (int i = 0; i < 960 * 2; i++)
		assert_int_equal(samples[i], 0);
	assert_int_equal(samples[960 * 2], 960);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, hda_stage_open, hda_stage_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_hda_stream__plays_a_ramp),
		TEST(test_hda_stream__short_periods_have_their_interrupts_in_time),
		TEST(test_hda_stream__position_and_wall_clock_are_of_the_moment),
		TEST(test_hda_stream__records),
		TEST(test_hda_stream__sound_goes_where_the_codec_sends_it),
		TEST(test_hda_stream__holds_streams_that_wait_for_others),
		TEST(test_hda_stream__stands_while_the_machine_does),
		TEST(test_hda_stream__does_not_catch_up_much),
		TEST(test_hda_stream__a_list_counts_as_it_was_at_the_start),
		TEST(test_hda_stream__bad_streams_do_not_run),
		TEST(test_hda_stream__a_stream_without_bus_mastering_stops),
		TEST(test_hda_stream__reset_ends_all),
		TEST(test_hda_stream__plays_and_records_with_nobody_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
