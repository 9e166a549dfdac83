/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_hda.c - the sound card: its registers, its rings of commands and its codec
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

#define TEST_MSI (HDA_STAGE_CONFIG + 0x50)

static void
test_hda__msi_is_not_where_linux_sets_the_traffic_class(void **state)
{
	struct hda_stage *stage = *state;

	assert_int_equal(fake_platform_read(stage->fake, TEST_MSI + PCI_MSI_ADDRESS_LO, 4),
			 0xfee0000c);
	assert_int_equal(hda_stage_get(stage, HDA_GCAP, 2), 0x1101);
	hda_stage_ask(stage, 0, 0xf0000);
	assert_int_equal(stage->fake->last_msi_address, 0xfee0000c);
}

static void
test_hda__nothing_is_written_while_in_reset(void **state)
{
	struct hda_stage *stage = *state;

	hda_stage_put(stage, HDA_GCTL, 4, 0);
	assert_int_equal(hda_stage_get(stage, HDA_CORBLBASE, 4), 0);
	hda_stage_put(stage, HDA_CORBLBASE, 4, 0x1000);
	hda_stage_put(stage, HDA_STAGE_OUT + HDA_SD_CBL, 4, 0x1000);
	assert_int_equal(hda_stage_get(stage, HDA_CORBLBASE, 4), 0);
	assert_int_equal(hda_stage_get(stage, HDA_STAGE_OUT + HDA_SD_CBL, 4), 0);
	assert_int_equal(hda_stage_get(stage, HDA_STATESTS, 2), 0);
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
		assert_int_equal(hda_stage_ask(*state, cases[i].node, cases[i].command),
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
		assert_int_equal(hda_stage_ask(*state, HDA_NODE_ROOT, 0xf0000), 0x1af40022);
}

static void
test_hda__a_codec_that_is_not_there_does_not_answer(void **state)
{
	struct hda_stage *stage = *state;

	hda_stage_send(stage, 1u << 28 | 0xf0000);
	assert_int_equal(hda_stage_get(stage, HDA_CORBRP, 2), 1);
	assert_int_equal(hda_stage_get(stage, HDA_RIRBWP, 2), 0);
	assert_int_equal(stage->fake->n_msis, 0);

	hda_stage_put(stage, HDA_ICOI, 4, 1u << 28 | 0xf0000);
	hda_stage_put(stage, HDA_ICS, 2, HDA_ICS_BUSY);
	assert_int_equal(hda_stage_get(stage, HDA_ICS, 2), 0);
}

static void
test_hda__one_command_without_rings(void **state)
{
	struct hda_stage *stage = *state;

	hda_stage_put(stage, HDA_CORBCTL, 1, 0);
	hda_stage_put(stage, HDA_ICOI, 4, 0xf0000);
	hda_stage_put(stage, HDA_ICS, 2, HDA_ICS_BUSY);
	assert_int_equal(hda_stage_get(stage, HDA_ICS, 2), HDA_ICS_VALID);
	assert_int_equal(hda_stage_get(stage, HDA_IRII, 4), 0x1af40022);
	hda_stage_put(stage, HDA_ICS, 2, HDA_ICS_VALID);
	assert_int_equal(hda_stage_get(stage, HDA_ICS, 2), 0);
}

static void
test_hda__rings_that_are_no_memory_stop(void **state)
{
	struct hda_stage *stage = *state;

	hda_stage_put(stage, HDA_RIRBLBASE, 4, HDA_STAGE_NOT_RAM);
	hda_stage_send(stage, 0xf0000);
	assert_int_equal(hda_stage_get(stage, HDA_RIRBCTL, 1) & HDA_RIRBCTL_RUN, 0);
	assert_int_equal(hda_stage_get(stage, HDA_RIRBSTS, 1), HDA_RIRBCTL_OVERRUN);

	hda_stage_put(stage, HDA_CORBCTL, 1, HDA_CORBCTL_RUN | HDA_CORBCTL_ERROR);
	hda_stage_put(stage, HDA_CORBUBASE, 4, 0xffffffff);
	hda_stage_put(stage, HDA_CORBLBASE, 4, 0xffffff80);
	hda_stage_put(stage, HDA_CORBWP, 2, 200);
	assert_int_equal(hda_stage_get(stage, HDA_CORBCTL, 1), HDA_CORBCTL_ERROR);
	assert_int_equal(hda_stage_get(stage, HDA_CORBSTS, 1), HDA_CORBCTL_ERROR);
	assert_int_equal(stage->fake->msi_counts[HDA_STAGE_MSI], 1);

	hda_stage_start_controller(stage); /* and the driver can begin anew */
	assert_int_equal(hda_stage_ask(stage, HDA_NODE_ROOT, 0xf0000), 0x1af40022);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, hda_stage_open, hda_stage_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_hda__msi_is_not_where_linux_sets_the_traffic_class),
		TEST(test_hda__nothing_is_written_while_in_reset),
		TEST(test_hda__codec_is_found_through_the_rings),
		cmocka_unit_test(test_hda__nodes_that_are_not_there_are_zeros),
		TEST(test_hda__rings_go_round),
		TEST(test_hda__a_codec_that_is_not_there_does_not_answer),
		TEST(test_hda__one_command_without_rings),
		TEST(test_hda__rings_that_are_no_memory_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
