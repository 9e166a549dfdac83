/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_display_core.c - what passes between a display's source, its sinks and the guest's vdagent
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "display/display_core.h"
#include "display/heads.h"
#include "display/surface.h"
#include "display/vdagent_stream.h"
#include "tests/unit/core_stage.h"
#include "tests/unit/wait_for.h"

static void
test_display_core__passes_input_to_the_source(void **state)
{
	(void)state;
	/* Nobody is there yet: nothing happens. */
	core_stage.sink_events->key(core_stage.sink_context, 30, true);
	core_stage.sink_events->position(core_stage.sink_context, 0, 3, 4);
	core_stage.sink_events->button(core_stage.sink_context, SOURCE_BUTTON_RIGHT, true);
	assert_int_equal(core_stage_set_source(), 0);
	core_stage.n_facts = 0;
	core_stage.sink_events->key(core_stage.sink_context, 30, true);
	core_stage.sink_events->position(core_stage.sink_context, 0, 3, 4);
	core_stage.sink_events->button(core_stage.sink_context, SOURCE_BUTTON_RIGHT, true);
	assert_int_equal(core_stage.keys, 1);
	assert_int_equal(core_stage.positions, 1);
	assert_int_equal(core_stage.buttons, 1);
	assert_in_range(core_stage.n_facts, 0, 1); /* one INPUT a second */
}

static void
test_display_core__replaces_a_source(void **state)
{
	struct display_hello hello;

	(void)state;
	assert_int_equal(
		display_core_set_source(core_stage.core, DISPLAY_SOURCE_VMM, dup(STDIN_FILENO)),
		-ENOTSUP);
	assert_int_equal(display_core_set_source(core_stage.core, 77, dup(STDIN_FILENO)), -ENOTSUP);
	assert_int_equal(core_stage_set_source(), 0);
	assert_int_equal(core_stage_set_source(), 0);
	assert_int_equal(core_stage.freed_sources, 1);
	core_stage.source_events->ready(core_stage.source_context, "pci/0000/02.0", 1);
	assert_string_equal(core_stage.device, "pci/0000/02.0");
	core_stage.source_events->lost(core_stage.source_context, "gone");
	core_stage_assert_last_fact(DISPLAY_FACT_SOURCE_LOST, 0);
	assert_int_equal(core_stage.freed_sources, 1); /* not inside its own call */
	display_core_describe(core_stage.core, &hello);
	assert_int_equal(hello.has_source, 0);
	WAIT_FOR(core_stage.freed_sources >= 2);
	assert_int_equal(core_stage_set_source(), 0);
	display_core_describe(core_stage.core, &hello);
	assert_int_equal(hello.has_source, 1);
	assert_string_equal(hello.desktop, DESKTOP);
}

/* The monitors that the guest's agent has heard of last. */
static void
hear_sizes(int guest, struct heads *ret_heads)
{
	uint32_t words[VDAGENT_MAX_MONITORS_BYTES / 4] = { 0 };
	ssize_t size = recv(guest, words, sizeof(words), MSG_DONTWAIT);

	memset(ret_heads, 0, sizeof(*ret_heads));
	assert_in_range(words[7], 1, HEADS_MAX);
	assert_int_equal(size, (9 + 5 * words[7]) * 4);
	for (uint32_t i = 0; i < words[7]; i++) {
		ret_heads->list[i].height = words[9 + 5 * i];
		ret_heads->list[i].width = words[10 + 5 * i];
		ret_heads->list[i].x = words[12 + 5 * i];
	}
}

static void
test_display_core__asks_for_the_last_size_once(void **state)
{
	struct heads heard;
	int guest = core_stage_open_vdagent();

	(void)state;
	core_stage_set_source();
	core_stage.sink_events->size_wanted(core_stage.sink_context, 0, 900, 700);
	core_stage.sink_events->size_wanted(core_stage.sink_context, 0, 1003, 701);
	WAIT_FOR(core_stage.sizes >= 1);
	assert_int_equal(core_stage.sizes, 1);
	assert_int_equal(core_stage.set.list[0].width, 1000); /* a multiple of 8 */
	assert_int_equal(core_stage.set.list[0].height, 701);
	hear_sizes(guest, &heard);
	assert_int_equal(heard.list[0].width, 1000);
	core_stage.sink_events->size_wanted(core_stage.sink_context, 0, 100000, 100000);
	WAIT_FOR(core_stage.sizes >= 2);
	assert_int_equal(core_stage.set.list[0].width, DISPLAY_MAX_WIDTH);
	assert_int_equal(core_stage.set.list[0].height, DISPLAY_MAX_HEIGHT);
	close(guest);
}

static void
test_display_core__gives_a_client_as_many_heads_as_there_are(void **state)
{
	struct heads heard;
	int guest = core_stage_open_vdagent();

	(void)state;
	core_stage_set_source();
	core_stage.source_events->ready(core_stage.source_context, "", 2);
	assert_int_equal(core_stage.n_heads, 2);
	core_stage.sink_events->size_wanted(core_stage.sink_context, 0, 1000, 700);
	core_stage.sink_events->size_wanted(core_stage.sink_context, 1, 806, 600);
	core_stage.sink_events->size_wanted(core_stage.sink_context, 2, 640, 480);
	WAIT_FOR(core_stage.sizes >= 2);
	assert_int_equal(core_stage.set.list[1].width, 800);
	assert_int_equal(core_stage.set.list[2].width, 0);
	hear_sizes(guest, &heard);
	assert_int_equal(heard.list[1].x, 1000);
	assert_int_equal(heard.list[1].width, 800);
	assert_int_equal(heads_count(&heard), 2);
	/* the client puts its second monitor away */
	core_stage.sink_events->size_wanted(core_stage.sink_context, 1, 0, 0);
	WAIT_FOR(core_stage.sizes >= 4);
	assert_int_equal(core_stage.set.list[1].width, 0);
	hear_sizes(guest, &heard);
	assert_int_equal(heads_count(&heard), 1);
	/* a source with one head, such as QEMU's, is not asked for more */
	core_stage.sink_events->size_wanted(core_stage.sink_context, 1, 800, 600);
	core_stage.source_events->ready(core_stage.source_context, "", 1);
	WAIT_FOR(core_stage.sizes >= 5);
	assert_int_equal(core_stage.sizes, 5);
	hear_sizes(guest, &heard);
	assert_int_equal(heads_count(&heard), 1);
	close(guest);
}

static void
test_display_core__refreshes_and_tells_sizes(void **state)
{
	static const uint8_t pixel[4];
	const struct surface_pixels pixels = { 4, SURFACE_FORMAT_X8R8G8B8, pixel, sizeof(pixel) };

	(void)state;
	assert_int_equal(surface_set_scanout(core_stage.surfaces[0], 1, 1, &pixels), 0);
	assert_int_equal(core_stage.refreshes, 1);
	core_stage.sink_events->size_shown(core_stage.sink_context, 800, 600);
	core_stage_assert_last_fact(DISPLAY_FACT_RESIZED, 0);
	assert_true(core_stage.facts[core_stage.n_facts - 1].value == ((uint64_t)800 << 32 | 600));
}

#define TEST(name)                                                                    \
	cmocka_unit_test_setup_teardown(test_display_core__##name, core_stage_set_up, \
					core_stage_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(passes_input_to_the_source),  TEST(replaces_a_source),
		TEST(asks_for_the_last_size_once), TEST(gives_a_client_as_many_heads_as_there_are),
		TEST(refreshes_and_tells_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
