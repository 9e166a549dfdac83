/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_qxl_command.c - what libspice-server's worker is given
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib.h>
#include <spice/enums.h>
#include <string.h>

#include "display/qxl_command.h"
#include "display/surface.h"

static void
test_qxl_command__draws_a_rectangle(void **state)
{
	const struct damage_rect rect = { 10, 20, 3, 2 };
	uint8_t *pixels = NULL;
	struct qxl_command *command = qxl_command_new_draw(&rect, 7, &pixels);
	const QXLDrawable *drawable = (const QXLDrawable *)(uintptr_t)command->ext.cmd.data;
	const QXLImage *image;

	(void)state;
	memset(pixels, 0xff,
	       3 * 2 * QXL_COMMAND_PIXEL_BYTES); /* inside the block, or ASan says so */
	assert_int_equal(command->ext.cmd.type, QXL_CMD_DRAW);
	assert_int_equal(drawable->type, QXL_DRAW_COPY);
	assert_int_equal(drawable->bbox.left, 10);
	assert_int_equal(drawable->bbox.top, 20);
	assert_int_equal(drawable->bbox.right, 13);
	assert_int_equal(drawable->bbox.bottom, 22);
	assert_ptr_equal((void *)(uintptr_t)drawable->release_info.id, command);
	image = (const QXLImage *)(uintptr_t)drawable->u.copy.src_bitmap;
	assert_int_equal(image->descriptor.width, 3);
	assert_int_equal(image->bitmap.stride, 12);
	assert_ptr_equal((void *)(uintptr_t)image->bitmap.data, pixels);
	assert_int_equal(drawable->u.copy.src_area.right, 3);
	assert_true(pixels + 24 <= (uint8_t *)command + command->bytes);
	g_free(command);
}

static void
test_qxl_command__copies_a_shape(void **state)
{
	uint8_t argb[2 * 2 * 4] = { 1, 2, 3, 4 };
	struct surface_cursor cursor = {
		.shape = 9,
		.x = -3,
		.y = 5,
		.visible = true,
		.width = 2,
		.height = 2,
		.hot_x = 1,
		.hot_y = 0,
		.argb = argb,
	};
	struct qxl_command *command = qxl_command_new_shape(&cursor);
	const QXLCursorCmd *cmd = (const QXLCursorCmd *)(uintptr_t)command->ext.cmd.data;
	const QXLCursor *shape = (const QXLCursor *)(uintptr_t)cmd->u.set.shape;

	(void)state;
	argb[0] = 99; /* it has its own copy */
	assert_int_equal(command->ext.cmd.type, QXL_CMD_CURSOR);
	assert_int_equal(cmd->type, QXL_CURSOR_SET);
	/* QXL speaks of the hot spot, the surface of the corner. */
	assert_int_equal(cmd->u.set.position.x, -2);
	assert_int_equal(cmd->u.set.position.y, 5);
	assert_int_equal(shape->header.unique, 9);
	assert_int_equal(shape->header.hot_spot_x, 1);
	assert_int_equal(shape->data_size, sizeof(argb));
	assert_int_equal(shape->chunk.data_size, sizeof(argb));
	assert_int_equal(shape->chunk.data[0], 1);
	g_free(command);
}

static void
test_qxl_command__moves_and_hides(void **state)
{
	struct surface_cursor cursor = { .x = 4, .y = 5, .visible = true, .hot_x = 1, .hot_y = 2 };

	(void)state;
	for (int visible = 0; visible < 2; visible++) {
		struct qxl_command *command;
		const QXLCursorCmd *cmd;

		cursor.visible = visible;
		command = qxl_command_new_move(&cursor);
		cmd = (const QXLCursorCmd *)(uintptr_t)command->ext.cmd.data;
		assert_int_equal(cmd->type, visible ? QXL_CURSOR_MOVE : QXL_CURSOR_HIDE);
		assert_int_equal(cmd->u.position.x, 5);
		assert_int_equal(cmd->u.position.y, 7);
		assert_ptr_equal((void *)(uintptr_t)cmd->release_info.id, command);
		g_free(command);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_qxl_command__draws_a_rectangle),
		cmocka_unit_test(test_qxl_command__copies_a_shape),
		cmocka_unit_test(test_qxl_command__moves_and_hides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
