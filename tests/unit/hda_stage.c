/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hda_stage.c - a sound card, driven as Linux's snd_hda_intel does
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/hda_stage.h"

#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_platform.h"
#include "vmm/hda.h"
#include "vmm/hda_codec.h"
#include "vmm/hda_layout.h"
#include "vmm/loop.h"

#define TEST_MSI      (HDA_STAGE_CONFIG + 0x50)
#define TEST_FIRST_NS UINT64_C(1000000000)
#define NS_PER_MS     UINT64_C(1000000)

uint64_t __wrap_loop_now_ns(void);
void __real_loop_timer_set(struct loop_timer *timer, uint64_t deadline_ns);
void __wrap_loop_timer_set(struct loop_timer *timer, uint64_t deadline_ns);

uint64_t hda_stage_now_ns;
uint64_t hda_stage_deadline_ns;

uint64_t
__wrap_loop_now_ns(void)
{
	return hda_stage_now_ns;
}

void
__wrap_loop_timer_set(struct loop_timer *timer, uint64_t deadline_ns)
{
	hda_stage_deadline_ns = deadline_ns;
	__real_loop_timer_set(timer, deadline_ns);
}

static void
hda_stage_change(void *context, enum sound_direction direction, bool moves)
{
	struct hda_stage *stage = context;

	stage->moves[direction] = moves;
}

static void
hda_stage_play(void *context, const int16_t *samples, uint32_t n_frames)
{
	struct hda_stage *stage = context;

	assert_true(n_frames <= SOUND_MAX_FRAMES && stage->n_heard + n_frames <= HDA_STAGE_HEARD);
	memcpy(&stage->heard[stage->n_heard * 2], samples, n_frames * SOUND_FRAME_BYTES);
	stage->n_heard += n_frames;
}

static uint32_t
hda_stage_record(void *context, int16_t *samples, uint32_t n_frames)
{
	struct hda_stage *stage = context;

	if (n_frames > stage->most_recorded)
		n_frames = stage->most_recorded;
	stage->most_recorded -= n_frames;
	for (uint32_t i = 0; i < n_frames; i++, stage->next_recorded++) {
		samples[2 * i] = (int16_t)stage->next_recorded;
		samples[2 * i + 1] = (int16_t)-stage->next_recorded;
	}
	return n_frames;
}

uint32_t
hda_stage_get(struct hda_stage *stage, uint32_t offset, uint32_t bytes)
{
	return (uint32_t)fake_platform_read(stage->fake, stage->bar + offset, bytes);
}

void
hda_stage_put(struct hda_stage *stage, uint32_t offset, uint32_t bytes, uint64_t value)
{
	fake_platform_write(stage->fake, stage->bar + offset, bytes, value);
}

void
hda_stage_wait(struct hda_stage *stage, uint32_t ms)
{
	for (uint32_t i = 0; i < ms; i++) {
		hda_stage_now_ns += NS_PER_MS;
		if (hda_stage_deadline_ns != 0 && hda_stage_deadline_ns <= hda_stage_now_ns)
			assert_int_equal(loop_step(stage->fake->platform.loop, 100), 1);
	}
}

/* As the driver finds it: bus mastering and one MSI. */
void
hda_stage_open_pci(struct hda_stage *stage)
{
	struct fake_platform *fake = stage->fake;

	assert_int_equal(fake_platform_read(fake, HDA_STAGE_CONFIG, 4), 0x26688086);
	assert_int_equal(fake_platform_read(fake, HDA_STAGE_CONFIG + PCI_CLASS_REVISION, 4),
			 0x04030001);
	fake_platform_write(fake, HDA_STAGE_CONFIG + PCI_COMMAND, 2,
			    PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	stage->bar = fake_platform_read(fake, HDA_STAGE_CONFIG + PCI_BASE_ADDRESS_0, 4);
	assert_int_equal(fake_platform_read(fake, TEST_MSI, 1), PCI_CAP_ID_MSI);
	fake_platform_write(fake, TEST_MSI + PCI_MSI_ADDRESS_LO, 4, 0xfee0000c);
	fake_platform_write(fake, TEST_MSI + PCI_MSI_DATA_64, 2, HDA_STAGE_MSI);
	fake_platform_write(fake, TEST_MSI + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_ENABLE);
	/* the traffic class register of the ICH6 */
	fake_platform_write(fake, HDA_STAGE_CONFIG + 0x44, 1,
			    fake_platform_read(fake, HDA_STAGE_CONFIG + 0x44, 1) & ~7u);
}

/* azx_reset(), snd_hdac_bus_init_cmd_io() and azx_int_enable() */
void
hda_stage_start_controller(struct hda_stage *stage)
{
	hda_stage_put(stage, HDA_GCTL, 4, 0);
	assert_int_equal(hda_stage_get(stage, HDA_GCTL, 4) & 1, 0);
	hda_stage_put(stage, HDA_GCTL, 1, 1);
	assert_int_equal(hda_stage_get(stage, HDA_GCTL, 1) & 1, 1);
	assert_int_equal(hda_stage_get(stage, HDA_STATESTS, 2), 1);
	hda_stage_put(stage, HDA_STATESTS, 2, 1);
	hda_stage_put(stage, HDA_CORBLBASE, 4, (uint32_t)stage->corb);
	hda_stage_put(stage, HDA_CORBUBASE, 4, 0);
	hda_stage_put(stage, HDA_CORBSIZE, 1, 2);
	hda_stage_put(stage, HDA_CORBWP, 2, 0);
	hda_stage_put(stage, HDA_CORBRP, 2, HDA_POINTER_RESET);
	assert_int_equal(hda_stage_get(stage, HDA_CORBRP, 2), HDA_POINTER_RESET);
	hda_stage_put(stage, HDA_CORBRP, 2, 0);
	assert_int_equal(hda_stage_get(stage, HDA_CORBRP, 2), 0);
	hda_stage_put(stage, HDA_CORBCTL, 1, HDA_CORBCTL_RUN);
	hda_stage_put(stage, HDA_RIRBLBASE, 4, (uint32_t)stage->rirb);
	hda_stage_put(stage, HDA_RIRBUBASE, 4, 0);
	hda_stage_put(stage, HDA_RIRBSIZE, 1, 2);
	hda_stage_put(stage, HDA_RIRBWP, 2, HDA_POINTER_RESET);
	hda_stage_put(stage, HDA_RINTCNT, 2, 1);
	hda_stage_put(stage, HDA_RIRBCTL, 1, HDA_RIRBCTL_RUN | HDA_RIRBCTL_RESPONSE);
	hda_stage_put(stage, HDA_GCTL, 4, hda_stage_get(stage, HDA_GCTL, 4) | HDA_GCTL_UNSOLICITED);
	hda_stage_put(stage, HDA_INTCTL, 4, HDA_INT_GLOBAL | HDA_INT_CONTROLLER);
	hda_stage_put(stage, HDA_DPLBASE, 4, (uint32_t)stage->positions | HDA_DPLBASE_ENABLE);
	hda_stage_put(stage, HDA_DPUBASE, 4, 0);
}

int
hda_stage_open(void **state)
{
	struct hda_stage *stage = calloc(1, sizeof(*stage));

	assert_non_null(stage);
	hda_stage_now_ns = TEST_FIRST_NS;
	stage->sink =
		(struct sound_sink){ hda_stage_change, hda_stage_play, hda_stage_record, stage };
	assert_int_equal(fake_platform_new(FAKE_PLATFORM_RAM_BYTES, &stage->fake), 0);
	assert_int_equal(pci_root_new(&stage->fake->platform, &stage->root), 0);
	assert_int_equal(hda_new(&stage->fake->platform, stage->root, &stage->sink, &stage->hda),
			 0);
	pci_root_reset(stage->root);
	stage->corb = fake_platform_alloc(stage->fake, HDA_RING_ENTRIES * 4, 128);
	stage->rirb = fake_platform_alloc(stage->fake, HDA_RING_ENTRIES * 8, 128);
	stage->positions = fake_platform_alloc(stage->fake, 4096, 4096);
	stage->list = fake_platform_alloc(stage->fake, 4096, 4096);
	stage->samples = fake_platform_alloc(stage->fake, HDA_STAGE_CYCLE, 4096);
	hda_stage_open_pci(stage);
	hda_stage_start_controller(stage);
	*state = stage;
	return 0;
}

int
hda_stage_close(void **state)
{
	struct hda_stage *stage = *state;

	pci_root_free(stage->root);
	fake_platform_free(stage->fake);
	free(stage);
	return 0;
}

void
hda_stage_send(struct hda_stage *stage, uint32_t command)
{
	uint32_t place = (hda_stage_get(stage, HDA_CORBWP, 2) + 1) % HDA_RING_ENTRIES;

	memcpy(fake_platform_map(stage->fake, stage->corb + place * 4, 4), &command, 4);
	hda_stage_put(stage, HDA_CORBWP, 2, place);
}

uint32_t
hda_stage_ask(struct hda_stage *stage, uint32_t node, uint32_t verb_and_payload)
{
	uint32_t before = hda_stage_get(stage, HDA_RIRBWP, 2);
	uint32_t n_msis = stage->fake->msi_counts[HDA_STAGE_MSI];
	uint32_t place = (before + 1) % HDA_RING_ENTRIES;
	uint32_t response[2];

	hda_stage_send(stage, node << 20 | verb_and_payload);
	assert_int_equal(hda_stage_get(stage, HDA_RIRBWP, 2), place);
	assert_int_equal(stage->fake->msi_counts[HDA_STAGE_MSI], n_msis + 1);
	assert_int_equal(hda_stage_get(stage, HDA_INTSTS, 4), HDA_INT_GLOBAL | HDA_INT_CONTROLLER);
	assert_int_equal(hda_stage_get(stage, HDA_RIRBSTS, 1), HDA_RIRBCTL_RESPONSE);
	hda_stage_put(stage, HDA_RIRBSTS, 1, HDA_RIRBCTL_RESPONSE | HDA_RIRBCTL_OVERRUN);
	assert_int_equal(hda_stage_get(stage, HDA_INTSTS, 4), 0);
	memcpy(response, fake_platform_map(stage->fake, stage->rirb + place * 8, 8), 8);
	assert_int_equal(response[1], HDA_CODEC_ADDRESS);
	return response[0];
}

void
hda_stage_write_list(struct hda_stage *stage, const struct hda_stage_buffer *buffers,
		     uint32_t n_buffers)
{
	memcpy(fake_platform_map(stage->fake, stage->list, n_buffers * sizeof(*buffers)), buffers,
	       n_buffers * sizeof(*buffers));
}

/* azx_pcm_prepare(): a cycle of four periods, of which the first is cut in two so that interrupts come late enough */
void
hda_stage_prepare(struct hda_stage *stage, uint32_t base, uint32_t node)
{
	struct hda_stage_buffer buffers[HDA_STAGE_PERIODS + 1] = {
		{ stage->samples, 4, 0 },
		{ stage->samples + 4, HDA_STAGE_PERIOD_BYTES - 4, 1 },
	};

	for (uint32_t i = 1; i < HDA_STAGE_PERIODS; i++)
		buffers[i + 1] =
			(struct hda_stage_buffer){ stage->samples + i * HDA_STAGE_PERIOD_BYTES,
						   HDA_STAGE_PERIOD_BYTES, 1 };
	hda_stage_write_list(stage, buffers, HDA_STAGE_PERIODS + 1);
	hda_stage_put(stage, base + HDA_SD_CTL, 1, HDA_SD_CTL_RESET);
	assert_int_equal(hda_stage_get(stage, base + HDA_SD_CTL, 1) & 1, 1);
	hda_stage_put(stage, base + HDA_SD_CTL, 1, 0);
	assert_int_equal(hda_stage_get(stage, base + HDA_SD_CTL, 1) & 1, 0);
	hda_stage_put(stage, base + HDA_SD_CTL, 4, HDA_STAGE_TAG << HDA_SD_CTL_TAG_SHIFT);
	hda_stage_put(stage, base + HDA_SD_CBL, 4, HDA_STAGE_CYCLE);
	hda_stage_put(stage, base + HDA_SD_FMT, 2, HDA_FORMAT_48000);
	hda_stage_put(stage, base + HDA_SD_LVI, 2, HDA_STAGE_PERIODS);
	hda_stage_put(stage, base + HDA_SD_BDPL, 4, stage->list);
	hda_stage_put(stage, base + HDA_SD_BDPU, 4, 0);
	hda_stage_ask(stage, node, 0x70600 | HDA_STAGE_TAG << 4);
	hda_stage_ask(stage, node, 0x20000 | HDA_FORMAT_48000);
	fake_platform_forget(stage->fake);
}

/* snd_hdac_stream_start() */
void
hda_stage_run(struct hda_stage *stage, uint32_t base)
{
	hda_stage_put(stage, HDA_INTCTL, 4,
		      HDA_INT_GLOBAL | HDA_INT_CONTROLLER | (base == HDA_STAGE_OUT ? 2 : 1));
	hda_stage_put(stage, base + HDA_SD_CTL, 1, HDA_SD_CTL_RUN | HDA_SD_INTERRUPTS);
}

void
hda_stage_fill(struct hda_stage *stage)
{
	int16_t *samples = fake_platform_map(stage->fake, stage->samples, HDA_STAGE_CYCLE);

	for (int i = 0; i < HDA_STAGE_CYCLE / 4; i++) {
		samples[2 * i] = (int16_t)i;
		samples[2 * i + 1] = (int16_t)-i;
	}
}

void
hda_stage_expect_ramp(const struct hda_stage *stage, uint32_t first, uint32_t n_frames)
{
	for (uint32_t i = 0; i < n_frames; i++) {
		uint32_t frame = (first + i) % (HDA_STAGE_CYCLE / 4);

		assert_int_equal(stage->heard[2 * i], (int16_t)frame);
		assert_int_equal(stage->heard[2 * i + 1], (int16_t)-frame);
	}
}

bool
hda_stage_take_period(struct hda_stage *stage, uint32_t base)
{
	if (!(hda_stage_get(stage, HDA_INTSTS, 4) & (base == HDA_STAGE_OUT ? 2 : 1)))
		return false;
	assert_int_equal(hda_stage_get(stage, base + HDA_SD_STS, 1) & HDA_SD_INTERRUPTS,
			 HDA_SD_COMPLETE);
	hda_stage_put(stage, base + HDA_SD_STS, 1, HDA_SD_INTERRUPTS);
	return true;
}
