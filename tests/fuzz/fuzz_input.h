/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_input.h - a fuzzer's input taken piece by piece, little-endian; zeros where it has ended
 */
#ifndef TESTS_FUZZ_FUZZ_INPUT_H
#define TESTS_FUZZ_FUZZ_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct fuzz_input {
	const uint8_t *next;
	size_t left;
};

/* "bytes": at most 8. */
static inline uint64_t
fuzz_input_take(struct fuzz_input *input, size_t bytes)
{
	size_t there = bytes < input->left ? bytes : input->left;
	uint64_t value = 0;

	memcpy(&value, input->next, there);
	input->next += there;
	input->left -= there;
	return value;
}

#endif
