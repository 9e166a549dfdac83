/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_vdagent_stream.c - what a guest may write to its vdagent port
 */
#include <stdint.h>
#include <stdlib.h>

#include "display/vdagent_stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Followed in one go, byte by byte, and from border to border it is the same stream. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vdagent_stream whole = { 0 }, bytes = { 0 }, steps = { 0 };
	int result = vdagent_stream_feed(&whole, data, size);
	int last = 0;
	size_t at = 0;

	for (size_t i = 0; i < size; i++)
		last = vdagent_stream_feed(&bytes, data + i, 1);
	while (at < size) {
		size_t used = vdagent_stream_find_border(&steps, data + at, size - at);

		if (used > size - at)
			abort();
		if (used == 0)
			used = size - at;
		else if (vdagent_stream_feed(&steps, data + at, used) == 0 &&
			 !vdagent_stream_at_border(&steps))
			abort();
		else {
			at += used;
			continue;
		}
		vdagent_stream_feed(&steps, data + at, used);
		at += used;
	}
	if ((size > 0 && result != last) || whole.broken != steps.broken ||
	    vdagent_stream_at_border(&whole) != vdagent_stream_at_border(&bytes) ||
	    vdagent_stream_at_border(&whole) != vdagent_stream_at_border(&steps))
		abort();
	return 0;
}
