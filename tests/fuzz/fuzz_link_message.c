/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_link_message.c - what a client may send behind its TLS handshake
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "display/link_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct link_scan scan = { .mini_header = size & 1 };
	struct link_message message;
	uint32_t bytes;

	if (size >= LINK_HEAD_BYTES && link_message_parse_head(data, &bytes) == 0 &&
	    size - LINK_HEAD_BYTES >= bytes)
		link_message_parse(data + LINK_HEAD_BYTES, bytes, &message);
	while (size > 0) {
		size_t used = link_scan_next(&scan, data, size);

		if (used == 0 || used > size)
			abort();
		data += used;
		size -= used;
	}
	return 0;
}
