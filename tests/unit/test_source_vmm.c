/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_source_vmm.c - what a carrel-vmm says to the display, and what it is told
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/proto_sound.h"
#include "base/proto_source.h"
#include "display/surface.h"
#include "tests/unit/source_stage.h"

static void
test_source_vmm__shows_the_shared_picture(void **state)
{
	struct source_stage *stage = *state;
	CLEANUP_CLOSE int fd = source_stage_make_file(SOURCE_STAGE_STRIDE * SOURCE_STAGE_HEIGHT,
						      SOURCE_STAGE_SEALS);
	struct source_damage damage = { 0, 1, 7, { { 2, 3, 4, 5 } } };
	struct damage_rect rects[DAMAGE_MAX_RECTS];
	struct source_ack ack;
	uint8_t out[16];

	source_stage_greet(stage);
	assert_int_equal(stage->n_ready, 1);
	assert_int_equal(stage->n_heads, 2);
	assert_string_equal(stage->address, "pci/0000/01.0");
	assert_int_equal(pwrite(fd, "pixel...", 8, 29 * SOURCE_STAGE_STRIDE + 38 * 4), 8);
	source_stage_offer(stage, 0, 7, fd);
	assert_true(source_stage_hear(stage, SOURCE_ACK, &ack, sizeof(ack)));
	assert_int_equal(ack.scanout, 0);
	assert_int_equal(ack.generation, 7);
	assert_int_equal(surface_get_info(stage->surface).width, SOURCE_STAGE_WIDTH);
	assert_int_equal(surface_take_damage(stage->surface, SURFACE_READER_SPICE, 1, rects), 1);
	assert_int_equal(
		surface_copy_rect(stage->surface, 1, &(struct damage_rect){ 38, 29, 2, 1 }, out),
		0);
	assert_memory_equal(out, "pixel...", 8);
	/* What was taken before it came does not answer a DAMAGE; what is taken after it does. */
	assert_int_equal(pwrite(fd, "new pixels......", 16, 3 * SOURCE_STAGE_STRIDE + 2 * 4), 16);
	source_stage_say(stage, SOURCE_DAMAGE, &damage, sizeof(damage), -1);
	assert_false(source_stage_hear(stage, SOURCE_DRAWN, &ack, sizeof(ack)));
	assert_int_equal(surface_take_damage(stage->surface, SURFACE_READER_SPICE, 1, rects), 1);
	assert_memory_equal(&rects[0], &damage.boxes[0], sizeof(rects[0]));
	assert_int_equal(
		surface_copy_rect(stage->surface, 1, &(struct damage_rect){ 2, 3, 4, 1 }, out), 0);
	assert_memory_equal(out, "new pixels......", 16);
	assert_true(source_stage_hear(stage, SOURCE_DRAWN, &ack, sizeof(ack)));
	assert_int_equal(ack.generation, 7);
	assert_false(source_stage_hear(stage, SOURCE_DRAWN, &ack, sizeof(ack)));
	assert_int_equal(stage->n_lost, 0);
}

static void
test_source_vmm__goes_black_and_comes_back(void **state)
{
	struct source_stage *stage = *state;
	CLEANUP_CLOSE int fd = source_stage_make_file(SOURCE_STAGE_STRIDE * SOURCE_STAGE_HEIGHT,
						      SOURCE_STAGE_SEALS);
	const struct source_scanout off = { .generation = 2 };
	struct source_ack ack;
	uint8_t out[4];

	source_stage_greet(stage);
	assert_int_equal(pwrite(fd, "abcd", 4, 0), 4);
	source_stage_offer(stage, 0, 1, fd);
	source_stage_say(stage, SOURCE_SCANOUT, &off, sizeof(off), -1);
	assert_int_equal(
		surface_copy_rect(stage->surface, 1, &(struct damage_rect){ 0, 0, 1, 1 }, out), 0);
	assert_memory_equal(out, "\0\0\0\0", 4);
	source_stage_offer(stage, 0, 3, fd);
	assert_int_equal(
		surface_copy_rect(stage->surface, 1, &(struct damage_rect){ 0, 0, 1, 1 }, out), 0);
	assert_memory_equal(out, "abcd", 4);
	for (uint64_t i = 1; i <= 3; i++) {
		assert_true(source_stage_hear(stage, SOURCE_ACK, &ack, sizeof(ack)));
		assert_int_equal(ack.generation, i);
	}
	/* The picture stays when its maker has gone. */
	shutdown(stage->vmm, SHUT_RDWR);
	source_stage_settle();
	assert_int_equal(stage->n_lost, 1);
	assert_int_equal(
		surface_copy_rect(stage->surface, 1, &(struct damage_rect){ 0, 0, 1, 1 }, out), 0);
	assert_memory_equal(out, "abcd", 4);
	stage->source->ops->send_key(stage->source, 30, true);
}

static void
test_source_vmm__a_second_head_comes_and_goes(void **state)
{
	struct source_stage *stage = *state;
	CLEANUP_CLOSE int fd = source_stage_make_file(SOURCE_STAGE_STRIDE * SOURCE_STAGE_HEIGHT,
						      SOURCE_STAGE_SEALS);
	const struct source_scanout off = { .scanout = 1, .generation = 2 };
	struct source_damage damage = { 1, 1, 1, { { 2, 3, 4, 5 } } };
	const struct source_move move = { 1, 1, 11, 12 };
	struct damage_rect rects[DAMAGE_MAX_RECTS];
	struct surface_cursor cursor;
	struct source_ack ack;

	source_stage_greet(stage);
	source_stage_offer(stage, 1, 1, fd);
	assert_true(source_stage_hear(stage, SOURCE_ACK, &ack, sizeof(ack)));
	assert_int_equal(ack.scanout, 1);
	assert_int_equal(surface_get_info(stage->surface).width, 0);
	assert_int_equal(surface_get_info(stage->surfaces[1]).width, SOURCE_STAGE_WIDTH);
	/* its damage is its own, and answered for it */
	source_stage_say(stage, SOURCE_DAMAGE, &damage, sizeof(damage), -1);
	assert_int_equal(surface_take_damage(stage->surface, SURFACE_READER_SPICE, 0, rects), 0);
	assert_false(source_stage_hear(stage, SOURCE_DRAWN, &ack, sizeof(ack)));
	assert_int_equal(surface_take_damage(stage->surfaces[1], SURFACE_READER_SPICE, 1, rects),
			 1);
	assert_true(source_stage_hear(stage, SOURCE_DRAWN, &ack, sizeof(ack)));
	assert_int_equal(ack.scanout, 1);
	assert_int_equal(ack.generation, 1);
	source_stage_say(stage, SOURCE_MOVE, &move, sizeof(move), -1);
	surface_copy_cursor(stage->surfaces[1], 0, &cursor);
	assert_int_equal(cursor.y, 12);
	surface_copy_cursor(stage->surface, 0, &cursor);
	assert_int_equal(cursor.y, 0);
	source_stage_say(stage, SOURCE_SCANOUT, &off, sizeof(off), -1);
	assert_true(source_stage_hear(stage, SOURCE_ACK, &ack, sizeof(ack)));
	assert_int_equal(ack.generation, 2);
	assert_int_equal(surface_get_info(stage->surfaces[1]).width, 0);
	assert_int_equal(stage->n_lost, 0);
	/* one that the source does not have */
	source_stage_offer(stage, 2, 1, fd);
	assert_int_equal(stage->n_lost, 1);
}

static void
test_source_vmm__shows_cursor_and_lights(void **state)
{
	struct source_stage *stage = *state;
	struct {
		struct source_cursor head;
		uint8_t argb[8];
	} shape = { { .width = 1, .height = 2, .hot_y = 1, .x = -3, .y = 9, .visible = 1 },
		    "ABCDefgh" };
	const struct source_move move = { 0, 0, 100, 200 };
	const struct source_leds leds = { 6 };
	struct surface_cursor cursor;

	source_stage_greet(stage);
	source_stage_say(stage, SOURCE_CURSOR, &shape, sizeof(shape), -1);
	surface_copy_cursor(stage->surface, 0, &cursor);
	assert_memory_equal(cursor.argb, "ABCDefgh", 8);
	assert_int_equal(cursor.hot_y, 1);
	assert_int_equal(cursor.x, -3);
	assert_true(cursor.visible);
	g_free(cursor.argb);
	source_stage_say(stage, SOURCE_MOVE, &move, sizeof(move), -1);
	surface_copy_cursor(stage->surface, cursor.shape, &cursor);
	assert_int_equal(cursor.y, 200);
	assert_false(cursor.visible);
	source_stage_say(stage, SOURCE_LEDS, &leds, sizeof(leds), -1);
	assert_int_equal(surface_get_info(stage->surface).leds, 6);
	assert_int_equal(stage->n_lost, 0);
}

static void
test_source_vmm__sends_input(void **state)
{
	struct source_stage *stage = *state;
	const struct source_ops *ops = stage->source->ops;
	struct source_key key;
	struct source_pointer pointer;
	struct source_wheel wheel;
	struct source_size size;

	ops->send_key(stage->source, 0x1e, true); /* nobody has greeted */
	source_stage_greet(stage);
	ops->send_key(stage->source, 0x9d, true);
	ops->send_key(stage->source, 0x100, true); /* no key */
	assert_true(source_stage_hear(stage, SOURCE_KEY, &key, sizeof(key)));
	assert_int_equal(key.qnum, 0x9d);
	ops->send_position(stage->source, 1, 12, 34);
	ops->send_position(stage->source, 2, 1, 1); /* no such head */
	ops->send_button(stage->source, SOURCE_BUTTON_RIGHT, true);
	ops->send_button(stage->source, SOURCE_BUTTON_EXTRA, true);
	ops->send_button(stage->source, SOURCE_BUTTON_RIGHT, false);
	for (uint32_t buttons = 0; buttons < 4; buttons++) {
		static const uint32_t expected[] = { 0, 4, 4 | 16, 16 };

		assert_true(source_stage_hear(stage, SOURCE_POINTER, &pointer, sizeof(pointer)));
		assert_int_equal(pointer.scanout, 1);
		assert_int_equal(pointer.x, 12);
		assert_int_equal(pointer.y, 34);
		assert_int_equal(pointer.buttons, expected[buttons]);
	}
	ops->send_button(stage->source, SOURCE_BUTTON_WHEEL_UP, true);
	ops->send_button(stage->source, SOURCE_BUTTON_WHEEL_UP, false);
	ops->send_button(stage->source, SOURCE_BUTTON_WHEEL_DOWN, true);
	assert_true(source_stage_hear(stage, SOURCE_WHEEL, &wheel, sizeof(wheel)));
	assert_int_equal(wheel.steps, 1);
	assert_true(source_stage_hear(stage, SOURCE_WHEEL, &wheel, sizeof(wheel)));
	assert_int_equal(wheel.steps, -1);
	ops->set_size(stage->source, 2, 1280, 720); /* no such head */
	ops->set_size(stage->source, 0, 1280, 3);
	assert_true(source_stage_hear(stage, SOURCE_SIZE, &size, sizeof(size)));
	assert_int_equal(size.width, 1280);
	assert_int_equal(size.height, SOURCE_MIN_SIZE);
	ops->set_size(stage->source, 1, 0, 0);
	assert_true(source_stage_hear(stage, SOURCE_SIZE, &size, sizeof(size)));
	assert_int_equal(size.scanout, 1);
	assert_int_equal(size.width, 0);
	assert_false(source_stage_hear(stage, 0, &size, sizeof(size)));
}

static void
test_source_vmm__plays(void **state)
{
	struct source_stage *stage = *state;
	const struct source_sound sound = { 1, 0 };
	static uint8_t frames[SOURCE_MAX_FRAMES * SOURCE_FRAME_BYTES];
	struct source_listen listen;

	source_stage_greet(stage);
	stage->source->ops->listen(stage->source, true, false);
	assert_true(source_stage_hear(stage, SOURCE_LISTEN, &listen, sizeof(listen)));
	assert_int_equal(listen.hears, 1);
	assert_int_equal(listen.speaks, 0);
	source_stage_say(stage, SOURCE_SOUND, &sound, sizeof(sound), -1);
	assert_true(stage->plays);
	assert_false(stage->records);
	memcpy(frames + sizeof(frames) - 4, "last", 4);
	source_stage_say(stage, SOURCE_PLAYED, frames, sizeof(frames), -1);
	assert_int_equal(stage->n_played, SOURCE_MAX_FRAMES);
	assert_memory_equal(stage->last_played, "last", 4);
	assert_true(source_stage_hear(stage, SOURCE_HEARD, frames, 0));
	source_stage_say(stage, SOURCE_PLAYED, "once", 4, -1);
	assert_int_equal(stage->n_played, SOURCE_MAX_FRAMES + 1);
	assert_int_equal(stage->n_lost, 0);
}

static void
test_source_vmm__speaks_while_the_guest_records(void **state)
{
	struct source_stage *stage = *state;
	const struct source_ops *ops = stage->source->ops;
	struct source_sound sound = { 0, 1 };
	static uint8_t frames[(SOURCE_MAX_FRAMES + 1) * SOURCE_FRAME_BYTES];
	struct source_listen listen;

	source_stage_greet(stage);
	ops->listen(stage->source, false, true);
	assert_true(source_stage_hear(stage, SOURCE_LISTEN, &listen, sizeof(listen)));
	ops->speak(stage->source, "none", 1);
	source_stage_say(stage, SOURCE_SOUND, &sound, sizeof(sound), -1);
	ops->speak(stage->source, frames, SOURCE_MAX_FRAMES + 1);
	ops->speak(stage->source, frames, 0);
	ops->speak(stage->source, "yes.", 1);
	assert_true(source_stage_hear(stage, SOURCE_SPOKEN, frames, 4));
	assert_memory_equal(frames, "yes.", 4);
	sound.records = 0;
	source_stage_say(stage, SOURCE_SOUND, &sound, sizeof(sound), -1);
	ops->speak(stage->source, "none", 1);
	sound.records = 1;
	source_stage_say(stage, SOURCE_SOUND, &sound, sizeof(sound), -1);
	ops->listen(stage->source, false, false);
	assert_true(source_stage_hear(stage, SOURCE_LISTEN, &listen, sizeof(listen)));
	ops->speak(stage->source, "none", 1);
	assert_false(source_stage_hear(stage, SOURCE_SPOKEN, frames, 4));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, source_stage_open, source_stage_close)
	const struct CMUnitTest tests[] = {
		TEST(test_source_vmm__shows_the_shared_picture),
		TEST(test_source_vmm__goes_black_and_comes_back),
		TEST(test_source_vmm__a_second_head_comes_and_goes),
		TEST(test_source_vmm__shows_cursor_and_lights),
		TEST(test_source_vmm__sends_input),
		TEST(test_source_vmm__plays),
		TEST(test_source_vmm__speaks_while_the_guest_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
