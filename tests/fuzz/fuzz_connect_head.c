/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_connect_head.c - what a stranger may send to the gateway's port
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "broker/connect_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct connect_head whole = { 0 };
	struct connect_head bytewise = { 0 };
	size_t used = connect_head_feed(&whole, (const char *)data, size);
	size_t total = 0;

	for (size_t i = 0; i < size; i++)
		total += connect_head_feed(&bytewise, (const char *)data + i, 1);
	if (used != total || whole.state != bytewise.state || used > CONNECT_HEAD_MAX_BYTES)
		abort();
	if (whole.state == CONNECT_HEAD_DONE && !id_secret_valid(whole.ticket))
		abort();
	return 0;
}
