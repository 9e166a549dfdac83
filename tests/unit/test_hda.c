/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_hda.c - the sound card, driven as Linux's snd_hda_intel does it, at a time that the test sets
 *
 * The linker puts the test's clock in the place of loop_now_ns(), and test_deadline_ns gets what the card's timer is set to.
 * The clock begins so early that the loop finds a timer due at once: stage_wait() lets it run when it really is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/pci_regs.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_platform.h"
#include "vmm/hda.h"
#include "vmm/hda_codec.h"
#include "vmm/hda_layout.h"
#include "vmm/loop.h"
#include "vmm/pci.h"
#include "vmm/slots.h"
#include "vmm/sound_sink.h"

#define TEST_CONFIG    (PCI_ECAM_BASE + (SLOT_SOUND << 15))
#define TEST_MSI       (TEST_CONFIG + 0x50)
#define TEST_MSI_DATA  0x41
#define TEST_RATE      SOUND_RATE
#define TEST_PERIODS   4
#define TEST_FRAMES    4800 /* in a period: 100 ms */
#define TEST_BYTES     (TEST_FRAMES * 4)
#define TEST_CYCLE     (TEST_PERIODS * TEST_BYTES)
#define TEST_HEARD     (3 * TEST_RATE)
#define TEST_TAG       5
#define TEST_NOT_RAM   UINT64_C(0xb0000000)
#define TEST_FIRST_NS  UINT64_C(1000000000)
#define TEST_NS_PER_MS UINT64_C(1000000)
#define TEST_IN	       HDA_STREAM
#define TEST_OUT       (HDA_STREAM + HDA_STREAM_BYTES)

uint64_t __wrap_loop_now_ns(void);
void __real_loop_timer_set(struct loop_timer *timer, uint64_t deadline_ns);
void __wrap_loop_timer_set(struct loop_timer *timer, uint64_t deadline_ns);

static uint64_t test_now_ns; /* the linker's functions have no context */
static uint64_t test_deadline_ns;

uint64_t
__wrap_loop_now_ns(void)
{
	return test_now_ns;
}

void
__wrap_loop_timer_set(struct loop_timer *timer, uint64_t deadline_ns)
{
	test_deadline_ns = deadline_ns;
	__real_loop_timer_set(timer, deadline_ns);
}

struct buffer {
	uint64_t gpa;
	uint32_t bytes;
	uint32_t flags;
};

struct stage {
	struct fake_platform *fake;
	struct pci_root *root;
	struct hda *hda;
	struct sound_sink sink;
	uint64_t bar;
	uint64_t corb, rirb, positions, list, samples;
	int16_t heard[TEST_HEARD * 2];
	uint32_t n_heard;
	bool moves[SOUND_DIRECTION_COUNT];
	uint32_t next_recorded; /* a ramp */
	uint32_t most_recorded;
};

static void
stage_change(void *context, enum sound_direction direction, bool moves)
{
	struct stage *stage = context;

	stage->moves[direction] = moves;
}

static void
stage_play(void *context, const int16_t *samples, uint32_t n_frames)
{
	struct stage *stage = context;

	assert_true(n_frames <= SOUND_MAX_FRAMES && stage->n_heard + n_frames <= TEST_HEARD);
	memcpy(&stage->heard[stage->n_heard * 2], samples, n_frames * SOUND_FRAME_BYTES);
	stage->n_heard += n_frames;
}

static uint32_t
stage_record(void *context, int16_t *samples, uint32_t n_frames)
{
	struct stage *stage = context;

	if (n_frames > stage->most_recorded)
		n_frames = stage->most_recorded;
	stage->most_recorded -= n_frames;
	for (uint32_t i = 0; i < n_frames; i++, stage->next_recorded++) {
		samples[2 * i] = (int16_t)stage->next_recorded;
		samples[2 * i + 1] = (int16_t)-stage->next_recorded;
	}
	return n_frames;
}

static uint32_t
stage_get(struct stage *stage, uint32_t offset, uint32_t bytes)
{
	return (uint32_t)fake_platform_read(stage->fake, stage->bar + offset, bytes);
}

static void
stage_put(struct stage *stage, uint32_t offset, uint32_t bytes, uint64_t value)
{
	fake_platform_write(stage->fake, stage->bar + offset, bytes, value);
}

static void
stage_wait(struct stage *stage, uint32_t ms)
{
	for (uint32_t i = 0; i < ms; i++) {
		test_now_ns += TEST_NS_PER_MS;
		if (test_deadline_ns != 0 && test_deadline_ns <= test_now_ns)
			assert_int_equal(loop_step(stage->fake->platform.loop, 100), 1);
	}
}

/* As the driver finds it: bus mastering and one MSI. */
static void
stage_open_pci(struct stage *stage)
{
	struct fake_platform *fake = stage->fake;

	assert_int_equal(fake_platform_read(fake, TEST_CONFIG, 4), 0x26688086);
	assert_int_equal(fake_platform_read(fake, TEST_CONFIG + PCI_CLASS_REVISION, 4), 0x04030001);
	fake_platform_write(fake, TEST_CONFIG + PCI_COMMAND, 2,
			    PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	stage->bar = fake_platform_read(fake, TEST_CONFIG + PCI_BASE_ADDRESS_0, 4);
	assert_int_equal(fake_platform_read(fake, TEST_MSI, 1), PCI_CAP_ID_MSI);
	fake_platform_write(fake, TEST_MSI + PCI_MSI_ADDRESS_LO, 4, 0xfee0000c);
	fake_platform_write(fake, TEST_MSI + PCI_MSI_DATA_64, 2, TEST_MSI_DATA);
	fake_platform_write(fake, TEST_MSI + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_ENABLE);
	/* the traffic class register of the ICH6 */
	fake_platform_write(fake, TEST_CONFIG + 0x44, 1,
			    fake_platform_read(fake, TEST_CONFIG + 0x44, 1) & ~7u);
}

/* azx_reset(), snd_hdac_bus_init_cmd_io() and azx_int_enable() */
static void
stage_start_controller(struct stage *stage)
{
	stage_put(stage, HDA_GCTL, 4, 0);
	assert_int_equal(stage_get(stage, HDA_GCTL, 4) & 1, 0);
	stage_put(stage, HDA_GCTL, 1, 1);
	assert_int_equal(stage_get(stage, HDA_GCTL, 1) & 1, 1);
	assert_int_equal(stage_get(stage, HDA_STATESTS, 2), 1);
	stage_put(stage, HDA_STATESTS, 2, 1);
	stage_put(stage, HDA_CORBLBASE, 4, (uint32_t)stage->corb);
	stage_put(stage, HDA_CORBUBASE, 4, 0);
	stage_put(stage, HDA_CORBSIZE, 1, 2);
	stage_put(stage, HDA_CORBWP, 2, 0);
	stage_put(stage, HDA_CORBRP, 2, HDA_POINTER_RESET);
	assert_int_equal(stage_get(stage, HDA_CORBRP, 2), HDA_POINTER_RESET);
	stage_put(stage, HDA_CORBRP, 2, 0);
	assert_int_equal(stage_get(stage, HDA_CORBRP, 2), 0);
	stage_put(stage, HDA_CORBCTL, 1, HDA_CORBCTL_RUN);
	stage_put(stage, HDA_RIRBLBASE, 4, (uint32_t)stage->rirb);
	stage_put(stage, HDA_RIRBUBASE, 4, 0);
	stage_put(stage, HDA_RIRBSIZE, 1, 2);
	stage_put(stage, HDA_RIRBWP, 2, HDA_POINTER_RESET);
	stage_put(stage, HDA_RINTCNT, 2, 1);
	stage_put(stage, HDA_RIRBCTL, 1, HDA_RIRBCTL_RUN | HDA_RIRBCTL_RESPONSE);
	stage_put(stage, HDA_GCTL, 4, stage_get(stage, HDA_GCTL, 4) | HDA_GCTL_UNSOLICITED);
	stage_put(stage, HDA_INTCTL, 4, HDA_INT_GLOBAL | HDA_INT_CONTROLLER);
	stage_put(stage, HDA_DPLBASE, 4, (uint32_t)stage->positions | HDA_DPLBASE_ENABLE);
	stage_put(stage, HDA_DPUBASE, 4, 0);
}

static int
stage_open(void **state)
{
	struct stage *stage = calloc(1, sizeof(*stage));

	assert_non_null(stage);
	test_now_ns = TEST_FIRST_NS;
	stage->sink = (struct sound_sink){ stage_change, stage_play, stage_record, stage };
	assert_int_equal(fake_platform_new(FAKE_PLATFORM_RAM_BYTES, &stage->fake), 0);
	assert_int_equal(pci_root_new(&stage->fake->platform, &stage->root), 0);
	assert_int_equal(hda_new(&stage->fake->platform, stage->root, &stage->sink, &stage->hda),
			 0);
	pci_root_reset(stage->root);
	stage->corb = fake_platform_alloc(stage->fake, HDA_RING_ENTRIES * 4, 128);
	stage->rirb = fake_platform_alloc(stage->fake, HDA_RING_ENTRIES * 8, 128);
	stage->positions = fake_platform_alloc(stage->fake, 4096, 4096);
	stage->list = fake_platform_alloc(stage->fake, 4096, 4096);
	stage->samples = fake_platform_alloc(stage->fake, TEST_CYCLE, 4096);
	stage_open_pci(stage);
	stage_start_controller(stage);
	*state = stage;
	return 0;
}

static int
stage_close(void **state)
{
	struct stage *stage = *state;

	pci_root_free(stage->root);
	fake_platform_free(stage->fake);
	free(stage);
	return 0;
}

static void
stage_send(struct stage *stage, uint32_t command)
{
	uint32_t place = (stage_get(stage, HDA_CORBWP, 2) + 1) % HDA_RING_ENTRIES;

	memcpy(fake_platform_map(stage->fake, stage->corb + place * 4, 4), &command, 4);
	stage_put(stage, HDA_CORBWP, 2, place);
}

/* One command through the rings, with its interrupt. */
static uint32_t
stage_ask(struct stage *stage, uint32_t node, uint32_t verb_and_payload)
{
	uint32_t before = stage_get(stage, HDA_RIRBWP, 2);
	uint32_t n_msis = stage->fake->msi_counts[TEST_MSI_DATA];
	uint32_t place = (before + 1) % HDA_RING_ENTRIES;
	uint32_t response[2];

	stage_send(stage, node << 20 | verb_and_payload);
	assert_int_equal(stage_get(stage, HDA_RIRBWP, 2), place);
	assert_int_equal(stage->fake->msi_counts[TEST_MSI_DATA], n_msis + 1);
	assert_int_equal(stage_get(stage, HDA_INTSTS, 4), HDA_INT_GLOBAL | HDA_INT_CONTROLLER);
	assert_int_equal(stage_get(stage, HDA_RIRBSTS, 1), HDA_RIRBCTL_RESPONSE);
	stage_put(stage, HDA_RIRBSTS, 1, HDA_RIRBCTL_RESPONSE | HDA_RIRBCTL_OVERRUN);
	assert_int_equal(stage_get(stage, HDA_INTSTS, 4), 0);
	memcpy(response, fake_platform_map(stage->fake, stage->rirb + place * 8, 8), 8);
	assert_int_equal(response[1], HDA_CODEC_ADDRESS);
	return response[0];
}

static void
stage_write_list(struct stage *stage, const struct buffer *buffers, uint32_t n_buffers)
{
	memcpy(fake_platform_map(stage->fake, stage->list, n_buffers * sizeof(*buffers)), buffers,
	       n_buffers * sizeof(*buffers));
}

/* azx_pcm_prepare(): a cycle of four periods, of which the first is cut in two so that interrupts come late enough */
static void
stage_prepare(struct stage *stage, uint32_t base, uint32_t node)
{
	struct buffer buffers[TEST_PERIODS + 1] = {
		{ stage->samples, 4, 0 },
		{ stage->samples + 4, TEST_BYTES - 4, 1 },
	};

	for (uint32_t i = 1; i < TEST_PERIODS; i++)
		buffers[i + 1] = (struct buffer){ stage->samples + i * TEST_BYTES, TEST_BYTES, 1 };
	stage_write_list(stage, buffers, TEST_PERIODS + 1);
	stage_put(stage, base + HDA_SD_CTL, 1, HDA_SD_CTL_RESET);
	assert_int_equal(stage_get(stage, base + HDA_SD_CTL, 1) & 1, 1);
	stage_put(stage, base + HDA_SD_CTL, 1, 0);
	assert_int_equal(stage_get(stage, base + HDA_SD_CTL, 1) & 1, 0);
	stage_put(stage, base + HDA_SD_CTL, 4, TEST_TAG << HDA_SD_CTL_TAG_SHIFT);
	stage_put(stage, base + HDA_SD_CBL, 4, TEST_CYCLE);
	stage_put(stage, base + HDA_SD_FMT, 2, HDA_FORMAT_48000);
	stage_put(stage, base + HDA_SD_LVI, 2, TEST_PERIODS);
	stage_put(stage, base + HDA_SD_BDPL, 4, stage->list);
	stage_put(stage, base + HDA_SD_BDPU, 4, 0);
	stage_ask(stage, node, 0x70600 | TEST_TAG << 4);
	stage_ask(stage, node, 0x20000 | HDA_FORMAT_48000);
	fake_platform_forget(stage->fake);
}

/* snd_hdac_stream_start() */
static void
stage_run(struct stage *stage, uint32_t base)
{
	stage_put(stage, HDA_INTCTL, 4,
		  HDA_INT_GLOBAL | HDA_INT_CONTROLLER | (base == TEST_OUT ? 2 : 1));
	stage_put(stage, base + HDA_SD_CTL, 1, HDA_SD_CTL_RUN | HDA_SD_INTERRUPTS);
}

static void
stage_fill(struct stage *stage)
{
	int16_t *samples = fake_platform_map(stage->fake, stage->samples, TEST_CYCLE);

	for (int i = 0; i < TEST_CYCLE / 4; i++) {
		samples[2 * i] = (int16_t)i;
		samples[2 * i + 1] = (int16_t)-i;
	}
}

static void
stage_expect_ramp(const struct stage *stage, uint32_t n_frames)
{
	for (uint32_t i = 0; i < n_frames; i++) {
		assert_int_equal(stage->heard[2 * i], (int16_t)(i % (TEST_CYCLE / 4)));
		assert_int_equal(stage->heard[2 * i + 1], (int16_t) - (i % (TEST_CYCLE / 4)));
	}
}

/* What the interrupt's handler reads and takes away. */
static bool
stage_take_period(struct stage *stage, uint32_t base)
{
	if (!(stage_get(stage, HDA_INTSTS, 4) & (base == TEST_OUT ? 2 : 1)))
		return false;
	assert_int_equal(stage_get(stage, base + HDA_SD_STS, 1) & HDA_SD_INTERRUPTS,
			 HDA_SD_COMPLETE);
	stage_put(stage, base + HDA_SD_STS, 1, HDA_SD_INTERRUPTS);
	return true;
}

static void
test_hda__msi_is_not_where_linux_sets_the_traffic_class(void **state)
{
	struct stage *stage = *state;

	assert_int_equal(fake_platform_read(stage->fake, TEST_MSI + PCI_MSI_ADDRESS_LO, 4),
			 0xfee0000c);
	assert_int_equal(stage_get(stage, HDA_GCAP, 2), 0x1101);
	stage_ask(stage, 0, 0xf0000);
	assert_int_equal(stage->fake->last_msi_address, 0xfee0000c);
}

static void
test_hda__nothing_is_written_while_in_reset(void **state)
{
	struct stage *stage = *state;

	stage_put(stage, HDA_GCTL, 4, 0);
	assert_int_equal(stage_get(stage, HDA_CORBLBASE, 4), 0);
	stage_put(stage, HDA_CORBLBASE, 4, 0x1000);
	stage_put(stage, TEST_OUT + HDA_SD_CBL, 4, 0x1000);
	assert_int_equal(stage_get(stage, HDA_CORBLBASE, 4), 0);
	assert_int_equal(stage_get(stage, TEST_OUT + HDA_SD_CBL, 4), 0);
	assert_int_equal(stage_get(stage, HDA_STATESTS, 2), 0);
}

static void
test_hda__codec_is_found_through_the_rings(void **state)
{
	static const struct {
		uint32_t node, command, answer;
	} cases[] = {
		{ HDA_NODE_ROOT, 0xf0000, 0x1af40022 },
		{ HDA_NODE_ROOT, 0xf0004, 0x00010001 },
		{ HDA_NODE_AUDIO, 0xf0005, 1 },
		{ HDA_NODE_AUDIO, 0xf0004, 0x00020004 },
		{ HDA_NODE_AUDIO, 0xf000a, 0x00020040 },
		{ HDA_NODE_DAC, 0xf0009, 0x0000001d },
		{ HDA_NODE_LINE_OUT, 0xf0009, 0x00400101 },
		{ HDA_NODE_LINE_OUT, 0xf000e, 1 },
		{ HDA_NODE_LINE_OUT, 0xf0200, HDA_NODE_DAC },
		{ HDA_NODE_LINE_OUT, 0xf1c00, 0x00004010 },
		{ HDA_NODE_ADC, 0xf0009, 0x0010011b },
		{ HDA_NODE_ADC, 0xf0200, HDA_NODE_MIC },
		{ HDA_NODE_MIC, 0xf1c00, 0x00a09020 },
		{ HDA_NODE_DAC, 0xf0012, 0x80034a4a },
		/* what is set is there afterwards */
		{ HDA_NODE_AUDIO, 0x70503, 0 },
		{ HDA_NODE_AUDIO, 0xf0500, 0x33 },
		{ HDA_NODE_AUDIO, 0x70500, 0 },
		{ HDA_NODE_AUDIO, 0xf0500, 0 },
		{ HDA_NODE_LINE_OUT, 0x70740, 0 },
		{ HDA_NODE_LINE_OUT, 0xf0700, 0x40 },
		{ HDA_NODE_DAC, 0x39090, 0 }, /* right, mute and 16 */
		{ HDA_NODE_DAC, 0xb8000, 0x90 },
		{ HDA_NODE_DAC, 0xba000, 0x4a },
		{ HDA_NODE_DAC, 0x3b07f, 0 }, /* more than there is */
		{ HDA_NODE_DAC, 0xb8000, 0x4a },
		/* what is not there */
		{ HDA_NODE_COUNT, 0xf0000, 0 },
		{ 0xff, 0xf0000, 0 },
		{ HDA_NODE_DAC, 0xfff00, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(stage_ask(*state, cases[i].node, cases[i].command),
				 cases[i].answer);
}

/* What lies behind the nodes' state is not theirs. */
static void
test_hda__nodes_that_are_not_there_are_zeros(void **state)
{
	static const uint32_t questions[] = { 0xa0000, 0xb8000, 0xf0000, 0xf0200, 0xf0500,
					      0xf0600, 0xf0700, 0xf1c00, 0xf2000 };
	struct {
		struct hda_codec_state codec;
		struct hda_node_state others[256];
	} memory;
	uint32_t answer;

	(void)state;
	memset(&memory, 0xff, sizeof(memory));
	hda_codec_reset(&memory.codec);
	for (uint32_t node = HDA_NODE_COUNT; node < 256; node++)
		for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
			assert_true(hda_codec_answer(&memory.codec, node << 20 | questions[i],
						     &answer));
			assert_int_equal(answer, 0);
		}
}

static void
test_hda__rings_go_round(void **state)
{
	for (uint32_t i = 0; i < 3 * HDA_RING_ENTRIES; i++)
		assert_int_equal(stage_ask(*state, HDA_NODE_ROOT, 0xf0000), 0x1af40022);
}

static void
test_hda__a_codec_that_is_not_there_does_not_answer(void **state)
{
	struct stage *stage = *state;

	stage_send(stage, 1u << 28 | 0xf0000);
	assert_int_equal(stage_get(stage, HDA_CORBRP, 2), 1);
	assert_int_equal(stage_get(stage, HDA_RIRBWP, 2), 0);
	assert_int_equal(stage->fake->n_msis, 0);

	stage_put(stage, HDA_ICOI, 4, 1u << 28 | 0xf0000);
	stage_put(stage, HDA_ICS, 2, HDA_ICS_BUSY);
	assert_int_equal(stage_get(stage, HDA_ICS, 2), 0);
}

static void
test_hda__one_command_without_rings(void **state)
{
	struct stage *stage = *state;

	stage_put(stage, HDA_CORBCTL, 1, 0);
	stage_put(stage, HDA_ICOI, 4, 0xf0000);
	stage_put(stage, HDA_ICS, 2, HDA_ICS_BUSY);
	assert_int_equal(stage_get(stage, HDA_ICS, 2), HDA_ICS_VALID);
	assert_int_equal(stage_get(stage, HDA_IRII, 4), 0x1af40022);
	stage_put(stage, HDA_ICS, 2, HDA_ICS_VALID);
	assert_int_equal(stage_get(stage, HDA_ICS, 2), 0);
}

static void
test_hda__rings_that_are_no_memory_stop(void **state)
{
	struct stage *stage = *state;

	stage_put(stage, HDA_RIRBLBASE, 4, TEST_NOT_RAM);
	stage_send(stage, 0xf0000);
	assert_int_equal(stage_get(stage, HDA_RIRBCTL, 1) & HDA_RIRBCTL_RUN, 0);
	assert_int_equal(stage_get(stage, HDA_RIRBSTS, 1), HDA_RIRBCTL_OVERRUN);

	stage_put(stage, HDA_CORBCTL, 1, HDA_CORBCTL_RUN | HDA_CORBCTL_ERROR);
	stage_put(stage, HDA_CORBUBASE, 4, 0xffffffff);
	stage_put(stage, HDA_CORBLBASE, 4, 0xffffff80);
	stage_put(stage, HDA_CORBWP, 2, 200);
	assert_int_equal(stage_get(stage, HDA_CORBCTL, 1), HDA_CORBCTL_ERROR);
	assert_int_equal(stage_get(stage, HDA_CORBSTS, 1), HDA_CORBCTL_ERROR);
	assert_int_equal(stage->fake->msi_counts[TEST_MSI_DATA], 1);

	stage_start_controller(stage); /* and the driver can begin anew */
	assert_int_equal(stage_ask(stage, HDA_NODE_ROOT, 0xf0000), 0x1af40022);
}

/* A second, with the interrupt of each period in its time. */
static void
test_hda__plays_a_ramp(void **state)
{
	struct stage *stage = *state;
	const uint32_t *position =
		fake_platform_map(stage->fake, stage->positions + 8 * SOUND_PLAY, 8);
	uint32_t n_periods = 0;

	stage_fill(stage);
	stage_prepare(stage, TEST_OUT, HDA_NODE_DAC);
	stage_run(stage, TEST_OUT);
	assert_true(stage->moves[SOUND_PLAY]);
	assert_true(stage_get(stage, TEST_OUT + HDA_SD_STS, 1) & HDA_SD_STS_READY);
	for (uint32_t ms = 1; ms <= 1000; ms++) {
		stage_wait(stage, 1);
		if (ms % 10 == 0)
			assert_int_equal(*position, ms * 48 * 4 % TEST_CYCLE);
		if (stage->fake->msi_counts[TEST_MSI_DATA] > n_periods) {
			assert_int_equal(ms % 100, 0);
			assert_true(stage_take_period(stage, TEST_OUT));
			n_periods++;
		}
	}
	assert_int_equal(n_periods, 10);
	assert_int_equal(stage->n_heard, TEST_RATE);
	stage_expect_ramp(stage, TEST_RATE);
	assert_int_equal(stage_get(stage, TEST_OUT + HDA_SD_LPIB, 4), *position);

	stage_put(stage, TEST_OUT + HDA_SD_CTL, 1, 0);
	assert_false(stage->moves[SOUND_PLAY]);
	assert_int_equal(test_deadline_ns, 0); /* nothing ticks */
	assert_int_equal(stage_get(stage, TEST_OUT + HDA_SD_LPIB, 4), *position);
	assert_int_equal(stage->n_heard, TEST_RATE);
}

static void
test_hda__short_periods_have_their_interrupts_in_time(void **state)
{
	struct stage *stage = *state;
	const struct buffer buffers[] = { { stage->samples, 3 * 48 * 4, 1 },
					  { stage->samples, 4 * 48 * 4, 1 } };
	static const uint32_t times[] = { 3, 7, 10, 14, 17 };

	stage_prepare(stage, TEST_OUT, HDA_NODE_DAC);
	stage_write_list(stage, buffers, 2);
	stage_put(stage, TEST_OUT + HDA_SD_LVI, 2, 1);
	stage_put(stage, TEST_OUT + HDA_SD_CBL, 4, 7 * 48 * 4);
	stage_run(stage, TEST_OUT);
	for (uint32_t ms = 1, i = 0; i < sizeof(times) / sizeof(times[0]); ms++) {
		stage_wait(stage, 1);
		assert_int_equal(stage->fake->msi_counts[TEST_MSI_DATA], i + (ms == times[i]));
		if (ms == times[i]) {
			assert_true(stage_take_period(stage, TEST_OUT));
			i++;
		}
	}
}

static void
test_hda__position_and_wall_clock_are_of_the_moment(void **state)
{
	struct stage *stage = *state;
	uint32_t wall = stage_get(stage, HDA_WALCLK, 4);

	stage_prepare(stage, TEST_OUT, HDA_NODE_DAC);
	stage_run(stage, TEST_OUT);
	test_now_ns += 3 * TEST_NS_PER_MS; /* the timer has not run */
	assert_int_equal(stage_get(stage, TEST_OUT + HDA_SD_LPIB, 4), 3 * 48 * 4);
	assert_int_equal(stage_get(stage, HDA_WALCLK, 4) - wall, 3 * 24000);
}

static void
test_hda__records(void **state)
{
	struct stage *stage = *state;
	const int16_t *samples = fake_platform_map(stage->fake, stage->samples, TEST_CYCLE);

	memset(fake_platform_map(stage->fake, stage->samples, TEST_CYCLE), 0x55, TEST_CYCLE);
	stage->most_recorded = 4800;
	stage_prepare(stage, TEST_IN, HDA_NODE_ADC);
	stage_run(stage, TEST_IN);
	assert_true(stage->moves[SOUND_RECORD]);
	stage_wait(stage, 150);
	for (int i = 0; i < 4800; i++) {
		assert_int_equal(samples[2 * i], (int16_t)i);
		assert_int_equal(samples[2 * i + 1], (int16_t)-i);
	}
	for (int i = 4800 * 2; i < 7200 * 2; i++) /* the sink has no more: silence */
		assert_int_equal(samples[i], 0);
	assert_int_equal(samples[7200 * 2], 0x5555);
	assert_true(stage_take_period(stage, TEST_IN));
}

static void
test_hda__sound_goes_where_the_codec_sends_it(void **state)
{
	struct stage *stage = *state;

	stage_fill(stage);
	stage_prepare(stage, TEST_OUT, HDA_NODE_DAC);
	stage_ask(stage, HDA_NODE_DAC, 0x70600 | (TEST_TAG + 1) << 4);
	stage_run(stage, TEST_OUT);
	stage_wait(stage, 10);
	assert_int_equal(stage->n_heard, 0);
	stage_ask(stage, HDA_NODE_DAC, 0x70600 | TEST_TAG << 4);
	stage_ask(stage, HDA_NODE_DAC, 0x3a000 | (0x4a - 6)); /* left: -6 dB */
	stage_ask(stage, HDA_NODE_DAC, 0x39080);	      /* right: mute */
	stage_wait(stage, 50);
	assert_int_equal(stage->n_heard, 2400);
	assert_in_range(stage->heard[2 * 2000], 2480 * 50 / 100, 2480 * 51 / 100);
	assert_int_equal(stage->heard[2 * 2000 + 1], 0);
}

static void
test_hda__holds_streams_that_wait_for_others(void **state)
{
	static const uint32_t registers[] = { HDA_SSYNC, HDA_SSYNC_ICH6 };
	struct stage *stage = *state;

	stage_prepare(stage, TEST_OUT, HDA_NODE_DAC);
	for (size_t i = 0; i < sizeof(registers) / sizeof(registers[0]); i++) {
		stage->n_heard = 0;
		stage_put(stage, registers[i], 4, 1u << SOUND_PLAY);
		stage_run(stage, TEST_OUT);
		assert_true(stage_get(stage, TEST_OUT + HDA_SD_STS, 1) & HDA_SD_STS_READY);
		stage_wait(stage, 20);
		assert_int_equal(stage->n_heard, 0);
		stage_put(stage, registers[i], 4, 0);
		stage_wait(stage, 20);
		assert_int_equal(stage->n_heard, 960);
	}
}

static void
test_hda__stands_while_the_machine_does(void **state)
{
	struct stage *stage = *state;

	stage_fill(stage);
	stage_prepare(stage, TEST_OUT, HDA_NODE_DAC);
	stage_run(stage, TEST_OUT);
	stage_wait(stage, 20);
	hda_pause(stage->hda);
	assert_false(stage->moves[SOUND_PLAY]);
	stage_wait(stage, 1000);
	assert_int_equal(stage->n_heard, 960);
	hda_resume(stage->hda);
	stage_wait(stage, 20);
	assert_int_equal(stage->n_heard, 1920);
	stage_expect_ramp(stage, 1920);
}

static void
test_hda__does_not_catch_up_much(void **state)
{
	struct stage *stage = *state;

	stage_fill(stage);
	stage_prepare(stage, TEST_OUT, HDA_NODE_DAC);
	stage_run(stage, TEST_OUT);
	test_now_ns += 3600 * 1000 * TEST_NS_PER_MS;
	stage_wait(stage, 1);
	assert_int_equal(stage->n_heard, TEST_RATE / 5);
	stage_wait(stage, 100);
	assert_int_equal(stage->n_heard, TEST_RATE / 5 + 4800);
	stage_expect_ramp(stage, stage->n_heard);
}

static void
test_hda__a_list_counts_as_it_was_at_the_start(void **state)
{
	static const struct buffer bad[TEST_PERIODS + 1] = { { TEST_NOT_RAM, 0xffffffff, 1 } };
	struct stage *stage = *state;

	stage_fill(stage);
	stage_prepare(stage, TEST_OUT, HDA_NODE_DAC);
	stage_run(stage, TEST_OUT);
	stage_write_list(stage, bad, TEST_PERIODS + 1);
	stage_put(stage, TEST_OUT + HDA_SD_LVI, 2, 255);
	stage_put(stage, TEST_OUT + HDA_SD_CBL, 4, 0);
	stage_wait(stage, 500);
	assert_int_equal(stage->n_heard, TEST_RATE / 2);
	stage_expect_ramp(stage, TEST_RATE / 2);
}

/* Each is refused, the stream says why, and the next good one plays. */
static void
test_hda__bad_streams_do_not_run(void **state)
{
	static const struct {
		struct buffer buffer;
		uint32_t list, n_bytes;
		uint16_t format;
	} cases[] = {
		{ { TEST_NOT_RAM, 4096, 1 }, 0, 4096, HDA_FORMAT_48000 },
		{ { 0x100000, 0, 1 }, 0, 4096, HDA_FORMAT_48000 },
		{ { 0x100000, 0xffffffff, 1 }, 0, 4096, HDA_FORMAT_48000 },
		{ { UINT64_MAX - 3, 8, 1 }, 0, 4096, HDA_FORMAT_48000 },
		{ { 0x100000, 4096, 1 }, TEST_NOT_RAM, 4096, HDA_FORMAT_48000 },
		{ { 0x100000, 4096, 1 }, 0, 0, HDA_FORMAT_48000 },
		{ { 0x100000, 4096, 1 }, 0, 4096, 0x4011 }, /* 44.1 kHz */
		{ { 0x100000, 4096, 1 }, 0, 4096, 0x4111 },
		{ { 0x100000, 4096, 1 }, 0, 4096, 0x0000 },
	};
	struct stage *stage = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		stage_prepare(stage, TEST_OUT, HDA_NODE_DAC);
		stage_write_list(stage, &cases[i].buffer, 1);
		if (cases[i].list)
			stage_put(stage, TEST_OUT + HDA_SD_BDPL, 4, cases[i].list);
		stage_put(stage, TEST_OUT + HDA_SD_CBL, 4, cases[i].n_bytes);
		stage_put(stage, TEST_OUT + HDA_SD_FMT, 2, cases[i].format);
		stage_run(stage, TEST_OUT);
		assert_int_equal(stage_get(stage, TEST_OUT + HDA_SD_CTL, 1), HDA_SD_INTERRUPTS);
		assert_int_equal(stage_get(stage, TEST_OUT + HDA_SD_STS, 1), HDA_SD_ERROR);
		assert_int_equal(stage->fake->msi_counts[TEST_MSI_DATA], 1);
		stage_wait(stage, 10);
		assert_int_equal(stage->n_heard, 0);
	}
	stage_prepare(stage, TEST_OUT, HDA_NODE_DAC);
	stage_run(stage, TEST_OUT);
	stage_wait(stage, 10);
	assert_int_equal(stage->n_heard, 480);
}

static void
test_hda__a_stream_without_bus_mastering_stops(void **state)
{
	struct stage *stage = *state;

	stage_prepare(stage, TEST_OUT, HDA_NODE_DAC);
	stage_run(stage, TEST_OUT);
	stage_wait(stage, 10);
	fake_platform_write(stage->fake, TEST_CONFIG + PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	stage_wait(stage, 10);
	assert_int_equal(stage->n_heard, 480);
	assert_int_equal(stage_get(stage, TEST_OUT + HDA_SD_STS, 1), HDA_SD_ERROR);
}

static void
test_hda__reset_ends_all(void **state)
{
	struct stage *stage = *state;

	stage_prepare(stage, TEST_OUT, HDA_NODE_DAC);
	stage_run(stage, TEST_OUT);
	stage_wait(stage, 10);
	pci_root_reset(stage->root);
	assert_false(stage->moves[SOUND_PLAY]);
	assert_int_equal(test_deadline_ns, 0);
	stage_open_pci(stage);
	stage_start_controller(stage);
	assert_int_equal(stage_ask(stage, HDA_NODE_DAC, 0xf0600), 0);
	assert_int_equal(stage_get(stage, TEST_OUT + HDA_SD_CBL, 4), 0);
}

static void
test_hda__plays_and_records_with_nobody_there(void **state)
{
	struct stage *stage = *state;
	const uint32_t *positions = fake_platform_map(stage->fake, stage->positions, 16);
	const int16_t *samples;

	pci_root_free(stage->root);
	assert_int_equal(pci_root_new(&stage->fake->platform, &stage->root), 0);
	assert_int_equal(hda_new(&stage->fake->platform, stage->root, NULL, &stage->hda), 0);
	pci_root_reset(stage->root);
	stage_open_pci(stage);
	stage_start_controller(stage);
	stage_prepare(stage, TEST_OUT, HDA_NODE_DAC);
	stage_run(stage, TEST_OUT);
	stage_wait(stage, 110);
	assert_int_equal(positions[2 * SOUND_PLAY], 110 * 48 * 4);
	assert_true(stage_take_period(stage, TEST_OUT));
	stage_put(stage, TEST_OUT + HDA_SD_CTL, 1, 0);

	stage_fill(stage);
	stage_prepare(stage, TEST_IN, HDA_NODE_ADC);
	stage_run(stage, TEST_IN);
	stage_wait(stage, 20);
	samples = fake_platform_map(stage->fake, stage->samples, TEST_CYCLE);
	for (int i = 0; i < 960 * 2; i++)
		assert_int_equal(samples[i], 0);
	assert_int_equal(samples[960 * 2], 960);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_hda__##name, stage_open, stage_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(msi_is_not_where_linux_sets_the_traffic_class),
		TEST(nothing_is_written_while_in_reset),
		TEST(codec_is_found_through_the_rings),
		cmocka_unit_test(test_hda__nodes_that_are_not_there_are_zeros),
		TEST(rings_go_round),
		TEST(a_codec_that_is_not_there_does_not_answer),
		TEST(one_command_without_rings),
		TEST(rings_that_are_no_memory_stop),
		TEST(plays_a_ramp),
		TEST(short_periods_have_their_interrupts_in_time),
		TEST(position_and_wall_clock_are_of_the_moment),
		TEST(records),
		TEST(sound_goes_where_the_codec_sends_it),
		TEST(holds_streams_that_wait_for_others),
		TEST(stands_while_the_machine_does),
		TEST(does_not_catch_up_much),
		TEST(a_list_counts_as_it_was_at_the_start),
		TEST(bad_streams_do_not_run),
		TEST(a_stream_without_bus_mastering_stops),
		TEST(reset_ends_all),
		TEST(plays_and_records_with_nobody_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
