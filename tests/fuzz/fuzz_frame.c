/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_frame.c - frames of the agent port and the strict JSON in them
 *
 * The first byte says in pieces of how many bytes the rest arrives.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/frame.h"
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
fuzz_take_frames(struct frame_reader *reader)
{
	struct json_problem problem;
	const char *text;
	size_t length;
	int result;

	while ((result = frame_reader_next(reader, &text, &length)) == 1)
		json_decref(json_parse_strict(text, length, FRAME_MAX_BYTES, &problem));
	return result;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame_reader reader = { 0 };
	size_t piece = size > 0 ? data[0] + (size_t)1 : 1;

	for (size_t at = 1; at < size; at += piece) {
		size_t length = size - at < piece ? size - at : piece;

		if (frame_reader_feed(&reader, data + at, length) < 0 ||
		    fuzz_take_frames(&reader) < 0)
			break;
	}
	frame_reader_done(&reader);
	return 0;
}
