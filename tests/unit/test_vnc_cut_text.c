/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_vnc_cut_text.c - RFB's cut texts, plain and extended
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <gio/gio.h>
#include <string.h>

#include "display/vnc_cut_text.h"

#define HEAD_BYTES (1 + VNC_CUT_TEXT_HEAD_BYTES)

/* A message of ours, read as a client's. */
static uint32_t
read_back(GByteArray *message, struct vnc_cut_caps *ret_caps, char **ret_text)
{
	bool extended;
	uint32_t size = vnc_cut_text_read_head(message->data + 1, &extended);
	uint32_t kind;

	assert_int_equal(message->data[0], 3);
	assert_true(extended);
	assert_int_equal(message->len, HEAD_BYTES + size);
	kind = vnc_cut_text_read_extended(message->data + HEAD_BYTES, size, ret_caps, ret_text);
	g_byte_array_unref(message);
	return kind;
}

static void
test_vnc_cut_text__carries_utf8(void **state)
{
	static const char *const texts[] = { "", "a", "Grüße für 12 €\nзаметка 漢字 😀\n" };
	struct vnc_cut_caps caps;
	char *text;

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		assert_int_equal(read_back(vnc_cut_text_make_provide(texts[i]), &caps, &text),
				 VNC_CUT_PROVIDE);
		assert_string_equal(text, texts[i]);
		g_free(text);
	}
	assert_int_equal(read_back(vnc_cut_text_make_notify(true), &caps, &text), 0);
}

static void
test_vnc_cut_text__carries_latin1(void **state)
{
	GByteArray *message = vnc_cut_text_make_plain("grün €\n");
	g_autofree char *text = NULL;
	g_autofree char *lines = NULL;
	bool extended;

	(void)state;
	assert_int_equal(vnc_cut_text_read_head(message->data + 1, &extended), 7);
	assert_false(extended);
	assert_memory_equal(message->data + HEAD_BYTES, "gr\xfcn ?\n", 7);
	text = vnc_cut_text_read_plain(message->data + HEAD_BYTES, 7);
	assert_string_equal(text, "grün ?\n");
	g_byte_array_unref(message);
	lines = vnc_cut_text_read_plain((const uint8_t *)"1\r\n2\r3\n\r\n\0x", 11);
	assert_string_equal(lines, "1\n2\n3\n\n");
}

static void
test_vnc_cut_text__knows_what_a_client_can(void **state)
{
	static const uint8_t good[] = { 0x1f, 0, 0, 3, 0, 1, 0, 0, 0, 0, 0, 9 };
	static const uint8_t no_text[] = { 0x1f, 0, 0, 2, 0, 1, 0, 0 };
	static const uint8_t request[] = { 2, 0, 0, 1 };
	static const uint8_t request_html[] = { 2, 0, 0, 4 };
	static const uint8_t peek[] = { 4, 0, 0, 0 };
	static const uint8_t two_things[] = { 6, 0, 0, 1 };
	struct vnc_cut_caps caps = VNC_CUT_CAPS_BEFORE;
	char *text;

	(void)state;
	/* a size too few, one too many */
	assert_int_equal(vnc_cut_text_read_extended(good, 8, &caps, &text), 0);
	assert_int_equal(vnc_cut_text_read_extended(good, 3, &caps, &text), 0);
	assert_int_equal(vnc_cut_text_read_extended(no_text, 4, &caps, &text), 0);
	assert_int_equal(caps.max_unasked_bytes, 20 * 1024 * 1024);
	assert_int_equal(vnc_cut_text_read_extended(good, 12, &caps, &text), VNC_CUT_CAPS);
	assert_int_equal(caps.max_unasked_bytes, 0x10000);
	assert_true(caps.flags & VNC_CUT_TEXT);
	assert_int_equal(vnc_cut_text_read_extended(no_text, 8, &caps, &text), VNC_CUT_CAPS);
	assert_false(caps.flags & VNC_CUT_TEXT);
	assert_int_equal(vnc_cut_text_read_extended(request, 4, &caps, &text), VNC_CUT_REQUEST);
	assert_int_equal(vnc_cut_text_read_extended(request_html, 4, &caps, &text), 0);
	assert_int_equal(vnc_cut_text_read_extended(peek, 4, &caps, &text), VNC_CUT_PEEK);
	assert_int_equal(vnc_cut_text_read_extended(two_things, 4, &caps, &text), 0);
	assert_int_equal(vnc_cut_text_read_extended(request, 0, &caps, &text), 0);
}

/* A message with these bytes, compressed. */
static char *
provide(const void *data, size_t size, size_t n_missing)
{
	g_autoptr(GConverter) deflater =
		G_CONVERTER(g_zlib_compressor_new(G_ZLIB_COMPRESSOR_FORMAT_ZLIB, 0));
	uint8_t body[4 + 256] = { 0x10, 0, 0, 1 };
	struct vnc_cut_caps caps;
	gsize n_read, n_written;
	char *text;

	assert_int_equal(g_converter_convert(deflater, data, size, body + 4, sizeof(body) - 4,
					     G_CONVERTER_INPUT_AT_END, &n_read, &n_written, NULL),
			 G_CONVERTER_FINISHED);
	assert_int_equal(vnc_cut_text_read_extended(body, 4 + n_written - n_missing, &caps, &text),
			 VNC_CUT_PROVIDE);
	return text;
}

static void
test_vnc_cut_text__believes_no_claim(void **state)
{
	static const uint8_t junk[] = { 0x10, 0, 0, 1, 'j', 'u', 'n', 'k' };
	static const uint8_t html[] = { 0x10, 0, 0, 4, 'j', 'u', 'n', 'k' };
	struct vnc_cut_caps caps;
	char *text;

	(void)state;
	text = provide("\0\0\0\3ab", 7, 0);
	assert_string_equal(text, "ab");
	g_free(text);
	/* only as much as there is: the rest would be somebody else's memory */
	assert_null(provide("\0\0\0\4ab", 7, 0));
	assert_null(provide("\0\0\1\0ab", 7, 0));
	assert_null(provide("\0\0\0\3ab", 7, 10));
	assert_null(provide("\0\0", 2, 0));
	assert_null(provide("", 0, 0));
	assert_null(provide("\xff\xff\xff\xff"
			    "ab",
			    7, 0));
	assert_null(provide("\0\0\0\2\xff", 6, 0)); /* no UTF-8 */
	assert_int_equal(vnc_cut_text_read_extended(junk, sizeof(junk), &caps, &text),
			 VNC_CUT_PROVIDE);
	assert_null(text);
	assert_int_equal(vnc_cut_text_read_extended(html, sizeof(html), &caps, &text),
			 VNC_CUT_PROVIDE);
	assert_null(text);
	assert_int_equal(vnc_cut_text_read_extended(junk, 4, &caps, &text), VNC_CUT_PROVIDE);
	assert_null(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vnc_cut_text__carries_utf8),
		cmocka_unit_test(test_vnc_cut_text__carries_latin1),
		cmocka_unit_test(test_vnc_cut_text__knows_what_a_client_can),
		cmocka_unit_test(test_vnc_cut_text__believes_no_claim),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
