/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_vnc_cut_text.c - what a VNC client may copy
 */
#include <stdlib.h>
#include <string.h>

#include "display/vnc_cut_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_text(const char *text, size_t max_bytes)
{
	if (strlen(text) > max_bytes || !g_utf8_validate(text, -1, NULL) || strchr(text, '\r'))
		abort();
}

/* Both kinds of body. A text comes back from our own messages as it went in. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autofree char *plain = vnc_cut_text_read_plain(data, size);
	struct vnc_cut_caps caps = VNC_CUT_CAPS_BEFORE;
	g_autoptr(GByteArray) message = NULL;
	g_autofree char *text = NULL;
	g_autofree char *again = NULL;
	size_t head_bytes = 1 + VNC_CUT_TEXT_HEAD_BYTES;

	check_text(plain, 2 * size);
	if (vnc_cut_text_read_extended(data, size, &caps, &text) != VNC_CUT_PROVIDE && text)
		abort();
	if (!text)
		text = g_strdup(plain);
	check_text(text, MAX(VNC_CUT_TEXT_MAX_BYTES, 2 * size));
	message = vnc_cut_text_make_provide(text);
	if (vnc_cut_text_read_extended(message->data + head_bytes, message->len - head_bytes, &caps,
				       &again) != VNC_CUT_PROVIDE)
		abort();
	if (again ? strcmp(text, again) != 0 : strlen(text) < VNC_CUT_TEXT_MAX_BYTES / 2)
		abort();
	g_byte_array_unref(vnc_cut_text_make_plain(text));
	return 0;
}
