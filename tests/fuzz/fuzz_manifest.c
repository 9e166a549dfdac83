/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_manifest.c - manifest.json from a template's folder
 */
#include "host/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autoptr(GError) error = NULL;

	manifest_free(manifest_parse((const char *)data, size, &error));
	return 0;
}
