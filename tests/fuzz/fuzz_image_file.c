/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_image_file.c - image.json, which a build's namespace could have written
 */
#include "templates/image_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autoptr(GError) error = NULL;

	json_decref(image_file_parse((const char *)data, size, &error));
	return 0;
}
