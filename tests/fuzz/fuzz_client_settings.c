/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_client_settings.c - the keyboard property that any X client can have written
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/client_settings.h"

#define NAME_MAX_BYTES 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autofree char *layout = NULL;
	g_autofree char *variant = NULL;

	if (!client_settings_parse_xkb((const char *)data, size, &layout, &variant)) {
		if (layout || variant)
			abort();
		return 0;
	}
	if (layout[0] == '\0' || strlen(layout) > NAME_MAX_BYTES ||
	    strlen(variant) > NAME_MAX_BYTES || strpbrk(layout, " ,;/$") ||
	    strpbrk(variant, " ,;/$"))
		abort();
	return 0;
}
