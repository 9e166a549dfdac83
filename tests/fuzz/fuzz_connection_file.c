/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_connection_file.c - a .vv file from anywhere
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/connection_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autoptr(GError) error = NULL;
	gboolean removed;
	struct connection_file *file =
		connection_file_parse((const char *)data, size, "fuzz.vv", &removed, &error);

	if ((file == NULL) != (error != NULL) || (file && size > CONNECTION_FILE_MAX_BYTES))
		abort();
	if (file && (!file->host || !file->tls_port || !file->ca || !file->host_subject))
		abort();
	connection_file_free(file);
	return 0;
}
