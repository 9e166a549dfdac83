/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_qemu_display.c - what QEMU may say to its display's listener
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "display/qemu_display.h"
#include "display/surface.h"

static void
ignore_change(void *context)
{
	(void)context;
}

static const struct {
	const char *member;
	const char *body; /* in GVariant's text format; NULL: none */
	int result;
} calls[] = {
	{ "Update", "(0, 0, 1, 1, uint32 4, uint32 0x20020888, [byte 1, 2, 3, 4])", -ERANGE },
	{ "Scanout",
	  "(uint32 2, uint32 1, uint32 8, uint32 0x20020888, "
	  "[byte 1, 2, 3, 4, 5, 6, 7, 8])",
	  0 },
	{ "Scanout", "(uint32 2, uint32 1, uint32 8, uint32 0x20020888, [byte 1, 2, 3])", -EINVAL },
	{ "Scanout", "(uint32 2, uint32 1, uint32 8, uint32 0x20020888, @ay [])", -EINVAL },
	{ "Scanout", "(uint32 9000, uint32 1, uint32 8, uint32 0x20020888, [byte 1])", -E2BIG },
	{ "Scanout", "(2, 1, 8, 537004168, [byte 1])", -EBADMSG },
	{ "Scanout", NULL, -EBADMSG },
	{ "Update", "(1, 0, 1, 1, uint32 4, uint32 0x20020888, [byte 9, 9, 9, 0])", 0 },
	{ "Update", "(2, 0, 1, 1, uint32 4, uint32 0x20020888, [byte 9, 9, 9, 0])", -ERANGE },
	{ "Update", "(-1, 0, 1, 1, uint32 4, uint32 0x20020888, [byte 9, 9, 9, 0])", -EINVAL },
	{ "Update", "(0, 0, -1, 1, uint32 4, uint32 0x20020888, [byte 9, 9, 9, 0])", -EINVAL },
	{ "Update", "(2147483647, 0, 2147483647, 1, uint32 4, uint32 0x20020888, [byte 9])",
	  -EINVAL },
	{ "MouseSet", "(5, -6, 1)", 0 },
	{ "MouseSet", "('x',)", -EBADMSG },
	{ "CursorDefine", "(1, 1, 0, 0, [byte 1, 2, 3, 4])", 0 },
	{ "CursorDefine", "(1, 1, 1, 0, [byte 1, 2, 3, 4])", -EINVAL },
	{ "CursorDefine", "(1, 1, -1, 0, [byte 1, 2, 3, 4])", -EINVAL },
	{ "CursorDefine", "(1, 2, 0, 0, [byte 1, 2, 3, 4])", -EINVAL },
	{ "CursorDefine", "(100000, 100000, 0, 0, [byte 1])", -E2BIG },
	{ "ScanoutDMABUF", NULL, -ENOSYS },
	{ "", NULL, -ENOSYS },
	{ NULL, NULL, -ENOSYS },
};

static void
test_qemu_display__writes_or_refuses(void **state)
{
	struct surface *surface = surface_new(ignore_change, NULL);
	struct surface_cursor cursor;
	uint8_t row[8];

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(calls); i++) {
		g_autoptr(GVariant) body = NULL;

		if (calls[i].body)
			body = g_variant_parse(NULL, calls[i].body, NULL, NULL, NULL);
		assert_true(!calls[i].body || body);
		assert_int_equal(qemu_display_call(surface, calls[i].member, body),
				 calls[i].result);
	}
	assert_int_equal(surface_copy_rect(surface, 1, &(struct damage_rect){ 0, 0, 2, 1 }, row),
			 0);
	assert_memory_equal(row, ((uint8_t[]){ 1, 2, 3, 4, 9, 9, 9, 0 }), 8);
	surface_copy_cursor(surface, 0, &cursor);
	assert_int_equal(cursor.shape, 1);
	assert_int_equal(cursor.x, 5);
	assert_int_equal(cursor.y, -6);
	g_free(cursor.argb);
	assert_int_equal(qemu_display_call(surface, "Disable", NULL), 0);
	surface_copy_rect(surface, 1, &(struct damage_rect){ 0, 0, 2, 1 }, row);
	assert_memory_equal(row, ((uint8_t[8]){ 0 }), 8);
	surface_free(surface);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_qemu_display__writes_or_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
